"""Generates tasks: draws values, plays the gold calls on live tools, writes the episode."""

import itertools
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umi_lite.data.source import GIVE_UP
from umi_lite.data.toolworld import wording
from umi_lite.data.toolworld.families import Task
from umi_lite.data.toolworld.goals import Goal
from umi_lite.data.toolworld.pools import Split
from umi_lite.data.toolworld.template_values import GENERATORS, Values
from umi_lite.data.toolworld.toolbox import Toolset, WorldToolbox
from umi_lite.data.toolworld.wording import INTENTS
from umi_lite.data.toolworld.world import World
from umi_lite.protocol.trajectory import Answer, Call, Plan, Step, Trajectory
from umi_lite.tools.tools import Toolbox

SOURCE = "toolworld"
_UNMADE = 20


class Misfit(Exception):
    """This draw makes no good task (a tool did not do what the family expects): draw again."""


class _Result(str):
    """A tool's result in a template.

    `{r:parts}` writes its items and lines as gold parts, `{r:line}` its lines as one,
    `{r:list}` a Python list without brackets.
    """

    def __format__(self, spec: str) -> str:
        match spec:
            case "parts":
                return self.strip().replace(", ", " | ").replace("\n", " | ")
            case "line":
                return self.strip().replace("\n", "; ")
            case "list":
                return self.strip("[]")
            case _:
                return str(self)


