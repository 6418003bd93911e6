"""Statistics by hand and as published: Wilson intervals, rates, McNemar's exact test."""

import io

import pytest
from rich.console import Console

from umi_lite.evals.stats import Rate, holm, mcnemar, rate_table, rates_by, wilson


def test_holm_by_hand() -> None:
    # 3 * 0.01, 2 * 0.03, and 1 * 0.04, which may not be below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.8, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_wilson_by_hand() -> None:
    # z = 2, 8 of 10: (0.8 + 0.2 ± 2·√(0.016 + 0.01)) / 1.4
    low, high = wilson(8, 10, z=2)
    assert low == pytest.approx((1.0 - 2 * 0.026**0.5) / 1.4)
    assert high == pytest.approx((1.0 + 2 * 0.026**0.5) / 1.4)


@pytest.mark.parametrize(
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_at_the_borders() -> None:
    assert wilson(0, 0) == (0, 1)
    assert wilson(7, 7)[1] == 1
    with pytest.raises(ValueError, match="3 hits of 2"):
        wilson(3, 2)


def test_rates_by_key() -> None:
    rates = rates_by([("b", True), ("a", False), ("b", False)])
    assert list(rates) == ["a", "b"]
    assert (rates["b"].hits, rates["b"].n, rates["b"].rate) == (1, 2, 0.5)
    assert Rate.of([]).rate == 0 and str(Rate.of([])) == "-"


def test_table_has_a_row_a_key_and_a_column_a_system() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    before, after = (
        {"all": Rate.of([False, False])},
        {"all": Rate.of([True, False]), "x": Rate.of([])},
    )
    console.print(rate_table("Success", {"before": before, "after": after}))
    text = console.export_text()
    assert "Success" in text and "before" in text
    assert "50% (9%-91%, 1/2)" in text and "0% (0%-66%, 0/2)" in text


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
