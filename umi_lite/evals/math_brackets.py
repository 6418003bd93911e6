"""Reads what stands in brackets. Runs in the sandbox."""

from typing import TYPE_CHECKING

from umi_lite.evals.math_values import (
    Group,
    Interval,
    Matrix,
    Unreadable,
    Value,
    divided,
    term,
)

if TYPE_CHECKING:
    from umi_lite.evals.math_parse import Reader

CLOSERS = {
    "(": (")", "]"),
    "[": (")", "]"),
    r"\{": (r"\}",),
    "{": ("}",),
    r"\langle": (r"\rangle",),
}


def bracket(reader: "Reader", opener: str) -> Value:
    """What stands behind an opening bracket: a value, point, set, interval or matrix."""
    closers = CLOSERS[opener]
    if opener in (r"\{", "{"):
        return _braces(reader, opener, closers[0])
    found, joiner = reader.items(), reader.joiner
    closer = reader.expect(*closers)
    if opener == "[" and closer == "]" and all(_is_row(value) for value in found):
        return Matrix(tuple(_row(value) for value in found))
    if len(found) == 1:
        if opener == "(" and closer == ")":
            return found[0]
        if opener == "[" and closer == "]":
            return Group("list", tuple(found))
        raise Unreadable("half a bracket")
    if opener == "(" and closer == ")" and joiner != ",":
        return Group("bare", tuple(found), joiner)
    if len(found) == 2 and (opener == "[" or closer == "]"):
        low, high = found
        return Interval(term(low), term(high), opener == "(", closer == ")")
    if opener == "[" or closer == "]":
        return Group("list", tuple(found))
    return Group("tuple", tuple(found))


def _braces(reader: "Reader", opener: str, closer: str) -> Value:
    if reader.take(closer):
        return Group("set", ())
    if opener == r"\{" and reader.peek().isalpha() and reader.peek(1) in ("|", r"\mid", ":"):
        # A set of all x for which something holds.
        reader.at += 2
        value = reader.alternatives("bare")
        reader.expect(closer)
        return value
    if opener == r"\{":
        value = reader.alternatives("set")
        reader.expect(closer)
        return value
    saw, sign = reader.saw_sign, reader.sign
    found = reader.items()
    reader.saw_sign, reader.sign = saw or reader.saw_sign, sign
    if reader.take(r"\over"):
        found = [divided(found[0], reader.sum())]
    reader.expect(closer)
    return found[0] if len(found) == 1 else Group("set", tuple(found))


def _is_row(value: Value) -> bool:
    """A bracketed list within brackets is a matrix's row; one of two was read as an interval."""
    if isinstance(value, Interval):
        return not value.low_open and not value.high_open
    return isinstance(value, Group) and value.kind == "list"


def _row(value: Value) -> tuple[Value, ...]:
    return (value.low, value.high) if isinstance(value, Interval) else value.items  # type: ignore[union-attr]
