"""How sure, about two shares: their difference and ratio, many comparisons at once, from five rows on and near 0 and 1.

Uses numpy and scipy.special; knows nothing of metrics. A share is what a binomial count, or a count over clusters, leaves of
one: a rate, the number of independent rows it is worth, and the degrees of freedom behind that number.

Limits of each share are put together by MOVER (Zou and Donner 2008 for differences, Donner and Zou 2012 for ratios), which
takes shares that hang together by their correlation. Of each share the limits are Lancaster's mid-p ones (Berry and Armitage
1995). Against Newcombe's (Wilson limits), Miettinen and Nurminen's, Agresti and Caffo's, in every mix of cells of 5, 10, 20 and
50 and rates of .02, .1, .5, .9 and .98, nominally 95 % cover at least

    mid-p  93.8 %     Miettinen and Nurminen  92.3 %     Agresti and Caffo  91.5 %     Newcombe  88.0 %

counted exactly, with no more width than 1.03 times Miettinen and Nurminen's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, gammaln, ndtr, ndtri, stdtr, stdtrit

from pytest_biasaudit.errors import StatisticsError

Floats = NDArray[np.float64]

MIDP = "MOVER, mid-p limits"
MIDP_CLUSTERED = "MOVER, mid-p limits, effective number of rows (clusters)"
HIGHEST_CORRELATION = 0.99
"""Shares that hang together more than this are taken to hang together so: an interval keeps its width."""
SMALL = 60.0
"""Up to so many rows with, or without, limits are solved for; beyond, Jeffreys' are the same to three digits."""
MANY = 32
"""From so many shares on it is worth while to look which have the same limits."""
EXACT_UP_TO = 400.0
"""Up to so many with, or so many without, in both groups together, p comes from the hypergeometric distribution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shares:
    """Shares, with what each is worth. All arrays are of one shape."""

    rate: Floats
    """0 to 1; NaN where there is nothing to take a share of."""
    n: Floats
    """Independent rows it is worth; whole where rows are independent."""
    df: Floats
    """Behind `n` where it was estimated from clusters; infinite for a plain count."""

    @classmethod
    def of(cls, hits: ArrayLike, out_of: ArrayLike) -> Shares:
        """Shares of independent rows: `hits` of `out_of`. Raises StatisticsError for counts that are none."""
        top, bottom = np.broadcast_arrays(np.asarray(hits, dtype=float), np.asarray(out_of, dtype=float))
        if not bool(np.all((top >= 0) & (top <= bottom) & np.isfinite(bottom))):
            raise StatisticsError("a count lies between 0 and its total")
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(bottom > 0, top / bottom, np.nan)
        return cls(rate=rate, n=bottom.copy(), df=np.full(bottom.shape, math.inf))

    @property
    def clustered(self) -> bool:
        """Whether any is worth what clusters say, not a plain count."""
        return bool(np.isfinite(self.df).any())

    def at(self, place: Any) -> Shares:
        """Those at an index, a slice or a mask."""
        rate, n, df = (np.asarray(one[place], dtype=float) for one in (self.rate, self.n, self.df))
        return Shares(rate=rate, n=n, df=df)

    def limits(self, *, level: float, exact: bool = False) -> tuple[Floats, Floats]:
        """(low, high) of each, never of zero width; NaN where there is no share.

        exact  Clopper and Pearson's in place of the mid-p ones: never cover less than `level` of plain counts (with
               clusters, Korn and Graubard 1998)
        """
        if not 0.0 < level < 1.0:
            raise StatisticsError(f"a level lies between 0 and 1, got {level!r}")
        tail = (1.0 - level) / 2.0
        with np.errstate(invalid="ignore", divide="ignore"):
            stretch = np.where(np.isfinite(self.df), float(ndtri(1.0 - tail)) / stdtrit(self.df, 1.0 - tail), 1.0)
        n = self.n * stretch**2
        low, rest = _lower(np.stack([self.rate * n, (1.0 - self.rate) * n]), np.stack([n, n]), tail, exact=exact)
        return low, 1.0 - rest


@dataclass(frozen=True, kw_only=True, eq=False)
class Between:
    """What lies between a reference share and a group's, one value a comparison."""

    value: Floats
    """Group minus reference, or group over reference; NaN where either share, or the ratio, is not defined."""
    low: Floats
    high: Floats
    p: Floats
    """Two-sided, of equal shares."""
    standard_error: Floats
    """That gives `p` and the interval's end toward equality, whichever asks more; of the logarithm for ratios."""
    df: Floats


