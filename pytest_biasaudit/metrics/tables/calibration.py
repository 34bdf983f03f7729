"""How far scores promise more, or less, than comes true, and whether they do so more for one group than for another.

Uses numpy and scipy.special; knows tallies. Scores must be probabilities.

    c_g = mean score of group g - share of its rows with the positive label        (calibration in the large)
    calibration gap = c_group - c_reference

Above 0: the scores promise more of the label for the group, measured by what is true of it, than for the reference.
Sources: calibration in the large, Van Calster et al. 2016 (Journal of Clinical Epidemiology 74); that groups be calibrated
alike, Kleinberg, Mullainathan and Raghavan 2017 and Pleiss et al. 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.tables.scored_rows import (
    NEGATIVE,
    POSITIVE,
    ScoredRows,
    Side,
    figure,
    scored_rows,
    unmeasured,
)
from pytest_biasaudit.tables.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = (Side(whose="subgroup", positive=True), Side(whose="subgroup", positive=False))
METHOD = "Welch's t, one hit and one miss added to each variance"


@dataclass(frozen=True, kw_only=True, eq=False)
class InTheLarge:
    """One group's scores against what came true."""

    value: float
    """Mean score less the rate of the positive label."""
    variance: float
    df: float
    adds: NDArray[np.float64]
    """What each cell (each cluster) adds to the value's error."""


def calibration_gap(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Every group against the reference. Nothing is drawn: `seed` is not used."""
    rows, reason = scored_rows(tally, attributes, label=label)
    if rows is None:
        return (unmeasured(reason, label=label or ""),)
    used = np.flatnonzero(rows.heard)
    assert tally.score is not None
    score = tally.score[used]
    if score.min() < 0.0 or score.max() > 1.0:
        said = f"scores lie between {score.min():g} and {score.max():g}; a calibration gap needs probabilities, 0 to 1"
        return (unmeasured(said, label=rows.label),)
    residual = score - (rows.status[used] == POSITIVE)
    lacking = [_lacking(rows, at, minimum) for at in range(len(rows.titles))]
    seen = [
        None if reason else _in_the_large(tally, used, score, residual, rows.inside[used, at])
        for at, reason in enumerate(lacking)
    ]
    found = []
    for at, group in enumerate(rows.titles[1:], start=1):
        one, other = seen[0], seen[at]
        by_group = tuple(
            rows.summary(place, SIDES, _rate(rows, place) if seen[place] is not None else None) for place in (0, at)
        )
        pair = (rows.titles[0], group)
        if one is None or other is None:
            reason = "; ".join(said for said in (lacking[0], lacking[at]) if said)
            found.append(unmeasured(reason, label=rows.label, groups=pair, by_group=by_group))
            continue
        if np.array_equal(rows.inside[used, 0], rows.inside[used, at]):
            reason = f"{pair[0]!r} and {pair[1]!r} are of the very same rows"
            found.append(unmeasured(reason, label=rows.label, groups=pair, by_group=by_group))
            continue
        value = other.value - one.value
        shared = float(one.adds @ other.adds)
        variance = one.variance + other.variance - 2.0 * shared
        # Rows in both groups make the two move together; what only one of them holds still varies.
        variance = max(variance, abs(one.variance - other.variance), 1e-12)
        df = (one.variance + other.variance) ** 2 / (one.variance**2 / one.df + other.variance**2 / other.df)
        error = math.sqrt(variance)
        reach = float(stdtrit(df, 0.5 + level / 2.0)) * error
        p = 2.0 * float(stdtr(df, -abs(value) / error))
        measured = figure(value, (value - reach, value + reach), level=level, method=METHOD, rows=rows, p=p)
        found.append(Compared(groups=pair, label=rows.label, measured=measured, by_group=by_group))
    return tuple(found)


def _lacking(rows: ScoredRows, at: int, minimum: int) -> str:
    said = (
        rows.unheard(at),
        rows.too_few(rows.units(at, *SIDES), f"of {rows.titles[at]!r} with score and label", minimum),
    )
    return "; ".join(reason for reason in said if reason)


def _rate(rows: ScoredRows, at: int) -> float:
    positive, negative = int(rows.of_group[POSITIVE, at]), int(rows.of_group[NEGATIVE, at])
    return positive / (positive + negative)


def _in_the_large(
    tally: Tally,
    used: NDArray[np.int64],
    score: NDArray[np.float64],
    residual: NDArray[np.float64],
    inside: NDArray[np.bool_],
) -> InTheLarge:
    """Mean of score less truth. Its variance is that of the rows with one hit and one miss more, scored at the mean.

    Without those two, rare labels that are not among a small group's rows would show no variance at all.
    """
    count: NDArray[np.float64] = np.where(inside, tally.count[used], 0).astype(np.float64)
    rows = float(count.sum())
    value = float(count @ residual) / rows
    middle = float(count @ score) / rows
    added = (middle - 1.0 - value) ** 2 + (middle - value) ** 2
    spread = float(count @ (residual - value) ** 2)
    variance = (spread + added) / ((rows + 1.0) * rows)
    adds = count * (residual - value) / rows
    if tally.cluster is None:
        # Rows of one cell are alike and independent: what the cell adds varies as the square root of its rows.
        return InTheLarge(value=value, variance=variance, df=rows - 1.0, adds=adds / np.sqrt(np.maximum(count, 1.0)))
    groups, at = np.unique(tally.cluster[used], return_inverse=True)
    sums: NDArray[np.float64] = np.bincount(at, weights=adds, minlength=len(groups)).astype(np.float64)
    units = int((np.bincount(at, weights=count, minlength=len(groups)) > 0).sum())
    by_cluster = (float(sums @ sums) + added / (rows * rows)) * units / (units - 1.0)
    return InTheLarge(value=value, variance=max(variance, by_cluster), df=units - 1.0, adds=sums)
