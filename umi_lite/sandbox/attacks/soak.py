"""Very many programs, some of them attacks, and what they left behind: nothing, it should be."""

import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from umi_lite.sandbox.attacks.attack import SHORT
from umi_lite.sandbox.attacks.scene import Scene
from umi_lite.sandbox.attacks.suite import FAMILIES, descendants, show_confined
from umi_lite.sandbox.result import Level
from umi_lite.sandbox.sandbox import Sandbox

_ATTACKS_EVERY = 20
_WARM_UP = 200


def soak(level: Level, calls: int, tell: Callable[[str], None]) -> dict[str, float | int | None]:
    """Run so many programs, one in 20 an attack; what is there afterwards that was not before.

    Attacks that end by a time limit are left out, for they would take an hour. Run it as no
    root; the suite's own check comes before.

    Returns:
        counts of `zombies`, `leaked` processes, descriptors, files and shared memory, `wrong`
        answers, and `RSS growth MB` of supervisor and host after the first 200 calls.
    """
    quick = [a for family in FAMILIES.values() for a in family if "limit" not in a.ends]
    attacks = itertools.cycle(random.Random(0).sample(quick, len(quick)))
    wrong = 0
    with Sandbox(level) as sandbox, Scene() as scene:
        show_confined(sandbox)
        for i in range(_WARM_UP):
            sandbox.run(f"print({i})")
        assert sandbox.pid is not None
        # At `full` the first is the bubblewrap around it.
        supervisor = descendants(sandbox.pid)[level == "full"]
        first, before = sandbox.pid, _left(supervisor)
        rss = _rss(supervisor), _rss(os.getpid())
        for i in range(calls):
            if i % _ATTACKS_EVERY == 0:
                sandbox.run(scene.program(next(attacks).program), SHORT)
            elif sandbox.run(f"print({i})").stdout != f"{i}\n":
                wrong += 1
            if i % 1000 == 999:
                tell(f"{i + 1} calls, supervisor {_rss(supervisor):.1f} MB")
        after = _left(supervisor)
        wrong += sandbox.pid != first
        grown = max(_rss(supervisor) - rss[0], _rss(os.getpid()) - rss[1])
        zombies = sum(_field(pid, "State") == "Z" for pid in descendants(os.getpid()))
    leaked = sum(len(after[kind] - before[kind]) for kind in before)
    return {"zombies": zombies, "leaked": leaked, "wrong": wrong, "RSS growth MB": round(grown, 2)}


def _left(supervisor: int) -> dict[str, set[object]]:
    time.sleep(0.3)  # until the leaf for the next program is forked
    return {
        # Their number; the waiting leaf is another one each time.
        "processes": set(range(len(descendants(os.getpid())))),
        "descriptors": {*os.listdir("/proc/self/fd"), len(os.listdir("/proc/self/fd"))},
        # Its table of them is closed to us; the table's size is not, and grows with a leak.
        "supervisor's descriptors": {_field(supervisor, "FDSize")},
        "files": {
            name
            for folder in ("/tmp", "/var/tmp", "/dev/shm")
            if os.path.isdir(folder)
            for name in os.listdir(folder)
            if _ours(os.path.join(folder, name))
        },
        "shared memory": set(
            Path("/proc/sysvipc/shm").read_text().splitlines()
            if os.path.exists("/proc/sysvipc/shm")
            else ()
        ),
    }


def _ours(path: str) -> bool:
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
