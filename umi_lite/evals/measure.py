"""Evaluations with a progress bar: live tasks, bootstrapping, predictions of gold steps."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.agent.bounds import Bounds, Sampling, settled
from umi_lite.agent.trace import Trace, check_place, keep
from umi_lite.console import counting
from umi_lite.data.load import load_questions
from umi_lite.data.why_nothing import why_nothing
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.bootstrap import BootstrapConfig, Summary, bootstrap
from umi_lite.evals.bounds import bounds_for
from umi_lite.evals.live import Result, Score, environment_of, evaluate
from umi_lite.evals.majority import evaluate_majority
from umi_lite.evals.static_files import Gold
from umi_lite.evals.teacher import TeacherForced, predict
from umi_lite.files import text_of
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.tools import Toolbox

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.spec import BundleSpec


def load_tasks(source: str, **options: Any) -> list[Trajectory]:
    """Return the held-out tasks of a source that can be run live.

    Raises:
        UserError: no such source, options that it does not take, or no task in it, and why.
    """
    loaded = load_questions(source, options)
    if not loaded.trajectories and loaded.dropped:
        raise UserError(f"no tasks found: {why_nothing(source, options, loaded)}")
    return loaded.trajectories


def measure(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    title: str,
    console: "Console",
    *,
    spec: "BundleSpec | None" = None,
    bounds: Bounds | None = None,
    sampling: Sampling | None = None,
    majority: int = 1,
    traces: Path | None = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> Score:
    """Run the tasks in a batch; the progress bar counts those solved.

    Args:
        spec: of the bundle that the engine runs, if it runs one.
        bounds: default the evaluation's own (`evals.bounds.bounds_for`) with
            those that the bundle sets.
        sampling: default the bundle's, else greedy.
        majority: episodes per task (`evals.majority`); the trace that counts is kept.
        traces: a folder for each episode's trace, `<task id>.json`. One that cannot be written
            later (a full disk) is a `Note`.
        environment: makes a task's tools, just before it starts; for a majority, always the
            source's.

    Raises:
        UserError: no task, or a folder where no trace can be written.
    """
    own = bounds_for(tasks)
    if spec is not None:
        own = settled(own, spec.bounds, {})
        sampling = sampling or spec.sampling
    if traces is not None:
        check_place(traces / "trace.json")
    with counting(title, len(tasks), "solved", console) as count:

        def ended(result: Result, trace: Trace) -> None:
            count(result.ok)
            if traces is not None:
                keep(trace, traces / f"{result.id}.json")

        how: dict[str, Any] = {"bounds": bounds or own, "on_result": ended}
        if majority == 1:
            return evaluate(engine, tasks, sampling=sampling, environment=environment, **how)
        drawn = sampling or Sampling()
        return evaluate_majority(engine, tasks, majority, sampling=drawn, **how)


def gather(
    engine: RoleEngine,
    bundle: Path,
    spec: "BundleSpec",
    tasks: Sequence[Trajectory],
    out: Path,
    config: BootstrapConfig,
    console: "Console",
    *,
    bounds: Bounds | None = None,
    elsewhere: Sequence[str] = (),
) -> Summary:
    """Bootstrap trajectories with a bundle (`evals.bootstrap`), with a progress bar.

    Args:
        bundle: the folder that the engine runs, for the record.
        spec: what its `bundle.json` holds.
        bounds: default the evaluation's own (`evals.bounds.bounds_for`) with
            those that the bundle sets.
        elsewhere: the roles that do not run from the bundle, as `ROLE=WHERE`, for the record.

    Raises:
        UserError: see `bootstrap`.
    """
    usual = settled(bounds_for(tasks), spec.bounds, {})
    made_by = what_runs(bundle, spec, elsewhere)
    if bounds is not None and bounds != usual:
        made_by["bounds"] = asdict(bounds)
    title = f"trying {len(tasks)} questions"
    with counting(title, len(tasks) * config.tries, "right", console) as count:
        return bootstrap(
            engine,
            tasks,
            out,
            config,
            made_by=made_by,
            bounds=bounds or usual,
            on_attempt=lambda _, right: count(right),
        )


def what_runs(bundle: Path, spec: "BundleSpec", elsewhere: Sequence[str]) -> dict[str, Any]:
    """Return which bundle runs, as JSON values for the record; arguments as in `gather`."""
    return {
        "bundle": text_of(f"{bundle.resolve().parent.name}/{bundle.name}"),
        "sha256": sha256(spec.model_dump_json().encode()).hexdigest(),
        "elsewhere": [text_of(place) for place in elsewhere],
    }


def measured_with(
    bundle: Path, spec: "BundleSpec", elsewhere: Sequence[str], **tasks: Any
) -> dict[str, Any]:
    """Return `measured` of a report: which weights ran on which tasks, for `umi export --scores`.

    Args:
        bundle, spec, elsewhere: see `gather`.
        tasks: what chose the tasks; a path is reduced to its name, None is left out.
    """
    asked = {key: value.name if isinstance(value, Path) else value for key, value in tasks.items()}
    runs = what_runs(bundle, spec, elsewhere)
    return {
        "bundle": runs["bundle"],
        "weights": spec.weights,
        "elsewhere": runs["elsewhere"],
        **{key: value for key, value in asked.items() if value is not None},
    }


def predict_static(engine: RoleEngine, gold: Gold, console: "Console") -> TeacherForced:
    """Let the roles predict every gold step; the progress bar counts dialogues."""
    with counting("static", len(gold.dialogues), "", console) as count:
        return predict(engine, gold, on_dialogue=lambda: count(True))
