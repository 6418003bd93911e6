"""Goals that toolworld's tasks ask for, each with the calls that reach it, read from YAML.

A goal is a clause of an instruction; a task asks for one goal or for several. Templates are
`str.format` texts over the goal's drawn values and `r1`, `r2` … (what its calls returned; `r` the
last).
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from umi_lite.data.toolworld.pools import Split


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GoalCall(_Model):
    """One call of a goal.

    Attributes:
        arguments: templates; the tool's schema decides which become numbers.
        fails: True if the tool is expected to return an error here.
        retry_because: why the call before must be retried, empty where it need not be.
    """

    tool: str
    arguments: dict[str, str] = {}
    fails: bool = False
    retry_because: str = ""


class Goal(_Model):
    """A thing to find out (`nouns`) or to do (`imperatives`).

    Attributes:
        name: the task family's name.
        values: names of the value generators that fill its templates (`template_values`).
        calls: the calls in order.
        nouns: noun phrases for what is sought ("the price of the {product}"), or empty.
        imperatives: imperatives ("add {item} to my list"), or empty.
        asks: further whole instructions, for tasks with this goal alone.
        answers: clauses of the answer.
        gold: what an answer must contain, parts separated by " | ".
        broken: tools that are offline in this family's tasks.
        gives_up: True if the planner gives up after the last call (which fails).
    """

    name: str
    values: tuple[str, ...] = ()
    calls: tuple[GoalCall, ...]
    nouns: tuple[str, ...] = ()
    imperatives: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    answers: tuple[str, ...] = ("it is {r}",)
    gold: str = "{r}"
    broken: tuple[str, ...] = ()
    gives_up: bool = False

    @property
    def tools(self) -> frozenset[str]:
        return frozenset(call.tool for call in self.calls)


class UnsupportedRequest(_Model):
    """Something that no tool can do."""

    text: str
    values: tuple[str, ...] = ()
    kind: Literal["noun", "imperative"] = "noun"


@dataclass(frozen=True)
class Goals:
    """All that the tasks of a split ask for.

    Attributes:
        by_kind: goals of `one` call, of `two_chain` to `four_chain` calls (later ones need what
            earlier ones returned), of `recovery` from an error, and a `dead_end`.
        unsupported: what no tool can do.
    """

    by_kind: dict[str, tuple[Goal, ...]]
    unsupported: tuple[UnsupportedRequest, ...]

    def of_calls(self, calls: int) -> tuple[Goal, ...]:
        """Return the goals of 1 to 4 calls."""
        return self.by_kind[("one", "two_chain", "three_chain", "four_chain")[calls - 1]]


_GOALS = TypeAdapter(dict[str, tuple[Goal, ...]])
_UNSUPPORTED = TypeAdapter(tuple[UnsupportedRequest, ...])


@cache
def goals_of(split: Split) -> Goals:
    """Return a split's goals: `train` and `test` share theirs, `ood` has nothing of them."""
    name = "goals_unseen.yaml" if split == "ood" else "goals_in_domain.yaml"
    text = files("umi_lite.data.toolworld").joinpath(name).read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    unsupported = _UNSUPPORTED.validate_python(tree.pop("unsupported"))
    return Goals(_GOALS.validate_python(tree), unsupported)
