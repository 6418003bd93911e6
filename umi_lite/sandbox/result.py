"""What a program may use, and what came of it."""

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
        cpu_seconds: CPU time, all its threads together.
        memory_mib: address space, the interpreter's own ~30 MiB (60 with sympy) included.
        output_chars: how much output is kept (head and tail); a program that writes
            `flood_mib` is killed.
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
    """What came of a program.

    `limit` memory, `ok` and `error` are what the program's own process says; the other
    verdicts, `seconds` and `level` come from outside of it.

    Attributes:
        status: `ok`; `error` it raised or exited non-zero; `limit` it was stopped;
            `crash` the process died by a signal or said nonsense; `refused` there is no
            sandbox on this machine, and nothing ran.
        stdout: stdout and stderr together, bounded, made harmless (`text.harmless`).
        value: the last expression's value (repr; a str as it is), None without one.
        error: one line, e.g. `ZeroDivisionError: division by zero (line 2)`.
        limit: which limit was hit.
        level: what held the program; None where nothing ran.
        seconds: wall time.
        state_lost: the session's variables are gone; its next program starts anew.
    """

    status: Status
    stdout: str = ""
    value: str | None = None
    error: str | None = None
    limit: Limit | None = None
    level: Level | None = None
    seconds: float = 0.0
    state_lost: bool = False
