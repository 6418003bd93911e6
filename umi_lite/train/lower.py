"""Layers below the first adapted one: they compute the same with and without the adapter.

So what they make of a role's own positions is computed with the contexts, without gradients, and
once for all roles; the pass with gradients begins at the first adapted layer.
"""

from collections.abc import Sequence
from typing import Any

from umi_lite.train.contexts import AllRead, Keys


def count_lower(model: Any) -> int:
    """Return the number of layers below the first adapted one, and let passes start after them.

    Such a pass is a forward call with `keeps` or `after` that have `entry`, the hidden states
    with which the first adapted layer begins.

    Args:
        model: a PEFT model.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = model.get_base_model()
    layers: Sequence[Any] = getattr(base.get_decoder(), "layers", ())
    if isinstance(base.get_input_embeddings(), BaseTunerLayer):
        return 0
    first = next(
        (
            number
            for number, layer in enumerate(layers)
            if any(isinstance(module, BaseTunerLayer) for module in layer.modules())
        ),
        0,
    )
    for number in range(first + 1 if first else 0):
        if not isinstance(layers[number].forward, _Part):
            layers[number].forward = _Part(layers[number].forward, adapted=number == first)
    return first


class _Part:
    """The forward call of a layer that passes may leave out or start at."""

    def __init__(self, forward: Any, *, adapted: bool):
        self._forward = forward
        self._adapted = adapted

    def __call__(self, hidden_states: Any, *args: Any, **options: Any) -> Any:
        keeps, after = options.get("keeps"), options.get("after")
        if isinstance(keeps, Keys) and keeps.entry is None and self._adapted:
            keeps.entry = hidden_states
            raise AllRead
        entry = _entry(keeps, after)
        if entry is None:
            return self._forward(hidden_states, *args, **options)
        return self._forward(entry, *args, **options) if self._adapted else hidden_states


def _entry(keeps: Keys | None, after: Sequence[Any] | None) -> Any:
    import torch

    if after:
        return torch.cat([row.entry for row in after], dim=1)
    return keeps and keeps.entry
