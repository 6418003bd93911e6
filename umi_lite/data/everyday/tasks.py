"""Makes everyday tasks: draws a kind, its goals and tools, plays the calls, writes the episode."""

import itertools
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from umi_lite.data.everyday import words
from umi_lite.data.everyday.asking import both, casual
from umi_lite.data.everyday.goals import EverydayGoal, Split, goals_of
from umi_lite.data.everyday.values import draw
from umi_lite.data.everyday.world import FILE_TOOLS, TOOLS, EverydayToolbox, World
from umi_lite.data.source import GIVE_UP
from umi_lite.data.toolworld import wording
from umi_lite.data.toolworld.generate import Misfit, clause_of, play, refusal
from umi_lite.data.toolworld.template_values import Values
from umi_lite.protocol.trajectory import Answer, Call, Observation, Step, Trajectory

# How many in 100 tasks. `parts` are two requests in one message; `dead_end`, `missing` and
# `unsupported` end in giving up: after an error, without the tool, without any.
PER_100 = {
    "sum_one": 10, "sum_many": 19, "units": 11, "dates": 9, "texts": 7, "todos": 9, "programs": 5,
    "chains": 10, "parts": 7, "files": 6, "recovery": 1, "dead_end": 1, "missing": 3,
    "unsupported": 2,
}  # fmt: skip
_PARTS = ("sum_one", "sum_many", "units", "dates", "texts", "todos", "programs", "files")
# What they find depends on the task's world, which the other request may have changed.
_ALONE = {"list_empty", "on_list", "not_on_list"}
# Without these a task cannot be done in another way when its tool is missing.
_INSTEAD: dict[str, tuple[str, ...]] = {
    "convert": ("calculator", "python"),
    "python": ("calculator",),
    "find_text": ("read_file",),
    "read_file": ("find_text",),
}
# Longer numbers are lost in copying.
_MAX_DIGITS = 12
_MAX_ANSWER = 190


@dataclass(frozen=True)
class _Made:
    """What a task asks, and its steps to the end."""

    ask: str
    steps: Sequence[Step]
    gold: str


def tasks_of(kind: str, split: Split, seed: int) -> Iterator[Trajectory]:
    """Yield the tasks of a kind without end, its goals in turn."""
    for number in itertools.count():
        for attempt in itertools.count():
            name = f"everyday-{split}-{seed}-{kind}-{number}"
            rng = random.Random(zlib.crc32(f"{name} {attempt}".encode()))
            try:
                yield _task(kind, number, rng, split, name)
                break
            except Misfit:
                if attempt > 200:
                    raise AssertionError(f"{name}: no draw makes a task") from None


def _task(kind: str, number: int, rng: random.Random, split: Split, name: str) -> Trajectory:
    goals = _goals(kind, number, rng, split)
    world = _world(rng)
    # This may change the world, whose tools are made after it.
    drawn = [draw(goal.values, goal, rng, world, split) for goal in goals]
    toolbox = EverydayToolbox(world, _names(kind, goals, rng))
    before = toolbox.state()
    pairs = list(zip(goals, drawn, strict=True))
    if kind == "unsupported":
        made = _unsupported(number, rng, world, split)
    elif kind == "missing":
        made = _missing(rng, *pairs[0], split)
    else:
        steps, gold = play(rng, pairs, toolbox)
        made = _Made(_ask(rng, pairs, split), steps, gold)
        _check(kind, goals, drawn, steps)
    meta = {
        "family": goals[0].name if len(goals) == 1 else kind, "split": split, "kind": kind,
        "calls": sum(isinstance(step, Call) for step in made.steps), "world": world.facts(),
        "state": toolbox.state(), "changes": before != toolbox.state(),
    }  # fmt: skip
    return Trajectory(
        id=name, source="everyday", tools=toolbox.specs, instruction=made.ask,
        steps=tuple(made.steps), gold=made.gold, meta=meta,
    )  # fmt: skip


def _goals(kind: str, number: int, rng: random.Random, split: Split) -> list[EverydayGoal]:
    """Return the goals of a task: none where no tool can do it."""
    by_kind = goals_of(split).by_kind
    if kind == "unsupported":
        return []
    if kind == "missing":
        able = [g for k in _PARTS for g in by_kind[k] if g.nouns or g.imperatives]
        return [able[number % len(able)]]
    if kind == "parts":
        kinds = rng.choices(_PARTS, k=2)
        able = [[g for g in by_kind[k] if len(g.calls) == 1] for k in kinds]
        goals = [rng.choice(one) for one in able]
        if goals[0] == goals[1] or {goal.name for goal in goals} & _ALONE:
            raise Misfit("not two requests that may come together")
        return goals
    return [by_kind[kind][number % len(by_kind[kind])]]


