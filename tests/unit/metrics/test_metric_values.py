"""What metrics give: by hand, as scipy has it, and at the ends where a formula breaks."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from pytest_biasaudit.metrics.metric import GroupCells, Measured, Metric
from pytest_biasaudit.metrics.registry import METRICS

OF_TABLES = {"classifier", "corpus"}
BETWEEN = [
    metric
    for metric in METRICS.values()
    if metric.by_group and not metric.against and not set(metric.kinds) <= OF_TABLES
]
"""Those that compare people's answers; what tables alone give has tests of its own."""


def cells(values: np.ndarray, selected: np.ndarray | None = None, *, refused: np.ndarray | None = None) -> GroupCells:
    there = ~np.isnan(values)
    return GroupCells(
        group="g",
        values=values,
        selected=np.where(there, 0.0, np.nan) if selected is None else selected,
        asked=np.ones(values.shape),
        answered=there.astype(float),
        refused=(~there).astype(float) if refused is None else refused,
        implausible=np.zeros(values.shape),
    )


def chosen(table: np.ndarray) -> GroupCells:
    return cells(table, table)


def share(selected: int, out_of: int) -> np.ndarray:
    table = np.zeros((out_of, 1))
    table[:selected] = 1.0
    return table


def compared(name: str, a: GroupCells, b: GroupCells, *, level: float = 0.95, seed: int = 1) -> Measured:
    compare = METRICS[name].compare
    assert compare is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare(a, b, level=level, seed=seed)


def overall(name: str, *groups: GroupCells) -> Measured:
    metric = METRICS[name].overall
    assert metric is not None
    return metric(list(groups), level=0.95, seed=1)


def test_smd_by_hand_is_group_minus_reference_over_the_root_of_the_mean_variance() -> None:
    a, b = np.array([[1.0, 3.0], [2.0, 4.0]]), np.array([[2.0, 6.0], [4.0, 8.0]])
    # means 2.5 and 5; variances of 1 2 3 4 and of 2 4 6 8: 5/3 and 20/3, their mean 25/6
    assert compared("smd", cells(a), cells(b)).value == pytest.approx(2.5 / math.sqrt(25 / 6))
    assert compared("mean_difference", cells(a), cells(b)).value == pytest.approx(2.5)
    assert compared("mean_ratio", cells(a), cells(b)).value == pytest.approx(2.0)
    assert compared("median_difference", cells(a), cells(b)).value == pytest.approx(2.5)


def test_the_pooled_denominator_weighs_groups_by_their_rows() -> None:
    a, b = np.array([[1.0], [3.0]]), np.array([[0.0], [2.0], [4.0], [6.0]])
    # variances 2 (1 degree) and 20/3 (3 degrees): (2 + 20) / 4 = 5.5
    assert compared("smd_pooled", cells(a), cells(b)).value == pytest.approx(1.0 / math.sqrt(5.5))


def test_missing_answers_leave_groups_compared_on_the_same_templates() -> None:
    # A bicycle costs 100 and a car 10 000, whoever asks; one group lacks some answers about cars.
    a = np.array([[100.0, 10_000.0], [100.0, 10_000.0], [100.0, 10_000.0]])
    b = np.array([[100.0, 10_000.0], [100.0, np.nan], [100.0, np.nan]])
    assert compared("mean_difference", cells(a), cells(b)).value == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(4))
def test_mann_whitney_and_wasserstein_agree_with_scipy_on_one_template(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, 9).astype(float), rng.integers(1, 8, 13).astype(float)
    result = compared("mann_whitney", cells(a[:, None]), cells(b[:, None]))
    assert result.value == pytest.approx(stats.mannwhitneyu(b, a).statistic / (9 * 13))
    result = compared("wasserstein", cells(a[:, None]), cells(b[:, None]))
    assert result.value == pytest.approx(stats.wasserstein_distance(a, b))


