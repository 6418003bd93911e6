"""The number of threads to compute on while other programs run.

llama.cpp's threads wait for each other after every operation. With one of them on a core that
another program uses, all wait for that program, and an episode takes up to ten times as long. So
threads compute only on cores that other programs leave, and that is measured again and again.
"""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

# Seconds of one measurement: the kernel counts a core's time in steps of 10 ms.
WINDOW = 0.1
# A longer pause between two evaluations (seconds) is not measured: tools may run in it.
_PAUSE = 0.02


@dataclass(frozen=True)
class Times:
    """Seconds so far: on the clock, of all programs on the usable CPUs, of this process."""

    clock: float
    busy: float
    own: float


def times() -> Times:
    """Return the times now (takes 20 µs)."""
    import psutil

    every = psutil.cpu_times(percpu=True)
    usable = _usable()
    busy = 0.0
    for cpu, one in enumerate(every):
        if cpu in usable:
            # A guest's time is part of `user`; a hypervisor's other guests are neighbours, too.
            idle = one.idle + getattr(one, "iowait", 0.0)
            guests = getattr(one, "guest", 0.0) + getattr(one, "guest_nice", 0.0)
            busy += sum(one) - idle - guests
    return Times(time.monotonic(), busy, time.process_time())


def left(before: Times, after: Times) -> float:
    """Return the CPUs that other programs left unused, of those that this process may use."""
    seconds = after.clock - before.clock
    others = (after.busy - before.busy) - (after.own - before.own)
    return len(_usable()) - max(0.0, others) / seconds


def look(since: Times | None = None) -> float:
    """Return the CPUs left by other programs since `since`; waits for at least half a `WINDOW`."""
    before = since or times()
    time.sleep(max(0.0, before.clock + WINDOW / 2 - time.monotonic()))
    return left(before, times())


def threads_for(most: int, free: float) -> int:
    """Return the number of threads for `free` CPUs, from 1 to `most`."""
    return max(1, min(most, int(free + 0.5)))


class Threads:
    """The number of threads to compute on, which follows what other programs leave.

    Args:
        most: never more than this.
        read: reads the times.

    Attributes:
        count: the number now; `most` until the first measurement has ended.
    """

    def __init__(self, most: int, read: Callable[[], Times] = times):
        self.most = self.count = most
        self._read = read
        self._since = read()
        self._ended = self._since.clock

    @contextmanager
    def computing(self) -> Generator[int]:
        """Yield the number of threads for one evaluation; measure again after each `WINDOW`."""
        if time.monotonic() - self._ended > _PAUSE:
            self._since = self._read()
        try:
            yield self.count
        finally:
            self.look()

    def look(self) -> None:
        """Choose again if the last choice is a `WINDOW` old."""
        self._ended = time.monotonic()
        if self._ended - self._since.clock >= WINDOW:
            now = self._read()
            self.count = threads_for(self.most, left(self._since, now))
            self._since = now


class Fixed(Threads):
    """A number of threads that the user chose."""

    def look(self) -> None:
        """Keep the number."""


def _usable() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # macOS and Windows have no such call
        return set(range(os.cpu_count() or 1))
