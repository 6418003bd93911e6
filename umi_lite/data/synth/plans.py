"""What a set of tools allows: which can be drawn, which results fit which arguments, company."""

import datetime
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, NamedTuple

from umi_lite.data.rows import Dropped
from umi_lite.data.synth.generic import entity, generic
from umi_lite.data.synth.kinds import kind_of
from umi_lite.data.synth.names import OPPOSITES, base_verb, words_of
from umi_lite.data.synth.pools import Split, choice
from umi_lite.data.synth.shapes import DONE, NAMES, returns_of, with_settings
from umi_lite.data.synth.spoken import say_date
from umi_lite.data.synth.texts import Drawing, entity_of
from umi_lite.data.synth.values import CannotDraw, Drawn, draw_value, facts_of
from umi_lite.data.synth.wording import SynthTool, slots_of
from umi_lite.errors import UserError
from umi_lite.protocol.constraints import Check, held
from umi_lite.protocol.trajectory import Tool

# Kinds whose values one tool finds and another takes, whatever the names.
_LINKED = frozenset(
    "city country email phone url path address airport".split()
)
_UNLINKED = frozenset({DONE, NAMES, "status", "title", "word", "text", "message", "number", "measure",
                       "temperature", "condition", "percent", "minutes", "rating", "count", "boolean", "time"})  # fmt: skip
_SIZES = ((2, 3, 4, 5, 6, 8, 10, 14, 18, 24), (10, 14, 16, 14, 12, 10, 8, 6, 5, 5))
_MOST_REQUIRED = 8


@dataclass(frozen=True)
class Mix:
    """The shares of the kinds of tasks, in parts of their sum, and of what varies in them.

    Attributes:
        one: one call. two_parts, three_parts, four_parts: independent calls. two_chain,
            three_chain: later calls need earlier results. settings: set, then read again.
        retry: a call fails and is made with another value. dead_end: it fails for good.
        missing: a required value is not given. unsupported: no tool fits.
        twins: the share of tasks that offer a near-twin of a tool they need.
        optional: the chance of each optional argument to be given, two at most.
        sizes: numbers of tools offered, with their weights.
    """

    one: int = 36
    two_parts: int = 14
    three_parts: int = 6
    four_parts: int = 2
    two_chain: int = 14
    three_chain: int = 4
    settings: int = 2
    retry: int = 7
    dead_end: int = 2
    missing: int = 5
    unsupported: int = 8
    twins: float = 0.35
    optional: float = 0.3
    sizes: tuple[Sequence[int], Sequence[float]] = _SIZES

    def shares(self) -> dict[str, int]:
        """Return the kinds of tasks with their shares."""
        return {name: value for name, value in vars(self).items() if name in KINDS_OF_TASKS}


KINDS_OF_TASKS = (
    "one", "two_parts", "three_parts", "four_parts", "two_chain", "three_chain", "settings", "retry",
    "dead_end", "missing", "unsupported",
)  # fmt: skip


class Link(NamedTuple):
    """A result's field that fits an argument of another tool."""

    producer: str
    field: str
    argument: str


class Misfit(Exception):
    """This draw makes no good task: draw again. The message is counted."""


