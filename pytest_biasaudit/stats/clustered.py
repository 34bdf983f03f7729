"""How sure, about benchmark figures: items that come in clusters (templates, target terms, words), or one by one.

Uses numpy and scipy.special; knows nothing of metrics. A figure is a weighted mean of items: equal weights an item
("micro"), or equal weights a cluster ("macro"). Clusters are what was sampled.

Sources: Wilson 1927 for a share; Korn and Graubard 1998 (Survey Methodology 24) for a clustered share as a share of an
effective number; Bell and McCaffrey 2002 for residuals of few, unequal clusters; McNemar 1947 for pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtr

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import t_quantile
from pytest_biasaudit.stats.magnitude import increase_from_corners
from pytest_biasaudit.stats.proportion import wilson

Floats = NDArray[np.float64]

FEW = 5
"""Clusters that must differ from the rest before their spread alone tells how far an estimate may be off; with fewer than
10 clusters, half of them."""

ROUNDING = 1e-12
"""What means of numbers near 1 may be off by: no choice between two formulas may hang on less."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A mean of clustered items with its interval, in the unit of the items: 0 to 1 for a share."""

    value: float
    low: float
    high: float
    """Never of zero width; infinite ends where nothing bounds an unbounded mean (one cluster, or no spread at all)."""
    standard_error: float
    """Half the interval's width over its t quantile. A share's interval is not symmetric: test it with `share_p`."""
    df: float
    """Infinite for the share of items that each are a cluster: its variance is not estimated, the share gives it."""
    clusters: int
    effective: float
    """Independent items that the figure is worth; 0 where that has no meaning (no bounds)."""


@dataclass(frozen=True, kw_only=True)
class Increase:
    """How much further from its ideal one share is than another of the same items, in the unit of the items."""

    value: float
    low: float
    high: float
    standard_error: float
    df: float
    clusters: int
    p: float
    """Two-sided, of no difference between the two means: exact McNemar where hits are 0 or 1 and every item is a cluster,
    else the clustered t test. It asks whether the answers differ, not toward which side of the ideal."""


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Items with weights that add up to 1, and their clusters numbered from 0."""

    values: Floats
    weights: Floats
    cluster: NDArray[np.intp]
    count: int

    @property
    def mean(self) -> float:
        return math.fsum(self.weights * self.values)

    @property
    def cluster_weights(self) -> Floats:
        return self.totals(self.weights)

    @property
    def independent(self) -> float:
        """Items that the weights would be worth if all were independent."""
        return 1.0 / float(np.sum(self.weights**2))

    @property
    def fewest(self) -> float:
        """What they are worth where all items of a cluster say the same."""
        return 1.0 / float(np.sum(self.cluster_weights**2))

    def totals(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.cluster, weights=values, minlength=self.count), dtype=np.float64)

    def with_values(self, values: Floats) -> _Sample:
        return _Sample(values=values, weights=self.weights, cluster=self.cluster, count=self.count)


def micro_share(hits: Sequence[float], clusters: Sequence[str], *, level: float) -> Share:
    """The mean of all items, with a Wilson interval for the number of independent items that the clusters leave.

    hits      one an item, 0 to 1: 1 a hit, 0 none; between them where an item is a mean itself
    clusters  what each item belongs to; an id of its own for an item that was sampled by itself

    The variance is cluster-robust (residual totals, over 1 - their cluster's weight), and turned into a design effect and an
    effective number n of items; t with the clusters' degrees of freedom takes the place of the normal, unless every item
    is a cluster. Where fewer than 5 clusters differ from the rest, the design effect seen is drawn toward that of
    clusters that are all of one mind; at a share of 0 or 1 it is that, so n is the number of clusters (of equal size).
    Raises StatisticsError without items, or for values outside 0 to 1.
    """
    return _share(_sample(hits, clusters, macro=False), level=level)


def macro_share(hits: Sequence[float], clusters: Sequence[str], *, level: float) -> Share:
    """The mean over clusters of each cluster's mean (StereoSet's scores), otherwise as `micro_share`."""
    return _share(_sample(hits, clusters, macro=True), level=level)


def weighted_share(
    hits: Sequence[float] | Floats, weights: Sequence[float] | Floats, clusters: Sequence[str], *, level: float
) -> Share:
    """The mean of items that do not count alike, otherwise as `micro_share`; those of weight 0 are left out.

    weights  one an item, 0 or more, in any unit. Raises StatisticsError where none is above 0.
    """
    heavy = np.asarray(weights, dtype=np.float64)
    kept = np.flatnonzero(heavy > 0.0)
    names = np.asarray(clusters, dtype=str)
    if len(heavy) != len(names) or not len(kept):
        raise StatisticsError(f"a weighted mean needs one weight an item and one above 0, got {len(heavy)}")
    sample = _sample(np.asarray(hits, dtype=np.float64)[kept], names[kept], macro=False)
    return _share(replace(sample, weights=heavy[kept] / heavy[kept].sum()), level=level)


def weights_of(clusters: Sequence[str], *, macro: bool) -> Floats:
    """What each item counts for in a mean over items, or (macro) over the clusters' means; they add up to 1."""
    return _sample(np.zeros(len(clusters)), clusters, macro=macro).weights


