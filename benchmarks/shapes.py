"""Write models of a given shape with random weights, and LoRAs for them, to measure memory.

The vocabulary is the embedded model's; needs the package `gguf` (extra `train`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.files import staged_file
from umi_lite.weights.embedded import embedded_gguf


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama-like model: hidden width, layers, heads, key-value heads, inner width."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    inner: int


# Qwen2.5's (their config.json), without its attention biases.
SHAPES = {
    "1.5b": Shape(1536, 28, 12, 2, 8960),
    "3b": Shape(2048, 36, 16, 2, 11008),
    "7b": Shape(3584, 28, 28, 4, 18944),
}
_RANK = 16


def matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return (rows, columns) of each adapted matrix of a layer, by llama.cpp's name."""
    kv = shape.width // shape.heads * shape.kv_heads
    return {
        "attn_q": (shape.width, shape.width),
        "attn_k": (kv, shape.width),
        "attn_v": (kv, shape.width),
        "attn_output": (shape.width, shape.width),
        "ffn_gate": (shape.inner, shape.width),
        "ffn_up": (shape.inner, shape.width),
        "ffn_down": (shape.width, shape.inner),
    }


def write_model(shape: Shape, target: Path) -> None:
    """Write a GGUF of the shape in Q4_0 (7b: 4.3 GB, about a minute)."""
    import gguf
    import numpy as np

    chance = np.random.default_rng(0)
    sizes = {"token_embd.weight": (_vocabulary(), shape.width)}
    norms = {"output_norm.weight": shape.width}
    for layer in range(shape.layers):
        sizes |= {f"blk.{layer}.{name}.weight": two for name, two in matrices(shape).items()}
        norms |= {f"blk.{layer}.{name}.weight": shape.width for name in ("attn_norm", "ffn_norm")}
    quantised = gguf.GGMLQuantizationType.Q4_0
    with staged_file(target) as work:
        writer = gguf.GGUFWriter(work, "llama")
        _describe(writer, shape)
        for name, (rows, columns) in sizes.items():
            bytes_a_row = columns // 32 * 18
            writer.add_tensor_info(
                name, (rows, bytes_a_row), np.dtype(np.uint8), rows * bytes_a_row, quantised
            )
        for name, width in norms.items():
            writer.add_tensor_info(name, (width,), np.dtype(np.float32), 4 * width)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for rows, columns in sizes.values():
            blocks = chance.integers(0, 256, (rows * columns // 32, 18), np.uint8)
            # A scale that keeps the activations finite.
            blocks[:, :2] = np.full(1, 0.5 / columns**0.5, np.float16).view(np.uint8)
            writer.write_tensor_data(blocks.reshape(rows, -1))
        for width in norms.values():
            writer.write_tensor_data(np.ones(width, np.float32))
        writer.close()


def write_adapter(shape: Shape, target: Path, seed: int, last_layers: int | None = None) -> None:
    """Write a LoRA GGUF of rank 16 on all matrices of the last layers (default all), in F16."""
    import gguf
    import numpy as np

    chance = np.random.default_rng(seed)
    with staged_file(target) as work:
        writer = gguf.GGUFWriter(work, "llama")
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", 2.0 * _RANK)
        for layer in range(shape.layers - (last_layers or shape.layers), shape.layers):
            for name, (rows, columns) in matrices(shape).items():
                for half, size in (("lora_a", (_RANK, columns)), ("lora_b", (rows, _RANK))):
                    values = (chance.standard_normal(size) / 100).astype(np.float16)
                    writer.add_tensor(f"blk.{layer}.{name}.weight.{half}", values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _vocabulary() -> int:
    from umi_lite.engine.gguf import read_gguf

    embedding = next(t for t in read_gguf(embedded_gguf(), "base")[1] if "token_embd" in t.name)
    return embedding.shape[0]


def _describe(writer: Any, shape: Shape) -> None:
    """Write the metadata of the shape, and the embedded model's tokenizer field by field."""
    import gguf

    writer.add_context_length(4096)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(1e6)
    writer.add_vocab_size(_vocabulary())
    for field in gguf.GGUFReader(embedded_gguf()).fields.values():
        if field.name.startswith("tokenizer."):
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub)
