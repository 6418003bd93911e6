"""One MCP server: started within a deadline, its tools listed and followed, its calls bounded.

It lives in one task of an event loop that runs in another thread, and ends with it. A server that
has ended is started again at its next call.
"""

import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from umi_lite.errors import UserError
from umi_lite.sandbox.text import head_and_tail
from umi_lite.tools.mcp.config import Server
from umi_lite.tools.mcp.content import content_text
from umi_lite.tools.tools import ToolError

if TYPE_CHECKING:
    import anyio
    from anyio.from_thread import BlockingPortal
    from mcp import Client

    from umi_lite.tools.mcp.stdio import Said

_MOST_PAGES = 1000
_MOST_NOTES = 20  # of one call
_PAUSE = 0.2  # seconds between two listings of tools that change
_CLOSING = 6.0  # seconds to close a connection, after which it is dropped
Note = Callable[[str], None]


@dataclass(frozen=True)
class Deadlines:
    """Seconds that a server may take to start and list its tools, and to answer a call."""

    start: float = 30.0
    call: float = 60.0


@dataclass(frozen=True)
class _Open:
    """A connection that is open: its client, what its server wrote, and what ends it."""

    client: "Client"
    said: "Said"
    gone: "anyio.Event"


class Connection:
    """A server that runs, or that is started again at its next call.

    Args:
        portal: of the event loop's thread.
        changed: called from that thread after the tools have changed.

    Attributes:
        tools: as the server lists them now, the SDK's objects.
        left_out: names of listed tools that cannot be used, with the reasons.
    """

    def __init__(
        self,
        server: Server,
        deadlines: Deadlines,
        portal: "BlockingPortal",
        changed: Callable[["Connection"], None],
    ):
        self.server = server
        self.tools: tuple[Any, ...] = ()
        self.left_out: dict[str, str] = {}
        self._deadlines = deadlines
        self._portal = portal
        self._changed = changed
        self._open: _Open | None = None
        self._life: Future[None] | None = None
        self._ready: Future[None] = Future()
        self._restarting = threading.Lock()
        self._stopped = False
        self._logs: deque[str] = deque(maxlen=_MOST_NOTES)

    def start(self) -> None:
        """Begin to start the server; `wait` waits for it."""
        self._ready = Future()
        self._life = self._portal.start_task_soon(self._live, self._ready)

    def wait(self) -> None:
        """Wait until the server has listed its tools.

        Raises:
            UserError: it does not start, ends, or does not list its tools in time; the message
                names it and has the last line that it wrote.
        """
        self._ready.result()

    def call(self, tool: str, arguments: dict[str, Any], note: Note) -> str:
        """Return a tool's result as text.

        Args:
            tool: the server's own name of it.
            note: called with one line for each report of progress, and for the server's log.

        Raises:
            ToolError: the tool failed, or the server ended or did not answer in time.
        """
        with self._restarting:
            if self._open is None:
                self._restart()
        lines: SimpleQueue[str | None] = SimpleQueue()
        future = self._portal.start_task_soon(self._call, tool, arguments, lines)
        future.add_done_callback(lambda _: lines.put(None))
        try:
            while (line := lines.get()) is not None:
                note(f"{self.server.name}: {line}")
        except BaseException:
            future.cancel()  # Ctrl-C: the server is sent a cancellation
            raise
        with suppress(IndexError):  # another thread's call may take the last one
            while True:
                note(f"{self.server.name}: {self._logs.popleft()}")
        return future.result()

    def report(self, line: str) -> None:
        """Keep a line, to be noted with the next call."""
        self._logs.append(_one_line(line))

    def stop(self) -> None:
        """Begin to end the server; `join` waits for it. A call does not start it again."""
        self._stopped = True
        at = self._open
        if at is not None:
            self._portal.call(at.gone.set)
        elif self._life is not None:
            self._life.cancel()

    def join(self) -> None:
        """Wait until the server and its process group have ended."""
        if self._life is not None and not self._life.cancelled():
            self._life.exception()

    def _restart(self) -> None:
        if self._stopped:
            raise ToolError(f"MCP server {self.server.label!r} was stopped")
        self.join()
        self.start()
        try:
            self.wait()
        except UserError as err:
            raise ToolError(str(err)) from err

    async def _live(self, ready: "Future[None]") -> None:
        """Run the connection from its start to its end; what fails is `ready`'s exception."""
        import anyio

        from umi_lite.tools.mcp.stdio import Said

        said, gone, changes = Said(), anyio.Event(), _Changes()
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + self._deadlines.start) as scope:
                async with self._client(said, gone, changes) as client:
                    self.tools = await _listed(client)
                    scope.deadline = float("inf")
                    self._open = _Open(client, said, gone)
                    if self._stopped:  # before there was something to stop
                        gone.set()
                    ready.set_result(None)
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._follow, client, changes)
                        await gone.wait()
                        tasks.cancel_scope.cancel()
                    self._open = None
                    scope.deadline = anyio.current_time() + _CLOSING
            if not ready.done():
                raise TimeoutError
        except Exception as err:
            self._open = None
            if not ready.done():
                reason = f"{_reason(err, self._deadlines.start)}{said.last()}"
                ready.set_exception(UserError(f"MCP server {self.server.label!r}: {reason}"))
            # After that, how a connection breaks at its end concerns no call.
        finally:
            if not ready.done():  # cancelled while it started
                ready.set_exception(UserError(f"MCP server {self.server.label!r} was stopped"))

    @asynccontextmanager
    async def _client(
        self, said: "Said", gone: "anyio.Event", changes: "_Changes"
    ) -> "AsyncGenerator[Client]":
        from importlib import metadata

        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client
        from mcp_types import Implementation, ToolListChangedNotification

        from umi_lite.tools.mcp.sift import Sift
        from umi_lite.tools.mcp.stdio import MOST_BYTES, stdio

        # The SDK logs what a hostile server does with tracebacks; without a handler of the
        # program's own, Python prints these.
        logging.getLogger("mcp").addHandler(logging.NullHandler())

        async def heard(message: Any) -> None:
            if isinstance(message, ToolListChangedNotification):
                changes.came()

        async def logged(params: Any) -> None:
            if params.level != "debug":
                self.report(f"{params.level}: {params.data}")

        sift = Sift()
        self.left_out = sift.left_out
        async with AsyncExitStack() as stack:
            transport: Any = stdio(self.server, said, gone)
            if self.server.url is not None:
                http = create_mcp_http_client(headers=dict(self.server.headers))
                transport = streamable_http_client(
                    self.server.url,
                    http_client=await stack.enter_async_context(http),
                    max_sse_event_size=MOST_BYTES,
                )
            made = Client(
                sift.over(transport),
                message_handler=heard,
                logging_callback=logged,
                log_level="info",
                client_info=Implementation(name="umi-lite", version=metadata.version("umi-lite")),
                cache=None,
            )
            client = await stack.enter_async_context(made)
            sift.version = client.protocol_version
            yield client

    async def _call(
        self, tool: str, arguments: dict[str, Any], lines: "SimpleQueue[str | None]"
    ) -> str:
        import anyio
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED

        at, shown = self._open, 0
        if at is None:
            raise ToolError(f"MCP server {self.server.label!r} has ended")

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            nonlocal shown
            shown += 1
            if shown <= _MOST_NOTES:
                of = "" if total is None else f" of {total:g}"
                lines.put(_one_line(f"{progress:g}{of} {message or ''}"))

        try:
            with anyio.fail_after(self._deadlines.call):
                result = await at.client.call_tool(tool, arguments, progress_callback=progressed)
        except TimeoutError:
            raise ToolError(
                f"no answer from MCP server {self.server.label!r} within {self._deadlines.call:g} s"
            ) from None
        except MCPError as err:
            if err.error.code != CONNECTION_CLOSED:
                raise ToolError(_one_line(err.error.message)) from err
            at.gone.set()
            self._open = None
            raise ToolError(
                f"MCP server {self.server.label!r} ended during the call{at.said.last()}"
            ) from err
        except Exception as err:
            raise ToolError(_one_line(f"{_reason(err, self._deadlines.call)}")) from err
        if result.is_error:
            raise ToolError(content_text(result) or "the tool failed")
        return content_text(result)

    async def _follow(self, client: "Client", changes: "_Changes") -> None:
        """List the tools again after each change, not more often than each `_PAUSE` seconds."""
        import anyio

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, client, changes)
            while True:
                await changes.wait()
                try:
                    with anyio.fail_after(self._deadlines.start):
                        self.tools = await _listed(client)
                except Exception as err:
                    reason = _reason(err, self._deadlines.start)
                    self.report(f"its tools changed, but: {reason}")
                else:
                    self._changed(self)
                await anyio.sleep(_PAUSE)


class _Changes:
    """Whether the tools changed since the last `wait`."""

    def __init__(self) -> None:
        import anyio

        self._made = anyio.Event
        self._event = anyio.Event()

    def came(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = self._made()


async def _listen(client: "Client", changes: _Changes) -> None:
    """Subscribe to changes of the tools, as protocol 2026-07-28 has it; older ones notify."""
    from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
    from mcp.shared.exceptions import MCPError

    try:
        async with client.listen(tools_list_changed=True) as subscription:
            async for _ in subscription:
                changes.came()
    except (ListenNotSupportedError, SubscriptionLost, MCPError):
        return  # the tools stay as they are listed


async def _listed(client: "Client") -> tuple[Any, ...]:
    found: list[Any] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return tuple(found)


def _reason(err: BaseException, deadline: float) -> str:
    while isinstance(err, BaseExceptionGroup):
        err = cast("BaseExceptionGroup[BaseException]", err).exceptions[0]
    if isinstance(err, TimeoutError):
        return f"it did not list its tools within {deadline:g} s"
    if isinstance(err, FileNotFoundError):
        return "no such command"
    return _one_line(str(err)) or type(err).__name__


def _one_line(text: str) -> str:
    return head_and_tail(" ".join(text.split()), 300)
