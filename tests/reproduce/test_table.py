"""A table names its runs, each with a recipe that was checked."""

from pathlib import Path

import pytest

from umi_lite.errors import UserError
from umi_lite.recipe.library import recipe_folder
from umi_lite.recipe.schema import Recipe
from umi_lite.reproduce.report import TABLE_1
from umi_lite.reproduce.runs import job_keys
from umi_lite.reproduce.table import Planned, load_table, planned_runs

VARIANTS = {"glpft", "glpft-no-reuse", "one-stage", "multi-task", "single"}
TABLES = sorted(path.stem for path in (recipe_folder() / "tables").glob("*.yaml"))
SMALL = """
name: small
recipe: toolworld/smollm2-135m
override: {data: [{source: toolworld, split: train, n: 80}]}
variants: {glpft: {}, single: {stages: {global: {max_steps: 7}}}}
seeds: [0, 3]
scaling: {variants: [glpft], shares: [0.25]}
capacity: {variants: [single], ranks: [2, 64]}
"""


def _runs(tmp_path: Path, text: str) -> dict[str, Planned]:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    return {run.name: run for run in planned_runs(load_table(path))}


@pytest.mark.parametrize("name", TABLES)
def test_every_shipped_table_compares_its_variants(name: str) -> None:
    """The five of the paper (role-adapters: two), and both kinds of role adapters."""
    table = load_table(name)
    both = {"role-adapters": {"glpft", "activated", "single"}, "study": {*VARIANTS, "activated"}}
    wanted = both.get(name, VARIANTS)
    assert set(table.variants) == wanted
    assert {run.variant for run in planned_runs(table)} == wanted
    assert table.paper is None or table.paper in TABLE_1
    head = (recipe_folder() / "tables" / f"{name}.yaml").read_text()
    assert all(word in head for word in ("# Launch:", "# Needs:", "# Expect:"))


def test_runs_are_variants_by_seeds_shares_and_ranks(tmp_path: Path) -> None:
    runs = _runs(tmp_path, SMALL)
    names = ["glpft-seed0", "single-seed0", "glpft-seed0-0.25"]
    names += ["single-seed0-r2", "single-seed0-r64"]
    assert list(runs) == [*names, *(name.replace("seed0", "seed3") for name in names)]
    assert runs["glpft-seed3"].recipe.seed == 3
    whole, part = runs["glpft-seed0"].recipe, runs["glpft-seed0-0.25"].recipe
    assert (whole.data[0].n, part.data[0].n) == (80, 20)
    steps = [r.stages.global_.max_steps for r in (whole, part) if r.stages.global_]
    assert steps == [120, 30]
    planner = [r.stages.local.of("planner").max_steps for r in (whole, part) if r.stages.local]
    assert planner == [8, 2]
    assert [run.name for run in runs.values() if run.is_main and run.seed == 0] == names[:2]
    loras = {rank: runs[f"single-seed3-r{rank}"].recipe.lora for rank in (2, 64)}
    assert {rank: (lora.r, lora.alpha) for rank, lora in loras.items()} == {
        **{2: (2, 4), 64: (64, 128)}
    }
    rest = runs["single-seed3-r2"].recipe.model_dump(exclude={"lora"})
    assert rest == runs["single-seed3"].recipe.model_dump(exclude={"lora"})


def test_a_job_is_the_same_where_all_that_it_depends_on_is(tmp_path: Path) -> None:
    runs = _runs(tmp_path, SMALL.replace("{stages: {global: {max_steps: 7}}}", "{}"))
    keys = {name: job_keys(run.recipe) for name, run in runs.items()}
    assert keys["glpft-seed0"]["global"] == keys["single-seed0"]["global"]
    assert keys["glpft-seed0"]["global"] != keys["glpft-seed3"]["global"]
    assert keys["glpft-seed0"]["global"] != keys["glpft-seed0-0.25"]["global"]
    assert len(set(keys["glpft-seed0"].values())) == 4
    other = job_keys(_runs(tmp_path, SMALL)["single-seed0"].recipe)
    assert other["global"] != keys["single-seed0"]["global"]


@pytest.mark.parametrize("first", [{}, "none"], ids=["after global", "over the base"])
def test_continued_and_activated_roles_are_different_jobs(first: object) -> None:
    data = [{"source": "toolworld"}]
    made = {
        way: job_keys(
            Recipe.model_validate(
                {"name": "r", "data": data, "stages": {"global": first, "local": {"adapters": way}}}
            )
        )
        for way in ("activated", "continued")
    }
    for job in made["continued"]:
        assert (made["activated"][job] == made["continued"][job]) == (job == "global")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (SMALL.replace("name: small", 'name: ".."'), "name: "),
        (SMALL.replace("[0, 3]", "[0, yes]"), "seeds.1: a number is expected"),
        (SMALL.replace("[0, 3]", "[99999999999]"), "seeds.0: "),
        (SMALL.replace("single", "sinlge"), "did you mean single"),
        (SMALL.replace("seeds", "seed"), "did you mean seeds"),
        (SMALL.replace("[glpft]", "[one-stage]"), "scaling.variants: not in this table: one-stage"),
        (SMALL.replace("[single]", "[many]"), "capacity.variants: not in this table: many"),
        (SMALL.replace("[2, 64]", "[0]"), "capacity.ranks.0"),
        (SMALL.replace("n: 80", "seed: 1"), "scaling needs `n`"),
        (SMALL.replace("max_steps: 7", "max_step: 7"), "small: single: .*max_step"),
        (SMALL.replace("0.25", "1.5"), "scaling.shares"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(UserError, match=word) as told:
        _runs(tmp_path, text)
    assert "\n" not in str(told.value)