def clustered_reach(influences: Floats, weights: Floats, clusters: Sequence[str], *, level: float) -> float:
    """Half the width of a cluster-robust t interval for a statistic that is the sum of what its items contribute.

    influences  one an item, adding up to 0
    weights     of the items in the means that the statistic is made of, adding up to 1

    0 with one cluster: its spread cannot be seen.
    """
    sample = replace(_sample(influences, clusters, macro=False), weights=weights)
    if sample.count < 2:
        return 0.0
    totals = sample.totals(sample.values)
    variance = float(np.sum(totals**2 / (1.0 - sample.cluster_weights)))
    return t_quantile(level, _freedom(sample, 1.0)) * math.sqrt(variance)


def clustered_mean(
    values: Sequence[float],
    clusters: Sequence[str],
    *,
    level: float,
    bounds: tuple[float, float] | None,
    macro: bool = False,
) -> Share:
    """The mean of items that are no shares, with a cluster-robust t interval.

    bounds  what an item lies between. Where fewer than 5 clusters differ from the rest, the interval reaches at least as
            far as Wilson's upper limit for the share of such clusters would carry the mean; it is cut off at the bounds.
            None: with one cluster, or no spread at all, the ends are infinite
    """
    return _mean(_sample(values, clusters, macro=macro), level=level, bounds=bounds)


def paired_increase(
    hits: Sequence[float],
    earlier: Sequence[float],
    clusters: Sequence[str],
    *,
    ideal: float,
    level: float,
    macro: bool = False,
) -> Increase:
    """|mean(hits) - ideal| - |mean(earlier) - ideal|: how much further from its ideal the child is than its parent.

    hits, earlier  the same items in the same order, 0 to 1 each
    ideal          on the same scale: 0.5 for a stereotype score

    With c and p the two distances from the ideal, signed, and u = c - p, v = c + p: |c| - |p| = sign(u v) min(|u|, |v|),
    whose least and greatest value over the intervals of u and of v are at their corners (`stats.magnitude`).

    Both are clustered t intervals. That of u reaches at least as far as Wilson's limits of its two halves, what rose and what
    fell, carry their difference (Newcombe's rule of adding squares): where few items changed, and more of them one way,
    the t interval alone is too short on the side that a limit is held at.
    """
    if len(hits) != len(earlier):
        raise StatisticsError(f"pairs have two sides: got {len(hits)} items now and {len(earlier)} earlier")
    now, then = _sample(hits, clusters, macro=macro), _sample(earlier, clusters, macro=macro)
    for side in (now, then):
        _check_shares(side.values)
    changed = now.with_values(now.values - then.values)
    u = _mean(changed, level=level, bounds=(-1.0, 1.0))
    rose, fell = (_share(now.with_values(np.maximum(sign * changed.values, 0.0)), level=level) for sign in (1.0, -1.0))
    u_low = max(-1.0, min(u.low, u.value - math.hypot(rose.value - rose.low, fell.high - fell.value)))
    u_high = min(1.0, max(u.high, u.value + math.hypot(rose.high - rose.value, fell.value - fell.low)))
    both = now.with_values(now.values + then.values - 2.0 * ideal)
    v = _mean(both, level=level, bounds=(-2.0 * ideal, 2.0 - 2.0 * ideal))
    c, p = now.mean - ideal, then.mean - ideal
    value, low, high = increase_from_corners((u_low, u_high), (v.low, v.high), c, p)
    deciding = u if same_side(c, p) else v
    one_by_one = now.count == len(now.values)
    exact = one_by_one and bool(np.isin(now.values, (0.0, 1.0)).all() and np.isin(then.values, (0.0, 1.0)).all())
    return Increase(
        value=value,
        low=low,
        high=high,
        standard_error=deciding.standard_error,
        df=deciding.df,
        clusters=now.count,
        p=_mcnemar(changed.values) if exact else _t_p(u.value, u),
    )


