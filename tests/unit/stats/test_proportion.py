"""Shares: published intervals, another library's, and the ends of the scale."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.proportion import effective_n, exact, mover_ratio, newcombe, wilson


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 10), (3, 10), (10, 10), (56, 70), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_and_exact_agree_with_scipy(count: int, n: int, level: float) -> None:
    test = stats.binomtest(count, n)
    theirs = test.proportion_ci(level, method="wilson")
    assert wilson(count / n, n, level=level) == pytest.approx((theirs.low, theirs.high))
    theirs = test.proportion_ci(level, method="exact")
    assert exact(count, n, level=level) == pytest.approx((theirs.low, theirs.high))


def test_newcombes_own_example() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 is 0.2000, 0.0524 to 0.3339; 9/10 - 3/10 is 0.6, 0.1705 to 0.8090
    assert newcombe(48 / 80, 80, 56 / 70, 70, level=0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(3 / 10, 10, 9 / 10, 10, level=0.95) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_newcombe_keeps_its_width_where_nobody_is_selected() -> None:
    # Newcombe 1998, table II: 0/10 - 0/20 is 0, -0.1611 to 0.2775
    assert newcombe(0.0, 20, 0.0, 10, level=0.95) == pytest.approx((-0.1611, 0.2775), abs=5e-5)


@pytest.mark.parametrize(("r", "g"), [(0.0, 0.4), (0.4, 0.0), (1.0, 0.4), (0.4, 1.0), (1.0, 1.0), (0.2, 0.3)])
def test_a_ratio_has_width_wherever_it_is_defined(r: float, g: float) -> None:
    low, high = mover_ratio(r, 30, g, 40, level=0.95)
    assert 0.0 <= low < high
    assert math.isinf(high) == (r == 0.0)
    if r > 0:
        assert low <= g / r <= high


def test_the_ratio_turned_round_has_the_ends_turned_round() -> None:
    low, high = mover_ratio(0.4, 50, 0.3, 60, level=0.95)
    assert mover_ratio(0.3, 60, 0.4, 50, level=0.95) == pytest.approx((1 / high, 1 / low))


def test_no_ratio_of_two_rates_of_zero() -> None:
    with pytest.raises(StatisticsError, match="not defined"):
        mover_ratio(0.0, 30, 0.0, 40, level=0.95)


@pytest.mark.parametrize(("rate", "n", "level"), [(-0.1, 10, 0.95), (1.1, 10, 0.95), (0.5, 0, 0.95), (0.5, 10, 95.0)])
def test_what_is_no_share_is_refused(rate: float, n: float, level: float) -> None:
    with pytest.raises(StatisticsError):
        wilson(rate, n, level=level)


def test_few_degrees_of_freedom_widen_wilsons_interval() -> None:
    narrow, wide = wilson(0.3, 40, level=0.95), wilson(0.3, 40, level=0.95, df=2)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_an_effective_number_of_answers_lies_between_one_and_the_answers_there_are() -> None:
    assert effective_n(0.5, 0.25 / 20, cells=100, people=10, templates=10) == pytest.approx(20.0)
    assert effective_n(0.5, 1e-9, cells=100, people=10, templates=10) == 100.0
    assert effective_n(0.5, 10.0, cells=100, people=10, templates=10) == 1.0
    # all alike: 100 / (1 + 9 * 0.10 + 9 * 0.05)
    assert effective_n(1.0, 0.0, cells=100, people=10, templates=10) == pytest.approx(100 / 2.35)
