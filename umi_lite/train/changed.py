"""Check that a job changed its adapter: hashes of the weights before and after."""

import hashlib
from collections.abc import Mapping
from typing import Any

from umi_lite.errors import UserError
from umi_lite.train.dataset import Ready


def fingerprint(model: Any, weights: Mapping[str, Any] | None = None) -> str:
    """Return a hash of the adapter's weights, bit for bit.

    Args:
        weights: the whole state dict, where FSDP shards the model's parameters.
    """
    import torch

    named = weights or dict(model.named_parameters())
    made = hashlib.sha256()
    for name in sorted(name for name in named if "lora_" in name):
        tensor = named[name].detach().to("cpu", torch.float32).contiguous()
        made.update(tensor.numpy().tobytes())
    return made.hexdigest()


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
