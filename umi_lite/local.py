"""What one does with a bundle on one's own machine: ask it, and measure it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umi_lite.console import counting
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.roles import ROLES, View
from umi_lite.protocol.trajectory import Call, Trajectory

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.evals.bootstrap import Plenty, Summary
    from umi_lite.evals.judge import Judge, Question, Replies
    from umi_lite.evals.judged import Judgement
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
    timeout: float | None = None,
) -> "tuple[Trace, Path]":
    """Run one task with its turns streamed to the console.

    Args:
        tools: a tool set's name or a .py file; default the bundle's own.
        trace_path: default `traces/<id>.json` beside the bundle.
        single: the global adapter alone (view `backbone`) takes all the turns.
        elsewhere, wishes, timeout: see `roles.open_roles`.

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
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "wishes": wishes, "timeout": timeout}
    with open_roles(bundle, views=views, tell=dim(console), **where) as engine:
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
        UserError: no such source, options that it does not take, or no task in it; why.
    """
    from umi_lite.data import TASKS, load_source
    from umi_lite.data.why_nothing import why_nothing

    loaded = load_source(source, options, TASKS)
    if not loaded.trajectories and loaded.dropped:
        raise UserError(f"there is no task: {why_nothing(source, options, loaded)}")
    return loaded.trajectories


def measure(
    engine: "Runner",
    tasks: Sequence[Trajectory],
    title: str,
    console: "Console",
    *,
    single: bool = False,
    traces: Path | None = None,
) -> "Score":
    """Run the tasks in a batch behind a progress bar that counts those solved.

    Args:
        single: the global adapter alone (view `backbone`) takes all the turns.
        traces: a folder for each episode's trace, `<task id>.json`.

    Raises:
        UserError: no task, or a trace that cannot be written.
    """
    from umi_lite.evals.live import evaluate

    with counting(title, len(tasks), "solved", console) as count:

        def ended(result: "Result", trace: "Trace") -> None:
            count(result.ok)
            if traces is not None:
                trace.save(traces / f"{result.id}.json")

        return evaluate(engine, tasks, single=single, on_result=ended)


def gather(
    bundle: "Bundle",
    tasks: Sequence[Trajectory],
    out: Path,
    plenty: "Plenty",
    console: "Console",
    *,
    single: bool = False,
    elsewhere: Sequence[str] = (),
    wishes: "Wishes | None" = None,
    timeout: float | None = None,
) -> "Summary":
    """Bootstrap trajectories with a bundle (`evals.bootstrap`) behind a progress bar.

    Args:
        single: the global adapter alone (view `backbone`) takes all the turns.
        elsewhere, wishes, timeout: see `roles.open_roles`.

    Raises:
        UserError: see `bootstrap`.
    """
    from hashlib import sha256

    from umi_lite.evals.bootstrap import bootstrap
    from umi_lite.roles import open_roles

    views: tuple[View, ...] = ("backbone",) if single else ROLES
    made_by = {
        "bundle": f"{bundle.path.resolve().parent.name}/{bundle.path.name}",
        "sha256": sha256(bundle.spec.model_dump_json().encode()).hexdigest(),
        "elsewhere": list(elsewhere),
    }
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "wishes": wishes, "timeout": timeout}
    title = f"trying {len(tasks)} questions"
    most = len(tasks) * plenty.tries
    with (
        open_roles(bundle, views=views, tell=dim(console), **where) as engine,
        counting(title, most, "right", console) as count,
    ):
        return bootstrap(
            engine,
            tasks,
            out,
            plenty,
            made_by=made_by,
            single=single,
            on_try=lambda _, right: count(right),
        )


def judged(
    kind: str, traces: Path, against: Path | None, judge: "Judge", votes: Path
) -> "Judgement":
    """A judge's word on finished episodes (`evals.judged`).

    Args:
        kind: `toolalpaca`, `pass` or `win`.
        against: for `win`, the other system's episodes.
        votes: where prompts and replies are kept.

    Raises:
        UserError: no such kind, no such episodes, or the endpoint fails.
    """
    from umi_lite.evals.judged import judge_pass, judge_toolalpaca, judge_win

    if kind not in ("toolalpaca", "pass", "win"):
        raise UserError(f"no judge {kind!r}; there are toolalpaca, pass, win")
    if (kind == "win") != (against is not None):
        raise UserError("win compares two files: give the second as --against, and to win alone")

    def ask(questions: "Sequence[Question]") -> "Replies":
        return judge.ask(questions, votes)

    episodes = _episodes(traces)
    if against is not None:
        return judge_win(episodes, _episodes(against), ask)
    return (judge_pass if kind == "pass" else judge_toolalpaca)(episodes, ask)


def _episodes(path: Path) -> list[Trajectory]:
    """All episodes of a file or folder: one left out would change the rate."""
    from umi_lite.data.traces import load

    loaded = load(path)
    if loaded.dropped:
        where, reason = loaded.dropped[0]
        raise UserError(f"{where}: {reason}; {len(loaded.dropped)} such rows cannot be judged")
    return loaded.trajectories


def predict_static(
    engine: "Runner", gold: "Gold", console: "Console", *, single: bool = False
) -> "Taught":
    """Let the roles predict every gold step, behind a progress bar that counts dialogues."""
    from umi_lite.evals.teacher import predict

    with counting("static", len(gold.dialogues), "", console) as count:
        return predict(engine, gold, single=single, on_dialogue=lambda: count(True))
