"""A GGUF's weights and config as transformers has them, or an error that names what differs.

A key or tensor that is not read here could make the trained model another one, so an unknown one
is an error.
"""

from collections.abc import Callable
from typing import Any

from umi_lite.errors import UserError

Get = Callable[..., Any]

# llama.cpp tensor name -> HF name; `blk.N.` becomes `model.layers.N.` (llama.cpp's
# gguf-py/gguf/tensor_mapping.py, architectures llama and qwen2).
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
_NORMS = ("attn_norm", "ffn_norm")
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")
_ROPE_FREQS = "rope_freqs.weight"
# Keys below the architecture's name that are read here, or change nothing that is computed.
_KEYS = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "vocab_size",
}
# Of Llama 3.1 to 3.3. Only the context's ratios to the two factors matter.
_CONTEXT, _LOW, _HIGH = 8192, 1.0, 4.0
ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
HINT = "name the HF model in base.model"


def model_of(reader: Any, name: str, get: Get) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the float32 tensors by their HF names, and the config.json.

    Args:
        reader: a `gguf.GGUFReader`.
        name: the file's, for messages.
        get: returns the value of a metadata key, or a default.

    Raises:
        UserError: another architecture, or a tensor or key that is not read here.
    """
    arch = get("general.architecture")
    if arch not in ARCHITECTURES:
        able = ", ".join(ARCHITECTURES)
        raise _refusal(name, f"is of architecture {arch!r}, not {able}")
    prefix = f"{arch}."
    for key in reader.fields:
        inner = key.removeprefix(prefix)
        if key.startswith(prefix) and inner not in _KEYS and get(key):
            raise _refusal(name, f"has {key} {get(key)!r}")

    def own(key: str, default: Any = None) -> Any:
        return get(prefix + key, default)

    tensors, freqs = _tensors(reader, arch, name, own)
    config = _config(arch, tensors, own, name) | {"vocab_size": len(get("tokenizer.ggml.tokens"))}
    rope = _rope(freqs, own, name)
    return tensors, config | {"rope_parameters": rope, "rope_theta": rope["rope_theta"]}


def _refusal(name: str, what: str) -> UserError:
    return UserError(f"{name} {what}, and cannot be trained from its GGUF: {HINT}")


def _tensors(reader: Any, arch: str, name: str, own: Get) -> tuple[dict[str, Any], Any]:
    """Return the state dict, and the factors of the rotary frequencies or None."""
    import numpy as np
    from gguf.quants import dequantize

    heads = own("attention.head_count")
    of = {"q_proj": heads, "k_proj": own("attention.head_count_kv", heads)}
    state: dict[str, Any] = {}
    freqs = None
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name == _ROPE_FREQS and arch == "llama":
            freqs = weight
            continue
        hf = hf_name(tensor.name)
        if hf is None:
            raise _refusal(name, f"has a tensor {tensor.name}")
        part = hf.split(".")[-2]
        if arch == "llama" and part in of:
            weight = unpermute(weight, of[part])
        state[hf] = np.ascontiguousarray(weight)
    return state, freqs


def hf_name(name: str) -> str | None:
    """Return the HF name of llama.cpp's tensor `name`; None for one that is not known."""
    if name in _TOP:
        return _TOP[name]
    match name.split("."):
        case ["blk", layer, part, "weight" as kind] if part in _LAYER:
            return f"model.layers.{layer}.{_LAYER[part]}.{kind}"
        case ["blk", layer, part, "bias" as kind] if part in _LAYER and part not in _NORMS:
            return f"model.layers.{layer}.{_LAYER[part]}.{kind}"
    return None


