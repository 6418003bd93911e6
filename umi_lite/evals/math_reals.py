"""Are two sets of real numbers the same? Intervals, unions, inequalities. Runs in the sandbox."""

from collections.abc import Sequence

import sympy

from umi_lite.evals.math_terms import same_value, size
from umi_lite.evals.math_values import (
    Chain,
    Difference,
    Group,
    Interval,
    Number,
    Relation,
    Union,
    Value,
)

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def same_reals(one: Value, other: Value) -> bool:
    a, b = _reals(_parts(one)), _reals(_parts(other))
    if a is None or b is None or len(a) != len(b):
        return False
    return all(
        x.low_open == y.low_open and x.high_open == y.high_open
        and same_value(x.low, y.low) and same_value(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip


def _reals(parts: Sequence[Interval] | None) -> list[Interval] | None:
    """Return intervals merged and in order."""
    if parts is None:
        return None
    merged: list[Interval] = []
    for part in sorted(parts, key=lambda part: (size(part.low), part.low_open)):
        last = merged[-1] if merged else None
        gap = None if last is None else size(part.low) - size(last.high)
        if last is None or gap is None or gap > 0 or (
            gap == 0 and part.low_open and last.high_open
        ):  # fmt: skip
            merged.append(part)
        elif size(part.high) > size(last.high):
            merged[-1] = Interval(last.low, part.high, last.low_open, part.high_open)
        elif size(part.high) == size(last.high) and not part.high_open:
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
        left, right, op = right, left, FLIPPED[op]
    if not left.expr.is_Symbol or right.expr.free_symbols:
        return None
    if op in ("<", "<="):
        return Interval(Number(-sympy.oo), right, True, op == "<")
    if op in (">", ">="):
        return Interval(right, Number(sympy.oo), op == ">", True)
    return Interval(right, right, False, False) if op == "=" else None


def _holds(value: Value) -> bool:
    """True of a condition, or of conditions joined."""
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
    low = max(one, other, key=lambda part: (size(part.low), part.low_open))
    high = min(one, other, key=lambda part: (size(part.high), not part.high_open))
    gap = size(high.high) - size(low.low)
    if gap < 0 or (gap == 0 and (low.low_open or high.high_open)):
        return None
    return Interval(low.low, high.high, low.low_open, high.high_open)
