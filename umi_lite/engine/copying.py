"""Copy bias: values that a turn writes prefer the words of its transcript.

After `"` or `=` a word has other tokens than after a space (`At` and `hens`, not ` Athens`), so a
small model that knows which word it wants may spell another one.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

# The bias of a value's first token, as a share of the bias of later ones: what a value is about is
# left to the model, how it is spelled is not.
_FIRST = 1 / 2
# Stretches of the transcript that a value can copy: their characters, and how many of the latest.
_CHARACTERS = 80
_STRETCHES = 400
# Numbers and dates are often written in another form than in the request.
_WORD_START = re.compile(r"(?<![^\W_])[^\W\d_]")
# Arguments with these names are written, not copied; without `_`, in lower case.
_CODE = frozenset(
    {"code", "sourcecode", "program", "script", "sql", "expression", "formula", "regex"}
)


class Vocabulary(Protocol):
    """What is needed of a model (`engine.llama.Model`)."""

    def encode(self, text: str, *, special: bool) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def piece(self, token: int) -> bytes: ...
    def starting_with(self, start: bytes) -> list[int]: ...


class CopyBias:
    """Adds to the logits of tokens that continue a stretch of the transcript, within a value.

    The stretches begin at its words. Only their own tokens count: another token that spells the
    beginning of one (`hen` after `At`, or ` Athens` at once) is replaced by the stretch's own.

    Args:
        values: in a call's strings, or in what follows `=` in a thought.
        strength: added to a logit, in nats, from a value's second token on.
        transcript: ids of what may be copied.
    """

    def __init__(
        self,
        model: Vocabulary,
        values: Literal["call", "thought"],
        strength: float,
        transcript: Sequence[int],
    ):
        self._model = model
        self._strength = strength
        self._transcript = transcript
        self._reader = _JsonStrings() if values == "call" else _NamedValues()
        self._end = b'"' if values == "call" else b","
        self._undecoded = b""
        self._stretches: list[list[int]] | None = None
        self._at = 0  # tokens of the value so far
        # The stretches that the value's tokens agree with; none outside a value.
        self._live: list[list[int]] = []

    def extend(self, tokens: Iterable[int]) -> None:
        """Read the turn's next tokens."""
        for token in tokens:
            at = self._at
            self._live = [ids for ids in self._live if ids[at : at + 1] == [token]]
            self._at += 1
            self._undecoded += self._model.piece(token)
            try:
                text = self._undecoded.decode()
            except UnicodeDecodeError:
                continue
            self._undecoded = b""
            for character in text:
                self._reader.read(character)
            if self._reader.value is None:
                self._live = []
            elif self._reader.value == "":
                self._at, self._live = 0, self._all_stretches()

    def apply(self, logits: Any) -> Any:
        """Return the logits (float32 [n_vocab]) with the bias; they are not changed themselves."""
        if not self._live:
            return logits
        at = self._at
        following = {ids[at] for ids in self._live if len(ids) > at}
        biased = logits.copy()
        strength = self._strength * (1 if at else _FIRST)
        biased[list(following)] += strength
        if at and any(len(ids) == at or self._ends_word(ids[at]) for ids in self._live):
            ends = self._model.starting_with(self._end)
            biased[[token for token in ends if token not in following]] += strength
        best = int(biased.argmax())
        if best not in following and (own := self._own_tokens(self._model.piece(best))):
            instead = max(own, key=lambda token: biased[token])
            # A model that is surer of its own token may mean another word.
            if biased[best] - biased[instead] <= self._strength:
                biased[instead] = biased[best] + 1
        return biased

    def _all_stretches(self) -> list[list[int]]:
        if self._stretches is None:
            text = self._model.decode(self._transcript)
            starts = (match.start() for match in _WORD_START.finditer(text))
            lines = (text[at : at + _CHARACTERS].split("\n", 1)[0] for at in starts)
            latest = list(dict.fromkeys(lines))[-_STRETCHES:]
            self._stretches = [self._model.encode(line, special=False) for line in latest]
        return self._stretches

    def _ends_word(self, token: int) -> bool:
        first = self._model.piece(token).decode("utf-8", "replace")[:1]
        return not first.isalnum() and first != "\ufffd"  # a part of a letter

    def _own_tokens(self, start: bytes) -> set[int]:
        """Return the next tokens of the stretches whose text continues with `start`."""
        at = self._at
        start = start if at else start.lstrip(b" ")
        rests = ((ids, b"".join(map(self._model.piece, ids[at : at + 8]))) for ids in self._live)
        return {ids[at] for ids, rest in rests if start and rest.startswith(start)}


def _is_code(name: str) -> bool:
    return name.replace("_", "").lower() in _CODE


class _JsonStrings:
    """Reads a call; `value` is an open string that is not a key of its JSON, None outside."""

    def __init__(self) -> None:
        self.value: str | None = None
        self._open: list[str] = []  # brackets
        self._last = ""  # the last sign outside strings
        self._key = ""
        self._string: Literal["key", "code", "value"] | None = None
        self._escaped = False

    def read(self, character: str) -> None:
        if self._string is not None:
            self._read_string(character)
        elif character == '"' and self._open:
            if self._last != ":" and self._open[-1] == "{":
                self._string, self._key = "key", ""
            elif _is_code(self._key):
                self._string = "code"
            else:
                self._string, self.value = "value", ""
        elif not character.isspace():
            self._last = character
            if character in "{[":
                self._open.append(character)
            elif character in "}]" and self._open:
                self._open.pop()

    def _read_string(self, character: str) -> None:
        if character == '"' and not self._escaped:
            self.value, self._string, self._last = None, None, '"'
            return
        self._escaped = character == "\\" and not self._escaped
        if self._string == "key":
            self._key += character
        elif self.value is not None:
            self.value += character


class _NamedValues:
    """Reads a thought; `value` is what follows `name=`, up to a comma, None elsewhere."""

    def __init__(self) -> None:
        self.value: str | None = None
        self._name = ""

    def read(self, character: str) -> None:
        if character == "=":
            self.value = None if _is_code(self._name) else ""
            self._name = ""
        elif character in ",\n":
            self.value, self._name = None, ""
        elif self.value is not None:
            self.value += character
        else:
            self._name = "" if character.isspace() else self._name + character
