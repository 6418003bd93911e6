"""Do a table's runs: train, export, measure. What is done is skipped, so a kill loses little."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.console import Heartbeat, working
from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.protocol.roles import ROLES
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JobName
from umi_lite.reproduce.heldout import deployed_base, held_out, measured
from umi_lite.reproduce.results import SCORES, STEPS, predicted
from umi_lite.reproduce.table import Planned
from umi_lite.train.plan import Job, plan
from umi_lite.train.run_dir import RunDir

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.engine.engine import Engine


# What an adapter does not depend on, or depends on through its job alone.
_APART = {"name", "eval", "export", "stages", "checkpoint_every"}


def job_keys(recipe: Recipe) -> dict[JobName, str]:
    """A hash of all that each job's adapter depends on, the jobs that it goes on from included."""
    common = recipe.model_dump(mode="json", by_alias=True, exclude=_APART)
    keys: dict[JobName, str] = {}
    for job in plan(recipe):
        made_of = [common, _own(recipe, job), keys[job.start] if job.start else None]
        keys[job.name] = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return keys


def _own(recipe: Recipe, job: Job) -> list[Any]:
    return [job.name, job.views, job.seed, job.settings.model_dump(), recipe.stages.reuse]


def borrow(run: RunDir, recipe: Recipe, others: Iterable[tuple[RunDir, Recipe]]) -> dict[str, str]:
    """Take over the adapters and metrics of jobs that another run has finished.

    Returns:
        The other run's folder name by job.
    """
    done = {
        key: (other, job)
        for other, its in others
        for job, key in job_keys(its).items()
        if other.is_done(job)
    }
    taken: dict[str, str] = {}
    for job, key in job_keys(recipe).items():
        if run.is_done(job) or key not in done:
            continue
        other, name = done[key]
        run.metrics(job).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other.metrics(name), run.metrics(job))
        run.finish(job, partial(shutil.copytree, other.adapter(name), dirs_exist_ok=True))
        taken[job] = other.root.name
    return taken


DONE = "measured"


def do_runs(runs: Sequence[Planned], out: Path, console: "Console") -> None:
    """Do the runs that are not done, one after another, each in a folder of its own in `out`.

    Training has a process of its own for each run, so that its peak memory can be told.

    Raises:
        UserError: a folder holds a run of another recipe, or a run cannot go on.
    """
    for run in runs:
        if not run.recipe.eval.data and not run.recipe.eval.static:
            raise UserError(
                f"{run.recipe.name}: eval names no data and no static: what to measure?"
            )
    before: list[tuple[RunDir, Recipe]] = []
    for number, run in enumerate(runs, 1):
        console.rule(f"{number}/{len(runs)}  {run.name}")
        folder = RunDir(out / run.name)
        if not folder.has_begun():
            folder.create(run.recipe)
        folder.resume(run.recipe)
        for job, other in borrow(folder, run.recipe, before).items():
            console.print(f"{job}: the same as in {other}, taken over", style="dim")
        before.append((folder, run.recipe))
        if not (folder.root / DONE).is_file():
            _do(run, folder, out, console)


def _do(run: Planned, folder: RunDir, out: Path, console: "Console") -> None:
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.bundle.export import export_run
    from umi_lite.train.trainer import train_in_child

    if not all(folder.is_done(job.name) for job in plan(run.recipe)):
        # The process has bars of its own on stderr.
        with Heartbeat(console, lambda: f"training {run.name}"):
            train_in_child(folder.root)
    base = deployed_base(run.recipe, out)
    if not (folder.root / "bundle").exists():
        with working("converting the adapters to GGUF", console):
            export_run(folder.root, base=base)
    bundle = load_bundle(folder.root / "bundle")
    speak = ROLES if "planner" in run.recipe.stages.speakers() else ("backbone",)
    folded = folder.root / "folded"
    options: dict[str, Any] = {"n_ctx": run.recipe.max_length, "slots": run.recipe.eval.slots}

    def opened() -> "Engine":
        return bundle.engine(views=speak, merge_into=folded, **options)

    if run.recipe.eval.static:
        predicted(folder.root / STEPS, run.recipe.eval.static, opened, console)
    if run.recipe.eval.data:
        tasks = held_out(run.recipe)
        measured(folder.root / SCORES, run.name, opened, tasks, console, bundle=bundle)
    write_text(folder.root / DONE, "")
    shutil.rmtree(folded, ignore_errors=True)
