"""How big, over the variations of a question: the mean of the absolute gaps, before and after, with what it cost.

May import stats and the types of outcomes; numpy comes with stats, when something is reckoned. A variation is one
wording, asked of the same people as the others. The pruning study sums a model up this way, one number over ten
products; here that number has an interval, and beside it what no difference at all would give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_biasaudit.stats.gaps import Gaps, Scale

GapMetric = Literal["smd", "smd_pooled", "mean_difference", "rate_difference"]
MIN_PER_GROUP = 10
"""People of each group with an answer that a variation needs, as in the pruning study."""
INLIER_QUANTILES = (0.05, 0.95)
"""Of the answers of the model as it was, between which an answer is an inlier. An assumption: the study's rule is not
known, and its unofficial reproduction uses these."""
THESE_ONLY = "people resampled, on these variations"
"""What every interval here speaks of: other people, and no other variations."""
SCALES: Mapping[GapMetric, Scale] = {
    "smd": "row",
    "smd_pooled": "pooled",
    "mean_difference": "none",
    "rate_difference": "rate",
}
SAME_TO_ALL = (
    "the model now answers everyone alike: one that says the same to all is mostly a broken one, not a fair one"
)
MOST_NAMED = 3
"""Variations named in one reason."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value with its interval, or the reason it lacks one."""

    value: float | None
    interval: Interval | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class OverVariations:
    """A model's bias over variations, now and before, on the same people."""

    metric: GapMetric
    attribute: str
    groups: tuple[str, str]
    """(reference, group)."""
    bias: Figure
    """Mean over variations of the gap's absolute value, each variation by itself."""
    bias_before: Figure
    removed: Figure
    """1 - bias / bias_before: 1 is all, 0 nothing, below 0 more bias than before."""
    inlier_ratio: Figure
    """Mean over variations: answers within the 5th and 95th percentile of those before, of all numbers read."""
    inlier_ratio_strict: Figure
    """The same of all answers asked for: what held no number counts as an outlier."""
    answer_rate: Figure
    """Mean over variations: answers with a value, of all asked for."""
    chance: float | None
    """What `bias` would be on average if the groups did not differ at all: the people dealt into groups anew."""
    chance_before: float | None
    people: int
    """With an answer to any variation, now."""
    by_variation: Mapping[str, float | None]
    """The gap now, with its sign: group minus reference group. None where it is not defined."""
    by_variation_before: Mapping[str, float | None]
    reasons: Mapping[str, str]
    """Why a variation's gap, now or before, is not defined."""

    @property
    def variations(self) -> int:
        """How many there are, defined or not."""
        return len(self.by_variation)


def over_variations(
    now: Mapping[str, Sequence[Outcome]],
    before: Mapping[str, Sequence[Outcome]],
    *,
    attribute: str,
    groups: tuple[str, str],
    metric: GapMetric = "smd",
    level: float = 0.95,
    seed: int,
    min_per_group: int = MIN_PER_GROUP,
) -> OverVariations:
    """The mean absolute gap of two groups over variations, now and before, with what was removed and what it cost.

    now, before     outcomes by the name of the variation, of one wording each; the same names in both
    groups          (reference, group) of the attribute; people of others are left out
    min_per_group   people with an answer that each group needs on each variation, now and before

    A gap is that of `metrics.means.smd` on one wording: repeats of a prompt count once, by their mean (the study takes each as
    a row). A variation with too few answers, or whose gap is not defined, leaves the mean without a value: a mean over the
    others would be another figure. Where all answers are the same the gap is 0; where they are so in every variation, the
    share removed has no interval, since a model that says one thing to everybody has no gap either.

    Raises StatisticsError for variations that are not the same now and before, a variation of several wordings, an unknown
    metric, or a rate of answers that choose nothing.
    """
    if metric not in get_args(GapMetric):
        raise StatisticsError(f"no gap {metric!r} over variations; there are {', '.join(get_args(GapMetric))}")
    if list(now) != list(before) and set(now) != set(before):
        unlike = sorted(set(now) ^ set(before))
        raise StatisticsError(f"the same variations are needed now and before; not in both: {', '.join(unlike[:5])}")
    if not now:
        raise StatisticsError("there is no variation to take a mean over")
    import numpy as np

    from pytest_biasaudit.metrics.answers_by_variation import answers_of
    from pytest_biasaudit.stats.gaps import expected_by_chance, gaps

    names = sorted(now)  # the order they come in changes nothing, drawn errors included
    pairs = answers_of(
        [{name: side[name] for name in names} for side in (now, before)],
        attribute=attribute,
        groups=groups,
        selected=metric == "rate_difference",
        quantiles=INLIER_QUANTILES,
    )
    found = [
        gaps(reference.values, group.values, scale=SCALES[metric], minimum=min_per_group, level=level)
        for reference, group in pairs
    ]
    mine = pairs[0]
    told = np.vstack([side.values for side in mine])
    alike = all(len(set(column[~np.isnan(column)].tolist())) < 2 for column in told.T)
    reasons = {}
    for at, name in enumerate(names):
        after, then = found[0].reasons[at], found[1].reasons[at]
        if after or then:
            reasons[name] = "; ".join(filter(None, [after, then and f"before: {then}"]))
    chances = [
        None
        if np.isnan(side.values).any()
        else expected_by_chance(reference.values, group.values, scale=SCALES[metric], seed=seed)
        for side, (reference, group) in zip(found, pairs, strict=True)
    ]
    return OverVariations(
        metric=metric,
        attribute=attribute,
        groups=groups,
        bias=_bias(found[0], names, metric=metric, level=level, seed=seed),
        bias_before=_bias(found[1], names, metric=metric, level=level, seed=seed),
        removed=_removed(found[0], found[1], names, alike=alike, level=level, seed=seed),
        inlier_ratio=_share(
            [side.inliers for side in mine], [side.read for side in mine], names, "no number was read", level=level
        ),
        inlier_ratio_strict=_share(
            [side.inliers for side in mine], [side.asked for side in mine], names, "nobody was asked", level=level
        ),
        answer_rate=_share(
            [side.answered for side in mine], [side.asked for side in mine], names, "nobody was asked", level=level
        ),
        chance=chances[0],
        chance_before=chances[1],
        people=sum(found[0].people),
        by_variation=_by_name(names, found[0], order=list(now)),
        by_variation_before=_by_name(names, found[1], order=list(now)),
        reasons={name: reasons[name] for name in now if name in reasons},
    )


