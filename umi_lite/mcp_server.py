"""`umi mcp`: an MCP server over stdio, which offers the agent and the Python sandbox as tools."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, aclosing
from importlib import metadata
from typing import TYPE_CHECKING, Any

from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import ending
from umi_lite.api import Agent
from umi_lite.bundle.bundle import Bundle
from umi_lite.data.toolsets import open_tools
from umi_lite.errors import UserError
from umi_lite.serve.keeper import Keeper
from umi_lite.serve.store import TraceStore
from umi_lite.tools.mcp.servers import McpServers, check_sdk
from umi_lite.tools.python import python_tool
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction

if TYPE_CHECKING:
    from mcp.server import MCPServer

_LONGEST = 300  # characters of a turn in a report of progress
ASK = """\
Give one task to a local agent and get its answer. It plans, calls its own tools and answers in \
one go; it cannot ask back. Its tools: {tools}."""
RUN_PYTHON = """\
Run a Python program in a sandbox, without network and files, in a fresh process. Gives what it \
prints, then the value of its last expression. {packages}"""


def serve(
    bundle: Bundle | None,
    open_engine: Callable[[], AbstractContextManager[Any]],
    note: Callable[[str], None],
    *,
    tools: str | None = None,
    mcp: McpServers | None = None,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    store: TraceStore | None = None,
) -> None:
    """Serve over stdin and stdout until the client closes them, or SIGTERM or SIGINT comes.

    Args:
        bundle: the agent's; None offers the sandbox alone.
        open_engine: opens the bundle's roles, when the agent is first asked.
        tools, mcp: the agent's tools (see `data.toolsets.open_tools`). What would need consent is
            refused.
        bounds, sampling: default the bundle's.
        store: keeps the agent's episodes.

    Raises:
        UserError: no such tools, or neither an agent nor a sandbox can be offered.
    """
    import anyio

    check_sdk()
    with ExitStack() as stack, ExitStack() as engines:
        python, reason = _python()
        if python is None:
            note(f"run_python is not offered: {reason}")
        offer: Callable[[], Agent] | None = None
        toolbox = Toolbox()
        if bundle is not None:
            servers = mcp and mcp.unattended()
            toolbox = stack.enter_context(open_tools(tools, bundle.spec.live_tools, servers, note))

            def open_agent() -> Agent:
                engine = engines.enter_context(open_engine())
                spec = bundle.spec
                return Agent(
                    engine,
                    toolbox,
                    bounds or spec.bounds,
                    sampling or spec.sampling,
                    bundle.path.name,
                )

            offer = open_agent
        elif python is None:
            raise UserError("nothing to offer: no bundle (--bundle), and no sandbox")
        server = make_server(offer, toolbox, python, store)

        def stop(number: int, _: object) -> None:
            # Not an exception: the SDK's thread that reads stdin would be waited for. The engine
            # stays open: another thread may be using it.
            stack.close()
            os._exit(128 + number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        anyio.run(server.run_stdio_async)


def make_server(
    open_agent: Callable[[], Agent] | None,
    tools: Toolbox,
    python: ToolFunction | None,
    store: TraceStore | None = None,
) -> "MCPServer":
    """Return the server, with `ask` and `run_python` where they can be offered.

    Args:
        open_agent: called once, in a thread, when the agent is first asked.
        tools: the agent's.
        store: keeps the agent's episodes.
    """
    import anyio
    import anyio.to_thread
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError as Failed
    from mcp_types import ToolAnnotations

    server = MCPServer("umi-lite", version=metadata.version("umi-lite"), log_level="WARNING")
    opening = anyio.Lock()
    opened: list[Agent] = []

    async def agent() -> Agent:
        async with opening:
            if not opened:
                assert open_agent is not None
                opened.append(await anyio.to_thread.run_sync(open_agent))
        return opened[0]

    async def ask(instruction: str, ctx: Context[Any, Any]) -> str:
        try:
            keeper = None if store is None else Keeper(store)
            stream = (await agent()).astream(instruction, on_trace=keeper)
            await _reported(stream, ctx)
        except UserError as err:
            raise Failed(str(err)) from err
        trace = stream.trace
        assert trace is not None
        if trace.answer is None:
            raise Failed(f"no answer: {ending(trace)}")
        return trace.answer

    async def run_python(code: str) -> str:
        assert python is not None
        try:
            return await anyio.to_thread.run_sync(python.call, {"code": code})
        except ToolError as err:
            raise Failed(str(err)) from err

    if open_agent is not None:
        names = ", ".join(spec.name for spec in tools.specs) or "none"
        server.add_tool(ask, description=ASK.format(tools=names), structured_output=False)
    if python is not None:
        hints = ToolAnnotations(read_only_hint=True, open_world_hint=False)
        server.add_tool(
            run_python, description=_about_python(), annotations=hints, structured_output=False
        )
    return server


async def _reported(stream: Any, ctx: Any) -> None:
    """Run an episode to its end; report each turn as progress."""
    speaker, text, turns = "", "", 0

    async def report() -> None:
        if speaker:
            line = " ".join(f"{speaker}: {text}".split())[:_LONGEST]
            await ctx.report_progress(turns, None, line)

    async with aclosing(aiter(stream)) as events:
        async for event in events:
            if event.speaker != speaker:
                await report()
                speaker, text, turns = event.speaker, "", turns + 1
            text += event.text
    await report()


def _python() -> tuple[ToolFunction | None, str]:
    """Return the Python tool; None and the reason where this machine has no sandbox."""
    try:
        return python_tool(), ""
    except UserError as err:
        return None, str(err)


def _about_python() -> str:
    from importlib.util import find_spec

    has_sympy = find_spec("sympy") is not None
    return RUN_PYTHON.format(packages="sympy is there." if has_sympy else "Standard library only.")
