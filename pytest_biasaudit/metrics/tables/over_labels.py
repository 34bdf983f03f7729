"""How big: what a group's gaps in true positive rates come to over all labels, and what they go together with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.metric import Compared, GroupSummary, Measured, nothing
from pytest_biasaudit.metrics.tables.confusion import Counts, counts, summary
from pytest_biasaudit.metrics.tables.gaps import same_rows
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.root_mean_square import (
    DRAWS,
    chance_of_norm,
    correlation_limits,
    errors_of_clusters,
    errors_of_shares,
    limits_of_norm,
)
from pytest_biasaudit.stats.two_proportions import quantile
from pytest_biasaudit.tables.tally import Tally

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Gaps:
    """One group's gaps over all labels, with drawn errors; or why there are none."""

    groups: tuple[str, str]
    gaps: Floats
    errors: Floats
    by_chance: Floats
    """Errors as they would be were there no gap; those of the gaps themselves where they were not asked for."""
    by_group: tuple[GroupSummary, ...]
    method: str
    reason: str = ""
    note: str = ""
    """Labels that no row truly has."""


def rms_gap(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """sqrt(mean over labels of (TPR group - TPR reference)^2), of every group.

    The value is the published one and above the true one by chance; the interval is for the true one (`limits_of_norm`).
    """
    made = []
    for one in _of_groups(tally, attributes, label, level=level, seed=seed, minimum=minimum, chance=True):
        if one.reason:
            made.append(Compared(groups=one.groups, measured=nothing(one.reason), by_group=one.by_group))
            continue
        root = math.sqrt(len(one.gaps))
        value = float(np.linalg.norm(one.gaps)) / root
        low, high = (end / root for end in limits_of_norm(one.gaps, one.errors, level=level))
        high = min(1.0, high)
        by_chance = float(np.sqrt((one.by_chance**2).mean()))
        p = chance_of_norm(one.gaps, one.by_chance)
        # Where the low end is 0 it does not say how near the value is to what errors give; p does.
        error = max(
            (value - low) / float(quantile(level, math.inf)), value / max(1e-9, float(quantile(1.0 - p, math.inf)))
        )
        over = "this label" if len(one.gaps) == 1 else f"these {len(one.gaps)} labels"
        expected = f"errors alone would give {by_chance:.3g} on average over {over}"
        made.append(
            Compared(
                groups=one.groups,
                measured=Measured(
                    value=value,
                    interval=Interval(low=low, high=high, level=level, method=f"bounds of a norm, {one.method}"),
                    p=p,
                    reason="; ".join(said for said in (one.note, expected) if said),
                    standard_error=error if error > 0.0 else None,
                ),
                by_group=one.by_group,
            )
        )
    return tuple(made)


def prevalence_correlation(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Pearson's r of a group's gaps with its share among all rows of each label, of every group."""
    if label is not None:
        return (Compared(groups=(), measured=nothing(f"a correlation over labels has none of the label {label!r}")),)
    made = []
    for place, one in enumerate(_of_groups(tally, attributes, None, level=level, seed=seed, minimum=minimum), start=1):
        measured = nothing(one.reason)
        if not one.reason:
            try:
                r, low, high, p = correlation_limits(
                    one.gaps, _prevalence(tally, attributes, place), one.errors, level=level
                )
            except StatisticsError as obstacle:
                measured = nothing(str(obstacle))
            else:
                measured = Measured(
                    value=r,
                    interval=Interval(
                        low=low, high=high, level=level, method=f"bounds along and across prevalence, {one.method}"
                    ),
                    p=p,
                    reason=one.note,
                    standard_error=max(r - low, high - r) / float(quantile(level, math.inf)),
                )
        made.append(Compared(groups=one.groups, measured=measured, by_group=one.by_group))
    return tuple(made)


def _of_groups(
    tally: Tally,
    attributes: Sequence[str],
    label: str | None,
    *,
    level: float,
    seed: int,
    minimum: int,
    chance: bool = False,
) -> list[_Gaps]:
    looked_at = tally.looked_at(label)
    there = set(np.unique(tally.truth[tally.count > 0]).tolist())
    labels = tuple(name for name in looked_at if tally.labels.index(name) in there)
    groups, _ = tally.groups(attributes)
    absent = [name for name in looked_at if name not in labels]
    note = f"no row truly has the label {', '.join(map(repr, absent[:5]))}" if absent else ""
    found = counts("tpr", tally, attributes, labels)
    return [
        _of_group(found, group, level=level, seed=seed, minimum=minimum, note=note, chance=chance)
        for group in range(1, len(groups))
    ]


def _of_group(found: Counts, group: int, *, level: float, seed: int, minimum: int, note: str, chance: bool) -> _Gaps:
    pair = (0, group)
    short = [
        said for at in range(len(found.labels)) for side in pair if (said := found.obstacle(side, at, minimum=minimum))
    ]
    reason = "; ".join(dict.fromkeys(short[:3])) + (f"; and {len(short) - 3} more" if len(short) > 3 else "")
    reason = reason or same_rows(found, pair) or ("" if found.labels else note or "no row has a true label")
    gaps = found.shares.rate[group] - found.shares.rate[0]
    errors = by_chance = np.zeros((1, len(gaps)))
    if not reason:
        errors = by_chance = _errors(found, group, level=level, seed=seed)
        if chance and not found.clustered and not found.overlapping:
            by_chance = errors_of_shares(found.hits[0][[0, group]], found.out_of[0][[0, group]], seed=seed, alike=True)
    return _Gaps(
        groups=(found.groups[0], found.groups[group]),
        gaps=gaps,
        errors=errors,
        by_chance=by_chance,
        by_group=tuple(_summary(found, side) for side in pair),
        method=f"{DRAWS} draws of the errors, seed {seed}" + (" (clusters)" if found.clustered else ""),
        reason=reason,
        note=note,
    )


def _errors(found: Counts, group: int, *, level: float, seed: int) -> Floats:
    pair = [0, group]
    if not found.clustered and not found.overlapping:
        return errors_of_shares(found.hits[0][pair], found.out_of[0][pair], seed=seed)
    shares = found.shares
    n = shares.n[pair]
    rates = (shares.rate[pair] * n + 1.0) / (n + 2.0)
    variance = rates * (1.0 - rates) / n
    influence = found.influence
    if influence is not None:
        df = np.minimum(shares.df[0], shares.df[group])
        parts = influence[:, group] - influence[:, 0]
        return errors_of_clusters(parts, df=df, level=level, seed=seed, least=_less(variance, found, group))
    # Labels have no row in common, so that only the two groups of one label hang together.
    root = np.sqrt(_less(variance, found, group))
    drawn = np.random.default_rng(seed).standard_normal((DRAWS, len(root)))
    return np.asarray(drawn * root)


def _less(variance: Floats, found: Counts, group: int) -> Floats:
    """Variance of the difference of two shares that hang together, (labels,) from (2, labels)."""
    r = np.minimum(found.correlation([(0, group)])[0], 0.99)
    return np.asarray(variance.sum(axis=0) - 2.0 * r * np.sqrt(variance[0] * variance[1]))


def _summary(found: Counts, group: int) -> GroupSummary:
    rates = found.shares.rate[group]
    return summary(
        found.groups[group],
        n=int(found.out_of[:, group].sum()),
        asked=int(found.asked[group]),
        unanswered=int(found.unanswered[group]),
        units=int(found.units[group].sum()),
        rate=None if np.isnan(rates).any() or not len(rates) else float(rates.mean()),
    )


def _prevalence(tally: Tally, attributes: Sequence[str], group: int) -> Floats:
    """The group's share of all rows of each label that any row truly has."""
    _, inside = tally.groups(attributes)
    known = tally.truth >= 0
    total = np.bincount(tally.truth[known], weights=tally.count[known], minlength=len(tally.labels))
    of = known & inside[:, group]
    own = np.bincount(tally.truth[of], weights=tally.count[of], minlength=len(tally.labels))
    looked_at = [tally.labels.index(name) for name in tally.looked_at() if total[tally.labels.index(name)] > 0]
    return np.asarray(own[looked_at] / total[looked_at])
