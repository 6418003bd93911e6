"""Rows that do not fit `max_length`: left out and named, or the run stops before it trains."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from kept import Notes, losses
from rich.console import Console

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.fit import _ready
from umi_lite.train.budget.forecast import forecast
from umi_lite.train.preview import show
from umi_lite.train.trainer import train


@pytest.fixture(scope="module")
def shorter(tiny_recipe: Callable[..., Recipe]) -> tuple[dict[str, object], str]:
    """Stage global alone, with one row over its `max_length`; that row's name."""
    stages = {"global": {"learning_rate": 1e-2, "batch": 1, "epochs": 1}, "local": "none"}
    rows = forecast(tiny_recipe(stages=stages)).ready[0].rows
    second, longest = sorted(rows, key=lambda row: len(row.ids))[-2:]
    assert len(second.ids) < len(longest.ids)
    return {"stages": stages, "max_length": len(second.ids), "packing": "none"}, longest.name


def test_a_row_that_is_too_long_is_left_out_and_the_others_train(
    tiny_recipe: Callable[..., Recipe], shorter: tuple[dict[str, object], str], tmp_path: Path
) -> None:
    changes, name = shorter
    notes = Notes()
    train(tiny_recipe(**changes), tmp_path / "run", reporter=notes)
    (note,) = (note for note in notes.said if "left out" in note)
    assert note.startswith("global: left out: 1 of 16 rows are longer than max_length")
    assert note.endswith(f": {name}") and name.startswith("toolworld-train-0-")
    assert len(losses(tmp_path / "run")) == 15


def test_too_long_stop_ends_the_run_before_it_trains(
    tiny_recipe: Callable[..., Recipe], shorter: tuple[dict[str, object], str], tmp_path: Path
) -> None:
    changes, name = shorter
    with pytest.raises(UserError, match=f"global: 1 of 16 rows .*{name}: raise max_length"):
        train(tiny_recipe(**changes, too_long="stop"), tmp_path / "run", reporter=Notes())
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_what_is_held_out_is_left_out_by_the_same_rule(
    tiny_recipe: Callable[..., Recipe], shorter: tuple[dict[str, object], str]
) -> None:
    changes, name = shorter
    for seed in range(20):  # until the long row is among the held out ones
        notes = Notes()
        recipe = tiny_recipe(**changes, seed=seed, validation={"share": 0.3})
        ready = forecast(recipe, notes).ready[0]
        if any(note.startswith("global: held out, left out: 1 of 5 rows") for note in notes.said):
            break
    held_out = [row.name for rows in ready.held_out for row in rows]
    assert len(held_out) == 4 and name not in held_out


def test_a_fit_leaves_out_at_most_half_and_none_where_the_recipe_stops(
    tiny_recipe: Callable[..., Recipe], shorter: tuple[dict[str, object], str]
) -> None:
    changes, _ = shorter
    made_forecast = forecast(tiny_recipe(**{**changes, "max_length": 2048}))
    rows = {"global": list(made_forecast.ready[0].rows)}
    lengths = sorted(len(row.ids) for row in rows["global"])

    def jobs(length: int, rule: str) -> int | None:
        recipe = tiny_recipe(**{**changes, "max_length": length, "too_long": rule})
        made = _ready(recipe, rows, made_forecast.setting)
        return made and len(made[0].rows)

    assert jobs(lengths[-2], "drop") == 15
    assert jobs(lengths[-2], "stop") is None
    assert jobs(lengths[4], "drop") is None


def test_the_preview_names_each_sample_and_shows_what_is_left_out(
    tiny_recipe: Callable[..., Recipe], shorter: tuple[dict[str, object], str]
) -> None:
    changes, name = shorter
    console = Console(record=True, width=200, file=io.StringIO())
    show(tiny_recipe(**changes), "backbone", 16, console)
    text = console.export_text()
    assert re.search(rf"sample \d+, {name}: 0 trained, 0 masked, \d\d+ left out", text)
    assert text.count(" 0 left out ") == 15
    assert f"1 samples are longer than {changes['max_length']}" in text
