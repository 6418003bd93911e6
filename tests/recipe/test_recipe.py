"""Recipes: what is refused, how overrides apply, and that the shipped ones hold."""

from pathlib import Path

import pytest
import yaml

from umi_lite.errors import UserError
from umi_lite.recipe.library import part_names, recipe_folder, recipe_names, template_text
from umi_lite.recipe.schema import Recipe, load_recipe
from umi_lite.train.plan import describe, plan

SMALL = "name: small\ndata: [{source: toolworld, n: 5}]\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def refusal(path: Path | str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_recipe(path, list(overrides))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_all_errors_are_told_at_once_with_did_you_mean(small: Path) -> None:
    small.write_text(
        "name: small\n"
        "data: [{source: toolworld, splitt: train}]\n"
        "stages: {global: {learning_rat: 1}, local: {planer: {}, caller: {epoch: 2}}}\n"
        "seed: often\n"
    )
    message = refusal(small)
    assert "data.0.splitt: unknown key (did you mean split?)" in message
    assert "stages.global.learning_rat: unknown key (did you mean learning_rate?)" in message
    assert "stages.local.planer: unknown key (did you mean planner?)" in message
    assert "stages.local.caller.epoch: unknown key (did you mean epochs?)" in message
    assert "seed: " in message and "'often'" in message
    assert message.count(";") == 4  # these five and nothing that follows from them


def test_an_override_is_checked_as_the_file_is(small: Path) -> None:
    recipe = load_recipe(small, ["stages.global.learning_rate=1e-4", "data.0.n=7", "seed=3"])
    assert recipe.stages.global_.learning_rate == 1e-4
    assert recipe.data[0].n == 7 and recipe.seed == 3
    assert "did you mean learning_rate?" in refusal(small, "stages.global.learning_rte=1")
    assert "greater than 0" in refusal(small, "stages.global.learning_rate=-1")
    assert "write key=value" in refusal(small, "seed")
    assert "not an index of a list of 1" in refusal(small, "data.1.n=3")
    assert "no keys below" in refusal(small, "name.first=x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\nname: y\n", "key 'name' appears twice in the block at line 1"),
        ("- a\n", "a recipe is a mapping"),
        ("name: [\n", "not valid YAML"),
        ("name: x\n", "data: missing"),
        ("name: a b\ndata: [{source: toolworld}]\n", "name: "),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(small: Path, text: str, told: str) -> None:
    small.write_text(text)
    assert told in refusal(small)


def test_an_unknown_name_gets_a_hint() -> None:
    assert "did you mean toolworld/smollm2-135m?" in refusal("toolworld/smolm2-135m")


def test_the_resolved_recipe_reads_back_the_same(small: Path, tmp_path: Path) -> None:
    recipe = load_recipe(small)
    again = tmp_path / "again.yaml"
    again.write_text(recipe.to_yaml())
    assert load_recipe(again) == recipe


def test_a_recipe_without_a_base_takes_the_embedded_one(small: Path) -> None:
    assert load_recipe(small).base.gguf == "embedded"
    assert load_recipe(small, ["base.model=some/model"]).base.gguf is None


def test_the_plan_is_global_then_three_copies_of_it(small: Path) -> None:
    recipe = load_recipe(
        small, ["stages.local.learning_rate=3e-4", "stages.local.caller.learning_rate=5e-4"]
    )
    jobs = plan(recipe)
    assert [(job.name, job.views, job.start) for job in jobs] == [
        ("global", ("backbone",), None),
        ("planner", ("planner",), "global"),
        ("caller", ("caller",), "global"),
        ("summarizer", ("summarizer",), "global"),
    ]
    assert [job.settings.learning_rate for job in jobs] == [2e-4, 3e-4, 5e-4, 3e-4]
    assert [job.settings.epochs for job in jobs] == [2, 1, 1, 2]
    assert len({job.seed for job in jobs}) == 4
    told = "\n".join(describe(recipe))
    assert "job 3 caller: a copy of global, rate 0.0005" in told


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name.replace("/", "-")
    if recipe.base.template:
        assert "add_generation_prompt" in template_text(recipe.base.template)


def _files(*kinds: str) -> list[Path]:
    return sorted(path for kind in kinds for path in (recipe_folder() / kind).glob("*.yaml"))


@pytest.mark.parametrize("path", _files("toolworld", "gsm8k", "models"), ids=lambda path: path.stem)
def test_a_recipe_says_how_to_launch_it_and_what_it_needs(path: Path) -> None:
    head = path.read_text().split("\nbase:")[0]
    words = ("# Launch:", "# Needs:", "# Rates:", "# Expect:")
    assert all(word in head for word in words[: None if path.parent.name == "models" else 2]), head
    assert "estimated" in head or "measured" in head or path.parent.name != "models"
    # The difference from the defaults: a file names nothing that none would change.
    assert len(yaml.safe_load(path.read_text())) < len(Recipe.model_fields)
    assert path.stem in (recipe_folder() / "README.md").read_text()


