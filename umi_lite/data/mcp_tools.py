"""Lists the tools of an MCP server that is started as a command. None of them is called.

The official SDK `mcp` 2 speaks the protocol; it starts the server in a process group of its own
and ends the group with the connection.
"""

import logging
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from umi_lite.errors import UserError

DEADLINE = 20.0
_MOST_PAGES = 1000


def listed(command: str, deadline: float = DEADLINE) -> list[dict[str, Any]]:
    """Return the tools as `{name, description, inputSchema}`.

    Args:
        command: as a shell has it, e.g. `npx -y @modelcontextprotocol/server-memory`.
        deadline: seconds to start and to list.

    Raises:
        UserError: the SDK is not installed, or the server does not start, ends, or does not answer
            in time; the message names it and has the last line that it wrote.
    """
    try:
        import anyio
        from mcp import StdioServerParameters
    except ImportError:
        raise UserError("--mcp needs the MCP SDK: pip install 'umi-lite[mcp]'") from None
    try:
        program, *arguments = shlex.split(command)
    except ValueError as err:
        reason = str(err) if command.strip() else "it is empty"
        raise UserError(f"MCP server {command!r}: {reason}; right is 'PROGRAM ARGUMENTS'") from None
    server = StdioServerParameters(command=program, args=arguments)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            with _quiet():
                return anyio.run(_list, server, errors, deadline)
        except Exception as err:
            reason = _reason(err, deadline)
            raise UserError(f"MCP server {command!r}: {reason}{_last_line(errors)}") from err


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the SDK from logging a traceback for each line of stdout that is not a message."""
    logger = logging.getLogger("mcp.client.stdio")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


async def _list(server: Any, errors: IO[str], deadline: float) -> list[dict[str, Any]]:
    import anyio
    from mcp import Client
    from mcp.client.stdio import stdio_client

    found: list[dict[str, Any]] = []
    with anyio.fail_after(deadline):
        async with Client(stdio_client(server, errlog=errors)) as client:  # pyright: ignore[reportArgumentType]
            cursor = None
            for _ in range(_MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                found += [
                    tool.model_dump(mode="json", by_alias=True, exclude_none=True)
                    for tool in page.tools
                ]
                cursor = page.next_cursor
                if not cursor:
                    break
    return found


def _reason(err: BaseException, deadline: float) -> str:
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    if isinstance(err, TimeoutError):
        return f"it did not list its tools within {deadline:g} s"
    if isinstance(err, FileNotFoundError):
        return "no such command"
    return " ".join(str(err).split()) or type(err).__name__


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    return f" (it wrote: {lines[-1][:200]})" if lines else ""
