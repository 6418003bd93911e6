"""What an attack is: a program, how it may end, and what is looked at from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from umi_lite.sandbox.result import Level, Limits, Result

LIMITS = Limits(seconds=3.0, cpu_seconds=2.0, output_chars=2000, flood_mib=4)
SHORT = Limits(seconds=1.0, cpu_seconds=1.0, output_chars=2000, flood_mib=4)

Check = Callable[[Result], str | None]


@dataclass(frozen=True)
class Attack:
    """One program that tries one thing.

    The suite puts names before it: `CANARY` and `FOLDER` (a file with a secret, its folder),
    `VICTIM` (a process id), `HOST` (the suite's own), `TCP`, `UDP` (ports), `UNIX`, `ABSTRACT`
    (socket names), `number[…]` (system calls), `call(name, …)`, which raises OSError where the
    kernel says no, and `won()`, which says that the kernel let it through.

    Attributes:
        name: what it tries, a few words.
        program: its source.
        ends: results that show that it was stopped, and not that the program is mistaken:
            `denied` (an OSError of refusal), `error`, `crash`, `ok`, or `limit`.
        errnos: further OSErrors that count as refusal.
        check: a look at the result; says what got through, None where nothing did.
        known: levels that do not promise to stop it; the docs name these.
        limits: what the program may use.
        machine: runs on this kind of processor only.
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
    """Attacks that have won when the program comes to its end."""
    return tuple(Attack(name, f"{program}\nwon()") for name, program in programs.items())
