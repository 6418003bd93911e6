"""Confidence intervals of means whose values come in clusters: steps in dialogues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from umi_lite.evals.report import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RESAMPLES, SEED = 1000, 0
Table = Sequence[Sequence[float]]
"""[clusters, means]: what each cluster adds to each mean's sum, or to its count."""


def cluster_intervals(
    sums: "ArrayLike", counts: "ArrayLike", *, resamples: int = RESAMPLES, seed: int = SEED
) -> Sequence[Interval | None]:
    """95% percentile intervals of (all sums) / (all counts), clusters drawn with replacement.

    The steps of a dialogue hang together, so dialogues are drawn and not steps (C. Field and
    A. Welsh, Bootstrapping clustered data, JRSS B 69, 2007; percentiles: B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        sums, counts: [clusters, means], what a cluster adds to each mean's sum and count.
        resamples: how many times the clusters are drawn. A draw in which a mean counts nothing
            says nothing of that mean.

    Returns:
        An interval for each mean; None where fewer than two clusters count.
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
        told = bottom > 0
        low, high = np.percentile(top[told] / bottom[told], [2.5, 97.5])
        intervals.append(Interval(float(low), float(high)))
    return intervals


def paired_p(
    first: tuple[Table, Table],
    second: tuple[Table, Table],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[float]:
    """How surprising each mean's difference is if there is none: two-sided, by paired bootstrap.

    The same clusters are drawn for both systems; p is twice the smaller share of draws in which
    the difference is on either side of nothing (Efron and Tibshirani, chapter 15.4: the level at
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
        told = column[np.isfinite(column)]
        if not len(told):
            found.append(1.0)
            continue
        share = min(np.mean(told <= 0), np.mean(told >= 0))
        found.append(float(min(1.0, max(2 * share, 1 / resamples))))
    return found
