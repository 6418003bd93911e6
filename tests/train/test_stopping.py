"""Stop requests and NaN losses: a checkpoint is saved first, and the reason is one line."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies import study

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train import job
from umi_lite.train.collate import weighted_loss
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

STEPS = 40
# In this process, and in the one that `train_in_child` makes.
DIRECT = """
import sys
from pathlib import Path
from typing import Any
from umi_lite.recipe.schema import load_recipe
from umi_lite.train.trainer import train
from umi_lite.train.progress import Silent
train(load_recipe(sys.argv[1]), Path(sys.argv[2]), reporter=Silent())
"""
CHILD = """
import sys
from pathlib import Path
from typing import Any
from umi_lite.recipe.schema import load_recipe
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train_in_child
RunDir(Path(sys.argv[2])).create(load_recipe(sys.argv[1]))
train_in_child(Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("script", "number"),
    [
        pytest.param(DIRECT, signal.SIGINT, id="direct", marks=study),
        pytest.param(CHILD, signal.SIGTERM, id="child"),
    ],
)
def test_a_signal_saves_first_and_training_goes_on_from_there(
    script: str, number: int, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = tiny_recipe(STEPS, checkpoint_every=1000)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    run = RunDir(tmp_path / "run")
    command = [sys.executable, "-c", script, tmp_path / "recipe.yaml", run.root]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 240
    while not run.metrics("global").is_file() or not run.metrics("global").read_text():
        assert time.monotonic() < deadline and process.poll() is None, "it never trained"
        time.sleep(0.005)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0, stderr
    assert "stopping after this step" in stderr
    checkpoint = run.last_checkpoint("global")
    assert checkpoint is not None
    reached = int(checkpoint.name.split("-")[1])
    assert 0 < reached < STEPS
    assert run.metrics("global").read_text().count("\n") == reached


def test_a_loss_that_is_no_number_names_step_and_rows(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    stage = {"learning_rate": 1e30, "batch": 1, "max_steps": 6, "warmup_ratio": 0.0}
    recipe = tiny_recipe(stages={"global": stage, "local": "none"}, checkpoint_every=1)
    with pytest.raises(
        UserError, match=r"global: the loss is nan at step \d+ \(rows toolworld-train.*lower"
    ):
        train(recipe, tmp_path / "run", reporter=Silent())
    assert not RunDir(tmp_path / "run").is_done("global")


def test_gradients_that_are_no_numbers_stop_it_too(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite, the root's derivative at 0 is not."""

    def broken(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        nothing = (outputs.logits.sum() * 0).sqrt()
        return weighted_loss(outputs, labels, num_items_in_batch) + nothing

    monkeypatch.setattr(job, "weighted_loss", broken)
    line = r"global: the gradient's norm is nan at step 1 \(rows toolworld-train[^)]+\); lower"
    with pytest.raises(UserError, match=line):
        train(tiny_recipe(checkpoint_every=1), tmp_path / "run", reporter=Silent())
    assert RunDir(tmp_path / "run").last_checkpoint("global") is None
