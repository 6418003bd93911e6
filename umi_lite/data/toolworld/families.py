"""The task families of a split and their shares: one call to four, errors, give-ups."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

from umi_lite.data.toolworld.goals import Goal, Goals, UnsupportedRequest, goals_of
from umi_lite.data.toolworld.pools import Split, words
from umi_lite.data.toolworld.toolbox import TOOLSETS, UNSEEN_TOOLSETS, Toolset

T = TypeVar("T")
# How many in 100 tasks. `chain` needs earlier results, `parts` asks for several things.
PER_100 = {
    "one": 38, "two_chain": 16, "two_parts": 14, "three_chain": 6, "three_parts": 5,
    "four_chain": 1, "four_parts": 2, "recovery": 8, "wish": 4, "missing": 3, "dead_end": 3,
}  # fmt: skip
# How many calls the parts of a task make.
_PARTS = {
    "two_parts": ((1, 1),),
    "three_parts": ((1, 1, 1), (2, 1), (1, 2)),
    "four_parts": ((2, 2), (3, 1), (1, 3), (1, 1, 1, 1)),
}
# What a toolset without the tool cannot find out by its other tools either.
_MISSABLE = words(
    "price stock order_status phone email country todo_add todo_done "
    "book_author book_shelf reserve_book price_reworded"
)


@dataclass(frozen=True)
class Task:
    """What is asked: goals, or what no tool supports.

    Attributes:
        missing: True if the toolset lacks the tool for its one goal.
    """

    kind: str
    goals: tuple[Goal, ...] = ()
    unsupported: UnsupportedRequest | None = None
    missing: bool = False

    @property
    def family(self) -> str:
        if self.unsupported or self.missing:
            return f"give_up_{self.kind}"
        return self.goals[0].name if len(self.goals) == 1 else f"parts_{len(self.goals)}"


def toolsets_of(split: Split) -> tuple[Toolset, ...]:
    """Return the toolsets that a split's tasks offer."""
    return UNSEEN_TOOLSETS if split == "ood" else TOOLSETS


def schedule(split: Split, n: int, seed: int) -> list[str]:
    """Return the kinds of n tasks in proportion, shuffled; small n keeps the frequent kinds."""
    by_kind = goals_of(split).by_kind
    weights = {kind: weight for kind, weight in PER_100.items() if by_kind.get(kind) != ()}
    kinds = apportion(weights, n)
    random.Random(f"schedule {split} {seed}").shuffle(kinds)
    return kinds


def apportion(weights: Mapping[str, int], n: int) -> list[str]:
    """Return n kinds in proportion to their weights, each kind's together."""
    whole = sum(weights.values())
    counts = {kind: n * weight // whole for kind, weight in weights.items()}
    rest = sorted(weights, key=lambda kind: -((n * weights[kind]) % whole))
    for kind in rest[: n - sum(counts.values())]:
        counts[kind] += 1
    return [kind for kind, count in counts.items() for _ in range(count)]


def tasks_of(kind: str, split: Split, seed: int) -> Iterator[tuple[Task, Toolset]]:
    """Yield tasks of a kind without end: families in turn, each with its toolsets in turn."""
    rng = random.Random(f"tasks {kind} {split} {seed}")
    goals, toolsets = goals_of(split), toolsets_of(split)
    if kind in _PARTS:
        yield from _parts(kind, goals, toolsets, rng)
    if kind == "wish":
        requests = cycle(_mixed(rng, goals.unsupported))
        for request, toolset in zip(requests, cycle(_mixed(rng, toolsets))):
            yield Task(kind, unsupported=request), toolset
    missing = kind == "missing"
    chosen = goals.by_kind["one" if missing else kind]
    if missing:
        chosen = [goal for goal in chosen if goal.name in _MISSABLE]
    turns = {
        goal.name: cycle(_mixed(rng, [t for t in toolsets if _serves(t, goal) != missing]))
        for goal in chosen
    }
    for goal in cycle(_mixed(rng, chosen)):
        yield Task(kind, (goal,), missing=missing), next(turns[goal.name])


def _serves(toolset: Toolset, goal: Goal) -> bool:
    return goal.tools <= set(toolset)


def _parts(
    kind: str, goals: Goals, toolsets: Sequence[Toolset], rng: random.Random
) -> Iterator[tuple[Task, Toolset]]:
    for toolset in cycle(_mixed(rng, toolsets)):
        calls = rng.choice(_PARTS[kind])
        able = [[goal for goal in goals.of_calls(c) if _serves(toolset, goal)] for c in calls]
        if all(able):
            yield Task(kind, tuple(map(rng.choice, able))), toolset


def _mixed(rng: random.Random, values: Sequence[T]) -> list[T]:
    return rng.sample(list(values), len(values))
