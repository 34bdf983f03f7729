"""How usable the answers are: answered, refused, within the plausible. Stands beside every bias. Imports numpy, stats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import GroupCells, Measured, nothing
from pytest_biasaudit.metrics.rates import difference_of_shares
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.overall import overall_share
from pytest_biasaudit.stats.recovery import NOTHING_THERE, method_of, recovery_of_cells

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


def answer_recovery(groups: Sequence[GroupCells], other: Sequence[GroupCells], *, level: float) -> Measured:
    """`answer_rate` over the other model's, on what both were asked."""
    return _recovery(answered_shares(groups), answered_shares(other), "no answer was asked for", level)


def inlier_recovery(groups: Sequence[GroupCells], other: Sequence[GroupCells], *, level: float) -> Measured:
    """`inlier_ratio` over the other model's, on the people and templates where both gave numbers; cells count alike."""
    return _recovery(inlier_shares(groups), inlier_shares(other), "no number was read of both models", level)


def answered_shares(groups: Sequence[GroupCells]) -> list[Floats]:
    """A table a group: answered of asked, NaN where nothing was asked."""
    return [_over(group.answered, group.asked) for group in groups]


def inlier_shares(groups: Sequence[GroupCells]) -> list[Floats]:
    """A table a group: plausible of all numbers, NaN where there is no number."""
    return [_over(group.answered, group.answered + group.implausible) for group in groups]


def refused_shares(groups: Sequence[GroupCells]) -> list[Floats]:
    """A table a group: refused of asked, NaN where nothing was asked."""
    return [_over(group.refused, group.asked) for group in groups]


def refusal_rate_difference(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Share of refused answers in the group minus that share in the reference group. `seed` is not used."""
    tables = refused_shares((reference, group))
    return difference_of_shares(tables[0], tables[1], level=level)


def _over(counted: Floats, out_of: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(out_of > 0, counted / out_of, np.nan))


def _recovery(child: Sequence[Floats], parent: Sequence[Floats], empty: str, level: float) -> Measured:
    both = [~(np.isnan(one) | np.isnan(other)) for one, other in zip(child, parent, strict=True)]
    if not any(here.any() for here in both):
        return nothing(empty)
    if not any((other[here] > 0).any() for other, here in zip(parent, both, strict=True)):
        return nothing(NOTHING_THERE)
    found = recovery_of_cells(child, parent, level=level)
    interval = Interval(low=found.low, high=found.high, level=level, method=method_of(found.clusters))
    return Measured(value=found.value, interval=interval)


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
