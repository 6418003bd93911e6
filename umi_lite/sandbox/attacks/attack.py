"""An attack: a program, how it may end, and a check from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from umi_lite.sandbox.result import Level, Limits, Result

LIMITS = Limits(seconds=3.0, cpu_seconds=2.0, output_chars=2000, flood_mib=4)
SHORT = Limits(seconds=1.0, cpu_seconds=1.0, output_chars=2000, flood_mib=4)

Check = Callable[[Result], str | None]


@dataclass(frozen=True)
class Attack:
    """One program that tries one thing.

    The suite defines names for it: `CANARY` and `FOLDER` (a file with a secret, its folder),
    `VICTIM` (a process id), `HOST` (the suite's own), `TCP`, `UDP` (ports), `UNIX`, `ABSTRACT`
    (socket names), `number[…]` (system calls), `call(name, …)`, which raises OSError if the
    kernel refuses, and `won()`, which reports that the kernel let it through.

    Attributes:
        name: what it tries, in a few words.
        program: its source.
        ends: results that show that it was stopped, and not that the program has a mistake:
            `denied` (an OSError of refusal), `error`, `crash`, `ok`, or `limit`.
        errnos: further OSErrors that count as refusal.
        check: called with the result; returns what got through, None if nothing did.
        known: levels that do not promise to stop it; the docs list these.
        limits: what the program may use.
        machine: the only kind of processor it runs on.
    """

    name: str
    program: str
    ends: tuple[str, ...] = ("denied",)
    errnos: tuple[int, ...] = ()
    check: Check | None = None
    known: tuple[Level, ...] = ()
    limits: Limits = LIMITS
    machine: str | None = None


def denied(programs: Mapping[str, str]) -> tuple[Attack, ...]:
    """Return attacks that have won if the program reaches its end."""
    return tuple(Attack(name, f"{program}\nwon()") for name, program in programs.items())