@dataclass
class Catalog:
    """A set of tools, ready to make tasks from.

    Attributes:
        tools: by name; only those whose arguments can be drawn.
        links: by consumer.
        dropped: the tools that are left out, each with its reason.
        guessed: tools whose result is but a guess: no chain begins with them.
    """

    tools: dict[str, SynthTool] = field(default_factory=dict)
    returns: dict[str, dict[str, str]] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    links: dict[str, list[Link]] = field(default_factory=dict)
    domains: dict[str, list[str]] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    guessed: set[str] = field(default_factory=set)
    _twins: dict[tuple[str, int], SynthTool] = field(default_factory=dict)

    def possible(self, kind: str) -> str:
        """Return why tasks of a kind cannot be made, "" where they can."""
        if not self.tools:
            return "no tool can be used"
        if kind in ("two_chain", "three_chain") and not self.links:
            return "no tool's result fits another tool's argument"
        if kind == "three_chain" and not any(map(self.long_chain, self.links)):
            return "no tool's result fits another's argument twice in a row"
        if kind == "settings" and not self.pairs:
            return "no tool reads what another one sets"
        if kind == "missing" and not any(self.omittable(tool) for tool in self.tools.values()):
            return "no tool has a required argument"
        if kind == "unsupported" and len(self.tools) < 3:
            return "there are fewer than three tools"
        return ""

    def long_chain(self, name: str) -> bool:
        """True if a tool needs the result of one that needs the result of another."""
        return any(
            other.producer != name for link in self.links[name] for other in self.links.get(link.producer, ())
        )

    def omittable(self, made: SynthTool) -> list[str]:
        """Return the required arguments that a request could leave out, which nothing implies."""
        properties = made.tool.parameters.get("properties", {})
        found: list[str] = []
        for name in made.tool.parameters.get("required", ()):
            part = properties.get(name)
            facts = part if isinstance(part, dict) else {}
            told = str(facts.get("description", "")).lower()
            if facts.get("type") in ("string", "integer", "number") and not (
                "default" in facts or "const" in facts or "default" in told or "optional" in told
            ):
                found.append(name)
        return found

    def clash(self, one: SynthTool, other: SynthTool) -> bool:
        """True if both could be meant by the same request."""
        if one.tool.name == other.tool.name or thing_of(one) == thing_of(other):
            return True
        if (one.verb == "query") != (other.verb == "query"):
            return False
        if one.verb != other.verb and one.verb != "query":
            return one.about == other.about and not {one.verb, other.verb} <= _UNLIKE
        mine, theirs = one.about, other.about
        return not mine or not theirs or mine <= theirs or theirs <= mine

    def twin(self, rng: random.Random, made: SynthTool) -> SynthTool | None:
        """Return a near-twin of a tool: the same arguments, another verb."""
        variant = rng.randrange(2)
        known = self._twins.get((made.tool.name, variant))
        if known is None:
            spec = _twin_spec(made.tool, variant)
            if spec is None or spec.name in self.tools:
                return None
            known = self._twins[(made.tool.name, variant)] = SynthTool(spec, None, made.domain)
        return known

    def company(
        self, rng: random.Random, needed: Sequence[SynthTool], mix: Mix, absent: Sequence[SynthTool] = ()
    ) -> list[SynthTool]:
        """Return the tools to offer, shuffled: the needed ones among others that could not do it.

        Args:
            absent: tools that must not be offered, nor any that could be meant by the same request.
        """
        size = max(len(needed), choice(rng, *mix.sizes))
        chosen = {made.tool.name: made for made in needed}
        avoided = [*needed, *absent]

        def offer(made: SynthTool) -> None:
            if made.tool.name not in chosen and not any(self.clash(made, one) for one in avoided):
                chosen[made.tool.name] = made

        if needed and len(chosen) < size and rng.random() < mix.twins:
            twin = self.twin(rng, choice(rng, needed))
            if twin is not None:
                offer(twin)
        names = list(self.tools)
        near = [name for one in avoided for name in self.domains.get(one.domain, ())]
        for _ in range(4 * size):
            if len(chosen) >= size:
                break
            pool = near if near and rng.random() < 0.5 else names
            offer(self.tools[choice(rng, pool)])
        tools = list(chosen.values())
        rng.shuffle(tools)
        return tools


_UNLIKE = frozenset({"create", "delete", "add", "remove", "cancel", "send", "update", "set", "move", "copy",
                     "start", "stop", "open", "close", "lock", "unlock", "buy", "sell", "archive"})  # fmt: skip


def thing_of(made: SynthTool) -> str:
    """Return a noun phrase of what a tool does."""
    if made.wording is not None:
        return made.wording.thing
    return generic(made.tool.name, made.tool.description).thing


def _twin_spec(tool: Tool, variant: int) -> Tool | None:
    head, dot, last = tool.name.rpartition(".")
    words = words_of(last)
    if len(words) < 2 or (verb := base_verb(words[0])) not in OPPOSITES:
        return None
    other = OPPOSITES[verb] if variant == 0 else {"delete": "restore"}.get(verb, "bookmark")
    name = f"{other}{last[len(words[0]) :]}" if last.lower().startswith(words[0]) else None
    if name is None:
        return None
    if last[:1].isupper():
        name = name[:1].upper() + name[1:]
    noun = " ".join(words[1:])
    article = "" if noun.endswith("s") else ("an " if noun[:1] in "aeio" else "a ")
    return Tool(
        name=f"{head}{dot}{name}", description=f"{other.capitalize()} {article}{noun}.", parameters=tool.parameters
    )


