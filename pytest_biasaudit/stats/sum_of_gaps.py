"""How sure, about a sum of distances: of a rate over all rows to the rate of each of several parts of them.

    D = sum_t |d_t|,   d_t = rate - rate_t

A sum of absolute values is above 0 by chance also where every d_t is 0, and no resample of it is centred. Its ends:

    high   with s the signs of the true d_t, D = s'd <= s'd_seen + z se(s'd_seen) <= D_seen + z max_s se(s'd_seen)
    low    D >= D_seen - sum|e|, e the errors of the d_t: D_seen less a high quantile of sum|e|, and not below 0

A d_t that lies 4 standard errors or more from 0 has its sign: for it -s_t e_t takes the place of |e_t|, and s runs over the
signs of the others alone. max_s se(s'd)^2 is at most the sum of the covariances, with their signs where both are known and
without them elsewhere. Errors are drawn from the normal with the covariance of the d_t, which rows in several parts, and rows
that come in clusters, bring with them. Uses numpy and scipy.special; knows no metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from pytest_biasaudit.errors import StatisticsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2_000
SURE = 4.0
"""Standard errors from 0 at which a distance has its sign: by chance 1 in 15,000 lies as far."""
CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Hits:
    """How often something is so: over all rows, and in parts that may overlap."""

    rate: float
    """Over all rows, of a part or of none."""
    rates: Floats
    """Of shape (parts,)."""
    rows: Floats
    """Rows of each part."""
    units: Floats
    """Independent units of each part: rows, or clusters."""
    covariance: Floats
    """Of shape (parts, parts): of the errors of rate - rate_t, as the rows show it."""
    df: float
    """Behind it: infinite for rows, clusters less one for clusters."""


@dataclass(frozen=True, kw_only=True)
class Sum:
    """A sum of distances, its interval, and how often as large a one comes from parts that do not differ."""

    value: float
    low: float
    high: float
    p: float


def count_hits(
    hit: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    count: NDArray[np.int64],
    cluster: NDArray[np.int64] | None = None,
) -> Hits:
    """Rates and how their errors go together.

    hit     (cells,) whether it is so
    inside  (cells, parts)
    count   (cells,) rows a cell stands for

    Raises StatisticsError where a part has no row.
    """
    parts = inside.shape[1]
    together = {which: _together(inside[hit == which], count[hit == which]) for which in (True, False)}
    rows = np.diag(together[True]) + np.diag(together[False])
    total = float(count.sum())
    if not total or not rows.all():
        raise StatisticsError("every part needs a row")
    rates, rate = np.diag(together[True]) / rows, float(count[hit].sum()) / total
    if cluster is None:
        # Of a row, e = 1 where it is a hit: (e - rate) / total - [in t] (e - rate_t) / rows_t is what it adds to d_t.
        all_rows = rate * (1.0 - rate) / total
        with_all = (
            np.diag(together[True]) * (1.0 - rate) * (1.0 - rates) + np.diag(together[False]) * rate * rates
        ) / (total * rows)
        within = together[True] * np.outer(1.0 - rates, 1.0 - rates) + together[False] * np.outer(rates, rates)
        covariance = all_rows - with_all[:, None] - with_all[None, :] + within / np.outer(rows, rows)
        return Hits(rate=rate, rates=rates, rows=rows, units=rows, covariance=covariance, df=math.inf)
    groups, at = np.unique(cluster, return_inverse=True)
    if len(groups) < 2:
        raise StatisticsError("rates by clusters need 2 or more of them")
    sums, units = np.zeros((len(groups), parts)), np.zeros(parts)
    adds = np.bincount(at, weights=count * (hit - rate), minlength=len(groups)) / total
    for part in range(parts):
        mine = inside[:, part]
        own = np.bincount(at[mine], weights=(count * (hit - rates[part]))[mine], minlength=len(groups))
        sums[:, part] = adds - own / rows[part]
        units[part] = (np.bincount(at[mine], minlength=len(groups)) > 0).sum()
    covariance = sums.T @ sums * len(groups) / (len(groups) - 1)
    return Hits(rate=rate, rates=rates, rows=rows, units=units, covariance=covariance, df=float(len(groups) - 1))


def sum_of_gaps(hits: Hits, *, level: float, seed: int) -> Sum:
    """The sum of |rate - rate_t| and its interval, never of zero width.

    A rate of 0 or 1 in a small part shows no variance: each part's own is not let fall below that of its rate with one hit and
    one miss more (Agresti and Caffo 2000). The same seed gives the same interval.
    """
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a level lies between 0 and 1, got {level!r}")
    seen = hits.rate - hits.rates
    value = float(np.abs(seen).sum())
    softened = (hits.rates * hits.units + 1.0) / (hits.units + 2.0)
    least = softened * (1.0 - softened) / hits.units
    lacking = np.maximum(0.0, least - hits.rates * (1.0 - hits.rates) / hits.units)
    covariance = hits.covariance + np.diag(lacking)
    tail = 0.5 + level / 2.0
    z = float(ndtri(tail) if math.isinf(hits.df) else stdtrit(hits.df, tail))
    sign, sure = np.sign(seen), np.abs(seen) > SURE * np.sqrt(np.diag(covariance))
    known = np.outer(sure, sure)
    widest = math.sqrt(float(np.where(known, np.outer(sign, sign) * covariance, np.abs(covariance)).sum()))
    errors = _draws(covariance, hits.df, seed)
    noise = np.abs(errors).sum(axis=1)
    reach = float(np.quantile(np.where(sure, errors * sign, np.abs(errors)).sum(axis=1), tail, method="higher"))
    p = (1.0 + float((noise >= value).sum())) / (len(noise) + 1.0)
    return Sum(value=value, low=max(0.0, value - reach), high=min(float(len(hits.rates)), value + z * widest), p=p)


def _together(inside: NDArray[np.bool_], count: NDArray[np.int64]) -> Floats:
    """Rows in both of every two parts, of shape (parts, parts); block by block, so that no table of floats is made of all."""
    found = np.zeros((inside.shape[1], inside.shape[1]))
    for start in range(0, len(count), CHUNK):
        block = inside[start : start + CHUNK].astype(np.float64)
        found += block.T @ (block * count[start : start + CHUNK, None])
    return found


def _draws(covariance: Floats, df: float, seed: int) -> Floats:
    """Errors of that covariance, of shape (resamples, parts); of t where df is finite."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = rng.standard_normal((RESAMPLES, len(values))) @ root.T
    if math.isfinite(df):
        drawn *= np.sqrt(df / rng.chisquare(df, RESAMPLES))[:, None]
    return np.asarray(drawn)
