"""On what scale a limit is held: estimates carried to where the declared number is compared, and the test against it.

A `distance` metric is judged by how far it lies from its ideal, a `ratio` metric by the ratio or its inverse, whichever
is further from 1, a change against another model and every other metric by the value itself. Pure functions; scipy is
imported when a p is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_biasaudit.context.declaration import Limit, Rule
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.stats.interval import Interval

Side = Literal["max", "min"]
RULES: tuple[str, ...] = get_args(Rule)


@dataclass(frozen=True, kw_only=True)
class OnScale:
    """An estimate where its limit is held. Beyond is above the bound for "max", under it for "min"."""

    value: float
    low: float | None
    """Lower end of the interval; None (both ends) where there is no usable interval."""
    high: float | None
    bound: float
    side: Side

    @property
    def has_interval(self) -> bool:
        """Whether both ends are there."""
        return self.low is not None and self.high is not None

    @property
    def value_holds(self) -> bool:
        """The estimate itself keeps the limit; a value on the bound does."""
        return self.value <= self.bound if self.side == "max" else self.value >= self.bound

    @property
    def holds(self) -> bool:
        """The whole interval keeps the limit; False without an interval."""
        if self.low is None or self.high is None:
            return False
        return self.high <= self.bound if self.side == "max" else self.low >= self.bound

    @property
    def beyond(self) -> bool:
        """The whole interval lies beyond the limit; False without an interval."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.bound if self.side == "max" else self.high < self.bound

    @property
    def excess(self) -> float:
        """How far the value lies on the wrong side of the bound; negative where it keeps it."""
        return self.value - self.bound if self.side == "max" else self.bound - self.value


def side_of(limit: Limit) -> Side:
    """Whether the limit bounds from above or below."""
    return "max" if limit.min is None and limit.min_recovery is None else "min"


def is_change(limit: Limit) -> bool:
    """Whether the limit is on an increase against another model or a recovery of it, which are judged as they are."""
    return limit.shows != "value"


def on_log_scale(limit: Limit, metric: Metric) -> bool:
    """Whether the standard error is one of the logarithm, as for every ratio that is judged as such."""
    return metric.unit == "ratio" and not is_change(limit)


def why_unusable(limit: Limit, metric: Metric) -> str:
    """Why this limit cannot be held against this metric at all; empty when it can.

    Readers of context files refuse such limits; a limit built in Python meets them here, and is never green.
    """
    if limit.rule not in RULES:
        return f"there is no rule {limit.rule!r}; there are {', '.join(RULES)}"
    if not math.isfinite(limit.bound):
        return f"the limit {limit.bound} is not a finite number"
    if not 0.0 < limit.level < 1.0:
        return f"the level {limit.level} is not between 0 and 1"
    if limit.min is not None and metric.judged == "distance":
        return f"{metric.name} is judged by its distance from {metric.ideal:g}: a minimum has no meaning, use max"
    if metric.against and limit.min is None:
        return f"{metric.name} is limited with min: anything else would ask for bias, or says nothing"
    if limit.shows == "recovery" and metric.recovery is None:
        return f"{metric.name} is no metric of ability: there is nothing in it to recover"
    if limit.shows == "recovery" and not 0.0 < limit.bound <= 1.0:
        return f"a recovery is a share of what another model has: a limit of {limit.bound:g} says nothing"
    if on_log_scale(limit, metric) and limit.bound <= 0:
        return f"{metric.name} is a ratio and never below 0: a limit of {limit.bound:g} says nothing"
    return ""


def on_scale(estimate: Estimate, limit: Limit, metric: Metric) -> OnScale | None:
    """The estimate on the scale its limit is held; None when there is no finite value.

    An interval with a NaN end, or with its ends the wrong way round, counts as no interval.
    An infinite end stays: it only says that nothing bounds the value there.
    """
    if estimate.value is None or not math.isfinite(estimate.value) or not estimate.usable:
        return None
    if on_log_scale(limit, metric) and estimate.value < 0:  # no ratio: whatever gave it did not measure one
        return None
    low = high = None
    if estimate.interval is not None and estimate.interval.low <= estimate.interval.high:
        low, high = estimate.interval.low, estimate.interval.high
    side = side_of(limit)
    value = estimate.value
    if not is_change(limit):
        if metric.judged == "distance":
            value, low, high = _distance(value, low, high, metric.ideal)
        elif metric.judged == "ratio":
            if value < 0 or (low is not None and low < 0):
                return None  # not a ratio: something went wrong before this point
            value, low, high = _folded(value, low, high, side)
    return OnScale(value=value, low=low, high=high, bound=limit.bound, side=side)


