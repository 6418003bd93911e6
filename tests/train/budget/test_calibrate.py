"""`umi train --calibrate`: real steps for some seconds, and nothing of them is left."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import study

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.dry_run import _measured, calibrate, calibration_line
from umi_lite.train.budget.forecast import forecast


def test_some_seconds_of_steps_tell_the_speed(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    stage = {"learning_rate": 1e-3, "batch": 1, "epochs": 500}
    recipe = tiny_recipe(stages={"global": stage, "local": stage})
    told = forecast(recipe)
    line = calibration_line(told, seconds=2)
    assert line.mark == "✓"
    match = re.match(r"(\d+) tokens/s in (\d+) steps \((\d+) s\): (\d+) tokens take", line.found)
    assert match, line.found
    speed, steps, seconds, tokens = map(int, match.groups())
    assert speed > 0 and 1 < steps < len(told.ready[0].sizes) and 2 <= seconds < 60
    assert tokens == told.tokens
    assert not list(tmp_path.glob("umi-calibrate-*"))


def test_a_first_job_that_is_shorter_than_that_is_measured_whole(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    told = forecast(tiny_recipe(1))
    line = calibration_line(told, seconds=30)
    assert line.mark == "✓" and re.match(r"\d+ tokens/s in 1 steps", line.found), line.found


def test_a_first_step_that_compiles_does_not_count() -> None:
    """The seconds are those of Unsloth with a 7B on an H100 (benchmarks/gpu)."""
    records = [
        {"seconds": second, "tokens": 2046 * (i + 1), "peak_memory": 5}
        for i, second in enumerate((41.57, 41.97, 42.21, 42.44))
    ]
    made = _measured(records)
    assert made.seconds == pytest.approx(0.87)
    assert made.tokens_per_second == pytest.approx(3 * 2046 / 0.87)
    assert _measured(records[:1]).tokens_per_second == pytest.approx(2046 / 41.57)


@study
def test_a_calibration_that_fails_says_why(tiny_recipe: Callable[..., Recipe]) -> None:
    lora = {"targets": ["q_proj"], "last_layers": 3}
    with pytest.raises(UserError, match=r"status 2: .*last_layers is 3"):
        calibrate(tiny_recipe(1, lora=lora), seconds=1)
