"""Workers as the supervisor sees them: process id, pipes, output; one forked ahead.

A worker is forked before its first program: it waits for its limits, confines itself with them,
and only then reads the program.
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
    """Bytes as they arrive, of which head and tail are kept.

    Attributes:
        room: bytes of head, and of tail, that are kept at least.
        written: number of bytes received.
        lost: how many of them were dropped from the middle.
    """

    room: int
    written: int = 0
    lost: int = 0
    kept: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        """Append data."""
        self.written += len(data)
        self.kept += data
        if len(self.kept) > 4 * self.room + _CHUNK:
            dropped = len(self.kept) - 2 * self.room
            self.lost += dropped
            del self.kept[self.room : len(self.kept) - self.room]


class WorkerHandle:
    """One worker process. No method waits for it.

    Args:
        confined: called in the new process with its limits; confines it.

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
            _become_worker(parent, confined, commands, claims, output)
        for end in (commands, claims, output):
            os.close(end)
        for end in (self._commands, self._claim, self._output):
            os.set_blocking(end, False)

    def begin(self, limits: dict[str, Any]) -> None:
        """Send its limits, with which it confines itself. Once, before the first program."""
        self._claims = Unpacker(worker.CLAIM, worker.most_claim(limits["output_chars"]))
        self._room = 4 * limits["output_chars"]
        self._to_write = packed({"limits": limits})

    def give(self, code: str, *, last: bool) -> None:
        """Send a program; after the last one the worker ends."""
        self.output = Output(self._room)
        self.claims.clear()
        self._to_write += packed({"code": code})
        self._close_when_sent = last
        self.write()

    def write(self) -> None:
        """Write as much as the pipe takes now."""
        try:
            while self._to_write:
                self._to_write = self._to_write[os.write(self._commands, self._to_write) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_write = b""  # the worker has gone, or closed its end: its exit status decides
        if self._close_when_sent and self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def interests(self) -> dict[int, int]:
        """Return the file descriptors to poll, and the events to poll them for."""
        polled = {end: select.POLLIN for end in (self._claim, self._output) if end >= 0}
        if self._to_write and self._commands >= 0:
            polled[self._commands] = select.POLLOUT
        return polled

    def ready(self, end: int) -> None:
        """Do one read or write on a file descriptor that `poll` reported."""
        if end == self._commands:
            self.write()
        elif end == self._output:
            self._read_output()
        elif end == self._claim:
            self._read_claims()

    def drain(self, most: int) -> None:
        """Read what is in the pipes, at most `most` bytes of output."""
        before = self.output.written
        while self._output >= 0 and self._read_output() and self.output.written - before < most:
            pass
        while self._claim >= 0 and self._read_claims():
            pass

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads so far; 0 where the system does not report it."""
        try:
            # The clock id of a process's CPU time, as clock_getcpuclockid(3) makes it.
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def kill(self) -> None:
        """Send SIGKILL. The worker cannot have started other processes."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def pause(self, paused: bool) -> None:
        """Stop or continue its threads, between the programs of a session."""
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
                raise FrameError("more than one result, or of an unknown kind")
        except FrameError as err:
            self.breach = f"the program wrote into the sandbox's own channel ({err})"
        return bool(data) and self.breach is None


def _read(source: int) -> bytes | None:
    """Return the available bytes; None where there are none yet."""
    try:
        return os.read(source, _CHUNK)
    except BlockingIOError:
        return None


def _become_worker(
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
        # The supervisor keeps these numbers free, so no pipe's end can have them.
        ends = (output, 1), (output, 2), (commands, worker.COMMANDS), (claims, worker.CLAIMS)
        for end, place in ends:
            os.dup2(end, place)
        # Else it would keep the pipes of other workers open, and their end would go unnoticed.
        libc.close_from(worker.RULESET + 1)
        worker.rehearse()
        frame = read_frame(worker.COMMANDS, worker.LIMITS, 1 << 16)
        if frame is not None:
            confined(frame["limits"])
            worker.serve(frame["limits"]["output_chars"])
    except BaseException as err:
        worker.claim_out({"kind": "setup", "text": f"{type(err).__name__}: {err}"})
    finally:
        os._exit(worker.NOT_SET_UP)


class WorkerPool:
    """Workers, one of them forked ahead: a fork takes as long as the rest of a call.

    Args:
        confined: see `WorkerHandle`.
    """

    def __init__(self, confined: Callable[[dict[str, Any]], None]):
        self._confined = confined
        self._spare: WorkerHandle | None = None

    def take(self) -> WorkerHandle:
        """Return a worker that has seen no program.

        Raises:
            OSError: the machine has no room for another process.
        """
        spare, self._spare = self._spare, None
        if spare is not None:
            if os.waitpid(spare.pid, os.WNOHANG)[0] == 0:
                return spare
            spare.close()
        return WorkerHandle(self._confined)

    def refill(self) -> None:
        """Fork the next worker, while those that were taken run."""
        if self._spare is None:
            with contextlib.suppress(OSError):  # then it is forked when it is needed
                self._spare = WorkerHandle(self._confined)
