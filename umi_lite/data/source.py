"""What a benchmark or data set offers: how to load it, its live tools and its judge."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from umi_lite.data.rows import Loaded
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.tools import Toolbox

GIVE_UP = "give_up"
"""The gold of a task that cannot be done."""
# What is wrong with an episode's answer, "" for nothing: task, trace, answer.
Judge = Callable[[Trajectory, Any, str], str]


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
    """

    about: str
    load: Callable[..., Loaded] | None = None
    questions: Callable[..., Loaded] | None = None
    tools: Callable[[Trajectory | None], Toolbox] | None = None
    judge: Judge | str = "umi_lite.evals.live:by_words"

    def judged_by(self) -> Judge:
        """Return the judge, importing it where it is named."""
        return named(self.judge) if isinstance(self.judge, str) else self.judge


def named(place: str) -> Any:
    """Return what `module:NAME` names, importing the module."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