def same_side(one: float, other: float) -> bool:
    """Whether two distances from an ideal, signed, lie to one side of it; on it, but for rounding, counts as above."""
    return (one > -ROUNDING) == (other > -ROUNDING)


def share_p(share: Share, *, ideal: float, level: float = 0.95) -> float:
    """Two-sided p of a share that is `ideal`, by the score test that the interval inverts: below 1 - level exactly when
    the ideal lies outside the interval.

    Raises StatisticsError for an ideal of 0 or 1: no number of items could reject it by this test.
    """
    if not 0.0 < ideal < 1.0:
        raise StatisticsError(f"a share can be tested against an ideal between 0 and 1, got {ideal!r}")
    score = abs(share.value - ideal) / math.sqrt(ideal * (1.0 - ideal) / share.effective)
    return float(min(1.0, 2.0 * stdtr(share.df, -score)))


def mean_p(mean: Share, *, ideal: float) -> float:
    """Two-sided p of a mean (`clustered_mean`) that is `ideal`, from its standard error."""
    return _t_p(mean.value - ideal, mean)


def _sample(values: Sequence[float] | Floats, clusters: Sequence[str] | NDArray[np.str_], *, macro: bool) -> _Sample:
    if not len(values):
        raise StatisticsError("a mean needs at least one item, got none")
    if len(values) != len(clusters):
        raise StatisticsError(f"every item belongs to a cluster: got {len(values)} items and {len(clusters)} clusters")
    read = np.asarray(values, dtype=np.float64)
    if not np.isfinite(read).all():
        raise StatisticsError("a mean needs finite numbers; leave out items without a value first")
    _, cluster = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    sizes = np.bincount(cluster)
    weights = 1.0 / (len(sizes) * sizes[cluster]) if macro else np.full(len(read), 1.0 / len(read))
    return _Sample(values=read, weights=weights, cluster=cluster, count=len(sizes))


def _share(sample: _Sample, *, level: float) -> Share:
    _check_shares(sample.values)
    mean = min(1.0, max(0.0, sample.mean))
    design, spread = _design_effect(sample, mean)
    effective = sample.independent / design
    df = math.inf if sample.count == len(sample.values) else _freedom(sample, spread)
    low, high = wilson(mean, effective, level=level, df=df)
    return Share(
        value=mean,
        low=low,
        high=high,
        standard_error=(high - low) / 2.0 / t_quantile(level, df),
        df=df,
        clusters=sample.count,
        effective=effective,
    )


def _design_effect(sample: _Sample, mean: float) -> tuple[float, float]:
    """How many times the variance of independent items; and where that lies between independent (0) and of one mind (1)."""
    most = sample.independent / sample.fewest
    # Hits between 0 and 1 vary less than zeros and ones of the same mean: only those may be worth more than their number.
    squares = float(np.sum(sample.weights**2 * (sample.values - mean) ** 2))
    possible = mean * (1.0 - mean) / sample.independent
    least = 1.0 if np.isin(sample.values, (0.0, 1.0)).all() else min(1.0, squares / possible)
    seen = most
    if possible > 0.0 and sample.count > 1:
        seen = min(most, max(least, _variance(sample, mean) * (1.0 - 1.0 / sample.independent) / possible))
    doubt = max(0.0, 1.0 - _differing(sample) / min(FEW, sample.count / 2.0))
    design = (1.0 - doubt) * seen + doubt * most
    return design, (design - 1.0) / (most - 1.0) if most > 1.0 + 1e-9 else 0.0


