"""GGUF LoRA files converted back to PEFT adapters, so that training can start from a bundle."""

import json
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.files import staged_folder, writing
from umi_lite.weights.gguf_to_hf import gguf_reader
from umi_lite.weights.gguf_weights import hf_name, unpermute


def lora_folder(adapter: Path, base_hf_dir: Path, target: Path) -> None:
    """Write a GGUF LoRA as a PEFT adapter folder, whole or not at all.

    The inverse of `hf_to_gguf.convert_loras`, up to the rounding of the file's type.

    Args:
        adapter: a GGUF LoRA of a `llama` or `qwen2` base.
        base_hf_dir: HF folder of the base; only its `config.json` is read.
        target: the new folder.

    Raises:
        UserError: the file is not a LoRA adapter, or adapts other tensors than linear layers.
    """
    import numpy as np
    from gguf.quants import dequantize
    from safetensors.numpy import save_file

    reader = gguf_reader(adapter)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    alpha = fields.get("adapter.lora.alpha")
    if fields.get("adapter.type") != "lora" or alpha is None:
        raise UserError(f"{adapter} is not a LoRA adapter (adapter.type, adapter.lora.alpha)")
    config = json.loads((base_hf_dir / "config.json").read_text(encoding="utf-8"))
    heads = config["num_attention_heads"]
    of = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
    weights: dict[str, Any] = {}
    for tensor in reader.tensors:
        name, _, half = tensor.name.rpartition(".lora_")
        hf = hf_name(name)
        if hf is None or half not in ("a", "b") or "layers" not in hf:
            raise UserError(f"{adapter} adapts {tensor.name}: only a layer's linear parts are read")
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        part = hf.split(".")[-2]
        if half == "b" and part in of and fields.get("general.architecture") == "llama":
            weight = unpermute(weight, of[part])
        key = f"base_model.model.{hf.removesuffix('.weight')}.lora_{half.upper()}.weight"
        weights[key] = np.ascontiguousarray(weight)
    with writing(target), staged_folder(target) as work:
        save_file(weights, work / "adapter_model.safetensors")
        text = json.dumps(_config(adapter, weights, float(alpha)), indent=2)
        (work / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def _config(adapter: Path, weights: dict[str, Any], alpha: float) -> dict[str, Any]:
    """Return the adapter_config.json that PEFT reads."""
    ranks = {len(weight) for key, weight in weights.items() if ".lora_A." in key}
    if len(ranks) != 1:
        raise UserError(f"{adapter} has layers of ranks {sorted(ranks)}: one rank can be trained")
    parts = [key.split(".") for key in weights]
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": ranks.pop(),
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({part[-3] for part in parts}),
        "layers_to_transform": sorted({int(part[part.index("layers") + 1]) for part in parts}),
    }
