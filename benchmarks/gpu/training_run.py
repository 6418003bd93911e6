"""A training run in a process of its own: capped, stopped in time, and what it came to."""

from pathlib import Path

from benchmarks.gpu.common import HERE, Figures, Told, child, last_line, python
from umi_lite.errors import UserError
from umi_lite.files import read_json
from umi_lite.recipe.schema import Recipe
from umi_lite.train.plan import JOBS
from umi_lite.train.run_dir import RunDir, read_metrics

_NO_CAP = 1e6
# Steps in which kernels are compiled and memory is first taken.
_WARM = 3


def trained(recipe: Recipe, root: Path, told: Told, cap: float = _NO_CAP) -> Figures:
    """Train a recipe in a process that may take `cap` GiB of the card; a stopped run goes on.

    Returns:
        Peaks in GiB, seconds; of each job tokens a second (without its first steps), last loss
        and peak of what torch allocated. Where memory ran out, `out of memory` says at which
        step of which job.

    Raises:
        OutOfTime: it was stopped, with a checkpoint.
        UserError: it failed, or the folder holds a run of another recipe.
    """
    run = RunDir(root)
    if not (root / "recipe.yaml").exists():
        run.create(recipe)
    run.resume(recipe)
    log = root / "log.txt"
    before = log.stat().st_size if log.exists() else 0
    # What Unsloth compiles serves the next run too.
    compiled = str(told.work / "compiled")
    status = child(
        python(str(HERE / "capped.py"), str(root), str(cap)),
        told,
        log,
        UNSLOTH_COMPILE_LOCATION=compiled,
    )
    said = log.read_text(errors="replace")[before:]
    figures: Figures = {}
    if status and "out of memory" in said.lower():
        figures["out of memory"] = _where(run)
    elif status:
        raise UserError(f"training {root} ended with status {status}: {last_line(log)}")
    for name, taken in read_json(root / "memory.json").items():
        figures[f"{name}, GiB"] = round(taken / 2**30, 2)
    return figures | _speeds(run)


def losses(root: Path, job: str) -> list[float]:
    """The loss of each step of a job."""
    return [record["loss"] for record in read_metrics(RunDir(root).metrics(job))]


def _where(run: RunDir) -> str:
    begun = [(name, read_metrics(run.metrics(name))) for name in JOBS if not run.is_done(name)]
    name, records = begun[0]
    return f"{name}, step {int(records[-1]['step']) + 1 if records else 1}"


def _speeds(run: RunDir) -> Figures:
    found: Figures = {}
    seconds = 0.0
    for name in JOBS:
        records = read_metrics(run.metrics(name))
        if not records:
            continue
        last = records[-1]
        seconds += last["seconds"]
        first = records[min(_WARM, len(records) - 1) - 1] if len(records) > 1 else None
        tokens, time = last["tokens"], last["seconds"]
        if first:
            tokens, time = tokens - first["tokens"], time - first["seconds"]
        found[f"{name}, tokens/s"] = round(tokens / max(time, 1e-9))
        found[f"{name}, loss"] = round(last["loss"], 3)
        found[f"{name}, peak GiB"] = round(max(r["peak_memory"] for r in records) / 2**30, 2)
    return found | {"steps, s": round(seconds, 1)}