def unpermute(weight: Any, heads: int) -> Any:
    """Return the rows as HF has them: llama.cpp reorders rotary halves (`LlamaModel.permute`)."""
    rows = weight.shape[0] // heads // 2
    split = weight.reshape(heads, rows, 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def _config(arch: str, tensors: dict[str, Any], own: Get, name: str) -> dict[str, Any]:
    heads, width = own("attention.head_count"), own("embedding_length")
    kv_heads = own("attention.head_count_kv", heads)
    for key, value in (("head_count", heads), ("head_count_kv", kv_heads)):
        if not isinstance(value, int):
            raise _refusal(name, f"has layers of different attention.{key}")
    head = own("attention.key_length", width // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if own(key, head) != head:
            raise _refusal(name, f"has {arch}.{key} {own(key)} for heads of width {head}")
    biases = {hf.split(".")[-2] for hf in tensors if hf.endswith(".bias")}
    wanted = _ATTENTION if arch == "llama" else _ATTENTION[:3]
    if arch == "qwen2" and not biases <= set(wanted):
        raise _refusal(name, f"has biases on {', '.join(sorted(biases - set(wanted)))}")
    for parts in (wanted, _MLP):
        if biases & set(parts):
            _fill_biases(tensors, parts)
    return {
        "architectures": [ARCHITECTURES[arch]],
        "model_type": arch,
        "hidden_size": width,
        "intermediate_size": own("feed_forward_length"),
        "num_hidden_layers": own("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head,
        "max_position_embeddings": own("context_length"),
        "rms_norm_eps": own("attention.layer_norm_rms_epsilon"),
        "hidden_act": "silu",
        "attention_bias": bool(biases & set(_ATTENTION)),
        "mlp_bias": bool(biases & set(_MLP)),
        "tie_word_embeddings": "lm_head.weight" not in tensors,
        "torch_dtype": "float32",
    }


def _fill_biases(tensors: dict[str, Any], parts: tuple[str, ...]) -> None:
    """Add zeros where a layer has no bias: transformers has them on all of these or none."""
    import numpy as np

    for hf in [hf for hf in tensors if hf.endswith(".weight") and hf.split(".")[-2] in parts]:
        bias = hf.removesuffix("weight") + "bias"
        tensors.setdefault(bias, np.zeros(len(tensors[hf]), np.float32))


def _rope(freqs: Any, own: Get, name: str) -> dict[str, Any]:
    """Return transformers' `rope_parameters`."""
    theta = own("rope.freq_base", 10000.0)
    kind = own("rope.scaling.type") or "linear"  # llama.cpp's default
    factor = own("rope.scaling.factor") or own("rope.scale_linear") or 1.0
    if kind == "none":
        factor = 1.0
    elif kind != "linear":
        raise _refusal(name, f"has rotary positions scaled by {kind!r}")
    if freqs is None or (freqs == 1).all():
        if factor == 1.0:
            return {"rope_type": "default", "rope_theta": theta}
        return {"rope_type": "linear", "rope_theta": theta, "factor": factor}
    made = None if factor != 1.0 else _llama3(freqs, theta)
    if made is None:
        raise _refusal(name, f"has factors of rotary frequencies ({_ROPE_FREQS}) unlike Llama 3's")
    return made


def _llama3(freqs: Any, theta: float) -> dict[str, Any] | None:
    """Return the `llama3` parameters that give these factors, or None.

    If the bounds of the smooth part are not the usual ones, they are read off its factors.
    """
    import numpy as np

    factor = float(freqs.max())
    steps = np.arange(0, 2 * len(freqs), 2) / (2 * len(freqs))
    turns = theta**-steps * _CONTEXT / (2 * np.pi)  # of each frequency within the context
    bounds = [(_LOW, _HIGH)]
    inner = (freqs > 1 + 1e-4) & (freqs < factor * (1 - 1e-4))
    if inner.sum() > 1:
        smooth = (1 / freqs[inner] - 1 / factor) / (1 - 1 / factor)
        slope, offset = np.polyfit(turns[inner], smooth, 1)
        bounds.append((-offset / slope, (1 - offset) / slope))
    for low, high in bounds:
        smooth = np.clip((turns - low) / (high - low), 0, 1)
        if np.allclose(1 / ((1 - smooth) / factor + smooth), freqs, rtol=1e-4):
            return {
                "rope_type": "llama3",
                "rope_theta": theta,
                "factor": factor,
                "low_freq_factor": float(low),
                "high_freq_factor": float(high),
                "original_max_position_embeddings": _CONTEXT,
            }
    return None
