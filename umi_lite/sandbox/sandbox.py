"""A sandbox: a supervisor that is there when it is needed, and programs run by it."""

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

# A reply comes when the program has ended, or has waited for others to end.
_PATIENCE = 120.0
_DYING = 1.0
# Strongest first. `none` is no level to fall back to.
_LEVELS: dict[str, tuple[Level, ...]] = {"linux": ("full", "standard"), "darwin": ("macos",)}


class _Gone(Exception):
    """The supervisor went away before it answered."""


class Sandbox:
    """Runs programs; thread-safe. A supervisor that died is replaced.

    Args:
        level: hold programs so, or not at all; default the strongest to be had here.
        packages: importable besides the standard library, where they are installed.
    """

    def __init__(self, level: Level | None = None, packages: Sequence[str] = ("sympy",)):
        self._wanted: Level | None = level
        self._packages = tuple(packages)
        self._supervisor: Supervisor | None = None
        self._refusal: str | None = None
        self._lock = threading.Lock()

    def start(self) -> Level:
        """Have a supervisor; its level.

        Raises:
            UserError: there is no sandbox on this machine; what is missing.
        """
        return self._running().level

    @functools.cached_property
    def aliases(self) -> list[tuple[str, str]]:
        """What results call the paths of this machine: a program's reader needs none of them."""
        return places.aliases(places.package_folder(self._packages)[1])

    @property
    def pid(self) -> int | None:
        """The supervisor's process (at `full` the bubblewrap around it), None without one."""
        return None if self._supervisor is None else self._supervisor.pid

    def run(self, code: str, limits: Limits | None = None) -> Result:
        """Run a program in a fresh process. Never raises for the program's fault.

        Where the supervisor dies meanwhile the program is run again, once: it can have
        changed nothing.
        """
        for _ in range(2):
            with self.session(limits) as session, contextlib.suppress(_Gone):
                return session.ask(code, last=True)
        return Result("crash", error="the sandbox's supervisor died, twice")

    def session(self, limits: Limits | None = None) -> "Session":
        """A process whose variables live on from one program to the next."""
        return Session(self, limits or Limits())

    def close(self) -> None:
        """End the supervisor. The next program starts one anew."""
        with self._lock:
            if self._supervisor is not None:
                self._supervisor.close()
                self._supervisor = None

    def forget(self) -> None:
        """In a fork of this process: leave the supervisor to the parent."""
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

    def conversation(self) -> tuple[socket.socket, Level]:
        """A conversation with a supervisor that lives, and its level."""
        supervisor = self._running()
        try:
            return supervisor.conversation(), supervisor.level
        except OSError:  # it died just now
            self._discard(supervisor)
            supervisor = self._running()
            return supervisor.conversation(), supervisor.level

    def settle(self) -> None:
        """A conversation broke off: a supervisor that is dying is given the time to be dead.

        Else the next conversation would be with the same one.
        """
        supervisor, deadline = self._supervisor, time.monotonic() + _DYING
        while supervisor is not None and supervisor.alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def _discard(self, supervisor: Supervisor) -> None:
        with self._lock:
            if self._supervisor is supervisor:
                supervisor.close()
                self._supervisor = None


class Session:
    """Programs that share their variables, in one process of a sandbox.

    The process stands still between programs. When one breaks a limit or crashes, the
    variables are gone: its result says `state_lost`, and the next program starts anew.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits):
        self._sandbox = sandbox
        self._limits = limits
        self._socket: socket.socket | None = None
        self._level: Level | None = None
        self._used = False

    def run(self, code: str) -> Result:
        """Run a program after the ones before. Never raises for the program's fault."""
        for _ in range(2):
            lost = self._used and self._socket is None
            with contextlib.suppress(_Gone):
                result = self.ask(code, last=False)
                self._used = True
                # A supervisor that died took the variables along.
                return replace(result, state_lost=result.state_lost or lost)
        return Result("crash", error="the sandbox's supervisor died, twice", state_lost=True)

    def ask(self, code: str, *, last: bool) -> Result:
        """One request; after the last one the process ends."""
        try:
            if self._socket is None:
                self._socket, self._level = self._sandbox.conversation()
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
        # Cut once more: what is written out is longer.
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
            raise ConnectionError("no answer")
        if frames := unpacker.feed(data):
            return frames[0]


def _started(wanted: Level | None, packages: Sequence[str]) -> Supervisor:
    """The strongest level that holds, or the one that is wanted.

    Raises:
        UserError: none of them; what each lacks.
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
