"""A tiny GGUF of random weights, with biases and scaled positions as in real ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, KV_HEADS, HEAD = 64, 96, 2, 2, 1, 32
BIASED = {"q": HEADS * HEAD, "k": KV_HEADS * HEAD, "v": KV_HEADS * HEAD, "output": WIDTH}
_MARKS = ("<|im_start|>", "<|im_end|>")
_OWN = "<tool_call>"
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _letters() -> list[str]:
    """Return GPT-2's letter of each byte (its encoder.py, bytes_to_unicode)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(spare)) for byte in range(256)]


def llama3_factors(factor: float, low: float, high: float, context: int) -> np.ndarray:
    """As llama.cpp's converter computes `rope_freqs.weight` (conversion/llama.py)."""
    freqs = 1.0 / 10000.0 ** (np.arange(0, HEAD, 2, dtype=np.float32) / HEAD)
    made = []
    for wave in 2 * np.pi / freqs:
        smooth = (context / wave - low) / (high - low)
        inner = 1 / ((1 - smooth) / factor + smooth)
        made.append(1.0 if wave < context / high else factor if wave > context / low else inner)
    return np.array(made, np.float32)


def write_tiny(
    path: Path,
    *,
    arch: str = "llama",
    pre: str = "gpt-2",
    biases: Sequence[str] = (),
    freqs: np.ndarray | None = None,
    meta: Mapping[str, Any] | None = None,
    tensors: Sequence[str] = (),
    bos: bool | None = None,
    seed: int = 0,
) -> Path:
    """Write a model of 256 bytes, one merge, two control tokens and one user-defined one.

    Args:
        biases: which of `BIASED` have one.
        freqs: factors of the rotary frequencies.
        meta: further keys below the architecture's name.
        tensors: names of further tensors.
        bos: whether prompts begin with BOS, here `<|im_start|>`; None names no BOS.
    """
    tokens = [*_letters(), "th", *_MARKS, _OWN]
    kinds = [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 2
    kinds.append(gguf.TokenType.USER_DEFINED)
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10000.0)
    for key, value in (meta or {}).items():
        add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}
        add[type(value)](f"{arch}.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    if bos is not None:
        writer.add_bos_token_id(tokens.index("<|im_start|>"))
        writer.add_add_bos_token(bos)
    writer.add_chat_template(_TEMPLATE)
    chance = np.random.default_rng(seed)
    keys = KV_HEADS * HEAD
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd": (len(tokens), WIDTH),
        "output_norm": (WIDTH,),
    }
    for layer in range(LAYERS):
        name = f"blk.{layer}"
        sizes |= {f"{name}.attn_norm": (WIDTH,), f"{name}.ffn_norm": (WIDTH,)}
        sizes |= {f"{name}.attn_q": (WIDTH, WIDTH), f"{name}.attn_output": (WIDTH, WIDTH)}
        sizes |= {f"{name}.attn_{part}": (keys, WIDTH) for part in "kv"}
        sizes |= {f"{name}.ffn_{part}": (INNER, WIDTH) for part in ("gate", "up")}
        sizes[f"{name}.ffn_down"] = (WIDTH, INNER)
        for part in biases:
            bias = chance.normal(0, 1, BIASED[part]).astype(np.float32)
            writer.add_tensor(f"{name}.attn_{part}.bias", bias)
    for name, size in sizes.items():
        weights = chance.normal(0, 0.2, size) if len(size) > 1 else np.ones(size)
        writer.add_tensor(f"{name}.weight", weights.astype(np.float32))
    if freqs is not None:
        writer.add_tensor("rope_freqs.weight", freqs)
    for name in tensors:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
