"""Which group gained or lost against another model: a paired change of each group's answers, beside the gap's.

May import stats, metrics and numpy. Says what of an answer a metric counts; the arithmetic is in `stats.moved`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics import obstacles
from pytest_biasaudit.metrics.beside import Moved
from pytest_biasaudit.metrics.metric import GroupCells, Metric
from pytest_biasaudit.metrics.utility import answered_shares, inlier_shares, refused_shares

Floats = NDArray[np.float64]


def counted_in(metric: Metric, tables: Sequence[GroupCells]) -> tuple[list[Floats], bool]:
    """A (people, templates) table a group of what the metric counts, NaN where nothing; and whether those are shares."""
    if metric.name in obstacles.ABOUT_REFUSALS:
        return refused_shares(tables), True
    if metric.name == obstacles.ANSWER_RATE:
        return answered_shares(tables), True
    if metric.name == obstacles.INLIERS:
        return inlier_shares(tables), True
    if set(metric.kinds) <= {"choice", "yes-no"}:
        return [table.selected for table in tables], True
    return [table.values for table in tables], False


def moved_groups(
    metric: Metric, now: Sequence[GroupCells], then: Sequence[GroupCells], *, level: float
) -> tuple[Moved, ...]:
    """One for each group: this model's answers less the other's, on the same people and templates.

    now, then  tables of the same groups in the same order, the same people in the rows and templates in the columns
    """
    from pytest_biasaudit.stats.moved import mean_change

    (own, shares), (theirs, _) = counted_in(metric, now), counted_in(metric, then)
    found = []
    for table, mine, other in zip(now, own, theirs, strict=True):
        change = mean_change(mine, other, level=level, shares=shares)
        found.append(
            Moved(
                group=table.group,
                value=change.value,
                low=change.low,
                high=change.high,
                level=None if change.low is None else level,
                n=change.pairs,
                unit="share" if shares else "outcome",
                reason=change.reason,
            )
        )
    return tuple(found)
