"""The memory estimate: its sizes against the real model's, and its peak against the measured."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies import study

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Lora, Recipe
from umi_lite.train.budget.forecast import Forecast, forecast
from umi_lite.train.budget.memory import Estimate, MicroBatch, Setting, estimate, micro_batches
from umi_lite.train.budget.peak import context_room, count_reads, peak
from umi_lite.train.budget.shape import Shape, from_config, from_gguf, shape_of
from umi_lite.train.contexts import TurnPack
from umi_lite.train.plan import plan
from umi_lite.train.run_dir import RunDir, read_metrics
from umi_lite.train.trainer import train_in_child

SEVEN_B = Shape(28, 3584, 18944, 28, 4, 128, 152064, tied=False)
ON_CPU = Setting("cpu", "plain", "fp32", "adamw")
ACTIVATED = {
    "global": "none",
    "local": {"adapters": "activated", "batch": 1}
    | {role: {"max_steps": 2} for role in ("planner", "caller", "summarizer")},
}
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


@pytest.fixture(scope="module")
def sharing(tiny_recipe: Callable[..., Recipe]) -> Forecast:
    return forecast(tiny_recipe(8, stages=ACTIVATED, packed_length=384))


def test_contexts_are_kept_in_what_whole_rows_would_take_and_what_is_free(
    sharing: Forecast,
) -> None:
    given = (SEVEN_B, sharing.recipe, ON_CPU, sharing.ready)
    kept, none = peak(*given, free=math.inf), peak(*given, free=0)
    batches = [b for r in sharing.ready for b in micro_batches(r, sharing.recipe, ON_CPU)]
    whole = max(estimate(SEVEN_B, sharing.recipe, ON_CPU, batch).total for batch in batches)
    assert none.total < kept.total <= whole
    room = context_room(*given, free=math.inf)
    assert room == whole - none.total and context_room(*given, free=0) == 0
    assert context_room(*given, free=none.total + 5) == 5
    assert peak(*given, free=none.total + 5).total <= none.total + 5
    rows = max(estimate(SEVEN_B, sharing.recipe, ON_CPU, b).parts["activations"] for b in batches)
    assert none.parts["activations"] < 0.6 * rows  # own positions alone have gradients


def test_role_adapters_of_fewer_layers_take_a_share_of_the_memory(sharing: Forecast) -> None:
    local = sharing.recipe.stages.local
    assert local is not None and sharing.recipe.lora.last_layers is None
    fewer = local.model_copy(update={"last_layers": 7})  # of 28
    stages = sharing.recipe.stages.model_copy(update={"local": fewer, "global_": None})
    few = sharing.recipe.model_copy(update={"stages": stages})
    own = [ready for ready in sharing.ready if ready.contexts]
    parts, less = (peak(SEVEN_B, one, ON_CPU, own, free=0).parts for one in (sharing.recipe, few))
    for name in ("adapter", "gradients", "optimizer"):
        assert less[name] == pytest.approx(parts[name] / 4)
    assert less["activations"] < 0.5 * parts["activations"]


def test_a_kept_context_counts_once_in_tokens_and_steps(sharing: Forecast) -> None:
    given = (sharing.shape, sharing.recipe, ON_CPU, sharing.ready)
    all_kept, none_kept = count_reads(*given, 1 << 40), count_reads(*given, 0)
    first, *later = all_kept
    own = [sum(ready.trained) for ready in all_kept]
    assert sum(first.sizes) > own[0] and sum(first.sizes) <= sum(none_kept[0].sizes)
    for ready in later:
        assert sum(ready.sizes) >= sum(ready.trained)
        assert len(ready.sizes) == len(ready.trained)
    assert sum(sum(r.sizes) for r in all_kept) < sum(sum(r.sizes) for r in none_kept)
    shared = all_kept[0].contexts
    assert shared
    items = [item for r in all_kept for item in r.items if isinstance(item, TurnPack)]
    contexts = {id(i.context): i.context for i in items}
    read = sum(sum(r.sizes) for r in all_kept) - sum(own)
    begun = {id(p): p for c in contexts.values() if (p := shared.beginning(c))}
    twice = sum(c.prefix for c in contexts.values() if shared.beginning(c))
    assert read == sum(len(c.attended) for c in contexts.values()) - twice + sum(
        len(p.ids) for p in begun.values()
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"packed_length": 384}, id="packs of 384"),
        pytest.param({"gradient_checkpointing": True}, id="checkpointing", marks=study),
        pytest.param({"stages": ACTIVATED}, id="activated adapters", marks=study),
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
    records = [r for job in plan(one) for r in read_metrics(run.metrics(job.name))]
    measured = max(record["peak_memory"] for record in records)
    assert told.peak.total == pytest.approx(measured, rel=0.15)
