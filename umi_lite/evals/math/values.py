"""The values that a MATH answer can have, and operations on them. Runs in the sandbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

# Limits of what is worked out; no answer is larger.
_MOST_BITS = 200_000
_MOST_FACTORIAL = 2000
_MOST_DEGREE = 200


class Unreadable(Exception):
    """The text is not an answer that can be compared by its value."""


@dataclass(frozen=True)
class Number:
    """A number or a term with variables.

    `rounded`: it contains a decimal with digits after the point, so it may be an approximation.
    `percent`: it was followed by a percent sign.
    """

    expr: Any
    rounded: bool = False
    percent: bool = False


@dataclass(frozen=True)
class Group:
    """Values together: `kind` is tuple, list (brackets), set, bare (a list without brackets),
    or ratio; `joiner` is "and" where that was between them."""

    kind: str
    items: tuple["Value", ...]
    joiner: str = ","


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; an open end does not belong to it."""

    low: Number
    high: Number
    low_open: bool
    high_open: bool


@dataclass(frozen=True)
class Union:
    parts: tuple["Value", ...]


@dataclass(frozen=True)
class Difference:
    """What is in `left` and not in `right`."""

    left: "Value"
    right: "Value"


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple["Value", ...], ...]


@dataclass(frozen=True)
class Relation:
    """`left op right`; `op` is one of = < > <= >= !=."""

    op: str
    left: "Value"
    right: "Value"


@dataclass(frozen=True)
class Chain:
    """Relations that all hold, as in 1 < x < 3."""

    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class Based:
    """Digits in a base that was written out, as 1011_2."""

    digits: str
    base: int


Value = Number | Group | Interval | Union | Difference | Matrix | Relation | Chain | Based


def term(value: Value) -> Number:
    """Return the value as a number.

    Raises:
        Unreadable: it is a set, a relation or the like.
    """
    if not isinstance(value, Number):
        raise Unreadable(type(value).__name__)
    return value


def made(expr: Any, *parts: Number) -> Number:
    """Return an expression made of parts; it is rounded if one of them is."""
    return Number(expr, any(part.rounded for part in parts))


def plus(left: Value, right: Value) -> Value:
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        return _by_cell(left, right)
    a, b = term(left), term(right)
    return made(a.expr + b.expr, a, b)


def times(left: Value, right: Value) -> Value:
    if isinstance(left, Matrix) != isinstance(right, Matrix):
        matrix, factor = (left, right) if isinstance(left, Matrix) else (right, left)
        assert isinstance(matrix, Matrix)
        return Matrix(tuple(tuple(times(factor, cell) for cell in row) for row in matrix.rows))
    a, b = term(left), term(right)
    return made(a.expr * b.expr, a, b)


def divided(left: Value, right: Value) -> Value:
    b = term(right)
    if b.expr == 0:
        raise Unreadable("division by zero")
    return times(left, made(1 / b.expr, b))


def power(base: Value, exponent: Value) -> Number:
    """Raises: Unreadable: the result would have too many digits or terms."""
    b, e = term(base), term(exponent)
    if b.expr.is_Rational and e.expr.is_Rational:
        size = max(abs(int(b.expr.p)), int(b.expr.q)).bit_length()
        if size > 1 and abs(e.expr) * size > _MOST_BITS:
            raise Unreadable("too large a power")
        if b.expr == 0 and e.expr < 0:
            raise Unreadable("division by zero")
    elif not b.expr.is_Symbol and e.expr.is_Integer and abs(e.expr) > _MOST_DEGREE:
        raise Unreadable("too large a power")
    return made(b.expr**e.expr, b, e)


def factorial(value: Value) -> Number:
    n = term(value)
    if n.expr.is_Integer and not 0 <= n.expr <= _MOST_FACTORIAL:
        raise Unreadable("too large a factorial")
    return made(sympy.factorial(n.expr), n)


def binomial(top: Value, bottom: Value) -> Number:
    n, k = term(top), term(bottom)
    if any(part.expr.is_Integer and abs(part.expr) > _MOST_FACTORIAL for part in (n, k)):
        raise Unreadable("too large a binomial")
    return made(sympy.binomial(n.expr, k.expr), n, k)


def determinant(matrix: Matrix) -> Number:
    cells = [[term(cell) for cell in row] for row in matrix.rows]
    if len({len(row) for row in cells} | {len(cells)}) != 1 or len(cells) > 4:
        raise Unreadable("no determinant")
    flat = [cell for row in cells for cell in row]
    return made(sympy.Matrix([[cell.expr for cell in row] for row in cells]).det(), *flat)


def _by_cell(left: Matrix, right: Matrix) -> Matrix:
    if [len(row) for row in left.rows] != [len(row) for row in right.rows]:
        raise Unreadable("matrices of two shapes")
    return Matrix(
        tuple(
            tuple(plus(a, b) for a, b in zip(one, other, strict=True))
            for one, other in zip(left.rows, right.rows, strict=True)
        )
    )


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


# Python's calls by name, with what makes their value of their arguments; nothing is run.
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