def catalog_of(tools: Sequence[SynthTool], seed: int, split: Split) -> Catalog:
    """Return the tools that can be used, with what fits what; the others with their reasons."""
    made = Catalog()
    for one in tools:
        name = one.tool.name
        why = f"another tool is named {name!r}" if name in made.tools else unusable(one, seed, split)
        if why:
            made.dropped.append(Dropped(f"tool {name}", why))
            continue
        made.tools[name] = one
        made.returns[name], guessed = returns_of(one)
        if guessed:
            made.guessed.add(name)
        made.domains.setdefault(one.domain, []).append(name)
    usable = list(made.tools.values())
    for names in made.domains.values():
        made.pairs += with_settings([made.tools[name] for name in names], made.returns)
    _link(made, usable)
    return made


def unusable(made: SynthTool, seed: int, split: Split) -> str:
    """Return why no task can be made for a tool, "" where some can."""
    parameters = made.tool.parameters
    try:
        held(parameters, f"tool {made.tool.name}")
        if len(parameters.get("required", ())) > _MOST_REQUIRED:
            return f"more than {_MOST_REQUIRED} arguments are required"
        wording = made.wording
        if wording is not None:
            known = parameters.get("properties", {})
            for template in wording.requests:
                strange = [slot for slot in slots_of(template) if slot not in known]
                if strange:
                    return f"its wording has a slot {strange[0]!r} that is not an argument"
            for template in wording.result:
                strange = [slot for slot in slots_of(template) if slot not in {*known, *wording.returns}]
                if strange:
                    return f"its result has a slot {strange[0]!r} that is no field"
        check = Check(parameters)
        faults = ""
        for attempt in range(3):
            rng = random.Random(f"probe {seed} {made.tool.name} {attempt}")
            d = Drawing(rng, split, datetime.date(2026, 1, 15), about=made.about, defs=parameters.get("$defs", {}))
            drawn = draw_arguments(d, made, parameters.get("required", ()))
            faults = check.fault({name: one.value for name, one in drawn.items()}) or ""
            if not faults:
                return ""
        return f"the values drawn do not fit its schema: {faults[:120]}"
    except CannotDraw as err:
        return str(err)
    except UserError as err:
        return str(err).removeprefix(f"tool {made.tool.name}: ")
    except RecursionError:
        return "its schema refers to itself without an end"


def draw_arguments(d: Drawing, made: SynthTool, names: Sequence[str]) -> dict[str, Drawn]:
    """Return values for some of a tool's arguments, in the schema's order.

    Raises:
        CannotDraw: one of them cannot be drawn.
    """
    properties: dict[str, Any] = made.tool.parameters.get("properties", {})
    order = [*[name for name in properties if name in names], *[n for n in names if n not in properties]]
    drawn: dict[str, Drawn] = {}
    for name in order:
        one = draw_value(d, name, properties.get(name, {}))
        for _ in range(5):
            if not any(one.value == other.value and one.kind == other.kind for other in drawn.values()):
                break
            one = draw_value(d, name, properties.get(name, {}))
        drawn[name] = one
    _in_order(drawn)
    _close_together(d, drawn)
    return drawn


_ENDS = (("start", "end"), ("from", "to"), ("check_in", "check_out"), ("departure", "return"), ("min", "max"),
         ("since", "until"), ("checkin", "checkout"), ("depart", "return"), ("begin", "end"), ("after", "before"))  # fmt: skip


def _in_order(drawn: dict[str, Drawn]) -> None:
    """Swap the two ends of a span where they were drawn the wrong way round."""
    for first, last in _ENDS:
        starts = [name for name in drawn if first in name.lower()]
        for start in starts:
            end = start.lower().replace(first, last)
            other = next((name for name in drawn if name.lower() == end), None)
            if other is None:
                continue
            one, two = drawn[start], drawn[other]
            comparable = one.kind == two.kind and type(one.value) is type(two.value)
            if comparable and isinstance(one.value, str | int | float) and one.kind in _SPANS and one.value > two.value:
                drawn[start], drawn[other] = two, one


