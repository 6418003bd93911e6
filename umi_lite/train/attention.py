"""Attention within a pack, block by block.

Registered by transformers' public `AttentionInterface`; a pack's shape reaches it as keyword
arguments of the model's forward call (`collate.pack_inputs`). Sliding windows, capped scores and
sinks are computed as the models' own eager attention does; any other feature is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umi_lite.errors import UserError

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
    keeps: Any = None,
    begun: Any = None,
    after: tuple[Any, ...] = (),
    **others: Any,
) -> tuple[Any, None]:
    """Compute causal attention; each continuation sees the prefix and itself.

    Without continuations it is causal attention over the whole sequence. After contexts that were
    read before, each row's positions see its context and their own turn.

    Args:
        query: (1, heads, T, width); `key`, `value`: (1, kv heads, T, width).
        attention_mask: the result of `_window_of_mask`: the layer's window or None.
        s_aux: (heads) sinks.
        shared_prefix: tokens of the prefix.
        continuations: their lengths, which with the prefix add up to T.
        keeps: `contexts.Keys`, which keep this layer's keys and values.
        begun: `contexts.Keys` of the prefix, which is not part of the sequence then.
        after: an `activated.RowContext` per row; their positions add up to T.

    Raises:
        UserError: the layer passes a feature that is not computed here.
    """
    import torch

    if is_causal is False:
        raise _unknown("is_causal=False", type(module).__name__)
    _refuse_unknown(others, type(module).__name__)
    window = attention_mask if sliding_window is None else sliding_window
    features = Features(scaling, dropout, window, softcap, s_aux)
    if keeps is not None:
        keeps.keep(module.layer_idx, key, value)
    if after:
        return _after(query, key, value, module.layer_idx, after, features).transpose(1, 2), None
    if not continuations:
        return _within(query, key, value, features).transpose(1, 2), None
    sizes = [shared_prefix, *continuations]
    queries, keys, values = (list(x.split(sizes, dim=2)) for x in (query, key, value))
    outputs = []
    if begun is not None:
        keys[0], values[0] = begun.layers[module.layer_idx]
    elif shared_prefix:
        outputs.append(_within(queries[0], keys[0], values[0], features))
    for own, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
        if own.size(2):
            k, v = torch.cat([keys[0], k], dim=2), torch.cat([values[0], v], dim=2)
            outputs.append(_within(own, k, v, features))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _after(
    query: Any, key: Any, value: Any, layer: int, after: Sequence[Any], features: Features
) -> Any:
    """Compute attention of rows' own positions after contexts that were read before."""
    import torch

    counts = [row.count for row in after]
    parts = zip(*(x.split(counts, dim=2) for x in (query, key, value)), strict=True)
    outputs = []
    for row, (own, k, v) in zip(after, parts, strict=True):
        past_k, past_v = row.before(layer)
        k, v = torch.cat([past_k.to(k), k], dim=2), torch.cat([past_v.to(v), v], dim=2)
        outputs.append(_masked(own, k, v, row.mask(features.window), features))
    return torch.cat(outputs, dim=2)


def _within(query: Any, key: Any, value: Any, features: Features) -> Any:
    """Compute attention of the last tokens of one sequence: (1, heads, T, width)."""
    import torch

    length, total = query.size(2), key.size(2)
    slides = features.window is not None and features.window < total
    if features.softcap is None and features.sinks is None and length == total and not slides:
        scaled = torch.nn.functional.scaled_dot_product_attention
        return scaled(query, key, value, is_causal=True, **_options(query, key, features))
    before = total - length
    seen = torch.ones(length, total, dtype=torch.bool, device=query.device).tril(before)
    if slides and features.window is not None:
        # Positions continue from the prefix, so two tokens are as far apart as their indices.
        seen = seen.triu(before - features.window + 1)
    return _masked(query, key, value, seen, features)


def _masked(query: Any, key: Any, value: Any, seen: Any, features: Features) -> Any:
    """Compute attention to the keys that a mask (queries, keys) shows."""
    import torch

    if features.softcap is not None or features.sinks is not None:
        return _eager(query, key, value, seen, features)
    scaled = torch.nn.functional.scaled_dot_product_attention
    return scaled(query, key, value, attn_mask=seen, **_options(query, key, features))


def _options(query: Any, key: Any, features: Features) -> dict[str, Any]:
    grouped = query.size(1) != key.size(1)
    return {"scale": features.scaling, "dropout_p": features.dropout, "enable_gqa": grouped}


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
