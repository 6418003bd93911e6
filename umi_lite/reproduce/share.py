"""Jobs that several runs have in common are trained once: single's is GLPFT's global one."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from functools import partial
from typing import Any

from umi_lite.recipe import Recipe
from umi_lite.recipe_stages import JobName
from umi_lite.train.plan import Job, plan
from umi_lite.train.run_dir import RunDir

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
