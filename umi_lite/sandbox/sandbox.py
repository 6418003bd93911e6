"""A sandbox: a supervisor that is started when needed, and sessions of programs."""

import contextlib
import functools
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from umi_lite.errors import UserError
from umi_lite.sandbox import places
from umi_lite.sandbox.frames import MOST, REPLY, FrameError, Unpacker, packed
from umi_lite.sandbox.host import NoSandbox, Supervisor
from umi_lite.sandbox.result import Level, Limits, Result
from umi_lite.sandbox.text import harmless, head_and_tail

# A reply may wait for the program, and for others to end first.
_PATIENCE = 120.0
_DYING = 1.0
# Strongest first. It never falls back to `none`.
_LEVELS: dict[str, tuple[Level, ...]] = {"linux": ("full", "standard"), "darwin": ("macos",)}


class _Gone(Exception):
    """The supervisor went away before it replied."""


class Sandbox:
    """Runs programs; thread-safe. A supervisor that died is replaced.

    Args:
        level: how programs are confined; default is the strongest level available here.
        packages: importable besides the standard library, if installed.
    """

    def __init__(self, level: Level | None = None, packages: Sequence[str] = ("sympy",)):
        self._wanted: Level | None = level
        self._packages = tuple(packages)
        self._supervisor: Supervisor | None = None
        self._refusal: str | None = None
        self._lock = threading.Lock()

    def start(self) -> Level:
        """Start the supervisor if it is not running; return its level.

        Raises:
            UserError: this machine has no sandbox; the message says what is missing.
        """
        return self._running().level

    def warm(self) -> None:
        """Start the supervisor and import there what programs use, about half a second.

        Else the first program waits for it.

        Raises:
            UserError: see `start`.
        """
        self.start()
        self.run("0")

    @functools.cached_property
    def aliases(self) -> list[tuple[str, str]]:
        """(path, alias) for this machine's paths, which results do not show."""
        return places.aliases(places.package_folder(self._packages)[1])

    @property
    def pid(self) -> int | None:
        """The supervisor's process id (at `full` that of bubblewrap), None if it is not running."""
        return None if self._supervisor is None else self._supervisor.pid

    def run(self, code: str, limits: Limits | None = None) -> Result:
        """Run a program in a fresh process; never raises for the program's errors.

        If the supervisor dies meanwhile, the program is run again once: it cannot have changed
        anything.
        """
        for _ in range(2):
            with self.session(limits) as session, contextlib.suppress(_Gone):
                return session.ask(code, last=True)
        return Result("crash", error=self.death())

    def session(self, limits: Limits | None = None) -> "Session":
        """Return a process whose variables persist from one program to the next."""
        return Session(self, limits or Limits())

    def close(self) -> None:
        """End the supervisor. The next program starts a new one."""
        with self._lock:
            if self._supervisor is not None:
                self._supervisor.close()
                self._supervisor = None

    def forget(self) -> None:
        """Leave the supervisor to the parent, in a fork of this process."""
        if self._supervisor is not None:
            self._supervisor.forget()
        self._supervisor = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> Supervisor:
        with self._lock:
            if self._supervisor is not None and not self._supervisor.alive():
                self._supervisor.close()
                self._supervisor = None
            if self._refusal is not None:
                raise UserError(self._refusal)
            if self._supervisor is None:
                try:
                    self._supervisor = _started(self._wanted, self._packages)
                except UserError as err:
                    self._refusal = str(err)  # asking again would take as long
                    raise
            return self._supervisor

    def connect(self) -> tuple[socket.socket, Level]:
        """Return a connection to a live supervisor, and its level."""
        supervisor = self._running()
        try:
            return supervisor.connect(), supervisor.level
        except OSError:  # it died just now
            self._discard(supervisor)
            supervisor = self._running()
            return supervisor.connect(), supervisor.level

    def settle(self) -> None:
        """Wait, after a broken connection, until a dying supervisor is dead.

        Else the next connection would go to the same one.
        """
        supervisor, deadline = self._supervisor, time.monotonic() + _DYING
        while supervisor is not None and supervisor.alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def death(self) -> str:
        """Return one line about a supervisor that died twice, with the last line it wrote."""
        with self._lock:
            supervisor, self._supervisor = self._supervisor, None
        said = supervisor.close().splitlines() if supervisor is not None else []
        return "the sandbox's supervisor died, twice" + (f": {said[-1]}" if said else "")

    def _discard(self, supervisor: Supervisor) -> None:
        with self._lock:
            if self._supervisor is supervisor:
                supervisor.close()
                self._supervisor = None


class Session:
    """Programs that share their variables, in one process of a sandbox.

    The process is stopped between programs. When a program breaks a limit or crashes, the
    variables are lost: its result says `state_lost`, and the next program starts afresh.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits):
        self._sandbox = sandbox
        self._limits = limits
        self._socket: socket.socket | None = None
        self._level: Level | None = None
        self._used = False

    def run(self, code: str) -> Result:
        """Run the next program; never raises for the program's errors."""
        for _ in range(2):
            lost = self._used and self._socket is None
            with contextlib.suppress(_Gone):
                result = self.ask(code, last=False)
                self._used = True
                # A supervisor that died took the variables with it.
                return replace(result, state_lost=result.state_lost or lost)
        return Result("crash", error=self._sandbox.death(), state_lost=True)

    def ask(self, code: str, *, last: bool) -> Result:
        """Send one request and wait for its reply; after the last one the process ends."""
        try:
            if self._socket is None:
                self._socket, self._level = self._sandbox.connect()
        except UserError as err:
            return Result("refused", error=str(err))
        text = code.encode("utf-8", "replace").decode()
        request = {"code": text, "limits": asdict(self._limits), "session": not last}
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.sendall(packed(request))
            reply = _reply(self._socket, time.monotonic() + self._limits.seconds + _PATIENCE)
        except (OSError, FrameError) as err:
            self.close()
            self._sandbox.settle()
            raise _Gone from err
        return Result(
            status=reply["status"],
            stdout=self._shown(reply["stdout"]) or "",
            value=self._shown(reply["value"]),
            error=self._shown(reply["error"]),
            limit=reply["limit"],
            level=self._level,
            seconds=reply["seconds"],
            state_lost=reply["state_lost"],
        )

    def _shown(self, text: str | None) -> str | None:
        if text is None:
            return None
        for path, alias in self._sandbox.aliases:
            text = text.replace(path, alias)
        # Cut again: escapes make the text longer.
        return head_and_tail(harmless(text), self._limits.output_chars)

    def close(self) -> None:
        """End the process."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reply(source: socket.socket, deadline: float) -> dict[str, Any]:
    unpacker = Unpacker(REPLY, MOST)
    while True:
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        data = source.recv(1 << 20) if ready else b""
        if not data:
            raise ConnectionError("no reply")
        if frames := unpacker.feed(data):
            return frames[0]


def _started(wanted: Level | None, packages: Sequence[str]) -> Supervisor:
    """Start a supervisor at the strongest level that holds, or at the wanted one.

    Raises:
        UserError: no level holds; the message says what each lacks.
    """
    if sys.platform == "win32":
        raise UserError("the Python sandbox does not run on Windows itself: use WSL2 (Linux)")
    lacks: list[str] = []
    for level in _LEVELS.get(sys.platform, ()) if wanted is None else (wanted,):
        try:
            return Supervisor(level, packages)
        except NoSandbox as err:
            lacks.append(f"{level}: {err}")
    raise UserError(f"no Python sandbox on this machine, nothing was run. {'; '.join(lacks)}")
