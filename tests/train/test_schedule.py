"""The learning rate over a job's steps: no step is wasted at rate zero."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kept import rates

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.job import rate_at
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

RATE = 1e-2


def global_only(steps: int, **stage: float) -> dict[str, object]:
    return {
        "global": {"learning_rate": RATE, "batch": 1, "max_steps": steps, **stage},
        "local": "none",
    }


def test_the_warm_up_rises_from_above_zero_to_the_full_rate() -> None:
    shape = [rate_at(step, warmup=3, steps=30) for step in range(30)]
    assert shape[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert all(rate > 0 for rate in shape)
    assert shape[3:] == sorted(shape[3:], reverse=True)
    # After the warm-up it is the cosine that transformers computes.
    assert shape[3 + 9] == pytest.approx(0.75)
    assert [rate_at(step, warmup=0, steps=2) for step in (0, 1)] == pytest.approx([1.0, 0.5])


def test_a_job_of_four_steps_trains_in_each_of_them(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    train(tiny_recipe(stages=global_only(4)), tmp_path / "run", reporter=Silent())
    assert rates(tmp_path / "run") == pytest.approx([RATE * f for f in (0.5, 1.0, 0.75, 0.25)])


def test_a_job_of_one_step_trains_at_the_full_rate(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    train(tiny_recipe(stages=global_only(1)), tmp_path / "run", reporter=Silent())
    assert rates(tmp_path / "run") == [RATE]
    adapter = load_file(RunDir(tmp_path / "run").adapter("global") / "adapter_model.safetensors")
    moved = [weight.abs().max().item() for name, weight in adapter.items() if "lora_B" in name]
    assert min(moved) == pytest.approx(RATE, rel=1e-3)  # AdamW's first step is its rate


def test_an_adapter_that_did_not_change_is_an_error(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """At such a rate a float32 weight stays what it was."""
    tiny_rate = {"learning_rate": 1e-30, "batch": 1, "max_steps": 2}
    stages = {**global_only(1), "local": tiny_rate}
    run = RunDir(tmp_path / "run")
    line = r"planner: the adapter is the same after 2 steps as before.*learning rate, 1e-30"
    with pytest.raises(UserError, match=line) as err:
        train(tiny_recipe(stages=stages), run.root, reporter=Silent())
    assert "\n" not in str(err.value)
    assert run.is_done("global") and not run.is_done("planner")
