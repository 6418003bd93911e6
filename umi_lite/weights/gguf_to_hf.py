"""The embedded GGUF, and any Llama or Qwen2 GGUF as an ordinary Hugging Face folder.

Training uses what llama.cpp will run: the weights are the GGUF's own, dequantised, and the
tokenizer is built from its vocabulary, so that HF and llama.cpp ids agree.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from umi_lite.engine.gguf import check_gguf
from umi_lite.errors import UserError
from umi_lite.files import known_sha256, scratch, writing
from umi_lite.weights.gguf_weights import HINT, model_of

# What a GGUF can be requantized to.
GgufType = Literal["F16", "Q8_0", "Q4_K_M"]

_CONTROL, _USER_DEFINED = 3, 4  # gguf.TokenType
_FORMAT = 2  # increased when the folder's contents change, so that old caches are not used

# How llama.cpp splits text before it merges (src/llama-vocab.cpp), by `tokenizer.ggml.pre`.
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CUTS = {
    "llama-bpe": _LETTERS + r"\p{N}{1,3}" + _REST,
    "qwen2": _LETTERS + r"\p{N}" + _REST,
}


def hf_folder(
    gguf: Path, cache_dir: Path, *, on_start: Callable[[Path], None] | None = None
) -> Path:
    """Return the GGUF dequantised to an ordinary HF folder: fp32 safetensors, config, tokenizer.

    Args:
        gguf: a GGUF of architecture `llama` or `qwen2` with a byte-level BPE vocabulary.
        cache_dir: the folder is `cache_dir/<stem>-<first 12 of the GGUF's sha256>`, made
            once (about 2 s for 135M) and reused.
        on_start: called with the folder's path before it is made.

    Raises:
        UserError: the file is missing, truncated or not a GGUF, or has an architecture or
            tokenizer that is not supported.
    """
    if not gguf.is_file():
        raise UserError(f"{gguf}: no such base model file")
    target = cache_dir / f"{gguf.stem}-{known_sha256(gguf)[:12]}-{_FORMAT}"
    if (target / "config.json").is_file():
        return target
    if on_start:
        on_start(target)
    with writing(target), scratch(target) as work:
        _write_folder(gguf, work)
        work.chmod(0o755)
        try:
            work.rename(target)
        except OSError:
            if not (target / "config.json").is_file():  # else another process made it first
                raise
    return target


def local_folder(name: str) -> Path | None:
    """Return a model's local folder with a config.json, by path or hub id; None without one.

    Nothing is downloaded.
    """
    if (Path(name) / "config.json").is_file():
        return Path(name)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # a path that is gone
        return None
    return Path(found).parent if isinstance(found, str) else None


def _write_folder(gguf_path: Path, out: Path) -> None:
    from safetensors.numpy import save_file

    reader = gguf_reader(gguf_path)
    meta = {name: reader.fields[name] for name in reader.fields}

    def get(key: str, default: Any = None) -> Any:
        return meta[key].contents() if key in meta else default

    model = get("tokenizer.ggml.model")
    if model != "gpt2":
        raise UserError(
            f"{gguf_path.name} has a tokenizer of kind {model!r}, not gpt2 (byte-level BPE), and "
            f"cannot be trained from its GGUF: {HINT}"
        )
    tensors, config = model_of(reader, gguf_path.name, get)
    config |= {
        "bos_token_id": get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": get("tokenizer.ggml.padding_token_id"),
    }
    _write_tokenizer(get, out, gguf_path.name, context=config["max_position_embeddings"])
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    _dump(out / "generation_config.json", {"eos_token_id": config["eos_token_id"]})
    _dump(out / "config.json", config)


def gguf_reader(path: Path) -> Any:
    """Return a `gguf.GGUFReader`, with tensors and vocabulary; `engine.gguf` reads headers only.

    Raises:
        UserError: the file is missing, truncated or not a GGUF.
    """
    from gguf import GGUFReader

    check_gguf(path, "base")
    try:
        return GGUFReader(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as err:
        raise UserError(f"base {path} is a truncated or damaged GGUF file ({err})") from err


def _write_tokenizer(get: Callable[..., Any], out: Path, name: str, *, context: int) -> None:
    """Write tokenizer.json and tokenizer_config.json as llama.cpp's converter expects them."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in get("tokenizer.ggml.merges")]
    vocab = {token: i for i, token in enumerate(tokens)}
    pre = get("tokenizer.ggml.pre")
    whole = pre == "llama-bpe"  # a word that is a token is not merged
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=whole))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    elif pre in _CUTS:
        cut = pre_tokenizers.Split(Regex(_CUTS[pre]), "isolated")
        letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, letters])
    elif pre in (None, "default", "gpt-2"):
        tokenizer.pre_tokenizer = byte_level
    else:
        raise UserError(
            f"{name} has a pre-tokenizer {pre!r}, not smollm, gpt-2, {' or '.join(_CUTS)}, and "
            f"cannot be trained from its GGUF: {HINT}"
        )
    tokenizer.decoder = decoders.ByteLevel()

    def added(wanted: int) -> list[Any]:
        named = [token for token, kind in zip(tokens, kinds, strict=True) if kind == wanted]
        special = wanted == _CONTROL
        return [AddedToken(token, special=special, normalized=False) for token in named]

    tokenizer.add_special_tokens(added(_CONTROL))
    tokenizer.add_tokens(added(_USER_DEFINED))
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
            "model_max_length": context,
            "chat_template": get("tokenizer.chat_template"),
            **{key: value for key, value in named.items() if value is not None},
        },
    )


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
