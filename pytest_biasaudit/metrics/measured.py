"""From a contrast to what a metric gives back: value, interval and p, or the reason for none. Imports stats."""

from __future__ import annotations

import math

from pytest_biasaudit.metrics.metric import Measured, nothing
from pytest_biasaudit.stats.crossed import Contrast, t_p, t_quantile
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.unvaried import UNVARIED, unvaried_reach

ALL_ALIKE = "every answer is the same, so there is no scale on which to bound what was not asked"


def value_only(value: float, reason: str) -> Measured:
    """A value without an interval, and why; no value either where it is not a finite number."""
    if not math.isfinite(value):
        return nothing(f"the value is not a finite number; {reason}")
    return Measured(value=value, interval=None, reason=reason)


def named(parts: Contrast, *, by: str = "") -> str:
    """The interval's method: "names only" first where one template cannot show more."""
    return f"{parts.method}, {by}" if by else parts.method


def around(
    value: float,
    parts: Contrast,
    *,
    variance: float,
    scale: float,
    level: float,
    unit: float = 1.0,
    logs: bool = False,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    ideal: float = 0.0,
) -> Measured:
    """The value with a t interval from the contrast's degrees of freedom.

    variance  of the value, or of its logarithm with `logs`; where the contrast itself did not vary the interval is that of
              `stats.unvaried`, from `scale`
    unit      what the contrast's difference is divided by to give the value (1 for itself); for the p of no difference
    """
    if not (math.isfinite(value) and math.isfinite(variance) and math.isfinite(scale)):
        return nothing("the answers are too large to compute with: the result is not a finite number")
    if logs and value <= 0:
        return nothing("a ratio of 0 has no logarithm")
    centre, hypothesis = (math.log(value), math.log(ideal)) if logs else (value, ideal)
    by = "on the log scale" if logs else ""
    if parts.variance > 0.0:
        error, method = math.sqrt(variance), named(parts, by=by)
        no_difference = math.sqrt(parts.variance) / unit
    else:
        reach = unvaried_reach(parts, scale=scale, level=level)
        error = reach / t_quantile(level, parts.df)
        method = named(parts, by=UNVARIED)
        no_difference = error
    if not error > 0.0:
        return value_only(value, ALL_ALIKE)
    reach = t_quantile(level, parts.df) * error
    low, high = centre - reach, centre + reach
    if logs:
        low, high = math.exp(low), math.exp(min(high, 700.0))
    low, high = max(bounds[0], low), min(bounds[1], high)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return value_only(value, "its interval has no width that numbers of this size can show")
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=method),
        p=t_p(centre - hypothesis, no_difference, parts.df),
        standard_error=error,
        df=parts.df,
    )
