"""Are two sets of real numbers the same? Intervals, unions, inequalities. Runs in the sandbox."""

from collections.abc import Sequence

import sympy

from umi_lite.evals.math_terms import same_value, size
from umi_lite.evals.math_values import Chain, Group, Interval, Number, Relation, Union, Value

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def same_reals(one: Value, other: Value) -> bool:
    a, b = _reals(one), _reals(other)
    if a is None or b is None or len(a) != len(b):
        return False
    return all(
        x.low_open == y.low_open and x.high_open == y.high_open
        and same_value(x.low, y.low) and same_value(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )  # fmt: skip


def _reals(value: Value) -> list[Interval] | None:
    """The intervals that a set of real numbers consists of, merged, in order; None: it is none."""
    parts = _parts(value)
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
    if isinstance(value, Interval):
        return [value]
    if isinstance(value, Relation) and value.op == "!=":
        sides = [Relation(op, value.left, value.right) for op in ("<", ">")]
        return _all_parts(sides)
    if isinstance(value, Relation):
        ray = _ray(value)
        return None if ray is None else [ray]
    if isinstance(value, Chain):
        return _common([_ray(relation) for relation in value.relations])
    if isinstance(value, Group) and value.kind == "bare" and value.joiner == "and":
        if all(isinstance(item, Relation) for item in value.items):
            return _common([_ray(item) for item in value.items if isinstance(item, Relation)])
        return None
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


def _common(rays: Sequence[Interval | None]) -> list[Interval] | None:
    low, high = Number(-sympy.oo), Number(sympy.oo)
    low_open = high_open = True
    for ray in rays:
        if ray is None:
            return None
        if size(ray.low) > size(low):
            low, low_open = ray.low, ray.low_open
        if size(ray.high) < size(high):
            high, high_open = ray.high, ray.high_open
    return [Interval(low, high, low_open, high_open)] if size(low) < size(high) else []
