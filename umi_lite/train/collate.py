"""A pack as model inputs, and the loss over its targets.

Only public hooks are used: SFTTrainer's `data_collator` and `compute_loss_func`, and the
model's `logits_to_keep`, which computes the vocabulary's logits at trained positions only.
"""

from typing import Any

from umi_lite.train.samples import Pack, Row

IGNORED = -100


def pack_inputs(pack: Pack) -> dict[str, Any]:
    """Tensors of one pack, T tokens and K targets.

    Returns:
        `input_ids`, `position_ids` (1, T); `attention_mask` (1, 1, T, T) bool, left out where
        plain causal attention is right; `logits_to_keep` (K), `shift_labels` (1, K);
        `labels` (2, K) float64: target ids over their weights, for `weighted_loss`.
    """
    import torch

    targets = pack.targets
    tokens = torch.tensor([t.token for t in targets])
    weights = torch.tensor([t.weight for t in targets], dtype=torch.float64)
    inputs = {
        "input_ids": torch.tensor([pack.ids]),
        "position_ids": torch.tensor([pack.positions]),
        "logits_to_keep": torch.tensor([t.position for t in targets]),
        "shift_labels": tokens[None],
        "labels": torch.stack([tokens.to(torch.float64), weights]),
    }
    if len(pack.lengths) > 1:
        inputs["attention_mask"] = shared_prefix_mask(pack)[None, None]
    return inputs


def shared_prefix_mask(pack: Pack) -> Any:
    """(T, T) bool, True where row may attend to column: causal, to the prefix and itself."""
    import torch

    owner = torch.zeros(len(pack.ids), dtype=torch.int32)
    start = pack.prefix
    for i, length in enumerate(pack.lengths, 1):
        owner[start : start + length] = i
        start += length
    allowed = (owner[:, None] == owner[None, :]) | (owner[None, :] == 0)
    return allowed.tril()


class PackCollator:
    """Batches of one pack; the dataset's `item` is a pack's index."""

    def __init__(self, packs: list[Pack]):
        self._packs = packs

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        (feature,) = features
        return pack_inputs(self._packs[feature["item"]])


def weighted_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross entropy of the kept logits, each target times its weight.

    Divided by the number of targets in the whole optimizer step (`num_items_in_batch`), so
    that accumulation changes nothing; by this batch's where that is not told.
    """
    from torch.nn.functional import cross_entropy

    tokens, weights = labels[0].long(), labels[1]
    logits = outputs.logits.view(len(tokens), -1).float()
    losses = cross_entropy(logits, tokens, reduction="none")
    count = len(tokens) if num_items_in_batch is None else num_items_in_batch
    return (losses * weights.to(losses)).sum() / count


class PlainCollator:
    """Ordinary right-padded batches, for a backend whose attention takes no mask of ours."""

    def __init__(self, rows: list[Row], pad: int):
        self._rows = rows
        self._pad = pad

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        rows = [self._rows[feature["item"]] for feature in features]
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
