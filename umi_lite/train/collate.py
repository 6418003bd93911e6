"""A pack as model inputs, and the loss over its targets.

Only public hooks are used: SFTTrainer's `data_collator` and `compute_loss_func`, and the
model's `logits_to_keep`, which computes the vocabulary's logits at trained positions only.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

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
