"""Texts that match a regular expression, for `pattern` in a schema."""

import random
import re
from typing import Any

from umi_lite.data.synth.pools import choice

_SETS = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyz0123456789",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "abcdefghijklmnopqrstuvwxyz",
    "CATEGORY_NOT_SPACE": "abcdefghijklmnopqrstuvwxyz0123456789",
    "CATEGORY_NOT_WORD": "-",
}
_ANY = "abcdefghijklmnopqrstuvwxyz"
# What a negated set is drawn from.
_ALL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
_MOST = 6


class NoMatch(ValueError):
    """No text could be made for a pattern."""


def sample(rng: random.Random, pattern: str) -> str:
    """Return a text that matches a pattern, drawn from it.

    Raises:
        NoMatch: the pattern cannot be read, or asks for what cannot be drawn (look-around).
    """
    try:
        parsed = _parser().parse(pattern)
    except (re.error, OverflowError, RecursionError):
        raise NoMatch(pattern) from None
    for _ in range(5):
        text = _sequence(rng, parsed, {})
        if re.search(pattern, text):
            return text
    raise NoMatch(pattern)


def _parser() -> Any:
    from re import _parser  # pyright: ignore

    return _parser


def _sequence(rng: random.Random, parsed: Any, groups: dict[int, str]) -> str:
    return "".join(_one(rng, str(op), value, groups) for op, value in parsed)


def _one(rng: random.Random, op: str, value: Any, groups: dict[int, str]) -> str:
    if op == "LITERAL":
        return chr(value)
    if op == "NOT_LITERAL":
        return choice(rng, [c for c in _ANY if ord(c) != value])
    if op == "ANY":
        return choice(rng, _ANY)
    if op == "IN":
        return _from_set(rng, value)
    if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, inner = value
        count = rng.randint(low, max(low, min(int(high), low + _MOST)))
        if low == 0 and int(high) > 1:
            count = max(1, count)
        return "".join(_sequence(rng, inner, groups) for _ in range(min(count, 200)))
    if op == "SUBPATTERN":
        text = _sequence(rng, value[3], groups)
        if value[0]:
            groups[value[0]] = text
        return text
    if op == "BRANCH":
        return _sequence(rng, choice(rng, value[1]), groups)
    if op == "GROUPREF":
        return groups.get(value, "")
    if op == "ATOMIC_GROUP":
        return _sequence(rng, value, groups)
    if op == "AT":
        return ""
    raise NoMatch(op)


def _from_set(rng: random.Random, items: Any) -> str:
    letters: list[str] = []
    negated = False
    for op, value in items:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                letters.append(chr(value))
            case "RANGE":
                letters += map(chr, range(value[0], min(value[1], value[0] + 200) + 1))
            case "CATEGORY":
                letters += _SETS.get(str(value), _ANY)
            case _:
                raise NoMatch(str(op))
    if negated:
        letters = [c for c in _ALL if c not in letters]
    if not letters:
        raise NoMatch("an empty set")
    return choice(rng, letters)
