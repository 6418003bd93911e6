"""One task for a bundle: what is asked, where its trace goes, and what came of it."""

import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umi_lite.errors import Note, UserError
from umi_lite.protocol.roles import ROLES, View
from umi_lite.protocol.trajectory import Call

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.agent.trace import Trace
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Wishes

_EXAMPLE = 'e.g. umi run "What is 12 * 34?"'


@dataclass(frozen=True)
class Asked:
    """What came of a task. `path` is where its trace is, None where it could not be kept."""

    trace: "Trace"
    path: Path | None

    @property
    def error(self) -> str | None:
        """Why there is no answer, or only a part of one, and what to try."""
        from umi_lite.agent.ending import ending

        return ending(self.trace)

    def line(self) -> str:
        """How it ended, for people."""
        why = f": {self.error}" if self.error else ""
        return f"stop: {self.trace.stop}{why} · trace: {self.path or 'not kept'}"

    def json(self) -> str:
        """One line of JSON: `answer, stop, error, steps, seconds, tokens, trace`."""
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
    trace_path: Path | None = None,
    single: bool = False,
    bounds: "Bounds | None" = None,
    sampling: "Sampling | None" = None,
    elsewhere: Sequence[str] = (),
    wishes: "Wishes | None" = None,
    timeout: float | None = None,
) -> Asked:
    """Run one task with its turns streamed to the console.

    Args:
        instruction: `-` reads it from stdin.
        tools: a tool set's name or a .py file; default the bundle's own.
        trace_path: default `traces/<id>.json` next to the bundle, or in the cache folder where
            that cannot be written.
        single: the global adapter alone (view `backbone`) takes all the turns.
        bounds, sampling: default the bundle's.
        elsewhere, wishes, timeout: see `roles.open_roles`.

    Raises:
        UserError: an empty instruction, no such tools, or a `trace_path` that cannot be written.
    """
    from umi_lite.agent.show import stream_to
    from umi_lite.agent.trace import check_place
    from umi_lite.bundle.open import open_roles
    from umi_lite.data.toolsets import toolset
    from umi_lite.local import dim

    instruction = _instruction(instruction)
    named = tools or bundle.spec.tools
    if not isinstance(named, str):
        raise UserError(f"bundle {bundle.path} names no live tools: say which ones with --tools")
    toolbox = toolset(named, dim(console))
    if trace_path is not None:
        check_place(trace_path)
    path = trace_path or _default_place(bundle)
    views: tuple[View, ...] = ("backbone",) if single else ROLES
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "wishes": wishes, "timeout": timeout}
    with open_roles(bundle, views=views, note=dim(console), **where) as engine:
        agent = bundle.agent(engine, toolbox, single=single, bounds=bounds, sampling=sampling)
        trace = agent.run(instruction, stream_to(console), path)
    console.print()
    return Asked(trace, path if path is not None and _holds(path, trace) else None)


def _instruction(given: str) -> str:
    """The user's words, from stdin where they are `-`.

    Raises:
        UserError: there are none, or they are not text.
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
    # Bytes that the locale's encoding cannot read: in the locale C all that are not ASCII.
    try:
        return os.fsencode(given).decode("utf-8")
    except UnicodeError:
        raise UserError("the instruction is not UTF-8 text") from None


def _default_place(bundle: "Bundle") -> Path | None:
    """Where the trace can be written: found out now, as later the answer would be lost."""
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
    """True if that trace was written: an older file may be there."""
    from umi_lite.agent.trace import Trace

    try:
        return Trace.load(path).trajectory.id == trace.trajectory.id
    except UserError:
        return False
