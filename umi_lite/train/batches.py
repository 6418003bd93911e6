"""Micro-batches of rows for a backend that does not pack them: joined, or padded."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from umi_lite.recipe.schema import Recipe
from umi_lite.train.collate import IGNORED, OnePass
from umi_lite.train.device import Setting
from umi_lite.train.packs import Row


class PlainCollator(OnePass):
    """Ordinary right-padded batches, for a backend with its own attention masks."""

    def __init__(self, pad: int):
        self._pad = pad

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See Collator."""
        import torch

        width = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), width), self._pad)
        labels = torch.full((len(rows), width), IGNORED)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            length = len(row.ids)
            ids[i, :length] = torch.tensor(row.ids)
            mask[i, :length] = 1
            trained = torch.tensor([w > 0 for w in row.weights])
            labels[i, :length] = torch.where(trained, ids[i, :length], IGNORED)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


# How far the loss of joined rows may be from the mean of the rows alone, relative to it.
TOLERANCE = {"fp32": 1e-4, "bf16": 1e-2, "fp16": 1e-2}
# What a row may change in the loss of the next one, relative to it: the same sums are added up.
LEAK = 1e-5


def joined_inputs(rows: Sequence[Row]) -> dict[str, Any]:
    """Return `input_ids`, `position_ids` and `labels` of joined rows, each (1, T).

    No attention mask is made: with one, position ids are not read as the rows' borders. The
    first token of a row is not a target, as it would be predicted from the row before.
    """
    import torch

    ids = [token for row in rows for token in row.ids]
    places = [place for row in rows for place in range(len(row.ids))]
    labels = [
        token if weight > 0 and place else IGNORED
        for row in rows
        for place, (token, weight) in enumerate(zip(row.ids, row.weights, strict=True))
    ]
    inputs = {"input_ids": ids, "position_ids": places, "labels": labels}
    return {name: torch.tensor([values]) for name, values in inputs.items()}


class JoinedCollator(OnePass):
    """Micro-batches of one sequence."""

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See Collator."""
        return joined_inputs(rows)


def collator(
    model: Any,
    rows: list[Row],
    recipe: Recipe,
    setting: Setting,
    *,
    pad: int,
    note: Callable[[str], None],
) -> JoinedCollator | PlainCollator:
    """Return the collator for micro-batches of rows.

    They are joined where the recipe allows packing and the model keeps the rows apart, else
    padded, which is reported to `note`.
    """
    several = recipe.micro_batch > 1 and len(rows) > 1
    if recipe.packing == "none" or not several:
        return PlainCollator(pad)
    obstacle = keeps_apart(model, rows[: recipe.micro_batch], setting)
    if obstacle:
        note(f"packing: {obstacle}; micro-batches are padded instead")
        return PlainCollator(pad)
    return JoinedCollator()


def keeps_apart(model: Any, rows: Sequence[Row], setting: Setting) -> str | None:
    """Check that a row of a joined sequence sees nothing of the rows before it.

    Two things are measured: the loss of the joined rows is the mean of the rows' own losses, each
    trained token counting once; and it stays the same when the first row, its own loss left out,
    is reversed.

    Returns:
        None, or what is wrong.
    """
    tolerance = TOLERANCE[setting.precision]
    counts = [row.trained for row in rows]
    with _as_trained(model, setting) as loss:
        alone = [loss(_without_places(joined_inputs([row]))) for row in rows]
        mean = sum(x * n for x, n in zip(alone, counts, strict=True)) / sum(counts)
        joined = loss(joined_inputs(rows))
        first = replace(rows[0], weights=[0.0] * len(rows[0].ids))
        turned = replace(first, ids=first.ids[::-1])
        seen = loss(joined_inputs([first, *rows[1:]])) - loss(joined_inputs([turned, *rows[1:]]))
    if abs(joined - mean) > tolerance * mean:
        return f"{len(rows)} rows have a mean loss of {mean:.5f}, in one sequence {joined:.5f}"
    if abs(seen) > LEAK * mean:
        return f"a row's loss changes by {abs(seen):.1e} with the content of the row before it"
    return None


def _without_places(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor for name, tensor in inputs.items() if name != "position_ids"}


@contextmanager
def _as_trained(model: Any, setting: Setting) -> Any:
    """Yield a function of a batch's mean loss, in training mode without dropout or gradients."""
    import torch

    # Not the model's first weights: Unsloth may keep the embedding in RAM.
    device = next(weight.device for weight in model.parameters() if weight.requires_grad)
    dtype = setting.dtype
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
