"""How much further from fair is a child than its parent: the increase of a bias, paired on the same people and templates.

May import the types of metrics, and their arithmetic when called. Source of the paired form: the same person asked the
same question twice is one pair; the difference of the pair loses whatever both models share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.clustered import same_side
from pytest_biasaudit.stats.crossed import Contrast, Shared, contrast, shared, t_quantile, template_mean
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.magnitude import increase_from_corners
from pytest_biasaudit.stats.moved import few_changes_reach
from pytest_biasaudit.stats.twoway import drawn
from pytest_biasaudit.stats.unvaried import UNVARIED, unvaried_reach

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.metric import GroupCells, Measured, Metric

Floats = NDArray[np.float64]

LINEAR = ("mean_difference", "smd", "smd_pooled", "rate_difference", "refusal_rate_difference")
"""Metrics whose change is a mean of per-cell changes, so that the crossed t interval applies to the pairs."""
RESAMPLES = 499
"""For every other metric: each resample computes it anew for both models."""


def increase_of_magnitude(
    reference_child: GroupCells,
    group_child: GroupCells,
    reference_parent: GroupCells,
    group_parent: GroupCells,
    *,
    metric: Metric | str,
    level: float,
    seed: int = 0,
) -> Measured:
    """|child| - |parent|: how much further from its ideal the metric lies for the child; negative when it came closer.

    The four tables have the same people in the same rows and the same templates in the same columns; a cell that is missing
    in either model is left out of both. `metric` is a registered one, or its name.

    For differences of means or rates, with c the child's value, p the parent's, [a, b] the crossed t interval of c - p (from
    each cell's child less parent) and [e, f] that of c + p (from each cell's child plus parent):

        |c| - |p| = sign(u v) min(|u|, |v|)     with u = c - p, v = c + p, since c^2 - p^2 = u v

    whose least and greatest value for u in [a, b] and v in [e, f] are at the four corners (`stats.magnitude`).

    For `smd` each model's cells are over its own s, and (c -+ p)^2 / (2 nu) is added to the variance, nu people less 2.
    Every other metric is computed anew in 499 two-way resamples, the same people and templates drawn for both models, as the
    distance from its ideal (of the logarithm, for ratios); the interval is the value and t bootstrap standard errors.

    Raises StatisticsError where the tables do not have the same shape, or no metric has that name.
    """
    from pytest_biasaudit.metrics.metric import nothing
    from pytest_biasaudit.metrics.registry import METRICS

    known = METRICS.get(metric) if isinstance(metric, str) else metric
    if known is None:
        raise StatisticsError(f"no metric {metric!r} is registered; there are {', '.join(METRICS)}")
    _refuse_unlike((reference_child, group_child), (reference_parent, group_parent))
    if known.name not in LINEAR:
        sides = _only_common((reference_child, group_child), (reference_parent, group_parent))
        return _resampled(*sides, metric=known, level=level, seed=seed)
    of_child, of_parent = answered_by_both(
        (reference_child, group_child), (reference_parent, group_parent), name=known.name
    )
    for both in (of_child, of_parent):
        if not both.comparable:
            return nothing(both.reason)
    return _paired(
        (of_child.reference, of_child.group),
        (of_parent.reference, of_parent.group),
        name=known.name,
        reason=of_child.reason,
        level=level,
    )


def answered_by_both(
    child: tuple[GroupCells, GroupCells], parent: tuple[GroupCells, GroupCells], *, name: str
) -> tuple[Shared, Shared]:
    """What one of the `LINEAR` metrics counts, of child and parent, with what is missing in either left out of both.

    Both therefore keep the same people in the rows and templates in the columns. Raises StatisticsError for tables of
    unlike shape.
    """
    _refuse_unlike(child, parent)
    read = _READ[name]
    tables = [read(side) for side in (*child, *parent)]
    for child_table, parent_table in ((0, 2), (1, 3)):
        gone = np.isnan(tables[child_table]) | np.isnan(tables[parent_table])
        for place in (child_table, parent_table):
            tables[place] = np.where(gone, np.nan, tables[place])
    return shared(tables[0], tables[1]), shared(tables[2], tables[3])


def _refuse_unlike(child: tuple[GroupCells, GroupCells], parent: tuple[GroupCells, GroupCells]) -> None:
    for one, other in zip(child, parent, strict=True):
        if one.values.shape != other.values.shape:
            raise StatisticsError(
                f"a child and its parent answer the same people and templates, got tables of {one.values.shape} and "
                f"{other.values.shape}"
            )


def _paired(
    child: tuple[Floats, Floats], parent: tuple[Floats, Floats], *, name: str, reason: str, level: float
) -> Measured:
    from pytest_biasaudit.metrics.means import pooled_sd, row_sd
    from pytest_biasaudit.metrics.measured import ALL_ALIKE, named, value_only
    from pytest_biasaudit.metrics.metric import Measured, nothing

    rates = name in ("rate_difference", "refusal_rate_difference")
    standardised = name in ("smd", "smd_pooled")
    deviations = [pooled_sd(*pair) if name == "smd_pooled" else row_sd(*pair) for pair in (child, parent)]
    scale = 1.0 if rates else max(deviations)
    if standardised:
        for s, pair, which in zip(deviations, (child, parent), ("the child", "the parent"), strict=True):
            if s == 0.0:
                same = template_mean(pair[0]) == template_mean(pair[1])
                return nothing(
                    f"every answer of {which} is the same: there is no standard deviation for an increase"
                    if same
                    else f"answers of {which} do not vary within groups: its standardised difference is not defined"
                )
        child = (child[0] / deviations[0], child[1] / deviations[0])
        parent = (parent[0] / deviations[1], parent[1] / deviations[1])
        scale = 1.0
    c = template_mean(child[1]) - template_mean(child[0])
    p = template_mean(parent[1]) - template_mean(parent[0])
    value = abs(c) - abs(p)
    if reason:
        return value_only(value, reason)
    freedom = sum(len(table) for table in child) - 2
    ends: list[tuple[float, float]] = []
    deciding: list[tuple[float, Contrast]] = []
    for sign in (-1.0, 1.0):
        changed = (child[0] + sign * parent[0], child[1] + sign * parent[1])
        parts = contrast(*changed)
        centre = c + sign * p
        extra = centre**2 / (2.0 * freedom) if standardised else 0.0
        reach = t_quantile(level, parts.df) * math.sqrt(parts.variance + extra)
        if parts.variance <= 0.0:
            reach = max(reach, unvaried_reach(parts, scale=max(scale, abs(centre)), level=level))
        elif rates:
            reach = max(reach, _few_changes_reach(changed, parts, level=level))
        ends.append((centre - reach, centre + reach))
        deciding.append((reach, parts))
    _, low, high = increase_from_corners(ends[0], ends[1], c, p)
    if not (math.isfinite(low) and math.isfinite(high)):
        return nothing("the answers are too large to compute with: the result is not a finite number")
    if not low < high:
        return value_only(value, ALL_ALIKE)
    # On its ideal but for rounding is on neither side: the last digits must not choose between two standard errors.
    largest = max(float(np.nanmax(np.abs(table))) for table in (*child, *parent)) or 1.0
    reach, parts = deciding[0] if same_side(c / largest, p / largest) else deciding[1]
    return Measured(
        value=value,
        interval=Interval(low=low, high=high, level=level, method=named(parts, by="paired")),
        p=None,
        standard_error=reach / t_quantile(level, parts.df),
        df=parts.df,
    )


def _few_changes_reach(changed: tuple[Floats, Floats], parts: Contrast, *, level: float) -> float:
    """Both groups' changes of zeros and ones, where they are few."""
    return math.hypot(
        *(
            few_changes_reach(table, people=parts.people[side], templates=parts.template_count, level=level)
            for side, table in enumerate(changed)
        )
    )


