"""Are two numbers, or two terms with variables, the same? Runs in the sandbox.

Exact where both are exact, so that 10000 is not 10001; relative to 1e-4 where a decimal is in
one of them (ToRA's tolerance). Terms are equal where they have the same value at some points,
worked out to 30 digits.
"""

from collections.abc import Sequence
from typing import Any

import sympy

from umi_lite.evals.math_values import Number, Unreadable, made

TOLERANCE = 1e-4
_DIGITS = 30
_EXACT = sympy.Float("1e-20", _DIGITS)
_NOISE = 1e-12
_MOST_SYMBOLS = 12
_POINTS = ("0.7310585786", "1.6180339887", "2.2360679775", "3.3166247904", "0.3678794412")


def same_number(one: Number, other: Number) -> bool:
    if same_value(one, other):
        return True
    if one.percent == other.percent:
        return False
    # A percentage is either the number before the sign or the share.
    part, whole = (one, other) if one.percent else (other, one)
    return same_value(made(part.expr / 100, part), whole)


def same_value(one: Number, other: Number) -> bool:
    a, b = one.expr, other.expr
    rounded = one.rounded or other.rounded
    if a == b:
        return not a.has(sympy.nan, sympy.zoo)
    if a.is_Rational and b.is_Rational and not rounded:
        return False
    if a.is_infinite or b.is_infinite:
        return False
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if not symbols:
        return _near(a, b, rounded)
    if len(symbols) > _MOST_SYMBOLS:
        return False
    return all(_near_at(a, b, point, rounded) for point in _points(symbols)) and all(
        _near_where_real(a, b, point, rounded) for point in _mirrored(symbols)
    )


def _points(symbols: Sequence[Any]) -> list[dict[Any, Any]]:
    return [
        {
            symbol: sympy.Rational(_POINTS[(at + shift) % 5]) + (at + 3 * shift) // 5
            for at, symbol in enumerate(symbols)
        }
        for shift in range(3)
    ]


def _mirrored(symbols: Sequence[Any]) -> list[dict[Any, Any]]:
    point = _points(symbols)[0]
    return [{**point, symbol: -point[symbol]} for symbol in symbols]


def _near_at(a: Any, b: Any, point: dict[Any, Any], rounded: bool) -> bool:
    return _near(a.subs(point), b.subs(point), rounded)


def _near_where_real(a: Any, b: Any, point: dict[Any, Any], rounded: bool) -> bool:
    """As `_near_at`; True where one of the two is not real there, as roots and logarithms."""
    values = [sympy.N(side.subs(point), _DIGITS) for side in (a, b)]
    return not all(value.is_Float for value in values) or _near(values[0], values[1], rounded)


def _near(a: Any, b: Any, rounded: bool) -> bool:
    x, y = sympy.N(a, _DIGITS), sympy.N(b, _DIGITS)
    if x.has(sympy.nan, sympy.zoo, sympy.oo) or y.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    gap, size = sympy.Abs(x - y), sympy.Max(sympy.Abs(x), sympy.Abs(y))
    if rounded:
        return bool(gap <= sympy.Max(TOLERANCE * size, _NOISE))
    return bool(gap <= _EXACT * sympy.Max(size, 1))


def is_multiple(one: Number, other: Number, *, signed: bool) -> bool:
    """Do they differ by a constant factor only (a positive one, unless `signed`)?"""
    if one.expr.free_symbols != other.expr.free_symbols or not one.expr.free_symbols:
        return False
    point = _points(sorted(one.expr.free_symbols, key=str))[0]
    a, b = one.expr.subs(point), other.expr.subs(point)
    if b == 0 or a == 0:
        return False
    factor = a / b
    if not signed and not sympy.N(factor) > 0:
        return False
    return same_value(one, made(other.expr * factor, other))


def size(number: Number) -> Any:
    value = sympy.N(number.expr, _DIGITS)
    if not value.is_extended_real:
        raise Unreadable("an end that is no real number")
    return value
