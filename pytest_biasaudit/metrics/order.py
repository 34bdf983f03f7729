"""How big, by order and by distribution: medians, probability of superiority, earth mover's distance. Imports stats."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.measured import around, value_only
from pytest_biasaudit.metrics.metric import GroupCells, Measured, nothing
from pytest_biasaudit.stats.crossed import Shared, contrast, shared, t_p, t_quantile
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.twoway import RESAMPLES, Resampled, Statistic, cell_weights, resample, weighted_median

Floats = NDArray[np.float64]


def median_difference(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Median of all the group's answers minus median of all the reference group's, in the outcome's unit.

    The interval is the value and as many bootstrap standard errors as t needs, people and templates drawn again; its
    degrees of freedom come from people drawn alone and templates drawn alone.
    """
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    here_r, here_g = ~np.isnan(both.reference), ~np.isnan(both.group)
    value = float(np.median(both.group[here_g]) - np.median(both.reference[here_r]))
    if both.reason:
        return value_only(value, both.reason)
    of_reference, of_group = weighted_median(both.reference[here_r]), weighted_median(both.group[here_g])

    def statistic(reference: Floats, group: Floats, templates: Floats) -> Floats:
        return of_group(cell_weights(group, templates, here_g)) - of_reference(
            cell_weights(reference, templates, here_r)
        )

    drawn = _drawn(statistic, both, seed=seed)
    if not drawn.standard_error > 0.0:
        return value_only(value, "the medians were the same in every resample: an interval would have no width")
    reach = t_quantile(level, drawn.df) * drawn.standard_error
    if not value - reach < value + reach:
        return value_only(value, "its interval has no width that numbers of this size can show")
    return Measured(
        value=value,
        interval=Interval(low=value - reach, high=value + reach, level=level, method=_method(both, "t", seed)),
        p=t_p(value, drawn.standard_error, drawn.df),
        standard_error=drawn.standard_error,
        df=drawn.df,
    )


def mann_whitney(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Chance that a person of the group is answered higher than one of the reference group, to the same template.

    Ties count as half. Within each template it is U / (n_ref n_group); templates are averaged. 0.5 where groups are equal.
    Compared template by template because a car costs more than a chair: over all answers together, what lies between
    templates would drown what lies between groups.

    The interval is the crossed t interval of the placements (DeLong 1988): each answer's is the share of the other
    group's answers to that template which it passes. `seed` is not used.
    """
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    placed_r, placed_g = placements(both.reference, both.group)
    value = float(np.nanmean(placed_g, axis=0).mean())
    if both.reason:
        return value_only(value, both.reason)
    parts = contrast(placed_r, placed_g, step=0.5)
    return around(
        value,
        parts,
        variance=parts.variance,
        scale=max(0.5, abs(value - 0.5)),
        level=level,
        bounds=(0.0, 1.0),
        ideal=0.5,
    )


def placements(reference: Floats, group: Floats) -> tuple[Floats, Floats]:
    """For every cell, the share of the other group's answers to the same template that lie below it, ties as half."""
    difference = group[:, None, :] - reference[None, :, :]
    above = np.where(np.isnan(difference), np.nan, (difference > 0) + 0.5 * (difference == 0))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell without an answer has no placement
        return 1.0 - np.nanmean(above, axis=0), np.nanmean(above, axis=1)


def wasserstein(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """First Wasserstein distance between the two groups' answers, in the outcome's unit.

    A distance of samples is above zero although groups be equal, and resampling adds as much again. So the lower end is
    taken back by what resampling adds (the basic bootstrap) and the upper end is not (the percentile): the interval errs
    towards wide. p asks how often a resample lies as far above the value as the value lies above zero.
    """
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    here_r, here_g = ~np.isnan(both.reference), ~np.isnan(both.group)
    values = np.concatenate([both.reference[here_r], both.group[here_g]])
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order])
    split = int(here_r.sum())

    def distance(of_reference: Floats, of_group: Floats) -> Floats:
        signed = np.concatenate(
            [
                -of_reference / of_reference.sum(axis=1, keepdims=True),
                of_group / of_group.sum(axis=1, keepdims=True),
            ],
            axis=1,
        )
        gap = np.cumsum(signed[:, order], axis=1)[:, :-1]
        return np.asarray(np.abs(gap) @ steps)

    def statistic(reference: Floats, group: Floats, templates: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return distance(cell_weights(reference, templates, here_r), cell_weights(group, templates, here_g))

    value = earth_movers_distance(values[:split], values[split:])
    rounding = 1e-12 * float(np.abs(values).max())
    if value <= rounding:
        value = 0.0
    if both.reason:
        return value_only(value, both.reason)
    drawn = _drawn(statistic, both, seed=seed)
    kept = drawn.values[np.isfinite(drawn.values)]
    if not (drawn.standard_error > rounding and len(kept)):
        return value_only(value, "the distance was the same in every resample: an interval would have no width")
    tail = (1.0 - level) / 2.0
    far = float(np.quantile(kept, 1.0 - tail))
    low, high = max(0.0, 2.0 * value - far), max(far, value)
    ties = 1e-9 * (high + value)  # resamples of few people repeat one another, up to rounding
    if not high - low > rounding:
        return value_only(value, "the distance was the same in nearly every resample: an interval would have no width")
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=_method(both, "basic below, percentile above", seed)),
        p=(1.0 + float((kept >= 2.0 * value - ties).sum())) / (1.0 + len(kept)),
    )


def earth_movers_distance(reference: Floats, group: Floats) -> float:
    """First Wasserstein distance of two samples, each a flat array of at least one answer."""
    values = np.concatenate([reference, group])
    order = np.argsort(values, kind="stable")
    signed = np.concatenate([np.full(len(reference), -1.0 / len(reference)), np.full(len(group), 1.0 / len(group))])
    return float(np.abs(np.cumsum(signed[order])[:-1]) @ np.diff(values[order]))


def _drawn(statistic: Statistic, both: Shared, *, seed: int) -> Resampled:
    people = (len(both.reference), len(both.group))
    return resample(statistic, people=people, templates=both.reference.shape[1], seed=seed)


def _method(both: Shared, kind: str, seed: int) -> str:
    prefix = "" if both.reference.shape[1] > 1 else "names only: "
    return f"{prefix}two-way bootstrap, {kind} ({RESAMPLES} resamples, seed {seed})"
