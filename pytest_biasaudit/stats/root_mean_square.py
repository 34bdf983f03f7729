"""How sure, about the root mean square of several true gaps, and about their correlation with fixed numbers.

Uses numpy and scipy.special; knows nothing of metrics. With d the gaps found, delta the true ones and e = d - delta their
errors, looked for is ||delta|| / sqrt(L) over L labels; what is published is ||d|| / sqrt(L), which lies above it on average,
since errors enlarge a small gap whichever way they point. The labels are taken as they are: nothing here speaks of others.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pytest_biasaudit.errors import StatisticsError

Floats = NDArray[np.float64]

DRAWS = 2_000
NARROWINGS = 40


def errors_of_shares(hits: Floats, out_of: Floats, *, seed: int, alike: bool = False) -> Floats:
    """(draws, labels) errors of differences of two independent shares, group less reference, drawn from binomials.

    hits, out_of  (2, labels) counts, reference first, no `out_of` 0. Drawn are counts of shares (hits + 1) / (out_of + 2), so
                  that a share found at 0 or 1 errs too
    alike         both groups have one share, that of their rows together, for the p of no gap at all; errors are stretched by
                  N / (N - 1) for N rows in both, as Miettinen and Nurminen 1985 do
    """
    if alike:
        hits, rows = np.broadcast_to(hits.sum(axis=0), hits.shape), np.broadcast_to(out_of.sum(axis=0), hits.shape)
    else:
        rows = out_of
    rates = (hits + 1.0) / (rows + 2.0)
    generator = np.random.default_rng(seed)
    drawn = generator.binomial(out_of.astype(np.int64), rates, size=(DRAWS, *hits.shape)) / out_of - rates
    errors = drawn[:, 1] - drawn[:, 0]
    return np.asarray(errors * np.sqrt(rows[0] / np.maximum(1.0, rows[0] - 1.0)) if alike else errors)


def errors_of_clusters(influence: Floats, *, df: Floats, level: float, seed: int, least: Floats) -> Floats:
    """(draws, labels) errors drawn from a normal of the covariance influence' influence, stretched to t at this level.

    influence  (clusters, labels) what each contributes to the error of each difference
    df         (labels,) degrees of freedom behind each
    least      (labels,) variance that each has at least: where shares are at 0 or 1 clusters show none
    """
    covariance = influence.T @ influence
    short = np.maximum(0.0, least - np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance + np.diag(short))
    half = vectors * np.sqrt(np.maximum(0.0, values))
    drawn = np.random.default_rng(seed).standard_normal((DRAWS, influence.shape[1])) @ half.T
    return np.asarray(drawn * stretch(df, level=level))


def stretch(df: Floats, *, level: float) -> Floats:
    """How much further t's quantile lies than the normal's; 1 where df is infinite."""
    from pytest_biasaudit.stats.two_proportions import quantile

    return np.asarray(quantile(level, df) / quantile(level, math.inf))


def limits_of_norm(found: Floats, errors: Floats, *, level: float) -> tuple[float, float]:
    """Limits of ||delta||, low never below 0; the norm of `found` always lies between them.

    errors  (draws, labels) as ||e|| is distributed

    High: with u the true direction delta / ||delta||, ||delta|| = u.delta = u.d - u.e <= ||d|| + |u.e|. The direction is
    fixed, so that u.e is one normal number, and no direction has more variance than the largest eigenvalue v of the errors'
    covariance: ||d|| + z sqrt(v).

    Low: ||d||^2 = ||delta||^2 + 2 ||delta|| u.e + ||e||^2. The smallest T for which T^2 + 2 T u.e + ||e||^2 comes to ||d||^2
    or more with probability (1 - level) / 2, u taken where errors are largest; ||d|| - q, q the same quantile of ||e||, holds
    whatever the direction (by the triangle inequality) and is taken where it is higher.

    Raises StatisticsError where there are no labels.
    """
    if not len(found):
        raise StatisticsError("a root mean square needs at least one gap")
    tail = (1.0 - level) / 2.0
    z = float(ndtri(1.0 - tail))
    values, vectors = np.linalg.eigh(errors.T @ errors / len(errors))
    length = float(np.linalg.norm(found))
    along, squares = errors @ vectors[:, -1], (errors**2).sum(axis=1)
    high = length + z * math.sqrt(max(0.0, float(values[-1])))
    surely = length - float(np.quantile(np.sqrt(squares), 1.0 - tail))

    def reached(size: float) -> bool:
        """Whether a true norm of this size gives what was found often enough; in either sense of the direction."""
        wide = np.concatenate([size**2 + sign * 2.0 * size * along + squares for sign in (-1.0, 1.0)])
        return float(np.mean(wide >= length**2)) >= tail

    low = 0.0
    if not reached(0.0):
        near, far = length, 0.0
        for _ in range(NARROWINGS):
            middle = (near + far) / 2.0
            near, far = (middle, far) if reached(middle) else (near, middle)
        low = far
    return max(0.0, low, surely), high


def chance_of_norm(found: Floats, errors: Floats) -> float:
    """How often errors alone, drawn as if there were no gap, come to the norm found; never below 1 / (draws + 1)."""
    reached = float(((errors**2).sum(axis=1) >= float(found @ found) * (1.0 - 1e-12)).sum())
    return (reached + 1.0) / (len(errors) + 1.0)


def correlation_limits(
    gaps: Floats, beside: Floats, errors: Floats, *, level: float
) -> tuple[float, float, float, float]:
    """(r, low, high, p) of Pearson's correlation of the true gaps with the numbers `beside`, which are taken as they are.

    With c the numbers less their mean, over their norm: a = c.delta is what lies along them, b the norm of what is left of
    delta less its mean, and r = a / sqrt(a^2 + b^2), which rises with a and whose size falls with b. Each of a and b has its
    limits, a's from the errors along c, b's from `limits_of_norm`, at half the chance to err; r's are the furthest they allow.
    p is two-sided, of a = 0. Errors make |r| smaller on average: a low |r| of noisy gaps is no evidence of a low one.

    Raises StatisticsError for fewer than three labels, or where the numbers beside or the gaps are all the same.
    """
    if len(gaps) < 3:
        raise StatisticsError(f"a correlation needs at least 3 labels, got {len(gaps)}: of two it is always 1 or -1")
    c = beside - beside.mean()
    size = float(np.linalg.norm(c))
    if size <= 1e-12:
        raise StatisticsError("the share of the group is the same at every label: nothing can go together with it")
    c = c / size
    away = gaps - gaps.mean()
    if float(np.linalg.norm(away)) <= 1e-12:
        raise StatisticsError("the gap is the same at every label: no correlation is defined")
    along = errors @ c
    rest = errors - errors.mean(axis=1, keepdims=True) - np.outer(along, c)
    a = float(away @ c)
    left = away - a * c
    half = 1.0 - (1.0 - level) / 2.0
    reach = float(ndtri(0.5 + half / 2.0)) * math.sqrt(float(along @ along) / len(along))
    b_low, b_high = limits_of_norm(left, rest, level=half)
    r = a / math.hypot(a, float(np.linalg.norm(left)))

    def furthest(end: float, *, low: bool) -> float:
        b = b_low if (end < 0.0) == low else b_high
        return end / math.hypot(end, b) if end else 0.0

    p = (float((np.abs(along) >= abs(a) * (1.0 - 1e-12)).sum()) + 1.0) / (len(along) + 1.0)
    return r, furthest(a - reach, low=True), furthest(a + reach, low=False), p
