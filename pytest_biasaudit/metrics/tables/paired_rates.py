"""How big: the rise of a gap, and what is left of accuracy, against another classifier's answers to the same rows.

Every row is answered twice, so that what both share drops out. From a tally of both predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import Compared, Measured, Metric, nothing
from pytest_biasaudit.metrics.tables.confusion import Counts, Rate, counts
from pytest_biasaudit.metrics.tables.gaps import labels_of, same_rows
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.magnitude import increase_from_corners
from pytest_biasaudit.stats.two_proportions import correlation_of, quantile, shares_of_clusters
from pytest_biasaudit.tables.tally import Tally

Floats = NDArray[np.float64]

RATES: dict[str, Rate] = {"tpr_gap": "tpr", "fpr_gap": "fpr", "fnr_gap": "fnr", "accuracy_gap": "accuracy"}
"""Gaps whose rise is paired row by row."""
OF_BOTH = "with a prediction is a row that both models answered"
METHOD = "paired rows, one row of each extreme added, t"
METHOD_CLUSTERED = "paired rows, one row of each extreme added, t over clusters"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Twice:
    """One group's rows at one label, by what either model made of them."""

    rows: float
    mine: float
    """Rate in this model's answers."""
    theirs: float
    error_u: float
    """Standard error of mine - theirs."""
    error_v: float
    """Of mine + theirs."""
    df: float
    parts: tuple[Floats, Floats] | None
    """What every cluster contributes to the errors of u and v."""


def increase(
    metric: Metric,
    tally: Tally,
    *,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    minimum: int,
) -> tuple[Compared, ...]:
    """The rise, |this model's gap| - |the other's|, by group and looked-at label; rows that either left open are in neither.

    With c and p the two gaps, u = c - p and v = c + p: |c| - |p| = sign(u v) min(|u|, |v|), least and greatest at the corners
    of the intervals of u and v (`stats.magnitude`). u and v are differences of means over rows, of -1, 0, 1 and of 0, 1, 2.
    Their variances are those of the rows with one row added at each extreme (Bonett and Price 2012 for u), so that no interval
    is without width where both models answered alike; clusters of rows, where the tally has any, are what varies.
    """
    rate = RATES[metric.name]
    labels = labels_of(rate, tally, label)
    if isinstance(labels, str):
        return (Compared(groups=(), measured=nothing(labels)),)
    assert tally.prediction is not None
    assert tally.earlier is not None
    both = (tally.prediction >= 0) & (tally.earlier >= 0)
    found = [
        counts(rate, tally, attributes, labels, prediction=answers, only=both)
        for answers in (tally.prediction, tally.earlier)
    ]
    whole = counts(rate, tally, attributes, labels, prediction=np.where(both, tally.prediction, -1))
    made = []
    for group in range(1, len(found[0].groups)):
        for at, name in enumerate(found[0].labels):
            obstacles = [whole.obstacle(side, at, minimum=minimum) for side in (0, group)]
            reason = "; ".join(one for one in obstacles if one) or same_rows(whole, (0, group))
            reason = f"{OF_BOTH}: {reason}" if any(obstacles) else reason
            measured = nothing(reason)
            if not reason:
                sides = [_twice(found, side, at) for side in (0, group)]
                measured = _increase(sides, _together(found, group, at, sides), found[0], level=level)
            made.append(
                Compared(
                    groups=(found[0].groups[0], found[0].groups[group]),
                    label=name,
                    measured=measured,
                    by_group=(whole.summary(0, at), whole.summary(group, at)),
                )
            )
    return tuple(made)


def _increase(sides: Sequence[_Twice], together: tuple[float, float], found: Counts, *, level: float) -> Measured:
    reference, group = sides
    c, p = group.mine - reference.mine, group.theirs - reference.theirs
    df = _freedom([(side.error_u**2 + side.error_v**2, side.df) for side in sides])
    t = float(quantile(level, df))
    ends, errors = [], []
    for centre, pair, shared in (
        (c - p, [side.error_u for side in sides], together[0]),
        (c + p, [side.error_v for side in sides], together[1]),
    ):
        error = math.sqrt(max(0.0, pair[0] ** 2 + pair[1] ** 2 - 2.0 * shared * pair[0] * pair[1]))
        errors.append(error)
        ends.append((centre - t * error, centre + t * error))
    value, low, high = increase_from_corners(ends[0], ends[1], c, p)
    return Measured(
        value=value,
        interval=Interval(
            low=max(-1.0, low),
            high=min(1.0, high),
            level=level,
            method=METHOD_CLUSTERED if found.clustered else METHOD,
        ),
        standard_error=errors[0] if c * p > 0.0 else errors[1],
        df=df if math.isfinite(df) else None,
    )


