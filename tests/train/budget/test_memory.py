"""The memory estimate: its sizes against the real model's, and its peak against the measured."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies import study

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Lora, Recipe
from umi_lite.train.budget.forecast import forecast
from umi_lite.train.budget.memory import Estimate, MicroBatch, Setting, estimate, micro_batches
from umi_lite.train.budget.shape import Shape, from_config, from_gguf, shape_of
from umi_lite.train.run_dir import RunDir, read_metrics
from umi_lite.train.trainer import train_in_child

SEVEN_B = Shape(28, 3584, 18944, 28, 4, 128, 152064, tied=False)
ON_CPU = Setting("cpu", "plain", "fp32", "adamw")
ON_GPU = Setting("cuda", "plain", "bf16", "adamw_8bit")


def recipe(**changes: Any) -> Recipe:
    tree = {
        "name": "memory",
        "data": [{"source": "toolworld", "split": "train", "n": 64}],
        "stages": {"global": {"batch": 1, "max_steps": 2}, "local": "none"},
        "packed_length": 768,
        "backend": "plain",
    }
    return Recipe.model_validate({**tree, **changes})


def test_sizes_are_the_models_own(base_hf: Path, base_gguf: Path, tiny: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    told = from_config(json.loads((base_hf / "config.json").read_text()), "it")
    assert told == from_gguf(base_gguf) == shape_of(recipe())
    assert told.parameters == 134515008
    model = AutoModelForCausalLM.from_pretrained(tiny)
    small = shape_of(recipe(base={"model": str(tiny)}))
    assert small.parameters == model.num_parameters()
    for lora in (Lora(r=8), Lora(r=4, targets=("q_proj", "down_proj"), last_layers=1)):
        config = LoraConfig(
            r=lora.r,
            target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
            layers_to_transform=None if lora.last_layers is None else [1],
        )
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config)
        assert small.trainable(lora) == adapted.get_nb_trainable_parameters()[0]


def test_a_base_without_sizes_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no config\.json"):
        shape_of(recipe(base={"model": str(tmp_path)}))
    with pytest.raises(UserError, match="has no 'hidden_size'"):
        from_config({"num_attention_heads": 2}, "it")
    with pytest.raises(UserError, match="mixture of experts"):
        from_config({"num_experts": 8}, "it")
    with pytest.raises(UserError, match="cannot estimate the memory of 'c_attn'"):
        SEVEN_B.trainable(Lora(targets=("c_attn",)))


def test_a_hub_that_does_not_answer_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    with pytest.raises(UserError, match=f"not a folder here .*{nowhere} does not answer"):
        shape_of(recipe(base={"model": "nobody/nothing"}))


def parts(batch: MicroBatch, setting: Setting = ON_CPU, **changes: Any) -> Estimate:
    return estimate(SEVEN_B, recipe(**changes), setting, batch)


def test_each_part_does_what_its_formula_says() -> None:
    one, two = parts(MicroBatch(1024, 200)), parts(MicroBatch(2048, 400))
    for name in ("activations", "working set", "logits"):
        assert two.parts[name] == 2 * one.parts[name]
    for name in ("runtime", "base weights", "adapter", "gradients", "optimizer"):
        assert two.parts[name] == one.parts[name]
    assert one.parts["base weights"] == 4 * 7615487488  # Qwen2.5-7B without its biases
    wide = parts(MicroBatch(1024, 200), lora={"r": 64})
    assert wide.parts["gradients"] == 4 * one.parts["gradients"]
    eight = parts(MicroBatch(1024, 200), replace(ON_CPU, optimizer="adamw_8bit"))
    assert eight.parts["optimizer"] == pytest.approx(one.parts["optimizer"] / 4, rel=0.02)
    less = parts(MicroBatch(1024, 200), gradient_checkpointing=True)
    assert less.parts["activations"] < one.parts["activations"] / 5
    packed = parts(MicroBatch(1024, 200), ON_GPU, quantization="4bit")
    assert packed.parts["base weights"] < 0.2 * one.parts["base weights"]
    assert packed.tensors == packed.total - packed.parts["runtime"] - packed.parts["allocator"]


def test_on_a_gpu_the_loss_is_over_before_a_layers_backward_pass() -> None:
    few, many = (parts(MicroBatch(1024, n), ON_GPU, gradient_checkpointing=True) for n in (8, 1024))
    assert "logits" not in few.parts and few.parts["a layer again"] > 0
    assert many.parts["logits"] > 0 and "a layer again" not in many.parts
    both = parts(MicroBatch(1024, 1024), gradient_checkpointing=True)
    assert both.parts["logits"] > 0 and both.parts["a layer again"] > 0


def test_unsloth_keeps_in_ram_an_embedding_that_is_not_the_head_too() -> None:
    batch, fast = MicroBatch(1024, 200), Setting("cuda", "unsloth", "bf16", "adamw_8bit")
    saved = parts(batch, ON_GPU).parts["base weights"] - parts(batch, fast).parts["base weights"]
    assert saved == 2 * 152064 * 3584
    tied = replace(SEVEN_B, tied=True)
    one, other = (estimate(tied, recipe(), setting, batch) for setting in (ON_GPU, fast))
    assert one.parts["base weights"] == other.parts["base weights"]


def test_a_7b_with_checkpointing_fits_where_it_did_not() -> None:
    """The order of magnitude of what is known of 7B QLoRA: 5 to 9 GB at 1,024 tokens."""
    batch = MicroBatch(1024, 300)
    kept = parts(batch, ON_GPU, quantization="4bit", gradient_checkpointing=True)
    assert 5 << 30 < kept.total < 9 << 30
    assert parts(batch, ON_GPU, quantization="4bit").total > 1.5 * kept.total


def test_micro_batches_are_what_goes_through_the_model(tiny_recipe: Callable[..., Recipe]) -> None:
    told = forecast(tiny_recipe(2))
    (first, *_) = told.ready
    packed = micro_batches(first, told.recipe, ON_CPU)
    assert sum(batch.tokens for batch in packed) == sum(first.sizes)
    assert sum(batch.logits for batch in packed) == sum(first.trained)
    assert any(batch.masked for batch in packed)
    stage = {"batch": 2, "max_steps": 2}
    rows = tiny_recipe(2, packing="none", micro_batch=2, stages={"global": stage, "local": "none"})
    (alone,) = forecast(rows).ready
    pairs = micro_batches(alone, rows, ON_CPU)
    assert len(pairs) == 2 and not any(batch.masked for batch in pairs)
    padded = micro_batches(alone, rows, Setting("cpu", "unsloth", "fp32", "adamw"))
    assert all(b.tokens == b.logits >= p.tokens for b, p in zip(padded, pairs, strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"packed_length": 384}, id="packs of 384"),
        pytest.param({"gradient_checkpointing": True}, id="checkpointing", marks=study),
    ],
)
def test_the_estimate_is_within_15_percent_of_the_measured_peak(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """The embedded model, in a process of its own; more of it: benchmarks/training_memory.py."""
    one = recipe(**changes)
    told = forecast(one)
    if told.setting.device == "cuda":
        pytest.skip("resident memory is what a CPU trains in")
    run = RunDir(tmp_path / "run")
    run.create(one)
    train_in_child(run.root)
    measured = max(record["peak_memory"] for record in read_metrics(run.metrics("global")))
    assert told.peak.total == pytest.approx(measured, rel=0.15)
