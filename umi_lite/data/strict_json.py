"""Parses JSON strictly by the standard, without values that no model can be trained on.

Python's own parser also takes NaN, turns 1e999 into infinity, keeps the last of two equal keys,
and reads a lone surrogate that no UTF-8 text can hold. Each of these is a fault here.
"""

import json
import re
from typing import Any


class BadJson(ValueError):
    """The text is not such JSON. Messages are few, so that they can be counted.

    `line` is where in the text, from 1, as far as is known.
    """

    line = 1


class RefusedJson(BadJson):
    """The text is JSON by its form, but a value in it is refused: what follows it can be read."""


class CutJson(BadJson):
    """The text may be the beginning of whole JSON: more of it is needed to say."""


# A literal such as -Infinity, or an escape, may be cut at the end.
_TAIL = 16
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# codecs' "surrogateescape" puts a byte that is not UTF-8 as one of these.
_BAD_BYTE = re.compile("[\udc80-\udcff]")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise RefusedJson("not JSON: a key is repeated in one object")
    return value


def _constant(text: str) -> Any:
    raise RefusedJson(f"not JSON: {text} is not a number")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise RefusedJson("a number is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 400:
        raise RefusedJson("a number is too large")
    return int(text)


_BY_FORM = json.JSONDecoder(parse_int=str)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)


def decode(text: str, position: int, *, more: bool) -> tuple[Any, int]:
    """Return the JSON value that begins at `position`, and where it ends.

    Args:
        more: the text may continue after its end.

    Raises:
        CutJson: `more`, and the value may continue after the text's end.
        BadJson: it is not such a value.
    """
    try:
        value, end = _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as err:
        cut = err.pos >= len(text) - _TAIL or err.msg.startswith("Unterminated string")
        if more and cut:
            raise CutJson("cut") from None
        bad = BadJson(f"not JSON: {err.msg}")
        bad.line = err.lineno
        raise bad from None
    except RecursionError:
        raise BadJson("not JSON: nested too deep") from None
    if more and end == len(text):
        raise CutJson("cut")
    if _BAD_BYTE.search(text, position, end):
        raise RefusedJson("not UTF-8 text")
    if _ESCAPED_SURROGATE.search(text, position, end) and _has_surrogate(value):
        raise RefusedJson("half of a surrogate pair is without the other")
    return value, end


def end_of_value(text: str, position: int) -> int | None:
    """Return where the value that begins at `position` ends, None if it is not JSON by its form."""
    try:
        return _BY_FORM.raw_decode(text, position)[1]
    except (json.JSONDecodeError, RecursionError):
        return None


def parse(text: str) -> Any:
    """Return the one JSON value that a text is.

    Raises:
        BadJson: it is not one, or more text follows.
    """
    start = len(text) - len(text.lstrip(" \t\r\n"))
    value, end = decode(text, start, more=False)
    if text[end:].strip(" \t\r\n"):
        raise BadJson("not JSON: Extra data")
    return value


def parse_loose(text: str) -> Any:
    """Parse JSON in which strings may hold line breaks (ChatGPT writes them) and keys may repeat.

    Raises:
        BadJson: it is not JSON (NaN and infinity are not), or holds half of a surrogate pair.
    """
    value = parse_as_python(text)
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        raise BadJson("not JSON: NaN or an infinite number") from None
    return value


def parse_as_python(text: str) -> Any:
    """Parse as Python does: line breaks inside strings, NaN and 1e999 included.

    Raises:
        BadJson: it is not JSON, or holds half of a surrogate pair.
    """
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError as err:
        raise BadJson(f"not JSON: {err.msg}") from None
    except (ValueError, RecursionError):
        raise BadJson("not JSON: a number is too large, or it is nested too deep") from None
    if _ESCAPED_SURROGATE.search(text) and _has_surrogate(value):
        raise RefusedJson("half of a surrogate pair is without the other")
    return value


def _has_surrogate(value: Any) -> bool:
    return _SURROGATE.search(json.dumps(value, ensure_ascii=False)) is not None
