"""Tools that compute: arithmetic, units, money, dates and times."""

import ast
import datetime
import difflib
import operator
from collections.abc import Callable, Iterable
from typing import Literal

from umi_lite.data.toolworld import pools
from umi_lite.data.toolworld.world import World, number_text
from umi_lite.tools.tools import ToolError


def unknown(kind: str, name: str, known: Iterable[str]) -> ToolError:
    """The error for a name that is not there; it offers a close one where there is one."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return ToolError(f"unknown {kind} {name}" + (f", did you mean {close[0]}?" if close else ""))


class Shop:
    """Products and orders."""

    def __init__(self, world: World):
        self._world = world

    def _product(self, column: Literal["price", "stock"], product: str) -> float:
        query = f"SELECT {column} FROM products WHERE name = ?"
        row = self._world.row(query, product)
        if row is None:
            raise unknown("product", product, self._world.products)
        return row[0]

    def _order(self, order: str) -> tuple[str, str]:
        row = self._world.row("SELECT product, status FROM orders WHERE id = ?", order)
        if row is None:
            fixed = f"A{order}"
            hint = f", write {fixed}" if fixed in self._world.orders else ""
            raise ToolError(f"unknown order {order}{hint}")
        return row

    def price(self, product: str) -> str:
        """Price of a product in EUR."""
        return number_text(self._product("price", product))

    def stock(self, product: str) -> str:
        """How many of a product are in stock."""
        return number_text(self._product("stock", product))

    def order_status(self, order: str) -> str:
        """Status of an order."""
        return self._order(order)[1]


class People:
    """Contacts and where they live."""

    def __init__(self, world: World):
        self._world = world

    def contact(self, name: str, field: Literal["phone", "email", "city"]) -> str:
        """Look up a person."""
        entry = self._world.contacts.get(name)
        if entry is None:
            raise unknown("person", name, self._world.contacts)
        return getattr(entry, field)

    def country(self, city: str) -> str:
        """The country of a city."""
        for entry in pools.countries():
            if city in (entry.city, entry.capital):
                return entry.name
        raise unknown("city", city, (entry.city for entry in pools.countries()))


class Todo:
    """A to-do list."""

    def __init__(self, world: World):
        self._todo = world.todo

    def todo_add(self, item: str) -> str:
        """Add to the to-do list."""
        if any(known == item for known, _ in self._todo):
            raise ToolError(f"{item} is on the list already")
        self._todo.append([item, "open"])
        return f"added {item}"

    def todo_done(self, item: str) -> str:
        """Mark a to-do as done."""
        for entry in self._todo:
            if entry[0] == item:
                entry[1] = "done"
                return f"done {item}"
        raise unknown("item", item, (known for known, _ in self._todo))

    def todo_list(self) -> str:
        """The open to-dos."""
        return ", ".join(item for item, state in self._todo if state == "open") or "nothing"


def word_count(text: str) -> str:
    """Number of words in a text."""
    return str(len(text.split()))


def reverse(text: str) -> str:
    """Reverse a text."""
    return text[::-1]


def upper(text: str) -> str:
    """Text in capital letters."""
    return text.upper()


_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
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
MONEY_NAMES = {"dollars": "USD", "pounds": "GBP", "francs": "CHF", "kronor": "SEK"}


def calculator(expression: str) -> str:
    """Compute an arithmetic expression."""
    try:
        return number_text(_value(ast.parse(expression, mode="eval").body))
    except (SyntaxError, ValueError, RecursionError):
        raise ToolError(f"cannot read {expression}") from None
    except ZeroDivisionError:
        raise ToolError("division by zero") from None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
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


def exchange(amount: float, currency: str, to: str) -> str:
    """Exchange money into another currency."""
    rates = pools.MONEY | {country.currency: country.rate for country in pools.countries()}
    for name in (currency, to):
        if name in MONEY_NAMES:
            raise ToolError(f"unknown currency {name}, write {MONEY_NAMES[name]}")
        if name not in rates:
            raise ToolError(f"unknown currency {name}")
    return number_text(amount / rates[currency] * rates[to])


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
    minutes = []
    for text in (start, end):
        try:
            time = datetime.time.fromisoformat(text)
        except ValueError:
            raise ToolError(f"{text} is no time like 09:30") from None
        minutes.append(time.hour * 60 + time.minute)
    return str(minutes[1] - minutes[0])


FUNCTIONS = (calculator, convert, exchange, add_days, days_between, weekday, minutes_between)
