"""How much of a parent's ability its child keeps: the ratio of two shares of the same items, with an interval.

Uses numpy; knows nothing of metrics. "Recovery" is the compressed model's score over the baseline's, as in llm-compressor.

Items are answered by both models. With p and c what an item is worth for parent and child (0 to 1), and sums weighted:

    R = sum c / sum p = K + G
    K = sum min(c, p) / sum p           of what the parent had, the share the child keeps
    G = sum max(c - p, 0) / sum p       what the child has and the parent had not; G = Q (1 - P) / P
    Q = sum max(c - p, 0) / sum (1 - p) of what the parent lacked, the share the child gains
    P = sum p                           the parent's own share

K, Q and P are shares of disjoint things, each with Wilson's interval for the number of independent items it rests on; their
limits give limits of R (the "variance recovered" rule of Zou and Donner 2008). That keeps a width where the two agree on
every item (K is 1 and Q is 0) and is asymmetric where few items changed. Clusters in which both much is lost and much
gained make K and Q depend on one another: therefore each end lies at least as far out as the linearised ratio's t
interval, from the residuals c - R p (Taylor; Cochran 1977, section 6.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.clustered import clustered_reach, weighted_share, weights_of
from pytest_biasaudit.stats.crossed import NAMES_ONLY, t_quantile
from pytest_biasaudit.stats.overall import OverallShare, crossed_influence, overall_share

NOTHING_THERE = "the other model has nothing of it, so there is nothing to recover"
Floats = NDArray[np.float64]
Limits = tuple[float, float, float]
"""A share with its lower and upper limit."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A ratio of two shares of the same items."""

    value: float
    low: float
    high: float
    """Never equal to `low`."""
    clusters: int
    """What was sampled: clusters of items, or templates."""


def recovery_of_items(
    hits: Sequence[float], earlier: Sequence[float], clusters: Sequence[str], *, level: float, macro: bool = False
) -> Recovery:
    """The mean of `hits` over that of `earlier`, the same items in the same order, 0 to 1 each.

    macro  means over clusters of each cluster's mean, as in `clustered.macro_share`

    Raises StatisticsError for lists of unlike length, values outside 0 to 1, or a parent without a hit: then there is
    nothing to recover.
    """
    if len(hits) != len(earlier):
        raise StatisticsError(f"pairs have two sides: got {len(hits)} items now and {len(earlier)} earlier")
    child, parent = np.asarray(hits, dtype=np.float64), np.asarray(earlier, dtype=np.float64)
    _check(child, parent)
    weights = weights_of(clusters, macro=macro)
    own, gone = weights * parent, weights * (1.0 - parent)

    def limits(values: Floats, of: Floats) -> Limits:
        share = weighted_share(values, of, clusters, level=level)
        return share.value, share.low, share.high

    kept = limits(np.minimum(child, parent) / np.where(parent > 0, parent, 1.0), own)
    gained = None
    if gone.sum() > 0:
        gained = limits(np.maximum(child - parent, 0.0) / np.where(parent < 1, 1.0 - parent, 1.0), gone)
    had = limits(parent, weights)
    value = float(child @ weights) / float(parent @ weights)  # one sum for both: alike is exactly 1
    straight = clustered_reach(weights * (child - value * parent) / had[0], weights, clusters, level=level)
    low, high = _ends(value, kept, gained, had, straight)
    return Recovery(value=value, low=low, high=high, clusters=len(set(clusters)))


def recovery_of_cells(child: Sequence[Floats], parent: Sequence[Floats], *, level: float) -> Recovery:
    """The mean cell of one model over that of the other, over crossed people and templates.

    child, parent  a (people, templates) table a group, 0 to 1 each, NaN where there is nothing; a cell counts where both
                   models have one

    Raises StatisticsError as `recovery_of_items` does.
    """
    now, then = np.vstack(list(child)), np.vstack(list(parent))
    both = ~(np.isnan(now) | np.isnan(then))
    here = both.astype(np.float64)
    now, then = np.where(both, now, 0.0), np.where(both, then, 0.0)
    _check(now, then)
    places = np.cumsum([len(table) for table in child])[:-1]

    def share(counted: Floats, out_of: Floats) -> OverallShare:
        return overall_share(np.split(counted, places), np.split(out_of, places))

    def limits(counted: Floats, out_of: Floats) -> Limits:
        found = share(counted, out_of)
        return (found.rate, *found.limits(level=level))

    kept = limits(np.minimum(now, then), then)
    gone = here - then
    gained = limits(np.maximum(now - then, 0.0), gone) if gone.sum() > 0 else None
    had = limits(then, here)
    total = float(then.sum())
    value = float(now.sum()) / total
    found = crossed_influence((now - value * then) / total, np.split(here, places))
    straight = t_quantile(level, found.df) * math.sqrt(found.variance) if found.variance > 0 else 0.0
    low, high = _ends(value, kept, gained, had, straight)
    return Recovery(value=value, low=low, high=high, clusters=found.templates)


def method_of(templates: int) -> str:
    """The name of a crossed recovery's interval, for people."""
    name = "paired, Wilson over kept and gained"
    return name if templates > 1 else f"{NAMES_ONLY.split(' (')[0]}: {name}"


def _ends(value: float, kept: Limits, gained: Limits | None, had: Limits, straight: float) -> tuple[float, float]:
    """Limits of K + Q (1 - P) / P from those of its parts, at least `straight` away on both sides."""
    gain, gain_low, gain_high = _gain(gained, had)
    down = max(math.hypot(kept[0] - kept[1], gain - gain_low), straight)
    up = max(math.hypot(kept[2] - kept[0], gain_high - gain), straight)
    return max(0.0, value - down), value + up


def _gain(gained: Limits | None, had: Limits) -> Limits:
    """Q (1 - P) / P with its limits: on the log scale, where neither factor is 0."""
    odds, odds_high, odds_low = ((1.0 - share) / share for share in had)
    if gained is None:
        return 0.0, 0.0, odds_high  # no item that the parent lacks: of those not sampled the child may have all
    share, low, high = gained
    if share == 0.0:
        return 0.0, 0.0, high * odds_high
    middle = share * odds
    down = math.exp(-math.hypot(math.log(share / low), math.log(odds / odds_low))) if low > 0 and odds_low > 0 else 0.0
    up = math.exp(math.hypot(math.log(high / share), math.log(odds_high / odds)))
    return middle, middle * down, middle * up


def _check(child: Floats, parent: Floats) -> None:
    for values in (child, parent):
        if not np.isfinite(values).all() or (values < 0.0).any() or (values > 1.0).any():
            raise StatisticsError("a hit lies between 0 and 1")
    if not (parent > 0.0).any():
        raise StatisticsError(NOTHING_THERE)
