"""Which traces a list has (words, a called tool, failed, since when), and what it shows of each."""

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Call

INSTRUCTION = 300  # characters of it in a list
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Entry:
    """What a list shows of a trace.

    Attributes:
        began: seconds since 1970.
        change: grows with each save to the store.
        state: `running`, `killed` (its process ended before the episode did), else the stop reason.
        failed: True if it has ended without a whole answer.
        instruction: its first 300 characters in a list.
        tools: the called ones, in the order of their first calls.
    """

    id: str
    began: float
    change: int
    state: str
    failed: bool
    instruction: str
    answer: str | None
    tools: tuple[str, ...]
    calls: int
    seconds: float
    tokens: int
    model: str | None
    bundle: str | None

    @classmethod
    def of(cls, trace: Trace, *, running: bool = False) -> Self:
        """Return the entry of a trace, with its whole instruction and as its first save.

        Args:
            running: the episode has not ended.
        """
        called = [step.tool for step in trace.trajectory.steps if isinstance(step, Call)]
        # A client that runs the calls itself has the first part of an episode end with one.
        ended_well = trace.stop == "call" or (trace.stop == "answer" and trace.error is None)
        return cls(
            id=trace.trajectory.id,
            began=trace.started.timestamp() if trace.started else time.time(),
            change=1,
            state="running" if running else trace.stop,
            failed=not (running or ended_well),
            instruction=trace.trajectory.instruction,
            answer=trace.answer,
            tools=tuple(dict.fromkeys(called)),
            calls=len(called),
            seconds=trace.seconds,
            tokens=trace.tokens,
            model=trace.model,
            bundle=trace.bundle,
        )


@dataclass(frozen=True)
class Query:
    """Which traces a list has, newest first: those that match all that is set.

    Attributes:
        words: texts that are all in the instruction, the turns or the error; case is ignored.
        tool: a tool that was called.
        failed: only those that ended without a whole answer.
        since: seconds since 1970.
        after: only those that were saved after this `Entry.change`.
        most: the largest number of traces, None for all.
    """

    words: str = ""
    tool: str | None = None
    failed: bool = False
    since: float | None = None
    after: int | None = None
    most: int | None = None


def conditions(query: Query) -> tuple[list[str], list[str | float]]:
    """Return a query's conditions in SQL on the store's tables, and the values of their `?`."""
    tests: list[str] = []
    values: list[str | float] = []
    words = query.words.replace("\0", " ").split()
    # The index knows stretches of three characters; shorter words are looked for in each text.
    if long := [word for word in words if len(word) > 2]:
        tests.append("key IN (SELECT rowid FROM words WHERE text MATCH ?)")
        values.append(" AND ".join('"' + word.replace('"', '""') + '"' for word in long))
    for word in words:
        if len(word) <= 2:
            tests.append("key IN (SELECT rowid FROM words WHERE text LIKE ? ESCAPE '\\')")
            plain = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values.append(f"%{plain}%")
    if query.tool is not None:
        tests.append("instr(char(10) || tools || char(10), char(10) || ? || char(10))")
        values.append(query.tool)
    if query.failed:
        tests.append("(failed OR (writer IS NOT NULL AND NOT lives(writer)))")
    if query.since is not None:
        tests.append("began >= ?")
        values.append(query.since)
    if query.after is not None:
        tests.append("change > ?")
        values.append(query.after)
    return tests, values


def moment(text: str) -> float:
    """Return a time as seconds since 1970.

    Args:
        text: how long ago (`90s`, `30m`, `12h`, `1d`, `2w`), or a date as ISO 8601 has it, local
            time unless it says otherwise.

    Raises:
        UserError: it is neither.
    """
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if ago:
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        raise UserError(f"{text!r} is not a time: say 30m, 12h, 1d, 2w or 2026-11-29") from None