def p_against(estimate: Estimate, limit: Limit, metric: Metric) -> float:
    """How surprising the estimate would be if the limit were just kept: the p that `lower` limits are adjusted with.

    p = min(1, 2 P(T > excess / se)), so that p <= 1 - level exactly when a t interval of that level lies beyond the
    limit. Ratios are tested on the log scale. T has the estimate's degrees of freedom; the normal stands in where it
    gives none. A statistic without a standard error gets the one its interval implies on the side of the limit, so that
    p = 1 - level when the interval just touches it. A ratio of 0 has no logarithm: `_p_of_none`.

    1.0 for what could not be measured: it then takes its place in the family, and is evidence of nothing.
    """
    from scipy.special import ndtr, ndtri, stdtr

    if why_unusable(limit, metric):
        return 1.0
    held = on_scale(estimate, limit, metric)
    if held is None or not held.has_interval or estimate.interval is None or estimate.value is None:
        return 1.0
    level = estimate.interval.level
    excess = _log_excess(held) if on_log_scale(limit, metric) else held.excess
    near = _reach_toward_limit(estimate.value, estimate.interval, held, limit, metric)
    if not excess > 0:
        return 1.0
    if on_log_scale(limit, metric) and held.value == 0 and held.side == "min":
        return _p_of_none(estimate, held, level)
    error, df = estimate.standard_error, estimate.df
    if error is None or not math.isfinite(error) or error <= 0 or not math.isfinite(excess):
        if not (math.isfinite(excess) and math.isfinite(near) and near > 0):
            return 1.0 - level if held.beyond else 1.0
        error, df = near / float(ndtri(0.5 + level / 2)), None
    score = excess / error
    tail = float(stdtr(df, -score)) if df is not None and math.isfinite(df) and df > 0 else float(ndtr(-score))
    return min(1.0, 2.0 * tail)


def _p_of_none(estimate: Estimate, held: OnScale, level: float) -> float:
    """The p of a ratio of 0, of a group in which nobody was chosen, against the least it may be.

    No hit in n rows at a rate r has probability (1 - r)^n, so that its logarithm falls with the ratio at least as fast as
    in proportion: 1 - level at the interval's upper end, (1 - level)^(bound / end) at the bound. Against a ratio below 1 it
    is no smaller than against 1, where the estimate has one.
    """
    if not held.high or not math.isfinite(held.high):
        return 1.0
    p = float((1.0 - level) ** (held.bound / held.high))
    return max(p, min(estimate.p or 0.0, 1.0 - level)) if held.bound <= 1.0 else p


def _distance(
    value: float, low: float | None, high: float | None, ideal: float
) -> tuple[float, float | None, float | None]:
    if low is None or high is None:
        return abs(value - ideal), None, None
    ends = sorted((abs(low - ideal), abs(high - ideal)))
    return abs(value - ideal), 0.0 if low <= ideal <= high else ends[0], ends[1]


def _folded(
    value: float, low: float | None, high: float | None, side: Side
) -> tuple[float, float | None, float | None]:
    """A ratio and its interval as the larger (for "max") or smaller (for "min") of itself and its inverse."""

    def fold(ratio: float) -> float:
        inverse = math.inf if ratio == 0 else 1.0 / ratio
        return max(ratio, inverse) if side == "max" else min(ratio, inverse)

    if low is None or high is None:
        return fold(value), None, None
    ends = sorted((fold(low), fold(high)))
    if low <= 1.0 <= high:
        ends = [1.0, ends[1]] if side == "max" else [ends[0], 1.0]
    return fold(value), ends[0], ends[1]


def _log(ratio: float) -> float:
    return -math.inf if ratio == 0 else math.log(ratio)


def _log_excess(held: OnScale) -> float:
    if held.value < 0:
        return math.nan
    return (1.0 if held.side == "max" else -1.0) * (_log(held.value) - _log(held.bound))


def _reach_toward_limit(value: float, interval: Interval, held: OnScale, limit: Limit, metric: Metric) -> float:
    """From the value to the end of its own, unfolded interval that lies toward the limit; in logs for ratios."""
    low, high = interval.low, interval.high
    if on_log_scale(limit, metric):
        if min(value, low) < 0:
            return math.nan
        value, low, high = _log(value), _log(low), _log(high)
    if is_change(limit) or metric.judged == "value":
        toward_low = held.side == "max"
    else:
        toward_low = value >= (0.0 if metric.judged == "ratio" else metric.ideal)
    return value - low if toward_low else high - value
