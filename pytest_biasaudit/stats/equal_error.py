"""From which score on the positive label is predicted, where as many are wrongly positive as wrongly negative.

Imports numpy; knows no table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_biasaudit.errors import StatisticsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

POINTS = 101
"""Thresholds tried, evenly spaced from the lowest score to the highest."""


def equal_error_threshold(scores: ArrayLike, positive: ArrayLike, counts: ArrayLike | None = None) -> float:
    """The threshold at which false positives and false negatives are nearest to equal in number.

    scores    (n,) higher where the positive label is likelier; rows without a finite score are passed over
    positive  (n,) whether the positive label is the true one
    counts    (n,) rows that each entry stands for; one each when None

    A row is predicted positive where its score is at or above the threshold. 101 thresholds from the lowest score to the
    highest are tried, as the published code of Dixon et al. 2018 does, and of equally good ones the lowest is taken: it is a
    grid, so the two numbers may differ by a few rows. Raises StatisticsError where no row, or only one class, has a score.
    """
    score = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(positive, dtype=bool)
    weight = np.ones(score.shape) if counts is None else np.asarray(counts, dtype=np.float64)
    if not score.shape == truth.shape == weight.shape or score.ndim != 1:
        raise StatisticsError(
            f"scores, truth and counts belong together row by row: got {score.shape}, {truth.shape}, {weight.shape}"
        )
    heard = np.isfinite(score) & (weight > 0)
    score, truth, weight = score[heard], truth[heard], weight[heard]
    if not truth.any() or truth.all():
        raise StatisticsError(
            "an equal-error threshold needs scores of rows of the positive label and of others: "
            f"got {weight[truth].sum():.0f} and {weight[~truth].sum():.0f}"
        )
    order = np.argsort(score, kind="stable")
    score, truth, weight = score[order], truth[order], weight[order]
    grid = np.linspace(score[0], score[-1], POINTS)
    below = np.searchsorted(score, grid, side="left")
    missed = np.concatenate([[0.0], np.cumsum(weight * truth)])[below]
    others = np.concatenate([[0.0], np.cumsum(weight * ~truth)])
    return float(grid[np.argmin(np.abs((others[-1] - others[below]) - missed))])
