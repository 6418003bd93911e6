"""Attention within a pack, block by block, and the check that it gives the base's own loss.

Registered by transformers' public `AttentionInterface`; a pack's shape reaches it as keyword
arguments of the model's forward call (`collate.pack_inputs`). Sliding windows, capped scores and
sinks are computed as the models' own eager attention does; any other feature is refused by name.
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.collate import Collator, weighted_loss
from umi_lite.train.dataset import shares_prefixes
from umi_lite.train.device import Setting
from umi_lite.train.samples import Row

NAME = "umi_shared_prefix"

# What forward calls pass down to every attention without changing what it computes.
_NO_EFFECT = frozenset(
    {
        "cache_position",
        "layer_type",
        "logits_to_keep",
        "num_items_in_batch",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "position_ids",
        "shift_labels",
        "use_cache",
    }
)


@dataclass(frozen=True)
class Features:
    """What a layer's attention does to its scores.

    Attributes:
        scaling: factor of the scores; None is 1 / sqrt(head width).
        dropout: share of the attention weights that are dropped.
        window: a token sees itself and the `window - 1` tokens before it; None is all of them.
        softcap: scores are bent by tanh to stay within plus and minus this.
        sinks: (heads) scores of a token that takes weight and has no value.
    """

    scaling: float | None
    dropout: float
    window: int | None
    softcap: float | None
    sinks: Any


def register() -> str:
    """Make the attention known to transformers and return its name, for `attn_implementation`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _window_of_mask)
    return NAME


def check_config(config: Any, name: str) -> None:
    """Refuse a model whose attention does by its mask alone what `attend` does not see.

    Raises:
        UserError: attention in chunks or in both directions.
    """
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    if "chunked_attention" in (getattr(config, "layer_types", None) or ()):
        raise _unknown("attention in chunks", f"base {name}")
    both = getattr(config, "use_bidirectional_attention", None)
    if getattr(config, "is_causal", True) is False or both is True or both == "all":
        raise _unknown("attention in both directions", f"base {name}")


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: int | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Any = None,
    is_causal: bool | None = None,
    shared_prefix: int = 0,
    continuations: tuple[int, ...] = (),
    **others: Any,
) -> tuple[Any, None]:
    """Compute causal attention; each continuation sees the prefix and itself.

    Without continuations it is causal attention over the whole sequence.

    Args:
        query: (1, heads, T, width); `key`, `value`: (1, kv heads, T, width).
        attention_mask: the result of `_window_of_mask`: the layer's window or None.
        s_aux: (heads) sinks.
        shared_prefix: tokens of the prefix.
        continuations: their lengths, which with the prefix add up to T.

    Raises:
        UserError: the layer passes a feature that is not computed here.
    """
    import torch

    if is_causal is False:
        raise _unknown("is_causal=False", type(module).__name__)
    _refuse_unknown(others, type(module).__name__)
    window = attention_mask if sliding_window is None else sliding_window
    features = Features(scaling, dropout, window, softcap, s_aux)
    if not continuations:
        return _within(query, key, value, features).transpose(1, 2), None
    sizes = [shared_prefix, *continuations]
    queries, keys, values = (x.split(sizes, dim=2) for x in (query, key, value))
    outputs = []
    if shared_prefix:
        outputs.append(_within(queries[0], keys[0], values[0], features))
    for own, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
        k, v = torch.cat([keys[0], k], dim=2), torch.cat([values[0], v], dim=2)
        outputs.append(_within(own, k, v, features))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _within(query: Any, key: Any, value: Any, features: Features) -> Any:
    """Compute attention of the last tokens of one sequence: (1, heads, T, width)."""
    import torch

    length, total = query.size(2), key.size(2)
    slides = features.window is not None and features.window < total
    plain = features.softcap is None and features.sinks is None
    grouped = query.size(1) != key.size(1)
    options = {"scale": features.scaling, "dropout_p": features.dropout, "enable_gqa": grouped}
    scaled = torch.nn.functional.scaled_dot_product_attention
    if plain and length == total and not slides:
        return scaled(query, key, value, is_causal=True, **options)
    before = total - length
    seen = torch.ones(length, total, dtype=torch.bool, device=query.device).tril(before)
    if slides and features.window is not None:
        # Positions continue from the prefix, so two tokens are as far apart as their indices.
        seen = seen.triu(before - features.window + 1)
    if plain:
        return scaled(query, key, value, attn_mask=seen, **options)
    return _eager(query, key, value, seen, features)


def _eager(query: Any, key: Any, value: Any, seen: Any, features: Features) -> Any:
    """Write attention out, for what `scaled_dot_product_attention` does not have."""
    import torch

    groups = query.size(1) // key.size(1)
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scaling = query.size(-1) ** -0.5 if features.scaling is None else features.scaling
    scores = query @ key.transpose(2, 3) * scaling
    if features.softcap is not None:
        scores = torch.tanh(scores / features.softcap) * features.softcap
    scores = scores.float().masked_fill(~seen, -torch.inf)
    if features.sinks is not None:
        sinks = features.sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks], dim=-1)
    shares = scores.softmax(-1)[..., : seen.size(1)].to(value.dtype)
    return torch.nn.functional.dropout(shares, features.dropout) @ value


def _window_of_mask(*_: Any, local_size: int | None = None, **__: Any) -> int | None:
    """Return the layer's window in place of a mask: not every model passes it to its attention."""
    return local_size


def _refuse_unknown(others: Mapping[str, Any], layer: str) -> None:
    for name, value in others.items():
        if value is not None and name not in _NO_EFFECT:
            raise _unknown(name, layer)


def _unknown(feature: str, where: str) -> UserError:
    return UserError(
        f"{where} uses {feature}, which the attention of backend plain does not compute: training "
        "would be of another model; take another base, or backend: unsloth where it has it"
    )


# Relative difference of the two losses that rounding may make.
_TOLERANCE = {"fp32": 1e-3, "bf16": 1e-2, "fp16": 1e-2}
_LENGTH = 96


def check_loss(model: Any, row: Row, collator: Collator, recipe: Recipe, setting: Setting) -> None:
    """Compare the loss of two rows that share a prefix with their loss in the base's attention.

    `attend` is not the base's attention: what it leaves out of a new kind of model would train
    another model without an error.

    Takes five forward passes of at most 150 tokens; the model is left as it was.

    Args:
        model: a PEFT model loaded with `NAME`.
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
    """Return the ids, and a copy with the second half reversed; the common half counts once."""
    half = max(1, len(ids) // 2)
    other = ids[:half] + ids[half:][::-1]
    late = [float(i >= half) for i in range(len(ids))]
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
        outputs = model(**inputs, use_cache=False)
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
