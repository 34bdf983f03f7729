"""The threshold at which as many are wrongly positive as wrongly negative, on a grid of 101."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.equal_error import equal_error_threshold


def errors(score: np.ndarray, truth: np.ndarray, count: np.ndarray, threshold: float) -> tuple[int, int]:
    said = score >= threshold
    return int(count[said & ~truth].sum()), int(count[~said & truth].sum())


def test_the_threshold_by_hand() -> None:
    # The grid is 0.0, 0.1, ..., 10.0. Two positives (1, 6), two negatives (3, 0). At 0.0 both negatives are wrongly positive,
    # from 0.1 to 1.0 one is and no positive is missed; from 1.1 on one is missed too: equal, and 1.1 is the lowest such.
    found = equal_error_threshold([0, 1, 3, 6, 10], [False, True, False, True, True], [1, 1, 1, 1, 1])
    assert found == pytest.approx(1.1)


def test_a_score_at_the_threshold_is_positive() -> None:
    # 0 and 1 only: at 0 both are positive; from 0.01 up to 1, the score 1 is still positive and nothing is wrong.
    assert equal_error_threshold([0.0, 1.0], [False, True], [3, 5]) == pytest.approx(0.01)


def test_counts_are_rows() -> None:
    rng = np.random.default_rng(0)
    score, truth, count = np.round(rng.random(200), 2), rng.random(200) < 0.4, rng.integers(1, 6, 200)
    by_cell = equal_error_threshold(score, truth, count)
    by_row = equal_error_threshold(np.repeat(score, count), np.repeat(truth, count))
    assert by_cell == by_row


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_of_the_grid_brings_the_two_errors_nearer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(300) < 0.3
    score, count = rng.normal(truth * 1.5, 1.0), rng.integers(1, 4, 300)
    found = equal_error_threshold(score, truth, count)
    grid = np.linspace(score.min(), score.max(), 101)
    apart = [abs(np.subtract(*errors(score, truth, count, at))) for at in grid]
    assert found == grid[int(np.argmin(apart))]


def test_rows_without_a_score_are_passed_over() -> None:
    with_gap = equal_error_threshold([0.1, np.nan, 0.4, 0.9], [False, True, False, True], [1, 9, 1, 1])
    assert with_gap == equal_error_threshold([0.1, 0.4, 0.9], [False, False, True])


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_one_class_alone_has_no_threshold(truth: list[bool]) -> None:
    with pytest.raises(StatisticsError, match="of the positive label and of others"):
        equal_error_threshold([0.1, 0.2], truth)


def test_no_score_at_all_has_no_threshold() -> None:
    with pytest.raises(StatisticsError, match="got 0 and 0"):
        equal_error_threshold([np.nan], [True])


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(StatisticsError, match="row by row"):
        equal_error_threshold([0.1, 0.2], [True])
