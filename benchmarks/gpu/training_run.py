"""A training run in its own process: capped, stopped in time, and its figures."""

from pathlib import Path

from benchmarks.gpu.common import HERE, Figures, Options, child, last_line, python
from umi_lite.errors import UserError
from umi_lite.files import read_json
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.run_dir import RunDir, read_metrics

_NO_CAP = 1e6
# Steps in which kernels are compiled and memory is first allocated.
_WARM = 3


def trained(recipe: Recipe, root: Path, options: Options, cap: float = _NO_CAP) -> Figures:
    """Train a recipe in a process that may use `cap` GiB of the card; a stopped run resumes.

    Returns:
        Peaks in GiB and seconds; of each job tokens/s (without its first steps), the last loss
        and the peak that torch allocated. If memory ran out, `out of memory` is the job and step.

    Raises:
        OutOfTime: it was stopped, with a checkpoint.
        UserError: it failed, or the folder has a run of another recipe.
    """
    run = RunDir(root)
    if not (root / "recipe.yaml").exists():
        run.create(recipe)
    run.resume(recipe)
    log = root / "log.txt"
    before = log.stat().st_size if log.exists() else 0
    # The next run reuses what Unsloth compiles.
    compiled = str(options.work / "compiled")
    status = child(
        python(str(HERE / "capped.py"), str(root), str(cap)),
        options,
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
    """Return the loss of each step of a job."""
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
