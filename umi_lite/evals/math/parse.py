r"""The parser of answers, from one spelling to a value. Runs in the sandbox.

A recursive descent over LaTeX and plain notation alike: `\frac12`, `1/2`, `2x^2`, `2*x**2`,
`[1,2)`, `1 < x \le 3`, `\begin{pmatrix}…`. No part of the text is run.
"""

import re
from collections.abc import Callable
from typing import Any

import sympy

from umi_lite.evals.math.values import (
    CALLS,
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
    binomial,
    determinant,
    divided,
    factorial,
    made,
    plus,
    power,
    term,
    times,
)

CLOSERS = {
    "(": (")", "]"),
    "[": (")", "]"),
    r"\{": (r"\}",),
    "{": ("}",),
    r"\langle": (r"\rangle",),
}


def bracket(reader: "Reader", opener: str) -> Value:
    """Read what follows an opening bracket: a value, point, set, interval or matrix."""
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
    """True if a value can be a matrix's row: a list, or two items, read as an interval."""
    if isinstance(value, Interval):
        return not value.low_open and not value.high_open
    return isinstance(value, Group) and value.kind == "list"


def _row(value: Value) -> tuple[Value, ...]:
    return (value.low, value.high) if isinstance(value, Interval) else value.items  # type: ignore[union-attr]


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
    r"""Read a function's argument: brackets, or all factors next to it, as in \sin 2x."""
    if reader.peek() in ("(", "["):
        return reader.factor()
    value = reader.signed_factor()
    while reader.starts_factor() and reader.peek().lstrip("\\") not in FUNCTIONS:
        if reader.peek() in ("(", "["):
            break
        value = times(value, reader.factor())
    return value


def call(reader: "Reader", name: str) -> Value:
    """Read a Python call's arguments and return its value; the reader is after the name."""
    reader.expect("(")
    given = [] if reader.peek() == ")" else reader.items()
    reader.expect(")")
    try:
        return CALLS[name](given)
    except ValueError:
        raise Unreadable(f"{name} with {len(given)} arguments") from None


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
    """Return a number's text for sympy.

    Raises:
        Unreadable: an exponent that would take minutes to write out.
    """
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


_NAMES = "|".join(
    re.escape(name)
    for name in sorted(
        [*FUNCTIONS, *CALLS, "pi", "oo", "inf", "infinity", "sqrt", "cbrt", "Matrix"], key=len
    )[::-1]
)
_TOKEN = re.compile(
    r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
    rf"|\\[A-Za-z]+|\\.|(?:{_NAMES})(?![A-Za-z])|[A-Za-z]|\*\*|<=|>=|!=|==|\S)"
)
_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", r"\le": "<=",
    r"\ge": ">=", r"\lt": "<", r"\gt": ">", r"\ne": "!=", r"\neq": "!=", r"\approx": "=",
}  # fmt: skip
_SEPARATORS = {",": ",", ";": ",", r"\or": "or", r"\and": "and", r"\lor": "or", r"\land": "and"}
_TIMES = ("*", r"\cdot", r"\times", r"\ast")
_OVER = ("/", r"\div")
_WITHOUT = (r"\setminus", r"\smallsetminus", r"\backslash", "∖")
_STARTERS = (
    "(", "{", "[", r"\frac", r"\sqrt", r"\binom", r"\dbinom", r"\tbinom", r"\begin", r"\lfloor",
    r"\lceil", r"\lvert", r"\langle", r"\overline", r"\mathbb",
)  # fmt: skip
_BASED = re.compile(r"(-?[0-9A-Z]+)_\{?(\d{1,2})\}?")
_SHORT_FRACTION = re.compile(r"(\\(?:frac|binom)\s*)(\d)(?:(\d)|(?=\s*[\\{]))")
_MOST_TOKENS = 1500


def parse(text: str) -> Value:
    """Return the value of a spelled answer.

    Raises:
        Unreadable: its notation is not supported.
    """
    based = _BASED.fullmatch(re.sub(r"\s+", "", text))
    if based:
        return Based(based.group(1), int(based.group(2)))
    text = _SHORT_FRACTION.sub(_with_braces, text)
    tokens = [match.group(1) for match in _TOKEN.finditer(text)]
    if not tokens or len(tokens) > _MOST_TOKENS:
        raise Unreadable("empty, or too long")
    reader = Reader(tokens)
    value = reader.alternatives("bare")
    if reader.at < len(tokens):
        raise Unreadable(f"{reader.peek()!r} at {reader.at}")
    return value


