"""How big, where a benchmark counts hits: a share of items on the benchmark's own scale, and how much further from its
ideal it is than another model's. Facts need no numpy; the intervals are imported when a figure is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_biasaudit.metrics.metric import Measured, nothing
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.stats.interval import Interval


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What a benchmark's items were drawn in, and what an interval over them is called."""

    units: str
    """In the plural: "target terms"."""
    method: str
    """"Wilson, clustered by target term"."""
    paired: str
    """The same of a change: "t, clustered by target term, paired"."""
    macro: bool = False
    """Every cluster counts alike, in place of every item."""


def share_of(
    hits: Sequence[float],
    clusters: Sequence[str],
    sampled: Sampled,
    *,
    level: float,
    none: str,
    ideal: float | None = None,
    scale: float = 100.0,
    offset: float = 0.0,
) -> Measured:
    """`scale` x the mean of the hits + offset, with the share's interval on that scale.

    hits   0 to 1, one an item, beside the cluster of each
    none   why there is no value where there are no hits
    ideal  of the share, 0 to 1, for the p; None: nothing is tested

    It has no standard error: the interval is not symmetric, and a limit is tested by the end that faces it.
    """
    from pytest_biasaudit.stats.clustered import macro_share, micro_share, share_p

    if not hits:
        return nothing(none)
    share = (macro_share if sampled.macro else micro_share)(hits, clusters, level=level)
    return Measured(
        value=scale * share.value + offset,
        interval=Interval(
            low=scale * share.low + offset, high=scale * share.high + offset, level=level, method=sampled.method
        ),
        p=None if ideal is None else share_p(share, ideal=ideal, level=level),
        clusters=share.clusters,
        sampled=sampled.units,
        used=len(hits),
    )


def increase_of(
    hits: Sequence[float],
    earlier: Sequence[float],
    clusters: Sequence[str],
    sampled: Sampled,
    *,
    ideal: float,
    level: float,
    none: str,
    scale: float = 100.0,
) -> Measured:
    """`scale` x how much further from its ideal the share of `hits` is than that of `earlier`.

    hits, earlier  the same items in the same order (`stats.clustered.paired_increase`)
    """
    from pytest_biasaudit.stats.clustered import paired_increase

    if not hits:
        return nothing(none)
    found = paired_increase(hits, earlier, clusters, ideal=ideal, level=level, macro=sampled.macro)
    return Measured(
        value=scale * found.value,
        interval=Interval(low=scale * found.low, high=scale * found.high, level=level, method=sampled.paired),
        p=found.p,
        standard_error=scale * found.standard_error,
        df=found.df,
        clusters=found.clusters,
        sampled=sampled.units,
        used=len(hits),
    )


def recovered(
    hits: Sequence[float],
    earlier: Sequence[float],
    clusters: Sequence[str],
    sampled: Sampled,
    *,
    level: float,
    none: str,
) -> Measured:
    """The share of `hits` over that of `earlier`, the same items in the same order (`stats.recovery`)."""
    from pytest_biasaudit.stats.recovery import NOTHING_THERE, recovery_of_items

    if not hits:
        return nothing(none)
    if not any(earlier):
        return nothing(NOTHING_THERE)
    found = recovery_of_items(hits, earlier, clusters, level=level, macro=sampled.macro)
    return Measured(
        value=found.value,
        interval=Interval(
            low=found.low, high=found.high, level=level, method=f"{sampled.method}, over kept and gained, paired"
        ),
        clusters=found.clusters,
        sampled=sampled.units,
        used=len(hits),
    )


def is_read(outcome: Outcome) -> bool:
    """Whether it has a value that counts."""
    return outcome.reading.status == "ok" and outcome.reading.value is not None


def with_values(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, float]]:
    """Those that could be read, each with its value."""
    return [(one, value) for one in outcomes if is_read(one) and (value := one.reading.value) is not None]


def read_in_both(outcomes: Sequence[Outcome], other: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Of two models' outcomes for the same items, in the same order, those that could be read of both."""
    both = [
        (mine, theirs)
        for mine, theirs in zip(outcomes, other, strict=True)
        # `is_read` of both, written out: this is done for every pair of a large benchmark, part by part.
        if mine.reading.status == theirs.reading.status == "ok"
        and mine.reading.value is not None
        and theirs.reading.value is not None
    ]
    return [mine for mine, _ in both], [theirs for _, theirs in both]