def _world(rng: random.Random) -> World:
    day = draw(["date"], None, rng, World(), "train")["date"]
    paths = rng.sample(words.FILE_PATHS, rng.randint(2, 5))
    texts = ["\n".join(rng.sample(words.FILE_LINES, rng.randint(1, 3))) + "\n" for _ in paths]
    items = rng.sample(words.ERRANDS, rng.randint(2, 4)) + rng.sample(words.WARES, 1)
    files = dict(zip(paths, texts, strict=True))
    return World(str(day), rng.sample(items, rng.randint(2, len(items))), files)


def _names(kind: str, goals: Sequence[EverydayGoal], rng: random.Random) -> list[str]:
    """Return the tools on offer, shuffled: all everyday tools, or 4 to 8 of them."""
    needed = {tool for goal in goals for tool in goal.tools}
    known = set(TOOLS)
    if needed & set(FILE_TOOLS) or rng.random() < 0.3:
        known |= set(FILE_TOOLS)
    few = rng.random() < 0.25
    if kind == "missing":
        (tool,) = needed
        known -= needed | set(_INSTEAD.get(tool, ("python",)))
        needed, few = set(), rng.random() < 0.6
    if few:
        rest = sorted(known - needed)
        rng.shuffle(rest)
        known = needed | set(rest[: max(4, rng.randint(4, 8)) - len(needed)])
    names = sorted(known)
    rng.shuffle(names)
    return names


def _ask(rng: random.Random, pairs: Sequence[tuple[EverydayGoal, Values]], split: Split) -> str:
    asks = [rng.choice(goal.asked(split)).format(**values) for goal, values in pairs]
    if len(asks) == 1:
        return casual(rng, asks[0], split)
    if all(goal.nouns or goal.imperatives for goal, _ in pairs) and rng.random() < 0.35:
        clauses = [clause_of(rng, goal, values) for goal, values in pairs]
        return casual(rng, wording.instruction(rng, clauses, _frames(split)), split)
    return both(rng, asks[0], asks[1], split)


def _frames(split: Split) -> wording.Split:
    """Return the split of toolworld whose frames are round a split's clauses."""
    return "train" if split == "train" else "ood"


def _missing(rng: random.Random, goal: EverydayGoal, values: Values, split: Split) -> _Made:
    ask = casual(rng, rng.choice(goal.asked(split)).format(**values), split)
    return _Made(ask, [refusal(rng, clause_of(rng, goal, values))], GIVE_UP)


def _unsupported(number: int, rng: random.Random, world: World, split: Split) -> _Made:
    requests = goals_of(split).unsupported
    request = requests[number % len(requests)]
    values = draw(request.values, None, rng, world, split)
    clause = request.kind, request.text.format(**values)
    ask = casual(rng, wording.instruction(rng, [clause], _frames(split)), split)
    return _Made(ask, [refusal(rng, clause)], GIVE_UP)


def _check(
    kind: str, goals: Sequence[EverydayGoal], drawn: Sequence[Values], steps: Sequence[Step]
) -> None:
    """Check that the calls returned what a good task has.

    Raises:
        Misfit: a result is too long to copy, zero, or not whole; or an error offers what to do.
    """
    seen = [step for step in steps if isinstance(step, Observation)]
    for result in seen:
        digits = result.content.lstrip("-").replace(".", "")
        if digits.isdigit() and (len(digits) > _MAX_DIGITS or digits.startswith("00")):
            raise Misfit(f"{result.content}: hardly anything, or too long")
        if result.content == "0":
            raise Misfit("zero")
    if any(goal.whole for goal in goals) and not seen[-1].content.isdigit():
        raise Misfit(f"{seen[-1].content} is not whole")
    if isinstance(steps[-1], Answer) and len(steps[-1].text) > _MAX_ANSWER:
        raise Misfit("a long answer")
    offered = "did you mean" in seen[0].content
    if kind in ("dead_end", "recovery") and offered != (kind == "recovery"):
        raise Misfit("an error that offers a name, or one that should")
    if kind == "recovery":
        right = drawn[0].get("file") or drawn[0]["item"]
        if f"did you mean {right!s}?" not in seen[0].content:
            raise Misfit("another name is offered")
