"""`umi train --fit`: the recipe shrinks until its estimate fits, and a step stays as large."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.dry_run import fitted, show
from umi_lite.train.budget.fit import fit
from umi_lite.train.budget.forecast import Forecast, disk_line, fit_to, forecast, memory_line
from umi_lite.train.budget.memory import GIB, Setting
from umi_lite.train.budget.shape import Shape
from umi_lite.train.plan import plan

BIG = Shape(28, 3584, 18944, 28, 4, 128, 152064, tied=False)
ON_GPU = Setting("cuda", "plain", "bf16", "adamw_8bit")
STAGES = {
    "global": {"batch": 4, "max_steps": 3},
    "local": {"batch": 2, "max_steps": 2, "caller": {"batch": 6}},
}


@pytest.fixture(scope="module")
def told(tiny_recipe: Callable[..., Recipe]) -> Forecast:
    return forecast(tiny_recipe(stages=STAGES, packed_length=1536, quantization="4bit"))


def tried(told: Forecast, gib: float, setting: Setting = ON_GPU) -> tuple[Recipe, str]:
    """The tiny base's rows as if they went through a 7B."""
    made = fit(told.recipe, BIG, setting, told.ready, gib * GIB)
    assert made.estimate.total <= gib * GIB
    return made.recipe, made.line


def test_what_fits_is_not_changed(told: Forecast) -> None:
    recipe, line = tried(told, 100)
    assert recipe == told.recipe
    assert "nothing changed" in line


def test_packs_shrink_and_batches_grow(told: Forecast) -> None:
    whole = fit(told.recipe, BIG, ON_GPU, told.ready, 100 * GIB).estimate.total / GIB
    recipe, line = tried(told, 0.8 * whole)
    times = told.recipe.packed_length // recipe.packed_length
    assert times > 1 and not recipe.gradient_checkpointing
    before = [job.settings.batch for job in plan(told.recipe)]
    assert [job.settings.batch for job in plan(recipe)] == [times * batch for batch in before]
    assert f"packed_length 1536 -> {recipe.packed_length}" in line
    assert f"batch 2 -> {2 * times}" in line and f"6 -> {6 * times}" in line
    assert "\n" not in line


def test_checkpointing_comes_before_shorter_rows(told: Forecast) -> None:
    recipe, line = tried(told, 7)
    assert recipe.gradient_checkpointing and recipe.max_length == told.recipe.max_length
    assert "gradient_checkpointing false -> true" in line


def test_nothing_that_fits_is_one_line_with_the_smallest(told: Forecast) -> None:
    with pytest.raises(UserError, match=r"nothing fits 1\.00 GiB: the smallest .* takes \d") as err:
        tried(told, 1)
    assert "\n" not in str(err.value)


def test_rows_that_are_not_packed_go_fewer_at_once(tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = tiny_recipe(stages=STAGES, packing="none", micro_batch=2, quantization="4bit")
    told = forecast(recipe)
    cpu = Setting("cpu", "plain", "fp32", "adamw")
    two = fit(recipe, BIG, cpu, told.ready, 1000 * GIB).estimate.total / GIB
    smaller, line = tried(told, two - 0.1, cpu)
    assert smaller.micro_batch == 1 and "micro_batch 2 -> 1" in line
    assert [j.settings.batch for j in plan(smaller)] == [j.settings.batch for j in plan(recipe)]
    larger, _ = tried(told, 1000, Setting("cuda", "unsloth", "bf16", "adamw_8bit"))
    assert larger.micro_batch == 2  # of 4, 2 and 6


def test_the_real_machine_is_asked(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = tiny_recipe()
    made = fit_to(recipe, "free")
    assert made.recipe.name == recipe.name
    with pytest.raises(UserError, match="takes GiB or the word free, not 'lots'"):
        fit_to(recipe, "lots")
    with pytest.raises(UserError, match="nothing fits"):
        fit_to(recipe, "0.01")
    said: list[str] = []
    assert fitted(recipe, "64", said.append) == recipe and len(said) == 1
    now = forecast(recipe)
    assert memory_line(now).mark == "✓" and "estimated" in memory_line(now).found
    assert disk_line(recipe, now.shape, tmp_path / "not" / "yet").mark == "✓"


def test_a_dry_run_tells_rows_and_memory_and_writes_nothing(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    said: list[str] = []
    assert show(tiny_recipe(2), tmp_path / "run", said.append)
    assert any(line.startswith("global: 16 rows, ") and "2 steps" in line for line in said)
    assert [line[0] for line in said[-2:]] == ["✓", "✓"]
    assert "estimated of RAM" in said[-2] or "estimated of the GPU" in said[-2]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_without_its_base_prints_the_plan_still(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    said: list[str] = []
    assert not show(tiny_recipe(2, base={"model": str(tmp_path)}), tmp_path / "run", said.append)
    assert said[0].startswith("recipe tiny")
    assert said[-1].startswith("✗ cannot estimate rows, steps, memory or disk: ")


def test_a_dry_run_with_a_cross_ends_with_status_2(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(tiny_recipe(2).to_yaml())
    dry = ["train", str(path), "--dry-run", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, dry)
    assert (done.exit_code, done.output.count("✗")) == (0, 0), done.output
    gone = CliRunner().invoke(app, [*dry, "-o", f"base.model={tmp_path}"])
    assert (gone.exit_code, gone.output.count("✗")) == (2, 1), gone.output
    monkeypatch.setattr("umi_lite.train.budget.forecast.free_memory", lambda setting: 1)
    full = CliRunner().invoke(app, dry)
    assert (full.exit_code, full.output.count("✗")) == (2, 1), full.output
