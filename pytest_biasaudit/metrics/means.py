"""How big, by means: differences of means, raw and standardised, and their ratio. Imports numpy and stats.

Group minus reference group throughout. A group's mean is the mean over templates of its mean per template, over the
templates both groups answered: where answers are missing, groups are still compared on the same questions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.measured import around, value_only
from pytest_biasaudit.metrics.metric import GroupCells, Measured, nothing
from pytest_biasaudit.stats.crossed import contrast, freedom_of_deviation, shared, template_mean

Floats = NDArray[np.float64]


def mean_difference(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Mean of the group minus mean of the reference group, in the outcome's unit. `seed` is not used."""
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    value = template_mean(both.group) - template_mean(both.reference)
    if both.reason:
        return value_only(value, both.reason)
    parts = contrast(both.reference, both.group)
    scale = max(row_sd(both.reference, both.group), abs(value))
    return around(value, parts, variance=parts.variance, scale=scale, level=level)


def smd(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """The difference of means over sqrt((s_ref^2 + s_group^2) / 2), row standard deviations with ddof 1.

    Rows are cells: repeats of a prompt count once, by their mean. The variance is that of the difference over s^2, plus
    SMD^2 / (2 nu), for s is estimated too; nu lies between people less 2 and rows less 2, by how much of the row variance
    is people's (`stats.crossed.freedom_of_deviation`). `seed` is not used.

    Where s is 0 the value is 0 if the means are equal, and not defined otherwise.
    """
    return _standardised(reference, group, row_sd, level=level)


def smd_pooled(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """As `smd`, over the standard deviation pooled with weights n - 1, n the number of rows."""
    return _standardised(reference, group, pooled_sd, level=level)


def mean_ratio(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Mean of the group over mean of the reference group; not defined unless both are positive. `seed` is not used."""
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    below, above = template_mean(both.reference), template_mean(both.group)
    if not (below > 0 and above > 0):
        return nothing(f"a ratio needs two positive means, got {below:g} and {above:g}")
    value = above / below
    if both.reason:
        return value_only(value, both.reason)
    parts = contrast(both.reference / below, both.group / above)
    scale = max(row_sd(both.reference / below, both.group / below), abs(math.log(value)) if 0 < value < math.inf else 0)
    return around(value, parts, variance=parts.variance, scale=scale, level=level, logs=True, ideal=1.0)


def row_sd(reference: Floats, group: Floats) -> float:
    """Root of the mean of the two groups' row variances (ddof 1), NaN cells left out; 0 where a group has one row."""
    return math.sqrt((_row_variance(reference) + _row_variance(group)) / 2.0)


def pooled_sd(reference: Floats, group: Floats) -> float:
    """Root of the two groups' row variances, weighted by their rows less one."""
    weights = [int((~np.isnan(table)).sum()) - 1 for table in (reference, group)]
    if sum(weights) < 1:
        return 0.0
    variances = [_row_variance(table) for table in (reference, group)]
    return math.sqrt((weights[0] * variances[0] + weights[1] * variances[1]) / sum(weights))


def _row_variance(table: Floats) -> float:
    rows = table[~np.isnan(table)]
    if len(rows) < 2 or rows.min() == rows.max():  # equal answers, whatever rounding makes of their mean
        return 0.0
    return float(np.var(rows, ddof=1))


def _standardised(
    reference: GroupCells, group: GroupCells, deviation: Callable[[Floats, Floats], float], *, level: float
) -> Measured:
    both = shared(reference.values, group.values)
    if not both.comparable:
        return nothing(both.reason)
    difference = template_mean(both.group) - template_mean(both.reference)
    s = deviation(both.reference, both.group)
    if s == 0.0:
        if difference != 0.0:
            return nothing(
                "answers do not vary within groups: the difference of means has no standard deviation to stand on"
            )
        return value_only(0.0, "every answer is the same: equal means, and no standard deviation for an interval")
    value = difference / s
    if both.reason:
        return value_only(value, both.reason)
    parts = contrast(both.reference, both.group)
    variance = parts.variance / s**2 + value**2 / (2.0 * freedom_of_deviation(parts, s))
    return around(value, parts, variance=variance, scale=max(1.0, abs(value)), level=level, unit=s)