def difference(reference: Shares, group: Shares, *, level: float, correlation: ArrayLike = 0.0) -> Between:
    """The group's share minus the reference's.

    correlation  of the two shares' errors: above 0 where rows, or clusters, are in both

    With d = p1 - p0 and limits (l0, u0), (l1, u1) of the shares, r their correlation:

        low  = d - sqrt((p1 - l1)^2 - 2 r (p1 - l1)(u0 - p0) + (u0 - p0)^2)
        high = d + sqrt((u1 - p1)^2 - 2 r (u1 - p1)(p0 - l0) + (p0 - l0)^2)
    """
    low0, high0 = reference.limits(level=level)
    low1, high1 = group.limits(level=level)
    r = np.minimum(np.asarray(correlation, dtype=float), HIGHEST_CORRELATION)
    value = group.rate - reference.rate
    low = value - _side(group.rate - low1, high0 - reference.rate, r)
    high = value + _side(high1 - group.rate, reference.rate - low0, r)
    return _tested(value, np.maximum(low, -1.0), np.minimum(high, 1.0), 0.0, reference, group, r, level=level)


def ratio(reference: Shares, group: Shares, *, level: float, correlation: ArrayLike = 0.0) -> Between:
    """The group's share over the reference's; NaN where both are 0, infinite where the reference's alone is.

    correlation  as for `difference`

    The ends x solve (p1 - limit1)^2 - 2 r x (p1 - limit1)(p0 - limit0) + x^2 (p0 - limit0)^2 = (p1 - x p0)^2 with the limits
    on the sides that make x smallest and largest. The upper end is infinite where the reference's lower limit is 0.
    """
    low0, high0 = reference.limits(level=level)
    low1, high1 = group.limits(level=level)
    r = np.minimum(np.asarray(correlation, dtype=float), HIGHEST_CORRELATION)
    p0, p1 = reference.rate, group.rate
    with np.errstate(invalid="ignore", divide="ignore"):
        value = p1 / p0
        middle = p1 * p0 - r * (p1 - low1) * (high0 - p0)
        top, bottom = low1 * (2 * p1 - low1), high0 * (2 * p0 - high0)
        low = np.where(low1 > 0, top / (middle + np.sqrt(np.maximum(0.0, middle**2 - top * bottom))), 0.0)
        middle = p1 * p0 - r * (high1 - p1) * (p0 - low0)
        top, bottom = high1 * (2 * p1 - high1), low0 * (2 * p0 - low0)
        high = np.where(low0 > 0, (middle + np.sqrt(np.maximum(0.0, middle**2 - top * bottom))) / bottom, np.inf)
    low, high = np.where(np.isnan(value), np.nan, low), np.where(np.isnan(value), np.nan, high)
    return _tested(value, low, high, 1.0, reference, group, r, level=level)


