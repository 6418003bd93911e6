"""Statistics of scores: rates, confidence intervals, paired tests, and their table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from rich.table import Table


Z95 = 1.959963984540054
"""The 97.5% point of the normal distribution: 95% of it is within ± this."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(hits: int, n: int, z: float = Z95) -> Interval:
    """Return Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927).

    (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = hits/n. It stays within 0 and
    1 and is valid for few tasks too. Without a task it is 0 to 1.

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
    """Return a rate per key, sorted by key."""
    groups: dict[str, list[bool]] = {}
    for key, ok in pairs:
        groups.setdefault(key, []).append(ok)
    return {key: Rate.of(groups[key]) for key in sorted(groups)}


def rate_table(title: str, columns: Mapping[str, Mapping[str, Rate]]) -> "Table":
    """Return a table of one row per key and one column per system (before, after)."""
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


class Paired(NamedTuple):
    """`won` tasks only the first system solved, `lost` only the second; exact two-sided `p`."""

    won: int
    lost: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Run McNemar's exact test (Q. McNemar, Psychometrika 12, 1947; binomial, two-sided).

    Only tasks on which the systems differ count: with n of them, of which k were won, p is the
    probability of a split at least as uneven under a fair coin. Without such a task p is 1.

    Raises:
        ValueError: the two differ in length.
    """
    pairs = list(zip(first, second, strict=True))
    won = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return Paired(won, lost, min(1.0, 2 * tail))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, in their order.

    Holm's step-down method (S. Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    made = [0.0] * len(ps)
    largest = 0.0
    for place, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[at]))
        made[at] = largest
    return made


RESAMPLES, SEED = 1000, 0
ClusterTable = Sequence[Sequence[float]]
"""[clusters, means]: what each cluster adds to each mean's sum, or to its count."""


def cluster_intervals(
    sums: "ArrayLike", counts: "ArrayLike", *, resamples: int = RESAMPLES, seed: int = SEED
) -> Sequence[Interval | None]:
    """Return 95% percentile intervals of (all sums) / (all counts) by cluster bootstrap.

    The steps of a dialogue are correlated, so dialogues are drawn and not steps (C. Field and
    A. Welsh, Bootstrapping clustered data, JRSS B 69, 2007; percentiles: B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        sums, counts: [clusters, means], what a cluster adds to each mean's sum and count.
        resamples: how many times the clusters are drawn. A draw in which a mean has no count
            is left out for that mean.

    Returns:
        An interval per mean; None if fewer than two clusters count.
    """
    import numpy as np

    above, below = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    clusters = len(above)
    if not clusters:
        return [None] * above.shape[-1]
    random = np.random.default_rng(seed)
    drawn = random.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    tops, bottoms = drawn @ above, drawn @ below
    intervals: list[Interval | None] = []
    for top, bottom, column in zip(tops.T, bottoms.T, below.T, strict=True):
        if np.count_nonzero(column) < 2:
            intervals.append(None)
            continue
        counted = bottom > 0
        low, high = np.percentile(top[counted] / bottom[counted], [2.5, 97.5])
        intervals.append(Interval(float(low), float(high)))
    return intervals


def paired_p(
    first: tuple[ClusterTable, ClusterTable],
    second: tuple[ClusterTable, ClusterTable],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[float]:
    """Return each mean difference's two-sided p value by paired bootstrap.

    The same clusters are drawn for both systems; p is twice the smaller share of draws in which
    the difference is on either side of 0 (Efron and Tibshirani, chapter 15.4: the level at
    which the percentile interval of the difference ends at 0). At least 1 / resamples.

    Args:
        first, second: sums and counts of the two systems, row for row the same clusters.
    """
    import numpy as np

    tables = [np.asarray(table, dtype=float) for table in (*first, *second)]
    clusters = len(tables[0])
    random = np.random.default_rng(seed)
    drawn = random.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    one_sum, one_count, other_sum, other_count = (drawn @ table for table in tables)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = one_sum / one_count - other_sum / other_count
    found: list[float] = []
    for column in difference.T:
        finite = column[np.isfinite(column)]
        if not len(finite):
            found.append(1.0)
            continue
        share = min(np.mean(finite <= 0), np.mean(finite >= 0))
        found.append(float(min(1.0, max(2 * share, 1 / resamples))))
    return found
