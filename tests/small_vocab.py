"""Small vocabularies built like real ones: an HF folder, and the GGUF made from it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

# Qwen's (tokenizer.json of Qwen2 to 3).
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_MERGES = [("t", "h"), ("Ġ", "th"), ("Ã", "©"), ("Ì", "ģ"), ("<", "|"), ("|", ">"), ("<", "/")]


@dataclass(frozen=True)
class Vocab:
    """`folder` is what training reads, `gguf` (no weights) what llama.cpp reads."""

    folder: Path
    gguf: Path


@dataclass(frozen=True)
class Added:
    """A token that is not of the merges, as tokenizer.json and as the GGUF have it."""

    text: str
    special: bool
    kind: gguf.TokenType


def control(*texts: str) -> list[Added]:
    return [Added(text, True, gguf.TokenType.CONTROL) for text in texts]


def looks_special(*texts: str) -> list[Added]:
    """Return tokens that only llama.cpp's converter takes as special, by their form."""
    return [Added(text, False, gguf.TokenType.CONTROL) for text in texts]


def ordinary(*texts: str) -> list[Added]:
    return [Added(text, False, gguf.TokenType.USER_DEFINED) for text in texts]


def byte_level(
    out: Path, added: Sequence[Added], *, template: str, eos: str, bos: str = ""
) -> Vocab:
    """A byte-level BPE like Qwen's, NFC and all."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *("".join(pair) for pair in _MERGES)]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, _MERGES))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = [gguf.TokenType.NORMAL] * len(words)

    def write(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_merges([" ".join(pair) for pair in _MERGES])

    texts = {"chat_template": template, "eos_token": eos, "bos_token": bos or None}
    return _write(out, tokenizer, words, kinds, added, texts, write)


def sentence_piece(out: Path, added: Sequence[Added], *, template: str, eos: str) -> Vocab:
    """Spaces as `▁` and bytes for what is unknown, like Gemma's."""
    first = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [*first, "\n", *map(chr, range(33, 127)), "é", "▁", "▁▁", "\n\n", "▁t", "th"]
    merges = [("▁", "▁"), ("\n", "\n"), ("▁", "t"), ("t", "h")]
    vocab = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    types = gguf.TokenType
    kinds = [types.CONTROL] * 3 + [types.UNKNOWN] + [types.BYTE] * 256
    kinds += [types.NORMAL] * (len(words) - len(kinds))
    scores = [-1000.0] * (len(words) + len(added))
    for rank, pair in enumerate(merges):
        scores[vocab["".join(pair)]] = -1.0 - rank

    def write(writer: gguf.GGUFWriter) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(scores[: len(tokenizer.get_vocab())])
        writer.add_add_space_prefix(False)

    texts = {"chat_template": template, "eos_token": eos, "bos_token": "<bos>"}
    return _write(out, tokenizer, words, kinds, added, texts, write)


def _write(
    out: Path,
    tokenizer: Any,
    words: list[str],
    kinds: list[Any],
    added: Sequence[Added],
    texts: dict[str, str | None],
    more: Any,
) -> Vocab:
    tokenizer.add_special_tokens(
        [AddedToken(w, special=True) for w, k in zip(words, kinds, strict=True)
         if k == gguf.TokenType.CONTROL]
    )  # fmt: skip
    for token in added:
        add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
        add([AddedToken(token.text, special=token.special, normalized=False)])
    out.mkdir(parents=True)
    tokenizer.save(str(out / "tokenizer.json"))
    known = {name: text for name, text in texts.items() if text is not None}
    (out / "tokenizer_config.json").write_text(json.dumps(known))
    path = out / "vocab.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for token in added:
        at = tokenizer.token_to_id(token.text)
        if at == len(words):
            words, kinds = [*words, token.text], [*kinds, token.kind]
        # As the converter does: a token of spaces is spelt with spaces.
        user_defined = token.kind == gguf.TokenType.USER_DEFINED
        words[at] = token.text.replace("▁", " ") if user_defined else token.text
        kinds[at] = token.kind
    writer.add_token_list(words)
    writer.add_token_types(kinds)
    for name in ("eos", "bos"):
        text = known.get(f"{name}_token")
        if text:
            getattr(writer, f"add_{name}_token_id")(tokenizer.token_to_id(text))
    writer.add_chat_template(known["chat_template"])
    more(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Vocab(out, path)
