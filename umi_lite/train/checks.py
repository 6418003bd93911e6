"""Checks of a job's model: its vocabulary and its loss before training, and that it changed."""

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.attention import NAME
from umi_lite.train.collate import weighted_loss
from umi_lite.train.dataset import Ready, shares_prefixes
from umi_lite.train.device import Setting
from umi_lite.train.loading import HINT
from umi_lite.train.packs import Collator, Row

# Relative difference of the two losses that rounding may make.
_TOLERANCE = {"fp32": 1e-3, "bf16": 1e-2, "fp16": 1e-2}
_LENGTH = 96


def check_vocabulary(model: Any, rows: Iterable[Row]) -> None:
    """Check that the model has an embedding for each token.

    Raises:
        UserError: a row has an id beyond them: its tokenizer is another model's.
    """
    count = model.get_input_embeddings().weight.shape[0]
    highest = max(max(row.ids) for row in rows)
    if highest >= count:
        raise UserError(
            f"the base has embeddings for {count} tokens, but its tokenizer gives the id "
            f"{highest}: its tokenizer and its weights are of different models; {HINT}"
        )


def check_loss(model: Any, row: Row, collator: Collator, recipe: Recipe, setting: Setting) -> None:
    """Compare the loss of two rows that share a prefix with their loss in the base's attention.

    `attention.attend` is not the base's attention: what it leaves out of a new kind of model
    would train another model without an error.

    Takes five forward passes of at most 150 tokens; the model is left as it was.

    Args:
        model: a PEFT model loaded with `attention.NAME`.
        row: any row of the job; its first tokens are read.
        collator: the job's own.

    Raises:
        UserError: the losses differ, or the base does not compute logits where asked.
    """
    rows = _two_rows(row.ids[:_LENGTH])
    joined = shares_prefixes(recipe) or recipe.micro_batch > 1
    with _evaluating(model, setting) as device:
        base_loss = _in_base_attention(model, rows, device)
        alone = _mean_loss(model, [[row] for row in rows], collator, device)
        packed = _mean_loss(model, [rows], collator, device) if joined else alone
    tolerance = _TOLERANCE[setting.precision] * abs(base_loss)
    if abs(packed - base_loss) <= tolerance:
        return
    what = f"a loss of {packed:.5f} where the base's own attention gives {base_loss:.5f}"
    if abs(alone - base_loss) <= tolerance:
        raise UserError(
            f"backend plain computes {what}: the base's layers do not pass on how rows are packed; "
            "set packing: none and micro_batch: 1"
        )
    raise UserError(
        f"backend plain computes {what}, on the same {len(rows[0].ids)} tokens: training would be "
        "of another model; take another base, or backend: unsloth"
    )


def _two_rows(ids: list[int]) -> list[Row]:
    """Return the ids, and a copy with the second half reversed; the common half counts once.

    In that half the copy has two turns, the second one after tokens that are context only.
    """
    half = max(1, len(ids) // 2)
    other = ids[:half] + ids[half:][::-1]
    gap = range(half + half // 4, half + half // 2)
    late = [float(i >= half and i not in gap) for i in range(len(ids))]
    return [
        Row("first", ids, [0.0] + [1.0] * (len(ids) - 1), half),
        Row("second", other, late, half),
    ]


@contextmanager
def _evaluating(model: Any, setting: Setting) -> Any:
    """Turn gradients and dropout off, in the precision of training; yield the device."""
    import torch

    device = next(weight.device for weight in model.parameters() if weight.requires_grad)
    dtype, training = setting.dtype, model.training
    mixed = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    model.eval()
    try:
        with torch.no_grad(), mixed:
            yield device
    finally:
        model.train(training)


def _mean_loss(
    model: Any, batches: Sequence[Sequence[Row]], collator: Collator, device: Any
) -> float:
    """Return the mean loss of the rows' targets, each batch in one sequence."""
    from accelerate.utils import send_to_device

    total, count = 0.0, 0
    for rows in batches:
        inputs: Any = send_to_device(collator.inputs(rows), device)
        labels = inputs.pop("labels")
        outputs = model(**collator.before(model, inputs), use_cache=False)
        kept, wanted = outputs.logits.shape[-2], labels.shape[-1]
        if kept != wanted:
            raise UserError(
                f"the base computes logits at {kept} positions where {wanted} are asked for "
                "(logits_to_keep): backend plain cannot train it; take backend: unsloth"
            )
        total += weighted_loss(outputs, labels, num_items_in_batch=1).item()
        count += wanted
    return total / count


def _in_base_attention(model: Any, rows: Sequence[Row], device: Any) -> float:
    import torch

    base = model.get_base_model()
    base.set_attn_implementation("eager")
    total = 0.0
    try:
        for row in rows:
            ids = torch.tensor([row.ids], device=device)
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
            total += (losses * torch.tensor(row.weights[1:], device=device)).sum().item()
    finally:
        base.set_attn_implementation(NAME)
    return total / sum(row.trained for row in rows)


def check_changed(before: str, after: str, ready: Ready) -> None:
    """Refuse a job that trained nothing.

    Raises:
        UserError: both fingerprints are the same; job, learning rate and steps are named.
    """
    if before != after:
        return
    job, steps = ready.job, len(ready.sizes)
    raise UserError(
        f"{job.name}: the adapter is the same after {steps} step{'s' * (steps > 1)} as before: "
        f"nothing was trained; raise the job's learning rate, {job.settings.learning_rate:g}, "
        "or train more steps"
    )
