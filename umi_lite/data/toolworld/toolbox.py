"""Toolworld's live tools, bound to a world, and the sets of them that tasks offer."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NoReturn

from umi_lite.data.toolworld import tools, tools_unseen
from umi_lite.data.toolworld.world import World
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools import compute
from umi_lite.tools.python import python_tool
from umi_lite.tools.todo import Todo
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction, tool

Toolset = tuple[str, ...]
TOOLSETS: tuple[Toolset, ...] = (
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
UNSEEN_TOOLSETS: tuple[Toolset, ...] = (
    ("roman", "letter_count", "word_count", "calculator", "bmi"),
    ("distance", "weekday", "calculator", "utc_offset", "convert"),
    ("todo_add", "book_shelf", "reserve_book", "upper", "book_author"),
    ("minutes_between", "roman", "price", "letter_count", "bmi"),
    ("utc_offset", "price", "book_shelf", "distance", "weekday"),
    ("reserve_book", "calculator", "bmi", "letter_count", "book_author", "distance"),
)
# Shorter than the tool's own description: a toolset's docs are read in every task.
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
# A toolset with one of these has a state that the task's calls may change.
STATEFUL = frozenset({"todo_add", "todo_done", "reserve_book"})


_COMPUTING = (
    compute.calculator,
    compute.convert,
    tools.exchange,
    compute.add_days,
    compute.days_between,
    compute.weekday,
    compute.minutes_between,
)


def functions(world: World) -> dict[str, Callable[..., str]]:
    """Return every tool of toolworld but `python`, bound to a world."""
    shop, people = tools.Shop(world), tools.People(world)
    todo, library = Todo(world.todo), tools_unseen.Library(world)
    known = (
        *_COMPUTING,
        *tools_unseen.FUNCTIONS,
        *(shop.price, shop.stock, shop.order_status),
        *(people.contact, people.country),
        *(todo.todo_add, todo.todo_done, todo.todo_list),
        *(library.book_author, library.book_shelf, library.reserve_book),
        *(compute.word_count, compute.reverse, compute.upper),
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
        """Return what the calls so far have changed, None where no tool here changes anything."""
        names = {spec.name for spec in self.specs}
        return self._world.state() if names & STATEFUL else None


def _python() -> ToolFunction:
    return replace(python_tool(), spec=_PYTHON)


def _offline(made: ToolFunction) -> ToolFunction:
    def refuse(**_: Any) -> NoReturn:
        raise ToolError(f"{made.spec.name} is offline")

    return replace(made, function=refuse)