def shares_of_clusters(hits: ArrayLike, out_of: ArrayLike) -> tuple[Shares, Floats]:
    """Shares over clusters of rows, and what each cluster contributes to the error of each.

    hits, out_of  (clusters, shares) counts; a cluster may have none of a share's rows

    Returns the shares, of shape (shares,), and influence of shape (clusters, shares): the covariance of the errors is
    influence' influence. A share is a ratio of sums, its variance that of u_c = (hits_c - rate out_of_c) / sum(out_of) times
    C / (C - 1). It is worth rate (1 - rate) / variance independent rows, never more than its rows; where no cluster differs
    no variance is seen, and every cluster counts as one row. Degrees of freedom: (sum m)^2 / sum(m^2) - 1 over cluster sizes
    m, at least 1, which falls below clusters less one where few clusters hold most rows.

    Raises StatisticsError for tables of unlike shape. A share of fewer than two clusters is NaN.
    """
    top, bottom = np.asarray(hits, dtype=float), np.asarray(out_of, dtype=float)
    if top.shape != bottom.shape or top.ndim != 2:
        raise StatisticsError(f"counts by cluster come in two tables of one shape, got {top.shape} and {bottom.shape}")
    total = bottom.sum(axis=0)
    clusters = (bottom > 0).sum(axis=0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(clusters > 1, np.clip(top.sum(axis=0) / total, 0.0, 1.0), np.nan)
        influence = (top - rate * bottom) / total * np.sqrt(clusters / (clusters - 1.0))
        variance = (influence**2).sum(axis=0)
        seen = variance > 1e-12 * rate * (1.0 - rate) / total
        n = np.where(seen & (rate > 0) & (rate < 1), np.minimum(total, rate * (1.0 - rate) / variance), clusters)
        df = np.maximum(1.0, total**2 / (bottom**2).sum(axis=0) - 1.0)
    influence = np.where(np.isfinite(influence), influence, 0.0)
    return Shares(rate=rate, n=np.maximum(1.0, n), df=np.where(clusters > 1, df, 1.0)), influence


def correlation_of(first: Floats, second: Floats) -> Floats:
    """Correlation of errors from influences of shape (clusters, shares), share by share; 0 where one has none."""
    product = (first * second).sum(axis=0)
    size = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.asarray(np.where(size > 0, product / np.where(size > 0, size, 1.0), 0.0))


def quantile(level: float, df: ArrayLike) -> Floats:
    """Two-sided quantile of t; the normal's where df is infinite."""
    freedom = np.asarray(df, dtype=float)
    finite = np.where(np.isfinite(freedom), freedom, 1.0)
    normal = float(ndtri(0.5 + level / 2.0))
    return np.asarray(np.where(np.isfinite(freedom), stdtrit(finite, 0.5 + level / 2.0), normal))


def two_sided(score: ArrayLike, df: ArrayLike) -> Floats:
    """Two-sided p of a t score, or a normal one where df is infinite."""
    size, freedom = np.abs(np.asarray(score, dtype=float)), np.asarray(df, dtype=float)
    finite = np.where(np.isfinite(freedom), freedom, 1.0)
    return np.asarray(np.minimum(1.0, 2.0 * np.where(np.isfinite(freedom), stdtr(finite, -size), ndtr(-size))))


def equal_p(reference: Shares, group: Shares) -> Floats:
    """Two-sided p of equal shares of independent rows: twice the smaller mid-p tail of Fisher's test.

    Where both those with and those without are above `EXACT_UP_TO` it is that of the score with pooled variance.
    """
    n0, n1 = reference.n, group.n
    hits0, hits1 = np.rint(reference.rate * n0), np.rint(group.rate * n1)
    hits, rows = hits0 + hits1, n0 + n1
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = hits / rows
        error = np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1) * rows / np.maximum(1.0, rows - 1))
        score = np.where(error > 0, (group.rate - reference.rate) / error, 0.0)
    p = two_sided(score, np.inf)
    p = np.where(np.isnan(group.rate - reference.rate), np.nan, p)
    few = ~np.isnan(p) & (np.minimum(hits, rows - hits) <= EXACT_UP_TO)
    if few.any():
        p[few] = _conditional(hits1[few], hits0[few], n1[few], n0[few])
    return p


def _conditional(hits1: Floats, hits0: Floats, n1: Floats, n0: Floats) -> Floats:
    """Twice the smaller mid-p tail, all comparisons in one table as wide as the widest support."""
    many = hits1 + hits0 > (n1 + n0) / 2.0  # count whichever is rarer, those with or those without
    x = np.where(many, n1 - hits1, hits1)
    drawn = np.where(many, n1 + n0 - hits1 - hits0, hits1 + hits0)
    least, most = np.maximum(0.0, drawn - n0), np.minimum(drawn, n1)
    at = least[:, None] + np.arange(int((most - least).max()) + 1)
    inside = at <= most[:, None]
    k = np.where(inside, at, most[:, None])

    def choose(n: Floats, of: Floats) -> Floats:
        return np.asarray(gammaln(n + 1) - gammaln(of + 1) - gammaln(n - of + 1))

    logs = choose(n1[:, None], k) + choose(n0[:, None], drawn[:, None] - k) - choose(n1 + n0, drawn)[:, None]
    chance = np.where(inside, np.exp(logs), 0.0)
    own = (chance * (at == x[:, None])).sum(axis=1)
    below = (chance * (at < x[:, None])).sum(axis=1) + own / 2
    above = (chance * (at > x[:, None])).sum(axis=1) + own / 2
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(below, above)))


def _tested(
    value: Floats,
    low: Floats,
    high: Floats,
    equal: float,
    reference: Shares,
    group: Shares,
    r: Floats,
    *,
    level: float,
) -> Between:
    """With p, and the standard error that says no less than p or the end toward equality does."""
    logs = equal == 1.0
    df = _freedom(reference, group)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, down, up = (np.log(one) for one in (value, low, high)) if logs else (value, low, high)
        toward = np.where(middle >= 0.0, middle - down, up - middle)
        away = np.where(middle >= 0.0, up - middle, middle - down)
        reach = np.where(np.isfinite(toward) & (toward > 0), toward, away)
        error = reach / quantile(level, df)
        if reference.clustered or group.clustered or bool(np.any(r != 0.0)):
            p = np.where(middle == 0.0, 1.0, two_sided(middle / error, df))
            if logs and not np.isfinite(middle).all():
                p = np.where(np.isfinite(middle), p, two_sided(_in_shares(reference, group, r, level=level), df))
        else:
            p = equal_p(reference, group)
            implied = np.where((p < 1.0) & (p > 0.0), np.abs(middle) / -ndtri(p / 2.0), 0.0)
            error = np.where(np.isfinite(implied), np.maximum(error, implied), error)
    p = np.where(np.isnan(value), np.nan, p)
    return Between(value=value, low=low, high=high, p=p, standard_error=error, df=df)


