"""Exact tests: published values, scipy's, and empty margins."""

from __future__ import annotations

import pytest
from scipy import stats

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.exact import exact_p


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "p"),
    [(3, 10, 6, 12, 0.415), (30, 100, 40, 100, 0.182), (5, 20, 10, 20, 0.191)],
)
def test_worked_values_of_the_four_fifths_literature(a: int, n: int, b: int, m: int, p: float) -> None:
    assert exact_p(a, n, b, m).fisher == pytest.approx(p, abs=5e-4)


def test_a_thousand_a_group_leaves_no_doubt() -> None:
    assert exact_p(300, 1000, 400, 1000).fisher < 1e-4


def test_fisher_agrees_with_scipy_on_every_small_table() -> None:
    for n in (1, 4, 7):
        for m in (2, 5):
            for a in range(n + 1):
                for b in range(m + 1):
                    theirs = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
                    assert exact_p(a, n, b, m).fisher == pytest.approx(theirs, rel=1e-9)


def test_mid_p_is_fishers_less_half_the_chance_of_the_table_seen() -> None:
    seen = stats.hypergeom.pmf(3, 22, 9, 10)
    p = exact_p(3, 10, 6, 12)
    assert p.mid == pytest.approx(p.fisher - seen / 2)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (10, 12)])
def test_nobody_or_everybody_selected_is_no_evidence(a: int, b: int) -> None:
    p = exact_p(a, 10, b, 12)
    assert (p.fisher, p.mid) == (1.0, 1.0)


@pytest.mark.parametrize(("a", "n"), [(-1, 10), (11, 10)])
def test_a_count_outside_its_total_is_refused(a: int, n: int) -> None:
    with pytest.raises(StatisticsError, match="between 0 and its total"):
        exact_p(a, n, 1, 5)
