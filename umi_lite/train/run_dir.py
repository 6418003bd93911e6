"""A run folder: its files, its lock, and which parts are finished.

Files: recipe.yaml, versions.json, base.json, bounds.json, loss.svg, curves.html,
micro_batch_splits; in each job's folder adapter/, checkpoints/, metrics.jsonl, validation.jsonl. An
adapter folder exists only when it is complete (written under another name, then renamed), and its
job is done then; a checkpoint counts only when it holds the mark that is written last.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from umi_lite.agent.bounds import Bounds
from umi_lite.errors import UserError
from umi_lite.files import lock, staged_folder, sync, write_text, writing
from umi_lite.recipe.load import check, read_yaml
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.distributed import by_main, is_main
from umi_lite.weights.base_record import FILE as BASE_RECORD

_COMPLETE = "complete"
_PACKAGES = ["umi-lite", "torch", "transformers", "trl", "peft", "datasets", "accelerate"]
_PACKAGES += ["bitsandbytes", "tokenizers", "unsloth"]

_LOCKS: dict[Path, tuple[int, ...]] = {}  # by folder, in this process


class RunDir:
    """Paths and marks of one run.

    Args:
        root: the folder; call `create` or `resume` first.
    """

    def __init__(self, root: Path):
        self.root = Path(root)

    def create(self, recipe: Recipe) -> None:
        """Start a run here, in place of one that never made its first step.

        Raises:
            UserError: a run is here already, or the folder cannot be written.
        """
        if self.has_begun():
            raise UserError(
                f"{self.root} holds a run already: continue with --resume, or name another folder"
            )
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            if (self.root / "recipe.yaml").exists():
                for job in JOBS:
                    shutil.rmtree(self.job(job), ignore_errors=True)
                for left in (self.micro_batch_splits, self.root / BASE_RECORD):
                    left.unlink(missing_ok=True)
            write_text(self.root / "versions.json", json.dumps(versions(), indent=2) + "\n")
            write_text(self.root / "recipe.yaml", recipe.to_yaml())

    def has_begun(self) -> bool:
        """True if a job of a run here made a step."""
        return any(
            self.is_done(job)
            or any(self.checkpoints(job).glob("checkpoint-*"))
            or read_metrics(self.metrics(job))
            for job in JOBS
        )

    def resume(self, recipe: Recipe | None) -> Recipe:
        """Return the recipe of the run in this folder.

        Raises:
            UserError: the folder holds no run, or one of another recipe.
        """
        path = self.root / "recipe.yaml"
        if not path.is_file():
            raise UserError(f"{self.root} holds no run to resume (no recipe.yaml)")
        stored = check(Recipe, read_yaml(path), str(path))
        if recipe is not None and recipe != stored:
            raise UserError(
                f"{self.root} is a run of another recipe ({_difference(stored, recipe)} differs): "
                "resume it with its own, or name another folder"
            )
        return stored

    @property
    def micro_batch_splits(self) -> Path:
        """Where memory ran out: the number of parts that a micro-batch is split into."""
        return self.root / "micro_batch_splits"

    def keep_bounds(self, bounds: Bounds) -> None:
        """Write the bounds of the bundle (`agent.trained_bounds`)."""
        write_text(self.root / "bounds.json", json.dumps(asdict(bounds), indent=2) + "\n")

    def job(self, job: str) -> Path:
        return self.root / job

    def adapter(self, job: str) -> Path:
        """Return the path of a finished job's PEFT adapter."""
        return self.job(job) / "adapter"

    def metrics(self, job: str) -> Path:
        """Return the path of the records, one per step."""
        return self.job(job) / "metrics.jsonl"

    def validation(self, job: str) -> Path:
        """Return the path of the records, one per evaluation; only where data is held out."""
        return self.job(job) / "validation.jsonl"

    def checkpoints(self, job: str) -> Path:
        return self.job(job) / "checkpoints"

    def is_done(self, job: str) -> bool:
        return self.adapter(job).is_dir()

    def last_checkpoint(self, job: str) -> Path | None:
        """Return the newest complete checkpoint, and remove the half-written ones."""
        whole = []
        for path in self.checkpoints(job).glob("checkpoint-*"):
            if (path / _COMPLETE).is_file():
                whole.append(path)
            else:
                shutil.rmtree(path, ignore_errors=True)  # one that stays is not loaded either
        return max(whole, key=step_of, default=None)

    def keep_checkpoint(self, job: str, step: int) -> None:
        """Mark the checkpoint of a step as complete, then remove the older ones."""
        mark_complete(self.checkpoints(job) / f"checkpoint-{step}")
        for path in self.checkpoints(job).glob("checkpoint-*"):
            if step_of(path) < step:
                shutil.rmtree(path)

    def finish(self, job: str, save: Callable[[Path], object]) -> None:
        """Write the adapter with `save`, whole or not at all, and remove the checkpoints."""
        target = self.adapter(job)
        with staged_folder(target) as work:
            save(work)
        shutil.rmtree(self.checkpoints(job), ignore_errors=True)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Return the records of a metrics.jsonl, without a last line that a kill cut short."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def rewind_metrics(path: Path, step: int) -> list[dict[str, float]]:
    """Return the records up to a step; the main process drops the later ones from the file."""
    records = [record for record in read_metrics(path) if record["step"] <= step]
    if is_main():
        write_text(path, "".join(json.dumps(record) + "\n" for record in records))
    return records


def step_of(checkpoint: Path) -> int:
    """Return the optimizer steps that were done when it was written."""
    return int(checkpoint.name.split("-")[1])


def mark_complete(checkpoint: Path) -> None:
    """Mark a checkpoint as complete once all of it is on disk."""
    sync(checkpoint)
    write_text(checkpoint / _COMPLETE, "")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that training depends on."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _difference(one: Any, other: Any) -> str:
    """Return the first key in which two recipes differ, dotted."""
    a, b = (tree if isinstance(tree, dict) else tree.model_dump() for tree in (one, other))
    key = next(key for key in a if a[key] != b.get(key))
    if isinstance(a[key], dict) and isinstance(b.get(key), dict):
        return f"{key.rstrip('_')}.{_difference(a[key], b[key])}"
    return key


@contextmanager
def lock_run(root: Path) -> Iterator[tuple[int, ...]]:
    """Lock a run folder until the block ends; it is created where there is none.

    Of processes that train together the main one locks it for all. Within the block this process
    may lock it again.

    Yields:
        Descriptors to pass on to a process that trains here: it then keeps the lock for as long
        as it lives, even if this one dies.

    Raises:
        UserError: another process holds the lock, or the folder cannot be created.
    """
    key = root.absolute()
    if key in _LOCKS:
        yield _LOCKS[key]
        return
    found: list[int] = []
    by_main(lambda: found.extend(_locked(root)))
    _LOCKS[key] = tuple(found)
    try:
        yield _LOCKS[key]
    finally:
        del _LOCKS[key]
        for descriptor in found:
            os.close(descriptor)


def _locked(root: Path) -> list[int]:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = lock(root)
        except BlockingIOError:
            raise UserError(
                f"{root} is in use: another process trains there; wait for it, or name another "
                "folder"
            ) from None
    return [] if descriptor is None else [descriptor]
