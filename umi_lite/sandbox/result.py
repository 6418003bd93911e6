"""The limits of a program, and its result."""

from dataclasses import dataclass
from typing import Literal

Limit = Literal["time", "cpu", "memory", "output"]
Level = Literal["full", "standard", "macos", "none"]
Status = Literal["ok", "error", "limit", "crash", "refused"]


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Attributes:
        seconds: wall time.
        cpu_seconds: CPU time of all its threads together.
        memory_mib: address space, the interpreter's own ~30 MiB (60 with sympy) included.
        output_chars: characters of output that are kept (head and tail).
        flood_mib: output that gets a program killed.
        open_files: open file descriptors.
    """

    seconds: float = 10.0
    cpu_seconds: float = 5.0
    memory_mib: int = 512
    output_chars: int = 4000
    flood_mib: int = 16
    open_files: int = 64


@dataclass(frozen=True)
class Result:
    """The result of a program.

    `ok`, `error` and the memory limit are what the program's own process reports; the other
    verdicts, `seconds` and `level` are determined outside it.

    Attributes:
        status: `ok`; `error` (it raised, or exited non-zero); `limit` (it was stopped); `crash`
            (its process died by a signal, or broke the protocol); `refused` (this machine has
            no sandbox, and nothing ran).
        stdout: stdout and stderr together, bounded and made harmless (`text.harmless`).
        value: the last expression's value (repr; a str as it is), None without one.
        error: one line, e.g. `ZeroDivisionError: division by zero (line 2)`.
        limit: which limit was hit.
        level: what confined the program; None if nothing ran.
        seconds: wall time.
        state_lost: the session's variables are gone; its next program starts afresh.
    """

    status: Status
    stdout: str = ""
    value: str | None = None
    error: str | None = None
    limit: Limit | None = None
    level: Level | None = None
    seconds: float = 0.0
    state_lost: bool = False
