"""Confidence intervals of means whose values come in clusters: steps in dialogues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from umi_lite.evals.report import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RESAMPLES, SEED = 1000, 0


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
