"""How big: the largest difference and the smallest ratio of a classifier's rates over all groups. From a tally.

With pairs of groups j = 1..m, true differences d_j and D = max |d_j|, whichever pair that is. Every pair has a two-sided
interval whose tails are at most half of what it may err.

High end: the pair i with |d_i| = D is fixed, if not known. Its own high end lies under D at most alpha / 2 of the time, and
the largest high end of all pairs is no lower. Nothing is corrected for.

Low end: it is too high only where some pair's is higher than D, so than its own |d_j|. With each pair's interval of level
1 - a, that happens at most m a - a / 2 of the time where D > 0 (the largest pair cannot err in the other direction), and at
most m a where D = 0; there the high end cannot be too low. Both ends together err at most

    alpha / 2 + (m - 1/2) a     so that     a = alpha / (2 m - 1)

makes it alpha, which is the plain interval for two groups. For the smallest ratio the same holds with the ends exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.confusion import Counts, Rate, counts
from pytest_biasaudit.metrics.tables.gaps import compare, same_rows
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.two_proportions import quantile, ratio
from pytest_biasaudit.tables.tally import Tally

Floats = NDArray[np.float64]
IN_WORDS: dict[Rate, str] = {
    "tpr": "true positive rates",
    "fpr": "false positive rates",
    "selection": "selection rates",
}


def corrected(level: float, pairs: int) -> float:
    """The level of every pair's interval for the end that all of them must hold: 1 - (1 - level) / (2 m - 1)."""
    return 1.0 - (1.0 - level) / (2 * pairs - 1)


@dataclass(frozen=True, kw_only=True)
class _Largest:
    """The largest difference over pairs, of one rate or more."""

    value: float
    low: float
    """Below 0 where no pair differs for sure: how far below tells how sure."""
    high: float
    p: float
    found: Counts
    pair: tuple[int, int]
    """(lowest, highest)."""


def largest_difference(
    tally: Tally,
    *,
    rates: tuple[Rate, ...],
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """The highest group's rate minus the lowest's, of the one of `rates` in which it is largest; one a label."""
    made = []
    for name in tally.looked_at(label):
        several = [counts(rate, tally, attributes, (name,)) for rate in rates]
        groups = several[0].groups
        if len(groups) < 2:
            return ()
        pairs = list(combinations(range(len(groups)), 2))
        reason = _obstacle(several, pairs, minimum=minimum)
        if reason:
            summaries = tuple(several[0].summary(group, 0) for group in range(len(groups)))
            made.append(Compared(groups=(), label=name, measured=nothing(reason), by_group=summaries))
            continue
        most = _largest(several, pairs, level=level)
        told = f"largest between {IN_WORDS[most.found.rate]}" if len(rates) > 1 else ""
        made.append(
            Compared(
                groups=(groups[most.pair[0]], groups[most.pair[1]]),
                label=name,
                measured=Measured(
                    value=most.value,
                    interval=Interval(
                        low=max(0.0, most.low),
                        high=most.high,
                        level=level,
                        method=_method(most.found, len(pairs) * len(several)),
                    ),
                    p=most.p,
                    reason=told,
                    standard_error=(most.value - most.low) / float(quantile(level, math.inf)),
                ),
                by_group=tuple(most.found.summary(group, 0) for group in range(len(groups))),
            )
        )
    return tuple(made)


def _largest(several: Sequence[Counts], pairs: Sequence[tuple[int, int]], *, level: float) -> _Largest:
    m = len(pairs) * len(several)
    ends: list[tuple[float, float]] = []
    ps: list[float] = []
    spreads: list[float] = []
    for found in several:
        plain, strict = compare(found, pairs, level=level), compare(found, pairs, level=corrected(level, m))
        ends.append(
            (
                float(np.max(np.maximum(strict.low, -strict.high))),
                float(np.max(np.maximum(plain.high, -plain.low))),
            )
        )
        ps.append(float(plain.p.min()))
        rates = found.shares.rate[:, 0]
        spreads.append(float(rates.max() - rates.min()))
    at = int(np.argmax(spreads))
    rates = several[at].shares.rate[:, 0]
    return _Largest(
        value=spreads[at],
        low=max(low for low, _ in ends),
        high=min(1.0, max(high for _, high in ends)),
        p=min(1.0, m * min(ps)),
        found=several[at],
        pair=_lowest_and_highest(rates),
    )


def smallest_ratio(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """The lowest group's selection rate over the highest's; one a label."""
    made = []
    for name in tally.looked_at(label):
        found = counts("selection", tally, attributes, (name,))
        if len(found.groups) < 2:
            return ()
        pairs = list(combinations(range(len(found.groups)), 2))
        summaries = tuple(found.summary(group, 0) for group in range(len(found.groups)))
        rates = found.shares.rate[:, 0]
        reason = _obstacle([found], pairs, minimum=minimum)
        if not reason and not rates.any():
            reason = f"nobody is given {name!r}: the ratio of two rates of 0 is not defined"
        if reason:
            made.append(Compared(groups=(), label=name, measured=nothing(reason), by_group=summaries))
            continue
        pair = _lowest_and_highest(rates)
        made.append(
            Compared(
                groups=(found.groups[pair[0]], found.groups[pair[1]]),
                label=name,
                measured=_ratio(found, pairs, value=float(rates[pair[0]] / rates[pair[1]]), level=level),
                by_group=summaries,
            )
        )
    return tuple(made)


def _ratio(found: Counts, pairs: Sequence[tuple[int, int]], *, value: float, level: float) -> Measured:
    m = len(pairs)
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    correlation = found.correlation(pairs)
    lows, highs, ps = [], [], []
    for reference, group in ((one, other), (other, one)):
        shares = found.shares.at(reference), found.shares.at(group)
        plain = ratio(*shares, level=level, correlation=correlation)
        strict = ratio(*shares, level=corrected(level, m), correlation=correlation)
        lows.append(np.where(np.isnan(plain.low), 0.0, plain.low).min())  # 0 of 0: anything may be true
        highs.append(np.where(np.isnan(strict.high), np.inf, strict.high).min())
        ps.append(np.where(np.isnan(plain.p), 1.0, plain.p).min())
    low, high = max(0.0, float(min(lows))), float(min(highs))
    error = None
    if value > 0.0 and value < high < math.inf:
        error = (math.log(high) - math.log(value)) / float(quantile(level, math.inf))
    return Measured(
        value=value,
        interval=Interval(low=low, high=min(1.0, high), level=level, method=_method(found, m)),
        p=min(1.0, m * float(min(ps))),
        standard_error=error,
    )


def _method(found: Counts, pairs: int) -> str:
    return found.method if pairs == 1 else f"{found.method}, widest of {pairs} pairs, inner end corrected for them"


def _lowest_and_highest(rates: Floats) -> tuple[int, int]:
    low, high = int(np.argmin(rates)), int(np.argmax(rates))
    return (low, high) if low != high else (0, 1)


def _obstacle(several: Sequence[Counts], pairs: Sequence[tuple[int, int]], *, minimum: int) -> str:
    """Why not all groups can be compared; a group that is missing is among the reasons."""
    for found in several:
        reason = found.first_obstacle(0, minimum=minimum)
        if reason:
            return reason
    return next((said for pair in pairs if (said := same_rows(several[0], pair))), "")