def _twice(found: Sequence[Counts], group: int, at: int) -> _Twice:
    mine, theirs = found
    rows = float(mine.out_of[:, group, at].sum()), float(theirs.out_of[:, group, at].sum())
    rates = [float(side.hits[:, group, at].sum()) / n for side, n in zip(found, rows, strict=True)]
    if mine.clustered:
        parts = []
        for sign in (-1.0, 1.0):
            each = [
                (side.hits[:, group, at] - rate * side.out_of[:, group, at]) / n
                for side, rate, n in zip(found, rates, rows, strict=True)
            ]
            parts.append(each[0] + sign * each[1])
        sizes = mine.out_of[:, group, at]
        clusters = int((sizes > 0).sum())
        df = max(1.0, float(sizes.sum() ** 2 / (sizes**2).sum()) - 1.0)
        # One cluster added at each extreme: 2 clusters, each of one unit of a mean over clusters.
        errors = [
            math.sqrt(clusters / (clusters - 1) * float(part @ part) + spread / (clusters + 2) ** 2)
            for part, spread in zip(parts, (2.0, 2.0), strict=True)
        ]
        return _Twice(
            rows=rows[0], mine=rates[0], theirs=rates[1], error_u=errors[0], error_v=errors[1], df=df,
            parts=(parts[0], parts[1]),
        )  # fmt: skip
    n = rows[0]
    x, y, xy = rates[0] * n, rates[1] * n, _both(found, group, at)
    errors = []
    for sign in (-1.0, 1.0):
        # Sums and sums of squares of the rows' values, with one row added at each extreme.
        least, most = (-1.0, 1.0) if sign < 0 else (0.0, 2.0)
        total = x + sign * y + least + most
        squares = x + y + sign * 2.0 * xy + least**2 + most**2
        mean = total / (n + 2.0)
        errors.append(math.sqrt(max(0.0, squares / (n + 2.0) - mean**2) / (n + 2.0)))
    return _Twice(
        rows=n, mine=rates[0], theirs=rates[1], error_u=errors[0], error_v=errors[1], df=max(1.0, n - 1.0), parts=None
    )


def _hit(side: Counts, at: int) -> NDArray[np.bool_]:
    """Cells whose rows count for the rate in one model's answers."""
    tally = side.tally
    if side.rate == "accuracy":
        return np.asarray(side.prediction == tally.truth)
    said = side.prediction == tally.labels.index(side.labels[at])
    return np.asarray(~said if side.rate == "fnr" else said)


def _counted(side: Counts, at: int) -> NDArray[np.bool_]:
    """Cells whose rows the rate is out of, whatever the group."""
    known: NDArray[np.bool_] = (side.tally.truth >= 0) & (side.prediction >= 0)
    if side.rate == "accuracy":
        return known
    own = side.tally.truth == side.tally.labels.index(side.labels[at])
    return np.asarray(known & (~own if side.rate == "fpr" else own))


def _both(found: Sequence[Counts], group: int, at: int) -> float:
    """Rows of a group that count in both models' answers."""
    cells = found[0].inside[:, group] & _counted(found[0], at) & _hit(found[0], at) & _hit(found[1], at)
    return float(found[0].tally.count[cells].sum())


