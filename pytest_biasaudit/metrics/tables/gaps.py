"""How big: gaps of a classifier's rates between a group and the reference, label by label. From a tally."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.confusion import OF_ALL_LABELS, Counts, Rate, counts
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.two_proportions import Between, difference
from pytest_biasaudit.tables.tally import Tally


def gap(
    tally: Tally,
    *,
    rate: Rate,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """The group's rate minus the reference's, for every group and looked-at label.

    Interval: `stats.two_proportions.difference`, of independent rows; of clusters where the tally has any; rows that are of
    both groups enter with their covariance.
    """
    labels = labels_of(rate, tally, label)
    if isinstance(labels, str):
        return (Compared(groups=(), measured=nothing(labels)),)
    found = counts(rate, tally, attributes, labels)
    pairs = [(0, group) for group in range(1, len(found.groups))]
    if not pairs:
        return ()
    between = compare(found, pairs, level=level)
    return tuple(
        Compared(
            groups=(found.groups[0], found.groups[group]),
            label=name,
            measured=_measured(found, between, place, (0, group), at, level=level, minimum=minimum),
            by_group=(found.summary(0, at), found.summary(group, at)),
        )
        for place, (_, group) in enumerate(pairs)
        for at, name in enumerate(found.labels)
    )


def labels_of(rate: Rate, tally: Tally, label: str | None) -> tuple[str, ...] | str:
    """The labels that a rate is of; a reason where it is of none."""
    if rate not in OF_ALL_LABELS:
        return tally.looked_at(label)
    if label is not None:
        return f"this rate is of all labels together: there is none of the label {label!r}"
    return ("",)


def compare(found: Counts, pairs: Sequence[tuple[int, int]], *, level: float) -> Between:
    """Second minus first of every pair of groups, of shape (pairs, labels)."""
    shares = found.shares
    return difference(
        shares.at([one for one, _ in pairs]),
        shares.at([other for _, other in pairs]),
        level=level,
        correlation=found.correlation(pairs),
    )


def _measured(
    found: Counts, between: Between, place: int, pair: tuple[int, int], at: int, *, level: float, minimum: int
) -> Measured:
    obstacles = [found.obstacle(group, at, minimum=minimum) for group in pair]
    reason = "; ".join(one for one in obstacles if one) or same_rows(found, pair)
    if reason:
        return nothing(reason)
    df = float(between.df[place, at])
    return Measured(
        value=float(between.value[place, at]),
        interval=Interval(
            low=float(between.low[place, at]), high=float(between.high[place, at]), level=level, method=found.method
        ),
        p=float(between.p[place, at]),
        standard_error=float(between.standard_error[place, at]),
        df=df if np.isfinite(df) else None,
    )


def same_rows(found: Counts, pair: tuple[int, int]) -> str:
    """Why groups told by terms are no two groups; empty where they are."""
    first, second = (found.inside[:, group] for group in pair)
    if found.overlapping and np.array_equal(first, second):
        return f"{found.groups[pair[0]]!r} and {found.groups[pair[1]]!r} are of the very same rows"
    return ""
