r"""Reads one answer, spelled by `math_text.spell`, into its value. Runs in the sandbox.

A recursive descent over LaTeX and plain notation alike: `\frac12`, `1/2`, `2x^2`, `2*x**2`,
`[1,2)`, `1 < x \le 3`, `\begin{pmatrix}…`. Nothing of the text is ever run as a program.
"""

import re

import sympy

from umi_lite.evals.math_values import (
    Based,
    Chain,
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

_FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec,
    "csc": sympy.csc, "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan,
    "asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan, "sinh": sympy.sinh,
    "cosh": sympy.cosh, "tanh": sympy.tanh, "log": sympy.log, "ln": sympy.log, "exp": sympy.exp,
    "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "ceiling": sympy.ceiling,
}  # fmt: skip
_CONSTANTS = {
    "pi": sympy.pi, "infty": sympy.oo, "oo": sympy.oo, "inf": sympy.oo, "infinity": sympy.oo,
    "i": sympy.I, "e": sympy.E, "I": sympy.I,
}  # fmt: skip
_GREEK = frozenset(
    ["alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "theta", "lambda", "mu", "nu", "rho", "sigma", "tau", "phi", "varphi", "chi", "psi", "omega", "eta", "zeta", "kappa", "xi", "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega", "ell"]
)
_NAMES = "|".join(
    sorted([*_FUNCTIONS, "pi", "oo", "inf", "infinity", "sqrt", "cbrt", "Matrix"], key=len)[::-1]
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
_CLOSERS = {
    "(": (")", "]"),
    "[": (")", "]"),
    r"\{": (r"\}",),
    "{": ("}",),
    r"\langle": (r"\rangle",),
}
_STARTERS = (
    "(", "{", "[", r"\frac", r"\sqrt", r"\binom", r"\dbinom", r"\tbinom", r"\begin", r"\lfloor",
    r"\lceil", r"\lvert", r"\langle", r"\overline", r"\mathbb",
)  # fmt: skip
_BASED = re.compile(r"(-?[0-9A-Z]+)_\{?(\d{1,2})\}?")
_ROUNDED = re.compile(r"\d*\.\d*[1-9]")
_MOST_TOKENS = 1500


def parse(text: str) -> Value:
    """The value of an answer.

    Raises:
        Unreadable: it is none that is known here.
    """
    based = _BASED.fullmatch(re.sub(r"\s+", "", text))
    if based:
        return Based(based.group(1), int(based.group(2)))
    tokens = [match.group(1) for match in _TOKEN.finditer(text)]
    if not tokens or len(tokens) > _MOST_TOKENS:
        raise Unreadable("empty, or too long")
    reader = _Reader(tokens)
    value = reader.alternatives("bare")
    if reader.at < len(tokens):
        raise Unreadable(f"{reader.peek()!r} at {reader.at}")
    return value


class _Reader:
    r"""The tokens, how far they are read, and which of the signs in \pm is taken."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.at = 0
        self.sign = 1
        self.saw_sign = False

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
        r"""Items with separators between; one with \pm is two."""
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
        found = [self.item()]
        while self.separator() is not None:
            found.append(self.item())
        return found

    def separator(self) -> str | None:
        """What stands between two items; a comma before "and" belongs to it."""
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
        """`f(x)` before an equals sign is one name."""
        shown = " ".join(self.tokens[self.at : self.at + 8])
        match = re.match(r"[A-Za-z] \( [a-z](?: , [a-z])* \) (?==)", shown)
        if match is None:
            return None
        self.at += len(match.group().split())
        return Number(sympy.Symbol(match.group().replace(" ", "")))

    def sets(self) -> Value:
        parts = [self.sum()]
        while self.take(r"\cup", "∪"):
            parts.append(self.sum())
        return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def sum(self) -> Value:
        total = self.signed() if self.peek() in ("+", "-", r"\pm", r"\mp") else self.product()
        while self.peek() in ("+", "-", r"\pm", r"\mp"):
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
            # "1 2" is no number; "(x+1)2" and "x2" are no notation either.
            return False
        return (
            token[:1].isalpha() or token in _STARTERS
            or (token[:1] == "\\" and (token[1:] in _FUNCTIONS or token[1:] in _CONSTANTS))
            or token[1:] in _GREEK
        )  # fmt: skip

    def factor(self) -> Value:
        value = self.primary()
        while True:
            if self.take("^", "**"):
                value = power(value, self.exponent())
            elif self.take("!"):
                value = factorial(value)
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
            return self.number(token)
        if token in _CLOSERS:
            return self.bracket(token)
        name = token[1:] if token[0] == "\\" and len(token) > 1 else token
        if name in _FUNCTIONS:
            return self.function(name)
        if name in _CONSTANTS and not (name == "I" and self.peek() == "_"):
            return Number(_CONSTANTS[name])
        reader = {
            "frac": self.fraction, "sqrt": self.root, "binom": self.choose, "dbinom": self.choose,
            "tbinom": self.choose, "begin": self.environment, "mathbb": self.numbers,
            "|": self.absolute, "lvert": self.absolute, "vert": self.absolute,
            "lfloor": self.floor, "lceil": self.ceiling, "emptyset": self.nothing,
            "varnothing": self.nothing, "Matrix": self.primary, "cbrt": self.cube_root,
        }.get(name)  # fmt: skip
        if reader is not None:
            return reader()
        if name in _GREEK or (len(token) == 1 and token.isalpha()):
            return Number(sympy.Symbol(name + self.index()))
        raise Unreadable(f"{token!r}")

    def number(self, token: str) -> Value:
        value = Number(sympy.Rational(_bounded(token)), bool(_ROUNDED.match(token)))
        if self.peek() == r"\overline" and "." in token:
            self.next()
            return Number(_repeating(token, self.digits()))
        if self.peek() == r"\frac" and token.isdigit():
            start = self.at
            self.next()
            part = term(self.fraction())
            if part.expr.is_Rational and 0 < part.expr < 1 and not part.rounded:
                return plus(value, part)
            self.at = start
        return value

    def digits(self) -> str:
        self.expect("{")
        digits = self.next()
        self.expect("}")
        if not digits.isdigit():
            raise Unreadable("no digits under a line")
        return digits

    def index(self) -> str:
        if not self.take("_"):
            return ""
        if not self.take("{"):
            return "_" + self.next()
        parts: list[str] = []
        while not self.take("}"):
            parts.append(self.next())
        return "_" + "".join(parts)

    def bracket(self, opener: str) -> Value:
        closers = _CLOSERS[opener]
        if opener in (r"\{", "{"):
            return self.braces(opener, closers[0])
        found = self.items()
        closer = self.expect(*closers)
        if opener == "[" and closer == "]" and all(_is_row(value) for value in found):
            return Matrix(tuple(_row(value) for value in found))
        if len(found) == 1:
            if opener == "(" and closer == ")":
                return found[0]
            if opener == "[" and closer == "]":
                return Group("list", tuple(found))
            raise Unreadable("half a bracket")
        if len(found) == 2 and (opener == "[" or closer == "]"):
            low, high = found
            return Interval(term(low), term(high), opener == "(", closer == ")")
        if opener == "[" or closer == "]":
            return Group("list", tuple(found))
        return Group("tuple", tuple(found))

    def braces(self, opener: str, closer: str) -> Value:
        if self.take(closer):
            if opener == "{":
                return Group("set", ())
            return self.nothing()
        if opener == r"\{":
            value = self.alternatives("set")
            self.expect(closer)
            return value
        saw, sign = self.saw_sign, self.sign
        found = self.items()
        self.saw_sign, self.sign = saw or self.saw_sign, sign
        if self.take(r"\over"):
            found = [divided(found[0], self.sum())]
        self.expect(closer)
        return found[0] if len(found) == 1 else Group("set", tuple(found))

    def argument(self) -> Value:
        r"""What a command takes: a group, or one token; of a number its first digit."""
        token = self.peek()
        if token.isdigit() and len(token) > 1:
            self.tokens[self.at] = token[1:]
            return Number(sympy.Integer(int(token[0])))
        if token == "-":
            return self.signed_factor()
        return self.primary()

    def fraction(self) -> Value:
        top = self.argument()
        return divided(top, self.argument())

    def choose(self) -> Value:
        top = self.argument()
        return binomial(top, self.argument())

    def root(self) -> Value:
        degree: Value = Number(sympy.Integer(2))
        if self.take("["):
            degree = self.sum()
            self.expect("]")
        return power(self.primary(), divided(Number(sympy.Integer(1)), degree))

    def cube_root(self) -> Value:
        return power(self.primary(), Number(sympy.Rational(1, 3)))

    def function(self, name: str) -> Value:
        exponent = self.exponent() if self.take("^") else None
        base: Value | None = None
        if self.take("_"):
            base = self.argument()
        if exponent is None and self.take("^"):
            exponent = self.exponent()
        inside = term(self.operand())
        if exponent is not None and term(exponent).expr == -1:
            raise Unreadable("an inverse function")
        parts = [inside]
        if name == "log" and base is not None:
            number = term(base)
            parts.append(number)
            value = made(sympy.log(inside.expr) / sympy.log(number.expr), *parts)
        else:
            value = made(_FUNCTIONS[name](inside.expr), inside)
        return value if exponent is None else power(value, exponent)

    def operand(self) -> Value:
        r"""A function's argument: brackets, or all that stands beside it, as in \sin 2x."""
        if self.peek() in ("(", "["):
            return self.factor()
        value = self.signed_factor()
        while self.starts_factor() and self.peek().lstrip("\\") not in _FUNCTIONS:
            if self.peek() in ("(", "["):
                break
            value = times(value, self.factor())
        return value

    def absolute(self) -> Value:
        inside = term(self.sum())
        self.expect("|", r"\|", r"\rvert", r"\vert")
        return made(sympy.Abs(inside.expr), inside)

    def floor(self) -> Value:
        inside = term(self.sum())
        self.expect(r"\rfloor")
        return Number(sympy.floor(inside.expr))

    def ceiling(self) -> Value:
        inside = term(self.sum())
        self.expect(r"\rceil")
        return Number(sympy.ceiling(inside.expr))

    def nothing(self) -> Value:
        return Group("set", ())

    def numbers(self) -> Value:
        braced = self.take("{")
        if self.next() != "R":
            raise Unreadable("a set of numbers other than the reals")
        if braced:
            self.expect("}")
        return Interval(Number(-sympy.oo), Number(sympy.oo), True, True)

    def environment(self) -> Value:
        name = self.environment_name()
        if name == "array" and self.take("{"):
            while not self.take("}"):
                self.next()
        rows: list[list[Value]] = [[]]
        while self.peek() != r"\end":
            if self.take("\\\\"):
                rows.append([])
            elif not self.take("&"):
                rows[-1].append(self.item())
        self.next()
        self.environment_name()
        matrix = Matrix(tuple(tuple(row) for row in rows if row))
        if name not in ("array", "matrix", "pmatrix", "bmatrix", "vmatrix", "smallmatrix"):
            raise Unreadable(name)
        return determinant(matrix) if name == "vmatrix" else matrix

    def environment_name(self) -> str:
        self.expect("{")
        letters: list[str] = []
        while not self.take("}"):
            letters.append(self.next())
        return "".join(letters)


def _is_row(value: Value) -> bool:
    """A bracketed list within brackets is a matrix's row; one of two was read as an interval."""
    if isinstance(value, Interval):
        return not value.low_open and not value.high_open
    return isinstance(value, Group) and value.kind == "list"


def _row(value: Value) -> tuple[Value, ...]:
    return (value.low, value.high) if isinstance(value, Interval) else value.items  # type: ignore[union-attr]


def _bounded(token: str) -> str:
    """Raises: Unreadable: an exponent that would take minutes to write out."""
    exponent = re.search(r"[eE]([+-]?\d+)", token)
    if exponent and len(exponent.group(1)) > 4:
        raise Unreadable("too large an exponent")
    return token.rstrip(".") if "." in token and "e" not in token.lower() else token


def _repeating(token: str, digits: str) -> sympy.Rational:
    decimals = len(token.partition(".")[2])
    part = sympy.Rational(int(digits), (10 ** len(digits) - 1) * 10**decimals)
    return sympy.Rational(token.rstrip(".")) + part
