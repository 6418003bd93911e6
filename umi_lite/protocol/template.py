"""The base model's own chat template, rendered by the same jinja code everywhere.

The template is rendered with a private sentinel in place of every content, then split at the
sentinels. So it is known which text is the template's (special tokens count) and which is a
role's, a user's or a tool's (special tokens are plain text there: nobody can forge a turn).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jinja2
import jinja2.sandbox

from umi_lite.protocol.errors import UserError


class Tokenizer(Protocol):
    """What the renderer needs of a tokenizer; the HF and the llama.cpp one both have it."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids, without a BOS. `special`: are special tokens in `text` parsed?"""
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


class BadTemplate(UserError):
    """The chat template cannot serve a growing transcript."""


def _raise(message: str) -> None:
    raise BadTemplate(f"the chat template refused the conversation: {message}")


class ChatTemplate:
    """A chat template that was checked to be append-only.

    Args:
        source: the jinja text (HF tokenizer's `chat_template` or GGUF metadata).
        end_of_turn: the text of the token that ends an assistant turn, e.g. `<|im_end|>`.
        bos, eos: the texts of these tokens, for templates that print them.

    Raises:
        BadTemplate: it does not parse, is not append-only, or does not end a turn by
            `end_of_turn`; the message says which.
    """

    def __init__(self, source: str, *, end_of_turn: str, bos: str = "", eos: str = ""):
        env = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        env.globals["raise_exception"] = _raise  # pyright: ignore[reportUnknownMemberType]
        try:
            self._template = env.from_string(source)
        except jinja2.TemplateError as err:
            raise BadTemplate(f"the chat template is not valid jinja: {err}") from None
        self.source = source
        self.end_of_turn = end_of_turn
        self._tokens: dict[str, Any] = {"bos_token": bos, "eos_token": eos}
        self._check()

    def _text(self, roles_and_contents: Sequence[tuple[str, str]], *, prompt: bool) -> str:
        messages = [{"role": role, "content": content} for role, content in roles_and_contents]
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=prompt, **self._tokens
            )
        except jinja2.TemplateError as err:
            raise BadTemplate(f"the chat template failed: {err}") from None

    def _check(self) -> None:
        turns = [("system", "S"), ("user", "U0")]
        for i in range(3):
            prompt = self._text(turns, prompt=True)
            turns.append(("assistant", f"A{i}"))
            spoken = self._text(turns, prompt=False)
            turns.append(("user", f"U{i + 1}"))
            if not spoken.startswith(prompt + f"A{i}"):
                raise BadTemplate(
                    "the chat template is not append-only: the assistant's turn does not "
                    "continue its generation prompt, so the cache could not be reused"
                )
            if self.end_of_turn not in spoken[len(prompt) :]:
                raise BadTemplate(
                    f"the chat template does not end a turn with {self.end_of_turn!r}"
                )
            if not self._text(turns, prompt=True).startswith(spoken):
                raise BadTemplate(
                    "the chat template is not append-only: a later message changes an "
                    "earlier one, so the cache could not be reused"
                )

    def pieces(self, messages: Sequence[Message]) -> list[Piece]:
        """The conversation cut into pieces.

        A conversation that ends with a user message is a prompt (generation prompt added);
        one that ends with an assistant message ends with its end-of-turn token.
        """
        marks = [f"\ue000{i}\ue001" for i in range(len(messages))]
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
        """Template text; behind an assistant's last part, split after the token that ends it.

        Whoever wrote that part also ends the turn.
        """
        if after is None:
            return [Piece(text, special=True, trained=False)]
        head, mark, rest = text.partition(self.end_of_turn)
        pieces = [Piece(head + mark, special=True, trained=after.trained)]
        return [*pieces, Piece(rest, special=True, trained=False)] if rest else pieces
