"""How sure, of a linear fit to rows that come in clusters: coefficients with intervals that hold with few clusters.

Uses numpy and scipy.special; knows nothing of metrics or studies.

Sources: Bell and McCaffrey 2002 (Survey Methodology 28) for the variance with residuals adjusted by cluster, and for its
degrees of freedom; Pustejovsky and Tipton 2018 (Journal of Business and Economic Statistics 36) for clusters that settle a
coefficient alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pytest_biasaudit.errors import StatisticsError

Floats = NDArray[np.float64]

EXACT = 1e-20
"""Residuals whose squares come to this share of the outcome's are rounding."""
ALONE = 1e-10
"""Below this, 1 minus a leverage is 0: a cluster settles a direction alone, and its residuals there say nothing."""


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One column's coefficient."""

    value: float
    standard_error: float
    df: float
    low: float
    high: float
    p: float
    """Two-sided, of 0."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A least-squares fit."""

    coefficients: tuple[Coefficient, ...]
    """One a column of the design, in order."""
    r_squared: float
    clusters: int


def least_squares(
    design: Floats, outcome: Floats, cluster: NDArray[np.integer] | Sequence[int], *, level: float
) -> Fit:
    """Ordinary least squares, with intervals by cluster (the variance that is called CR2, Satterthwaite's df).

    design   (rows, columns), the constant among the columns
    outcome  (rows,)
    cluster  (rows,) whole numbers; rows of one cluster may depend on one another in any way

    Raises StatisticsError for fewer clusters than two, columns that hang on one another, an outcome that does not vary, and
    a coefficient whose variance cannot be told (one cluster settles it).
    """
    rows, columns = design.shape
    numbers, place = np.unique(np.asarray(cluster), return_inverse=True)
    if len(numbers) < 2:
        raise StatisticsError(f"intervals by cluster need 2 clusters, got {len(numbers)}")
    if rows <= columns or np.linalg.matrix_rank(design) < columns:
        raise StatisticsError("columns of the fit hang on one another; leave one out")
    spread = float(((outcome - outcome.mean()) ** 2).sum())
    if not spread > 0:
        raise StatisticsError("the outcome is the same in every row; there is nothing to explain")
    bread: Floats = np.linalg.inv(design.T @ design).astype(np.float64)
    values = bread @ design.T @ outcome
    left = outcome - design @ values
    if float(left @ left) <= EXACT * spread:
        raise StatisticsError(
            "the fit is exact, which leaves its coefficients without a variance: it would look certain"
        )
    weights = _adjusted(design, bread, place, len(numbers))
    # One score a cluster and column: what the cluster adds to the coefficient's error.
    scores = np.zeros((len(numbers), columns))
    np.add.at(scores, place, weights * left[:, None])
    variance = (scores**2).sum(axis=0)
    df = _degrees(design, bread, weights, place, len(numbers))
    if not (variance > 0).all() or not (df > 0).all():
        raise StatisticsError("residuals leave a coefficient without a variance: its interval would look certain")
    error = np.sqrt(variance)
    half = stdtrit(df, (1 + level) / 2) * error
    p = 2 * stdtr(df, -np.abs(values / error))
    return Fit(
        coefficients=tuple(
            Coefficient(
                value=float(values[at]),
                standard_error=float(error[at]),
                df=float(df[at]),
                low=float(values[at] - half[at]),
                high=float(values[at] + half[at]),
                p=float(p[at]),
            )
            for at in range(columns)
        ),
        r_squared=float(1 - (left**2).sum() / spread),
        clusters=len(numbers),
    )


def _adjusted(design: Floats, bread: Floats, place: NDArray[np.intp], clusters: int) -> Floats:
    """A_g X_g M for each cluster g, of shape (rows, columns), where A_g = (I - H_gg)^(-1/2).

    H_gg = X_g M X_g' has as many directions as there are columns, so A_g need not be formed.
    """
    root = np.linalg.cholesky(bread)
    made = np.empty_like(design)
    for at in range(clusters):
        inside = place == at
        block = design[inside]
        vectors, values, _ = np.linalg.svd(block @ root, full_matrices=False)
        slack = 1 - values**2
        stretch = np.where(slack > ALONE, 1 / np.sqrt(np.where(slack > ALONE, slack, 1.0)), 0.0) - 1
        plain = block @ bread
        made[inside] = plain + vectors @ (stretch[:, None] * (vectors.T @ plain))
    return made


def _degrees(design: Floats, bread: Floats, weights: Floats, place: NDArray[np.intp], clusters: int) -> Floats:
    """Satterthwaite's degrees of freedom of each coefficient's variance, as if residuals were independent and alike.

    With p_g = (I - H)[:, g] w_g, df = (sum_g p_g'p_g)^2 / sum_gh (p_g'p_h)^2. As I - H is a projection, p_g'p_h is
    w_g'(I - H)_gh w_h = [g = h] w_g'w_g - (X_g'w_g)' M (X_h'w_h).
    """
    columns = design.shape[1]
    found = np.empty(columns)
    for column in range(columns):
        one = weights[:, column]
        squares = np.bincount(place, weights=one**2, minlength=clusters)
        through = np.stack(
            [np.bincount(place, weights=design[:, at] * one, minlength=clusters) for at in range(columns)], axis=1
        )
        product = np.diag(squares) - through @ bread @ through.T
        below = float((product**2).sum())
        found[column] = float(np.trace(product)) ** 2 / below if below > 0 else 0.0
    return found
