"""The host's side of a supervisor: starts it, opens conversations with it, ends it."""

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
    """This machine cannot hold a program; the message says what is missing, in one line."""


class Supervisor:
    """A running supervisor.

    Args:
        level: how its programs are held.
        packages: what they may import besides the standard library, where it is installed.

    Raises:
        NoSandbox: this level is not to be had here.
    """

    def __init__(self, level: Level, packages: Sequence[str]):
        self.level: Level = level
        ours, theirs = socket.socketpair(socket.AF_UNIX, _packets(), 0)
        host = _pidfd()
        command, settings = _command(level, packages)
        settings |= {"control": theirs.fileno(), "host": -1 if host is None else host}
        passed = (theirs.fileno(), *(() if host is None else (host,)))
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
            ours.close()
            raise
        finally:
            theirs.close()
            if host is not None:
                os.close(host)
        self._control = ours
        missing = self._missing()
        if missing != "":
            said = self.close().splitlines()
            raise NoSandbox(missing or (said[-1] if said else "it ended without a word"))

    @property
    def pid(self) -> int:
        """The process that was started: the supervisor, or the bubblewrap around it."""
        return self._process.pid

    def alive(self) -> bool:
        """Has it not ended?"""
        return self._process.poll() is None

    def conversation(self) -> socket.socket:
        """A socket for requests and replies (`conversation.py`).

        Raises:
            OSError: the supervisor is gone.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"c"], [theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        return ours

    def close(self) -> str:
        """End it and all its leaves; what it said on stderr."""
        with contextlib.suppress(OSError):
            # Copies of our end may live in processes that this one has forked.
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
        """In a fork of the host: let go of it without ending it."""
        self._control.close()

    def _missing(self) -> str | None:
        """Wait until it is set up; what stands against it, None where it just ended."""
        deadline = time.monotonic() + _START_SECONDS
        ready, _, _ = select.select([self._control], [], [], deadline - time.monotonic())
        told = b""
        if ready:
            with contextlib.suppress(ConnectionError):
                told = self._control.recv(1 << 16)
        if told:
            return "; ".join(json.loads(told)["missing"])
        if ready:
            return None
        self._process.send_signal(signal.SIGKILL)
        return f"the supervisor was not up after {_START_SECONDS:g} s"


def _packets() -> socket.SocketKind:
    # macOS has no packets over a pair of local sockets; datagrams do, but tell no end.
    return socket.SOCK_STREAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET


def _pidfd() -> int | None:
    """Tells the supervisor, also in its own process namespace, that the host has died."""
    try:
        return os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return None


def _command(level: Level, packages: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    from umi_lite.sandbox.libc import NOBODY

    installed, folder = places.package_folder(packages)
    root = str(Path(__file__).parents[2])
    python = [places.interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", _BOOT.format(root=root)]
    settings: dict[str, object] = {
        "level": level,
        "user": NOBODY,
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
