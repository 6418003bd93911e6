"""Compare two answers by value: numbers, terms, relations, sets. Runs in the sandbox."""

from collections.abc import Sequence
from typing import Any

import sympy

from umi_lite.evals.math.parse import parse
from umi_lite.evals.math.values import (
    Based,
    Chain,
    Difference,
    Group,
    Interval,
    Matrix,
    Number,
    Relation,
    Union,
    Unreadable,
    Value,
    made,
)

_TOLERANCE = 1e-4
_DIGITS = 30
_EXACT = sympy.Float("1e-20", _DIGITS)
_NOISE = 1e-12
_MOST_SYMBOLS = 12
_POINTS = ("0.7310585786", "1.6180339887", "2.2360679775", "3.3166247904", "0.3678794412")
_MOST_ITEMS = 60
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def same_answer(pred: str, gold: str) -> bool:
    """True if two spelled answers have the same value; False if one cannot be read."""
    try:
        return same(parse(pred), parse(gold))
    except Exception:
        # sympy raises many kinds of errors on odd input; each means "not shown equal".
        return False


def same(one: Value, other: Value) -> bool:
    """True if two values are the same; order counts in tuples and matrices only."""
    one, other = _without_names(one, other), _without_names(other, one)
    one, other = _alone(one), _alone(other)
    if isinstance(one, Number) and isinstance(other, Number):
        return _same_number(one, other)
    if isinstance(one, Based) or isinstance(other, Based):
        return one == other
    if isinstance(one, Matrix) and isinstance(other, Matrix):
        return len(one.rows) == len(other.rows) and all(map(_in_order, one.rows, other.rows))
    if isinstance(one, Relation) and isinstance(other, Relation):
        return _same_relation(one, other)
    if isinstance(one, Group) and isinstance(other, Group):
        if {one.kind, other.kind} <= {"set", "bare"}:
            if _in_any_order(one.items, other.items):
                return True
        elif one.kind == other.kind:
            return _in_order(one.items, other.items)
    return _same_reals(one, other)


def _alone(value: Value) -> Value:
    """Return the item of a set or list that has one; any other value as it is."""
    while isinstance(value, Group) and len(value.items) == 1 and value.kind != "ratio":
        value = value.items[0]
    return value


def _without_names(value: Value, other: Value) -> Value:
    """Return a value without the names of its variables, where the other answer names none.

    `x = 5` becomes 5; `x = 1, y = 2` becomes a tuple next to a tuple, else a list.
    """
    if isinstance(value, Relation) and not _names(other):
        return value.right if value.op == "=" and _is_name(value.left) else value
    if isinstance(value, Group) and value.kind == "bare" and not _names(other):
        relations = [item for item in value.items if isinstance(item, Relation)]
        if all(item.op == "=" and _is_name(item.left) for item in relations):
            items = tuple(i.right if isinstance(i, Relation) else i for i in value.items)
            names = {_symbols(item.left) for item in relations}
            as_tuple = isinstance(other, Group) and other.kind == "tuple"
            if as_tuple and len(names) == len(items):
                return Group("tuple", items)
            return Group("bare", items, value.joiner)
    return value


def _names(value: Value) -> bool:
    if isinstance(value, Group):
        return any(_names(item) for item in value.items)
    return isinstance(value, Relation | Chain)


def _is_name(value: Value) -> bool:
    if isinstance(value, Group):
        return value.kind == "tuple" and all(map(_is_name, value.items))
    # P(A) and the like are read as products of names.
    return isinstance(value, Number) and (
        value.expr.is_Symbol or (value.expr.is_Mul and all(a.is_Symbol for a in value.expr.args))
    )


def _symbols(value: Value) -> str:
    return str(value.expr).split("_")[0] + str(value.expr) if isinstance(value, Number) else ""


def _in_order(one: Sequence[Value], other: Sequence[Value]) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def _in_any_order(one: Sequence[Value], other: Sequence[Value]) -> bool:
    """True if every item matches one on the other side; multiplicity is ignored."""
    if max(len(one), len(other)) > _MOST_ITEMS:
        return False
    return all(any(same(a, b) for b in other) for a in one) and all(
        any(same(b, a) for a in one) for b in other
    )


