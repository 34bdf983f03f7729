"""The part of the recomputation that is about shares: selection rates, their ratios, answer and inlier rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from recompute_formulas import (  # type: ignore[import-not-found]  # beside the script
    Answer,
    Contrast,
    Ends,
    Fit,
    Table,
    contrast,
    mean_over_templates,
    n_worth,
    t_times,
    unseen,
    wilson,
)
from scipy import optimize, stats

FEW_FOR_A_DIFFERENCE = 5.0
FEW_FOR_A_RATIO = 2.5


def clean(rate: float) -> float:
    """A share within 0 and 1, without the rounding of its mean."""
    return min(1.0, max(0.0, round(rate, 14)))


class Rates:
    """Two groups' rates and the number of independent answers that each is worth."""

    def __init__(self, reference: Table, group: Table) -> None:
        self.tables = (reference, group)
        self.parts = parts = contrast(reference, group)
        self.rates = (clean(mean_over_templates(reference)), clean(mean_over_templates(group)))
        self.worth = []
        for side, fit in enumerate((parts.r, parts.g)):
            own = max(parts.names[side] + parts.between / 2 - parts.cells[side], parts.names[side])
            self.worth.append(
                n_worth(self.rates[side], own, cells=fit.count, people=fit.people, templates=fit.templates)
            )
        self.edge = bool({0.0, 1.0} & set(self.rates))
        self.fewest = min(min(rate, 1 - rate) * n for rate, n in zip(self.rates, self.worth, strict=True))

    def short_of(self, few: float) -> bool:
        return bool(self.fewest < few or self.parts.variance <= 0)


def share_difference(reference: Table, group: Table, *, level: float) -> Answer:
    value = clean(mean_over_templates(group)) - clean(mean_over_templates(reference))
    if min(len(reference), len(group)) < 2:
        return value, None
    pair = Rates(reference, group)
    reach = t_times(level, pair.parts.df) * math.sqrt(pair.parts.variance)
    low, high = value - reach, value + reach
    if pair.short_of(FEW_FOR_A_DIFFERENCE):
        z = float(stats.norm.ppf(0.5 + level / 2))
        (r, g) = pair.rates
        (low_r, high_r), (low_g, high_g) = (wilson(rate, n, z) for rate, n in zip(pair.rates, pair.worth, strict=True))
        low = min(low, value - math.sqrt((g - low_g) ** 2 + (high_r - r) ** 2))
        high = max(high, value + math.sqrt((high_g - g) ** 2 + (r - low_r) ** 2))
    return value, (max(-1.0, low), min(1.0, high))


def impact_ratio(reference: Table, group: Table, *, level: float) -> Answer:
    rates = clean(mean_over_templates(reference)), clean(mean_over_templates(group))
    if max(rates) == 0:
        return None, None
    value = min(rates) / max(rates)
    if min(len(reference), len(group)) < 2:
        return value, None
    pair, alpha = Rates(reference, group), 1 - level
    higher, lower = (group, reference) if rates[1] > rates[0] else (reference, group)
    fit_h, fit_l = Fit(higher), Fit(lower)
    largest = float(np.nanmax(np.abs(np.concatenate([higher.ravel(), lower.ravel()]))))

    def tail(of: Fit, against: Fit, rho: float, sign: int) -> float:
        """Chance of "of" minus rho "against" this far down (+1) or up (-1), were its mean nothing."""
        found = Contrast(against, of, times=rho)
        if found.still(max(1.0, rho) * largest):
            return 0.5 if found.value == 0 else float(sign * found.value > 0)
        return float(stats.t.cdf(sign * found.value / math.sqrt(found.variance), found.df))

    def below(rho: float) -> float:
        return tail(fit_l, fit_h, rho, +1)

    def as_far(rho: float) -> float:
        return below(rho) + tail(fit_h, fit_l, rho, -1)

    low = turn = 0.0
    if value > 0:
        here = Contrast(fit_h, fit_l, times=value)
        variance, df = here.variance, here.df
        if here.still(max(1.0, value) * largest):
            variance, df = 0.0, min(len(higher), len(lower)) - 1.0
        turn = math.exp(-t_times(level, df) * math.sqrt(variance) / fit_l.mean)
        low = value * turn
    else:
        turn = 1.0
    high = 1.0 if as_far(1.0) >= alpha else root(lambda x: alpha - as_far(x), value, 1.0)
    if high < turn:
        strict = 1.0 if below(1.0) >= alpha / 2 else root(lambda x: alpha / 2 - below(x), value, 1.0)
        high = min(strict, turn)
    if pair.parts.variance <= 0 and not pair.edge:
        reach = unseen(pair.parts, level) / min(rates)
        return value, (value * math.exp(-reach), min(1.0, value * math.exp(min(reach, 700.0))))
    if pair.edge or pair.short_of(FEW_FOR_A_RATIO):
        sides = sorted(zip(pair.rates, pair.worth, strict=True))
        wide = mover(*sides[1], *sides[0], level=level)
        low, high = min(low, wide[0], 1 / wide[1]), max(high, min(1.0, wide[1]))
    return value, (low, high) if low < high else None


