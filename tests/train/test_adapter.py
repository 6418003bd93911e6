"""The adapter of a model that stays in memory, and names in `lora.targets` that are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from umi_lite.errors import UserError
from umi_lite.recipe.load import read_yaml
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.backends import resolve
from umi_lite.train.plain import Plain
from umi_lite.train.progress import Silent
from umi_lite.train.targets import check_targets
from umi_lite.train.trainer import train
from umi_lite.weights.base_record import read_record, record_of

THERE = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"


def lora(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def opened(recipe: Recipe) -> Plain:
    return Plain(recipe, str(recipe.base.model), resolve(recipe))


@pytest.mark.parametrize("quantization", ["none", "4bit"])
def test_a_new_adapter_is_what_peft_gives_a_new_model(
    quantization: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    recipe = tiny_recipe(quantization=quantization)
    backend = opened(recipe)
    model, _ = backend.open(None, 1)
    first = lora(model)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data.add_(1.0)
            weight.grad = torch.ones_like(weight)
    model.eval()
    backend.close(model)
    again, _ = backend.open(None, 7)
    assert again is model and again.training
    assert all(weight.grad is None for weight in again.parameters())
    base, _ = opened(recipe)._load()
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    set_seed(7)
    assert same(lora(again), lora(get_peft_model(base, config)))
    assert not same(lora(again), first)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def whole(
    request: pytest.FixtureRequest,
    tiny_recipe: Callable[..., Recipe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Four jobs, and how often the base was loaded for them. In mixed precision accelerate
    changes the model, too."""
    run = tmp_path_factory.mktemp("whole") / "run"
    loads, load = [], Plain._load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plain, "_load", lambda self: loads.append(1) or load(self))
        train(tiny_recipe(2, precision=request.param), run, reporter=Silent())
    (run / "loads").write_text(str(len(loads)))
    return run


def test_the_base_is_loaded_once_and_a_job_finds_no_trace_of_the_one_before(
    whole: Path, tmp_path: Path
) -> None:
    assert (whole / "loads").read_text() == "1"
    base = Recipe.model_validate(read_yaml(whole / "recipe.yaml")).base.model
    assert base is not None and read_record(whole) == record_of(Path(base))
    run = shutil.copytree(whole, tmp_path / "run")
    for job in ("caller", "summarizer"):
        shutil.rmtree(run / job)
    train(None, run, resume=True, reporter=Silent())  # caller: first on a base loaded for it
    for job in JOBS:
        name = Path(job, "adapter", "adapter_model.safetensors")
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_an_adapter_of_another_lora_is_refused(
    whole: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe()
    backend = opened(recipe)
    start = shutil.copytree(whole / "global" / "adapter", tmp_path / "start")
    config = json.loads((start / "adapter_config.json").read_text())
    (start / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 8}))
    with pytest.raises(UserError, match=r"has alpha 8, the recipe's lora.alpha is 32"):
        backend.open(start, 0)
    narrow = tiny_recipe(lora={"targets": ["q_proj"]})
    with pytest.raises(UserError, match="adapts other layers than the recipe's lora"):
        opened(narrow).open(whole / "global" / "adapter", 0)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("query", "the base has no module 'query'; it has: "),
        ("proj", "the base has no module 'proj'; it has: "),
        ("lm_head", r"'lm_head' is lm_head \(Linear\)"),
        ("embed_tokens", r"'embed_tokens' is model.embed_tokens \(Embedding\)"),
        ("input_layernorm", r"'input_layernorm' is .*LlamaRMSNorm\)"),
        ("mlp", r"'mlp' is model.layers.0.mlp \(LlamaMLP\)"),
    ],
)
def test_what_no_adapter_fits_is_refused_with_what_there_is(
    target: str, line: str, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe(lora={"targets": ["q_proj", target]})
    with pytest.raises(UserError, match=line) as err:
        check_targets(recipe, str(recipe.base.model))
    assert str(err.value).endswith(THERE)


def test_linear_layers_by_short_and_long_names_are_taken(
    tiny_recipe: Callable[..., Recipe],
) -> None:
    named = ["q_proj", "mlp.down_proj", "model.layers.1.self_attn.o_proj"]
    recipe = tiny_recipe(lora={"targets": named})
    check_targets(recipe, str(recipe.base.model))


def test_training_stops_before_its_rows_are_made(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr("umi_lite.train.trainer.make_all", lambda *_: made.append(1))
    with pytest.raises(UserError, match="has no module 'c_attn'"):
        train(tiny_recipe(lora={"targets": ["c_attn"]}), tmp_path / "run", reporter=Silent())
    assert made == []
