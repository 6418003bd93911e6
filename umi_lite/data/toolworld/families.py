"""Which tasks a split has and in what shares: one call to four, errors, give-ups."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from umi_lite.data.toolworld import (
    aims_chain,
    aims_long,
    aims_single,
    aims_trouble,
    aims_unseen,
    tools,
    tools_unseen,
)
from umi_lite.data.toolworld.aims import Aim, Wish
from umi_lite.data.toolworld.pools import Split, words
from umi_lite.data.toolworld.world import World
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.python import python_tool
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction, tool

Desk = tuple[str, ...]
DESKS: tuple[Desk, ...] = (
    ("price", "calculator", "stock", "exchange", "word_count"),
    ("upper", "order_status", "price", "python", "exchange"),
    ("calculator", "add_days", "convert", "days_between", "todo_add"),
    ("python", "contact", "calculator", "convert", "days_between"),
    ("reverse", "contact", "todo_add", "country", "upper"),
    ("exchange", "country", "contact", "add_days", "price"),
    ("stock", "todo_list", "price", "todo_done", "order_status"),
    ("todo_add", "word_count", "reverse", "upper", "calculator"),
    ("convert", "calculator", "stock", "python", "price"),
    ("order_status", "country", "calculator", "contact", "add_days"),
)
UNSEEN_DESKS: tuple[Desk, ...] = (
    ("roman", "letter_count", "word_count", "calculator", "bmi"),
    ("distance", "weekday", "calculator", "utc_offset", "convert"),
    ("todo_add", "book_shelf", "reserve_book", "upper", "book_author"),
    ("minutes_between", "roman", "price", "letter_count", "bmi"),
    ("utc_offset", "price", "book_shelf", "distance", "weekday"),
    ("reserve_book", "calculator", "bmi", "letter_count", "book_author", "distance"),
)
# Shorter than the tool's own description: a desk's docs are read in every task.
_PYTHON = Tool(
    name="python",
    description="Run Python code.",
    parameters={
        "type": "object",
        "properties": {"code": {"type": "string"}},
        "required": ["code"],
        "additionalProperties": False,
    },
)
# A desk with one of these has a state that the task's calls may change.
STATEFUL = frozenset({"todo_add", "todo_done", "reserve_book"})


def functions(world: World) -> dict[str, Callable[..., str]]:
    """Every tool of toolworld but `python`, alive in a world."""
    shop, people = tools.Shop(world), tools.People(world)
    todo, library = tools.Todo(world), tools_unseen.Library(world)
    known = (
        *tools.FUNCTIONS,
        *tools_unseen.FUNCTIONS,
        *(shop.price, shop.stock, shop.order_status),
        *(people.contact, people.country),
        *(todo.todo_add, todo.todo_done, todo.todo_list),
        *(library.book_author, library.book_shelf, library.reserve_book),
        *(tools.word_count, tools.reverse, tools.upper),
    )
    return {function.__name__: function for function in known}


class WorldToolbox(Toolbox):
    """Live tools in one world.

    Args:
        world: whose tools; those in `world.broken` answer that they are offline.
        names: which tools, in the order in which the roles see them.
    """

    def __init__(self, world: World, names: Iterable[str]):
        known = functions(world)
        made = [_python() if name == "python" else tool(known[name]) for name in names]
        super().__init__(_offline(t) if t.spec.name in world.broken else t for t in made)
        self._world = world

    def state(self) -> dict[str, Any] | None:
        """What the calls so far have changed, None where no tool here changes anything."""
        names = {spec.name for spec in self.specs}
        return self._world.state() if names & STATEFUL else None


def _python() -> ToolFunction:
    return replace(python_tool(), spec=_PYTHON)


def _offline(made: ToolFunction) -> ToolFunction:
    def refuse(**_: Any) -> NoReturn:
        raise ToolError(f"{made.spec.name} is offline")

    return replace(made, function=refuse)


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
