"""Tools of a world: its shop, its people, and money at its rates. Others are `tools.compute`."""

from typing import Literal

from umi_lite.data.toolworld import pools
from umi_lite.data.toolworld.world import World
from umi_lite.tools.compute import number_text
from umi_lite.tools.tools import ToolError, unknown


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


MONEY_NAMES = {"dollars": "USD", "pounds": "GBP", "francs": "CHF", "kronor": "SEK"}


def exchange(amount: float, currency: str, to: str) -> str:
    """Exchange money into another currency."""
    rates = pools.MONEY | {country.currency: country.rate for country in pools.countries()}
    for name in (currency, to):
        if name in MONEY_NAMES:
            raise ToolError(f"unknown currency {name}, write {MONEY_NAMES[name]}")
        if name not in rates:
            raise ToolError(f"unknown currency {name}")
    return number_text(amount / rates[currency] * rates[to])
