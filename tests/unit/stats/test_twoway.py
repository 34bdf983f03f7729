"""The two-way bootstrap: what a weight means, what a seed fixes, how fast it is."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import contrast
from pytest_biasaudit.stats.twoway import cell_weights, drawn, mean_difference, resample, weighted_median


def test_a_weight_is_how_often_a_person_or_template_was_drawn() -> None:
    counts = drawn(7, resamples=50, generator=np.random.default_rng(0))
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()


@pytest.mark.parametrize("missing", [False, True])
def test_weighting_is_the_same_as_repeating_people_and_templates(missing: bool) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 4)), rng.normal(size=(6, 4))
    if missing:
        a[0, 0] = b[2, 3] = np.nan
    statistic = mean_difference(a, b)
    w_a, w_b, v = np.array([2, 1, 0, 1, 1]), np.array([1, 1, 1, 0, 3, 0]), np.array([2, 0, 1, 1])
    again_a = np.repeat(np.repeat(a, w_a, axis=0), v, axis=1)
    again_b = np.repeat(np.repeat(b, w_b, axis=0), v, axis=1)
    wanted = (np.nanmean(again_b, axis=0) - np.nanmean(again_a, axis=0)).mean()
    got = statistic(w_a[None].astype(float), w_b[None].astype(float), v[None].astype(float))
    assert got[0] == pytest.approx(wanted)


def test_a_weighted_median_is_the_median_of_repeated_values() -> None:
    rng = np.random.default_rng(2)
    values = rng.integers(0, 6, 9).astype(float)
    weights = rng.integers(0, 4, (200, 9)).astype(float)
    weights[:, 0] += 1
    got = weighted_median(values)(weights)
    for row, median in zip(weights, got, strict=True):
        assert median == np.median(np.repeat(values, row.astype(int)))


def test_a_median_of_nothing_is_not_a_number() -> None:
    assert np.isnan(weighted_median(np.array([1.0, 2.0]))(np.zeros((1, 2)))[0])


def test_cell_weights_follow_the_order_of_answered_cells() -> None:
    here = np.array([[True, False], [True, True]])
    weights = cell_weights(np.array([[2.0, 3.0]]), np.array([[5.0, 7.0]]), here)
    assert weights.tolist() == [[10.0, 15.0, 21.0]]


def test_the_same_seed_gives_the_same_values() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    one, two, other = (resample(mean_difference(a, b), people=(5, 5), templates=4, seed=s).values for s in (9, 9, 10))
    assert (one == two).all()
    assert (one != other).any()


def test_its_standard_error_is_near_the_crossed_one_in_a_large_table() -> None:
    rng = np.random.default_rng(4)
    tables = [rng.normal(size=(40, 1)) + rng.normal(0, 0.5, size=(1, 40)) + rng.normal(size=(40, 40)) for _ in range(2)]
    drawn_again = resample(mean_difference(*tables), people=(40, 40), templates=40, seed=1)
    assert drawn_again.standard_error == pytest.approx(contrast(*tables).variance ** 0.5, rel=0.12)


def test_ten_thousand_resamples_of_64_people_and_30_templates_take_under_half_a_second() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(32, 30)), rng.normal(size=(32, 30))
    a[3, 4] = np.nan
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        resample(mean_difference(a, b), people=(32, 32), templates=30, resamples=10_000, seed=1)
        best = min(best, time.perf_counter() - start)
    assert best < 0.5


def test_one_person_cannot_be_drawn_again() -> None:
    with pytest.raises(StatisticsError, match="at least 2"):
        resample(mean_difference(np.ones((1, 2)), np.ones((3, 2))), people=(1, 3), templates=2, seed=1)
