"""The base model's own chat template, rendered by the same jinja code everywhere.

The template is rendered with a private sentinel in place of every content, then split at the
sentinels. So it is known which text is the template's (special tokens count) and which is a
role's, a user's or a tool's (special tokens are plain text there: no text can forge a turn).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from umi_lite.protocol.jinja import BadTemplate, Jinja

# A private character: no template prints it.
_MARK = "\ue000"


class Tokenizer(Protocol):
    """What the renderer needs of a tokenizer; the HF and the llama.cpp one both have it."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return token ids, without a BOS. `special`: parse special tokens in `text`."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...


class Part(NamedTuple):
    """One step inside a message. `trained` where the role itself writes it."""

    text: str
    trained: bool


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


class Piece(NamedTuple):
    """A stretch of a prompt that is tokenized on its own."""

    text: str
    special: bool
    trained: bool


@dataclass(frozen=True)
class Rendered:
    """One training sample.

    `ids` and `mask` have the same length; `mask[i]` is 1 where token i is trained: a role's
    own turns, and the end-of-turn token where they end a message. The first `shared` ids are
    the system message, the same for every sample of this view with these tools.
    """

    ids: list[int]
    mask: list[int]
    shared: int
    pieces: list[Piece] = field(repr=False)


def encode_pieces(pieces: Sequence[Piece], tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return token ids and mask of pieces, each piece tokenized on its own."""
    ids: list[int] = []
    mask: list[int] = []
    for piece in pieces:
        new = tokenizer.encode(piece.text, special=piece.special) if piece.text else []
        ids += new
        mask += [int(piece.trained)] * len(new)
    return ids, mask


class ChatTemplate:
    """A chat template that was checked to be append-only.

    Args:
        source: the jinja text (HF tokenizer's `chat_template` or GGUF metadata).
        ends: the texts of the tokens that end generation, in any order. Metadata often names
            the wrong one of them: the first that the template prints after a turn ends it.
        bos, eos: the texts of these tokens, for templates that print them.

    Attributes:
        end_of_turn: the text of the token that ends an assistant turn, e.g. `<|im_end|>`.

    Raises:
        BadTemplate: it does not parse, is not append-only, or does not end a turn by one of
            `ends`; the message says which.
    """

    def __init__(self, source: str, *, ends: Sequence[str], bos: str = "", eos: str = ""):
        self._jinja = Jinja(source, {"bos_token": bos, "eos_token": eos})
        self.source = source
        self.end_of_turn = self._checked(ends)

    def _text(self, roles_and_contents: Sequence[tuple[str, str]], *, prompt: bool) -> str:
        messages = [{"role": role, "content": content} for role, content in roles_and_contents]
        return self._jinja.render(messages, prompt=prompt)

    def _checked(self, ends: Sequence[str]) -> str:
        """Return the token that ends a turn, after checks that transcripts can grow."""
        turns = [("system", f"{_MARK}S0"), ("user", f"{_MARK}U0")]
        end = ""
        for i in range(3):
            prompt = self._text(turns, prompt=True)
            turns.append(("assistant", f"{_MARK}A{i}"))
            spoken = self._text(turns, prompt=False)
            for role, content in turns:
                if content not in spoken:
                    raise BadTemplate(f"the chat template drops a {role} message that is a text")
            if re.findall(f"{_MARK}[A-Z][0-9]", spoken) != [content for _, content in turns]:
                raise BadTemplate("the chat template prints messages twice or in another order")
            turns.append(("user", f"{_MARK}U{i + 1}"))
            if not spoken.startswith(prompt + f"{_MARK}A{i}"):
                raise BadTemplate(
                    "the chat template is not append-only: the assistant's turn does not "
                    "continue its generation prompt, so the cache could not be reused"
                )
            end = end or _first(ends, spoken[len(prompt) :])
            # What comes after the end of the last turn (Phi 3: the end of the text) is not kept.
            head, found, _ = spoken[len(prompt) :].partition(end)
            if not found or not self._text(turns, prompt=True).startswith(prompt + head + end):
                raise BadTemplate(
                    "the chat template is not append-only: a later message changes an "
                    "earlier one, so the cache could not be reused"
                )
        return end

    def pieces(self, messages: Sequence[Message]) -> list[Piece]:
        """Return the conversation cut into pieces.

        A conversation that ends with a user message is a prompt (generation prompt added);
        one that ends with an assistant message ends with its end-of-turn token.
        """
        marks = [f"{_MARK}{i}\ue001" for i in range(len(messages))]
        text = self._text(
            [(message.role, mark) for message, mark in zip(messages, marks, strict=True)],
            prompt=messages[-1].role == "user",
        )
        pieces: list[Piece] = []
        last: Part | None = None
        for message, mark in zip(messages, marks, strict=True):
            before, found, text = text.partition(mark)
            if not found:
                raise BadTemplate(f"the chat template drops a {message.role} message")
            pieces += self._between(before, last)
            last = message.parts[-1] if message.role == "assistant" else None
            for i, part in enumerate(message.parts):
                if i:
                    pieces.append(Piece("\n", special=False, trained=False))
                pieces.append(Piece(part.text, special=False, trained=part.trained))
        tail = self._between(text, last)
        return pieces + (tail[:1] if last else tail)

    def _between(self, text: str, after: Part | None) -> list[Piece]:
        """Return template text; after an assistant's last part, split after the token that ends it.

        The author of that part also ends the turn.
        """
        if after is None:
            return [Piece(text, special=True, trained=False)]
        head, mark, rest = text.partition(self.end_of_turn)
        pieces = [Piece(head + mark, special=True, trained=after.trained)]
        return [*pieces, Piece(rest, special=True, trained=False)] if rest else pieces


def _first(ends: Sequence[str], text: str) -> str:
    """Return the first of `ends` in a text, the longest where two begin at one place."""
    found = [(text.index(end), -len(end), end) for end in ends if end and end in text]
    if not found:
        names = " or ".join(repr(end) for end in ends if end) or "any token"
        raise BadTemplate(f"the chat template does not end a turn with {names}")
    return min(found)[2]
