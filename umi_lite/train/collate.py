"""A pack as model inputs, and the loss over its targets.

Only public hooks are used: SFTTrainer's `data_collator` and `compute_loss_func`, and the
model's `logits_to_keep`, which computes the vocabulary's logits at trained positions only.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from umi_lite.recipe.schema import Recipe
from umi_lite.train.device import Setting
from umi_lite.train.packs import Collator, Pack, Row, rows_of

IGNORED = -100


def pack_inputs(pack: Pack) -> dict[str, Any]:
    """Return the tensors of one pack, T tokens and K targets.

    Returns:
        `input_ids`, `position_ids` (1, T); `shared_prefix` and `continuations` for
        `attention.attend`, left out where plain causal attention is right; `logits_to_keep`
        (K); `shift_labels` (1, K) zeros; `labels` (2, K) float64: target ids over their
        weights, for `weighted_loss`.
    """
    import torch

    targets = pack.targets
    tokens = torch.tensor([t.token for t in targets])
    weights = torch.tensor([t.weight for t in targets], dtype=torch.float64)
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([pack.ids]),
        "position_ids": torch.tensor([pack.positions]),
        "logits_to_keep": torch.tensor([t.position for t in targets]),
        "shift_labels": torch.zeros_like(tokens)[None],
        "labels": torch.stack([tokens.to(torch.float64), weights]),
    }
    if len(pack.lengths) > 1:
        inputs |= {"shared_prefix": pack.prefix, "continuations": tuple(pack.lengths)}
    return inputs


class OnePass:
    """Whole rows in one pass, with gradients."""

    def before(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """See Collator."""
        return inputs

    def free(self) -> bool:
        """See Collator: nothing is kept."""
        return False


class WithRows:
    """The trainer's collator: a micro-batch's inputs and its `rows`, so that it can be split.

    Args:
        items: packs or rows; the dataset's `item` is an index of them.
    """

    def __init__(self, items: Sequence[Pack | Row], collator: Collator):
        self._items = items
        self.collator = collator

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        items = [self._items[feature["item"]] for feature in features]
        rows = [row for item in items for row in rows_of(item)]
        return self.collator.inputs(rows) | {"rows": rows}


class PackCollator(OnePass):
    """All the rows of a micro-batch as one sequence.

    Args:
        join: makes the sequence: `samples.join_at_prefix` or `samples.join_rows`.
    """

    def __init__(self, join: Callable[[Sequence[Row]], Pack]):
        self._join = join

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See Collator."""
        return pack_inputs(self._join(rows))


def weighted_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the cross entropy of the kept logits, each target times its weight.

    Divided by the number of targets in the whole optimizer step (`num_items_in_batch`), so
    that accumulation changes nothing; by this batch's where that is None.

    The logits are used up. SFTTrainer computes an accuracy and an entropy of them afterwards,
    the latter for as much time as the loss itself; it finds two classes per target in
    their place, 0 where the prediction was right, which `pack_inputs`' `shift_labels` ask for.
    """
    import torch

    tokens, weights = labels[0].long(), labels[1]
    logits = outputs.logits.flatten(0, -2).float()
    losses, guesses = _fused().apply(logits, tokens, weights.to(logits))
    right = guesses == tokens
    outputs.logits = torch.stack([right, ~right], dim=-1).float()[None]
    count = len(tokens) if num_items_in_batch is None else num_items_in_batch
    return losses.sum() / count


@cache
def _fused() -> Any:
    import torch

    class CrossEntropy(torch.autograd.Function):
        """(K, V) logits -> (K) weighted losses and (K) argmax.

        The gradient is made at once in the logits' own memory: over a vocabulary of 50,000
        fresh tensors cost more than the arithmetic.
        """

        @staticmethod
        def forward(ctx: Any, logits: Any, tokens: Any, weights: Any) -> Any:
            top, guesses = logits.max(-1, keepdim=True)
            shares = logits.sub_(top)
            chosen = shares.gather(1, tokens[:, None])[:, 0]
            total = shares.exp_().sum(-1)
            shares.mul_((weights / total)[:, None])
            shares[torch.arange(len(tokens), device=tokens.device), tokens] -= weights
            ctx.gradient = shares
            ctx.mark_non_differentiable(guesses)
            return (total.log() - chosen) * weights, guesses[:, 0]

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            return ctx.gradient.mul_(upstream[0][:, None]), None, None

    return CrossEntropy


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
