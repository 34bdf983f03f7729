"""Predictions from scores: from a threshold on, the positive label. Imports numpy; knows no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_biasaudit.errors import StatisticsError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def thresholded(
    score: NDArray[np.float64],
    truth: NDArray[np.int64],
    prediction: NDArray[np.int64] | None,
    count: NDArray[np.int64],
    *,
    labels: tuple[str, ...],
    positive: str,
    threshold: float | Literal["equal-error"],
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The labels, and which is predicted in each cell: the positive one where the score is at the threshold or above it.

    score       (cells,) NaN where none came; -1 is predicted there
    truth       (cells,) index of the true label, -1 where it is not known
    prediction  (cells,) index of what was predicted without a threshold, which stays where it is another label than the
                positive one; None: nothing was
    count       (cells,) rows
    labels      those of truth and prediction; the positive one is among them

    Below the threshold the other label is predicted where there is one other. Of several it is the one that was
    predicted anyway, and "not POSITIVE", a label more, where that is the positive one.
    "equal-error" is found over the rows with label and score; where these are all of one class, there is no such threshold,
    and -1 is predicted everywhere: not known, rather than guessed.
    """
    at = labels.index(positive)
    others = [one for one in range(len(labels)) if one != at]
    if threshold == "equal-error":
        found = at_equal_errors(score, truth, count, at=at)
        if found is None:
            return labels, np.full(len(count), -1, dtype=np.int64)
        threshold = found
    below = np.full(len(count), -1, dtype=np.int64)
    if len(others) == 1:
        below[:] = others[0]
    else:
        if prediction is not None:
            below = np.where(prediction == at, -1, prediction)
        if np.any((below < 0) & (score < threshold)):
            labels = (*labels, f"not {positive}")
            below[below < 0] = len(labels) - 1
    said = np.where(score >= threshold, at, below)
    return labels, np.where(np.isnan(score), -1, said)


def at_equal_errors(
    score: NDArray[np.float64], truth: NDArray[np.int64], count: NDArray[np.int64], *, at: int
) -> float | None:
    """The score at which as many rows are wrongly positive as wrongly negative; None where there is none.

    at  index of the positive label; the others are as in `thresholded`
    """
    from pytest_biasaudit.stats.equal_error import equal_error_threshold

    try:
        return equal_error_threshold(np.where(truth >= 0, score, np.nan), truth == at, count)
    except StatisticsError:
        return None
