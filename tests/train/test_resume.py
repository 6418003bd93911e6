"""Killed in each of the four jobs and resumed: the same adapters as in one go."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train.plan import JOBS
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

SCRIPT = """
import sys
from pathlib import Path
from umi_lite.recipe import load_recipe
from umi_lite.train.trainer import train
from umi_lite.train.progress import Silent
train(load_recipe(sys.argv[1]), Path(sys.argv[2]), resume=sys.argv[3] == "1", reporter=Silent())
"""
STEPS, EVERY = 6, 2


def adapters(run: Path) -> dict[str, bytes]:
    return {job: (run / job / "adapter" / "adapter_model.safetensors").read_bytes() for job in JOBS}


def kill_in(job: str, process: subprocess.Popen, run: RunDir) -> None:
    """SIGKILL once the job is past its first checkpoint."""
    mark = run.checkpoints(job) / f"checkpoint-{EVERY}" / "complete"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended before {job} could be killed"
        lines = run.metrics(job).read_text().count("\n") if run.metrics(job).is_file() else 0
        if mark.is_file() and lines > EVERY:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.005)
    process.kill()
    raise AssertionError(f"{job} never got to step {EVERY}")


@pytest.fixture(scope="module")
def whole(tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, in this process."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(tiny_recipe(STEPS, checkpoint_every=EVERY), run, reporter=Silent())
    return run


def test_killed_in_every_job_and_resumed_gives_the_same_adapters(
    whole: Path, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")
    for i, job in enumerate((*JOBS, None)):
        command = [sys.executable, "-c", SCRIPT, str(whole / "recipe.yaml"), str(run.root)]
        process = subprocess.Popen([*command, str(int(i > 0))])
        if job is None:
            assert process.wait() == 0
            break
        kill_in(job, process, run)
        assert not run.is_done(job)
        assert all(run.is_done(done) for done in JOBS[:i])
        # What a kill leaves in the middle of a checkpoint: newest, and not to be loaded.
        half = run.checkpoints(job) / f"checkpoint-{STEPS - 1}"
        half.mkdir(exist_ok=True)
        (half / "complete").unlink(missing_ok=True)
        (half / "adapter_model.safetensors").write_bytes(b"half")
    assert adapters(run.root) == adapters(whole)
    for job in JOBS:
        told = [json.loads(line) for line in run.metrics(job).read_text().splitlines()]
        expected = [json.loads(x) for x in (whole / job / "metrics.jsonl").read_text().splitlines()]
        assert [r["step"] for r in told] == list(range(1, STEPS + 1))
        assert [r["loss"] for r in told] == [r["loss"] for r in expected]
        assert not run.checkpoints(job).exists()


def test_a_run_folder_holds_what_it_should(whole: Path) -> None:
    assert "torch" in json.loads((whole / "versions.json").read_text())
    chart = (whole / "loss.svg").read_text()
    assert chart.startswith("<svg") and chart.count("<polyline") == len(JOBS)
    weights = adapters(whole)
    assert len(set(weights.values())) == len(JOBS)  # the roles went on from global, each its way
    losses = [json.loads(x)["loss"] for x in (whole / "global/metrics.jsonl").open()]
    assert losses[-1] < losses[0]


def test_resuming_a_finished_run_does_nothing(whole: Path) -> None:
    before = adapters(whole)
    train(None, whole, resume=True, reporter=Silent())
    assert adapters(whole) == before


def test_a_folder_in_use_or_of_another_recipe_is_refused(
    whole: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds a run already"):
        train(tiny_recipe(STEPS), whole, reporter=Silent())
    with pytest.raises(UserError, match=r"another recipe \(seed differs\)"):
        train(tiny_recipe(STEPS, checkpoint_every=EVERY, seed=5), whole, resume=True)
    with pytest.raises(UserError, match="no run to resume"):
        train(None, tmp_path, resume=True)
