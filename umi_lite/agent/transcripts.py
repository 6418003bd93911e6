"""The prompts of one episode: a transcript per view, its oldest observations elided if too long."""

import copy

from umi_lite.engine.request import RoleEngine
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import Observation, Step, Trajectory, View

ELIDED = "[elided]"


class ContextFull(Exception):
    """A transcript does not fit the context, even with its observations elided."""


class Transcripts:
    """What each view has read and said so far.

    Attributes:
        elided: the largest number of observations that a view no longer sees.
    """

    def __init__(self, engine: RoleEngine):
        self._engine = engine
        self._transcripts: dict[View, Transcript] = {}
        self._elided: dict[View, int] = {}
        self._last: dict[View, int] = {}

    def copy(self) -> "Transcripts":
        """Return transcripts that grow apart from these."""
        made = copy.copy(self)
        made._transcripts = {view: each.copy() for view, each in self._transcripts.items()}
        made._elided, made._last = dict(self._elided), dict(self._last)
        return made

    @property
    def elided(self) -> int:
        return max(self._elided.values(), default=0)

    def last(self, view: View) -> int | None:
        """Return the number of the turn whose prompt and text this view's prompt begins with."""
        return self._last.get(view)

    def advance(self, view: View, trajectory: Trajectory, max_tokens: int) -> Transcript:
        """Return the view's transcript, now that the trajectory has grown and the view speaks.

        Raises:
            ContextFull: it and a turn of `max_tokens` do not fit.
        """
        elided = self._elided.get(view, 0)
        transcript = self._transcripts.setdefault(view, self._new(view))
        ids = transcript.advance(_elide(trajectory, elided))
        observations = sum(isinstance(s, Observation) for s in trajectory.steps)
        while len(ids) + max_tokens > self._engine.n_ctx:
            elided += 1
            # The newest one is kept: without it the role would not know what happened.
            if elided >= observations:
                raise ContextFull(
                    f"the {view}'s transcript of {len(ids)} tokens and a turn of {max_tokens} "
                    f"do not fit a context of {self._engine.n_ctx}"
                )
            transcript = self._transcripts[view] = self._new(view)
            self._last.pop(view, None)
            self._elided[view] = elided
            ids = transcript.advance(_elide(trajectory, elided))
        return transcript

    def spoke(self, view: View, ids: tuple[int, ...], turn: int) -> None:
        """Append a turn as it was generated.

        Args:
            turn: its number in the trace.
        """
        self._transcripts[view].spoke(ids)
        self._last[view] = turn

    def _new(self, view: View) -> Transcript:
        language = self._engine.language(view)
        return Transcript(view, language.template, language)


def _elide(trajectory: Trajectory, count: int) -> Trajectory:
    """Return the trajectory with its first `count` observations' contents replaced."""
    steps: list[Step] = []
    for step in trajectory.steps:
        if isinstance(step, Observation) and count > 0:
            count -= 1
            step = step.model_copy(update={"content": ELIDED})
        steps.append(step)
    return trajectory.model_copy(update={"steps": tuple(steps)})