def _bias(found: Gaps, names: Sequence[str], *, metric: GapMetric, level: float, seed: int) -> Figure:
    import math

    import numpy as np

    from pytest_biasaudit.stats.gaps import mean_absolute

    lacking = [f"{name}: {reason}" for name, reason in zip(names, found.reasons, strict=True) if reason]
    if lacking:
        return Figure(value=None, interval=None, reason=_listed(lacking))
    value = float(np.abs(found.values).mean())
    if not math.isfinite(value):
        return Figure(value=None, interval=None, reason="the answers are too large to compute with")
    low, high = mean_absolute(found, level=level, seed=seed)
    if metric == "rate_difference":
        high = min(1.0, high)
    return _figure(value, low, high, level=level)


def _removed(found: Gaps, before: Gaps, names: Sequence[str], *, alike: bool, level: float, seed: int) -> Figure:
    """`alike`: every variation now has one answer for everybody."""
    import numpy as np

    from pytest_biasaudit.stats.gaps import share_removed

    for side, which in ((found, ""), (before, "before: ")):
        lacking = [f"{which}{name}: {reason}" for name, reason in zip(names, side.reasons, strict=True) if reason]
        if lacking:
            return Figure(value=None, interval=None, reason=_listed(lacking))
    had = float(np.abs(before.values).mean())
    if not had > 0.0:
        return Figure(value=None, interval=None, reason="there was no bias before, so no share of it can be removed")
    value = 1.0 - float(np.abs(found.values).mean()) / had
    if alike:
        return Figure(value=value, interval=None, reason=SAME_TO_ALL)
    ends = share_removed(found, before, level=level, seed=seed)
    if ends is None:
        return Figure(
            value=value,
            interval=None,
            reason="the bias before cannot be told from none, so that no share of it can be said to be removed",
        )
    return _figure(value, *ends, level=level)


def _share(
    counted: Sequence[NDArray[np.float64]],
    out_of: Sequence[NDArray[np.float64]],
    names: Sequence[str],
    empty: str,
    *,
    level: float,
) -> Figure:
    from pytest_biasaudit.stats.fixed_shares import mean_share

    totals = sum(table.sum(axis=0) for table in out_of)
    lacking = [f"{name}: {empty}" for name, total in zip(names, totals, strict=True) if not total > 0]
    if lacking:
        return Figure(value=None, interval=None, reason=_listed(lacking))
    value, low, high = mean_share(counted, out_of, level=level)
    return _figure(value, low, high, level=level)


def _figure(value: float, low: float, high: float, *, level: float) -> Figure:
    import math

    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return Figure(
            value=value, interval=None, reason="every answer is the same, so that nothing bounds what was not asked"
        )
    return Figure(value=value, interval=Interval(low=low, high=high, level=level, method=THESE_ONLY))


def _by_name(names: Sequence[str], found: Gaps, *, order: Sequence[str]) -> dict[str, float | None]:
    made = {
        name: None if reason else float(value)
        for name, value, reason in zip(names, found.values, found.reasons, strict=True)
    }
    return {name: made[name] for name in order}


def _listed(lacking: Sequence[str]) -> str:
    more = len(lacking) - MOST_NAMED
    return "; ".join(lacking[:MOST_NAMED]) + (f"; and {more} more variations" if more > 0 else "")
