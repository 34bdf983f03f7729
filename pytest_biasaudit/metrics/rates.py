"""How big, by selection: difference, ratio and odds ratio of two groups' rates. Imports numpy and stats.

A group's rate is the mean over templates of its share of selections per template, over the templates both groups
answered. With one template of single answers p is Fisher's mid-p; with a rate at 0 or 1 it is the mid-p of effective
counts; else that of the crossed t interval.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.measured import named, value_only
from pytest_biasaudit.metrics.metric import GroupCells, Measured, nothing
from pytest_biasaudit.stats.crossed import Shared, contrast, shared, t_p, t_quantile, template_mean
from pytest_biasaudit.stats.crossed_rates import (
    RatePair,
    difference_limits,
    impact_limits,
    odds_limits,
    rate_pair,
)
from pytest_biasaudit.stats.exact import exact_p
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.unvaried import UNVARIED

Floats = NDArray[np.float64]

WIDENED = "with Wilson limits of effective counts"


def rate_difference(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Selection rate of the group minus that of the reference group. `seed` is not used."""
    return difference_of_shares(reference.selected, group.selected, level=level)


def impact_ratio(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """The lower of the two selection rates over the higher, whichever group has it; 1 where they are equal.

    Not defined where nobody was selected in either group. The standard error is that of the log ratio; none where the
    ratio is 0. `seed` is not used.
    """
    both = _shares(reference.selected, group.selected)
    if not both.comparable:
        return nothing(both.reason)
    rates = _clean(template_mean(both.reference)), _clean(template_mean(both.group))
    if max(rates) == 0.0:
        return nothing("nobody was selected in either group: a ratio of two rates of 0 is not defined")
    value = min(rates) / max(rates)
    if both.reason:
        return value_only(value, both.reason)
    pair = rate_pair(both.reference, both.group)
    low, high = impact_limits(both.reference, both.group, pair, level=level)
    if not low < high:
        return value_only(value, "its interval has no width")
    error = None
    if value > 0.0:
        logs = contrast(both.reference / pair.reference, both.group / pair.group)
        error = math.sqrt(logs.variance)
        if pair.at_the_edge or pair.scarce or not error > 0.0:
            error = max(error, (math.log(high / value)) / t_quantile(level, logs.df))
        error = error if error > 0.0 else None
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=_ratio_method(pair)),
        p=_p_of_equal_rates(pair, both.reference, both.group, level=level),
        standard_error=error,
        df=None if error is None else pair.crossed.df,
    )


def odds_ratio(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Odds of selection in the group over the odds in the reference group. `seed` is not used.

    Not defined where it would be infinite, or 0 over 0: `rate_difference` is defined there.
    """
    both = _shares(reference.selected, group.selected)
    if not both.comparable:
        return nothing(both.reason)
    rate_r, rate_g = _clean(template_mean(both.reference)), _clean(template_mean(both.group))
    if rate_r == 0.0 or rate_g == 1.0:
        return nothing(
            f"with rates {rate_r:g} and {rate_g:g} the odds ratio is infinite or not defined; rate_difference is defined"
        )
    value = rate_g * (1.0 - rate_r) / ((1.0 - rate_g) * rate_r)
    if both.reason:
        return value_only(value, both.reason)
    pair = rate_pair(both.reference, both.group)
    limits = odds_limits(both.reference, both.group, pair, level=level)
    method = named(pair.crossed, by="on the log odds")
    if pair.at_the_edge or pair.scarce:
        method = f"{method}, half a count added"
    inside = value > 0.0 and limits.error > 0.0
    return Measured(
        value=value,
        interval=Interval(low=limits.low, high=limits.high, level=level, method=method),
        p=_p_of_equal_rates(pair, both.reference, both.group, level=level),
        standard_error=limits.error if inside else None,
        df=limits.df if inside else None,
    )


def difference_of_shares(reference: Floats, group: Floats, *, level: float) -> Measured:
    """Difference of two groups' shares; the interval keeps its width when a share is 0 or 1.

    reference, group  (people, templates) zeros and ones, or shares of repeats; NaN where there is nothing
    """
    both = _shares(reference, group)
    if not both.comparable:
        return nothing(both.reason)
    value = _clean(template_mean(both.group)) - _clean(template_mean(both.reference))
    if both.reason:
        return value_only(value, both.reason)
    pair = rate_pair(both.reference, both.group)
    low, high = difference_limits(pair, level=level)
    if not low < high:
        return value_only(value, "its interval has no width")
    method = named(pair.crossed)
    if pair.widened:
        method = f"{method}, {UNVARIED if pair.crossed.variance <= 0.0 and not pair.at_the_edge else WIDENED}"
    error = _error_of_difference(pair, level=level)
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=method),
        p=_p_of_equal_rates(pair, both.reference, both.group, level=level),
        standard_error=error,
        df=pair.crossed.df,
    )


def _shares(reference: Floats, group: Floats) -> Shared:
    both = shared(reference, group)
    if both.comparable and min(np.nanmin(reference), np.nanmin(group)) < 0.0:
        return replace(both, comparable=False, reason="a share lies below 0")
    if both.comparable and max(np.nanmax(reference), np.nanmax(group)) > 1.0:
        return replace(both, comparable=False, reason="a share lies above 1")
    return both


def _clean(rate: float) -> float:
    """A mean of ones can come out a rounding error away from 1."""
    return min(1.0, max(0.0, round(rate, 14)))


def _ratio_method(pair: RatePair) -> str:
    method = named(pair.crossed, by="log ratio below, Fieller folded at 1 above")
    if pair.crossed.variance <= 0.0 and not pair.at_the_edge:
        return named(pair.crossed, by=UNVARIED)
    return f"{method}, {WIDENED}" if pair.at_the_edge or pair.scarce else method


def _error_of_difference(pair: RatePair, *, level: float) -> float:
    """The standard error; where the interval was widened, what the longer side of the wider one stands for."""
    error = math.sqrt(pair.crossed.variance)
    if pair.widened:
        low, high = difference_limits(pair, level=level)
        value = pair.group - pair.reference
        error = max(error, max(high - value, value - low) / t_quantile(level, pair.crossed.df))
    return error


def _p_of_equal_rates(pair: RatePair, reference: Floats, group: Floats, *, level: float) -> float:
    """Two-sided p of equal rates, by the means the module's docstring names."""
    single = reference.shape[1] == 1 and all(np.isin(table, (0.0, 1.0)).all() for table in (reference, group))
    if single:
        n_r, n_g = len(reference), len(group)
    else:
        n_r, n_g = max(1, math.floor(pair.n_reference)), max(1, math.floor(pair.n_group))
    if single or pair.at_the_edge:
        return exact_p(round(pair.reference * n_r), n_r, round(pair.group * n_g), n_g).mid
    return t_p(pair.group - pair.reference, _error_of_difference(pair, level=level), pair.crossed.df)
