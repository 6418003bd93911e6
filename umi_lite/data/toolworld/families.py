"""Which tasks a split has and in what shares: one call to four, errors, give-ups."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from types import ModuleType
from typing import TypeVar

from umi_lite.data.toolworld import aims_chain, aims_long, aims_single, aims_trouble, aims_unseen
from umi_lite.data.toolworld.aims import Aim, Wish
from umi_lite.data.toolworld.desks import DESKS, UNSEEN_DESKS, Desk
from umi_lite.data.toolworld.pools import Split, words

T = TypeVar("T")
# In 100 tasks. `chain` needs earlier results, `parts` asks for several things.
SHARES = {
    "one": 38, "two_chain": 16, "two_parts": 14, "three_chain": 6, "three_parts": 5,
    "four_chain": 1, "four_parts": 2, "recovery": 8, "wish": 4, "missing": 3, "dead_end": 3,
}  # fmt: skip
# How many calls the parts of a task make.
_PARTS = {
    "two_parts": ((1, 1),),
    "three_parts": ((1, 1, 1), (2, 1), (1, 2)),
    "four_parts": ((2, 2), (3, 1), (1, 3), (1, 1, 1, 1)),
}
# What a desk without the tool cannot find out by its other tools either.
_MISSABLE = words(
    "price stock order_status phone email country todo_add todo_done "
    "book_author book_shelf reserve_book price_reworded"
)


@dataclass(frozen=True)
class Task:
    """What is asked: aims, or a wish. `missing`: the desk lacks the tool for its one aim."""

    kind: str
    aims: tuple[Aim, ...] = ()
    wish: Wish | None = None
    missing: bool = False

    @property
    def family(self) -> str:
        if self.wish or self.missing:
            return f"give_up_{self.kind}"
        return self.aims[0].name if len(self.aims) == 1 else f"parts_{len(self.aims)}"


@dataclass(frozen=True)
class Catalogue:
    """All aims, wishes and desks of a split."""

    aims: dict[str, tuple[Aim, ...]]
    wishes: tuple[Wish, ...]
    desks: tuple[Desk, ...]

    def by_calls(self, calls: int) -> tuple[Aim, ...]:
        return self.aims[("one", "two_chain", "three_chain", "four_chain")[calls - 1]]


def catalogue(split: Split) -> Catalogue:
    """Train and in-domain test share theirs; the out-of-domain one has nothing of it."""
    if split == "ood":
        unseen = aims_unseen
        return Catalogue(_aims(unseen, unseen, unseen, unseen), unseen.WISHES, UNSEEN_DESKS)
    aims = _aims(aims_single, aims_chain, aims_long, aims_trouble)
    return Catalogue(aims, aims_trouble.WISHES, DESKS)


def _aims(
    single: ModuleType, chain: ModuleType, long: ModuleType, trouble: ModuleType
) -> dict[str, tuple[Aim, ...]]:
    return {
        "one": single.SINGLE,
        "two_chain": chain.TWO,
        "three_chain": long.THREE,
        "four_chain": long.FOUR,
        "recovery": trouble.RECOVERY,
        "dead_end": trouble.DEAD_ENDS,
    }


def schedule(split: Split, n: int, seed: int) -> list[str]:
    """The kinds of n tasks in their shares, shuffled; small n keeps the larger shares."""
    known = catalogue(split)
    shares = {k: s for k, s in SHARES.items() if k not in known.aims or known.aims[k]}
    whole = sum(shares.values())
    counts = {kind: n * share // whole for kind, share in shares.items()}
    rest = sorted(shares, key=lambda kind: -((n * shares[kind]) % whole))
    for kind in rest[: n - sum(counts.values())]:
        counts[kind] += 1
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    random.Random(f"schedule {split} {seed}").shuffle(kinds)
    return kinds


def tasks_of(kind: str, split: Split, seed: int) -> Iterator[tuple[Task, Desk]]:
    """Endless tasks of a kind: families in turn, each on its desks in turn."""
    rng = random.Random(f"tasks {kind} {split} {seed}")
    known = catalogue(split)
    if kind in _PARTS:
        yield from _parts(kind, known, rng)
    if kind == "wish":
        for wish, desk in zip(cycle(_mixed(rng, known.wishes)), _desks(rng, known.desks)):
            yield Task(kind, wish=wish), desk
    missing = kind == "missing"
    aims = [a for a in known.aims["one"] if a.name in _MISSABLE] if missing else known.aims[kind]
    turns = {
        aim.name: _desks(rng, [desk for desk in known.desks if _serves(desk, aim) != missing])
        for aim in aims
    }
    for aim in cycle(_mixed(rng, aims)):
        yield Task(kind, (aim,), missing=missing), next(turns[aim.name])


def _serves(desk: Desk, aim: Aim) -> bool:
    return aim.tools <= set(desk)


def _parts(kind: str, known: Catalogue, rng: random.Random) -> Iterator[tuple[Task, Desk]]:
    for desk in _desks(rng, known.desks):
        calls = rng.choice(_PARTS[kind])
        able = [[a for a in known.by_calls(c) if _serves(desk, a)] for c in calls]
        if all(able):
            yield Task(kind, tuple(map(rng.choice, able))), desk


def _mixed(rng: random.Random, values: Sequence[T]) -> list[T]:
    return rng.sample(list(values), len(values))


def _desks(rng: random.Random, desks: Sequence[Desk]) -> Iterator[Desk]:
    return cycle(_mixed(rng, desks))
