"""How usable the answers are: answered, refused, within the plausible. Stands beside every bias. Imports numpy, stats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import GroupCells, Measured, nothing
from pytest_biasaudit.metrics.rates import difference_of_shares
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.overall import overall_share

Floats = NDArray[np.float64]


def answer_rate(groups: Sequence[GroupCells], *, level: float, seed: int) -> Measured:
    """Answers with a value over answers asked for, all groups together. `seed` is not used."""
    return _share(
        [group.answered for group in groups], [group.asked for group in groups], "no answer was asked for", level
    )


def inlier_ratio(groups: Sequence[GroupCells], *, level: float, seed: int) -> Measured:
    """Numbers within the plausible range over all numbers read; refusals and what held no number are in neither."""
    return _share(
        [group.answered for group in groups],
        [group.answered + group.implausible for group in groups],
        "no number was read",
        level,
    )


def refusal_rate_difference(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Share of refused answers in the group minus that share in the reference group. `seed` is not used."""
    tables = []
    for side in (reference, group):
        with np.errstate(invalid="ignore", divide="ignore"):
            tables.append(np.where(side.asked > 0, side.refused / side.asked, np.nan))
    return difference_of_shares(tables[0], tables[1], level=level)


def _share(counted: Sequence[Floats], out_of: Sequence[Floats], empty: str, level: float) -> Measured:
    total = sum(float(table.sum()) for table in out_of)
    if not total > 0:
        return nothing(empty)
    share = overall_share(counted, out_of)
    low, high = share.limits(level=level)
    return Measured(
        value=share.rate,
        interval=Interval(low=low, high=high, level=level, method=share.method),
    )
