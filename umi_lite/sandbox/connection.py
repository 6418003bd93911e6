"""A connection of the host to the supervisor: one call, or one session of calls."""

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any

from umi_lite.sandbox.frames import MOST, REQUEST, FrameError, Unpacker, packed
from umi_lite.sandbox.pool import WorkerHandle, WorkerPool
from umi_lite.sandbox.text import head_and_tail
from umi_lite.sandbox.worker import NOT_SET_UP


class Connection:
    """A socket pair with the host, and the worker that runs its programs.

    Args:
        end: the supervisor's end.
        pool: where its workers come from.
    """

    def __init__(self, end: socket.socket, pool: WorkerPool):
        end.setblocking(False)
        self._socket = end
        self._requests = Unpacker(REQUEST, MOST)
        self._replies = b""
        self._pool = pool
        self._worker: WorkerHandle | None = None
        self._request: dict[str, Any] | None = None
        self._stopped: str | None = None
        self._lost = False
        self._started = self._cpu_before = 0.0
        self.open = True

    @property
    def running(self) -> bool:
        """True while a program runs."""
        return self._request is not None

    def interests(self) -> dict[int, int]:
        """Return the file descriptors to poll, and the events to poll them for."""
        wanted = select.POLLIN | (select.POLLOUT if self._replies else 0)
        return {self._socket.fileno(): wanted, **(self._worker.interests() if self._worker else {})}

    def ready(self, end: int, events: int) -> None:
        """Continue with a file descriptor that `poll` reported."""
        if end != self._socket.fileno():
            assert self._worker is not None
            self._worker.ready(end)
            self._check_worker()
            return
        if events & select.POLLOUT:
            self._send()
        if events & ~select.POLLOUT:
            self._receive()

    def check_clocks(self) -> None:
        """Kill a program that has used up its wall or CPU time."""
        if self._request is None or self._worker is None:
            return
        limits = self._request["limits"]
        if time.monotonic() - self._started > limits["seconds"]:
            self._stop("time")
        elif self._worker.cpu_seconds() - self._cpu_before > limits["cpu_seconds"]:
            self._stop("cpu")

    def reap(self) -> None:
        """Check whether the worker has ended; reply if a program ran in it."""
        if self._worker is None:
            return
        pid, status, usage = os.wait4(self._worker.pid, os.WNOHANG)
        if pid == 0:
            return
        worker, self._worker = self._worker, None
        if self._request is None:
            self._lost = True
        else:
            worker.drain(self._request["limits"]["flood_mib"] << 20)
            cpu = usage.ru_utime + usage.ru_stime - self._cpu_before
            self._reply(self._verdict(worker, status, cpu), worker, ended=True)
        worker.close()

    def close(self) -> None:
        """Close the connection: kill the worker and wait for it."""
        self.open = False
        self._socket.close()
        if self._worker is not None:
            self._worker.kill()
            os.waitpid(self._worker.pid, 0)
            self._worker.close()
            self._worker = None

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
            requests = self._requests.feed(data)
        except BlockingIOError:
            return
        except (OSError, FrameError):
            data, requests = b"", []
        # A host that sends a request before it has its reply breaks the protocol.
        if not data or len(requests) + self.running > 1:
            self.open = False
        elif requests:
            self._start(requests[0])

    def _start(self, request: dict[str, Any]) -> None:
        self._request = request
        self._stopped = None
        self._started, self._cpu_before = time.monotonic(), 0.0
        limits = request["limits"]
        try:
            if self._worker is None:
                self._worker = self._pool.take()
                self._worker.begin({**limits, "session": request["session"]})
            else:
                self._cpu_before = self._worker.cpu_seconds()
                self._worker.pause(False)
        except OSError as err:
            self._reply({"status": "crash", "error": f"cannot start a process: {err}"}, None)
            return
        # Dropped here: workers that are forked later need no copy of it in their memory.
        self._worker.give(request.pop("code"), last=not request["session"])

    def _check_worker(self) -> None:
        worker, request = self._worker, self._request
        if worker is None:
            return
        if worker.breach is not None:
            worker.kill()
        elif request is None:
            if worker.claims:
                worker.kill()  # it wrote without a request
        elif worker.output.written > request["limits"]["flood_mib"] << 20:
            self._stop("output")
        elif request["session"] and worker.claims and self._stopped is None:
            worker.pause(True)
            worker.drain(request["limits"]["flood_mib"] << 20)
            if worker.breach is None:
                self._reply(_claimed(worker.claims[0], request["limits"]), worker)
                worker.claims.clear()

    def _stop(self, limit: str) -> None:
        assert self._worker is not None
        self._stopped = self._stopped or limit
        self._worker.kill()

    def _verdict(self, worker: WorkerHandle, status: int, cpu: float) -> dict[str, Any]:
        assert self._request is not None
        limits = self._request["limits"]
        signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        by_cpu = signalled == signal.SIGXCPU or (
            signalled == signal.SIGKILL and cpu > limits["cpu_seconds"]
        )
        stopped = self._stopped or ("cpu" if by_cpu and worker.breach is None else None)
        if stopped is not None:
            return _limit(stopped, limits)
        if worker.breach is not None:
            return {"status": "crash", "error": worker.breach}
        if signalled is not None:
            return {"status": "crash", "error": f"the program died by signal {signalled}"}
        if (code := os.WEXITSTATUS(status)) and code != NOT_SET_UP:
            return {"status": "error", "error": f"the program exited with status {code}"}
        if worker.claims:
            return _claimed(worker.claims[0], limits)
        return {"status": "ok"}

    def _reply(
        self, verdict: dict[str, Any], worker: WorkerHandle | None, *, ended: bool = False
    ) -> None:
        assert self._request is not None
        stdout = ""
        if worker is not None:
            text = worker.output.kept.decode("utf-8", "replace")
            room = self._request["limits"]["output_chars"]
            stdout = head_and_tail(text, room, worker.output.lost)
        seconds = time.monotonic() - self._started
        lost = self._lost or (ended and self._request["session"])
        self._request, self._lost = None, False
        reply: dict[str, Any] = {"value": None, "error": None, "limit": None, **verdict}
        reply |= {"stdout": stdout, "seconds": seconds, "state_lost": lost}
        self._replies += packed(reply)
        self._send()

    def _send(self) -> None:
        try:
            with contextlib.suppress(BlockingIOError):
                while self._replies:
                    self._replies = self._replies[self._socket.send(self._replies) :]
        except OSError:
            self.open = False


def _limit(which: str, limits: dict[str, Any]) -> dict[str, Any]:
    allowed = {
        "time": f"{limits['seconds']:g} s",
        "cpu": f"{limits['cpu_seconds']:g} s",
        "memory": f"{limits['memory_mib']} MiB",
        "output": f"{limits['flood_mib']} MiB",
    }[which]
    return {"status": "limit", "limit": which, "error": f"{which} limit: {allowed}"}


def _claimed(claim: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    kind, text = claim["kind"], claim["text"]
    if kind == "memory":
        return _limit("memory", limits)
    if text is not None:
        # Half a surrogate pair cannot be encoded.
        text = text.encode("utf-8", "replace").decode()
        text = head_and_tail(text, limits["output_chars"])
    if kind == "error":
        return {"status": "error", "error": text}
    if kind == "setup":
        return {"status": "crash", "error": f"the sandbox: {text}"}
    return {"status": "ok", "value": text}
