"""Whole runs with activated adapters: evaluated, killed and resumed, quantised, out of memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kept import Notes, losses
from test_activated import defined
from test_out_of_memory import card_of
from test_resume import MEASURED, STEPS, Server, kill_in_every_job, same_runs, server, write_recipe

from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.plan import describe
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.trainer import train

__all__ = ["server"]  # a fixture


def activated(recipe: Callable[..., Recipe], steps: int = 4, **changes: Any) -> Recipe:
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": steps, "epochs": 2}
    stages = {"global": stage, "local": {**stage, "adapters": "activated"}}
    return recipe(stages=stages | changes.pop("stages", {}), **changes)


def test_killed_at_a_random_step_of_every_job_nothing_differs(
    tiny_recipe: Callable[..., Recipe], server: Server, tmp_path: Path
) -> None:
    stage = {"learning_rate": 3e-3, "batch": 2, "max_steps": STEPS, "epochs": 30}
    local = {**stage, "adapters": "activated", "summarizer": {"epochs": 30}}
    recipe = tiny_recipe(
        stages={"global": stage, "local": local},
        checkpoint_every=4,
        lora={"dropout": 0.2},
        validation={"share": 0.2, "every": MEASURED},
    )
    path = write_recipe(recipe, tmp_path)
    assert server(path, tmp_path / "whole", "none", 0, 0) == 0
    kill_in_every_job(server, path, tmp_path / "run", 1)
    same_runs(tmp_path / "run", tmp_path / "whole")


@pytest.fixture(scope="module")
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def run(
    tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory, notes: Notes
) -> RunDir:
    made = RunDir(tmp_path_factory.mktemp("activated") / "run")
    recipe = activated(tiny_recipe, validation={"share": 0.3, "every": 2, "keep": "last"})
    train(recipe, made.root, reporter=notes)
    return made


def upper(recipe: Callable[..., Recipe], steps: int = 4, **changes: Any) -> Recipe:
    """Roles adapt the second of two layers, the global adapter both."""
    made = activated(recipe, steps, **changes)
    local = made.stages.local.model_copy(update={"last_layers": 1})
    return made.model_copy(update={"stages": made.stages.model_copy(update={"local": local})})


@pytest.fixture(scope="module")
def upper_run(
    tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory
) -> RunDir:
    made = RunDir(tmp_path_factory.mktemp("upper") / "run")
    held = {"share": 0.3, "every": 2, "keep": "last"}
    train(upper(tiny_recipe, validation=held), made.root, reporter=Silent())
    return made


def layers_of(adapter: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        return {name.split(".layers.")[1].split(".")[0] for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("job", ["planner", "summarizer"])
def test_an_adapter_of_the_last_layers_has_the_loss_that_was_measured(
    job: str, upper_run: RunDir
) -> None:
    assert layers_of(upper_run.adapter("global")) == {"0", "1"}
    assert layers_of(upper_run.adapter(job)) == {"1"}
    found = evaluated(upper_run, job)
    assert found[-1] < found[0]
    assert loss_again(upper_run, job) == pytest.approx(found[-1], rel=1e-4)


@pytest.mark.parametrize("changes", [{"quantization": "4bit"}, {"precision": "bf16"}])
def test_the_last_layers_train_over_a_frozen_adapter_too(
    changes: dict[str, Any], tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    made = RunDir(tmp_path / "run")
    train(upper(tiny_recipe, **changes), made.root, reporter=Silent())
    assert layers_of(made.adapter("caller")) == {"1"}
    assert all(loss > 0 for loss in losses(made.root, "caller"))


def test_last_layers_are_those_of_activated_adapters_over_a_global_one(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    for local, stages, why in (
        ({"adapters": "continued"}, {}, "continued adapters have the global one's layers"),
        ({"adapters": "activated"}, {"global": "none"}, "needs a global stage"),
    ):
        with pytest.raises(ValueError, match=why):
            tiny_recipe(stages={"local": local | {"last_layers": 1}} | stages)
    assert "and its last 1 layers" in "\n".join(describe(upper(tiny_recipe)))


def loss_again(run: RunDir, job: str) -> float:
    """The evaluation loss by definition: the saved adapter over the base merged with global."""
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM

    from umi_lite.train.evaluation import held_out_rows, hold_out
    from umi_lite.train.inputs import base_language, load_readable
    from umi_lite.train.plan import plan

    recipe = run.resume(None)
    assert recipe.base.model
    language = base_language(recipe, recipe.base.model)
    _, apart = hold_out(recipe, load_readable(recipe, language).trajectories)
    (mine,) = (j for j in plan(recipe) if j.name == job)
    rows = held_out_rows(recipe, mine, apart, language).rows
    base = AutoModelForCausalLM.from_pretrained(recipe.base.model)
    if mine.under:
        base = PeftModel.from_pretrained(base, str(run.adapter(mine.under))).merge_and_unload()
    config: Any = PeftConfig.from_pretrained(str(run.adapter(job)))
    config.alora_invocation_tokens = None  # `defined` itself turns the adapter on and off
    path = str(run.adapter(job))
    model = PeftModel.from_pretrained(base, path, is_trainable=True, config=config)
    total, _ = defined(model, rows)
    return total / sum(row.trained for row in rows)


def evaluated(run: RunDir, job: str) -> list[float]:
    return [json.loads(x)["eval_loss"] for x in run.validation(job).read_text().splitlines()]


@pytest.mark.parametrize("job", ["planner", "caller", "summarizer"])
def test_a_saved_adapter_over_the_global_one_has_the_loss_that_was_measured(
    job: str, run: RunDir
) -> None:
    found = evaluated(run, job)
    assert len(found) == 3 and found[-1] < found[0]
    assert loss_again(run, job) == pytest.approx(found[-1], rel=1e-4)


def test_the_plan_and_the_run_say_what_happens(run: RunDir, notes: Notes) -> None:
    (line,) = (text for text in notes.said if text.startswith("caller: the adapter acts in its"))
    assert "over global" in line and "read without gradients" in line
    assert "a new adapter over global, active in its own turns" in "\n".join(
        describe(run.resume(None))
    )


def test_without_a_global_stage_they_are_over_the_base(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    made = RunDir(tmp_path / "run")
    held = {"share": 0.3, "every": 2, "keep": "last"}
    train(
        activated(tiny_recipe, 2, stages={"global": "none"}, validation=held),
        made.root,
        reporter=Silent(),
    )
    assert loss_again(made, "planner") == pytest.approx(evaluated(made, "planner")[-1], rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"quantization": "4bit"},
        {"gradient_checkpointing": True},
        {"packing": "none", "micro_batch": 1},
        {"precision": "bf16"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_settings_train_too(
    changes: dict[str, Any], run: RunDir, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    made = RunDir(tmp_path / "run")
    train(activated(tiny_recipe, **changes), made.root, reporter=Silent())
    for job in JOBS:
        files = [of.adapter(job) / "adapter_config.json" for of in (made, run)]
        one, other = (json.loads(f.read_text())["alora_invocation_tokens"] for f in files)
        assert one == other and (job != "global" or one is None)
        assert {p.name for p in made.adapter(job).iterdir()} == {
            p.name for p in run.adapter(job).iterdir()
        }
    if "gradient_checkpointing" in changes:
        plain = tmp_path / "plain"
        train(activated(tiny_recipe), plain, reporter=Silent())
        assert losses(made.root, "planner") == pytest.approx(losses(plain, "planner"), rel=1e-5)


def test_contexts_are_cut_until_they_fit(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """Room for one context at a time, not for a pack of them: the losses stay the same."""
    data = [{"source": "toolworld", "split": "train", "n": 48}]
    recipe = activated(tiny_recipe, 4, stages={"global": "none"}, packed_length=600, data=data)
    train(recipe, tmp_path / "whole", reporter=Silent())
    notes = Notes()
    with card_of(395):  # the longest row has 382 tokens, the largest pack 463
        train(recipe, tmp_path / "cut", reporter=notes)
    assert int((tmp_path / "cut/micro_batch_splits").read_text()) > 1
    assert any("half as many rows" in text for text in notes.said)
    for job in JOBS[1:]:
        expected = losses(tmp_path / "whole", job)
        assert losses(tmp_path / "cut", job) == pytest.approx(expected, rel=1e-4)


def test_prompts_of_the_paper_share_no_transcript(tiny_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(ValueError, match=r"style: paper has a prompt per role.*adapters: cont"):
        activated(tiny_recipe, style="paper")
