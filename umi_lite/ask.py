"""One instruction for a bundle, or an episode to continue, streamed to the console and kept."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.errors import UserError
from umi_lite.files import utf8
from umi_lite.protocol.roles import SEARCH_TOOL
from umi_lite.protocol.trajectory import ROLES, Call, Trajectory, View

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.agent.trace import Trace
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Overrides
    from umi_lite.serve.store import TraceStore
    from umi_lite.tools.mcp.servers import McpServers

_EXAMPLE = 'e.g. umi run "What is 12 * 34?"'


@dataclass(frozen=True)
class Asked:
    """A task's outcome.

    Attributes:
        kept: where its trace is: a file, or an id in the store; None if it was not saved.
    """

    trace: "Trace"
    kept: str | None

    @property
    def error(self) -> str | None:
        """Return why the answer is missing or incomplete, and what to try; None if it is whole."""
        from umi_lite.agent.trace import ending

        return ending(self.trace)

    def line(self) -> str:
        """Return how it ended, as text."""
        why = f": {self.error}" if self.error else ""
        return f"stop: {self.trace.stop}{why} · trace: {self.kept or 'not kept'}"

    def json(self) -> str:
        """Return a line of JSON: `answer, stop, error, steps, seconds, tokens, trace`."""
        trace = self.trace
        return json.dumps(
            {
                "answer": trace.answer,
                "stop": trace.stop,
                "error": self.error,
                "steps": sum(isinstance(step, Call) for step in trace.trajectory.steps),
                "seconds": round(trace.seconds, 3),
                "tokens": trace.tokens,
                "trace": self.kept,
            },
            ensure_ascii=False,
        )


def ask(
    bundle: "Bundle",
    task: str | Trajectory,
    console: "Console",
    *,
    tools: str | None = None,
    mcp: "McpServers | None" = None,
    trace_path: Path | None = None,
    store: "TraceStore | None" = None,
    views: Iterable[View] = ROLES,
    bounds: "Bounds | None" = None,
    sampling: "Sampling | None" = None,
    elsewhere: Sequence[str] = (),
    overrides: "Overrides | None" = None,
    timeout: float | None = None,
) -> Asked:
    """Run one task with its turns streamed to the console.

    Args:
        task: an instruction, `-` for the one on stdin; or an episode to continue.
        tools: a tool set's name or a .py file; default the bundle's, none with `mcp`.
        mcp: servers whose tools are offered too.
        trace_path: a file for the trace as JSON.
        store: keeps the episode, step by step. If that fails, a `Note` is issued.
        views: the views that take the turns: the roles, or `backbone` alone.
        bounds, sampling: default the bundle's.
        elsewhere, overrides, timeout: see `roles.open_roles`.

    Raises:
        UserError: an empty instruction, unknown tools, an episode to continue with tools that are
            not there, or a `trace_path` that cannot be written.
    """
    from umi_lite.agent.show import show_steps, stream_to
    from umi_lite.agent.trace import check_place
    from umi_lite.bundle.open import open_roles
    from umi_lite.console import dim
    from umi_lite.data.toolsets import open_tools
    from umi_lite.engine.placement import Overrides
    from umi_lite.serve.keeper import Keeper

    task = _instruction(task) if isinstance(task, str) else task
    if trace_path is not None:
        check_place(trace_path)
    keeper = None if store is None else Keeper(store)
    overrides = replace(overrides or Overrides(), episodes=1)
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "overrides": overrides, "timeout": timeout}
    note = dim(console)
    shown, running = stream_to(console), False

    def noted(line: str) -> None:
        shown("note", line) if running else note(line)

    with open_tools(tools, bundle.spec.live_tools, mcp, noted) as toolbox:
        if isinstance(task, Trajectory):
            known = {tool.name for tool in toolbox.specs}
            known.add(SEARCH_TOOL.name)
            if missing := [tool.name for tool in task.offered if tool.name not in known]:
                raise UserError(f"no tool {', '.join(missing)} here: name the trace's by --tools")
        with open_roles(bundle, views=views, note=note, **where) as engine:
            if isinstance(task, Trajectory):
                show_steps(task, console)
            agent = bundle.agent(engine, toolbox, bounds=bounds, sampling=sampling)
            running = True
            trace = agent.run(task, shown, trace_path, keeper)
            running = False
    console.print()
    if trace_path is not None and _holds(trace_path, trace):
        return Asked(trace, str(trace_path))
    return Asked(trace, trace.trajectory.id if keeper is not None and keeper.kept else None)


def _instruction(given: str) -> str:
    """Return the user's text, from stdin if it is `-`.

    Raises:
        UserError: it is empty, or not UTF-8.
    """
    if given == "-":
        given = _decoded(sys.stdin.buffer.read(), "the instruction on stdin")
        if not given.strip():
            raise UserError(f"stdin holds no instruction; say what to do, {_EXAMPLE}")
        return given.strip()
    if not given.strip():
        raise UserError(f"the instruction is empty; say what to do, {_EXAMPLE}")
    return utf8(given, "the instruction")


def read_text(path: Path) -> str:
    """Return the text of a file, or of stdin for `-`.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    if str(path) == "-":
        return _decoded(sys.stdin.buffer.read(), "stdin")
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as err:
        raise UserError(f"{path}: {err.strerror or err}") from None


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{what} is not UTF-8 text") from None


def _holds(path: Path, trace: "Trace") -> bool:
    """True if the file holds that trace, not an older one."""
    from umi_lite.agent.trace import Trace

    try:
        return Trace.load(path).trajectory.id == trace.trajectory.id
    except UserError:
        return False
