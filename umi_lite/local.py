"""What one does with a bundle on one's own machine: ask it, and measure it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umi_lite.protocol.errors import UserError
from umi_lite.protocol.roles import ROLES, View
from umi_lite.protocol.trajectory import Call, Trajectory

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.evals.live import Result, Score
    from umi_lite.evals.static_gold import Gold
    from umi_lite.evals.teacher import Taught
    from umi_lite.export.bundle import Bundle
    from umi_lite.runtime.agent import Runner
    from umi_lite.runtime.fit import Wishes
    from umi_lite.runtime.trace import Trace


def ask(
    bundle: "Bundle",
    instruction: str,
    console: "Console",
    *,
    tools: str | None = None,
    trace_path: Path | None = None,
    single: bool = False,
    elsewhere: Sequence[str] = (),
    wishes: "Wishes | None" = None,
) -> "tuple[Trace, Path]":
    """Run one task with its turns streamed to the console.

    Args:
        tools: a tool set's name or a .py file; default the bundle's own.
        trace_path: default `traces/<id>.json` beside the bundle.
        single: the global adapter alone (view `backbone`) takes all the turns.
        elsewhere, wishes: see `roles.open_roles`.

    Returns:
        The trace, and where it was saved.

    Raises:
        UserError: an empty instruction, or no such tools.
    """
    from umi_lite.data.toolsets import toolset
    from umi_lite.roles import open_roles
    from umi_lite.runtime.agent import Agent
    from umi_lite.runtime.show import stream_to

    if not instruction.strip():
        raise UserError('the instruction is empty; say what to do, e.g. umi run "What is 12 * 34?"')
    named = tools or bundle.spec.tools
    if not isinstance(named, str):
        raise UserError(f"bundle {bundle.path} names no live tools: say which ones with --tools")
    toolbox = toolset(named)
    path = trace_path or bundle.path.parent / "traces" / f"run-{uuid4().hex[:12]}.json"
    views: tuple[View, ...] = ("backbone",) if single else ROLES
    tell = dim(console)
    with open_roles(bundle, views=views, elsewhere=elsewhere, wishes=wishes, tell=tell) as engine:
        agent = Agent(engine, toolbox, single=single, bundle=bundle.path.name)
        trace = agent.run(instruction, stream_to(console), path)
    console.print()
    return trace, path


def dim(console: "Console") -> Callable[[str], None]:
    """Prints notes that are not the result."""
    return lambda text: console.print(text, style="dim", highlight=False)


def summary(trace: "Trace", path: Path) -> str:
    """One line of JSON: `answer, stop, steps, seconds, tokens, trace`."""
    return json.dumps(
        {
            "answer": trace.answer,
            "stop": trace.stop,
            "steps": sum(isinstance(step, Call) for step in trace.trajectory.steps),
            "seconds": round(trace.seconds, 3),
            "tokens": trace.tokens,
            "trace": str(path),
        },
        ensure_ascii=False,
    )


def load_tasks(source: str, **options: Any) -> list[Trajectory]:
    """Held-out tasks of a source that can be run live.

    Raises:
        UserError: no such source, or options that it does not take.
    """
    from umi_lite.data import TASKS

    if source not in TASKS:
        raise UserError(f"no source {source!r}; there are {', '.join(TASKS)}")
    try:
        return TASKS[source](**options).trajectories
    except TypeError as err:
        raise UserError(f"source {source}: {err}") from err


def measure(
    engine: "Runner",
    tasks: Sequence[Trajectory],
    title: str,
    console: "Console",
    *,
    single: bool = False,
) -> "Score":
    """Run the tasks in a batch behind a progress bar that counts those solved.

    Args:
        single: the global adapter alone (view `backbone`) takes all the turns.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from umi_lite.evals.live import evaluate

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[solved]} solved"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    solved = 0
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(title, total=len(tasks), solved=0)

        def ended(result: "Result") -> None:
            nonlocal solved
            solved += result.ok
            progress.update(bar, advance=1, solved=solved)

        return evaluate(engine, tasks, single=single, on_result=ended)


def predict_static(
    engine: "Runner", gold: "Gold", console: "Console", *, single: bool = False
) -> "Taught":
    """Let the roles predict every gold step, behind a progress bar that counts dialogues."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from umi_lite.evals.teacher import predict

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("static", total=len(gold.dialogues))
        return predict(engine, gold, single=single, on_dialogue=lambda: progress.advance(bar))
