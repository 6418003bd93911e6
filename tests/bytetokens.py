"""A readable tokenizer for tests: each byte is a token, each special token is one."""

import re
from collections.abc import Sequence

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
END = "<|im_end|>"


class ByteTokenizer:
    def __init__(self, *special: str):
        self.special = special or ("<|im_start|>", END)
        self._split = re.compile("(" + "|".join(map(re.escape, self.special)) + ")")

    def encode(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = []
        for part in self._split.split(text) if special else [text]:
            if special and part in self.special:
                ids.append(256 + self.special.index(part))
            else:
                ids += part.encode()
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        parts = [self.special[i - 256].encode() if i > 255 else bytes([i]) for i in ids]
        return b"".join(parts).decode()
