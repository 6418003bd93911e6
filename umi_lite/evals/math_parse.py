r"""Reads one answer, spelled by `math_text.spell`, into its value. Runs in the sandbox.

A recursive descent over LaTeX and plain notation alike: `\frac12`, `1/2`, `2x^2`, `2*x**2`,
`[1,2)`, `1 < x \le 3`, `\begin{pmatrix}…`. Nothing of the text is ever run as a program.
"""

import re

import sympy

from umi_lite.evals import math_brackets, math_calls, math_commands
from umi_lite.evals.math_calls import CALLS
from umi_lite.evals.math_commands import COMMANDS, CONSTANTS, FUNCTIONS, GREEK
from umi_lite.evals.math_values import (
    Based,
    Chain,
    Difference,
    Group,
    Interval,
    Number,
    Relation,
    Union,
    Unreadable,
    Value,
    divided,
    factorial,
    plus,
    power,
    term,
    times,
)

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
    """The value of an answer.

    Raises:
        Unreadable: it is none that is known here.
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
        """Items with separators between; `joiner` is then what joined them."""
        found, joiner = [self.item()], ","
        while (separator := self.separator()) is not None:
            joiner = separator if joiner == "," else joiner
            found.append(self.item())
        self.joiner = joiner
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
            # "1 2" is no number; "(x+1)2" and "x2" are no notation either.
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
            return math_commands.number(self, token)
        if token in math_brackets.CLOSERS:
            return math_brackets.bracket(self, token)
        name = token[1:] if token[0] == "\\" and len(token) > 1 else token
        if name in FUNCTIONS:
            return math_commands.function(self, name)
        if name in CONSTANTS and not (name == "I" and self.peek() == "_"):
            return Number(CONSTANTS[name])
        if name in CALLS:
            return math_calls.call(self, name)
        if name == "Matrix":
            return self.primary()
        if name in COMMANDS:
            return COMMANDS[name](self)
        if name in GREEK or (len(token) == 1 and token.isalpha()):
            return Number(sympy.Symbol(name + math_commands.index(self)))
        raise Unreadable(f"{token!r}")

    def argument(self) -> Value:
        """What a command takes: a group, or one token."""
        return self.signed_factor() if self.peek() == "-" else self.primary()


def _with_braces(match: re.Match[str]) -> str:
    r"""`\frac12` takes a digit each: `\frac{1}{2}`."""
    command, top, bottom = match.groups()
    return f"{command}{{{top}}}" + (f"{{{bottom}}}" if bottom else "")
