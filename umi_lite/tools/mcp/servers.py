"""The tools of several MCP servers in one toolbox, while a `with` is open."""

import signal
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from umi_lite.errors import UserError, first_error
from umi_lite.protocol.trajectory import Tool
from umi_lite.sandbox.text import head_and_tail, visible
from umi_lite.tools.mcp.config import Server, all_servers
from umi_lite.tools.mcp.connection import Connection, Deadlines, Note
from umi_lite.tools.mcp.consent import Consent
from umi_lite.tools.mcp.names import Origin, unique_names
from umi_lite.tools.tools import Toolbox, ToolFunction

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

_LONGEST_NOTE = 1000  # characters


@dataclass(frozen=True)
class McpServers:
    """MCP servers, and how their tools may be used.

    Attributes:
        servers: with names that differ (`config.all_servers`).
        consent: which calls need the user's word; default those marked destructive, refused.
        deadlines: seconds to start, and per call.
    """

    servers: tuple[Server, ...]
    consent: Consent = field(default_factory=Consent)
    deadlines: Deadlines = field(default_factory=Deadlines)

    def unattended(self) -> Self:
        """Return the same servers where no user can be asked: consent is refused."""
        return replace(self, consent=replace(self.consent, confirm=None))

    @contextmanager
    def toolbox(
        self, own: Toolbox | None = None, note: Note = lambda _: None
    ) -> Generator[Toolbox]:
        """Start the servers, and yield their tools after `own`'s, in one toolbox.

        A server that does not start is a note, if another one does. When a server's tools
        change, the toolbox has the new ones at once; an episode keeps the docs it began with.
        At the end the servers are ended, each with its process group.

        Args:
            note: called with one line for each server or tool that is left out, for each
                change of the tools, and with what a server reports while a call is made.

        Raises:
            UserError: the SDK is not installed, or no server starts.
        """
        check_sdk()

        def noted(line: str) -> None:
            # A server's text must not act on the terminal, nor hide or flood there.
            note(visible(head_and_tail(" ".join(line.split()), _LONGEST_NOTE)))

        plugged = _Plugged(own or Toolbox(), self.consent, noted)
        with _sigterm_raises(), _event_loop() as portal:
            connections = [
                Connection(server, self.deadlines, portal, plugged.changed)
                for server in self.servers
            ]
            try:
                for connection in connections:
                    connection.start()
                plugged.begin(_started(connections, noted))
                yield plugged.toolbox
            finally:
                for connection in connections:
                    connection.stop()
                for connection in connections:
                    connection.join()


def mcp_servers(given: Iterable[str], **more: Any) -> McpServers:
    """Return the servers that texts name, each a command, a URL or a `.json` file.

    Raises:
        UserError: see `config.servers_of`.
    """
    return McpServers(all_servers(list(given)), **more)


def listed(given: str, deadline: float = Deadlines.start) -> tuple[list[Tool], list[str]]:
    """Return the tools of an MCP server, and why others of it cannot be tools. None is called.

    Args:
        given: a command, a URL or a `.json` file.
        deadline: seconds to start and to list.

    Raises:
        UserError: the SDK is not installed, or the server does not start, ends, or does not answer
            in time; the message names it and has the last line that it wrote.
    """
    notes: list[str] = []
    servers = mcp_servers([given], deadlines=Deadlines(start=deadline))
    with servers.toolbox(note=notes.append) as toolbox:
        return list(toolbox.specs), notes


def check_sdk() -> None:
    """Check that the official SDK is installed.

    Raises:
        UserError: it is not; how to install it.
    """
    if find_spec("mcp") is None:
        raise UserError("MCP needs its SDK: pip install 'umi-lite[mcp]'")


@contextmanager
def _sigterm_raises() -> Generator[None]:
    """Let SIGTERM raise SystemExit where it would end the program at once: servers would stay."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        # An agent may be closed by another thread, which cannot set handlers; this one may stay.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _event_loop() -> "Generator[BlockingPortal]":
    """Run an event loop in a thread.

    Not anyio's `start_blocking_portal`: Python waits for its thread before it runs what `atexit`
    has, such as the end of an agent that was never closed.
    """
    import anyio
    from anyio.from_thread import BlockingPortal

    ready: Future[BlockingPortal] = Future()

    async def run() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            await portal.sleep_until_stopped()

    thread = threading.Thread(target=anyio.run, args=(run,), name="umi-mcp", daemon=True)
    thread.start()
    portal = ready.result()
    try:
        yield portal
    finally:
        portal.call(portal.stop)
        thread.join()


def _started(connections: list[Connection], note: Note) -> list[Connection]:
    """Return the connections whose servers have started; the others are noted.

    Raises:
        UserError: none has started; the first one's reason.
    """
    started: list[Connection] = []
    failed: list[UserError] = []
    for connection in connections:
        try:
            connection.wait()
            started.append(connection)
        except UserError as err:
            failed.append(err)
    if failed and not started:
        raise failed[0]
    for err in failed:
        note(f"{err}; left out")
    return started


class _Plugged:
    """The toolbox, kept in step with its servers' tools."""

    def __init__(self, own: Toolbox, consent: Consent, note: Note):
        self.toolbox = Toolbox(own.functions)
        self._own = own.functions
        self._consent = consent
        self._note = note
        self._connections: list[Connection] = []
        self._names: dict[str, Origin] = {}
        self._noted: set[str] = set()
        self._filling = threading.Lock()

    def begin(self, connections: list[Connection]) -> None:
        """Fill the toolbox for the first time."""
        self._connections = connections
        for line in self._fill():
            self._note(line)

    def changed(self, connection: Connection) -> None:
        """Fill the toolbox again; what changed is noted with the next call."""
        before = self._names.keys()
        lines = self._fill()
        changes = [f"+{name}" for name in self._names.keys() - before]
        changes += [f"-{name}" for name in before - self._names.keys()]
        if changes:
            lines.append(f"its tools changed: {' '.join(sorted(changes))[:300]}")
        for line in lines:
            connection.report(line)

    def _fill(self) -> list[str]:
        """Offer the servers' tools of now; return why others are left out, each once."""
        with self._filling:
            lines: list[str] = []
            made: dict[Origin, tuple[Tool, Connection, Any]] = {}
            for connection in self._connections:
                name = connection.server.name
                # A copy: the event loop's thread may be adding to it.
                for tool, why in list(connection.left_out.items()):
                    lines.append(f"{name}: tool {tool}: {why}; left out")
                for entry in connection.tools:
                    origin = (name, entry.name)
                    try:
                        made.setdefault(origin, (_tool(entry), connection, entry.annotations))
                    except ValidationError as err:
                        lines.append(f"{name}: tool {entry.name}: {first_error(err)}; left out")
            own = [function.spec.name for function in self._own]
            self._names = unique_names(made, own, self._names)
            functions = [
                self._function(name, origin[1], *made[origin])
                for name, origin in self._names.items()
            ]
            self.toolbox.replace([*self._own, *functions])
            new = [line for line in lines if line not in self._noted]
            self._noted = set(lines)
            return new

    def _function(
        self, name: str, real: str, tool: Tool, connection: Connection, hints: Any
    ) -> ToolFunction:
        def called(**arguments: Any) -> str:
            self._consent.check(connection.server.name, name, arguments, hints)
            return connection.call(real, arguments, self._note)

        return ToolFunction(tool.model_copy(update={"name": name}), called)


def _tool(entry: Any) -> Tool:
    """Return a tool as a server lists it."""
    return Tool(
        name=entry.name or "tool",
        description=entry.description or "",
        parameters=entry.input_schema,
    )