@dataclass
class _Writer:
    """The steps of one episode as they are played."""

    rng: random.Random
    toolbox: Toolbox

    def __post_init__(self) -> None:
        self.steps: list[Step] = []

    def plan(self, thought: str, next_: Any) -> None:
        self.steps.append(Plan(thought=thought, next=next_))

    def play(self, goal: Goal, values: Values, after: str) -> list[_Result]:
        """Make the goal's calls; what they returned, in order.

        Args:
            after: who is at work when the goal is reached: a tool, or ANSWER.
        """
        results: list[_Result] = []
        for at, step in enumerate(goal.calls):
            filled = values | {f"r{i}": r for i, r in enumerate(results, 1)}
            texts = {key: text.format(**filled) for key, text in step.arguments.items()}
            intent = self.rng.choice(INTENTS[step.tool]).format(**texts)
            if step.retry_because:
                intent = f"{wording.RETRY}: {step.retry_because.format(**filled)}, {intent}"
            later = (call.tool for call in goal.calls[at + 1 :] if not call.retry_because)
            then = next(later, after)
            self.plan(f"{intent}, then {then}.", "caller")
            call = Call(tool=step.tool, arguments=self._typed(step.tool, texts))
            if call in self.steps:
                raise Misfit("the same call twice, which an agent's bounds take for being stuck")
            seen = self.toolbox.call(call)
            if seen.error != step.fails:
                raise Misfit(f"{goal.name}: {call} gave {seen}")
            self.steps += [call, seen]
            results.append(_Result(seen.content))
        return results

    def _typed(self, name: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return texts as the schema's types, in its order."""
        schema = next(spec.parameters for spec in self.toolbox.specs if spec.name == name)
        typed: dict[str, Any] = {}
        for key, sub in schema["properties"].items():
            if key in texts:
                number = sub.get("type") in ("number", "integer")
                typed[key] = _number(texts[key]) if number else texts[key]
        return typed


def _number(text: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        raise Misfit(f"{text!r} is not a number") from None
    return int(value) if value.is_integer() else value


def _draw(names: Sequence[str], rng: random.Random, world: World) -> Values:
    values: Values = {}
    for name in names:
        values |= GENERATORS[name](rng, world)
    return values


def clause_of(rng: random.Random, goal: Goal, values: Values) -> wording.Clause:
    """Return one wording of what a goal asks for."""
    kind = "noun" if goal.nouns else "imperative"
    return kind, rng.choice(goal.nouns or goal.imperatives).format(**values)


def write(task: Task, toolset: Toolset, split: Split, world_seed: int, name: str) -> Trajectory:
    """Return one episode of a task.

    Raises:
        Misfit: this seed gives no good task.
    """
    broken = frozenset(itertools.chain.from_iterable(goal.broken for goal in task.goals))
    world = World(split, world_seed, broken)
    toolbox = WorldToolbox(world, toolset)
    rng = random.Random(f"task {split} {world_seed}")
    before = toolbox.state()
    drawn = [_draw(goal.values, rng, world) for goal in task.goals]
    pairs = list(zip(task.goals, drawn, strict=True))
    gold = GIVE_UP
    if task.unsupported:
        values = _draw(task.unsupported.values, rng, world)
        drawn = [values]
        ask, steps = _refused(
            rng, (task.unsupported.kind, task.unsupported.text.format(**values)), split
        )
    elif task.missing:
        ask, steps = _refused(rng, clause_of(rng, *pairs[0]), split)
    else:
        ask = _ask(rng, pairs, split)
        steps, gold = play(rng, pairs, toolbox)
    after = toolbox.state()
    meta = {
        "family": task.family, "split": split, "kind": task.kind,
        "calls": sum(isinstance(step, Call) for step in steps),
        "state": after, "changes": before != after, "world_seed": world_seed,
        "broken": sorted(broken), "slots": [dict(values) for values in drawn],
    }  # fmt: skip
    return Trajectory(
        id=name, source=SOURCE, tools=toolbox.specs, instruction=ask, steps=tuple(steps),
        gold=gold, meta=meta,
    )  # fmt: skip


def _ask(rng: random.Random, pairs: Sequence[tuple[Goal, Values]], split: Split) -> str:
    goal, values = pairs[0]
    if len(pairs) == 1 and goal.asks and rng.random() < 0.5:
        return rng.choice(goal.asks).format(**values)
    clauses = [clause_of(rng, *pair) for pair in pairs]
    if len(set(clauses)) < len(clauses):
        raise Misfit("the same thing twice")
    return wording.instruction(rng, clauses, split)


def _refused(rng: random.Random, clause: wording.Clause, split: Split) -> tuple[str, list[Step]]:
    plan = refusal(rng, clause)
    return wording.instruction(rng, [clause], split), [plan]


def refusal(rng: random.Random, clause: wording.Clause) -> Plan:
    """Return the turn that gives up what no tool can do."""
    kind, text = clause
    thoughts = wording.NO_NOUN if kind == "noun" else wording.NO_DO
    return Plan(thought=rng.choice(thoughts).format(text=text), next="give_up")


def play(
    rng: random.Random, pairs: Sequence[tuple[Goal, Values]], toolbox: Toolbox
) -> tuple[list[Step], str]:
    """Make the calls of goals on live tools; return the steps and the gold answer.

    Raises:
        Misfit: a tool did not do what a goal expects.
    """
    writer = _Writer(rng, toolbox)
    golds: list[str] = []
    says: list[str] = []
    afters = [goal.calls[0].tool for goal, _ in pairs[1:]] + [wording.ANSWER]
    for (goal, values), after in zip(pairs, afters, strict=True):
        results = writer.play(goal, values, after)
        filled = values | {f"r{i}": r for i, r in enumerate(results, 1)} | {"r": results[-1]}
        if goal.gives_up:
            writer.plan(rng.choice(wording.STUCK).format(error=filled["r"]), "give_up")
            return writer.steps, GIVE_UP
        golds.append(goal.gold.format(**filled))
        says.append(rng.choice(goal.answers).format(**filled))
    writer.plan(wording.DONE, "summarizer")
    writer.steps.append(Answer(text=wording.capital(wording.listing(says)) + "."))
    return writer.steps, " | ".join(golds)


def fits(
    tasks: Iterator[tuple[Task, Toolset]], split: Split, kind: str, seed: int
) -> Iterator[Trajectory]:
    """Yield the episodes of a kind's tasks, without an end where the tasks have none.

    Raises:
        RuntimeError: `_UNMADE` tasks in a row fit in no draw, so a tool or a goal is broken.
    """
    unmade = 0
    for number, (task, toolset) in enumerate(tasks):
        reason: Misfit | None = None
        for attempt in range(50):
            # The kind is hashed in, so that tasks of two kinds never share a world.
            world_seed = zlib.crc32(f"{kind} {seed} {number} {attempt}".encode())
            try:
                yield write(
                    task, toolset, split, world_seed, f"{SOURCE}-{split}-{seed}-{kind}-{number}"
                )
            except Misfit as err:
                reason = err
                continue
            unmade = 0
            break
        else:
            unmade += 1
            if unmade == _UNMADE:
                raise RuntimeError(f"toolworld {split}: no task of kind {kind} fits") from reason


def distinct(kinds: Iterable[str], streams: Mapping[str, Iterator[Trajectory]]) -> list[Trajectory]:
    """Return the next task of each kind in turn, without those whose instruction came before."""
    made: dict[str, Trajectory] = {}
    for kind in kinds:
        task = next(t for t in streams[kind] if t.instruction not in made)
        made[task.instruction] = task
    return list(made.values())