def _values(side: GroupCells) -> Floats:
    return side.values


def _selected(side: GroupCells) -> Floats:
    return side.selected


def _refused(side: GroupCells) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(side.asked > 0, side.refused / side.asked, np.nan))


_READ: dict[str, Callable[[GroupCells], Floats]] = {
    "mean_difference": _values,
    "smd": _values,
    "smd_pooled": _values,
    "rate_difference": _selected,
    "refusal_rate_difference": _refused,
}


def _only_common(
    child: tuple[GroupCells, GroupCells], parent: tuple[GroupCells, GroupCells]
) -> tuple[tuple[GroupCells, GroupCells], tuple[GroupCells, GroupCells]]:
    """Both models' tables with a cell blank in both where either has none."""
    kept: list[list[GroupCells]] = [[], []]
    for of_child, of_parent in zip(child, parent, strict=True):
        no_value = np.isnan(of_child.values) | np.isnan(of_parent.values)
        no_choice = np.isnan(of_child.selected) | np.isnan(of_parent.selected)
        for place, side in enumerate((of_child, of_parent)):
            kept[place].append(
                replace(
                    side,
                    values=np.where(no_value, np.nan, side.values),
                    selected=np.where(no_choice, np.nan, side.selected),
                )
            )
    return (kept[0][0], kept[0][1]), (kept[1][0], kept[1][1])