def root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero; an end where it does not change sign between them."""
    if rising(low) >= 0:
        return low
    if rising(high) < 0:
        return high
    return float(optimize.brentq(rising, low, high, xtol=1e-15, rtol=1e-14, maxiter=500))


def mover(rate_r: float, n_r: float, rate_g: float, n_g: float, *, level: float) -> Ends:
    """Limits x of rate_g / rate_r: roots of (rate_g - end_g)^2 + x^2 (rate_r - end_r)^2 = (rate_g - x rate_r)^2."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    (low_r, high_r), (low_g, high_g) = wilson(rate_r, n_r, z), wilson(rate_g, n_g, z)

    def roots(end_g: float, end_r: float) -> list[float]:
        squared, linear = end_r * (2 * rate_r - end_r), -2 * rate_g * rate_r
        constant = end_g * (2 * rate_g - end_g)
        inside = max(0.0, linear**2 - 4 * squared * constant)
        if squared == 0:
            return [constant / -linear if linear else math.inf, math.inf]
        return sorted((-linear + sign * math.sqrt(inside)) / (2 * squared) for sign in (-1, 1))

    lower, upper = roots(low_g, high_r), roots(high_g, low_r)
    squared = high_r * (2 * rate_r - high_r)
    low = lower[0] if squared > 0 else lower[1]
    return max(0.0, low), max(upper)


def odds_ratio(reference: Table, group: Table, *, level: float) -> Answer:
    r, g = clean(mean_over_templates(reference)), clean(mean_over_templates(group))
    if r == 0 or g == 1:
        return None, None
    value = 0.0 if g == 0 or r == 1 else (g / (1 - g)) / (r / (1 - r))
    if min(len(reference), len(group)) < 2:
        return value, None
    pair = Rates(reference, group)
    lows, highs, df = [], [], pair.parts.df
    if not pair.edge:
        parts = contrast(reference / (r * (1 - r)), group / (g * (1 - g)))
        df = parts.df
        reach = t_times(level, df) * math.sqrt(parts.variance)
        lows.append(math.log(value) - reach)
        highs.append(math.log(value) + reach)
    if pair.edge or pair.short_of(FEW_FOR_A_RATIO):
        (yes_r, no_r), (yes_g, no_g) = (
            (rate * n + 0.5, (1 - rate) * n + 0.5) for rate, n in zip(pair.rates, pair.worth, strict=True)
        )
        middle = math.log(yes_g * no_r / (no_g * yes_r))
        reach = t_times(level, max(df, 1.0)) * math.sqrt(1 / yes_r + 1 / no_r + 1 / yes_g + 1 / no_g)
        lows.append(middle - reach)
        highs.append(middle + reach)
    return value, (0.0 if value == 0 else math.exp(min(lows)), math.exp(min(max(highs), 700.0)))


def overall_share(counted: Sequence[Table], out_of: Sequence[Table], *, level: float) -> Answer:
    """A share of totals over all groups, Wilson's interval with the number of answers people and templates leave."""
    total = sum(float(table.sum()) for table in out_of)
    if total <= 0:
        return None, None
    rate = clean_total(sum(float(table.sum()) for table in counted) / total)
    pulls = [(top - rate * bottom) / total for top, bottom in zip(counted, out_of, strict=True)]
    of_people, square, people = 0.0, 0.0, 0
    for pull, bottom in zip(pulls, out_of, strict=True):
        sums = [float(row.sum()) for row, asked in zip(pull, bottom, strict=True) if asked.sum() > 0]
        people += len(sums)
        if len(sums) > 1:
            part = len(sums) * float(np.var(sums, ddof=1))
            of_people += part
            square += part**2 / (len(sums) - 1)
    everyone, asked = np.concatenate(pulls), np.concatenate(list(out_of))
    columns = [t for t in range(asked.shape[1]) if asked[:, t].sum() > 0]
    of_templates, single = 0.0, 0.0
    if len(columns) > 1:
        sums = [float(everyone[:, t].sum()) for t in columns]
        of_templates = len(columns) / (len(columns) - 1) * sum(one**2 for one in sums)
        square += of_templates**2 / (len(columns) - 1)
        single = float((everyone**2).sum())
    variance = max(of_people + of_templates - single, of_people, of_templates)
    cells = int(np.count_nonzero(asked))
    n = n_worth(rate, variance, cells=cells, people=people, templates=len(columns))
    if 0 < rate < 1 and variance > 0 and square > 0:
        times = t_times(level, max(1.0, variance**2 / square))
    else:
        times = float(stats.norm.ppf(0.5 + level / 2))
    return rate, wilson(rate, n, times)


def clean_total(rate: float) -> float:
    return min(1.0, max(0.0, rate))
