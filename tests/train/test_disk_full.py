"""A checkpoint that cannot be written ends training in one line, and the last one stays."""

import errno
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import losses

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.failures import is_disk_full, report_full_disk
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

STEPS = 6


class Full(Silent):
    """From step 3 on no file grows beyond so many bytes."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit

    def step(self, job: str, tokens: int, text: str) -> None:
        if text.startswith("step 3/"):
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._limit(), hard))


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": STEPS}
    return tiny_recipe(stages={"global": stage, "local": "none"}, checkpoint_every=2)


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    train(recipe, run, reporter=Silent())
    return run


@pytest.mark.parametrize("largest", ["adapter_model.safetensors", "optimizer.pt"])
def test_the_last_checkpoint_stays_and_training_goes_on_from_it(
    largest: str, recipe: Recipe, whole: Path, tmp_path: Path
) -> None:
    """`largest` is the file that no longer fits: safetensors and torch each fail in their way."""
    run = RunDir(tmp_path / "run")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> int:
        return (run.checkpoints("global") / "checkpoint-2" / largest).stat().st_size - 1000

    line = "global: no space left.*nothing is lost up to step 2: free some space.*--resume"
    try:
        with pytest.raises(UserError, match=line) as err:
            train(recipe, run.root, reporter=Full(limit))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(err.value)
    left = [path.name for path in run.checkpoints("global").glob("checkpoint-*")]
    assert left == ["checkpoint-2"]
    assert "stopped" in (run.root / "curves.html").read_text()
    train(None, run.root, resume=True, reporter=Silent())
    assert losses(run.root) == losses(whole)
    name = "adapter_model.safetensors"
    adapter = run.adapter("global") / name
    assert adapter.read_bytes() == (whole / "global" / "adapter" / name).read_bytes()


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    assert is_disk_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_disk_full(RuntimeError("No space left"))
    with pytest.raises(PermissionError), report_full_disk("global", RunDir(tmp_path)):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_older_checkpoints_go_once_the_new_one_is_whole(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for step in (5, 10, 15):
        (run.checkpoints("global") / f"checkpoint-{step}").mkdir(parents=True)
        if step < 15:
            run.keep_checkpoint("global", step)
    assert sorted(path.name for path in run.checkpoints("global").iterdir()) == [
        "checkpoint-10",
        "checkpoint-15",
    ]
    shutil.copytree(
        run.checkpoints("global") / "checkpoint-10", run.checkpoints("global") / "checkpoint-5"
    )
    kept = run.last_checkpoint("global")
    assert kept and kept.name == "checkpoint-10"  # by step; 15 was never whole
    assert not (run.checkpoints("global") / "checkpoint-15").exists()
