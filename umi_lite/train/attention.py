"""Attention within a pack, block by block: nothing is computed that the mask would throw away.

Registered by transformers' public `AttentionInterface`; a pack's shape reaches it as keyword
arguments of the model's forward call (`collate.pack_inputs`).
"""

from typing import Any

NAME = "umi_shared_prefix"


def register() -> str:
    """Make the attention known to transformers and return its name, for `attn_implementation`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    # Never a mask: the shape of the pack says it all.
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    return NAME


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared_prefix: int = 0,
    continuations: tuple[int, ...] = (),
    **_: Any,
) -> tuple[Any, None]:
    """Causal attention; each continuation sees the prefix and itself.

    Without continuations it is plain causal attention over the whole sequence.

    Args:
        query: (1, heads, T, width); `key`, `value`: (1, kv heads, T, width).
        shared_prefix: tokens of the prefix.
        continuations: their lengths, which with the prefix add up to T.
    """
    import torch

    options = {"scale": scaling, "dropout_p": dropout, "enable_gqa": query.size(1) != key.size(1)}
    scaled = torch.nn.functional.scaled_dot_product_attention
    if not continuations:
        whole = scaled(query, key, value, is_causal=True, **options)
        return whole.transpose(1, 2), None
    sizes = [shared_prefix, *continuations]
    queries, keys, values = (x.split(sizes, dim=2) for x in (query, key, value))
    outputs = []
    if shared_prefix:
        outputs.append(scaled(queries[0], keys[0], values[0], is_causal=True, **options))
    for own, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
        length = own.size(2)
        seen = torch.ones(length, shared_prefix + length, dtype=torch.bool, device=own.device)
        outputs.append(
            scaled(
                own,
                torch.cat([keys[0], k], dim=2),
                torch.cat([values[0], v], dim=2),
                attn_mask=seen.tril(shared_prefix),
                **options,
            )
        )
    return torch.cat(outputs, dim=2).transpose(1, 2), None
