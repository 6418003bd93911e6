"""Several turns of a user in one transcript: each is an episode that continues the one before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import LARGEST_SEED, WARMER
from umi_lite.agent.episode import OnEvent
from umi_lite.agent.trace import Trace, TraceTurn
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call, Plan, Step, Trajectory, User

# Apart by more than an episode has turns, each of which increments the seed.
_SEEDS_APART = 1009


@dataclass(frozen=True)
class ChatTurn:
    """What the user said, the system text before it, and how the turn ended.

    The trace's trajectory is the whole transcript up to there.
    """

    text: str
    system: str
    trace: Trace


@dataclass
class Conversation:
    """A user and an agent, turn by turn.

    What was said stays as it is, so that roles read only what is new. A turn that is interrupted,
    or that an error ends, leaves nothing in the transcript.

    Attributes:
        turns: the finished ones.
        system: read before the user's next text, then empty: the roles' own system messages are
            those that they were trained on.
        id: of the transcript's trajectory.
    """

    agent: Agent
    turns: list[ChatTurn] = field(default_factory=list[ChatTurn])
    system: str = ""
    id: str = field(default_factory=lambda: _new_id())
    _unfinished: str = ""
    _retries: int = 0

    def say(self, text: str, on_event: OnEvent | None = None) -> Trace:
        """Run the user's turn to its end, and return its trace.

        Args:
            on_event: called with (role or `tool`, stretch of text) while it runs.

        Raises:
            UserError: the text is empty.
            KeyboardInterrupt, Exception: what ended the turn; the transcript is as before.
        """
        return self._run(self.agent, text, on_event)

    def undo(self) -> str | None:
        """Take the last turn out of the transcript; return what the user said, None without one."""
        self._unfinished = ""
        if not self.turns:
            return None
        last = self.turns.pop()
        self.system = last.system or self.system
        return last.text

    def retry(self, on_event: OnEvent | None = None) -> Trace | None:
        """Run the last turn again, and return its trace; None without one.

        A finished turn is sampled with another seed, at temperature 0.7 where it was greedy.
        """
        if self._unfinished:
            return self._run(self.agent, self._unfinished, on_event)
        before, system = list(self.turns), self.system
        text = self.undo()
        if text is None:
            return None
        self._retries += 1
        own = self.agent.sampling
        seed = (own.seed + _SEEDS_APART * self._retries) % LARGEST_SEED
        sampling = replace(own, temperature=own.temperature or WARMER, seed=seed)
        try:
            return self._run(replace(self.agent, sampling=sampling), text, on_event)
        except BaseException:
            self.turns, self.system, self._unfinished = before, system, ""
            raise

    def begin_again(self) -> None:
        """Empty the transcript."""
        self.turns.clear()
        self.system = self._unfinished = ""
        self.id = _new_id()

    def trace(self) -> Trace | None:
        """Return one trace of all turns, with the sum of their costs; None before the first."""
        if not self.turns:
            return None
        return joined([turn.trace for turn in self.turns])

    def save(self, path: Path) -> None:
        """Write the trace of all turns, if there are any.

        Raises:
            UserError: it cannot be written.
        """
        if (trace := self.trace()) is not None:
            trace.save(path)

    def _run(self, agent: Agent, text: str, on_event: OnEvent | None) -> Trace:
        if not text.strip():
            raise UserError("the message is empty; say what to do")
        self._unfinished = text
        system = self.system
        whole = f"{system}\n\n{text}" if system.strip() else text
        if self.turns:
            before = self.turns[-1].trace.trajectory
            steps = (*_settled(before.steps), User(text=whole))
            begun = before.model_copy(update={"steps": steps})
        else:
            tools = self.agent.toolbox.specs
            begun = Trajectory(id=self.id, source="run", tools=tools, instruction=whole)
        trace = agent.run(begun, on_event)
        self.turns.append(ChatTurn(text, system, trace))
        self.system = self._unfinished = ""
        return trace


def _new_id() -> str:
    return f"chat-{uuid4().hex[:12]}"


def _settled(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps without a turn at their end that was announced or written, and not done."""
    while steps and (
        isinstance(steps[-1], Call) or (isinstance(steps[-1], Plan) and steps[-1].next != "give_up")
    ):
        steps = steps[:-1]
    return steps


def joined(traces: Sequence[Trace]) -> Trace:
    """Return one trace of turns that continue each other: the last one, with what all took."""
    pieces: dict[tuple[str, bool], int] = {}
    turns: list[TraceTurn] = []
    seconds = 0.0
    for trace in traces:
        begun = len(turns)
        for turn in trace.turns:
            read = tuple(pieces.setdefault(trace.pieces[at], len(pieces)) for at in turn.read)
            before = None if turn.continues is None else begun + turn.continues
            turns.append(replace(turn, read=read, continues=before, at=seconds + turn.at))
        seconds += trace.seconds
    changes = {
        "turns": tuple(turns),
        "pieces": tuple(pieces),
        "started": traces[0].started,
        "seconds": seconds,
        "elided": max(trace.elided for trace in traces),
    }
    return traces[-1].model_copy(update=changes)
