"""One host's call, or one session of calls, in the supervisor: requests in, replies out."""

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any

from umi_lite.sandbox import worker
from umi_lite.sandbox.frames import MOST, REQUEST, FrameError, Unpacker, packed
from umi_lite.sandbox.pool import Child, Nursery
from umi_lite.sandbox.text import head_and_tail


class Conversation:
    """A socket of the host's, and the leaf that runs its programs.

    Args:
        ours: the supervisor's end.
        nursery: where its leaves come from.
    """

    def __init__(self, ours: socket.socket, nursery: Nursery):
        ours.setblocking(False)
        self._socket = ours
        self._requests = Unpacker(REQUEST, MOST)
        self._replies = b""
        self._nursery = nursery
        self._child: Child | None = None
        self._request: dict[str, Any] | None = None
        self._stopped: str | None = None
        self._lost = False
        self._started = self._cpu_before = 0.0
        self.open = True

    @property
    def running(self) -> bool:
        """Is a program being run?"""
        return self._request is not None

    def interests(self) -> dict[int, int]:
        """File descriptors to poll, and for what."""
        wanted = select.POLLIN | (select.POLLOUT if self._replies else 0)
        return {self._socket.fileno(): wanted, **(self._child.interests() if self._child else {})}

    def ready(self, end: int, events: int) -> None:
        """Go on where `poll` says it is possible."""
        if end != self._socket.fileno():
            assert self._child is not None
            self._child.ready(end)
            self._judge_what_came()
            return
        if events & select.POLLOUT:
            self._send()
        if events & ~select.POLLOUT:
            self._receive()

    def check_clocks(self) -> None:
        """Kill a program that is past its wall or CPU time."""
        if self._request is None or self._child is None:
            return
        limits = self._request["limits"]
        if time.monotonic() - self._started > limits["seconds"]:
            self._stop("time")
        elif self._child.cpu_seconds() - self._cpu_before > limits["cpu_seconds"]:
            self._stop("cpu")

    def reap(self) -> None:
        """See whether the leaf has ended; reply where a program ran in it."""
        if self._child is None:
            return
        pid, status, usage = os.wait4(self._child.pid, os.WNOHANG)
        if pid == 0:
            return
        child, self._child = self._child, None
        if self._request is None:
            self._lost = True
        else:
            child.drain(self._request["limits"]["flood_mib"] << 20)
            cpu = usage.ru_utime + usage.ru_stime - self._cpu_before
            self._reply(self._verdict(child, status, cpu), child, ended=True)
        child.close()

    def close(self) -> None:
        """End it: the leaf is killed and waited for."""
        self.open = False
        self._socket.close()
        if self._child is not None:
            self._child.kill()
            os.waitpid(self._child.pid, 0)
            self._child.close()
            self._child = None

    def _receive(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
            requests = self._requests.feed(data)
        except BlockingIOError:
            return
        except (OSError, FrameError):
            data, requests = b"", []
        # A host that asks before it has its answer is none of ours.
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
            if self._child is None:
                self._child = self._nursery.take()
                self._child.begin({**limits, "session": request["session"]})
            else:
                self._cpu_before = self._child.cpu_seconds()
                self._child.pause(False)
        except OSError as err:
            self._reply({"status": "crash", "error": f"no process could be made: {err}"}, None)
            return
        # Leaves forked from now on need not find it in their copy of our memory.
        self._child.give(request.pop("code"), last=not request["session"])

    def _judge_what_came(self) -> None:
        child, request = self._child, self._request
        if child is None:
            return
        if child.breach is not None:
            child.kill()
        elif request is None:
            if child.claims:
                child.kill()  # it speaks unasked
        elif child.output.written > request["limits"]["flood_mib"] << 20:
            self._stop("output")
        elif request["session"] and child.claims and self._stopped is None:
            child.pause(True)
            child.drain(request["limits"]["flood_mib"] << 20)
            if child.breach is None:
                self._reply(_claimed(child.claims[0], request["limits"]), child)
                child.claims.clear()

    def _stop(self, limit: str) -> None:
        assert self._child is not None
        self._stopped = self._stopped or limit
        self._child.kill()

    def _verdict(self, child: Child, status: int, cpu: float) -> dict[str, Any]:
        assert self._request is not None
        limits = self._request["limits"]
        signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        by_cpu = signalled == signal.SIGXCPU or (
            signalled == signal.SIGKILL and cpu > limits["cpu_seconds"]
        )
        stopped = self._stopped or ("cpu" if by_cpu and child.breach is None else None)
        if stopped is not None:
            return _limit(stopped, limits)
        if child.breach is not None:
            return {"status": "crash", "error": child.breach}
        if signalled is not None:
            return {"status": "crash", "error": f"the program died by signal {signalled}"}
        if (code := os.WEXITSTATUS(status)) and code != worker.NOT_SET_UP:
            return {"status": "error", "error": f"the program exited with status {code}"}
        if child.claims:
            return _claimed(child.claims[0], limits)
        return {"status": "ok"}

    def _reply(self, verdict: dict[str, Any], child: Child | None, *, ended: bool = False) -> None:
        assert self._request is not None
        stdout = ""
        if child is not None:
            text = child.output.kept.decode("utf-8", "replace")
            room = self._request["limits"]["output_chars"]
            stdout = head_and_tail(text, room, child.output.lost)
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
        # Half a surrogate pair is no text.
        text = text.encode("utf-8", "replace").decode()
        text = head_and_tail(text, limits["output_chars"])
    if kind == "error":
        return {"status": "error", "error": text}
    if kind == "setup":
        return {"status": "crash", "error": f"the sandbox: {text}"}
    return {"status": "ok", "value": text}
