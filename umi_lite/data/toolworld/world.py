"""The state of toolworld's tools: a shop in SQLite, contacts, a to-do list, a library."""

import random
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.toolworld import pools
from umi_lite.data.toolworld.pools import Split

STATUSES = ("packed", "shipped", "paid", "late", "lost")


@dataclass
class Contact:
    phone: str
    email: str
    city: str


@dataclass
class World:
    """One task's world. Two worlds of the same split and seed are equal.

    `broken` names the tools that are offline.
    """

    split: Split
    seed: int
    broken: frozenset[str] = frozenset()
    shop: sqlite3.Connection = field(init=False, repr=False)
    contacts: dict[str, Contact] = field(init=False)
    todo: list[list[str]] = field(init=False)
    books: dict[str, list[str]] = field(init=False)
    reserved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(f"world {self.split} {self.seed}")
        self._fill_shop(rng)
        self._fill_contacts(rng)
        items = pools.pool("item", pools.pairs(pools.VERBS, pools.NOUNS, " the "), self.split)
        self.todo = [[item, "open"] for item in rng.sample(items, 2)]
        titles = pools.pool("book", pools.pairs(pools.TITLES_A, pools.TITLES_B), self.split)
        authors = _people(self.split)
        self.books = {
            title: [rng.choice(authors), f"{rng.choice('ABCDEF')}{rng.randint(1, 40)}"]
            for title in rng.sample(titles, min(4, len(titles)))
        }

    def _fill_shop(self, rng: random.Random) -> None:
        # An agent may run its tools in another thread than the one that built them.
        self.shop = sqlite3.connect(":memory:", check_same_thread=False)
        self.shop.execute("CREATE TABLE products (name TEXT PRIMARY KEY, price REAL, stock INT)")
        self.shop.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, product TEXT, status TEXT)")
        names = pools.pool("product", pools.pairs(pools.COLOURS, pools.THINGS), self.split)
        self.products = rng.sample(names, 5)
        rows = [(name, rng.randint(4, 160) / 2, rng.randint(3, 99)) for name in self.products]
        self.shop.executemany("INSERT INTO products VALUES (?, ?, ?)", rows)
        ids = pools.pool("order", [f"A{i}" for i in range(100, 1000)], self.split)
        self.orders = rng.sample(ids, 4)
        for order, status in zip(self.orders, rng.sample(STATUSES, 4), strict=True):
            row = (order, rng.choice(self.products), status)
            self.shop.execute("INSERT INTO orders VALUES (?, ?, ?)", row)

    def _fill_contacts(self, rng: random.Random) -> None:
        cities = [c.city for c in pools.pool("country", pools.countries(), self.split)]
        self.contacts = {
            name: Contact(
                phone=str(rng.randint(2000, 9999)),
                email=f"{name.split()[0].lower()}{rng.randint(10, 99)}@mail.org",
                city=rng.choice(cities),
            )
            for name in rng.sample(_people(self.split), 3)
        }

    def row(self, query: str, *values: str) -> Any:
        """Return the first row of a query, or None."""
        return self.shop.execute(query, values).fetchone()

    def state(self) -> dict[str, Any]:
        """Return what calls can change, as JSON: tasks and reserved books."""
        return {"todo": sorted(map(list, self.todo)), "reserved": sorted(self.reserved)}


def _people(split: Split) -> list[str]:
    return pools.pool("person", pools.pairs(pools.FIRST_NAMES, pools.LAST_NAMES), split)
