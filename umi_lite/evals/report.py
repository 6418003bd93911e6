"""Rates with their uncertainty, as JSON and as tables."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from rich.table import Table

Z95 = 1.959963984540054
"""The 97.5% point of the normal distribution: 95% of it lie within ± this."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(hits: int, n: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927).

    (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = hits/n. It stays within 0 and
    1 and holds for few tasks too. Without a task nothing is known: 0 to 1.

    Raises:
        ValueError: hits is not between 0 and n.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    p, square = hits / n, z * z / n
    middle = (p + square / 2) / (1 + square)
    half = z * math.sqrt(p * (1 - p) / n + square / (4 * n)) / (1 + square)
    # At the ends the formula gives 0 and 1 but for rounding.
    return Interval(middle - half if hits else 0.0, middle + half if hits < n else 1.0)


class Rate(BaseModel):
    """Hits of n, with the 95% Wilson interval. `rate` is 0 where n is 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hits: int
    n: int
    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> "Rate":
        values = list(outcomes)
        hits, n = sum(values), len(values)
        low, high = wilson(hits, n)
        return cls(hits=hits, n=n, rate=hits / n if n else 0.0, low=low, high=high)

    def __str__(self) -> str:
        if not self.n:
            return "-"
        return f"{self.rate:.0%} ({self.low:.0%}-{self.high:.0%}, {self.hits}/{self.n})"


def rates_by(pairs: Iterable[tuple[str, bool]]) -> dict[str, Rate]:
    """A rate for each key, the keys sorted."""
    groups: dict[str, list[bool]] = {}
    for key, ok in pairs:
        groups.setdefault(key, []).append(ok)
    return {key: Rate.of(groups[key]) for key in sorted(groups)}


def rate_table(title: str, columns: Mapping[str, Mapping[str, Rate]]) -> "Table":
    """One row a key, one column a system, e.g. before and after training."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("tasks")
    for name in columns:
        table.add_column(name, justify="right")
    keys = list(dict.fromkeys(key for rates in columns.values() for key in rates))
    for key in keys:
        cells = [str(rates[key]) if key in rates else "-" for rates in columns.values()]
        table.add_row(key, *cells)
    return table