def _in_shares(reference: Shares, group: Shares, r: Floats, *, level: float) -> Floats:
    """The difference in standard errors, for ratios that have no logarithm."""
    found = difference(reference, group, level=level, correlation=r)
    return np.asarray(found.value / found.standard_error)


def _freedom(reference: Shares, group: Shares) -> Floats:
    """Satterthwaite's, of the difference."""
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [(side.rate * (1 - side.rate) + 0.25 / side.n) / side.n for side in (reference, group)]
        spread = parts[0] ** 2 / reference.df + parts[1] ** 2 / group.df
        return np.asarray(np.where(spread > 0, np.maximum(1.0, (parts[0] + parts[1]) ** 2 / spread), np.inf))


def _side(of_group: Floats, of_reference: Floats, r: Floats) -> Floats:
    squared = of_group**2 - 2.0 * r * of_group * of_reference + of_reference**2
    return np.asarray(np.sqrt(np.maximum(0.0, squared)))


def _lower(x: Floats, n: Floats, tail: float, *, exact: bool) -> Floats:
    """The rate at which `x` of `n` or more come with probability `tail`: half of `x` itself counted, or all of it."""
    if x.size > MANY:  # a few groups in many pairs: the same counts come again and again
        cases, place = np.unique(x.ravel() + 1j * n.ravel(), return_inverse=True)
        if 2 * len(cases) < x.size:
            return np.asarray(_lower(cases.real, cases.imag, tail, exact=exact)[place].reshape(x.shape))
    nothing = ~(n > 0) | np.isnan(x)
    safe_n = np.where(nothing, 1.0, n)
    # Rounding may leave a share of 1 a little under its rows.
    safe_x = np.clip(np.where(nothing, 0.0, x), 0.0, safe_n)
    safe_x = np.where(safe_n - safe_x < 1e-9 * safe_n, safe_n, safe_x)
    some = safe_x > 1e-9 * safe_n
    counted = np.where(some, safe_x, 1.0)
    rest = np.where(some, safe_n - counted, 1.0)
    low = np.asarray(betaincinv(counted, rest + 1.0, tail))
    if not exact:
        many = (counted > SMALL) & (rest > SMALL)
        low = np.where(many, betaincinv(counted + 0.5, rest + 0.5, tail), low)
        few = ~many & some
        if few.any():
            low[few] = _mid_p(counted[few], rest[few], low[few], tail)
    return np.where(nothing, np.nan, np.where(some, low, 0.0))


def _mid_p(x: Floats, rest: Floats, start: Floats, tail: float) -> Floats:
    """Solved between Clopper and Pearson's limit and that of one more, by regula falsi (Illinois)."""
    all_alike = rest <= 0.0
    beyond = np.where(all_alike, 1.0, rest)

    def over(rate: Floats) -> Floats:
        return np.asarray((betainc(x, rest + 1.0, rate) + betainc(x + 1.0, beyond, rate)) / 2.0 - tail)

    low, high = start.copy(), np.asarray(betaincinv(x + 1.0, beyond, tail))
    at_low, at_high = over(low), over(high)
    moved = np.zeros(x.shape)  # which end moved last: one that stays twice is given half its weight
    for _ in range(10):
        with np.errstate(invalid="ignore", divide="ignore"):
            step = (low * at_high - high * at_low) / (at_high - at_low)
        middle = np.where(np.isfinite(step) & (step > low) & (step < high), step, (low + high) / 2.0)
        found = over(middle)
        under = found < 0.0
        at_high = np.where(under & (moved < 0), at_high / 2.0, np.where(under, at_high, found))
        at_low = np.where(~under & (moved > 0), at_low / 2.0, np.where(under, found, at_low))
        low, high = np.where(under, middle, low), np.where(under, high, middle)
        moved = np.where(under, -1.0, 1.0)
    # All alike there is nothing to solve: rate^x / 2 = tail.
    return np.where(all_alike, (2.0 * tail) ** (1.0 / x), low)
