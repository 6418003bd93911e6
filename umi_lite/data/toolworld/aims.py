"""What a family of tasks is made of: an aim, and the calls that reach it.

An aim is a clause of an instruction. A task asks for one aim or for several. Templates are
`str.format` texts over the aim's slots and `r1`, `r2` … (what its calls returned; `r` the last).
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Move:
    """One call. `arguments` are templates; the tool's schema says which become numbers.

    `fails`: the tool is expected to err here. `reason`: why the step before must be retried.
    """

    tool: str
    arguments: dict[str, str] = field(default_factory=dict)
    fails: bool = False
    reason: str = ""


def move(tool: str, **arguments: str) -> Move:
    return Move(tool, arguments)


def failing(tool: str, **arguments: str) -> Move:
    return Move(tool, arguments, fails=True)


def retry(reason: str, tool: str, **arguments: str) -> Move:
    return Move(tool, arguments, reason=reason)


@dataclass(frozen=True)
class Aim:
    """A thing to find out (`nouns`) or to do (`dos`).

    Args:
        name: the family's name.
        slots: what must be drawn for it.
        moves: the calls in order.
        nouns: noun phrases for what is sought ("the price of the {product}"), or empty.
        dos: imperatives ("add {item} to my list"), or empty.
        asks: further whole instructions, for tasks with this aim alone.
        says: clauses of the answer.
        gold: what an answer must contain, parts separated by " | ".
        broken: tools that are offline in this family's tasks.
        gives_up: the planner gives up after the last move (which fails).
    """

    name: str
    slots: tuple[str, ...]
    moves: tuple[Move, ...]
    nouns: tuple[str, ...] = ()
    dos: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    says: tuple[str, ...] = ("it is {r}",)
    gold: str = "{r}"
    broken: tuple[str, ...] = ()
    gives_up: bool = False

    @property
    def calls(self) -> int:
        return len(self.moves)

    @property
    def tools(self) -> frozenset[str]:
        return frozenset(step.tool for step in self.moves)

    @property
    def recovers(self) -> bool:
        return any(step.fails for step in self.moves) and not self.gives_up


@dataclass(frozen=True)
class Wish:
    """Something that no tool can do: a noun phrase or an imperative, with its slots."""

    text: str
    slots: tuple[str, ...] = ()
    kind: Literal["noun", "do"] = "noun"
