"""The area under the ROC curve of a part of a table: by hand, against scikit-learn and scipy, and where nothing varies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.auc import Area, Ranked

EXACT = 1e-12


def ranked(
    score: list[float], positive: list[int], count: list[int] | None = None, cluster: list[int] | None = None
) -> Ranked:
    return Ranked(
        np.array(score, dtype=float),
        np.array(positive, dtype=bool),
        np.array(count or [1] * len(score)),
        None if cluster is None else np.array(cluster),
    )


def over_all(table: Ranked) -> Area:
    return table.area(table.side(None, positive=True), table.side(None, positive=False))


def three(table: Ranked, inside: NDArray[np.bool_]) -> dict[str, Area]:
    """Subgroup, BPSN and BNSP."""
    mine = inside[table.order]
    positives, negatives = (table.side(mine, positive=side) for side in (True, False))
    return {
        "subgroup": table.area(positives, negatives),
        "bpsn": table.area(table.rest(positives, positive=True, inside=mine), negatives),
        "bnsp": table.area(positives, table.rest(negatives, positive=False, inside=mine)),
    }


def delong(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """Variance from the full table of pairs."""
    above = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    return float(above.mean(axis=1).var(ddof=1) / len(positives) + above.mean(axis=0).var(ddof=1) / len(negatives))


def test_an_area_by_hand() -> None:
    # Positives 3 and 1, negatives 2, 1 and 0: of six pairs 3 > 2, 3 > 1, 3 > 0, 1 > 0 are won, 1 = 1 is half, 1 < 2 is lost.
    area = over_all(ranked([3, 1, 2, 1, 0], [1, 1, 0, 0, 0]))
    assert area.value == pytest.approx(4.5 / 6, abs=EXACT)
    assert (area.positives, area.negatives) == (2, 3)
    # Placements of the positives 1 and 1/2, of the negatives 1/2, 1/4 and 0: variances 1/8 over 2, and 1/16 over 3.
    assert area.variance == pytest.approx(1 / 16 + 1 / 48, abs=EXACT)


def test_a_cell_of_several_rows_is_as_many_rows() -> None:
    once = over_all(ranked([3, 1, 2, 1, 0], [1, 1, 0, 0, 0], [2, 1, 3, 1, 2]))
    row_by_row = over_all(ranked([3, 3, 1, 2, 2, 2, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0, 0]))
    assert once.value == pytest.approx(row_by_row.value, abs=EXACT)
    assert once.variance == pytest.approx(row_by_row.variance, abs=EXACT)
    assert once.interval(0.95) == pytest.approx(row_by_row.interval(0.95), abs=EXACT)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(8, 80), digits=st.integers(0, 3))
def test_areas_of_parts_are_those_of_scikit_learn_and_scipy(seed: int, rows: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    score, truth = np.round(rng.normal(size=rows), digits), rng.random(rows) < 0.5
    inside, count = rng.random(rows) < 0.4, rng.integers(1, 5, rows)
    assume(all((inside & side).sum() > 1 and (~inside & side).sum() > 1 for side in (truth, ~truth)))
    found = three(Ranked(score, truth, count), inside)
    of = {
        "subgroup": inside,
        "bpsn": (inside & ~truth) | (~inside & truth),
        "bnsp": (inside & truth) | (~inside & ~truth),
    }
    for name, rows_of in of.items():
        y, s, c = truth[rows_of], score[rows_of], count[rows_of]
        positives, negatives = (np.repeat(s[y == side], c[y == side]) for side in (True, False))
        area = found[name]
        assert area.value == pytest.approx(roc_auc_score(y, s, sample_weight=c), abs=EXACT)
        statistic = mannwhitneyu(positives, negatives).statistic
        assert area.value == pytest.approx(statistic / (len(positives) * len(negatives)), abs=EXACT)
        assert area.variance == pytest.approx(delong(positives, negatives), abs=EXACT)
        low, high = area.interval(0.95)
        assert 0.0 <= low <= area.value <= high <= 1.0
        assert low < high


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_any_rising_change_of_scores_leave_an_area_as_it_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, truth, inside = rng.normal(size=40), np.arange(40) % 2 == 0, np.arange(40) % 5 < 2
    cluster = rng.integers(0, 8, 40)
    ones, mixed = np.ones(40, dtype=np.int64), rng.permutation(40)
    before = three(Ranked(score, truth, ones, cluster), inside)
    after = three(Ranked(np.exp(score[mixed]), truth[mixed], ones, cluster[mixed]), inside[mixed])
    for name, area in before.items():
        assert after[name].value == pytest.approx(area.value, abs=EXACT)
        assert after[name].variance == pytest.approx(area.variance, abs=EXACT)


def test_scores_turned_round_turn_the_area_round() -> None:
    area, turned = (
        over_all(ranked([sign * one for one in (0.1, 0.5, 0.4, 0.9, 0.2)], [0, 1, 0, 1, 1])) for sign in (1, -1)
    )
    assert turned.value == pytest.approx(1 - area.value, abs=EXACT)
    low, high = area.interval(0.95)
    assert turned.interval(0.95) == pytest.approx((1 - high, 1 - low), abs=EXACT)


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (1, 30), (5, 5), (5, 500), (40, 40)])
def test_perfect_scores_have_an_interval_that_narrows_with_rows(positives: int, negatives: int) -> None:
    low, high = over_all(ranked([1.0] * positives + [0.0] * negatives, [1] * positives + [0] * negatives)).interval(
        0.95
    )
    assert high == 1.0
    # Were one side known, the other's rows would be draws of right or wrong: all n right leave Wilson's n / (n + z^2).
    fewest = min(positives, negatives)
    most = 2 * fewest + 1  # no side's rows can be worth more, by Hanley and McNeil's variance near 1
    z2 = 1.959963984540054**2
    assert fewest / (fewest + z2) - EXACT <= low <= most / (most + z2)


def test_all_scores_equal_is_an_area_of_one_half_and_not_certain() -> None:
    area = over_all(ranked([0.7] * 20, [1] * 10 + [0] * 10))
    assert area.value == pytest.approx(0.5, abs=EXACT)
    low, high = area.interval(0.95)
    assert low < 0.4
    assert high > 0.6
    assert area.p() == pytest.approx(1.0)


def test_p_leaves_one_half_out_just_where_the_interval_does() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        m, n = rng.integers(4, 25, 2)
        score = np.concatenate([rng.normal(0.9, 1, m), rng.normal(0, 1, n)])
        area = over_all(ranked(score.tolist(), [1] * int(m) + [0] * int(n)))
        low, high = area.interval(0.9)
        assert (area.p(0.9) < 0.1) == (not low <= 0.5 <= high)


def test_clusters_of_one_row_are_rows() -> None:
    score, truth = [0.1, 0.5, 0.4, 0.9, 0.2, 0.6, 0.65, 0.3], [0, 1, 0, 1, 1, 0, 1, 0]
    rows, clusters = (over_all(ranked(score, truth, None, at)) for at in (None, list(range(8))))
    assert clusters.value == pytest.approx(rows.value, abs=EXACT)
    # Sums of squares over 4 + 4 clusters with 8 / 7, where rows have 4 / 3 a side.
    assert clusters.variance == pytest.approx(rows.variance * (8 / 7) / (4 / 3), abs=EXACT)
    assert (clusters.positive_units, clusters.negative_units) == (4, 4)


def test_rows_copied_within_their_cluster_tell_nothing_more() -> None:
    score, truth = [0.1, 0.5, 0.4, 0.9, 0.2, 0.6, 0.65, 0.3], [0, 1, 0, 1, 1, 0, 1, 0]
    once = over_all(ranked(score, truth, None, list(range(8))))
    copied = over_all(ranked(score * 9, truth * 9, None, list(range(8)) * 9))
    assert copied.value == pytest.approx(once.value, abs=EXACT)
    assert copied.variance == pytest.approx(once.variance, abs=EXACT)
    low, high = copied.interval(0.95)
    # As rows the copies would look like nine times as many.
    assert high - low > 1.8 * np.subtract(*over_all(ranked(score * 9, truth * 9)).interval(0.95)[::-1])


def test_clusters_by_hand_for_the_background_too() -> None:
    rng = np.random.default_rng(3)
    score, truth = np.round(rng.normal(size=60), 1), rng.random(60) < 0.5
    inside, cluster = rng.random(60) < 0.5, rng.integers(0, 9, 60)
    found = three(Ranked(score, truth, np.ones(60, dtype=np.int64), cluster), inside)["bpsn"]
    above, below = truth & ~inside, ~truth & inside
    pairs = (score[above][:, None] > score[below]) + 0.5 * (score[above][:, None] == score[below])
    sums = np.zeros(9)
    np.add.at(sums, cluster[above], (pairs.mean(axis=1) - pairs.mean()) / above.sum())
    np.add.at(sums, cluster[below], (pairs.mean(axis=0) - pairs.mean()) / below.sum())
    assert found.value == pytest.approx(pairs.mean(), abs=EXACT)
    clusters = len(np.unique(cluster[above | below]))
    assert found.variance == pytest.approx(float(sums @ sums) * clusters / (clusters - 1), abs=EXACT)


def test_an_area_of_one_side_is_refused() -> None:
    with pytest.raises(StatisticsError, match="got 3 positive and 0 negative rows"):
        over_all(ranked([1, 2, 3], [1, 1, 1]))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(StatisticsError, match="finite score"):
        ranked([1, float("nan")], [1, 0])