def test_mann_whitneys_interval_on_one_template_is_brunner_and_munzels() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=15), rng.normal(0.6, 1.5, size=20)
    ours = compared("mann_whitney", cells(a[:, None]), cells(b[:, None]))
    theirs = stats.brunnermunzel(a, b)
    assert ours.p == pytest.approx(theirs.pvalue)


def test_superiority_is_compared_within_templates() -> None:
    # In every template the whole group lies above; between templates lie thousands.
    a = np.array([[1.0, 1000.0, 50_000.0], [2.0, 1001.0, 50_001.0]])
    result = compared("mann_whitney", cells(a), cells(a + 10.0))
    assert result.value == 1.0
    assert result.interval is not None
    assert result.interval.low < 1.0


def test_wasserstein_pools_all_answers() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(8, 5)), rng.normal(0.4, 1.0, size=(8, 5))
    a[0, 0] = np.nan
    result = compared("wasserstein", cells(a), cells(b))
    assert result.value == pytest.approx(stats.wasserstein_distance(a[~np.isnan(a)], b.ravel()))
    assert result.value is not None
    assert result.interval is not None
    assert 0.0 <= result.interval.low <= result.value <= result.interval.high


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "ratio", "fisher"),
    [(3, 10, 6, 12, 0.600, 0.415), (30, 100, 40, 100, 0.750, 0.182), (5, 20, 10, 20, 0.500, 0.191)],
)
def test_worked_impact_ratios_with_the_mid_p_beside(
    a: int, n: int, b: int, m: int, ratio: float, fisher: float
) -> None:
    result = compared("impact_ratio", chosen(share(b, m)), chosen(share(a, n)))
    assert result.value == pytest.approx(ratio, abs=5e-4)
    assert result.p is not None
    assert result.p < fisher
    assert result.interval is not None
    assert 0.0 <= result.interval.low < ratio < result.interval.high <= 1.0
    difference = compared("rate_difference", chosen(share(b, m)), chosen(share(a, n)))
    assert difference.value == pytest.approx(a / n - b / m)
    assert difference.p == result.p


def test_the_odds_ratio_is_the_cross_product() -> None:
    result = compared("odds_ratio", chosen(share(10, 40)), chosen(share(20, 40)))
    assert result.value == pytest.approx((20 / 20) / (10 / 30))
    # Woolf: sqrt(1/20 + 1/20 + 1/10 + 1/30); ours has n - 1 in place of n
    assert result.standard_error == pytest.approx(math.sqrt(1 / 20 + 1 / 20 + 1 / 10 + 1 / 30) * math.sqrt(40 / 39))


def test_nobody_selected_anywhere_has_a_difference_and_no_ratio() -> None:
    none = chosen(np.zeros((10, 4)))
    difference = compared("rate_difference", none, none)
    assert difference.value == 0.0
    assert difference.interval is not None
    assert difference.interval.low < 0.0 < difference.interval.high
    for name in ("impact_ratio", "odds_ratio"):
        result = compared(name, none, none)
        assert result.value is None
        assert result.reason


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("name", ["rate_difference", "impact_ratio"])
def test_rates_at_the_ends_have_intervals_of_some_width(name: str, low: float, high: float) -> None:
    shape = (12, 4)
    halves = np.indices(shape).sum(axis=0) % 2
    tables = [np.where(rate == 0.5, halves, np.full(shape, rate)).astype(float) for rate in (low, high)]
    for a, b in (tables, tables[::-1]):
        result = compared(name, chosen(a), chosen(b))
        assert result.interval is not None
        assert result.interval.low < result.interval.high
        assert result.interval.high - result.interval.low > 0.01
        assert result.p is not None


