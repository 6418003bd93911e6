"""The weights of a LoRA adapter in a loaded model, and their hash."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError

NAME = "default"


def begin(model: Any, start: Path | None, seed: int) -> None:
    """Put the adapter in the state in which a job starts, whatever was trained in it before.

    Args:
        start: the folder of an adapter to copy; None initializes a new one.
        seed: of the new one's A matrices.

    Raises:
        UserError: the adapter in `start` does not fit the model.
    """
    if start is None:
        draw(model, seed)
    else:
        read(model, start)
    for weight in model.parameters():
        weight.grad = None


def draw(model: Any, seed: int) -> None:
    """Draw A by `seed` and set B to zero: bit for bit as PEFT does in a new model.

    PEFT (LoraLayer.update_layer) makes both matrices as linear layers, which draws them on the
    CPU, and then draws A again by Kaiming's rule. So both backends start with the same adapter.
    """
    import torch
    from transformers import set_seed

    set_seed(seed)
    with torch.no_grad():
        for a, b in _matrices(model):
            rank, width = a.shape
            made = torch.nn.Linear(width, rank, bias=False).weight
            torch.nn.Linear(rank, b.shape[0], bias=False)
            torch.nn.init.kaiming_uniform_(made, a=math.sqrt(5))
            a.copy_(made)
            b.zero_()


def read(model: Any, folder: Path) -> None:
    """Load an adapter's folder in place of the model's own weights.

    Raises:
        UserError: its rank, alpha or layers are not the model's.
    """
    from peft import PeftConfig, load_peft_weights, set_peft_model_state_dict

    own, other = model.peft_config[NAME], PeftConfig.from_pretrained(str(folder))
    for key, name in (("r", "r"), ("lora_alpha", "alpha")):
        found = getattr(other, key, None)
        if found != getattr(own, key):
            raise UserError(
                f"the adapter {folder} has {name} {found}, the recipe's lora.{name} is "
                f"{getattr(own, key)}: a run continues with the same lora"
            )
    weights = load_peft_weights(str(folder), device="cpu")
    try:
        result = set_peft_model_state_dict(model, weights)
    except RuntimeError as err:
        raise UserError(f"the adapter {folder} was not trained on this base: {err}") from err
    missing = [name for name in result.missing_keys if "lora_" in name]
    if missing or result.unexpected_keys:
        raise UserError(
            f"the adapter {folder} adapts other layers than the recipe's lora: "
            f"{(missing + list(result.unexpected_keys))[0]} is in one of them only"
        )


def average(folder: Path, other: Path, share: float) -> None:
    """Replace a saved adapter by its average with another one, matrix by matrix.

    Args:
        share: of the other one's weights, from 0 to 1.
    """
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    own, before = load_file(path), load_file(other / "adapter_model.safetensors")
    made = {name: own[name].lerp(before[name].to(own[name].dtype), share) for name in own}
    save_file(made, path, metadata={"format": "pt"})


def release(model: Any) -> None:
    """Remove what the last trainer left in the model, and free its optimizer's memory.

    Accelerate wraps the forward method for mixed precision and marks the model as prepared
    (Accelerator.prepare_model); with the mark the next trainer would wrap nothing.
    """
    import gc

    import torch

    own = vars(model)
    if "_original_forward" in own:
        model.forward = own.pop("_original_forward")
    own.pop("_is_accelerate_prepared", None)
    gc.collect()  # a trainer and its callbacks refer to each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _matrices(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yield A (rank, in) and B (out, rank) of each adapted layer, in the model's order."""
    for module in model.modules():
        if hasattr(module, "lora_A") and NAME in module.lora_A:
            yield module.lora_A[NAME].weight, module.lora_B[NAME].weight


def name_invocation(folder: Path, cue: int) -> None:
    """Write into a saved adapter's config from which token on it is active.

    PEFT's activated LoRA and, by the converted GGUF, llama.cpp's activate it from the last such
    token of a prompt on (`LoraConfig.alora_invocation_tokens`).
    """
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["alora_invocation_tokens"] = [cue]
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


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