def _same_relation(one: Relation, other: Relation) -> bool:
    if _is_name(one.left) and one.left == other.left and one.op == other.op:
        return same(one.right, other.right)
    a, b = _moved(one), _moved(other)
    if a is None or b is None or a[0] != b[0]:
        return False
    return _is_multiple(a[1], b[1], signed=a[0] in ("=", "!="))


def _moved(relation: Relation) -> tuple[str, Number] | None:
    """Return (operator, left minus right), with > and >= turned into < and <=."""
    left, right = relation.left, relation.right
    if not isinstance(left, Number) or not isinstance(right, Number):
        return None
    op = relation.op
    if op in (">", ">="):
        left, right, op = right, left, _FLIPPED[op]
    return op, made(left.expr - right.expr, left, right)


def _same_number(one: Number, other: Number) -> bool:
    if _same_value(one, other):
        return True
    if one.percent == other.percent:
        return False
    # A percentage is either the number before the sign or the share.
    part, whole = (one, other) if one.percent else (other, one)
    return _same_value(made(part.expr / 100, part), whole)


def _same_value(one: Number, other: Number) -> bool:
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
    return all(_near(a.subs(at), b.subs(at), rounded) for at in _points(symbols)) and all(
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


def _near_where_real(a: Any, b: Any, point: dict[Any, Any], rounded: bool) -> bool:
    """True if the two are near at a point, or one of them is not real there (roots, logarithms)."""
    values = [sympy.N(side.subs(point), _DIGITS) for side in (a, b)]
    return not all(value.is_Float for value in values) or _near(values[0], values[1], rounded)


def _near(a: Any, b: Any, rounded: bool) -> bool:
    x, y = sympy.N(a, _DIGITS), sympy.N(b, _DIGITS)
    if x.has(sympy.nan, sympy.zoo, sympy.oo) or y.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    gap, size = sympy.Abs(x - y), sympy.Max(sympy.Abs(x), sympy.Abs(y))
    if rounded:
        return bool(gap <= sympy.Max(_TOLERANCE * size, _NOISE))
    return bool(gap <= _EXACT * sympy.Max(size, 1))


def _is_multiple(one: Number, other: Number, *, signed: bool) -> bool:
    """True if they differ by a constant factor only (a positive one, unless `signed`)."""
    if one.expr.free_symbols != other.expr.free_symbols or not one.expr.free_symbols:
        return False
    point = _points(sorted(one.expr.free_symbols, key=str))[0]
    a, b = one.expr.subs(point), other.expr.subs(point)
    if b == 0 or a == 0:
        return False
    factor = a / b
    if not signed and not sympy.N(factor) > 0:
        return False
    return _same_value(one, made(other.expr * factor, other))


def _end(number: Number) -> Any:
    value = sympy.N(number.expr, _DIGITS)
    if not value.is_extended_real:
        raise Unreadable("an end that is not a real number")
    return value


def _same_reals(one: Value, other: Value) -> bool:
    a, b = _reals(_parts(one)), _reals(_parts(other))
    if a is None or b is None or len(a) != len(b):
        return False
    return all(
        x.low_open == y.low_open and x.high_open == y.high_open
        and _same_value(x.low, y.low) and _same_value(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip


def _reals(parts: Sequence[Interval] | None) -> list[Interval] | None:
    """Return intervals merged and in order."""
    if parts is None:
        return None
    merged: list[Interval] = []
    for part in sorted(parts, key=lambda part: (_end(part.low), part.low_open)):
        last = merged[-1] if merged else None
        gap = None if last is None else _end(part.low) - _end(last.high)
        if last is None or gap is None or gap > 0 or (
            gap == 0 and part.low_open and last.high_open
        ):  # fmt: skip
            merged.append(part)
        elif _end(part.high) > _end(last.high):
            merged[-1] = Interval(last.low, part.high, last.low_open, part.high_open)
        elif _end(part.high) == _end(last.high) and not part.high_open:
            merged[-1] = Interval(last.low, last.high, last.low_open, False)
    return merged


def _parts(value: Value) -> list[Interval] | None:
    """Return the intervals that a set of real numbers consists of; None where it is not one."""
    if isinstance(value, Interval):
        return [value]
    if isinstance(value, Relation) and value.op == "!=":
        sides = [Relation(op, value.left, value.right) for op in ("<", ">")]
        return _all_parts(sides)
    if isinstance(value, Relation):
        ray = _ray(value)
        return None if ray is None else [ray]
    if isinstance(value, Chain):
        return _common([_parts(relation) for relation in value.relations])
    if isinstance(value, Group) and value.kind == "bare" and value.joiner == "and":
        # "1 and 2" lists two numbers; conditions hold together.
        return _common([_parts(i) for i in value.items]) if all(map(_holds, value.items)) else None
    if isinstance(value, Group) and value.kind == "tuple":
        if len(value.items) != 2:
            return None
        low, high = value.items
        if isinstance(low, Number) and isinstance(high, Number):
            return [Interval(low, high, True, True)]
        return None
    if isinstance(value, Group) and value.kind in ("bare", "set"):
        return _all_parts(value.items)
    if isinstance(value, Union):
        return _all_parts(value.parts)
    if isinstance(value, Difference):
        return _without(_parts(value.left), _parts(value.right))
    return [Interval(value, value, False, False)] if isinstance(value, Number) else None


def _all_parts(values: Sequence[Value]) -> list[Interval] | None:
    found = [_parts(value) for value in values]
    if any(part is None for part in found):
        return None
    return [interval for part in found if part for interval in part]


def _ray(relation: Relation) -> Interval | None:
    """`x > 2` as an interval, where one side is a variable and the other a number."""
    left, right, op = relation.left, relation.right, relation.op
    if not isinstance(left, Number) or not isinstance(right, Number):
        return None
    if right.expr.is_Symbol:
        left, right, op = right, left, _FLIPPED[op]
    if not left.expr.is_Symbol or right.expr.free_symbols:
        return None
    if op in ("<", "<="):
        return Interval(Number(-sympy.oo), right, True, op == "<")
    if op in (">", ">="):
        return Interval(right, Number(sympy.oo), op == ">", True)
    return Interval(right, right, False, False) if op == "=" else None


def _holds(value: Value) -> bool:
    """True if the value is a condition, or conditions joined."""
    if isinstance(value, Group):
        return value.kind == "bare" and all(map(_holds, value.items))
    return isinstance(value, Relation | Chain)


def _common(sets: Sequence[Sequence[Interval] | None]) -> list[Interval] | None:
    """Return what all sets have in common."""
    found = [Interval(Number(-sympy.oo), Number(sympy.oo), True, True)]
    for parts in sets:
        if parts is None:
            return None
        met = [_met(one, other) for one in found for other in parts]
        found = [part for part in met if part is not None]
    return found


def _without(
    parts: Sequence[Interval] | None, taken: Sequence[Interval] | None
) -> list[Interval] | None:
    """Return what is left of intervals when others are taken away."""
    if parts is None or taken is None:
        return None
    left = list(parts)
    for gone in taken:
        below = Interval(Number(-sympy.oo), gone.low, True, not gone.low_open)
        above = Interval(gone.high, Number(sympy.oo), not gone.high_open, True)
        pieces = [_met(part, side) for part in left for side in (below, above)]
        left = [piece for piece in pieces if piece is not None]
    return left


def _met(one: Interval, other: Interval) -> Interval | None:
    """Return what two intervals have in common, None where that is nothing."""
    low = max(one, other, key=lambda part: (_end(part.low), part.low_open))
    high = min(one, other, key=lambda part: (_end(part.high), not part.high_open))
    gap = _end(high.high) - _end(low.low)
    if gap < 0 or (gap == 0 and (low.low_open or high.high_open)):
        return None
    return Interval(low.low, high.high, low.low_open, high.high_open)
