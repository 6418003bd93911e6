"""LoRA adapters as PEFT saves them, made without torch."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

RANK = 4


def write_peft(folder: Path, base_hf: Path, seed: int, scale: float = 0.02) -> Path:
    """Write a LoRA on all linear layers as PEFT saves it; with `scale` 0 it is untrained."""
    base = json.loads((base_hf / "config.json").read_text())
    width, inner = base["hidden_size"], base["intermediate_size"]
    keys = base["head_dim"] * base["num_key_value_heads"]
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in range(base["num_hidden_layers"]):
        for module, (rows, columns) in shapes.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            a = random.normal(0, columns**-0.5, (RANK, columns))
            b = random.normal(0, 1, (rows, RANK)) * scale
            tensors[f"{name}.lora_A.weight"] = a.astype(np.float32)
            tensors[f"{name}.lora_B.weight"] = b.astype(np.float32)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "target_modules": [module.split(".")[1] for module in shapes],
        "base_model_name_or_path": str(base_hf),
        "bias": "none",
    }
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder
