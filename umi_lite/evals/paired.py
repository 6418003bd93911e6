"""Two systems on the same tasks: is the difference more than chance?"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Paired(NamedTuple):
    """`won` tasks only the first system solved, `lost` only the second; exact two-sided `p`."""

    won: int
    lost: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """McNemar's exact test (Q. McNemar, Psychometrika 12, 1947; binomial, two-sided).

    Only tasks on which the systems differ count: with n of them, of which k were won, p is the
    probability of a split at least as uneven under a fair coin. Without such a task p is 1.

    Raises:
        ValueError: the two are not as long as each other.
    """
    pairs = list(zip(first, second, strict=True))
    won = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return Paired(won, lost, min(1.0, 2 * tail))
