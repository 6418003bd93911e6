"""One instruction for a bundle, streamed to the console, with its trace."""

import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umi_lite.errors import Note, UserError
from umi_lite.protocol.trajectory import ROLES, Call, View

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.agent.trace import Trace
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Overrides
    from umi_lite.tools.mcp.servers import McpServers

_EXAMPLE = 'e.g. umi run "What is 12 * 34?"'


@dataclass(frozen=True)
class Asked:
    """A task's outcome; `path` is its trace's, None if it could not be saved."""

    trace: "Trace"
    path: Path | None

    @property
    def error(self) -> str | None:
        """Return why the answer is missing or incomplete, and what to try; None if it is whole."""
        from umi_lite.agent.trace import ending

        return ending(self.trace)

    def line(self) -> str:
        """Return how it ended, as text."""
        why = f": {self.error}" if self.error else ""
        return f"stop: {self.trace.stop}{why} · trace: {self.path or 'not kept'}"

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
                "trace": None if self.path is None else str(self.path),
            },
            ensure_ascii=False,
        )


def ask(
    bundle: "Bundle",
    instruction: str,
    console: "Console",
    *,
    tools: str | None = None,
    mcp: "McpServers | None" = None,
    trace_path: Path | None = None,
    views: Iterable[View] = ROLES,
    bounds: "Bounds | None" = None,
    sampling: "Sampling | None" = None,
    elsewhere: Sequence[str] = (),
    overrides: "Overrides | None" = None,
    timeout: float | None = None,
) -> Asked:
    """Run one task with its turns streamed to the console.

    Args:
        instruction: `-` reads it from stdin.
        tools: a tool set's name or a .py file; default the bundle's, none with `mcp`.
        mcp: servers whose tools are offered too.
        trace_path: default `traces/<id>.json` next to the bundle, or in the cache folder if
            that cannot be written.
        views: the views that take the turns: the roles, or `backbone` alone.
        bounds, sampling: default the bundle's.
        elsewhere, overrides, timeout: see `roles.open_roles`.

    Raises:
        UserError: an empty instruction, unknown tools, or a `trace_path` that cannot be written.
    """
    from umi_lite.agent.show import stream_to
    from umi_lite.agent.trace import check_place
    from umi_lite.bundle.open import open_roles
    from umi_lite.console import dim
    from umi_lite.data.toolsets import open_tools
    from umi_lite.engine.placement import Overrides

    instruction = _instruction(instruction)
    if trace_path is not None:
        check_place(trace_path)
    overrides = replace(overrides or Overrides(), episodes=1)
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "overrides": overrides, "timeout": timeout}
    note = dim(console)
    default = bundle.spec.tools if isinstance(bundle.spec.tools, str) else None
    shown, running = stream_to(console), False

    def noted(line: str) -> None:
        shown("note", line) if running else note(line)

    with open_tools(tools, default, mcp, noted) as toolbox:
        path = trace_path or _default_place(bundle)
        with open_roles(bundle, views=views, note=note, **where) as engine:
            agent = bundle.agent(engine, toolbox, bounds=bounds, sampling=sampling)
            running = True
            trace = agent.run(instruction, shown, path)
            running = False
    console.print()
    return Asked(trace, path if path is not None and _holds(path, trace) else None)


def _instruction(given: str) -> str:
    """Return the user's text, from stdin if it is `-`.

    Raises:
        UserError: it is empty, or not UTF-8.
    """
    if given == "-":
        try:
            given = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError:
            raise UserError("the instruction on stdin is not UTF-8 text") from None
        if not given.strip():
            raise UserError(f"stdin holds no instruction; say what to do, {_EXAMPLE}")
        return given.strip()
    if not given.strip():
        raise UserError(f"the instruction is empty; say what to do, {_EXAMPLE}")
    try:
        given.encode("utf-8")
        return given
    except UnicodeEncodeError:
        pass
    # Bytes that the locale's encoding cannot decode: in the locale C all that are not ASCII.
    try:
        return os.fsencode(given).decode("utf-8")
    except UnicodeError:
        raise UserError("the instruction is not UTF-8 text") from None


def _default_place(bundle: "Bundle") -> Path | None:
    """Return a path where the trace can be written, None without one; checked before the run."""
    from umi_lite.agent.trace import check_place
    from umi_lite.files import cache_folder

    name = f"run-{uuid4().hex[:12]}.json"
    refusals: list[str] = []
    for parent in (lambda: bundle.path.parent, cache_folder):
        try:
            folder = parent() / "traces"
            check_place(folder / name)
        except UserError as err:
            refusals.append(str(err))
            continue
        if refusals:
            warnings.warn(f"{refusals[0]}; it goes to {folder}", Note, stacklevel=3)
        return folder / name
    warnings.warn(f"{'; '.join(refusals)}; no trace is kept", Note, stacklevel=3)
    return None


def _holds(path: Path, trace: "Trace") -> bool:
    """True if the file holds that trace, not an older one."""
    from umi_lite.agent.trace import Trace

    try:
        return Trace.load(path).trajectory.id == trace.trajectory.id
    except UserError:
        return False
