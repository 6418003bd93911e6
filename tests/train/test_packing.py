"""A pack trains as its rows do one by one: same loss, same gradients."""

from pathlib import Path
from typing import Any

import pytest
import torch

from umi_lite.data import toolworld
from umi_lite.train.attention import NAME, register
from umi_lite.train.batches import PlainCollator
from umi_lite.train.collate import pack_inputs, weighted_loss
from umi_lite.train.packs import Pack, Row, make_packs
from umi_lite.train.samples import make_rows
from umi_lite.train.tokenizer import load_language


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny, attn_implementation=register())
    torch.manual_seed(1)
    made = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weight in made.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)  # B is zero at first, and A had no gradient
    return made


@pytest.fixture(scope="module")
def rows(tiny: Path) -> list[Row]:
    data = toolworld.load("train", 24, 0).trajectories
    made = make_rows(data, "backbone", load_language(tiny), max_length=1024)
    return made.rows


def gradients(model: Any) -> dict[str, Any]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def train_packs(model: Any, packs: list[Pack], count: int) -> tuple[float, dict[str, Any]]:
    total = 0.0
    for pack in packs:
        inputs = pack_inputs(pack)
        labels = inputs.pop("labels")
        loss = weighted_loss(model(**inputs, use_cache=False), labels, count)
        loss.backward()
        total += loss.item()
    return total, gradients(model)


def train_plain(model: Any, rows: list[Row], count: int) -> tuple[float, dict[str, Any]]:
    """transformers' own attention and loss, one row at a time."""
    total = 0.0
    model.get_base_model().set_attn_implementation("sdpa")
    for row in rows:
        batch = PlainCollator(0).inputs([row])
        loss = model(**batch, num_items_in_batch=count, use_cache=False).loss
        loss.backward()
        total += loss.item()
    model.get_base_model().set_attn_implementation(NAME)
    return total, gradients(model)


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys() and one
    for name, gradient in one.items():
        scale = gradient.abs().max().item()
        assert scale > 0, name
        assert (gradient - other[name]).abs().max().item() < 1e-4 * scale, name


def test_packed_loss_and_gradients_equal_unpacked_ones(model: Any, rows: list[Row]) -> None:
    count = sum(row.trained for row in rows)
    packs = make_packs(rows, length=600, seed=0)
    assert max(len(pack.rows) for pack in packs) >= 3
    plain, expected = train_plain(model, rows, count)
    packed, got = train_packs(model, packs, count)
    assert packed == pytest.approx(plain, rel=1e-5)
    same(expected, got)


def test_who_sees_what_matters(model: Any, rows: list[Row]) -> None:
    """In plain causal attention the loss is another one: the equality above is not for free."""
    pack = max(make_packs(rows, length=600, seed=0), key=lambda pack: len(pack.rows))
    inputs = pack_inputs(pack)
    labels = inputs.pop("labels")
    right = weighted_loss(model(**inputs, use_cache=False), labels).item()
    del inputs["shared_prefix"], inputs["continuations"]
    assert abs(weighted_loss(model(**inputs, use_cache=False), labels).item() - right) > 1e-3


def test_weights_multiply_the_loss_of_their_tokens(model: Any, rows: list[Row]) -> None:
    row = rows[0]
    twice = Row(row.name, row.ids, [2 * w for w in row.weights], row.shared)
    count = row.trained
    once, g1 = train_packs(model, make_packs([row], length=600, seed=0), count)
    more, g2 = train_packs(model, make_packs([twice], length=600, seed=0), count)
    assert more == pytest.approx(2 * once, rel=1e-6)
    same({name: 2 * gradient for name, gradient in g1.items()}, g2)


def test_the_trainer_finds_the_accuracy_in_what_the_loss_left(model: Any, rows: list[Row]) -> None:
    (pack,) = make_packs(rows[:1], length=600, seed=0)
    inputs = pack_inputs(pack)
    labels = inputs.pop("labels")
    with torch.no_grad():
        outputs = model(**inputs, use_cache=False)
        right = outputs.logits[0].argmax(-1) == labels[0].long()
        weighted_loss(outputs, labels)
    assert torch.equal(outputs.logits.argmax(-1) == inputs["shift_labels"], right[None])
