"""Rows one after another in one sequence, without padding, for a backend that packs nothing.

Position ids begin anew with each row, and tell the attention where one ends: transformers and
Unsloth both read them so. Whether the attention at hand really keeps the rows apart is measured
on the job's own rows before it trains (`keeps_apart`), since not every one does.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from umi_lite.recipe import Recipe
from umi_lite.train.collate import IGNORED, PlainCollator
from umi_lite.train.precision import dtype_of, precision
from umi_lite.train.samples import Row

# How far the loss of joined rows may be from the mean of the rows alone, relative to it.
TOLERANCE = {"fp32": 1e-4, "bf16": 1e-2, "fp16": 1e-2}
# What a row may change in the loss of the next one, relative to it: the same sums are added up.
LEAK = 1e-5


def joined_inputs(rows: Sequence[Row]) -> dict[str, Any]:
    """Tensors of rows of T tokens in all: `input_ids`, `position_ids`, `labels`, each (1, T).

    There is no attention mask: with one, position ids are not read as the rows' borders. The
    first token of a row is no target, as it would be predicted from the row before.
    """
    import torch

    ids = [token for row in rows for token in row.ids]
    places = [place for row in rows for place in range(len(row.ids))]
    labels = [
        token if weight > 0 and place else IGNORED
        for row in rows
        for place, (token, weight) in enumerate(zip(row.ids, row.weights, strict=True))
    ]
    told = {"input_ids": ids, "position_ids": places, "labels": labels}
    return {name: torch.tensor([values]) for name, values in told.items()}


class JoinedCollator:
    """Micro-batches of one sequence."""

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See Collator."""
        return joined_inputs(rows)


def collator(
    model: Any, rows: list[Row], recipe: Recipe, pad: int, note: Callable[[str], None]
) -> JoinedCollator | PlainCollator:
    """The collator for micro-batches of rows: joined where the recipe allows packing and the
    model keeps the rows apart, else padded, which `note` is told.
    """
    several = recipe.micro_batch > 1 and len(rows) > 1
    if recipe.packing == "none" or not several:
        return PlainCollator(pad)
    obstacle = keeps_apart(model, rows[: recipe.micro_batch], recipe)
    if obstacle:
        note(f"packing: {obstacle}; micro-batches are padded instead")
        return PlainCollator(pad)
    return JoinedCollator()


def keeps_apart(model: Any, rows: Sequence[Row], recipe: Recipe) -> str | None:
    """Does a row of a joined sequence see nothing of the rows before it? None, or what is wrong.

    Two things are measured: the loss of the joined rows is the mean of theirs alone, each trained
    token counting once; and it is the same when the first row, its own loss left out, is turned
    round.
    """
    tolerance = TOLERANCE[precision(recipe)]
    counts = [row.trained for row in rows]
    with _as_trained(model, recipe) as loss:
        alone = [loss(_without_places(joined_inputs([row]))) for row in rows]
        mean = sum(x * n for x, n in zip(alone, counts, strict=True)) / sum(counts)
        joined = loss(joined_inputs(rows))
        first = replace(rows[0], weights=[0.0] * len(rows[0].ids))
        turned = replace(first, ids=first.ids[::-1])
        seen = loss(joined_inputs([first, *rows[1:]])) - loss(joined_inputs([turned, *rows[1:]]))
    if abs(joined - mean) > tolerance * mean:
        return f"the loss of {len(rows)} rows in one sequence is {joined:.5f}, theirs is {mean:.5f}"
    if abs(seen) > LEAK * mean:
        return f"a row's loss changes by {abs(seen):.1e} with what stands in the row before it"
    return None


def _without_places(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor for name, tensor in inputs.items() if name != "position_ids"}


@contextmanager
def _as_trained(model: Any, recipe: Recipe) -> Any:
    """A batch's mean loss, as a function: in training mode, but without dropout and gradients."""
    import torch

    # Not the model's first weights: Unsloth may keep the embedding in RAM.
    device = next(weight.device for weight in model.parameters() if weight.requires_grad)
    dtype = dtype_of(recipe)
    dropouts = [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.training]
    for module in dropouts:
        module.eval()

    def loss(batch: dict[str, Any]) -> float:
        inputs = {name: tensor.to(device) for name, tensor in batch.items()}
        mixed = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
        with torch.no_grad(), mixed:
            return model(**inputs, use_cache=False).loss.item()

    try:
        yield loss
    finally:
        for module in dropouts:
            module.train()