def _close_together(d: Drawing, drawn: dict[str, Drawn]) -> None:
    """Draw the later end of a span of dates again where it is more than a month after the first."""
    for first, last in _ENDS:
        for start in [name for name, one in drawn.items() if first in name.lower() and one.kind == "date"]:
            other = next((n for n in drawn if n.lower() == start.lower().replace(first, last)), None)
            if other in (None, start) or not isinstance(drawn[start].value, str):
                continue
            try:
                begins = datetime.date.fromisoformat(drawn[start].value)
                ends = datetime.date.fromisoformat(drawn[other].value)
            except ValueError:
                continue
            if (ends - begins).days > 30:
                day = begins + datetime.timedelta(days=d.rng.randint(1, 21))
                drawn[other] = Drawn(day.isoformat(), say_date(d.rng, day), "date")


_SPANS = frozenset("date time datetime amount number count measure temperature year age percent rating small".split())


def _link(made: Catalog, tools: Sequence[SynthTool]) -> None:
    """Find which results fit which arguments: the same name, the same thing's id, the same kind."""
    by_name: dict[str, list[tuple[str, str]]] = {}
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for one in tools:
        if one.function is not None or one.tool.name in made.guessed:
            continue
        given = one.tool.parameters.get("properties", {})
        for name, kind in made.returns[one.tool.name].items():
            if name in given or kind in _UNLINKED or name in ("name", "title", "result", "content"):
                continue
            key = _key(name, kind, one)
            by_name.setdefault(f"{one.domain} {key}" if kind == "id" else key, []).append((one.tool.name, name))
            if kind in _LINKED:
                by_kind.setdefault(kind, []).append((one.tool.name, name))
    for one in tools:
        properties = one.tool.parameters.get("properties", {})
        found: list[Link] = []
        for argument in one.tool.parameters.get("required", ()):
            facts = _scalar(properties.get(argument))
            if facts is None:
                continue
            kind = kind_of(argument, facts, one.about)
            key = _key(argument, kind, one)
            if kind == "id" and (facts["type"] != "string" or facts.keys() & {"pattern", "format", "examples"}):
                continue
            fitting = by_name.get(f"{one.domain} {key}" if kind == "id" else key, [])
            if kind in _LINKED and facts["type"] == "string" and not facts.get("pattern"):
                fitting = [*fitting, *_sampled(by_kind.get(kind, []), one, made)]
            for producer, name in dict.fromkeys(fitting):
                if producer != one.tool.name and made.returns[producer][name] == kind:
                    found.append(Link(producer, name, argument))
        if found:
            made.links[one.tool.name] = found


def _sampled(
    fitting: list[tuple[str, str]], consumer: SynthTool, made: Catalog
) -> list[tuple[str, str]]:
    """Return those of the consumer's domain, and some of the others."""
    near = [one for one in fitting if made.tools[one[0]].domain == consumer.domain]
    rng = random.Random(f"links {consumer.tool.name}")
    return near + rng.sample(fitting, min(6, len(fitting)))


def _scalar(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, dict) or "enum" in schema or "const" in schema or "$ref" in schema:
        return None
    facts = facts_of(schema, Drawing(random.Random(0), "train", datetime.date(2026, 1, 1)))
    return facts if facts.get("type") in ("string", "integer", "number") and "enum" not in facts else None


def _key(name: str, kind: str, made: SynthTool) -> str:
    """Return what a field or argument is called, an id by the thing it identifies."""
    if kind == "id":
        return f"id of {entity_of(name) or entity(made.tool.name, made.tool.description)}"
    return f"{kind} {' '.join(words_of(name))}"


def turns(rng: random.Random, names: Sequence[str]) -> Callable[[], str]:
    """Return a function that gives the names one after another, shuffled, without an end."""
    order = cycle(rng.sample(list(names), len(names)))
    return lambda: next(order)

