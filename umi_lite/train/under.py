"""A frozen adapter under the one that is trained: the global one, under a role's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError


def merge(base: Any, folder: Path) -> None:
    """Add an adapter to the weights of a loaded base, computed in float32.

    Raises:
        UserError: the adapter adapts a layer that the base does not have.
    """
    import torch

    modules = dict(base.named_modules())
    with torch.no_grad():
        for name, a, b, scaling in _deltas(folder, modules):
            weight = modules[name].weight
            weight.add_(((b @ a) * scaling).to(weight))


def freeze(model: Any, folder: Path) -> None:
    """Put an adapter between the base's layers and the adapter of a PEFT model.

    For weights to which it cannot be added without an error: 4-bit and half-precision ones.

    Raises:
        UserError: see `merge`.
    """
    modules = dict(model.get_base_model().named_modules())
    for name, a, b, scaling in _deltas(folder, modules):
        layer = modules[name]
        if hasattr(layer, "base_layer"):
            layer.base_layer = _with_delta(layer.base_layer, a, b, scaling)
        else:  # the trained adapter has fewer layers
            parent, _, own = name.rpartition(".")
            setattr(modules[parent], own, _with_delta(layer, a, b, scaling))


def _deltas(folder: Path, modules: dict[str, Any]) -> Iterator[tuple[str, Any, Any, float]]:
    """Yield each adapted layer's name, A (rank, in), B (out, rank) and factor, on its device."""
    from peft import PeftConfig, load_peft_weights

    config: Any = PeftConfig.from_pretrained(str(folder))
    weights = load_peft_weights(str(folder), device="cpu")
    scaling = config.lora_alpha / config.r
    for key in sorted(key for key in weights if key.endswith(".lora_A.weight")):
        name = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        if name not in modules:
            raise UserError(f"the adapter {folder} was not trained on this base: no layer {name}")
        device = next(modules[name].parameters()).device
        b = weights[key.replace(".lora_A.", ".lora_B.")]
        yield name, weights[key].to(device).float(), b.to(device).float(), scaling


def _with_delta(layer: Any, a: Any, b: Any, scaling: float) -> Any:
    import torch

    class WithDelta(torch.nn.Module):
        """A frozen layer and its frozen adapter."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = layer
            self.register_buffer("down", a, persistent=False)
            self.register_buffer("up", b, persistent=False)

        @property
        def weight(self) -> Any:
            return self.inner.weight

        def forward(self, x: Any, *args: Any, **options: Any) -> Any:
            found = self.inner(x, *args, **options)
            change = x.to(self.down.dtype) @ self.down.T @ self.up.T * scaling
            return found + change.to(found.dtype)

    return WithDelta()
