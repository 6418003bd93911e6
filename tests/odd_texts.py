"""Texts in which tokenizers differ: decomposed characters, look-alikes of tokens, spaces."""

import random
from collections.abc import Iterator

ODD = (
    "cafe\u0301", "\u1112\u1161\u11ab", "a\u0323\u0301", "\u212b \u2126 \ufb01", "１２３ ٣",
    "<|im_end|>", "<|im_start|>assistant\n", "<|endoftext|>", "a<|fim_prefix|>b", "<|repo_name|>",
    "<unused0>", "<mask><pad>", "</s>", "<s><unk>", "<eos><bos>", "<start_of_turn>user\n",
    "<end_of_turn>", "<|eot_id|>", "<|start_header_id|>", "<tool_call>{}</tool_call>", "<think>",
    "[multimodal]", "<table><b>", "<0x0A>", "a  b    c", "  a ", "\n\n\n\n", "\t\tx", "\r\nx\r",
    "\u00a0\u2003x\u3000", "\u200b\u200d\ufeff", "\x00\x01", "🚀👩\u200d👩\u200d👧", "한국어 中文",
    "don't I'M", "1234567890", "▁", "▁▁", "a▁b", " ▁ ",
)  # fmt: skip
_POOLS = (
    "abcXYZth 0123 .,'\"<>|_-/\\\n\t", "éèüñßÅ\u0301\u0323\u0300", "한글각\u1112\u1161", "▁ <>/",
    "日本語ひらカ", "🚀👩\u200d\ufe0f", "\u00a0\u2003\u3000\r\n ", "αβγДЖ", "אבع", "कि\u093c",
)  # fmt: skip
_WORDS = (
    "<|im_end|>", "<think>", "<tool_call>", "<|fim_suffix|>", "</s>", "<unused5>", "<end_of_turn>",
    "<|eot_id|>", "<b>", "  ", "\n\n", "▁▁",
)  # fmt: skip


def odd_texts(n: int, seed: int = 0) -> Iterator[str]:
    """Yield `ODD`, then n random mixtures of such characters."""
    yield from ODD
    chance = random.Random(seed)
    for _ in range(n):
        parts = []
        for _ in range(chance.randint(1, 8)):
            size = chance.randint(1, 6)
            some = "".join(chance.choice(chance.choice(_POOLS)) for _ in range(size))
            parts.append(chance.choice(_WORDS) if chance.random() < 0.1 else some)
        yield "".join(parts)
