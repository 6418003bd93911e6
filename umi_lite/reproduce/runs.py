"""The runs of a table: train, export, measure; what is finished is skipped."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.card import renew_card
from umi_lite.console import Heartbeat
from umi_lite.errors import UserError
from umi_lite.files import lock, write_text, writing
from umi_lite.protocol.trajectory import ROLES
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JobName
from umi_lite.reproduce.parts import deployed_base, exported, held_out, measured, predicted
from umi_lite.reproduce.results import DONE, SCORES, STEPS
from umi_lite.reproduce.table import Planned
from umi_lite.train.plan import START, Job, plan
from umi_lite.train.run_dir import RunDir

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.engine.engine import Engine

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


def finished(runs: Sequence[Planned], out: Path) -> list[Planned]:
    """Return the runs in `out` that were trained and measured, in the table's order.

    Raises:
        UserError: none was, or none of the variant that the others are tested against.
    """
    done = [run for run in runs if (out / run.name / DONE).is_file()]
    first = runs[0].variant
    if not any(run.is_main and run.variant == first for run in done):
        raise UserError(
            f"{out} has no finished run of {first}, with which the others are compared: "
            "run `umi reproduce` first"
        )
    for run in done:
        RunDir(out / run.name).resume(run.recipe)
    return done


def do_runs(runs: Sequence[Planned], out: Path, console: "Console") -> None:
    """Do the unfinished runs one after another, each in its own folder in `out`.

    Several processes can share `out`: a run that another one does is skipped. Each run trains in
    its own process, so that its peak memory can be measured.

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
        with _taken(folder.root) as free:
            if not free:
                console.print("another process does it", style="dim")
                continue
            if not folder.has_begun():
                folder.create(run.recipe)
            folder.resume(run.recipe)
            for job, other in copy_finished_jobs(folder, run.recipe, before).items():
                console.print(f"{job}: same as in {other}, copied", style="dim")
            before.append((folder, run.recipe))
            if not (folder.root / DONE).is_file():
                _do(run, folder, out, console)


@contextmanager
def _taken(run: Path) -> Iterator[bool]:
    """Hold a run for this process; yield False if another one does it."""
    # Training locks the run folder itself, in a process of its own.
    held = run / "lock"
    with writing(held):
        held.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = lock(held)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _do(run: Planned, folder: RunDir, out: Path, console: "Console") -> None:
    from umi_lite.engine.machine import cores, machine_record
    from umi_lite.train.trainer import train_in_child

    if not all(folder.is_done(job.name) for job in plan(run.recipe)):
        # The process shows its own bars on stderr.
        with Heartbeat(console, lambda: f"training {run.name}"):
            train_in_child(folder.root)
    base = deployed_base(run.recipe, out)
    bundle = exported(folder.root, base, console)
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
