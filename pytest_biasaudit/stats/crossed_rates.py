"""How sure, about shares of crossed tables: differences and ratios of two groups' rates. Uses numpy; knows no metrics.

Cells are 0 or 1, or shares where an answer was repeated. The variance is that of `crossed`; where a rate is near or at 0
or 1, and that variance says too little, Wilson-type limits from an effective number of answers widen the interval, so that
it never collapses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from pytest_biasaudit.stats.crossed import Contrast, contrast, contrasts, t_quantile
from pytest_biasaudit.stats.proportion import effective_n, mover_ratio, newcombe
from pytest_biasaudit.stats.unvaried import unvaried_reach

FEW = 5.0
"""Effective selections (or rejections) in a group under which a difference's interval is widened to Wilson-type limits."""
SCARCE = 2.5
"""The same for a ratio, whose test stands fewer."""


@dataclass(frozen=True, kw_only=True)
class RatePair:
    """Two groups' rates, their crossed contrast, and what each is worth in independent answers."""

    reference: float
    group: float
    crossed: Contrast
    n_reference: float
    """Effective number of answers; see `proportion.effective_n`."""
    n_group: float

    @property
    def at_the_edge(self) -> bool:
        """A rate of exactly 0 or 1: its variance cannot be seen."""
        return self.reference in (0.0, 1.0) or self.group in (0.0, 1.0)

    @property
    def fewest(self) -> float:
        """The least effective number of selections or rejections in either group."""
        return min(
            min(self.reference, 1.0 - self.reference) * self.n_reference,
            min(self.group, 1.0 - self.group) * self.n_group,
        )

    @property
    def widened(self) -> bool:
        """So few selections or rejections, or so little seen to vary, that the t interval of a difference says too little."""
        return self.fewest < FEW or self.crossed.variance <= 0.0

    @property
    def scarce(self) -> bool:
        """The same for a ratio."""
        return self.fewest < SCARCE or self.crossed.variance <= 0.0


def rate_pair(reference: NDArray[np.float64], group: NDArray[np.float64]) -> RatePair:
    """Rates and variances of two tables of shares, as `crossed.shared` gives them, at least 2 people each."""
    parts = contrast(reference, group)
    templates = parts.template_count

    def worth(rate: float, side: int) -> float:
        own = parts.names[side] + parts.templates / 2.0 - parts.cells[side]
        variance = max(own, parts.names[side])
        return effective_n(
            rate, variance, cells=parts.cell_counts[side], people=parts.people[side], templates=templates
        )

    rates = tuple(_snapped(mean) for mean in (parts.reference_mean, parts.group_mean))
    return RatePair(
        reference=rates[0],
        group=rates[1],
        crossed=parts,
        n_reference=worth(rates[0], 0),
        n_group=worth(rates[1], 1),
    )


def _snapped(rate: float) -> float:
    """A mean of ones can come out a rounding error away from 1."""
    for edge in (0.0, 1.0):
        if abs(rate - edge) < 1e-12:
            return edge
    return rate


def difference_limits(pair: RatePair, *, level: float) -> tuple[float, float]:
    """Limits of the group's rate minus the reference group's, within -1 and 1."""
    parts = pair.crossed
    difference = pair.group - pair.reference
    reach = t_quantile(level, parts.df) * math.sqrt(parts.variance)
    low, high = difference - reach, difference + reach
    if parts.variance <= 0.0 and not pair.at_the_edge:
        reach = unvaried_reach(parts, scale=1.0, level=level)
        low, high = difference - reach, difference + reach
    elif pair.widened:
        wide = newcombe(pair.reference, pair.n_reference, pair.group, pair.n_group, level=level)
        low, high = min(low, wide[0]), max(high, wide[1])
    return max(-1.0, low), min(1.0, high)


