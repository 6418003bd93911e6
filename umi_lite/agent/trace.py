"""`Trace` of an episode: its trajectory, stop reason and cost."""

import errno
import os
import tempfile
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from umi_lite.engine.request import Cost
from umi_lite.errors import Note, UserError, first_error
from umi_lite.files import write_text
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory, View

StopReason = Literal[
    "answer",  # the summarizer answered; `error` is set if its limit cut the answer off
    "give_up",  # the planner gave up
    "max_calls",  # the planner wanted one call more than allowed
    "stuck",  # the same call with the same observation, repeated
    "timeout",  # the episode's wall time was over
    "context",  # the transcript does not fit, even with its observations elided
    "bad_turn",  # a turn was cut off or does not parse
    "tool_crash",  # a tool tried to end the program
    "error",  # an error of this program
    "interrupted",  # Ctrl-C; of a server, the client left or the server was stopped
    "call",  # the client is to run the call, and to send its result in its next request
    "max_tokens",  # the tokens that the request allows were written before the answer
]


class Ended(Exception):
    """Raised within the loop to end the episode."""

    def __init__(self, stop: StopReason, error: str | None = None):
        self.stop: StopReason = stop
        self.error = error


def check_place(path: Path) -> None:
    """Check that a trace can be written there; folders are made.

    Raises:
        UserError: it cannot; the message has the reason.
    """
    try:
        _make_place(path)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as err:
        raise UserError(f"trace {path} cannot be written: {err.strerror or err}") from None


def _make_place(path: Path) -> None:
    """Make the parent folder, and check that a rename may replace what is at the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        # A rename would replace a device such as /dev/null by a file.
        raise OSError(errno.EINVAL, "it is not a file")


@dataclass(kw_only=True)
class _View:  # A base class, so that it is first in the JSON.
    view: View | Literal["tool"]


@dataclass(kw_only=True)
class TraceTurn(Cost, _View):
    """Whose turn it was, its cost, and its exact prompt; a tool's turn has no cost but its seconds.

    Attributes:
        at: seconds from the episode's start to the turn's.
        step: where its step is in the trajectory; no step is there if the turn was not one.
        continues: the number of the turn whose prompt and text this prompt begins with, None if
            it begins at the system message.
        read: the rest of the prompt, as numbers of the trace's `pieces`.
        said: the text as it was generated.
        votes: of a step that was voted on, how many samples agree on it, of how many. The turns of
            the others have no step.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    tool_seconds: float = 0.0
    at: float = 0.0
    step: int | None = None
    continues: int | None = None
    read: tuple[int, ...] = ()
    said: str | None = None
    votes: tuple[int, int] | None = None


class Trace(BaseModel):
    """One episode, finished or not.

    Attributes:
        error: the reason in one line unless the episode ended by a whole answer or by giving
            up.
        elided: the largest number of observations that a view no longer saw.
        seconds: wall time, waiting for other episodes of a batch included.
        model, bundle: the names of the base model and the bundle.
        started: when the episode began; None in traces of older versions.
        pieces: the distinct stretches of the prompts: each a text, and True if special tokens
            count in it (the chat template's text).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    trajectory: Trajectory
    stop: StopReason
    error: str | None = None
    turns: tuple[TraceTurn, ...] = ()
    elided: int = 0
    seconds: float = Field(default=0.0, ge=0)
    model: str | None = None
    bundle: str | None = None
    started: datetime | None = None
    pieces: tuple[tuple[str, bool], ...] = ()

    def prompt(self, turn: int) -> list[tuple[str, bool]]:
        """Return the exact prompt of a turn, as texts with True where special tokens count.

        Args:
            turn: its index in `turns`. A tool's turn has no prompt, and none is in traces of older
                versions.
        """
        chain = [turn]
        while (before := self.turns[chain[-1]].continues) is not None and before < chain[-1]:
            chain.append(before)
        parts: list[tuple[str, bool]] = []
        for number in reversed(chain):
            parts += [self.pieces[piece] for piece in self.turns[number].read]
            if number != turn:
                parts.append((self.turns[number].said or "", False))
        return parts

    @property
    def answer(self) -> str | None:
        """Return the summarizer's text, None if there is none."""
        steps = self.trajectory.steps
        return steps[-1].text if steps and isinstance(steps[-1], Answer) else None

    @property
    def broke_off(self) -> bool:
        """True if it was interrupted or ended by an error of the program, not by the agent."""
        return self.stop in ("interrupted", "error")

    @property
    def tokens(self) -> int:
        """Return the tokens that were evaluated, prompts and generated ones together."""
        return sum(turn.evaluated + turn.decoded for turn in self.turns)

    @property
    def generated(self) -> int:
        """Return the tokens that the roles wrote."""
        return sum(turn.generated for turn in self.turns)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all; folders are made.

        Raises:
            UserError: it cannot be written (a full disk, no permission).
        """
        try:
            _make_place(path)
            write_text(path, self.model_dump_json(indent=1) + "\n")
        except OSError as err:
            raise UserError(f"trace {path} cannot be written: {err.strerror or err}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved trace.

        Raises:
            UserError: the file is missing, or not a trace of a known version.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as err:
            raise UserError(f"trace {path}: {err.strerror or err}") from None
        except ValidationError as err:
            why = first_error(err)
            raise UserError(f"trace {path} is not a trace of version 1: {why}") from None


def keep(trace: Trace, path: Path) -> None:
    """Save a trace; a failure is a `Note`, so that the episode's answer is not lost."""
    try:
        trace.save(path)
    except UserError as err:
        warnings.warn(str(err), Note, stacklevel=3)


# For giving up, which is not an error, and for traces of an older version.
_REASONS: dict[StopReason, str] = {
    "answer": "the answer was cut off",
    "give_up": "the planner gave up",
    "max_calls": "the planner wanted more calls than allowed",
    "stuck": "the same call gave the same result again",
    "timeout": "the time was over",
}
_TRY: dict[StopReason, str] = {
    "give_up": "say it in other words, or give tools that can do it (--tools)",
    "max_calls": "raise --max-calls",
    "stuck": "say it in other words, or raise --repeats",
    "timeout": "raise --max-seconds",
    "max_tokens": "allow more tokens",
    "context": "raise --n-ctx, or lower --max-observation-chars",
    "bad_turn": "say it in other words, or sample (--temperature 0.7)",
    "tool_crash": "let the tool raise an exception: it must not end the program",
}


def ending(trace: Trace) -> str | None:
    """Return why the answer is missing or incomplete, and what to try; None if it is whole."""
    cut = bool(trace.turns) and trace.turns[-1].stop == "length"
    if trace.stop == "answer" and not cut:
        return trace.error
    reason = trace.error or _REASONS.get(trace.stop, trace.stop)
    hint = f"raise --max-{_last_turn(trace)}-tokens" if cut else _TRY.get(trace.stop)
    return f"{reason}; {hint}" if hint else reason


def _last_turn(trace: Trace) -> str:
    """Return which kind of turn the last one was: after a plan it is a call."""
    steps = trace.trajectory.steps
    last = steps[-1] if steps else None
    return "answer" if isinstance(last, Answer) else "call" if isinstance(last, Plan) else "thought"
