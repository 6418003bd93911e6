"""Whatever can be called with names can be a tool; its docstring may have any usual style."""

import asyncio
import functools
import inspect
import math

import pytest

from umi_lite.errors import UserError
from umi_lite.tools.callables import read_docstring
from umi_lite.tools.tools import ToolError, tool


def scale(value: float, factor: float, unit: str = "m") -> str:
    """Scale a value.

    Args:
        value: what is scaled
        factor: by how much
        unit: its unit
    """
    return f"{value * factor} {unit}"


@functools.lru_cache
def cached(n: int) -> int:
    """Square a number.

    Args:
        n: the number
    """
    return n * n


def twice(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return function(*args, **kwargs) * 2

    return wrapped


@twice
def decorated(text: str) -> str:
    """Say it."""
    return text


class Search:
    """Search a shelf."""

    def __call__(self, word: "str") -> str:
        return f"found {word}"


class Shop:
    def __init__(self):
        self.sold = 0

    def sell(self, count: int) -> int:
        """Sell some."""
        self.sold += count
        return self.sold

    @staticmethod
    def price(item: str) -> str:
        """Price an item."""
        return f"{item}: 5"

    @classmethod
    def kind(cls) -> str:
        """Name the shop's kind."""
        return cls.__name__


async def slow(key: str) -> str:
    """Look up a key."""
    await asyncio.sleep(0)
    return f"{key}=42"


async def rows(n: int):
    """List some rows."""
    for i in range(n):
        yield i


async def breaks(key: str) -> str:
    """Look up a key."""
    raise KeyError(key)


async def cancelled() -> str:
    """Never come back."""
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("function", "name", "description", "properties", "arguments", "result"),
    [
        (cached, "cached", "Square a number.",
         {"n": {"type": "integer", "description": "the number"}}, {"n": 3}, "9"),
        (decorated, "decorated", "Say it.", {"text": {"type": "string"}}, {"text": "a"}, "aa"),
        (functools.partial(scale, 3, unit="km"), "scale", "Scale a value.",
         {"factor": {"type": "number", "description": "by how much"}}, {"factor": 2}, "6 km"),
        (functools.partial(functools.partial(scale, unit="km"), factor=2), "scale",
         "Scale a value.", {"value": {"type": "number", "description": "what is scaled"}},
         {"value": 2}, "4 km"),
        (Search(), "Search", "Search a shelf.", {"word": {"type": "string"}}, {"word": "a"},
         "found a"),
        (Shop().sell, "sell", "Sell some.", {"count": {"type": "integer"}}, {"count": 2}, "2"),
        (Shop.price, "price", "Price an item.", {"item": {"type": "string"}}, {"item": "a"},
         "a: 5"),
        (Shop.kind, "kind", "Name the shop's kind.", {}, {}, "Shop"),
        (slow, "slow", "Look up a key.", {"key": {"type": "string"}}, {"key": "a"}, "a=42"),
        (functools.partial(slow, "b"), "slow", "Look up a key.", {}, {}, "b=42"),
        (rows, "rows", "List some rows.", {"n": {"type": "integer"}}, {"n": 2}, "[0, 1]"),
    ],
)  # fmt: skip
def test_callables(function, name, description, properties, arguments, result):
    made = tool(function)
    assert (made.spec.name, made.spec.description) == (name, description)
    assert made.spec.parameters["properties"] == properties
    assert made.call(arguments) == result


def test_what_a_partial_has_filled_cannot_be_overridden():
    with pytest.raises(ToolError, match="'unit' was unexpected"):
        tool(functools.partial(scale, unit="km")).call({"value": 1, "factor": 2, "unit": "m"})


def test_an_async_tool_runs_where_a_loop_runs_already():
    async def notebook() -> str:
        return tool(slow).call({"key": "a"})

    assert asyncio.run(notebook()) == "a=42"


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [(breaks, {"key": "a"}, "KeyError: 'a'"), (cancelled, {}, "RuntimeError: it was cancelled")],
)
def test_what_an_async_tool_raises_is_the_calls_fault(function, arguments, said):
    async def notebook() -> str:
        return tool(function).call(arguments)

    for call in (lambda: tool(function).call(arguments), lambda: asyncio.run(notebook())):
        with pytest.raises(ToolError) as err:
            call()
        assert str(err.value) == said


@pytest.mark.parametrize("function", [len, math.sqrt, max, print, Search, int, lambda x: x])
def test_what_has_no_types_is_refused_in_one_line(function):
    with pytest.raises(UserError, match=r"^tool ") as err:
        tool(function)
    assert "\n" not in str(err.value)


GOOGLE = """Book
a hotel.

More about it.

Args:
    hotel (str) : the hotel's name
    nights (int): how many nights,
        at least one
    a line without a colon
    `board`: full: or half

Returns:
    nights: not an argument

Raises:
    ValueError
"""
NUMPY = """Book a hotel.

Parameters
----------
hotel : str
    the hotel's name
nights : int, optional
    how many nights,
    at least one
board
    full: or half

Returns
-------
nights
    not an argument
"""
HYBRID = """Book a hotel.

Parameters
----------
hotel (str) : the hotel's name
nights (int): how many nights, at least one
board (str):
    full: or half
"""
REST = """Book a hotel.

:param hotel: the hotel's name
:type hotel: str
:param int nights: how many nights,
    at least one
:param board: full: or half
:returns: nights
"""
EPYDOC = """Book a hotel.

@param hotel: the hotel's name
@param nights: how many nights,
    at least one
@param board: full: or half
@return: nights
"""
NOTES = {
    "hotel": "the hotel's name",
    "nights": "how many nights, at least one",
    "board": "full: or half",
}


@pytest.mark.parametrize(
    "text", [GOOGLE, NUMPY, HYBRID, REST, EPYDOC], ids=["google", "numpy", "hybrid", "rest", "epy"]
)
def test_styles(text):
    assert read_docstring(inspect.cleandoc(text)) == ("Book a hotel.", NOTES)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ("", {})),
        ("From C to F: a number.", ("From C to F: a number.", {})),
        ("Do it.\nArgs:\n  x: a\n", ("Do it.", {"x": "a"})),
        ("Do it.\n\nKeyword Args:\n    x: a", ("Do it.", {"x": "a"})),
        ("Do it.\n\nParameters\n----------\nx, y : float\n    a", ("Do it.", {"x": "a", "y": "a"})),
        ("To a@b.org.\n\nArgs:\n    to: c@d.org", ("To a@b.org.", {"to": "c@d.org"})),
    ],
)  # fmt: skip
def test_odd_ones(text, read):
    assert read_docstring(text) == read
