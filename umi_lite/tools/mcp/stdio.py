"""An MCP server as a child process: messages over its stdin and stdout, its end with its group.

The SDK's own transport leaves the rest of a process group alone if its leader ends in time, and
keeps a line of any length in memory; this one ends the group in each case, and bounds a line.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.abc
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from umi_lite.tools.mcp.config import Server

MOST_BYTES = 64 << 20  # of one message
# Seconds to end after stdin was closed, and once more after SIGTERM.
GRACE = 0.5
TERM = 2.0
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Said:
    """The last lines that a server wrote and that are not messages, for its errors."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=20)

    def add(self, line: bytes) -> None:
        """Keep a line, cut to 300 bytes, unless it is empty."""
        if text := line[:300].decode("utf-8", "replace").strip():
            self._lines.append(text)

    def last(self) -> str:
        """Return ` (it wrote: LINE)` with the last line, or ""."""
        return f" (it wrote: {self._lines[-1][:200]})" if self._lines else ""


@asynccontextmanager
async def stdio(server: Server, said: Said, gone: anyio.Event) -> AsyncGenerator[Any]:
    """Start the server, and yield its streams of messages as the SDK's `Client` takes them.

    Args:
        said: filled with what it writes to stderr, and with lines of stdout that are no messages.
        gone: set when it closes its stdout, or writes a message of over `MOST_BYTES`.

    Raises:
        OSError: it cannot be started.
    """
    process = await anyio.open_process(
        server.command,
        env=get_default_environment() | dict(server.env),
        cwd=server.cwd,
        start_new_session=True,
    )
    # No await before the `try`: a cancellation here would leave the process running.
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read_messages, process, to_session, said, gone)
            tasks.start_soon(_read_errors, process, said)
            tasks.start_soon(_write_messages, process, from_session, to_session)
            tasks.start_soon(_watch, process, to_session, gone)
            try:
                yield from_server, to_server
            finally:
                for stream in (to_session, from_server, to_server, from_session):
                    stream.close()
                with anyio.CancelScope(shield=True):
                    await _end(process)
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _close(process)


async def _read_messages(
    process: anyio.abc.Process, send: Any, said: Said, gone: anyio.Event
) -> None:
    assert process.stdout is not None
    rest = bytearray()
    session_open = True
    with suppress(*_BROKEN):
        while True:
            first, *others = (await process.stdout.receive()).split(b"\n")
            rest += first
            for other in others:
                if session_open:
                    session_open = await _deliver(bytes(rest), send, said)
                rest = bytearray(other)
            if len(rest) > MOST_BYTES:
                said.add(b"a message of over %d MB" % (MOST_BYTES >> 20))
                # The session ends here; what is still written is read and dropped.
                session_open = False
                send.close()
                gone.set()
            if not session_open:
                rest.clear()
    said.add(bytes(rest))
    send.close()
    gone.set()


async def _deliver(line: bytes, send: Any, said: Said) -> bool:
    """Pass a message on, keep any other line; return False where the session has ended."""
    if not line.lstrip().startswith(b"{"):
        said.add(line)
        return True
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except (ValueError, RecursionError):
        said.add(line)
        return True
    try:
        await send.send(SessionMessage(message))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True


async def _read_errors(process: anyio.abc.Process, said: Said) -> None:
    assert process.stderr is not None
    rest = b""
    with suppress(*_BROKEN):
        while True:
            *lines, rest = (rest[-4096:] + await process.stderr.receive()).split(b"\n")
            for line in lines[-20:]:
                said.add(line)
    said.add(rest)


async def _write_messages(process: anyio.abc.Process, messages: Any, to_session: Any) -> None:
    assert process.stdin is not None
    try:
        async for each in messages:
            text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(text.encode("utf-8", "replace") + b"\n")
    except _BROKEN:
        # The session sees the connection end, and not a request without an answer.
        to_session.close()


async def _watch(process: anyio.abc.Process, to_session: Any, gone: anyio.Event) -> None:
    """End the session with the process, also where a child of it still has its stdout."""
    # Not `wait`, which also waits for such children.
    while process.returncode is None:
        await anyio.sleep(0.05)
    await anyio.sleep(0.2)  # for what it wrote last
    to_session.close()
    gone.set()


async def _end(process: anyio.abc.Process) -> None:
    """End the process and its group: close its stdin, then SIGTERM, then SIGKILL."""
    assert process.stdin is not None
    with suppress(*_BROKEN), anyio.move_on_after(GRACE):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE):
        while process.returncode is None:
            await anyio.sleep(0.01)
    await terminate_posix_process_tree(process, TERM)
    with anyio.move_on_after(TERM):
        while process.returncode is None:
            await anyio.sleep(0.01)


async def _close(process: anyio.abc.Process) -> None:
    """Close the pipes, also those that a process outside of the group has inherited."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(*_BROKEN):
                await stream.aclose()
    # Nothing public closes the transport while such a process has a pipe's other end.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        with suppress(PermissionError):
            transport.close()
