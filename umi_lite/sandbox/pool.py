"""A leaf as its supervisor sees it: process id, pipes, what it wrote, how it ended.

It is forked ahead of its first program: then it waits for its limits, confines itself with
them, and only then reads the program.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from umi_lite.sandbox import confine, libc, worker
from umi_lite.sandbox.frames import FrameError, Unpacker, packed, read_frame

_CHUNK = 1 << 16


@dataclass
class Output:
    """Bytes as they come, head and tail kept.

    Attributes:
        room: at least so many bytes of head, and of tail, are kept.
        written: all bytes that came.
        lost: those of them that were dropped from the middle.
    """

    room: int
    written: int = 0
    lost: int = 0
    kept: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        """Take in more."""
        self.written += len(data)
        self.kept += data
        if len(self.kept) > 4 * self.room + _CHUNK:
            dropped = len(self.kept) - 2 * self.room
            self.lost += dropped
            del self.kept[self.room : len(self.kept) - self.room]


class Child:
    """One leaf. Nothing here waits for it.

    Args:
        confined: called in the new process with its limits; puts it under the sandbox.

    Raises:
        OSError: the machine has no room for another process.
    """

    def __init__(self, confined: Callable[[dict[str, Any]], None]):
        self._claims = Unpacker(worker.CLAIM, 0)
        self._to_write = b""
        self._close_when_sent = False
        self._room = 0
        self.output = Output(0)
        self.claims: list[dict[str, Any]] = []
        self.breach: str | None = None
        pipes = [os.pipe() for _ in range(3)]
        (commands, self._commands), (self._claim, claims), (self._output, output) = pipes
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become_leaf(parent, confined, commands, claims, output)
        for end in (commands, claims, output):
            os.close(end)
        for end in (self._commands, self._claim, self._output):
            os.set_blocking(end, False)

    def begin(self, limits: dict[str, Any]) -> None:
        """Have it confined with these limits. Once, before the first program."""
        self._claims = Unpacker(worker.CLAIM, worker.most_claim(limits["output_chars"]))
        self._room = 4 * limits["output_chars"]
        self._to_write = packed({"limits": limits})

    def give(self, code: str, *, last: bool) -> None:
        """Send a program; after the last one the leaf ends."""
        self.output = Output(self._room)
        self.claims.clear()
        self._to_write += packed({"code": code})
        self._close_when_sent = last
        self.write()

    def write(self) -> None:
        """Send what the pipe takes now."""
        try:
            while self._to_write:
                self._to_write = self._to_write[os.write(self._commands, self._to_write) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_write = b""  # the leaf has gone, or closed its end: it will be judged
        if self._close_when_sent and self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def interests(self) -> dict[int, int]:
        """File descriptors to poll, and for what."""
        polled = {end: select.POLLIN for end in (self._claim, self._output) if end >= 0}
        if self._to_write and self._commands >= 0:
            polled[self._commands] = select.POLLOUT
        return polled

    def ready(self, end: int) -> None:
        """Do what `poll` says can be done, one read or write."""
        if end == self._commands:
            self.write()
        elif end == self._output:
            self._read_output()
        elif end == self._claim:
            self._read_claims()

    def drain(self, most: int) -> None:
        """Read what is in the pipes, `most` bytes of output at most."""
        before = self.output.written
        while self._output >= 0 and self._read_output() and self.output.written - before < most:
            pass
        while self._claim >= 0 and self._read_claims():
            pass

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far; 0 where the system does not tell."""
        try:
            # The clock id of a process's CPU time, as clock_getcpuclockid(3) makes it.
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def kill(self) -> None:
        """SIGKILL. It cannot have made other processes."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def pause(self, paused: bool) -> None:
        """Between a session's programs its threads do not run."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP if paused else signal.SIGCONT)

    def close(self) -> None:
        """Close the pipes."""
        for end in (self._commands, self._claim, self._output):
            if end >= 0:
                os.close(end)
        self._commands = self._claim = self._output = -1

    def _read_output(self) -> bool:
        data = _read(self._output)
        if data == b"":
            os.close(self._output)
            self._output = -1
        self.output.add(data or b"")
        return bool(data)

    def _read_claims(self) -> bool:
        data = _read(self._claim)
        if data == b"":
            os.close(self._claim)
            self._claim = -1
        try:
            self.claims += self._claims.feed(data or b"")
            if len(self.claims) > 1 or any(c["kind"] not in worker.KINDS for c in self.claims):
                raise FrameError("more than it was asked")
        except FrameError as err:
            self.breach = f"the program wrote into the sandbox's own channel ({err})"
        return bool(data) and self.breach is None


def _read(source: int) -> bytes | None:
    """What is there; None where nothing is yet."""
    try:
        return os.read(source, _CHUNK)
    except BlockingIOError:
        return None


def _become_leaf(
    parent: int,
    confined: Callable[[dict[str, Any]], None],
    commands: int,
    claims: int,
    output: int,
) -> None:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":
            confine.die_with(parent)
        os.setsid()
        # The supervisor keeps these places free, so no pipe's end can lie there.
        ends = (output, 1), (output, 2), (commands, worker.COMMANDS), (claims, worker.CLAIMS)
        for end, place in ends:
            os.dup2(end, place)
        # Else it would hold the pipes of others open, who wait for their end.
        libc.close_from(worker.RULESET + 1)
        worker.rehearse()
        told = read_frame(worker.COMMANDS, worker.LIMITS, 1 << 16)
        if told is not None:
            confined(told["limits"])
            worker.serve(told["limits"]["output_chars"])
    except BaseException as err:
        worker.claim_out({"kind": "setup", "text": f"{type(err).__name__}: {err}"})
    finally:
        os._exit(worker.NOT_SET_UP)


class Nursery:
    """Leaves, one of them forked ahead: making one takes as long as all the rest of a call.

    Args:
        confined: what `Child` wants.
    """

    def __init__(self, confined: Callable[[dict[str, Any]], None]):
        self._confined = confined
        self._spare: Child | None = None

    def take(self) -> Child:
        """A leaf that has seen no program.

        Raises:
            OSError: the machine has no room for another process.
        """
        child, self._spare = self._spare, None
        if child is not None:
            if os.waitpid(child.pid, os.WNOHANG)[0] == 0:
                return child
            child.close()
        return Child(self._confined)

    def refill(self) -> None:
        """Fork the next one, while those that were taken run."""
        if self._spare is None:
            with contextlib.suppress(OSError):  # then it is made when it is needed
                self._spare = Child(self._confined)
