"""Own turns through a model's own cache and mask: those of the definition, with Unsloth too."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import windowed
from kept import losses
from peft_adapters import write_peft
from studies import study
from test_activated import defined, gradients, same
from unsloth_runs import train_in_unsloth

from umi_lite.data import toolworld
from umi_lite.errors import Note, UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train import adapter
from umi_lite.train.attention import register
from umi_lite.train.backends import settle
from umi_lite.train.cached_turns import CachedTurns, own_mask, put_under, take_turns
from umi_lite.train.contexts import Contexts, ContextStore
from umi_lite.train.device import Setting
from umi_lite.train.progress import Silent
from umi_lite.train.run_dir import RunDir
from umi_lite.train.samples import Row, make_rows
from umi_lite.train.tokenizer import load_language
from umi_lite.train.trainer import train
from umi_lite.train.under import merge

SETTING = Setting("cpu", "unsloth", "fp32", "adamw")
needs_unsloth = pytest.mark.skipif(
    importlib.util.find_spec("unsloth") is None, reason="unsloth is not installed"
)


@pytest.fixture(scope="module")
def rows(tiny: Path) -> list[Row]:
    data, language = toolworld.load("train", 4, 0).trajectories, load_language(tiny)
    return make_rows(data, "planner", language, max_length=1024, transcript="backbone").rows


@pytest.fixture(scope="module")
def under(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("under")
    return write_peft(folder / "adapter", tiny, 3, scale=0.2)


def opened(tiny: Path, under: Path | None, std: float, merged: Path | None = None) -> Any:
    """A PEFT model as a backend opens it; `std` 0 leaves the trained adapter a fresh one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny)
    if merged:
        merge(base, merged)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    take_turns(model)
    put_under(model, under)
    adapter.draw(model, 0)
    for layer in model.modules():
        if std and hasattr(layer, "lora_B"):
            torch.nn.init.normal_(layer.lora_B[adapter.NAME].weight, std=std)
    return model.train()


def adapter_names(folder: Path) -> set[str]:
    from safetensors.torch import load_file

    return set(load_file(folder / "adapter_model.safetensors"))


def trained(model: Any, batches: list[list[Row]], contexts: Contexts) -> tuple[float, Any]:
    collator, total = CachedTurns(contexts, ContextStore(0), SETTING), 0.0
    for batch in batches:
        inputs = collator.before(model, collator.inputs(batch))
        loss = model(**inputs, use_cache=False, num_items_in_batch=1).loss
        loss.backward()
        total += loss.item()
    return total, gradients(model)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("over", ["global", "base"])
def test_loss_and_gradients_are_those_of_the_definition(
    over: str, checkpointing: bool, tiny: Path, under: Path, rows: list[Row]
) -> None:
    model = opened(tiny, under if over == "global" else None, std=0.2)
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    contexts = Contexts([rows], length=600, seed=0, shared=False)
    alone, slopes = trained(model, [[row] for row in rows], contexts)
    both, both_slopes = trained(model, [rows[:2], rows[2:]], contexts)
    assert both == pytest.approx(alone, rel=1e-5)
    same(slopes, both_slopes)
    assert all(".default." in name for name in slopes)
    expected, expected_slopes = reference(tiny, under if over == "global" else None, rows)
    assert alone == pytest.approx(expected, rel=1e-5)
    same(slopes, expected_slopes)


def reference(tiny: Path, under: Path | None, rows: list[Row]) -> tuple[float, Any]:
    """See `defined`, which ends in the plain backend's attention; `under` is merged."""
    register()
    return defined(opened(tiny, None, std=0.2, merged=under).eval(), rows)


def test_the_adapter_under_it_is_not_saved(tiny: Path, under: Path, tmp_path: Path) -> None:
    opened(tiny, under, std=0.2).save_pretrained(str(tmp_path / "with"))
    opened(tiny, None, std=0.2).save_pretrained(str(tmp_path / "without"))
    assert adapter_names(tmp_path / "with") == adapter_names(tmp_path / "without")
    assert not [path for path in (tmp_path / "with").iterdir() if path.is_dir()]


def test_a_model_that_ignores_the_mask_is_refused(tiny: Path, under: Path, rows: list[Row]) -> None:
    model = opened(tiny, under, std=0.0)
    forward = model.base_model.forward

    def deaf(*args: Any, after: Any = None, **options: Any) -> Any:
        if after:
            after = after | {"attention_mask": None}
        return forward(*args, after=after, **options)

    contexts = Contexts([rows], length=600, seed=0, shared=False)
    collator = CachedTurns(contexts, ContextStore(0), SETTING)
    collator.before(model, collator.inputs(rows[:1]))
    model.base_model.forward = deaf
    again = CachedTurns(contexts, ContextStore(0), SETTING)
    with pytest.raises(UserError, match=r"losses \d+\.\d% away .*local.adapters: continued"):
        again.before(model, again.inputs(rows[:1]))


def test_turns_see_their_own_context_and_themselves() -> None:
    one = Row("one", list(range(6)), [0, 0, 1, 0, 0, 1], 1)  # turns at 1-2 and 4-5
    two = Row("two", list(range(4)), [0, 0, 0, 1], 1)  # turn at 2-3
    seen = (own_mask([one, two], [4, 2], torch.float32)[0, 0] == 0).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1],
    ]


@needs_unsloth
def test_a_windowed_base_keeps_continued_adapters_and_says_why(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    windowed.configs()["mistral"]().save_pretrained(tmp_path)
    stages = {"global": {}, "local": {"adapters": "activated"}}
    options = {"stages": stages, "packing": "none", "base": {"model": str(tmp_path)}}
    recipe = tiny_recipe(**options, backend="unsloth")
    with pytest.warns(Note, match="continued, as max_length .* window, 9, .* unsloth does not"):
        settled = settle(recipe)
    assert settled.stages.local and settled.stages.local.adapters == "continued"
    short = recipe.model_copy(update={"max_length": windowed.WINDOW})
    assert settle(short) == short
    plain = tiny_recipe(**options)
    assert settle(plain) == plain


@pytest.mark.parametrize(
    ("kind", "last_layers"),
    [("4bit", None), ("4bit", 1), pytest.param("none", None, marks=study)],
)
@needs_unsloth
def test_unsloth_trains_activated_adapters_as_the_plain_backend_does(
    kind: str, last_layers: int | None, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    stage = {"learning_rate": 1e-2, "batch": 2, "max_steps": 2}
    local = {**stage, "adapters": "activated", "last_layers": last_layers}
    stages = {"global": stage, "local": local}
    options = {
        "stages": stages,
        "packing": "none",
        "quantization": kind,
        "gradient_checkpointing": True,
        "micro_batch": 2,
    }
    plain, run = tmp_path / "plain", RunDir(tmp_path / "unsloth")
    train(tiny_recipe(**options), plain, reporter=Silent())
    run.create(tiny_recipe(**options, backend="unsloth"))
    shutil.copytree(plain / "global", run.job("global"))
    (result,) = train_in_unsloth(run.root)
    assert result["loads"] == 1
    for job in ("planner", "caller", "summarizer"):
        assert losses(run.root, job) == pytest.approx(losses(plain, job), rel=1e-4)
        saved = run.adapter(job)
        assert not [path for path in saved.iterdir() if path.is_dir()]  # no second adapter
        names = adapter_names(run.adapter("global"))
        assert adapter_names(saved) == {n for n in names if not last_layers or ".layers.1." in n}
