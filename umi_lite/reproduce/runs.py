"""The runs of a table: train, export, measure; finished parts are skipped."""

import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.card import renew_card
from umi_lite.console import Heartbeat, working
from umi_lite.errors import UserError
from umi_lite.evals.live import environment_of
from umi_lite.evals.measure import measure, predict_static
from umi_lite.evals.static_files import load_gold, write_predictions
from umi_lite.files import read_json, write_text
from umi_lite.protocol.trajectory import ROLES, Trajectory, View
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JobName
from umi_lite.reproduce.results import SCORES, STEPS
from umi_lite.reproduce.table import Planned
from umi_lite.tools.tools import Toolbox
from umi_lite.train.plan import START, Job, plan
from umi_lite.train.run_dir import RunDir

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.bundle.bundle import Bundle
    from umi_lite.bundle.spec import BundleSpec
    from umi_lite.engine.engine import Engine

Tasks = Mapping[str, Sequence[Trajectory]]


def held_out(recipe: Recipe) -> dict[str, Sequence[Trajectory]]:
    """Return the tasks of `eval.data` by split.

    Raises:
        UserError: the recipe names none.
    """
    from umi_lite.train.inputs import load_eval

    if not recipe.eval.data:
        raise UserError(f"recipe {recipe.name} names no eval.data: nothing could be measured")
    return {data.split or data.source: loaded.trajectories for data, loaded in load_eval(recipe)}


def deployed_base(recipe: Recipe, folder: Path) -> Path:
    """Return the base as it will be deployed, in `folder` if the recipe requantizes it.

    Raises:
        UserError: the recipe names no base GGUF.
    """
    from umi_lite.recipe.schema import base_gguf
    from umi_lite.weights.quantize import requantize

    source = base_gguf(recipe)
    if source is None:
        raise UserError(f"recipe {recipe.name} names no base.gguf, so nothing could be deployed")
    if recipe.export.quantize is None:
        return source
    target = folder / f"base.{recipe.export.quantize}.gguf"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        requantize(source, target, recipe.export.quantize)
    return target


def measured(
    path: Path,
    title: str,
    engine: "Callable[[], Engine]",
    tasks: Tasks,
    console: "Console",
    *,
    spec: "BundleSpec | None" = None,
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> dict[str, Any]:
    """Return `seconds` in total and each split's score (`Score.report`), kept in file `path`.

    All splits run as one batch: fewer batches have fewer empty slots at their end.

    Args:
        engine: opened only if the file does not exist yet.
        spec: of the bundle that the engine runs, if it runs one: its bounds and sampling apply.
        environment: makes a task's tools, just before it starts.
    """
    if kept := read_json(path):
        return kept
    cases = [case for split in tasks.values() for case in split]
    with engine() as opened:
        score = measure(opened, cases, title, console, spec=spec, environment=environment)
    scores: dict[str, Any] = {"seconds": round(score.seconds, 1), "splits": {}}
    if spec is not None:
        sources = {split: part[0].source for split, part in tasks.items() if part}
        scores["measured"] = {"weights": spec.weights, "sources": sources}
    results = iter(score.results)
    for split in tasks:
        part = tuple(islice(results, len(tasks[split])))
        report = score.model_copy(update={"results": part}).report()
        del report["seconds"]  # of all splits together
        scores["splits"][split] = report
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(scores, indent=1) + "\n")
    return scores


def measured_bundle(
    path: Path, title: str, bundle: "Bundle", views: Sequence[View], room: Mapping[str, Any],
    tasks: Tasks, console: "Console",
    environment: Callable[[Trajectory], Toolbox] = environment_of,
) -> dict[str, Any]:  # fmt: skip
    """Return what `measured` does of a bundle, run from merged weights, which are faster.

    Args:
        views: the roles, or the backbone alone.
        room: n_ctx and slots of the engine.
    """
    merged = path.with_name("merged")

    def opened() -> "Engine":
        return bundle.engine(views=views, merge_into=merged, **room)

    scores = measured(
        path, title, opened, tasks, console, spec=bundle.spec, environment=environment
    )
    shutil.rmtree(merged, ignore_errors=True)
    return scores


def untrained(base: Path, options: Mapping[str, Any]) -> "Engine":
    """Return an engine whose roles are the base alone; `options` are passed to Engine."""
    from umi_lite.engine.engine import Engine

    return Engine(base, dict.fromkeys(ROLES), **options)


def train_or_resume(recipe: Recipe, out: Path, console: "Console") -> None:
    """Train a run in this process, from where it stopped if it was begun before.

    Raises:
        UserError: the folder holds a run of another recipe, or its training cannot continue.
    """
    from umi_lite.train.progress import RichReporter
    from umi_lite.train.trainer import train

    with RichReporter(console) as reporter:
        train(recipe, out, resume=RunDir(out).has_begun(), reporter=reporter)


def exported(out: Path, base: Path, console: "Console") -> "Bundle":
    """Return the bundle of a finished run, exported if it is not there yet."""
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.bundle.export import export_run

    if not (out / "bundle").exists():
        with working("converting four adapters to GGUF", console):
            export_run(out, base=base)
    return load_bundle(out / "bundle")


def print_scores(systems: Mapping[str, Mapping[str, Any]], console: "Console") -> None:
    """Print a table per split, a column per system.

    Args:
        systems: label to `splits` of what `measured` returns.
    """
    from umi_lite.evals.stats import Rate, rate_table

    for split in next(iter(systems.values())):
        columns: dict[str, dict[str, Rate]] = {}
        for label, scores in systems.items():
            score = scores.get(split)
            if score is None:
                continue
            named = {name: score[name] for name in ("success", "multi_call", "decisions")}
            named |= {f"{calls} calls": rate for calls, rate in score["by_calls"].items()}
            columns[label] = {name: Rate(**rate) for name, rate in named.items()}
        console.print(rate_table(f"held-out tasks: {split}", columns))


