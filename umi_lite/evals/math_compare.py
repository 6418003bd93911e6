"""Are two answers the same value? Runs in the sandbox."""

from collections.abc import Sequence

from umi_lite.evals.math_parse import parse
from umi_lite.evals.math_reals import FLIPPED, same_reals
from umi_lite.evals.math_terms import is_multiple, same_number
from umi_lite.evals.math_values import (
    Based,
    Chain,
    Group,
    Matrix,
    Number,
    Relation,
    Value,
    made,
)

_MOST_ITEMS = 60


def same_answer(pred: str, gold: str) -> bool:
    """Are the two, in one spelling each, the same? What cannot be read is not."""
    try:
        return same(parse(pred), parse(gold))
    except Exception:
        # sympy raises many kinds on input that nobody writes; each means "not shown equal".
        return False


def same(one: Value, other: Value) -> bool:
    """Are two values the same? Order counts in tuples and matrices, not in sets and lists."""
    one, other = _without_names(one, other), _without_names(other, one)
    one, other = _alone(one), _alone(other)
    if isinstance(one, Number) and isinstance(other, Number):
        return same_number(one, other)
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
    return same_reals(one, other)


def _alone(value: Value) -> Value:
    """The one item of a set or list of one."""
    while isinstance(value, Group) and len(value.items) == 1 and value.kind != "ratio":
        value = value.items[0]
    return value


def _without_names(value: Value, other: Value) -> Value:
    """`x = 5` is 5 beside an answer that names nothing; `x = 1, y = 2` is a tuple beside one."""
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
    """Each item has its like on the other side; how often it stands there does not matter."""
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
    return is_multiple(a[1], b[1], signed=a[0] in ("=", "!="))


def _moved(relation: Relation) -> tuple[str, Number] | None:
    """All on the left; > and >= are written as < and <=."""
    left, right = relation.left, relation.right
    if not isinstance(left, Number) or not isinstance(right, Number):
        return None
    op = relation.op
    if op in (">", ">="):
        left, right, op = right, left, FLIPPED[op]
    return op, made(left.expr - right.expr, left, right)
