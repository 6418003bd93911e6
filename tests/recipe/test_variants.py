"""The paper's variants are recipe data: what each one trains, and who speaks with what."""

import pytest
import yaml

from umi_lite.errors import UserError
from umi_lite.recipe.library import recipe_names
from umi_lite.recipe.schema import Recipe, load_recipe
from umi_lite.train.plan import job_data, plan

ROLES = ("planner", "caller", "summarizer")
RECIPE = "toolworld/smollm2-135m"
# Per variant: each job with what it goes on from, and the job that speaks for each view.
WANTED = {
    "glpft": (
        {"global": None, **dict.fromkeys(ROLES, "global")},
        {"backbone": "global", **{role: role for role in ROLES}},
    ),
    "one-stage": (dict.fromkeys(ROLES), {role: role for role in ROLES}),
    "multi-task": ({"global": None}, dict.fromkeys(ROLES, "global")),
    "single": ({"global": None}, {"backbone": "global"}),
}
WANTED["glpft-no-reuse"] = WANTED["glpft"]


@pytest.mark.parametrize("variant", WANTED)
def test_a_variant_trains_its_jobs_and_says_who_speaks(variant: str) -> None:
    recipe = load_recipe(RECIPE, variant=variant)
    jobs, speakers = WANTED[variant]
    assert {job.name: job.start for job in plan(recipe)} == jobs
    assert recipe.stages.speakers() == speakers
    assert Recipe.model_validate(yaml.safe_load(recipe.to_yaml())) == recipe


def test_multi_task_trains_on_the_samples_of_all_roles() -> None:
    (job,) = plan(load_recipe(RECIPE, variant="multi-task"))
    assert job.views == ROLES


def test_without_reuse_no_instruction_is_seen_in_both_stages() -> None:
    recipe = load_recipe(RECIPE, variant="glpft-no-reuse")
    data = list(range(11))
    first, *local = (set(job_data(recipe, job, data)) for job in plan(recipe))  # type: ignore[arg-type]
    assert first | local[0] == set(data)
    assert not any(first & part for part in local)


def test_variants_and_tables_are_no_recipes() -> None:
    assert not [name for name in recipe_names() if name.startswith(("variants", "tables"))]


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("stages={global: none, local: none}", "nothing would be trained"),
        ("stages={global: {samples: roles}}", "set local: none"),
        ("stages={local: none, reuse: false}", "reuse"),
        ("stages={local: nothing}", "stages.local"),
    ],
)
def test_what_cannot_be_is_refused(override: str, word: str) -> None:
    with pytest.raises(UserError, match=word):
        load_recipe(RECIPE, [override])


def test_an_unknown_variant_is_told_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"no variant 'onestage' \(did you mean one-stage\?\)"):
        load_recipe(RECIPE, variant="onestage")