@pytest.mark.parametrize("path", _files("tasks"), ids=lambda path: path.stem)
def test_a_task_says_where_its_data_is_and_how_it_is_measured(path: Path) -> None:
    head = path.read_text().split("\ndata:")[0]
    assert all(word in head for word in ("# Source:", "# Measure:"))
    assert path.stem in (recipe_folder() / "README.md").read_text()


def test_every_task_is_there_for_every_model() -> None:
    tasks = {"toolworld", "wild", "gsm8k", "math", "toolbench", "toolalpaca"}
    assert set(part_names("tasks")) == tasks
    assert {f"{task}/{model}" for task in tasks for model in part_names("models")} <= set(
        recipe_names()
    )
    assert {"smollm2-135m", "qwen2.5-7b", "qwen3-0.6b", "llama-3.1-8b"} <= set(part_names("models"))


def test_a_model_is_laid_over_a_task() -> None:
    recipe = load_recipe("gsm8k/qwen3-4b")
    assert (recipe.base.model, recipe.quantization) == ("Qwen/Qwen3-4B", "4bit")
    assert (recipe.data[0].source, recipe.max_length) == ("gsm8k", 1024)


def test_a_name_that_is_none_is_told_with_tasks_and_models() -> None:
    with pytest.raises(UserError, match="did you mean gsm8k/qwen3-4b"):
        load_recipe("gsm8k/qwen3-4")


def test_a_merged_mapping_gives_what_the_block_does_not_say(small: Path) -> None:
    stages = "stages:\n  global: &common {learning_rate: 1.0e-3, batch: 2}\n"
    small.write_text(f"{SMALL}{stages}  local:\n    <<: *common\n    learning_rate: 2.0e-4\n")
    local = load_recipe(small).stages.local
    assert local and (local.learning_rate, local.batch) == (2e-4, 2)
    small.write_text(f"{SMALL}{stages}  local: {{<<: *common, batch: 4, batch: 8}}\n")
    assert "key 'batch' appears twice" in refusal(small)
    small.write_text(f"{SMALL}{stages}  local: {{<<: *common, <<: *common}}\n")
    assert "key '<<' appears twice" in refusal(small)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("seed: no", "seed"),
        ("stages: {global: {learning_rate: yes}}", "stages.global.learning_rate"),
        ("stages: {global: {batch: true}}", "stages.global.batch"),
        ("stages: {local: {caller: {epochs: on}}}", "stages.local.caller.epochs"),
        ("stages: {local: {weight_decay: off}}", "stages.local.weight_decay"),
        ("stages: {global: {epochs: .inf}}", "stages.global.epochs"),
        ("stages: {global: {epochs: 1.0e+300}}", "stages.global.epochs"),
        ("stages: {global: {learning_rate: .nan}}", "stages.global.learning_rate"),
        ("stages: {global: {weight_decay: .inf}}", "stages.global.weight_decay"),
        ("lora: {alpha: yes}", "lora.alpha"),
        ("lora: {dropout: no}", "lora.dropout"),
        ("validation: {share: no}", "validation.share"),
        ("decision_weight: .inf", "decision_weight"),
        ("max_length: true", "max_length"),
        ("eval: {data: [{source: toolworld, n: yes, seed: no}]}", "eval.data.0.seed"),
        ("seed: 99999999999", "seed"),
        ("seed: -1", "seed"),
        ("stages: {local: }", "stages.local"),
        ("stages: {global: }", "stages.global"),
    ],
)
def test_what_is_not_a_number_there_is_refused_by_its_key(small: Path, line: str, key: str) -> None:
    small.write_text(f"{SMALL}{line}\n")
    message = refusal(small)
    assert f"{key}: " in message, message


def test_an_empty_stage_is_refused_with_what_would_be_right(small: Path) -> None:
    small.write_text(f"{SMALL}stages:\n  local:\n    # learning_rate: 2.0e-4\n")
    assert "{} for the defaults, or none to leave it out" in refusal(small)
    small.write_text(f"{SMALL}stages: {{local: {{}}}}\n")
    assert load_recipe(small).stages.local is not None


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "-o", "a/b"])
def test_a_name_that_would_be_another_folder_is_refused(small: Path, name: str) -> None:
    assert "name: " in refusal(small, f"name='{name}'")


def test_a_tilde_is_the_home_folder_wherever_a_path_is_taken(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    taken = ["base.model", "base.gguf", "base.template", "data.0.path", "data.0.exclude"]
    taken += ["data.0.hub", "eval.static"]
    recipe = load_recipe("~/small.yaml", [f"{key}=~/x" for key in taken])
    base, data = recipe.base, recipe.data[0]
    found = [base.model, base.gguf, base.template, data.path, data.exclude, data.hub]
    assert [*found, recipe.eval.static] == [str(tmp_path / "x")] * len(taken)
    (tmp_path / "v.yaml").write_text("stages: {local: none}\n")
    assert load_recipe("~/small.yaml", variant="~/v.yaml").stages.local is None


def test_a_template_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jinja"
    path.write_bytes("é".encode("latin1"))
    with pytest.raises(UserError, match=r"base.template: .*x.jinja cannot be read"):
        template_text(str(path))