def _resampled(
    child: tuple[GroupCells, GroupCells],
    parent: tuple[GroupCells, GroupCells],
    *,
    metric: Metric,
    level: float,
    seed: int,
) -> Measured:
    from pytest_biasaudit.metrics.measured import value_only
    from pytest_biasaudit.metrics.metric import Measured, nothing
    from pytest_biasaudit.metrics.plain import plain_value

    def distance(pair: tuple[GroupCells, GroupCells]) -> float:
        value = plain_value(metric, *pair, seed=seed)
        if value is None:
            return math.nan
        if metric.unit == "ratio":
            return abs(math.log(value / metric.ideal)) if value > 0 else math.inf
        return abs(value - metric.ideal)

    far, near = distance(child), distance(parent)
    for got, which in ((far, "the child"), (near, "the parent")):
        if math.isnan(got):
            return nothing(f"{metric.name} is not defined for {which}")
        if math.isinf(got):
            return nothing(f"{metric.name} of {which} is 0: on the log scale there is no increase from or to it")
    value = far - near
    people = [len(side.values) for side in child]
    templates = child[0].values.shape[1]
    if min(people) < 2:
        return value_only(value, "a group has fewer than 2 people; an interval needs at least 2")
    if _alike(child, parent):
        return _unchanged(child, metric=metric, level=level)
    generator = np.random.default_rng(seed)
    spreads = {}
    for kind, times in (("both", RESAMPLES), ("people", RESAMPLES // 3), ("templates", RESAMPLES // 3)):
        increases = []
        for _ in range(times):
            rows = [_drawn_rows(n, generator) if kind != "templates" else np.arange(n) for n in people]
            columns = _drawn_rows(templates, generator) if kind != "people" else np.arange(templates)
            pairs = [
                tuple(_taken(side, row, columns) for side, row in zip(pair, rows, strict=True))
                for pair in (child, parent)
            ]
            increases.append(distance((pairs[0][0], pairs[0][1])) - distance((pairs[1][0], pairs[1][1])))
        finite = np.asarray(increases)[np.isfinite(increases)]
        spreads[kind] = float(np.var(finite, ddof=1)) if len(finite) > times // 2 else math.nan
    error = math.sqrt(spreads["both"]) if spreads["both"] > 0 else 0.0
    if not error > 1e-12 * max(1.0, abs(far), abs(near)):
        return value_only(value, "resampling gave the same increase every time: an interval would have no width")
    total = spreads["people"] + spreads["templates"]
    share = spreads["people"] / (min(people) - 1) + (spreads["templates"] / (templates - 1) if templates > 1 else 0.0)
    df = total / share if share > 0 and math.isfinite(total) else float(min([*people, templates + 1]) - 1)
    reach = t_quantile(level, df) * error
    prefix = "" if templates > 1 else "names only: "
    return Measured(
        value=value,
        interval=Interval(
            low=value - reach,
            high=value + reach,
            level=level,
            method=f"{prefix}two-way bootstrap, paired, t ({RESAMPLES} resamples, seed {seed})",
        ),
        standard_error=error,
        df=df,
    )


def _alike(child: tuple[GroupCells, GroupCells], parent: tuple[GroupCells, GroupCells]) -> bool:
    """Whether the two models gave the same value and made the same choice in every cell."""
    return all(
        np.array_equal(one.values, other.values, equal_nan=True)
        and np.array_equal(one.selected, other.selected, equal_nan=True)
        for one, other in zip(child, parent, strict=True)
    )


def _unchanged(child: tuple[GroupCells, GroupCells], *, metric: Metric, level: float) -> Measured:
    """No increase, and a bound from cells not asked: a changed cell moves the metric by so much of its share."""
    from pytest_biasaudit.metrics.means import row_sd
    from pytest_biasaudit.metrics.measured import named, value_only
    from pytest_biasaudit.metrics.metric import Measured

    by_rate = metric.name in ("impact_ratio", "odds_ratio")
    both = shared(*((side.selected if by_rate else side.values) for side in child))
    if not both.comparable or both.reason:
        return value_only(0.0, both.reason)
    means = [template_mean(both.reference), template_mean(both.group)]
    scale = row_sd(both.reference, both.group)
    if metric.name == "impact_ratio":
        scale = 1.0 / max(1e-9, min(means))
    elif metric.name == "odds_ratio":
        scale = 1.0 / max(1e-9, min(mean * (1.0 - mean) for mean in means))
    elif metric.name == "mean_ratio":
        scale /= min(means)
    elif metric.unit == "probability":
        scale = 1.0
    parts = contrast(both.reference - both.reference, both.group - both.group)
    reach = unvaried_reach(parts, scale=scale, level=level)
    if not reach > 0.0:
        return value_only(0.0, "both models gave one and the same answer throughout; an interval would have no width")
    return Measured(
        value=0.0,
        interval=Interval(low=-reach, high=reach, level=level, method=named(parts, by=f"paired, {UNVARIED}")),
        standard_error=reach / t_quantile(level, parts.df),
        df=parts.df,
    )


def _drawn_rows(count: int, generator: np.random.Generator) -> NDArray[np.intp]:
    counts = drawn(count, resamples=1, generator=generator)[0].astype(np.intp)
    return np.repeat(np.arange(count), counts)


def _taken(side: GroupCells, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> GroupCells:
    at = np.ix_(rows, columns)
    return replace(
        side,
        values=side.values[at],
        selected=side.selected[at],
        asked=side.asked[at],
        answered=side.answered[at],
        refused=side.refused[at],
        implausible=side.implausible[at],
    )
