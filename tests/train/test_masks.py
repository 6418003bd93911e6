"""Who sees whom in a pack: found out by changing one token after the other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from umi_lite.recipe.schema import Recipe
from umi_lite.train.attention import NAME, register
from umi_lite.train.backends import resolve
from umi_lite.train.batches import (
    JoinedCollator,
    PlainCollator,
    collator,
    joined_inputs,
    keeps_apart,
)
from umi_lite.train.collate import pack_inputs
from umi_lite.train.device import Setting
from umi_lite.train.packs import Row, make_packs


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny, attn_implementation=register()).train()


@pytest.fixture
def stock(model: Any) -> Iterator[Any]:
    """The same model with transformers' own attention."""
    model.set_attn_implementation("sdpa")
    yield model
    model.set_attn_implementation(NAME)


def row(number: int, ids: list[int], shared: int = 0) -> Row:
    return Row(str(number), ids, [0.0] * shared + [1.0] * (len(ids) - shared), shared)


def who_sees_whom(model: Any, inputs: dict[str, Any]) -> list[str]:
    """A line for each position, `x` where what it says depends on the token at that place."""

    def logits(ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model(**inputs | {"input_ids": ids}, use_cache=False).logits[0]

    ids = inputs["input_ids"]
    before = logits(ids)
    columns = []
    for place in range(ids.shape[1]):
        changed = ids.clone()
        changed[0, place] += 1000
        columns.append((logits(changed) - before).abs().amax(-1) > 0)
    return ["".join("x" if seen else "." for seen in line) for line in torch.stack(columns, 1)]


def test_after_a_shared_prefix_a_row_sees_the_prefix_and_itself(model: Any) -> None:
    rows = [row(1, [11, 12, 13, 21, 22], 3), row(2, [11, 12, 13, 31, 32], 3)]
    (pack,) = make_packs(rows, length=100, seed=0)
    inputs = pack_inputs(pack)
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3, 4, 3, 4]]
    forward = {k: v for k, v in inputs.items() if k not in ("labels", "logits_to_keep")}
    del forward["shift_labels"]
    assert who_sees_whom(model, forward) == [
        "x......",
        "xx.....",
        "xxx....",
        "xxxx...",
        "xxxxx..",
        "xxx..x.",
        "xxx..xx",
    ]


def test_joined_rows_see_themselves(stock: Any) -> None:
    inputs = joined_inputs([row(1, [11, 12, 13]), row(2, [21, 22]), row(3, [31, 32, 33])])
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0, 1, 2]]
    assert inputs["labels"].tolist() == [[-100, 12, 13, -100, 22, -100, 32, 33]]
    assert who_sees_whom(stock, {k: v for k, v in inputs.items() if k != "labels"}) == [
        "x.......",
        "xx......",
        "xxx.....",
        "...x....",
        "...xx...",
        ".....x..",
        ".....xx.",
        ".....xxx",
    ]


def rows_of(count: int) -> list[Row]:
    made = torch.Generator().manual_seed(0)
    lengths = [20 + 7 * i for i in range(count)]
    return [
        row(i, torch.randint(100, 40000, (length,), generator=made).tolist(), 3)
        for i, length in enumerate(lengths, 1)
    ]


def recipe_of(tiny_recipe: Callable[..., Recipe], **changes: Any) -> Recipe:
    stage = {"batch": 4, "max_steps": 1}
    return tiny_recipe(stages={"global": stage, "local": "none"}, micro_batch=4, **changes)


def made_for(model: Any, recipe: Recipe, notes: list[str]) -> Any:
    return collator(model, rows_of(4), recipe, resolve(recipe), pad=0, note=notes.append)


def test_rows_are_joined_where_the_attention_keeps_them_apart(
    stock: Any, tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe, notes = recipe_of(tiny_recipe), []
    assert keeps_apart(stock, rows_of(4), resolve(recipe)) is None
    assert isinstance(made_for(stock, recipe, notes), JoinedCollator)
    assert notes == []
    padded = made_for(stock, recipe_of(tiny_recipe, packing="none"), notes)
    assert isinstance(padded, PlainCollator)


def test_rows_are_padded_where_it_does_not(model: Any, tiny_recipe: Callable[..., Recipe]) -> None:
    """Attention that takes no notice of position ids."""
    notes: list[str] = []
    made = made_for(model, recipe_of(tiny_recipe), notes)
    assert isinstance(made, PlainCollator)
    (note,) = notes
    assert "micro-batches are padded instead" in note


def test_a_leak_that_the_mean_loss_hides_is_found(
    model: Any,
) -> None:
    """Equal rows: in the mean of their losses, what the second sees hardly shows."""
    twins = [rows_of(1)[0], rows_of(1)[0]]
    obstacle = keeps_apart(model, twins, Setting("cpu", "unsloth", "bf16", "adamw"))
    assert obstacle and "changes by" in obstacle
