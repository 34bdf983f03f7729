"""The part of the recomputation that is about the share of a bias that a child is rid of, on the same people and templates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from recompute_changes import SHARES, deviation_of  # type: ignore[import-not-found]  # beside the script
from recompute_formulas import (  # type: ignore[import-not-found]  # beside the script
    Answer,
    Contrast,
    Table,
    assumed_n,
    contrast,
    mean_over_templates,
    t_times,
    trimmed,
    unseen,
    wilson,
)
from scipy import optimize, stats

Pair = Sequence[Table]


def removed(metric: str, after: Pair, before: Pair, *, level: float) -> tuple[float | None, Answer, float | None]:
    """The share removed, its ends (an answer without a value of its own where there are none), and p of nothing removed.

    Fieller: the ratios r of child to parent with |c - r p| no more than t standard errors of c - r p, found with Brent's
    method; the share left is |r|.
    """
    after, before = list(after), list(before)
    for side in (0, 1):
        gone = np.isnan(after[side]) | np.isnan(before[side])
        after[side], before[side] = np.where(gone, np.nan, after[side]), np.where(gone, np.nan, before[side])
    pairs = [trimmed(*after), trimmed(*before)]
    gaps = [mean_over_templates(pair[1]) - mean_over_templates(pair[0]) for pair in pairs]
    scale = max(deviation_of("smd", pairs[0]), abs(gaps[0]))
    few = 0.0
    if metric.startswith("smd"):
        for at, pair in enumerate(pairs):
            s = deviation_of(metric, pair)
            gaps[at] /= s
            pairs[at] = with_error_of_spread(metric, pair, s, gaps[at])
        scale = max(1.0, abs(gaps[0]))
    elif metric in SHARES:
        scale = 1.0
        few = few_changes(pairs, level)
    c, p = gaps
    value = 1 - abs(c / p)
    if min(len(table) for table in pairs[0]) < 2:
        return value, (None, None), None

    def at_ratio(r: float) -> Contrast:
        return contrast(*[now - r * then for now, then in zip(*pairs, strict=True)])

    still = at_ratio(c / p)
    floor = max(few, unseen(still, level) * scale if still.variance <= 0 else 0.0)

    def beyond(r: float) -> float:
        """How far c - r p lies beyond its reach; below 0 in the set."""
        found = at_ratio(r)
        return float(abs(c - r * p) - math.hypot(t_times(level, found.df) * math.sqrt(found.variance), floor))

    ps = []
    for sign in (1, -1):
        found = at_ratio(sign)
        error = math.sqrt(found.variance + (floor / t_times(level, found.df)) ** 2)
        ps.append(2 * float(stats.t.sf(abs(c - sign * p) / error, found.df)))
    own = contrast(*pairs[1])
    reach = t_times(level, own.df) * math.sqrt(own.variance) if own.variance > 0 else unseen(own, level) * scale
    if abs(p) <= reach:
        return value, (None, None), None
    ends = []
    for side in (-1, 1):
        steps = [c / p + side * 0.003 * 1.5**k for k in range(40)]
        outside = max((k for k, r in enumerate(steps) if beyond(r) <= 0), default=-1) + 1
        ends.append(optimize.brentq(beyond, steps[outside - 1] if outside else c / p, steps[outside], xtol=1e-13))
    sizes = sorted(abs(one) for one in ends)
    return value, (None, (1 - sizes[1], 1.0 if ends[0] <= 0 <= ends[1] else 1 - sizes[0])), max(ps)


def with_error_of_spread(metric: str, pair: Pair, s: float, d: float) -> tuple[Table, Table]:
    """The cells over s, each with what it adds to the error of s: -d/2 of its part in s^2 over s^2, on the group's side."""
    rows = [int(np.count_nonzero(~np.isnan(table))) - 1 for table in pair] if metric == "smd_pooled" else [1, 1]
    made = []
    for sign, share, table in zip((-1, 1), rows, pair, strict=True):
        part = share / sum(rows) * ((table - np.nanmean(table)) / s) ** 2
        made.append(table / s - sign * d / 2 * part)
    return made[0], made[1]


def few_changes(pairs: Sequence[Pair], level: float) -> float:
    """As far as Wilson leaves room above the share of changed answers, where those are few."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    above = []
    for now, then in zip(*pairs, strict=True):
        rows = (now - then)[~np.isnan(now - then)]
        share = float(np.mean(rows != np.median(rows)))
        n = assumed_n(len(rows), *now.shape)
        above.append(wilson(share, n, z)[1] - share if share * n < 5 else 0.0)
    return math.sqrt(above[0] ** 2 + above[1] ** 2)
