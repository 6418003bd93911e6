"""A bundle measured on this machine, and episodes judged, with progress on the console."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.console import counting
from umi_lite.errors import UserError
from umi_lite.files import text_of
from umi_lite.protocol.roles import ROLES, View
from umi_lite.protocol.trajectory import Trajectory

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.bounds import Bounds, Sampling
    from umi_lite.agent.trace import Trace
    from umi_lite.bundle.bundle import Bundle
    from umi_lite.engine.placement import Overrides
    from umi_lite.engine.request import RoleEngine
    from umi_lite.evals.bootstrap import BootstrapConfig, Summary
    from umi_lite.evals.judge import Judge, Question, Replies
    from umi_lite.evals.live import Result, Score
    from umi_lite.evals.static_files import Gold
    from umi_lite.evals.teacher import TeacherForced
    from umi_lite.evals.verdicts import Judgement


def dim(console: "Console") -> Callable[[str], None]:
    """Prints notes that are not the result."""
    return lambda text: console.out(text, style="dim", highlight=False)


def load_tasks(source: str, **options: Any) -> list[Trajectory]:
    """Held-out tasks of a source that can be run live.

    Raises:
        UserError: no such source, options that it does not take, or no task in it; why.
    """
    from umi_lite.data import load_questions
    from umi_lite.data.why_nothing import why_nothing

    loaded = load_questions(source, options)
    if not loaded.trajectories and loaded.dropped:
        raise UserError(f"there is no task: {why_nothing(source, options, loaded)}")
    return loaded.trajectories


def measure(
    engine: "RoleEngine",
    tasks: Sequence[Trajectory],
    title: str,
    console: "Console",
    *,
    bundle: "Bundle | None" = None,
    bounds: "Bounds | None" = None,
    sampling: "Sampling | None" = None,
    votes: int = 1,
    traces: Path | None = None,
) -> "Score":
    """Run the tasks in a batch behind a progress bar that counts those solved.

    Args:
        bundle: what the engine runs, if it is one.
        bounds: default the evaluation's own (`evals.bounds.bounds_for`) with
            those that the bundle sets.
        sampling: default the bundle's, else greedy.
        votes: episodes per task (`evals.votes`); the trace that is kept is the one that counts.
        traces: a folder for each episode's trace, `<task id>.json`. One that cannot be written
            later (a full disk) is a `Note`.

    Raises:
        UserError: no task, or a folder where no trace can be written.
    """
    from umi_lite.agent.bounds import Sampling, settled
    from umi_lite.agent.trace import check_place, keep
    from umi_lite.evals.bounds import bounds_for
    from umi_lite.evals.live import evaluate
    from umi_lite.evals.votes import evaluate_votes

    own = bounds_for(tasks)
    if bundle is not None:
        own = settled(own, bundle.spec.bounds, {})
        sampling = sampling or bundle.spec.sampling
    if traces is not None:
        check_place(traces / "trace.json")
    with counting(title, len(tasks), "solved", console) as count:

        def ended(result: "Result", trace: "Trace") -> None:
            count(result.ok)
            if traces is not None:
                keep(trace, traces / f"{result.id}.json")

        how: dict[str, Any] = {"bounds": bounds or own, "on_result": ended}
        if votes == 1:
            return evaluate(engine, tasks, sampling=sampling, **how)
        return evaluate_votes(engine, tasks, votes, sampling=sampling or Sampling(), **how)


def gather(
    bundle: "Bundle",
    tasks: Sequence[Trajectory],
    out: Path,
    config: "BootstrapConfig",
    console: "Console",
    *,
    views: Iterable[View] = ROLES,
    bounds: "Bounds | None" = None,
    elsewhere: Sequence[str] = (),
    overrides: "Overrides | None" = None,
    timeout: float | None = None,
) -> "Summary":
    """Bootstrap trajectories with a bundle (`evals.bootstrap`) behind a progress bar.

    Args:
        views: the views that take the turns: the roles, or `backbone` alone.
        bounds: default the evaluation's own (`evals.bounds.bounds_for`) with
            those that the bundle sets.
        elsewhere, overrides, timeout: see `roles.open_roles`.

    Raises:
        UserError: see `bootstrap`.
    """
    from hashlib import sha256

    from umi_lite.agent.bounds import settled
    from umi_lite.bundle.open import open_roles
    from umi_lite.evals.bootstrap import bootstrap
    from umi_lite.evals.bounds import bounds_for

    usual = settled(bounds_for(tasks), bundle.spec.bounds, {})
    made_by: dict[str, Any] = {
        "bundle": text_of(f"{bundle.path.resolve().parent.name}/{bundle.path.name}"),
        "sha256": sha256(bundle.spec.model_dump_json().encode()).hexdigest(),
        "elsewhere": [text_of(place) for place in elsewhere],
    }
    where: Mapping[str, Any] = {"elsewhere": elsewhere, "overrides": overrides, "timeout": timeout}
    if bounds is not None and bounds != usual:
        made_by["bounds"] = asdict(bounds)
    title = f"trying {len(tasks)} questions"
    most = len(tasks) * config.tries
    with (
        open_roles(bundle, views=views, note=dim(console), **where) as engine,
        counting(title, most, "right", console) as count,
    ):
        return bootstrap(
            engine,
            tasks,
            out,
            config,
            made_by=made_by,
            bounds=bounds or usual,
            on_attempt=lambda _, right: count(right),
        )


def judged(
    kind: str, traces: Path, against: Path | None, judge: "Judge", votes: Path
) -> "Judgement":
    """A judge's word on finished episodes (`evals.verdicts`).

    Args:
        kind: `toolalpaca`, `pass` or `win`.
        against: for `win`, the other system's episodes.
        votes: where prompts and replies are kept.

    Raises:
        UserError: no such kind, no such episodes, or the endpoint fails.
    """
    from umi_lite.evals.verdicts import judge_pass, judge_toolalpaca, judge_win

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


def predict_static(engine: "RoleEngine", gold: "Gold", console: "Console") -> "TeacherForced":
    """Let the roles predict every gold step, behind a progress bar that counts dialogues."""
    from umi_lite.evals.teacher import predict

    with counting("static", len(gold.dialogues), "", console) as count:
        return predict(engine, gold, on_dialogue=lambda: count(True))