def test_a_model_that_ignores_names_has_no_difference_and_an_interval_of_some_width() -> None:
    table = np.tile(np.array([10.0, 200.0, 35.0, 80.0, 5.0, 60.0, 75.0, 90.0]), (16, 1))
    for name in ("smd", "smd_pooled", "mean_difference", "mean_ratio", "mann_whitney"):
        result = compared(name, cells(table), cells(table))
        assert result.value == METRICS[name].ideal
        assert result.interval is not None, name
        assert result.interval.low < result.interval.high
        assert "nothing varied" in result.interval.method
    smd = compared("smd", cells(table), cells(table))
    assert smd.interval is not None
    assert smd.interval.high < 0.2  # 16 people a group and 8 templates can be shown fair


def test_a_difference_the_same_in_every_cell_is_still_not_certain() -> None:
    table = np.tile(np.array([10.0, 200.0, 35.0]), (8, 1))
    result = compared("mean_difference", cells(table), cells(table + 50.0))
    assert result.value == pytest.approx(50.0)
    assert result.interval is not None
    assert 0.0 < result.interval.low < 50.0 < result.interval.high


def test_equal_answers_throughout_are_a_zero_without_an_interval() -> None:
    same = cells(np.full((6, 3), 7.0))
    for name in ("smd", "smd_pooled", "mean_difference", "median_difference", "wasserstein"):
        result = compared(name, same, same)
        assert result.value == 0.0
        assert result.interval is None
        assert result.reason


def test_a_standardised_difference_over_no_deviation_is_not_zero_but_undefined() -> None:
    for name in ("smd", "smd_pooled"):
        result = compared(name, cells(np.full((4, 3), 1.0)), cells(np.full((4, 3), 2.0)))
        assert result.value is None
        assert "standard deviation" in result.reason


def test_a_ratio_of_means_needs_positive_means() -> None:
    rng = np.random.default_rng(6)
    result = compared("mean_ratio", cells(rng.normal(-5, 1, (4, 3))), cells(rng.normal(5, 1, (4, 3))))
    assert result.value is None
    assert "positive" in result.reason


EMPTY = {
    "nobody": np.zeros((0, 3)),
    "nothing answered": np.full((4, 3), np.nan),
}


@pytest.mark.parametrize("which", EMPTY)
@pytest.mark.parametrize(
    "metric", [metric for metric in BETWEEN if metric.name != "refusal_rate_difference"], ids=lambda m: m.name
)
def test_an_empty_group_is_never_a_value(metric: Metric, which: str) -> None:
    rng = np.random.default_rng(7)
    full = chosen((rng.random((5, 3)) < 0.5).astype(float))
    empty = cells(EMPTY[which], EMPTY[which])
    for a, b in ((full, empty), (empty, full), (empty, empty)):
        result = compared(metric.name, a, b)
        assert result.value is None
        assert result.interval is None
        assert result.reason


@pytest.mark.parametrize("metric", BETWEEN, ids=lambda m: m.name)
def test_one_person_is_a_value_without_an_interval(metric: Metric) -> None:
    rng = np.random.default_rng(8)
    one, many = (rng.random((n, 4)) for n in (1, 6))
    result = compared(metric.name, cells(one + 1, one), cells(many + 1, many))
    assert result.interval is None
    assert "one person" in result.reason


