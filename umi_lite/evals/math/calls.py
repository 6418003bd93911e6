"""Reads what Python writes as a call, `Interval.open(0, oo)`. Runs in the sandbox.

Nothing is called: each name is one of a table.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sympy

from umi_lite.evals.math.values import (
    Difference,
    Group,
    Interval,
    Number,
    Relation,
    Union,
    Unreadable,
    Value,
    binomial,
    divided,
    factorial,
    made,
    plus,
    power,
    term,
    times,
)


def call(reader: Any, name: str) -> Value:
    """Return what a name means with its arguments; the reader is after the name."""
    reader.expect("(")
    given = [] if reader.peek() == ")" else reader.items()
    reader.expect(")")
    try:
        return CALLS[name](given)
    except ValueError:
        raise Unreadable(f"{name} with {len(given)} arguments") from None


def _ratio(given: Sequence[Value]) -> Value:
    if len(given) == 1:
        return given[0]
    top, bottom = given
    return divided(top, bottom)


def _alone(given: Sequence[Value]) -> Value:
    (value,) = given
    return value


def _interval(low_open: bool, high_open: bool) -> Callable[[Sequence[Value]], Value]:
    def read(given: Sequence[Value]) -> Value:
        low, high = map(term, given)
        # sympy writes an infinite end as if it were closed.
        return Interval(
            low, high, low_open or low.expr.is_infinite, high_open or high.expr.is_infinite
        )

    return read


def _relation(op: str) -> Callable[[Sequence[Value]], Value]:
    def read(given: Sequence[Value]) -> Value:
        left, right = given
        return Relation(op, left, right)

    return read


def _difference(given: Sequence[Value]) -> Value:
    left, right = given
    return Difference(left, right)


def _complex(given: Sequence[Value]) -> Value:
    real, imaginary = given
    return plus(real, times(imaginary, Number(sympy.I)))


def _root(given: Sequence[Value]) -> Value:
    base, degree = given
    return power(base, divided(Number(sympy.Integer(1)), degree))


def _binomial(given: Sequence[Value]) -> Value:
    top, bottom = given
    return binomial(top, bottom)


def _absolute(given: Sequence[Value]) -> Value:
    number = term(_alone(given))
    return made(sympy.Abs(number.expr), number)


def _point(given: Sequence[Value]) -> Value:
    return Group("tuple", tuple(given))


CALLS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "Rational": _ratio, "Fraction": _ratio, "Interval": _interval(False, False),
    "Interval.open": _interval(True, True), "Interval.Lopen": _interval(True, False),
    "Interval.Ropen": _interval(False, True), "Union": lambda given: Union(tuple(given)),
    "FiniteSet": lambda given: Group("set", tuple(given)), "Complement": _difference,
    "Eq": _relation("="), "Ne": _relation("!="), "Lt": _relation("<"), "Le": _relation("<="),
    "Gt": _relation(">"), "Ge": _relation(">="), "complex": _complex, "root": _root,
    "binomial": _binomial, "factorial": lambda given: factorial(_alone(given)), "Abs": _absolute,
    "Point": _point, "Point2D": _point, "Tuple": _point,
}  # fmt: skip
CALLS |= dict.fromkeys(
    ("Integer", "Float", "Decimal", "float", "int", "array", "sympify", "nsimplify"), _alone
)