def _variance(sample: _Sample, mean: float) -> float:
    """Of the mean, from the residual totals of the clusters; unbiased for clusters of equal weight."""
    left = 1.0 - sample.cluster_weights
    totals = sample.totals(sample.weights * (sample.values - mean))
    return float(np.sum(totals**2 / left))


def _differing(sample: _Sample) -> int:
    """Clusters whose mean is not the most frequent one."""
    means = sample.totals(sample.values) / np.bincount(sample.cluster, minlength=sample.count)
    _, counts = np.unique(np.round(means, 12), return_counts=True)
    return sample.count - int(counts.max())


def _freedom(sample: _Sample, spread: float) -> float:
    """Satterthwaite's degrees of freedom of the clusters' variance, for the share of it that all items of one have alike.

    One less than the clusters where they weigh the same, fewer where some weigh more; at least 1.
    """
    spread = min(1.0, max(0.0, spread))
    parts = (1.0 - spread) * sample.totals(sample.weights**2) + spread * sample.cluster_weights**2
    return max(1.0, float(np.sum(parts)) ** 2 / float(np.sum(parts**2)) - 1.0)


def _mean(sample: _Sample, *, level: float, bounds: tuple[float, float] | None) -> Share:
    mean = sample.mean
    if bounds is not None and not (bounds[0] - 1e-9 <= sample.values.min() and sample.values.max() <= bounds[1] + 1e-9):
        raise StatisticsError(f"every item lies between {bounds[0]:g} and {bounds[1]:g}, got one that does not")
    variance = _variance(sample, mean) if sample.count > 1 else 0.0
    if variance <= (ROUNDING * float(np.abs(sample.values).max())) ** 2:
        variance = 0.0  # rounding of clusters that are all alike: an interval of that width would be none
    df = _freedom(sample, 1.0)
    quantile = t_quantile(level, df)
    reach = quantile * math.sqrt(variance) if variance > 0.0 else (math.inf if bounds is None else 0.0)
    if bounds is not None:
        reach = max(reach, _few_differ_reach(sample, bounds, level=level, df=df))
    low, high = mean - reach, mean + reach
    if bounds is not None:
        low, high = max(bounds[0], low), min(bounds[1], high)
    return Share(
        value=mean,
        low=low,
        high=high,
        standard_error=reach / quantile,
        df=df,
        clusters=sample.count,
        effective=0.0,
    )


def _few_differ_reach(sample: _Sample, bounds: tuple[float, float], *, level: float, df: float) -> float:
    """How far the mean may be off for clusters that differ and were not sampled; 0 where enough of them were."""
    differing = _differing(sample)
    if differing >= min(FEW, sample.count / 2.0):
        return 0.0
    share = differing / sample.count
    unseen = wilson(share, sample.fewest, level=level, df=df)[1] - share
    values, counts = np.unique(np.round(sample.values, 12), return_counts=True)
    usual = values[counts == counts.max()]  # all of them: turning the values round must turn the interval round
    return unseen * float(max(bounds[1] - usual.min(), usual.max() - bounds[0]))


def _mcnemar(changes: Floats) -> float:
    """Exact two-sided p of as many changes up as down: the binomial of the smaller count among the changed."""
    up, down = int(np.sum(changes > 0)), int(np.sum(changes < 0))
    return 1.0 if up + down == 0 else float(min(1.0, 2.0 * bdtr(min(up, down), up + down, 0.5)))


def _t_p(distance: float, mean: Share) -> float:
    if not mean.standard_error > 0.0 or math.isinf(mean.standard_error):
        return 1.0
    return float(min(1.0, 2.0 * stdtr(mean.df, -abs(distance) / mean.standard_error)))


def _check_shares(values: Floats) -> None:
    if values.min() < 0.0 or values.max() > 1.0:
        raise StatisticsError(f"a hit lies between 0 and 1, got {values.min():g} to {values.max():g}")
