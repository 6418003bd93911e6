"""Hugging Face tokenizers changed to read text as llama.cpp will from the converted GGUF.

Two things differ. llama.cpp applies no Unicode normalisation (Qwen's tokenizer.json asks for NFC).
And it classifies tokens as control tokens by their look, which plain text can then not produce,
where tokenizer.json has ordinary added tokens (`<|fim_prefix|>`, `<unused0>`).
"""

import json
import re
from typing import Any

# llama.cpp, src/llama-vocab.cpp: the tokens that end generation, whatever their type.
ENDS = (
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<｜end▁of▁sentence｜>", "[e~[",
)  # fmt: skip
# The same file: tokens for code infilling, control tokens whatever their type.
_INFILLING = (
    "<fim-prefix>", "<fim_prefix>", "<PRE>", "▁<PRE>", "<fim-suffix>", "<fim_suffix>", "<SUF>",
    "▁<SUF>", "<fim-middle>", "<fim_middle>", "<MID>", "▁<MID>", "<fim-pad>", "<fim_pad>", "<PAD>",
    "<fim-repo>", "<REPO>", "<reponame>", "[PAD]",
)  # fmt: skip
# Its converter (conversion/base.py, does_token_look_special).
_LOOKS = re.compile(r"<\|.*\|>|<｜.*｜>|<unused.*>|<pad>|<mask>|<2mass>|\[@BOS@\]", re.DOTALL)
_UNICODE_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def is_control(text: str) -> bool:
    """True if llama.cpp makes an added token of this text a control token."""
    return text in ENDS or text in _INFILLING or _LOOKS.fullmatch(text) is not None


def ends_of(tokenizer: Any, eos: str) -> list[str]:
    """Return the texts of a `tokenizers.Tokenizer`'s tokens that end generation in llama.cpp.

    Args:
        eos: the end token that the model's configuration names, "" for none.
    """
    known = {end for end in (*ENDS, eos) if end and tokenizer.token_to_id(end) is not None}
    calls = bool(known & {"<|call|>", "<|calls|>"})
    if calls and known & {"<|return|>", "<|flush|>"}:  # gpt-oss and Solar continue after it
        known.discard("<|end|>")
    if "<|tool_response>" in known:
        known.discard("</s>")
    return sorted(known)


def as_llama_cpp(tokenizer: Any) -> None:
    """Change a `tokenizers.Tokenizer` in place to read text as llama.cpp does."""
    from tokenizers import AddedToken

    _drop_unicode_forms(tokenizer)
    added = [str(token.content) for token in tokenizer.get_added_tokens_decoder().values()]
    # The tokens keep their ids: this only makes them special.
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in added if is_control(text)]
    )


def _drop_unicode_forms(tokenizer: Any) -> None:
    from tokenizers import normalizers

    if tokenizer.normalizer is None:
        return
    state = json.loads(tokenizer.normalizer.__getstate__())
    parts = state["normalizers"] if state["type"] == "Sequence" else [state]
    kept = [part for part in parts if part["type"] not in _UNICODE_FORMS]
    if len(kept) == len(parts):
        return
    made: Any = normalizers.Sequence([])
    made.__setstate__(json.dumps({"type": "Sequence", "normalizers": kept}).encode("utf-8"))
    tokenizer.normalizer = made
