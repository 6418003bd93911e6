"""Curves for TensorBoard: in the run folder, rewritten where a run resumes, refused in one line."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train import callbacks
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import train


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_a_tracker_that_is_not_there_is_refused_before_anything_is_written(
    name: str,
    tiny_recipe: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callbacks.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"{name} is not installed \(pip install {name}\)"):
        train(tiny_recipe(report_to=name), tmp_path / "run", reporter=Silent())
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)
def test_tensorboard_finds_both_losses_in_the_run_folder(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": 4}
    recipe = tiny_recipe(
        stages={"global": stage, "local": "none"},
        validation={"share": 0.2, "every": 2},
        report_to="tensorboard",
    )
    train(recipe, tmp_path / "run", reporter=Silent())
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "global")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("eval/loss")] == [0, 2, 4]
