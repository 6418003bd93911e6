"""Small LoRA adapters for tests, written as llama.cpp's converter writes them."""

from pathlib import Path

import gguf
import numpy as np


def write_adapter(
    path: Path, *, arch: str = "llama", width: int = 576, seed: int = 0, scale: float = 0.3
) -> Path:
    """Write a random LoRA on the first two attention outputs, with a measurable effect."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for layer in range(2):
        for half, shape in (("a", (4, width)), ("b", (width, 4))):
            weights = random.normal(0, scale, shape).astype(np.float32)
            writer.add_tensor(f"blk.{layer}.attn_output.weight.lora_{half}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