@pytest.mark.parametrize("metric", BETWEEN, ids=lambda m: m.name)
def test_one_template_shows_names_only_and_says_so(metric: Metric) -> None:
    rng = np.random.default_rng(9)
    a, b = ((rng.random((12, 1)) < rate).astype(float) for rate in (0.4, 0.6))
    a[0], b[0] = 1.0, 0.0
    refused = (rng.random((12, 1)) < 0.3).astype(float)
    result = compared(
        metric.name,
        cells(a + rng.random((12, 1)), a, refused=refused),
        cells(b + rng.random((12, 1)), b, refused=1 - refused),
    )
    assert result.interval is not None, result.reason
    assert result.interval.method.startswith("names only")


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("metric", BETWEEN, ids=lambda m: m.name)
def test_numbers_that_are_not_finite_do_not_get_in(metric: Metric, wrong: float) -> None:
    table = np.random.default_rng(10).random((5, 3))
    spoilt = table.copy()
    spoilt[0, 0] = wrong
    result = compared(metric.name, cells(spoilt, spoilt), cells(table, table))
    if metric.name != "refusal_rate_difference":  # looks at what was refused and at no value
        assert result.value is None
        assert result.reason


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6, 1e60])
@pytest.mark.parametrize("metric", BETWEEN, ids=lambda m: m.name)
def test_everything_given_out_is_finite(metric: Metric, size: float) -> None:
    rng = np.random.default_rng(11)
    a, b = ((rng.random((6, 4)) < rate).astype(float) for rate in (0.4, 0.6))
    result = compared(metric.name, cells(size * (a + rng.random((6, 4))), a), cells(size * (b + rng.random((6, 4))), b))
    figures = [result.value, result.p, result.standard_error, result.df]
    if result.interval is not None:
        figures += [result.interval.low, result.interval.high]
        assert result.interval.low < result.interval.high
    assert all(figure is None or math.isfinite(figure) for figure in figures)
    if result.value is None or result.interval is None:
        assert result.reason


def test_the_answer_rate_counts_all_that_was_asked() -> None:
    table = np.ones((8, 4))
    table[0, :] = np.nan
    result = overall("answer_rate", cells(table), cells(np.ones((8, 4))))
    assert result.value == pytest.approx(60 / 64)
    assert result.interval is not None
    assert result.interval.low < 60 / 64 < result.interval.high <= 1.0
    # four refusals of one person are less certain than four of four people
    spread = np.ones((8, 4))
    spread[np.arange(4), np.arange(4)] = np.nan
    even = overall("answer_rate", cells(spread), cells(np.ones((8, 4))))
    assert even.interval is not None
    assert even.interval.low > result.interval.low


def test_all_answered_is_one_with_room_below() -> None:
    result = overall("answer_rate", cells(np.ones((16, 3))), cells(np.ones((16, 3))))
    assert result.value == 1.0
    assert result.interval is not None
    assert 0.9 < result.interval.low < 1.0
    assert result.interval.high == 1.0


def test_nothing_asked_has_no_answer_rate() -> None:
    empty = cells(np.zeros((0, 3)))
    result = overall("answer_rate", empty, empty)
    assert result.value is None
    assert "asked" in result.reason


def test_the_inlier_ratio_is_of_numbers_read() -> None:
    group = GroupCells(
        group="g",
        values=np.array([[1.0, np.nan], [2.0, 3.0]]),
        selected=np.full((2, 2), np.nan),
        asked=np.full((2, 2), 2.0),
        answered=np.array([[2.0, 0.0], [1.0, 2.0]]),
        refused=np.array([[0.0, 1.0], [0.0, 0.0]]),
        implausible=np.array([[0.0, 1.0], [1.0, 0.0]]),
    )
    assert overall("inlier_ratio", group).value == pytest.approx(5 / 7)


def test_refusals_are_compared_out_of_all_that_was_asked() -> None:
    a, b = np.ones((10, 2)), np.ones((10, 2))
    b[:4, 0] = np.nan
    result = compared("refusal_rate_difference", cells(a), cells(b))
    assert result.value == pytest.approx(4 / 20)
    assert result.interval is not None
    assert result.interval.low < 0.2 < result.interval.high


def test_a_seed_fixes_a_resampled_interval() -> None:
    rng = np.random.default_rng(12)
    a, b = cells(rng.normal(size=(6, 4))), cells(rng.normal(size=(6, 4)))
    for name in ("median_difference", "wasserstein"):
        assert compared(name, a, b, seed=3) == compared(name, a, b, seed=3)
        one, other = compared(name, a, b, seed=3).interval, compared(name, a, b, seed=4).interval
        assert one is not None
        assert other is not None
        assert one != other
        assert "seed 3" in one.method
