"""The host's side of the supervisor: start it, connect to it, end it."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from umi_lite.sandbox import places
from umi_lite.sandbox.result import Level

_START_SECONDS = 60.0
_END_SECONDS = 5.0
_BOOT = """\
import sys
sys.path.insert(0, {root!r})
from umi_lite.sandbox.supervisor import main
sys.path.remove({root!r})
main(sys.argv[1])
"""


class NoSandbox(Exception):
    """This machine cannot confine a program; the message says what is missing, in one line."""


class Supervisor:
    """A running supervisor.

    Args:
        level: how its programs are confined.
        packages: what they may import besides the standard library, if installed.

    Raises:
        NoSandbox: this level is not available here.
    """

    def __init__(self, level: Level, packages: Sequence[str]):
        self.level: Level = level
        here, there = socket.socketpair(socket.AF_UNIX, _packets(), 0)
        host = _pidfd()
        command, settings = _command(level, packages)
        settings |= {"control": there.fileno(), "host": -1 if host is None else host}
        passed = (there.fileno(), *(() if host is None else (host,)))
        try:
            self._process = subprocess.Popen(
                [*command, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except BaseException:
            here.close()
            raise
        finally:
            there.close()
            if host is not None:
                os.close(host)
        self._control = here
        missing = self._missing()
        if missing != "":
            said = self.close().splitlines()
            raise NoSandbox(missing or (said[-1] if said else "it ended and gave no reason"))

    @property
    def pid(self) -> int:
        """The process that was started: the supervisor, or the bubblewrap around it."""
        return self._process.pid

    def alive(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def connect(self) -> socket.socket:
        """Return a socket for requests and replies (`connection.py`).

        Raises:
            OSError: the supervisor is gone.
        """
        here, there = socket.socketpair()
        with there:
            try:
                socket.send_fds(self._control, [b"c"], [there.fileno()])
            except BaseException:
                here.close()
                raise
        return here

    def close(self) -> str:
        """End it and all its workers; return what it wrote to stderr."""
        with contextlib.suppress(OSError):
            # Processes that this one has forked may hold copies of this end.
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        assert self._process.stderr is not None
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._process.stderr as stderr:
            os.set_blocking(stderr.fileno(), False)
            return (stderr.read() or b"").decode("utf-8", "replace").strip()

    def forget(self) -> None:
        """Let go of it without ending it, in a fork of the host."""
        self._control.close()

    def _missing(self) -> str | None:
        """Wait until it is set up; return what the machine lacks, None if it just ended."""
        deadline = time.monotonic() + _START_SECONDS
        ready, _, _ = select.select([self._control], [], [], deadline - time.monotonic())
        report = b""
        if ready:
            with contextlib.suppress(ConnectionError):
                report = self._control.recv(1 << 16)
        if report:
            return "; ".join(json.loads(report)["missing"])
        if ready:
            return None
        self._process.send_signal(signal.SIGKILL)
        return f"the supervisor was not up after {_START_SECONDS:g} s"


def _packets() -> socket.SocketKind:
    # macOS has no packets over a pair of local sockets; datagrams work, but report no end.
    return socket.SOCK_STREAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET


def _pidfd() -> int | None:
    """Return a descriptor that reports the host's death, even in another process namespace."""
    try:
        return os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return None


def _command(level: Level, packages: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    from umi_lite.sandbox.libc import UNPRIVILEGED_ID

    installed, folder = places.package_folder(packages)
    root = str(Path(__file__).parents[2])
    python = [places.interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT.format(root=root)]
    settings: dict[str, object] = {
        "level": level,
        "user": UNPRIVILEGED_ID,
        "packages": installed,
        "folder": folder,
        "readable": places.readable(installed, folder),
    }
    if level != "full":
        return python, settings
    found = places.bwrap_program()
    if found is None:
        raise NoSandbox("bubblewrap (bwrap) is not installed")
    return [*places.bwrap_command(found, places.shown(installed, folder)), *python], settings
