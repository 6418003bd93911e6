"""A simulator of tools: results shaped by what each tool returns, the same for the same call."""

import datetime
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from umi_lite.data.synth.composed import ComposedDrawing
from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.free import free_form, free_names, free_text
from umi_lite.data.synth.general import FUNCTIONS
from umi_lite.data.synth.generic import entity
from umi_lite.data.synth.kinds import DONE, FREE, NAMES
from umi_lite.data.synth.names import done, words_of
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.shapes import name_kind
from umi_lite.data.synth.texts import TEXTS, text_of
from umi_lite.data.synth.values import NUMBERS
from umi_lite.protocol.constraints import Check
from umi_lite.protocol.roles import dump_json, plain_text
from umi_lite.protocol.trajectory import Tool, Trajectory
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction

_MOST_CHARS = 900


@dataclass(frozen=True)
class Fault:
    """A call that fails: of a tool, with one value of an argument, or with any (None)."""

    tool: str
    argument: str | None
    value: Any
    error: str


@dataclass(frozen=True)
class World:
    """All that a task's results depend on; `Trajectory.meta["world"]` has it as JSON.

    Attributes:
        returns: tool name to its result's fields and their kinds.
        pairs: (setter, getter): what was set is what the getter returns.
        actions: tools that change something.
        free: tools whose results are written in the forms of `synth.free`, not as JSON alone.
        general: tools of `synth.general`, which really compute.
    """

    seed: int
    split: Split
    today: str
    returns: Mapping[str, Mapping[str, str]]
    pairs: Sequence[Sequence[str]] = ()
    actions: Sequence[str] = ()
    faults: Sequence[Fault] = ()
    free: Sequence[str] = ()
    general: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "seed": self.seed, "split": self.split, "today": self.today,
            "returns": {name: dict(fields) for name, fields in self.returns.items()},
            "pairs": [list(pair) for pair in self.pairs], "actions": list(self.actions),
            "faults": [vars(fault) for fault in self.faults],
        }  # fmt: skip
        others = {"free": list(self.free), "general": list(self.general)}
        return made | {name: names for name, names in others.items() if names}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "World":
        faults = tuple(Fault(**fault) for fault in value["faults"])
        return cls(**{**value, "faults": faults})


def plain(value: Any) -> Any:
    """Return a value in which spelling does not count: case, blanks, 3.0 for 3."""
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    return value


