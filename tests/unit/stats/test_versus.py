"""A child against its parent: the size of an increase, its interval's corners, and the same model twice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.metric import GroupCells
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.crossed import contrast, t_quantile
from pytest_biasaudit.stats.versus import increase_of_magnitude

BETWEEN_GROUPS = [metric.name for metric in METRICS.values() if metric.compare is not None and not metric.against]


def cells(table: np.ndarray, selected: np.ndarray | None = None) -> GroupCells:
    return GroupCells(
        group="g",
        values=table,
        selected=(table > 0).astype(float) if selected is None else selected,
        asked=np.ones(table.shape),
        answered=(~np.isnan(table)).astype(float),
        refused=np.isnan(table).astype(float),
        implausible=np.zeros(table.shape),
    )


def tables(seed: int = 0, *, people: int = 10, templates: int = 6, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        scale * (rng.normal(size=(people, 1)) + rng.normal(size=(1, templates)) + rng.normal(size=(people, templates)))
        for _ in range(2)
    ]


def test_the_increase_is_the_change_of_the_size_and_not_of_the_sign() -> None:
    a, b = tables()
    d = float((b - a).mean())
    result = increase_of_magnitude(
        cells(a), cells(b - d - 0.5), cells(a), cells(b - d + 0.2), metric="mean_difference", level=0.95
    )
    assert result.value == pytest.approx(0.5 - 0.2)


def test_far_from_zero_the_interval_is_the_paired_crossed_one() -> None:
    old, moved = tables(1), tables(2, scale=0.2)
    parent = (old[0], old[1] + 20.0)
    child = (old[0] + moved[0], old[1] + 20.0 + moved[1])
    result = increase_of_magnitude(*map(cells, (*child, *parent)), metric="mean_difference", level=0.95)
    parts = contrast(moved[0], moved[1])
    reach = t_quantile(0.95, parts.df) * parts.variance**0.5
    assert result.interval is not None
    assert result.value == pytest.approx(parts.difference)
    assert (result.interval.low, result.interval.high) == pytest.approx(
        (parts.difference - reach, parts.difference + reach), rel=1e-6
    )


def test_a_change_of_sign_is_seen_as_such() -> None:
    old, moved = tables(1), tables(2, scale=0.2)
    result = increase_of_magnitude(
        cells(old[0] + moved[0]),
        cells(old[1] - 20.0 + moved[1]),
        cells(old[0]),
        cells(old[1] + 20.0),
        metric="mean_difference",
        level=0.95,
    )
    c = float((old[1] + moved[1] - old[0] - moved[0]).mean() - 20.0)
    p = float((old[1] - old[0]).mean() + 20.0)
    assert result.value == pytest.approx(abs(c) - abs(p))
    assert result.value is not None
    assert result.interval is not None
    assert result.interval.low < result.value < result.interval.high
    # the sum of cells varies as both models' answers do: wider than their difference would be
    assert result.interval.high - result.interval.low > 0.5


@pytest.mark.parametrize("name", BETWEEN_GROUPS)
def test_the_same_model_twice_is_no_increase_with_an_interval_of_some_width(name: str) -> None:
    rng = np.random.default_rng(5)
    a, b = (table + 9.0 for table in tables(5))
    chosen = [(rng.random(a.shape) < 0.5).astype(float) for _ in range(2)]
    sides = (cells(a, chosen[0]), cells(b, chosen[1]))
    result = increase_of_magnitude(*sides, *sides, metric=name, level=0.95, seed=1)
    assert result.value == 0.0
    assert result.interval is not None, result.reason
    assert result.interval.low < 0.0 < result.interval.high


@pytest.mark.parametrize("name", BETWEEN_GROUPS)
def test_rounding_noise_between_runs_is_never_an_increase_of_a_tenth(name: str) -> None:
    rng = np.random.default_rng(6)
    a, b = (table + 9.0 for table in tables(6))
    chosen = [(rng.random(a.shape) < 0.5).astype(float) for _ in range(2)]
    again = [table + rng.normal(0, 1e-6, table.shape) for table in (a, b)]
    result = increase_of_magnitude(
        cells(again[0], chosen[0]),
        cells(again[1], chosen[1]),
        cells(a, chosen[0]),
        cells(b, chosen[1]),
        metric=METRICS[name],
        level=0.95,
        seed=1,
    )
    assert result.value == pytest.approx(0.0, abs=1e-4)
    assert result.interval is None or result.interval.low < 0.1


def test_a_cell_missing_in_one_model_drops_out_of_both() -> None:
    a, b = tables(7)
    holed = a.copy()
    holed[0, 0] = np.nan
    one = increase_of_magnitude(cells(holed), cells(b + 1), cells(a), cells(b), metric="mean_difference", level=0.95)
    two = increase_of_magnitude(
        cells(holed), cells(b + 1), cells(holed), cells(b), metric="mean_difference", level=0.95
    )
    assert one == two


def test_smd_puts_each_models_answers_over_its_own_deviation() -> None:
    a, b = tables(8)
    one = increase_of_magnitude(cells(10 * a), cells(10 * b), cells(a), cells(b), metric="smd", level=0.95)
    assert one.value == pytest.approx(0.0, abs=1e-12)


def test_an_increase_from_a_parent_whose_answers_do_not_vary_is_not_defined_in_deviations() -> None:
    a, b = tables(9)
    flat = np.ones_like(a)
    result = increase_of_magnitude(cells(a), cells(b), cells(flat), cells(flat), metric="smd", level=0.95)
    assert result.value is None
    assert "parent" in result.reason


def test_one_template_is_named_for_what_it_shows() -> None:
    a, b = tables(10, templates=1)
    result = increase_of_magnitude(cells(a), cells(b + 1), cells(a), cells(b), metric="mean_difference", level=0.95)
    assert result.interval is not None
    assert result.interval.method.startswith("names only")


def test_other_metrics_count_from_their_ideal() -> None:
    rng = np.random.default_rng(11)
    shape = (12, 6)
    value = np.zeros(shape)
    quarter, half = np.zeros(shape), np.zeros(shape)
    quarter[:3], half[:6] = 1.0, 1.0
    parent = (cells(value, half), cells(value, half))
    child = (cells(value, half), cells(value, quarter))
    result = increase_of_magnitude(*child, *parent, metric="impact_ratio", level=0.95, seed=int(rng.integers(9)))
    assert result.value == pytest.approx(math.log(2.0))  # from 1 to 1/2
    assert result.interval is not None
    assert result.interval.low < math.log(2.0) < result.interval.high


def test_tables_of_other_people_are_a_mistake_in_the_call() -> None:
    a, b = tables(12)
    with pytest.raises(StatisticsError, match="same people and templates"):
        increase_of_magnitude(cells(a[:5]), cells(b), cells(a), cells(b), metric="smd", level=0.95)


def test_an_unknown_metric_is_named() -> None:
    a, b = map(cells, tables(13))
    with pytest.raises(StatisticsError, match="'smdd'"):
        increase_of_magnitude(a, b, a, b, metric="smdd", level=0.95)


@pytest.mark.parametrize("nudge", [-1e-15, 0.0, 1e-15])
def test_the_last_digits_of_a_gap_of_nought_do_not_choose_its_standard_error(nudge: float) -> None:
    a, b = tables(seed=5)
    level = b - (np.nanmean(b, axis=0).mean() - np.nanmean(a, axis=0).mean())
    both = [
        increase_of_magnitude(
            cells(a), cells(level + by), cells(a), cells(level + 3.0), metric="mean_difference", level=0.95
        )
        for by in (nudge, 1e-15)
    ]
    assert both[0].standard_error == pytest.approx(both[1].standard_error, rel=1e-9)
    assert both[0].df == pytest.approx(both[1].df, rel=1e-9)
