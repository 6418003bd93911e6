"""A tiny model with random weights and a vocabulary and chat template unlike the embedded one's."""

from pathlib import Path

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS = 64, 96, 2, 2
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_MARKS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")


def _letters() -> list[str]:
    """GPT-2's letter for each byte (its encoder.py, bytes_to_unicode)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(spare)) for byte in range(256)]


def write_byte_model(path: Path) -> Path:
    """A llama of 256 bytes, one merge and four marks; `<|end|>` ends a turn."""
    tokens = [*_letters(), "th", *_MARKS]
    kinds = [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 4
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(tokens.index("<|end|>"))
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(0)
    sizes = {"token_embd": (len(tokens), WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        name = f"blk.{layer}"
        sizes |= {f"{name}.attn_norm": (WIDTH,), f"{name}.ffn_norm": (WIDTH,)}
        sizes |= {f"{name}.attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        sizes |= {f"{name}.ffn_{part}": (INNER, WIDTH) for part in ("gate", "up")}
        sizes[f"{name}.ffn_down"] = (WIDTH, INNER)
    for name, size in sizes.items():
        weights = random.normal(0, 0.2, size) if len(size) > 1 else np.ones(size)
        writer.add_tensor(f"{name}.weight", weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
