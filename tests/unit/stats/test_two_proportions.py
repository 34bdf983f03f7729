"""Two shares: by hand, against scipy, at their ends, in clusters, and fast over many."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.proportion import exact
from pytest_biasaudit.stats.two_proportions import (
    Shares,
    correlation_of,
    difference,
    equal_p,
    ratio,
    shares_of_clusters,
)

stats = pytest.importorskip("scipy.stats")


def test_none_of_n_is_bounded_where_half_its_chance_is_the_tail() -> None:
    low, high = Shares.of([0, 7], [7, 7]).limits(level=0.95)
    assert low[0] == 0.0
    assert high[0] == pytest.approx(1 - 0.05 ** (1 / 7), abs=1e-9)  # (1 - p)^7 / 2 = 0.025
    assert low[1] == pytest.approx(0.05 ** (1 / 7), abs=1e-9)
    assert high[1] == 1.0


@pytest.mark.parametrize(("x", "n"), [(1, 5), (3, 10), (19, 20), (40, 90), (59, 61), (60, 200), (1, 100_000)])
def test_mid_p_limits_leave_half_of_what_was_seen_and_all_beyond_in_the_tail(x: int, n: int) -> None:
    low, high = (float(end) for end in Shares.of(x, n).limits(level=0.95))
    assert stats.binom.sf(x, n, low) + stats.binom.pmf(x, n, low) / 2 == pytest.approx(0.025, abs=2e-5)
    assert stats.binom.cdf(x - 1, n, high) + stats.binom.pmf(x, n, high) / 2 == pytest.approx(0.025, abs=2e-5)


def test_beyond_sixty_either_way_the_limits_are_solved_ones_to_three_digits() -> None:
    low, _ = Shares.of(100, 250).limits(level=0.95)
    optimize = pytest.importorskip("scipy.optimize")

    def tail(rate: float) -> float:
        return float(stats.binom.sf(100, 250, rate) + stats.binom.pmf(100, 250, rate) / 2 - 0.025)

    assert float(low) == pytest.approx(optimize.brentq(tail, 0.2, 0.4), abs=5e-4)


def test_exact_limits_are_clopper_and_pearsons() -> None:
    for x, n in ((0, 5), (2, 9), (9, 9), (70, 300)):
        low, high = Shares.of(x, n).limits(level=0.9, exact=True)
        assert (float(low), float(high)) == pytest.approx(exact(x, n, level=0.9), abs=1e-12)


def test_the_p_is_twice_the_smaller_mid_p_tail_of_fishers_test() -> None:
    rng = np.random.default_rng(3)
    n0, n1 = rng.integers(1, 60, 50), rng.integers(1, 60, 50)
    x0, x1 = rng.binomial(n0, 0.2), rng.binomial(n1, 0.4)
    found = equal_p(Shares.of(x0, n0), Shares.of(x1, n1))
    for at in range(50):
        null = stats.hypergeom(n0[at] + n1[at], x0[at] + x1[at], n1[at])
        own = null.pmf(x1[at]) / 2
        tail = min(null.cdf(x1[at] - 1), null.sf(x1[at])) + own
        assert found[at] == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_many_rows_are_tested_by_the_pooled_score() -> None:
    n0, n1, x0, x1 = 40_000, 90_000, 8_000, 18_450
    found = float(equal_p(Shares.of(x0, n0), Shares.of(x1, n1)))
    pooled = (x0 + x1) / (n0 + n1)
    score = (x1 / n1 - x0 / n0) / math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1) * (n0 + n1) / (n0 + n1 - 1))
    assert found == pytest.approx(2 * stats.norm.sf(abs(score)), rel=1e-9)


def test_changing_sides_turns_the_sign_and_inverts_the_ratio() -> None:
    one, other = Shares.of([3, 0, 9], [12, 8, 10]), Shares.of([8, 4, 5], [11, 9, 50])
    there, back = difference(one, other, level=0.9), difference(other, one, level=0.9)
    assert there.low == pytest.approx(-back.high)
    assert there.value == pytest.approx(-back.value)
    assert there.p == pytest.approx(back.p)
    times, over = ratio(one, other, level=0.9), ratio(other, one, level=0.9)
    assert times.low[[0, 2]] == pytest.approx(1 / over.high[[0, 2]])
    assert times.high[[0, 2]] == pytest.approx(1 / over.low[[0, 2]])
    assert math.isinf(times.high[1])
    assert over.low[1] == 0.0


def test_no_interval_is_without_width_and_each_holds_its_value() -> None:
    x0, x1, n0, n1 = (grid.ravel() for grid in np.meshgrid(range(6), range(6), [5, 9], [5, 40], indexing="ij"))
    for which in (difference, ratio):
        found = which(Shares.of(x0, n0), Shares.of(x1, n1), level=0.95)
        told = ~np.isnan(found.value)
        assert (found.low[told] < found.high[told]).all()
        assert (found.low[told] <= found.value[told]).all()
        assert (found.value[told] <= found.high[told]).all()
        assert told.all() if which is difference else told.sum() == ((x0 > 0) | (x1 > 0)).sum()


def test_the_standard_error_says_no_more_than_the_interval_or_the_p() -> None:
    x0, x1 = (grid.ravel() for grid in np.meshgrid(range(21), range(11), indexing="ij"))
    found = difference(Shares.of(x0, 20), Shares.of(x1, 10), level=0.95)
    apart = found.value != 0
    implied = 2 * stats.norm.sf(np.abs(found.value[apart]) / found.standard_error[apart])
    assert (implied >= found.p[apart] - 1e-9).all()
    assert ((implied > 0.05) | (found.low[apart] > -1e-9) | (found.high[apart] < 1e-9)).all()


def test_clusters_of_one_row_are_almost_the_rows() -> None:
    hits = np.zeros((60, 2))
    hits[:12, 0] = 1
    hits[30:40, 1] = 1
    rows = np.zeros((60, 2))
    rows[:30, 0] = rows[30:, 1] = 1
    shares, influence = shares_of_clusters(hits, rows)
    assert shares.rate == pytest.approx([0.4, 1 / 3])
    assert shares.n == pytest.approx([29, 29])  # C / (C - 1) of the binomial variance
    assert shares.df == pytest.approx([29, 29])
    assert correlation_of(influence[:, :1], influence[:, 1:]) == pytest.approx(0.0)


def test_rows_of_a_cluster_that_are_all_alike_are_worth_one() -> None:
    rows = np.full((20, 1), 50.0)
    hits = np.where(np.arange(20)[:, None] < 8, 50.0, 0.0)
    shares, _ = shares_of_clusters(hits, rows)
    assert float(shares.n[0]) == pytest.approx(19)
    none, _ = shares_of_clusters(np.zeros((20, 1)), rows)
    assert float(none.n[0]) == 20  # no variance was seen: a thousand rows do not count as a thousand


def test_one_cluster_alone_has_no_share() -> None:
    shares, _ = shares_of_clusters([[3.0]], [[9.0]])
    assert math.isnan(float(shares.rate[0]))


def test_shares_that_hang_together_differ_more_surely() -> None:
    one, other = Shares.of(30, 100), Shares.of(40, 100)
    apart = difference(one, other, level=0.95)
    together = difference(one, other, level=0.95, correlation=0.8)
    assert together.high - together.low < 0.6 * (apart.high - apart.low)
    nearly_one = difference(one, one, level=0.95, correlation=1.0)
    assert nearly_one.low < 0 < nearly_one.high


def test_counts_that_are_none_are_refused() -> None:
    for hits, rows in ((6, 5), (-1, 5)):
        with pytest.raises(StatisticsError, match="between 0 and its total"):
            Shares.of(hits, rows)
    with pytest.raises(StatisticsError, match="one shape"):
        shares_of_clusters([[1.0]], [[1.0, 2.0]])
    with pytest.raises(StatisticsError, match="level"):
        Shares.of(1, 5).limits(level=1.5)


def test_a_share_of_nothing_is_not_a_number() -> None:
    found = difference(Shares.of(0, 0), Shares.of(1, 5), level=0.95)
    assert np.isnan([found.value, found.low, found.high, found.p]).all()


def test_a_thousand_comparisons_take_no_more_than_some_milliseconds() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(5, 2000, (2, 1000))
    shares = [Shares.of(rng.binomial(rows, 0.2), rows) for rows in n]
    began = time.process_time()
    difference(*shares, level=0.95)
    assert time.process_time() - began < 1.0  # 0.04 s on an idle core