def plain_call(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for comparison: `plain`, without null, empty and default values."""
    properties = parameters.get("properties", {})
    required = parameters.get("required", ())
    found: dict[str, Any] = {}
    for name, value in sorted(arguments.items()):
        part = properties.get(name)
        default = part.get("default") if isinstance(part, dict) else None
        if name not in required and (value in (None, "", [], {}) or value == default):
            continue
        found[name] = plain(value)
    return found


class Simulator(Toolbox):
    """Simulated tools in one world.

    Args:
        specs: the tools offered.
        functions: tools that are really run, by name.

    Attributes:
        last: the result of the last simulated call, field by field.
    """

    def __init__(
        self,
        specs: Sequence[Tool],
        world: World,
        functions: Mapping[str, ToolFunction] | None = None,
    ):
        real = {name: FUNCTIONS[name] for name in world.general} | dict(functions or {})
        super().__init__(
            real[spec.name] if spec.name in real else _Simulated(spec, partial(self._run, spec))
            for spec in specs
        )
        self._world = world
        self._effects: list[list[Any]] = []
        self._kept: dict[str, dict[str, Any]] = {}
        self._actions = set(world.actions) & {spec.name for spec in specs}
        self.last: dict[str, Any] = {}
        self.faults = world.faults

    def state(self) -> dict[str, Any] | None:
        """Return the calls that changed something; None where no tool here does."""
        if not self._actions:
            return None
        return {
            "changes": sorted(self._effects, key=lambda one: json.dumps(one, ensure_ascii=False))
        }

    def _run(self, spec: Tool, **arguments: Any) -> str:
        given = plain_call(arguments, spec.parameters)
        for fault in self._world.faults:
            if fault.tool == spec.name and (
                fault.argument is None or given.get(fault.argument) == plain(fault.value)
            ):
                raise ToolError(fault.error)
        if spec.name in self._actions:
            self._effects.append([spec.name, given])
        world = self._world
        key = json.dumps(given, ensure_ascii=False, default=str)
        rng = random.Random(f"{world.seed} {spec.name} {key}")
        free = spec.name in world.free
        drawing = ComposedDrawing if free else Drawing
        today = datetime.date.fromisoformat(world.today)
        d = drawing(rng, world.split, today, allow_relative=False)
        fields = world.returns.get(spec.name) or {"status": DONE}
        self.last = self._result(d, spec, fields, arguments)
        if free:
            return free_form(d, self.last, fields, arguments)[:_MOST_CHARS]
        return rendered(spec.name, self.last)

    def _result(
        self, d: Drawing, spec: Tool, fields: Mapping[str, str], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        result = {
            name: self._field(d, spec, name, kind, arguments) for name, kind in fields.items()
        }
        for setter, getter in self._world.pairs:
            if getter == spec.name:
                kept = self._kept.get(_thing(setter, arguments, spec), {})
                result |= {name: kept[name] for name in result if name in kept}
            if setter == spec.name:
                other = next((tool for tool in self.specs if tool.name == getter), None)
                if other is not None:
                    self._kept[_thing(setter, arguments, other)] = dict(arguments)
        return result

    def _field(
        self, d: Drawing, spec: Tool, name: str, kind: str, arguments: Mapping[str, Any]
    ) -> Any:
        if isinstance(arguments.get(name), str | int | float):
            return arguments[name]
        if kind == FREE:
            return free_text(d)
        if kind == DONE:
            return done(spec.name, spec.description)
        if kind == NAMES:
            word = (words_of(spec.name) or ("item",))[-1]
            if spec.name in self._world.free:
                return free_names(d, _names_of(spec))
            found = [draw_kind(d, word, _names_of(spec)) for _ in range(d.rng.randint(2, 3))]
            return list(dict.fromkeys(found))
        return draw_kind(d, name, kind)


def draw_kind(d: Drawing, name: str, kind: str) -> Any:
    """Return a value of a kind for a result's field; `a|b` names alternatives, `2..9` a range."""
    if "|" in kind:
        return choice(d.rng, kind.split("|"))
    if ".." in kind:
        low, high = map(float, kind.split(".."))
        value = low + (high - low) * d.rng.random()
        return round(value, 1) if high - low < 5 and not low.is_integer() else round(value)
    if kind == "boolean":
        return d.rng.random() < 0.5
    if kind in NUMBERS and not (kind == "id" or kind in TEXTS):
        low, high, step = NUMBERS[kind]
        value = d.rng.randint(round(low / step), round(high / step)) * step
        if kind in ("amount", "measure") and d.rng.random() < 0.5:
            value += d.rng.randint(1, 99) / 100
        return (
            round(value, 2) if isinstance(value, float) and not value.is_integer() else int(value)
        )
    value, _ = text_of("word" if kind == "text" else kind, d, name, {})
    return float(value) if kind in ("latitude", "longitude") else value


class _Simulated(ToolFunction):
    """A simulated tool; tools of many tasks share the check of one schema."""

    @property
    def _check(self) -> Check:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _check_of(id(self.spec), self.spec)


_CHECKS: dict[int, tuple[Tool, Check]] = {}


def _check_of(key: int, spec: Tool) -> Check:
    found = _CHECKS.get(key)
    if found is None or found[0] is not spec:
        if len(_CHECKS) > 20_000:
            _CHECKS.clear()
        found = _CHECKS[key] = (spec, Check(spec.parameters))
    return found[1]


def _names_of(spec: Tool) -> str:
    return name_kind(entity(spec.name, spec.description))


def _thing(setter: str, arguments: Mapping[str, Any], getter: Tool) -> str:
    """Return what was set or is got: the getter's required arguments."""
    needed = getter.parameters.get("required", ())
    return json.dumps([setter, [plain(arguments.get(name)) for name in needed]], default=str)


def rendered(tool: str, result: Mapping[str, Any]) -> str:
    """Return a result as its tool writes it: JSON, or in one of ten tools plain text."""
    style = zlib.crc32(f"result {tool}".encode()) % 10
    if style == 0 and len(result) == 1:
        (value,) = result.values()
        if isinstance(value, str | int | float):
            return str(value)
    if style == 1:
        return ", ".join(f"{name}: {plain_text(value)}" for name, value in result.items())[
            :_MOST_CHARS
        ]
    return dump_json(dict(result))[:_MOST_CHARS]


def environment(task: Trajectory, functions: Mapping[str, ToolFunction] | None = None) -> Simulator:
    """Return fresh live tools of a task, in the state in which its gold calls began.

    Args:
        functions: tools that are really run in place of the simulator, by name.
    """
    return Simulator(task.tools, World.of(task.meta["world"]), functions)
