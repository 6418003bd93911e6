r"""Reads numbers, names, functions and what begins with a LaTeX command. Runs in the sandbox.

Each function is called when the reader stands behind the token that named it.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sympy

from umi_lite.evals.math_values import (
    Group,
    Interval,
    Matrix,
    Number,
    Unreadable,
    Value,
    binomial,
    determinant,
    divided,
    made,
    plus,
    power,
    term,
    times,
)

if TYPE_CHECKING:
    from umi_lite.evals.math_parse import Reader

FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec,
    "csc": sympy.csc, "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "log": sympy.log, "ln": sympy.log, "exp": sympy.exp,
    "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "ceiling": sympy.ceiling,
}  # fmt: skip
CONSTANTS = {
    "pi": sympy.pi, "infty": sympy.oo, "oo": sympy.oo, "inf": sympy.oo, "infinity": sympy.oo,
    "i": sympy.I, "e": sympy.E, "I": sympy.I,
}  # fmt: skip
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon theta lambda mu nu rho sigma tau phi varphi chi psi "
    "omega eta zeta kappa xi Gamma Delta Theta Lambda Sigma Phi Psi Omega ell"
)
GREEK = frozenset(_GREEK_NAMES.split())
_ROUNDED = re.compile(r"\d*\.\d*[1-9]")


def number(reader: "Reader", token: str) -> Value:
    value = Number(sympy.Rational(_bounded(token)), bool(_ROUNDED.match(token)))
    if reader.peek() == r"\overline" and "." in token:
        reader.next()
        return Number(_repeating(token, _digits(reader)))
    if reader.peek() == r"\frac" and token.isdigit():
        start = reader.at
        reader.next()
        part = term(fraction(reader))
        if part.expr.is_Rational and 0 < part.expr < 1 and not part.rounded:
            return plus(value, part)
        reader.at = start
    return value


def _digits(reader: "Reader") -> str:
    reader.expect("{")
    digits = reader.next()
    reader.expect("}")
    if not digits.isdigit():
        raise Unreadable("no digits under a line")
    return digits


def index(reader: "Reader") -> str:
    if not reader.take("_"):
        return ""
    if not reader.take("{"):
        return "_" + reader.next()
    parts: list[str] = []
    while not reader.take("}"):
        parts.append(reader.next())
    return "_" + "".join(parts)


def fraction(reader: "Reader") -> Value:
    top = reader.argument()
    return divided(top, reader.argument())


def choose(reader: "Reader") -> Value:
    top = reader.argument()
    return binomial(top, reader.argument())


def root(reader: "Reader") -> Value:
    degree: Value = Number(sympy.Integer(2))
    if reader.take("["):
        degree = reader.sum()
        reader.expect("]")
    return power(reader.primary(), divided(Number(sympy.Integer(1)), degree))


def cube_root(reader: "Reader") -> Value:
    return power(reader.primary(), Number(sympy.Rational(1, 3)))


def function(reader: "Reader", name: str) -> Value:
    exponent = reader.exponent() if reader.take("^") else None
    base: Value | None = None
    if reader.take("_"):
        base = reader.argument()
    if exponent is None and reader.take("^"):
        exponent = reader.exponent()
    inside = term(_operand(reader))
    if exponent is not None and term(exponent).expr == -1:
        if f"a{name}" not in FUNCTIONS:
            raise Unreadable("an inverse function")
        name, exponent = f"a{name}", None
    parts = [inside]
    if name == "log" and base is not None:
        number = term(base)
        parts.append(number)
        value = made(sympy.log(inside.expr) / sympy.log(number.expr), *parts)
    else:
        value = made(FUNCTIONS[name](inside.expr), inside)
    return value if exponent is None else power(value, exponent)


def _operand(reader: "Reader") -> Value:
    r"""A function's argument: brackets, or all that stands beside it, as in \sin 2x."""
    if reader.peek() in ("(", "["):
        return reader.factor()
    value = reader.signed_factor()
    while reader.starts_factor() and reader.peek().lstrip("\\") not in FUNCTIONS:
        if reader.peek() in ("(", "["):
            break
        value = times(value, reader.factor())
    return value


def absolute(reader: "Reader") -> Value:
    inside = term(reader.sum())
    reader.expect("|", r"\|", r"\rvert", r"\vert")
    return made(sympy.Abs(inside.expr), inside)


def floor(reader: "Reader") -> Value:
    inside = term(reader.sum())
    reader.expect(r"\rfloor")
    return Number(sympy.floor(inside.expr))


def ceiling(reader: "Reader") -> Value:
    inside = term(reader.sum())
    reader.expect(r"\rceil")
    return Number(sympy.ceiling(inside.expr))


def nothing(reader: "Reader") -> Value:
    return Group("set", ())


def numbers(reader: "Reader") -> Value:
    braced = reader.take("{")
    if reader.next() != "R":
        raise Unreadable("a set of numbers other than the reals")
    if braced:
        reader.expect("}")
    return Interval(Number(-sympy.oo), Number(sympy.oo), True, True)


def environment(reader: "Reader") -> Value:
    name = _environment_name(reader)
    if name == "array" and reader.take("{"):
        while not reader.take("}"):
            reader.next()
    rows: list[list[Value]] = [[]]
    while reader.peek() != r"\end":
        if reader.take("\\\\"):
            rows.append([])
        elif not reader.take("&"):
            rows[-1].append(reader.item())
    reader.next()
    _environment_name(reader)
    matrix = Matrix(tuple(tuple(row) for row in rows if row))
    if name not in ("array", "matrix", "pmatrix", "bmatrix", "vmatrix", "smallmatrix"):
        raise Unreadable(name)
    return determinant(matrix) if name == "vmatrix" else matrix


def _environment_name(reader: "Reader") -> str:
    reader.expect("{")
    letters: list[str] = []
    while not reader.take("}"):
        letters.append(reader.next())
    return "".join(letters)


def _bounded(token: str) -> str:
    """Raises: Unreadable: an exponent that would take minutes to write out."""
    exponent = re.search(r"[eE]([+-]?\d+)", token)
    if exponent and len(exponent.group(1)) > 4:
        raise Unreadable("too large an exponent")
    return token.rstrip(".") if "." in token and "e" not in token.lower() else token


def _repeating(token: str, digits: str) -> Any:
    decimals = len(token.partition(".")[2])
    part = sympy.Rational(int(digits), (10 ** len(digits) - 1) * 10**decimals)
    return sympy.Rational(token.rstrip(".")) + part


COMMANDS: dict[str, Callable[["Reader"], Value]] = {
    "frac": fraction, "sqrt": root, "cbrt": cube_root, "binom": choose, "dbinom": choose,
    "tbinom": choose, "begin": environment, "mathbb": numbers, "|": absolute, "lvert": absolute,
    "vert": absolute, "lfloor": floor, "lceil": ceiling, "emptyset": nothing, "varnothing": nothing,
}  # fmt: skip
