"""Tools that compute: arithmetic, units, dates and times, texts."""

import ast
import datetime
import operator
import re
from collections.abc import Callable

from umi_lite.tools.tools import ToolError

_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.Mod: operator.mod,
}
# What one of a unit is in the base unit of its kind.
UNITS: dict[str, tuple[str, float]] = {
    "km": ("length", 1000), "m": ("length", 1), "cm": ("length", 0.01),
    "miles": ("length", 1609.344), "feet": ("length", 0.3048), "inches": ("length", 0.0254),
    "kg": ("mass", 1000), "g": ("mass", 1), "pounds": ("mass", 453.592),
    "litres": ("volume", 1), "gallons": ("volume", 3.78541), "cups": ("volume", 0.25),
    "days": ("time", 86400), "weeks": ("time", 604800), "hours": ("time", 3600),
    "minutes": ("time", 60), "seconds": ("time", 1),
}  # fmt: skip
ALIASES = {
    "kilometres": "km", "metres": "m", "kilos": "kg", "grams": "g", "lbs": "pounds",
    "mi": "miles", "ft": "feet", "ltr": "litres",
}  # fmt: skip


def number_text(value: float) -> str:
    """Return a number as tools write it: at most two decimals, none where it is whole."""
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def calculator(expression: str) -> str:
    """Compute an arithmetic expression."""
    try:
        return number_text(_value(ast.parse(as_python(expression), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError):
        raise ToolError(f"cannot read {expression}") from None
    except ZeroDivisionError:
        raise ToolError("division by zero") from None


def as_python(expression: str) -> str:
    """Return an expression as people write it as Python's: `17% of 2,340`, `3 × 4`."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", expression.strip())
    # A percent sign with a number after it is a remainder.
    text = re.sub(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\d.(])", r"(\1/100)", text)
    for said, written in ((" of ", " * "), ("×", "*"), ("÷", "/"), ("−", "-")):
        text = text.replace(said, written)
    return text


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
        case _:
            raise ValueError("not arithmetic")


def convert(value: float, unit: str, to: str) -> str:
    """Convert a value to another unit."""
    for name in (unit, to):
        if name in ALIASES:
            raise ToolError(f"unknown unit {name}, write {ALIASES[name]}")
        if name not in UNITS:
            raise ToolError(f"unknown unit {name}")
    (kind, factor), (other, divisor) = UNITS[unit], UNITS[to]
    if kind != other:
        raise ToolError(f"{unit} is {kind}, {to} is {other}")
    return number_text(value * factor / divisor)


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ToolError(f"{text} is no date like 2025-01-31") from None


def add_days(date: str, days: int) -> str:
    """The date some days later."""
    try:
        return (_date(date) + datetime.timedelta(days=days)).isoformat()
    except OverflowError:
        raise ToolError("too many days") from None


def days_between(start: str, end: str) -> str:
    """Days between two dates."""
    return str((_date(end) - _date(start)).days)


def weekday(date: str) -> str:
    """Day of the week of a date."""
    return _date(date).strftime("%A")


def minutes_between(start: str, end: str) -> str:
    """Minutes between two times."""
    minutes: list[int] = []
    for text in (start, end):
        try:
            time = datetime.time.fromisoformat(text)
        except ValueError:
            raise ToolError(f"{text} is no time like 09:30") from None
        minutes.append(time.hour * 60 + time.minute)
    return str(minutes[1] - minutes[0])


def today() -> str:
    """Today's date."""
    return datetime.date.today().isoformat()


def word_count(text: str) -> str:
    """Number of words in a text."""
    return str(len(text.split()))


def reverse(text: str) -> str:
    """Reverse a text."""
    return text[::-1]


def upper(text: str) -> str:
    """Text in capital letters."""
    return text.upper()
