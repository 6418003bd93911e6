"""What a benchmark or data set offers: how to load it, its live tools and its judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from umi_lite.data.rows import Loaded
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.tools import Toolbox

# Fields of rows that hold a conversation, whatever else they have.
CHATS = {"messages", "conversations"}
GIVE_UP = "give_up"
"""The gold of a task that cannot be done."""
# What is wrong with an episode's answer, "" for nothing: task, trace, answer.
Judge = Callable[[Trajectory, Any, str], str]


@dataclass(frozen=True)
class Voting:
    """How the episodes of one task vote.

    Attributes:
        answer: of a trace, what it votes for; None does not vote.
        same: True if two answers are one.
    """

    answer: Callable[[Any], str | None]
    same: Callable[[str, str], bool]


@dataclass(frozen=True)
class Source:
    """A source of trajectories; register its place in `umi_lite.data.SOURCES`.

    Attributes:
        about: its phrase in `umi data ls`, with the options of `load`.
        load: gold trajectories to train on; None for tasks without steps.
        questions: the same as tasks to solve, where less is dropped than by `load`; None for
            `load` itself.
        tools: fresh live tools of a task, or those to try the source with for None; None where
            its tools are not available (recorded API calls).
        judge: a function, or `module:NAME` of one that is imported only when an answer is judged.
        voting: `module:NAME` of a `Voting`; None where answers cannot be compared.
        bounds: fields of `Bounds` that replace those of an evaluation (`evals.bounds`), where gold
            turns are longer; tests/evals/test_gold_replay.py lists them.
        apart: True if its splits share no task, so that none is looked for in the others.
        fits: True for a row in this source's form, to name the source for a file.
    """

    about: str
    load: Callable[..., Loaded] | None = None
    questions: Callable[..., Loaded] | None = None
    tools: Callable[[Trajectory | None], Toolbox] | None = None
    judge: Judge | str = "umi_lite.evals.live:by_words"
    voting: str | None = None
    bounds: Mapping[str, int] = field(default_factory=dict[str, int])
    apart: bool = False
    fits: Callable[[Mapping[str, Any]], bool] = lambda row: False

    def judged_by(self) -> Judge:
        """Return the judge, importing it where it is named."""
        return named(self.judge) if isinstance(self.judge, str) else self.judge


def named(place: str) -> Any:
    """Return what `module:NAME` names, importing the module."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
