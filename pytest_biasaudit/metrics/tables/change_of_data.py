"""How big, of a corpus: how much further from its ideal a figure is than in the data's earlier version.

The two versions are taken to be drawn apart. Where the later one was made from the earlier (scrubbed, re-balanced) their
errors mostly rise and fall together, and the interval is then wider than it need be, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_biasaudit.metrics.metric import Compared, Measured, Metric, nothing
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.magnitude import increase_from_corners
from pytest_biasaudit.tables.tally import Tally

METHOD = "corners of sum and difference, MOVER"


def change_of_data(
    metric: Metric,
    tally: Tally,
    before: Tally,
    *,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """|now - ideal| less |before - ideal|, of logarithms for ratios, for every comparison of the data as they are now.

    Not measured where the earlier version has no such comparison: other groups, another reference, no such label.
    """
    assert metric.of_table is not None
    settings = {"attributes": attributes, "label": label, "level": level, "seed": seed, "minimum": minimum}
    if label is not None and label not in before.labels:
        return (Compared(groups=(), label=label, measured=nothing(f"before: no row has the label {label!r}")),)
    earlier = {(one.groups, one.label): one for one in metric.of_table(before, **settings)}
    found = []
    for one in metric.of_table(tally, **settings):
        other = earlier.get((one.groups, one.label))
        if other is None:
            what = " and ".join(map(repr, one.groups)) or "the rows"
            measured = nothing(
                f"before: {what} were not compared{f' by {one.label!r}' if one.label else ''}; name the groups of both "
                "versions in groups_order, the reference first"
            )
        else:
            measured = increase(metric, one.measured, other.measured, level=level)
        found.append(Compared(groups=one.groups, label=one.label, measured=measured, by_group=one.by_group))
    return tuple(found)


def increase(metric: Metric, now: Measured, before: Measured, *, level: float) -> Measured:
    """How much further from its ideal `now` is than `before`, from the two intervals.

    With c and p the two distances from the ideal, signed, and their limits (lc, uc), (lp, up), the interval of c - p is
    c - p - sqrt((c - lc)^2 + (up - p)^2) to c - p + sqrt((uc - c)^2 + (p - lp)^2), and that of c + p alike (Zou and Donner
    2008); `stats.magnitude` takes both to |c| - |p|.
    """
    for side, measured in (("now", now), ("before", before)):
        if measured.value is None or measured.interval is None or not measured.usable:
            return nothing(f"{side}: {measured.reason or 'there is no value'}")
    c, p = _from_ideal(metric, now), _from_ideal(metric, before)
    if not all(math.isfinite(number) for number in (*c, *p)):
        return nothing("no limit bounds the figure on one side in one of the versions, so nothing bounds its rise")
    (value_c, low_c, high_c), (value_p, low_p, high_p) = c, p
    down, up = value_c - low_c, high_c - value_c
    below, above = value_p - low_p, high_p - value_p
    difference = (value_c - value_p - math.hypot(down, above), value_c - value_p + math.hypot(up, below))
    total = (value_c + value_p - math.hypot(down, below), value_c + value_p + math.hypot(up, above))
    value, low, high = increase_from_corners(difference, total, value_c, value_p)
    return Measured(value=value, interval=Interval(low=low, high=high, level=level, method=METHOD))


def _from_ideal(metric: Metric, measured: Measured) -> tuple[float, float, float]:
    """Value and ends of the interval, as signed distances from the ideal; of a ratio, of its logarithm."""
    assert measured.value is not None
    assert measured.interval is not None
    numbers = (measured.value, measured.interval.low, measured.interval.high)
    if metric.judged == "ratio":
        value, low, high = (math.log(one) if one > 0.0 else -math.inf for one in numbers)
        return value, low, high
    value, low, high = (one - metric.ideal for one in numbers)
    return value, low, high
