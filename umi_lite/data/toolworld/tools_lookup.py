"""Tools over the world's tables: shop (SQLite), contacts (JSON), countries (CSV), texts."""

import difflib
from collections.abc import Iterable
from typing import Literal

from umi_lite.data.toolworld import pools
from umi_lite.data.toolworld.world import World, number_text
from umi_lite.runtime.tools import ToolError


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