def _together(found: Sequence[Counts], group: int, at: int, sides: Sequence[_Twice]) -> tuple[float, float]:
    """Correlation of the reference's and the group's errors of u and of v: from shared clusters, or shared rows."""
    first, second = (side.parts for side in sides)
    if first is not None and second is not None:
        u, v = (
            float(correlation_of(one[:, None], other[:, None])[0]) for one, other in zip(first, second, strict=True)
        )
        return min(u, 0.99), min(v, 0.99)
    if not found[0].overlapping:
        return 0.0, 0.0
    cells = found[0].inside[:, 0] & found[0].inside[:, group] & _counted(found[0], at)
    count = found[0].tally.count[cells].astype(float)
    mine, theirs = (_hit(side, at)[cells].astype(float) for side in found)
    shared = []
    for sign, errors in ((-1.0, [side.error_u for side in sides]), (1.0, [side.error_v for side in sides])):
        values = mine + sign * theirs
        centres = [side.mine + sign * side.theirs for side in sides]
        covariance = float((count * (values - centres[0]) * (values - centres[1])).sum()) / (
            sides[0].rows * sides[1].rows
        )
        shared.append(min(0.99, covariance / (errors[0] * errors[1])))
    return shared[0], shared[1]


def _freedom(parts: Sequence[tuple[float, float]]) -> float:
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts if math.isfinite(df))
    return total**2 / spread if spread > 0.0 else math.inf


def recovered(tally: Tally, *, level: float, minimum: int) -> tuple[Compared, ...]:
    """Accuracy over the other model's, on the rows that both answered.

    Interval: with a and b the two accuracies, Fieller's for paired means: the x for which a - x b is at most t standard
    errors from 0; one row right and one wrong in either are added to the variances, as in `increase`.
    """
    assert tally.prediction is not None
    assert tally.earlier is not None
    both = (tally.prediction >= 0) & (tally.earlier >= 0)
    found = [
        counts("accuracy", tally, (), ("",), prediction=answers, only=both)
        for answers in (tally.prediction, tally.earlier)
    ]
    whole = counts("accuracy", tally, (), ("",), prediction=np.where(both, tally.prediction, -1))
    by_group = (whole.summary(0, 0),)
    reason = whole.obstacle(0, 0, minimum=minimum)
    reason = f"{OF_BOTH}: {reason}" if reason else ""
    a, b = (float(side.shares.rate[0, 0]) for side in found)
    if not reason and not b > 0.0:
        reason = "the other model is never right: there is nothing to keep"
    if reason:
        return (Compared(groups=(), measured=nothing(reason), by_group=by_group),)
    variances, df = _accuracies(found)
    t = float(quantile(level, df))
    aa, bb, ab = variances
    top, middle, bottom = a * a - t * t * aa, a * b - t * t * ab, b * b - t * t * bb
    if bottom <= 0.0:
        return (
            Compared(
                groups=(), measured=nothing("the other model's accuracy cannot be told from 0"), by_group=by_group
            ),
        )
    root = math.sqrt(max(0.0, middle**2 - top * bottom))
    value = a / b
    low, high = max(0.0, (middle - root) / bottom), (middle + root) / bottom
    return (
        Compared(
            groups=(),
            measured=Measured(
                value=value,
                interval=Interval(low=low, high=high, level=level, method="Fieller, paired rows"),
                standard_error=(high - value) / t,
                df=df if math.isfinite(df) else None,
            ),
            by_group=by_group,
        ),
    )


def _accuracies(found: Sequence[Counts]) -> tuple[tuple[float, float, float], float]:
    """Variances of both accuracies, their covariance, and degrees of freedom."""
    if found[0].clustered:
        hits = np.stack([side.hits[:, 0, 0] for side in found], axis=1)
        shares, influence = shares_of_clusters(hits, np.stack([side.out_of[:, 0, 0] for side in found], axis=1))
        covariance = influence.T @ influence
        extra = [float(p * (1 - p) + 0.25 / n) / n for p, n in zip(shares.rate, shares.n, strict=True)]
        own = [max(float(covariance[at, at]), extra[at]) for at in (0, 1)]
        return (own[0], own[1], float(covariance[0, 1])), float(shares.df[0])
    n = float(found[0].out_of[0, 0, 0])
    x, y = (float(side.hits[0, 0, 0]) for side in found)
    xy = _both(found, 0, 0)
    # Four rows added: right in both, in one, in the other, in neither, a quarter of two rows each.
    total = n + 2.0
    p, q, pq = (x + 1.0) / total, (y + 1.0) / total, (xy + 0.5) / total
    return (p * (1 - p) / total, q * (1 - q) / total, (pq - p * q) / total), math.inf