class Reader:
    r"""The tokens, how far they are read, and which of the signs in \pm is taken."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.at = 0
        self.sign = 1
        self.saw_sign = False
        self.joiner = ","

    def peek(self, ahead: int = 0) -> str:
        where = self.at + ahead
        return self.tokens[where] if where < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise Unreadable("it ends too early")
        self.at += 1
        return token

    def take(self, *wanted: str) -> bool:
        if self.peek() and self.peek() in wanted:
            self.at += 1
            return True
        return False

    def expect(self, *wanted: str) -> str:
        token = self.next()
        if token not in wanted:
            raise Unreadable(f"{token!r} in place of {wanted[0]!r}")
        return token

    def alternatives(self, kind: str) -> Value:
        r"""Read items with separators between them; one with \pm is two."""
        found: list[Value] = []
        joiner = ","
        while True:
            start = self.at
            self.sign, self.saw_sign = 1, False
            found.append(self.item())
            if self.saw_sign:
                self.at, self.sign = start, -1
                found.append(self.item())
            separator = self.separator()
            if separator is None:
                break
            joiner = separator if joiner == "," else joiner
        return found[0] if len(found) == 1 and kind == "bare" else Group(kind, tuple(found), joiner)

    def items(self) -> list[Value]:
        """Read items with separators between them; `joiner` is then what joined them."""
        found, joiner = [self.item()], ","
        while (separator := self.separator()) is not None:
            joiner = separator if joiner == "," else joiner
            found.append(self.item())
        self.joiner = joiner
        return found

    def separator(self) -> str | None:
        """Take what separates two items, if any; a comma before "and" belongs to it."""
        said = None
        while self.peek() in _SEPARATORS:
            name = _SEPARATORS[self.next()]
            said = name if said in (None, ",") else said
        return said

    def item(self) -> Value:
        first = self.head() or self.sets()
        ops: list[str] = []
        values = [first]
        while self.peek() in _RELATIONS or self.peek() in (r"\in", ":"):
            op = self.next()
            values.append(self.sets())
            ops.append(_RELATIONS.get(op, op))
        if not ops:
            return first
        if ops[-1] == r"\in" and len(ops) == 1:
            return values[1]
        if set(ops) == {":"}:
            return Group("ratio", tuple(values))
        if set(ops) == {"="}:
            return Relation("=", values[0], values[-1])
        if r"\in" in ops or ":" in ops:
            raise Unreadable("a mixed chain")
        relations = [Relation(op, values[i], values[i + 1]) for i, op in enumerate(ops)]
        return relations[0] if len(relations) == 1 else Chain(tuple(relations))

    def head(self) -> Value | None:
        """Read `f(x)` before an equals sign as one name."""
        shown = " ".join(self.tokens[self.at : self.at + 8])
        match = re.match(r"[A-Za-z] \( [a-z](?: , [a-z])* \) (?==)", shown)
        if match is None:
            return None
        self.at += len(match.group().split())
        return Number(sympy.Symbol(match.group().replace(" ", "")))

    def sets(self) -> Value:
        parts = [self.difference()]
        while self.take(r"\cup", "∪"):
            parts.append(self.difference())
        return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def difference(self) -> Value:
        value = self.sum()
        while self.take(*_WITHOUT):
            value = Difference(value, self.sum())
        return value

    def sum(self) -> Value:
        total = self.signed() if self.peek() in ("+", "-", r"\pm", r"\mp") else self.product()
        while self.peek() in ("+", "-", r"\pm", r"\mp"):
            if isinstance(total, Interval | Difference) and self.take("-"):
                total = Difference(total, self.product())
            else:
                total = plus(total, self.signed())
        return total

    def signed(self) -> Value:
        sign = self.next()
        if sign in (r"\pm", r"\mp"):
            self.saw_sign = True
            factor = self.sign if sign == r"\pm" else -self.sign
        else:
            factor = -1 if sign == "-" else 1
        value = self.signed() if self.peek() in ("+", "-") else self.product()
        # "-5%" keeps its percent sign.
        if isinstance(value, Number):
            return Number(factor * value.expr, value.rounded, value.percent)
        return times(Number(sympy.Integer(factor)), value)

    def product(self) -> Value:
        value = self.factor()
        while True:
            if self.take(*_TIMES):
                value = times(value, self.signed_factor())
            elif self.take(*_OVER):
                value = divided(value, self.signed_factor())
            elif self.starts_factor():
                value = times(value, self.factor())
            else:
                return value

    def signed_factor(self) -> Value:
        if self.take("-"):
            return times(Number(sympy.Integer(-1)), self.signed_factor())
        return self.factor()

    def starts_factor(self) -> bool:
        token = self.peek()
        if token[:1].isdigit() or token[:1] == ".":
            # "1 2" is not a number, nor are "(x+1)2" and "x2" products.
            return False
        return (
            token[:1].isalpha() or token in _STARTERS
            or (token[:1] == "\\" and (token[1:] in FUNCTIONS or token[1:] in CONSTANTS))
            or token[1:] in GREEK
        )  # fmt: skip

    def factor(self) -> Value:
        value = self.primary()
        while True:
            if self.take("^", "**"):
                value = power(value, self.exponent())
            elif self.take("!"):
                value = factorial(value)
            elif self.take(r"\degree"):
                value = times(value, Number(sympy.pi / 180))
            elif self.take("%", r"\%"):
                number = term(value)
                value = Number(number.expr, number.rounded, percent=True)
            else:
                return value

    def exponent(self) -> Value:
        if self.take("-"):
            return times(Number(sympy.Integer(-1)), self.exponent())
        value = self.primary()
        # Powers bind to the right: 9**9**9 is 9**(9**9).
        return power(value, self.exponent()) if self.take("^", "**") else value

    def primary(self) -> Value:
        token = self.next()
        if token[0].isdigit() or token[0] == ".":
            return number(self, token)
        if token in CLOSERS:
            return bracket(self, token)
        name = token[1:] if token[0] == "\\" and len(token) > 1 else token
        if name in FUNCTIONS:
            return function(self, name)
        if name in CONSTANTS and not (name == "I" and self.peek() == "_"):
            return Number(CONSTANTS[name])
        if name in CALLS:
            return call(self, name)
        if name == "Matrix":
            return self.primary()
        if name in COMMANDS:
            return COMMANDS[name](self)
        if name in GREEK or (len(token) == 1 and token.isalpha()):
            return Number(sympy.Symbol(name + index(self)))
        raise Unreadable(f"{token!r}")

    def argument(self) -> Value:
        """Read what a command takes: a group, or one token."""
        return self.signed_factor() if self.peek() == "-" else self.primary()


def _with_braces(match: re.Match[str]) -> str:
    r"""Write `\frac12` with braces: `\frac{1}{2}`."""
    command, top, bottom = match.groups()
    return f"{command}{{{top}}}" + (f"{{{bottom}}}" if bottom else "")