def impact_limits(
    reference: NDArray[np.float64], group: NDArray[np.float64], pair: RatePair, *, level: float
) -> tuple[float, float]:
    """Limits of the lower of two rates over the higher, within 0 and 1. Not for two rates of 0: no ratio exists.

    Which group is the lower is not known beforehand, so:

    - a ratio rho closer to 1 than the estimate is dropped when the test of "lower rate minus rho times higher rate is zero"
      (Fieller's, with the crossed variance and degrees of freedom of that very contrast) finds a ratio so far from 1 in
      either direction rare: its chance is under alpha = 1 - level;
    - a ratio further from 1 is dropped when it lies below the lower end of the log ratio's crossed t interval: its tail is
      under alpha / 2;
    - where a ratio could be dropped for either reason, alpha / 2 holds for both.

    So the chance of dropping the true ratio is alpha, also where it is near or at 1. Taking the signed ratio's interval and
    folding it at 1 would cover 97.5 % or more in place of 95.
    """
    alpha = 1.0 - level
    higher, lower = (group, reference) if pair.group > pair.reference else (reference, group)
    value = min(pair.reference, pair.group) / max(pair.reference, pair.group)
    as_seen, other_way = contrasts(higher, lower), contrasts(lower, higher)

    def below(rho: float) -> float:
        """Chance of a ratio as low as seen or lower, were it rho and the lower group truly the lower."""
        return _tail(as_seen(rho), +1)

    def as_far(rho: float) -> float:
        """The same for a ratio as far from 1 in either direction."""
        return below(rho) + _tail(other_way(rho), -1)

    low = _log_low(as_seen, value, level=level)
    turn = 1.0 if value == 0.0 else low / value
    high = 1.0 if as_far(1.0) >= alpha else _crossing(lambda rho: alpha - as_far(rho), value, 1.0)
    if high < turn:
        strict = 1.0 if below(1.0) >= alpha / 2 else _crossing(lambda rho: alpha / 2 - below(rho), value, 1.0)
        high = min(strict, turn)
    if pair.crossed.variance <= 0.0 and not pair.at_the_edge:
        reach = unvaried_reach(pair.crossed, scale=1.0, level=level) / min(pair.reference, pair.group)
        low, high = value * math.exp(-reach), min(1.0, value * math.exp(min(reach, 700.0)))
    elif pair.at_the_edge or pair.scarce:
        sides = [(pair.reference, pair.n_reference), (pair.group, pair.n_group)]
        top, bottom = max(sides), min(sides)
        wide = mover_ratio(*top, *bottom, level=level)
        low = min(low, wide[0], 1.0 / wide[1])
        high = max(high, min(1.0, wide[1]))
    return low, high


def _log_low(at: Callable[[float], Contrast], value: float, *, level: float) -> float:
    """Lower end of the crossed t interval of the log ratio; `at(value)` is its contrast, times the lower rate."""
    if value == 0.0:
        return 0.0
    parts = at(value)
    return value * math.exp(-t_quantile(level, parts.df) * math.sqrt(parts.variance) / parts.group_mean)


def _tail(parts: Contrast, sign: int) -> float:
    """Chance of a contrast this low (sign +1) or this high (sign -1) or beyond, were its mean zero."""
    if parts.variance <= 0.0:
        return 0.5 if parts.difference == 0.0 else float(sign * parts.difference > 0)
    return float(stdtr(parts.df, sign * parts.difference / math.sqrt(parts.variance)))


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is negative at `low` and positive at `high` crosses zero, to the last digits, by halving."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@dataclass(frozen=True, kw_only=True)
class OddsLimits:
    """Limits of an odds ratio, and the standard error of its logarithm."""

    low: float
    high: float
    error: float
    df: float


def odds_limits(
    reference: NDArray[np.float64], group: NDArray[np.float64], pair: RatePair, *, level: float
) -> OddsLimits:
    """Limits of the group's odds over the reference group's, through the log odds; not where that is infinite.

    The variance is the crossed one of cells over rate (1 - rate). Where selections or rejections are few, half a count is
    added to each of the four effective counts (Haldane, Anscombe), and the interval takes in both. The lower end is 0
    where the odds ratio is.
    """
    low, high, error, df = math.inf, -math.inf, 0.0, pair.crossed.df
    if not pair.at_the_edge:
        weights = [rate * (1.0 - rate) for rate in (pair.reference, pair.group)]
        parts = contrast(reference / weights[0], group / weights[1])
        middle = _logit(pair.group) - _logit(pair.reference)
        error, df = math.sqrt(parts.variance), parts.df
        reach = t_quantile(level, df) * error
        low, high = middle - reach, middle + reach
    if pair.at_the_edge or pair.scarce:
        counts = [
            (rate * n + 0.5, (1.0 - rate) * n + 0.5)
            for rate, n in ((pair.reference, pair.n_reference), (pair.group, pair.n_group))
        ]
        middle = math.log(counts[1][0] / counts[1][1]) - math.log(counts[0][0] / counts[0][1])
        wide = math.sqrt(sum(1.0 / count for pair_of_counts in counts for count in pair_of_counts))
        reach = t_quantile(level, max(df, 1.0)) * wide
        low, high, error = min(low, middle - reach), max(high, middle + reach), max(error, wide)
    zero = pair.group == 0.0 or pair.reference == 1.0
    return OddsLimits(low=0.0 if zero else math.exp(low), high=math.exp(min(high, 700.0)), error=error, df=df)


def _logit(rate: float) -> float:
    return math.log(rate / (1.0 - rate))
