"""A soak test: many programs, some of them attacks, and what they leave (it should be nothing)."""

import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from umi_lite.sandbox.attacks.attack import SHORT
from umi_lite.sandbox.attacks.suite import FAMILIES, check_confined, descendants
from umi_lite.sandbox.attacks.victims import Victims
from umi_lite.sandbox.result import Level
from umi_lite.sandbox.sandbox import Sandbox

_ATTACKS_EVERY = 20
_WARM_UP = 200


def soak(level: Level, calls: int, note: Callable[[str], None]) -> dict[str, float | int | None]:
    """Run `calls` programs, one in 20 of them an attack; return what they left.

    Attacks that end by a time limit are left out: they would take an hour. Not for root;
    confinement is checked first.

    Args:
        note: called with a progress line every 1,000 calls.

    Returns:
        Counts of `zombies`, `leaked` processes, descriptors, files and shared memory, `wrong`
        answers, and `RSS growth MB` of supervisor and host after the first 200 calls.
    """
    quick = [a for family in FAMILIES.values() for a in family if "limit" not in a.ends]
    attacks = itertools.cycle(random.Random(0).sample(quick, len(quick)))
    wrong = 0
    with Sandbox(level) as sandbox, Victims() as victims:
        check_confined(sandbox)
        for i in range(_WARM_UP):
            sandbox.run(f"print({i})")
        assert sandbox.pid is not None
        # At `full` the first is bubblewrap.
        supervisor = descendants(sandbox.pid)[level == "full"]
        first, before = sandbox.pid, _left(supervisor)
        rss = _rss(supervisor), _rss(os.getpid())
        for i in range(calls):
            if i % _ATTACKS_EVERY == 0:
                sandbox.run(victims.program(next(attacks).program), SHORT)
            elif sandbox.run(f"print({i})").stdout != f"{i}\n":
                wrong += 1
            if i % 1000 == 999:
                note(f"{i + 1} calls, supervisor {_rss(supervisor):.1f} MB")
        after = _left(supervisor)
        wrong += sandbox.pid != first
        grown = max(_rss(supervisor) - rss[0], _rss(os.getpid()) - rss[1])
        zombies = sum(_field(pid, "State") == "Z" for pid in descendants(os.getpid()))
    leaked = sum(len(after[kind] - before[kind]) for kind in before)
    return {"zombies": zombies, "leaked": leaked, "wrong": wrong, "RSS growth MB": round(grown, 2)}


def _left(supervisor: int) -> dict[str, set[object]]:
    time.sleep(0.3)  # until the worker for the next program is forked
    return {
        # Their number; the waiting worker is a different one each time.
        "processes": set(range(len(descendants(os.getpid())))),
        "descriptors": {*os.listdir("/proc/self/fd"), len(os.listdir("/proc/self/fd"))},
        # Its table of them cannot be read; the table's size can, and grows with a leak.
        "supervisor's descriptors": {_field(supervisor, "FDSize")},
        "files": {
            name
            for folder in ("/tmp", "/var/tmp", "/dev/shm")
            if os.path.isdir(folder)
            for name in os.listdir(folder)
            if _own(os.path.join(folder, name))
        },
        "shared memory": set(
            Path("/proc/sysvipc/shm").read_text().splitlines()
            if os.path.exists("/proc/sysvipc/shm")
            else ()
        ),
    }


def _own(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.getuid()
    except OSError:
        return False


def _field(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
