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

SCARCE = 5.0
"""Effective selections (or rejections) in a group under which Wilson-type limits join in; above, the t interval covers."""


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
    def scarce(self) -> bool:
        """So few effective selections or rejections that a symmetric interval misleads."""
        pairs = ((self.reference, self.n_reference), (self.group, self.n_group))
        return any(min(rate, 1.0 - rate) * n < SCARCE for rate, n in pairs)


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
    if pair.at_the_edge or pair.scarce:
        wide = newcombe(pair.reference, pair.n_reference, pair.group, pair.n_group, level=level)
        low, high = min(low, wide[0]), max(high, wide[1])
    return max(-1.0, low), min(1.0, high)


def impact_limits(
    reference: NDArray[np.float64], group: NDArray[np.float64], pair: RatePair, *, level: float
) -> tuple[float, float]:
    """Limits of the lower of two rates over the higher, within 0 and 1. Not for two rates of 0: no ratio exists.

    A ratio rho is kept unless the test of "lower rate minus rho times higher rate is zero" rejects it (Fieller's way, with
    the crossed variance and degrees of freedom of that very contrast). Which group is the lower is not known beforehand, so:

    - a rho closer to 1 than the estimate is dropped when a ratio so far from 1 *in either direction* is rare, alpha = 1 - level;
    - a rho further from 1 is dropped when its own tail is under alpha / 2;
    - where a rho can be dropped from both sides, alpha / 2 holds on both.

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

    def above(rho: float) -> float:
        return _tail(as_seen(rho), -1)

    low = 0.0 if value == 0.0 or above(0.0) >= alpha / 2 else _crossing(lambda rho: above(rho) - alpha / 2, 0.0, value)
    high = 1.0 if as_far(1.0) >= alpha else _crossing(lambda rho: alpha - as_far(rho), value, 1.0)
    turn = _both_sided_under(as_seen, value, level=level)
    if high < turn:
        strict = 1.0 if below(1.0) >= alpha / 2 else _crossing(lambda rho: alpha / 2 - below(rho), value, 1.0)
        high = min(strict, turn)
    if pair.at_the_edge or pair.scarce:
        sides = [(pair.reference, pair.n_reference), (pair.group, pair.n_group)]
        top, bottom = max(sides), min(sides)
        wide = mover_ratio(*top, *bottom, level=level)
        low = min(low, wide[0], 1.0 / wide[1])
        high = max(high, min(1.0, wide[1]))
    return low, high


def _both_sided_under(at: Callable[[float], Contrast], value: float, *, level: float) -> float:
    """The ratio under which a true ratio could also be dropped for being seen too near to 1.

    So far from 1 that an estimate at 1 would be rejected; with the standard error at the estimate, on the log scale.
    """
    if value == 0.0:
        return 1.0
    parts = at(value)
    if parts.group_mean <= 0.0:
        return 1.0
    return math.exp(-t_quantile(level, parts.df) * math.sqrt(parts.variance) / parts.group_mean)


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
