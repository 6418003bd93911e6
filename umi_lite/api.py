"""The Python API on a postcard: `Agent.load(tools=[…], mcp=[…]).run("…")`."""

import logging
import threading
import warnings
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from umi_lite.agent.agent import Agent as Loop
from umi_lite.agent.agent import OnTrace
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.conversation import Conversation
from umi_lite.agent.episode import OnEvent
from umi_lite.agent.stream import AsyncStream, Stream
from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import Bundle, load_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.data.toolsets import toolset
from umi_lite.errors import Note, UserError
from umi_lite.files import DEFAULT_BUNDLE
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.mcp.consent import Confirm, Consent
from umi_lite.tools.mcp.servers import McpServers, mcp_servers
from umi_lite.tools.tools import Toolbox, ToolFunction


@dataclass(eq=False)
class Agent(Loop):
    """An agent: three roles, and the tools that it may call.

    `Agent.load()` opens a bundle; `Agent(engine, toolbox)` takes what is open. It runs one task at
    a time: tasks of other threads wait. `with` closes what `load` opened; without it that is
    closed with the object, or at the end of the program.

        from umi_lite import Agent, tool

        @tool
        def temperature(city: str) -> str:
            "The temperature in a city right now."
            return f"{city}: 18 C"

        print(Agent.load(tools=[temperature]).run("How warm is it in Rome?").answer)
    """

    _close: Callable[[], object] | None = field(default=None, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _runner: int | None = field(default=None, init=False, repr=False)

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle | None = None,
        *,
        tools: Iterable[ToolFunction | Callable[..., Any] | str] | None = None,
        mcp: str | Sequence[str] | McpServers | None = None,
        allow: Collection[str] = (),
        confirm: Confirm | None = None,
        bounds: Bounds | None = None,
        sampling: Sampling | None = None,
        **roles: Any,
    ) -> Self:
        """Open a bundle with tools, ready to run.

        Args:
            bundle: its folder, or that of a run; default the one in the box.
            tools: typed functions with docstrings, results of `tool` or `python_tool`, and names
                of sets (`"python"`, a `.py` file); default the bundle's own, none with `mcp`.
            mcp: MCP servers whose tools it may call too, each a command, a URL or a `.json` file
                with `mcpServers`; they run until the agent is closed. The extra `mcp` is needed.
            allow: MCP tools to call without a question.
            confirm: asked before an MCP tool that its server marks destructive; default refuses.
                An `McpServers` has its own `consent` in place of these two.
            bounds, sampling: default the bundle's.
            roles: passed to `open_roles` (`elsewhere`, `overrides`, `views`, `timeout`).

        Raises:
            UserError: no such bundle, tools that cannot be described, no server that starts, or
                `allow` or `confirm` with an `McpServers`.
        """
        opened = bundle if isinstance(bundle, Bundle) else load_bundle(bundle or DEFAULT_BUNDLE)
        with ExitStack() as stack:
            toolbox = _toolbox(tools, opened, mcp is not None)
            if mcp is not None:
                servers = _servers(mcp, Consent(allowed=frozenset(allow), confirm=confirm))
                note = _Notes()
                toolbox = stack.enter_context(servers.toolbox(toolbox, note))
                note.loading = False
            engine = stack.enter_context(open_roles(opened, **roles))
            made = cls(
                engine,
                toolbox,
                bounds or opened.spec.bounds,
                sampling or opened.spec.sampling,
                opened.path.name,
            )
            made._close = weakref.finalize(made, stack.pop_all().close)
        return made

    def run(
        self,
        instruction: str | Trajectory,
        on_event: OnEvent | None = None,
        trace_path: Path | None = None,
        on_trace: OnTrace | None = None,
    ) -> Trace:
        with self._running():
            return super().run(instruction, on_event, trace_path, on_trace)

    run.__doc__ = Loop.run.__doc__

    def stream(
        self,
        instruction: str | Trajectory,
        trace_path: Path | None = None,
        on_trace: OnTrace | None = None,
    ) -> Stream:
        """Return the task as an iterator of `(speaker, text)`; its `trace` is there at the end.

        It runs while it is iterated; `close` ends it before. Args and errors are those of `run`.
        """
        return Stream(self, instruction, trace_path, on_trace, self._running())

    def chat(self, system: str = "") -> Conversation:
        """Return a conversation, whose `say` continues the transcript turn by turn.

        Args:
            system: a text to read before the first message.
        """
        return Conversation(self, system=system)

    async def arun(self, instruction: str | Trajectory, trace_path: Path | None = None) -> Trace:
        """Run a task in another thread, as `run` does; a cancellation ends it there.

        A tool that is `async def` runs in an event loop of its own.
        """
        stream = self.astream(instruction, trace_path)
        async for _ in stream:
            pass
        assert stream.trace is not None
        return stream.trace

    def astream(
        self,
        instruction: str | Trajectory,
        trace_path: Path | None = None,
        on_trace: OnTrace | None = None,
    ) -> AsyncStream:
        """Return the task for `async for speaker, text in …`; see `stream` and `arun`."""
        return AsyncStream(lambda: self.stream(instruction, trace_path, on_trace))

    def close(self) -> None:
        """Close the engine and end the MCP servers that `load` opened.

        A task that another thread runs is waited for.
        """
        if self._close is None:
            return
        if self._runner == threading.get_ident():
            self._close()
            return
        with self._turn:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _running(self) -> Generator[None]:
        """Wait for the tasks of other threads.

        Raises:
            UserError: this thread has begun a task that has not ended.
        """
        if self._runner == threading.get_ident():
            raise UserError("the agent is running a task: let its stream end, or close it")
        with self._turn:
            self._runner = threading.get_ident()
            try:
                yield
            finally:
                self._runner = None


def _toolbox(tools: Iterable[Any] | None, bundle: Bundle, plugged: bool) -> Toolbox:
    if tools is None:
        named = bundle.spec.live_tools
        return toolset(named, _warn) if named and not plugged else Toolbox()
    made: list[ToolFunction | Callable[..., Any]] = []
    for each in tools:
        made += toolset(each, _warn).functions if isinstance(each, str) else [each]
    return Toolbox(made)


def _servers(mcp: str | Sequence[str] | McpServers, consent: Consent) -> McpServers:
    if isinstance(mcp, McpServers):
        if consent != Consent():
            raise UserError("allow and confirm go with names of servers; McpServers has a consent")
        return mcp
    return mcp_servers([mcp] if isinstance(mcp, str) else mcp, consent=consent)


def _warn(text: str) -> None:
    warnings.warn(text, Note, stacklevel=4)


class _Notes:
    """What MCP servers report: warnings while they start, later lines of the log `umi_lite`."""

    loading = True

    def __call__(self, text: str) -> None:
        if self.loading:
            _warn(text)
        else:
            logging.getLogger("umi_lite").info("%s", text)
