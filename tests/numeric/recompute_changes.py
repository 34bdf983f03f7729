"""The part of the recomputation that is about changes against another model, on the same people and templates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from recompute_formulas import (  # type: ignore[import-not-found]  # beside the script
    Answer,
    Table,
    assumed_n,
    contrast,
    mean_over_templates,
    t_times,
    trimmed,
    unseen,
    variance_of_rows,
    wilson,
)
from scipy import stats

IDEAL = {"mann_whitney": 0.5, "mean_ratio": 1.0, "impact_ratio": 1.0, "odds_ratio": 1.0}
RATIOS = ("mean_ratio", "impact_ratio", "odds_ratio")
SHARES = ("rate_difference", "refusal_rate_difference")
PAIRED = ("mean_difference", "smd", "smd_pooled", *SHARES)

Pair = Sequence[Table]


def increase(metric: str, after: Pair, before: Pair, *, level: float, seed: int, resamples: int) -> Answer:
    """|after| - |before| from the ideal; cells missing in either model are left out of both."""
    after, before = list(after), list(before)
    for side in (0, 1):
        gone = np.isnan(after[side]) | np.isnan(before[side])
        after[side], before[side] = np.where(gone, np.nan, after[side]), np.where(gone, np.nan, before[side])
    if metric in PAIRED:
        return paired(metric, trimmed(*after), trimmed(*before), level)
    if all(np.array_equal(one, other, equal_nan=True) for one, other in zip(after, before, strict=True)):
        return unchanged(metric, trimmed(*after), level)
    return resampled(metric, after, before, level=level, seed=seed, resamples=resamples)


def deviation_of(metric: str, pair: Pair) -> float:
    rows = [int(np.count_nonzero(~np.isnan(table))) - 1 for table in pair] if metric == "smd_pooled" else [1, 1]
    squares = sum(weight * variance_of_rows(table) for weight, table in zip(rows, pair, strict=True))
    return math.sqrt(squares / sum(rows)) if sum(rows) else 0.0


def paired(metric: str, after: Pair, before: Pair, level: float) -> Answer:
    standardised = metric.startswith("smd")
    spread = [deviation_of(metric, pair) for pair in (after, before)]
    scale = 1.0 if metric in SHARES or standardised else max(spread)
    if standardised:
        if 0.0 in spread:
            return None, None
        after, before = [one / spread[0] for one in after], [one / spread[1] for one in before]
    gaps = [mean_over_templates(pair[1]) - mean_over_templates(pair[0]) for pair in (after, before)]
    value = abs(gaps[0]) - abs(gaps[1])
    if min(len(table) for table in after) < 2:
        return value, None
    freedom = len(after[0]) + len(after[1]) - 2
    ends = []
    z = float(stats.norm.ppf(0.5 + level / 2))
    for sign in (-1, 1):
        tables = [one + sign * other for one, other in zip(after, before, strict=True)]
        parts = contrast(*tables)
        centre = gaps[0] + sign * gaps[1]
        extra = centre**2 / (2 * freedom) if standardised else 0.0
        reach = t_times(level, parts.df) * math.sqrt(parts.variance + extra)
        worth = [assumed_n(fit.count, fit.people, fit.templates) for fit in (parts.r, parts.g)]
        if parts.variance <= 0:
            reach = max(reach, unseen(parts, level) * max(scale, abs(centre)))
        elif metric in SHARES:
            above = []
            for table, n in zip(tables, worth, strict=True):
                rows = table[~np.isnan(table)]
                share = float(np.mean(rows != np.median(rows)))
                above.append(wilson(share, n, z)[1] - share if share * n < 5 else 0.0)
            reach = max(reach, math.sqrt(above[0] ** 2 + above[1] ** 2))
        ends.append((centre - reach, centre + reach))
    # |c| - |p| from u = c - p and v = c + p is the smaller of |u| and |v|, below 0 where u and v differ in sign; it is
    # monotone in each, so its extremes lie at corners of the two intervals.
    corners = [min(abs(u), abs(v)) * (1 if (u > 0) == (v > 0) else -1) for u in ends[0] for v in ends[1]]
    return value, (min(corners), max(corners)) if min(corners) < max(corners) else None


def resampled(metric: str, after: Pair, before: Pair, *, level: float, seed: int, resamples: int) -> Answer:
    """Every resample computes both models anew, from the same people and templates.

    Draws: numpy's default generator, a multinomial count a resample: of the reference people, of the group's people (unless
    only templates are drawn), of the templates (unless only people are); as many resamples of both as the
    interval's method says, then a third of that of people, then of templates.
    """

    def far(pair: Pair) -> float:
        tables = trimmed(*pair)
        value = value_of(metric, tables) if min(len(table) for table in tables) and tables[0].size else None
        if value is None:
            return math.nan
        if metric in RATIOS:
            return abs(math.log(value)) if value > 0 else math.inf
        return abs(value - IDEAL.get(metric, 0.0))

    value = far(after) - far(before)
    people, templates = [len(table) for table in after], after[0].shape[1]
    generator = np.random.default_rng(seed)

    def rows(count: int) -> np.ndarray:
        return np.repeat(np.arange(count), generator.multinomial(count, [1.0 / count] * count, size=1)[0])

    spread = []
    for kind, times in (("both", resamples), ("people", resamples // 3), ("templates", resamples // 3)):
        changes = []
        for _ in range(times):
            drawn = [rows(n) if kind != "templates" else np.arange(n) for n in people]
            columns = rows(templates) if kind != "people" else np.arange(templates)
            pairs = [
                [table[np.ix_(row, columns)] for table, row in zip(pair, drawn, strict=True)]
                for pair in (after, before)
            ]
            with np.errstate(invalid="ignore"):
                changes.append(np.subtract(far(pairs[0]), far(pairs[1])))
        kept = [one for one in changes if math.isfinite(one)]
        spread.append(float(np.var(kept, ddof=1)) if len(kept) > times // 2 else math.nan)
    both, of_people, of_templates = spread
    error = math.sqrt(both) if both > 0 else 0.0
    if not error > 1e-12 * max(1.0, abs(far(after)), abs(far(before))):
        return value, None
    share = of_people / (min(people) - 1) + (of_templates / (templates - 1) if templates > 1 else 0.0)
    total = of_people + of_templates
    df = total / share if share > 0 and math.isfinite(total) else min([*people, templates + 1]) - 1.0
    reach = t_times(level, df) * error
    return value, (value - reach, value + reach)


def unchanged(metric: str, pair: Pair, level: float) -> Answer:
    """No cell differs: nothing, give or take what cells not asked could differ, each moving the metric by its share."""
    if min(len(table) for table in pair) < 2:
        return 0.0, None
    means = [mean_over_templates(table) for table in pair]
    scale = deviation_of(metric, pair)
    if metric == "impact_ratio":
        scale = 1 / max(1e-9, min(means))
    elif metric == "odds_ratio":
        scale = 1 / max(1e-9, min(mean * (1 - mean) for mean in means))
    elif metric == "mean_ratio":
        scale /= min(means)
    elif metric == "mann_whitney":
        scale = 1.0
    z = float(stats.norm.ppf(0.5 + level / 2))
    cells = [int(np.count_nonzero(~np.isnan(table))) for table in pair]
    differing = [wilson(0.0, assumed_n(n, *table.shape), z)[1] for n, table in zip(cells, pair, strict=True)]
    reach = math.sqrt(differing[0] ** 2 + differing[1] ** 2) * scale
    return 0.0, (-reach, reach) if reach > 0 else None


def value_of(metric: str, tables: Pair) -> float | None:
    """The value without its interval."""
    r, g = tables
    if metric == "median_difference":
        return float(np.nanmedian(g) - np.nanmedian(r))
    if metric == "wasserstein":
        return float(stats.wasserstein_distance(r[~np.isnan(r)], g[~np.isnan(g)]))
    if metric == "mann_whitney":
        wins = []
        for of_r, of_g in zip(r.T, g.T, strict=True):
            gaps = np.subtract.outer(of_g[~np.isnan(of_g)], of_r[~np.isnan(of_r)])
            wins.append(float(np.mean(gaps > 0) + np.mean(gaps == 0) / 2))
        return float(np.mean(wins))
    below, above = mean_over_templates(r), mean_over_templates(g)
    if metric == "mean_ratio":
        return above / below if min(below, above) > 0 else None
    if metric == "impact_ratio":
        return min(below, above) / max(below, above) if max(below, above) > 0 else None
    return above * (1 - below) / ((1 - above) * below) if 0 < below < 1 and 0 < above < 1 else None