def predicted(path: Path, gold: str, engine: "Callable[[], Engine]", console: "Console") -> None:
    """Let a run predict every gold step, once; a step that does not fit counts as wrong."""
    if path.is_file():
        return
    with engine() as opened:
        forced = predict_static(opened, load_gold(gold), console)
    if forced.missing:
        console.print(f"{len(forced.missing)} steps without a prediction count as wrong")
    write_predictions(path, forced.predictions)


# What an adapter does not depend on, or depends on through its job alone.
_APART = {"name", "eval", "export", "stages", "checkpoint_every"}


def job_keys(recipe: Recipe) -> dict[JobName, str]:
    """Return a hash of all that each job's adapter depends on, earlier jobs included."""
    common = recipe.model_dump(mode="json", by_alias=True, exclude=_APART)
    keys: dict[JobName, str] = {}
    for job in plan(recipe):
        # What `stages.global.start` names is in the settings.
        before = job.under if job.start == START else job.start or job.under
        made_of = [common, _own(recipe, job), keys[before] if before else None]
        keys[job.name] = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return keys


def _own(recipe: Recipe, job: Job) -> list[Any]:
    settings, local = job.settings.model_dump(), recipe.stages.local
    # Contexts are grouped by the rows of all local jobs.
    others = local.model_dump() if local and job.acts == "own turns" else None
    return [job.name, job.views, job.seed, job.acts, settings, others, recipe.stages.reuse]


def copy_finished_jobs(
    run: RunDir, recipe: Recipe, others: Iterable[tuple[RunDir, Recipe]]
) -> dict[str, str]:
    """Copy the adapters and metrics of equal jobs that another run has finished.

    Returns:
        The other run's folder name by job.
    """
    done = {
        key: (other, job)
        for other, its in others
        for job, key in job_keys(its).items()
        if other.is_done(job)
    }
    copied: dict[str, str] = {}
    for job, key in job_keys(recipe).items():
        if run.is_done(job) or key not in done:
            continue
        other, name = done[key]
        run.metrics(job).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other.metrics(name), run.metrics(job))
        run.finish(job, partial(shutil.copytree, other.adapter(name), dirs_exist_ok=True))
        copied[job] = other.root.name
    return copied


DONE = "measured.json"
"""When and on which machine a finished run was measured; there when all else of it is."""


def finished(runs: Sequence[Planned], out: Path) -> list[Planned]:
    """Return the runs in `out` that were trained and measured, in the table's order.

    Raises:
        UserError: none was, or none of the variant that the others are tested against.
    """
    done = [run for run in runs if (out / run.name / DONE).is_file()]
    first = runs[0].variant
    if not any(run.is_main and run.variant == first for run in done):
        raise UserError(f"{out} has no finished run of {first}: run `umi reproduce` first")
    for run in done:
        RunDir(out / run.name).resume(run.recipe)
    return done


def do_runs(runs: Sequence[Planned], out: Path, console: "Console") -> None:
    """Do the unfinished runs one after another, each in its own folder in `out`.

    Each run trains in its own process, so that its peak memory can be measured.

    Raises:
        UserError: a folder holds a run of another recipe, or a run cannot continue.
    """
    for run in runs:
        if not run.recipe.eval.data and not run.recipe.eval.static:
            raise UserError(
                f"{run.recipe.name}: eval names neither data nor static: nothing to measure"
            )
    before: list[tuple[RunDir, Recipe]] = []
    for number, run in enumerate(runs, 1):
        console.rule(f"{number}/{len(runs)}  {run.name}")
        folder = RunDir(out / run.name)
        if not folder.has_begun():
            folder.create(run.recipe)
        folder.resume(run.recipe)
        for job, other in copy_finished_jobs(folder, run.recipe, before).items():
            console.print(f"{job}: same as in {other}, copied", style="dim")
        before.append((folder, run.recipe))
        if not (folder.root / DONE).is_file():
            _do(run, folder, out, console)


def _do(run: Planned, folder: RunDir, out: Path, console: "Console") -> None:
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.bundle.export import export_run
    from umi_lite.engine.machine import cores, machine_record
    from umi_lite.train.trainer import train_in_child

    if not all(folder.is_done(job.name) for job in plan(run.recipe)):
        # The process shows its own bars on stderr.
        with Heartbeat(console, lambda: f"training {run.name}"):
            train_in_child(folder.root)
    base = deployed_base(run.recipe, out)
    if not (folder.root / "bundle").exists():
        with working("converting the adapters to GGUF", console):
            export_run(folder.root, base=base)
    bundle = load_bundle(folder.root / "bundle")
    speak = ROLES if "planner" in run.recipe.stages.speakers() else ("backbone",)
    merged = folder.root / "merged"
    options: dict[str, Any] = {"n_ctx": run.recipe.max_length, "slots": run.recipe.eval.slots}

    def opened() -> "Engine":
        return bundle.engine(views=speak, merge_into=merged, **options)

    if run.recipe.eval.static:
        predicted(folder.root / STEPS, run.recipe.eval.static, opened, console)
    if run.recipe.eval.data:
        tasks = held_out(run.recipe)
        scores = folder.root / SCORES
        measured(scores, run.name, opened, tasks, console, spec=bundle.spec)
        renew_card(bundle.path, folder.root)
    today, system = date.today().isoformat(), platform.system()
    made = {"date": today, "system": system, **machine_record(cores())}
    write_text(folder.root / DONE, json.dumps(made) + "\n")
    shutil.rmtree(merged, ignore_errors=True)
