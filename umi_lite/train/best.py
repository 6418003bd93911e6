"""The adapter of the lowest evaluation loss so far, kept aside while a job goes on."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from umi_lite.files import sync


@dataclass(frozen=True)
class Kept:
    """An adapter kept aside: its folder, the step it is of, and its evaluation loss."""

    folder: Path
    step: int
    loss: float


class Best:
    """Folders `best-*` below a job's folder, whole or not there; the lowest loss counts.

    A kill between two evaluations leaves them as they are: what was measured stays measured.
    """

    def __init__(self, job_folder: Path):
        self._root = job_folder

    def found(self) -> Kept | None:
        """The one of the lowest loss."""
        every = [_read(path) for path in self._root.glob("best-*")]
        return min(every, key=lambda kept: kept.loss, default=None)

    def offer(self, step: int, loss: float, save: Callable[[str], object]) -> None:
        """Keep what `save` writes if its loss is lower than all before (NaN never is)."""
        before = self.found()
        if not loss < (before.loss if before else float("inf")):
            return
        work = Path(tempfile.mkdtemp(prefix=".best-", dir=self._root))
        try:
            save(str(work / "adapter"))
            (work / "evaluation.json").write_text(json.dumps({"step": step, "loss": loss}))
            for path in work.rglob("*"):
                sync(path)
            work.rename(self._root / work.name.removeprefix("."))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if before:
            shutil.rmtree(before.folder)

    def remove(self) -> None:
        """Drop all of them, and what a kill left half-written."""
        for pattern in ("best-*", ".best-*"):
            for path in self._root.glob(pattern):
                shutil.rmtree(path)


def _read(folder: Path) -> Kept:
    told = json.loads((folder / "evaluation.json").read_text())
    return Kept(folder, told["step"], told["loss"])
