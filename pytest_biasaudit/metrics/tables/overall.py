"""How big: how able a classifier is over all rows, and at its worst group. From a tally."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.confusion import Counts, Rate, counts, summary
from pytest_biasaudit.metrics.tables.gaps import labels_of
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.two_proportions import quantile
from pytest_biasaudit.tables.tally import Tally

EXACT = "Clopper and Pearson"
EXACT_CLUSTERED = "Korn and Graubard (Clopper and Pearson, effective number of rows from clusters)"


def share(
    tally: Tally,
    *,
    rate: Rate,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """One rate over all rows: `accuracy`, or the share of rows `answered`."""
    labels = labels_of(rate, tally, label)
    if isinstance(labels, str):
        return (Compared(groups=(), measured=nothing(labels)),)
    found = counts(rate, tally, (), labels)
    reason = found.obstacle(0, 0, minimum=minimum)
    by_group = (found.summary(0, 0),)
    if reason:
        return (Compared(groups=(), measured=nothing(reason), by_group=by_group),)
    low, high = found.shares.limits(level=level, exact=True)
    measured = _measured(float(found.shares.rate[0, 0]), float(low[0, 0]), float(high[0, 0]), found, level=level)
    return (Compared(groups=(), measured=measured, by_group=by_group),)


def balanced_accuracy(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """The mean over labels of the true positive rate, of every label that a row truly has.

    Interval: MOVER for a mean of shares, reach^2 = a' R a with a_y = (p_y - l_y) / L and R the correlation of the shares'
    errors: the identity without clusters, since no row has two true labels.
    """
    if label is not None:
        return (Compared(groups=(), measured=nothing(f"a mean over labels has none of the label {label!r}")),)
    there = set(np.unique(tally.truth[tally.count > 0]).tolist())
    labels = tuple(name for at, name in enumerate(tally.labels) if at in there)
    found = counts("tpr", tally, (), labels)
    reasons = [said for at in range(len(labels)) if (said := found.obstacle(0, at, minimum=minimum))]
    rates = found.shares.rate[0]
    by_group = (
        summary(
            "",
            n=int(found.out_of.sum()),
            asked=int(found.asked[0]),
            unanswered=int(found.unanswered[0]),
            units=int(found.units[0].sum()),
            rate=None if not labels or np.isnan(rates).any() else float(rates.mean()),
        ),
    )
    if reasons or not labels:
        reason = "; ".join(dict.fromkeys(reasons[:3])) or "no row has a true label"
        return (Compared(groups=(), measured=nothing(reason), by_group=by_group),)
    lows, highs = found.shares.limits(level=level)
    influence = found.influence
    together = np.eye(len(labels))
    if influence is not None:
        covariance = influence[:, 0].T @ influence[:, 0]
        size = np.sqrt(np.diag(covariance))
        scale = np.where(size > 0, size, 1.0)
        together = np.where(np.eye(len(labels)) > 0, 1.0, covariance / np.outer(scale, scale))

    def reach(parts: np.ndarray) -> float:
        return math.sqrt(max(0.0, float(parts @ together @ parts))) / len(labels)

    value = float(rates.mean())
    low, high = max(0.0, value - reach(rates - lows[0])), min(1.0, value + reach(highs[0] - rates))
    measured = _measured(value, low, high, found, level=level, method=found.method)
    return (Compared(groups=(), measured=measured, by_group=by_group),)


def worst_group(
    tally: Tally,
    *,
    rate: Rate,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """The lowest rate of any group; of `tpr` one a label.

    Low end: the truly worst group is fixed, if not known, and its own low end is no lower than the lowest of all: nothing is
    corrected for. High end: too low only where some group's is below its own true rate, so that for k groups each has the
    level 1 - (1 - level) / k; both ends together err at most 1 - level.
    """
    labels = labels_of(rate, tally, label)
    if isinstance(labels, str):
        return (Compared(groups=(), measured=nothing(labels)),)
    found = counts(rate, tally, attributes, labels)
    groups = range(len(found.groups))
    made = []
    low = found.shares.limits(level=level, exact=True)[0]
    high = found.shares.limits(level=1.0 - (1.0 - level) / len(found.groups), exact=True)[1]
    for at, name in enumerate(found.labels):
        reason = found.first_obstacle(at, minimum=minimum)
        by_group = tuple(found.summary(group, at) for group in groups)
        if reason:
            made.append(Compared(groups=(), label=name, measured=nothing(reason), by_group=by_group))
            continue
        worst = int(np.argmin(found.shares.rate[:, at]))
        measured = _measured(
            float(found.shares.rate[worst, at]),
            float(low[:, at].min()),
            float(high[:, at].min()),
            found,
            level=level,
        )
        made.append(Compared(groups=(found.groups[worst],), label=name, measured=measured, by_group=by_group))
    return tuple(made)


def _measured(
    value: float, low: float, high: float, found: Counts, *, level: float, method: str | None = None
) -> Measured:
    """A share that a limit holds from below: its standard error is that of the end above."""
    error = (high - value) / float(quantile(level, math.inf))
    if method is None:
        method = EXACT_CLUSTERED if found.clustered else EXACT
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=method),
        standard_error=error if error > 0.0 else None,
    )
