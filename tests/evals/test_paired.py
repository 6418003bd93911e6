"""McNemar's exact test on outcomes that can be worked out by hand."""

import pytest

from umi_lite.evals.stats import mcnemar


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (6, 1, 0.125), (8, 2, 0.109375), (3, 3, 1.0)],
)
def test_p_is_the_binomial_one(won: int, lost: int, p: float) -> None:
    first = [True] * won + [False] * lost + [True, False]
    second = [False] * won + [True] * lost + [True, False]
    assert mcnemar(first, second) == pytest.approx((won, lost, p))
    assert mcnemar(second, first) == pytest.approx((lost, won, p))


def test_the_two_must_be_about_the_same_tasks() -> None:
    with pytest.raises(ValueError):
        mcnemar([True], [True, False])
