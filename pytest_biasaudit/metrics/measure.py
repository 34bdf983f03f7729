"""How big, for a whole audit: outcomes in, one estimate a metric, attribute and group out.

May import stats, metrics and the types of context and outcomes. Metrics do the arithmetic; here is decided what is
compared with what, and what stands in the way of comparing it. Nothing is left out: a comparison that cannot be
measured is an estimate without a value and with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.context.declaration import DEFAULT_OF, CounterfactualAudit, Limit
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics import obstacles
from pytest_biasaudit.metrics.cells import cells_and_summaries, cells_of, crossed_groups, groups_present
from pytest_biasaudit.metrics.inliers import redrawn
from pytest_biasaudit.metrics.metric import Estimate, GroupCells, GroupSummary, Measured, Metric, Shows, nothing
from pytest_biasaudit.metrics.moved import counted_in, moved_groups
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.outcome import Outcome

COMPANIONS = ("smd", "mean_difference", "rate_difference", "impact_ratio", "refusal_rate_difference", "answer_rate")
"""Estimated in every audit that can give them, limit or not, so that no bias figure stands without its utility."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to measure: a metric, what tells the groups apart, and against which other model, if any."""

    metric: str
    attributes: tuple[str, ...] = ()
    level: float = 0.95
    versus: str | None = None
    shows: Shows = "value"
    """What is wanted of `versus`: the increase against it, the recovery of it; "value": the bounds of `inlier_ratio`, or the
    `bias_removed`."""
    share_of: str | None = None
    """`bias_removed`: the metric whose share is meant."""

    @classmethod
    def of(cls, limit: Limit) -> Wanted:
        """What a limit needs measured."""
        return cls(
            metric=limit.metric,
            attributes=limit.attributes,
            level=limit.level,
            versus=limit.versus,
            shows=limit.shows,
            share_of=limit.of,
        )

    @property
    def attribute(self) -> str:
        """The attributes in one string, "race*gender"."""
        return "*".join(self.attributes)


def estimates_for(
    wanted: Limit | Wanted,
    outcomes: Sequence[Outcome],
    audit: CounterfactualAudit,
    metric: Metric,
    *,
    seed: int,
    parent: Sequence[Outcome] | None = None,
    of: Metric | None = None,
) -> tuple[Estimate, ...]:
    """Every group against the reference, or one estimate over all answers.

    outcomes  of one audit and one model
    of        the metric whose share is removed, for `bias_removed`; None: the built-in one that `wanted` names
    parent    the other model's outcomes for the same prompts, where the limit is `versus` one; None: it did not answer

    `p_adjusted` is Holm over the groups compared here. The gate's own adjustment, over a whole context, is in the
    judgement.
    """
    ask = Wanted.of(wanted) if isinstance(wanted, Limit) else wanted
    counted = metric if not metric.against else of or METRICS[ask.share_of or DEFAULT_OF]
    reason = _unusable(ask, outcomes, audit, metric, parent) or _unusable_of(ask, audit, metric, counted)
    if not metric.by_group:
        return (_overall(ask, outcomes, audit, metric, reason=reason, seed=seed, parent=parent),)
    declared = _declared(audit, ask.attributes)
    there = groups_present(outcomes, attributes=ask.attributes, declared=declared)
    tables, summaries = cells_and_summaries(outcomes, attributes=ask.attributes, groups=there)
    before: tuple[GroupCells, ...] = ()
    if (ask.shows == "increase" or metric.against) and parent is not None and not reason:
        before = cells_of(parent, attributes=ask.attributes, groups=there)
    if len(tables) < 2:
        names = " and ".join(table.group for table in tables) or "none"
        reason = reason or f"a comparison needs at least 2 groups of {ask.attribute!r}, got {names}"
        return (_estimate(ask, counted, (), summaries, tables, nothing(reason)),)
    estimates = []
    for position in range(1, len(tables)):
        pair = (tables[0], tables[position])
        earlier = (before[0], before[position]) if before else ()
        measured = _comparison(ask, metric, counted, pair, earlier, reason=reason, seed=seed)
        figures = (summaries[0], summaries[position])
        names_of_pair = (pair[0].group, pair[1].group)
        estimates.append(_estimate(ask, counted, names_of_pair, figures, pair, measured, earlier=earlier))
    return _adjusted(estimates)


def measure(
    audit: CounterfactualAudit,
    outcomes: Sequence[Outcome],
    *,
    metrics: Mapping[str, Metric],
    seed: int,
    others: Mapping[str, Sequence[Outcome]] | None = None,
    always: bool = True,
) -> tuple[Estimate, ...]:
    """All estimates of one audit and one model: what its limits need, then the companions always shown.

    others  the outcomes of other models for the same audit, by the name limits give in `versus` ("parent", "base")
    always  False leaves the companions out

    None comes twice: an estimate is told by metric, attribute, groups, level and `versus`. Raises StatisticsError for a
    limit whose metric is not in `metrics`: readers of context files refuse it long before.
    """
    others = others or {}
    wanted = dict.fromkeys(
        [*(Wanted.of(limit) for limit in audit.limits), *(companions(audit, metrics) if always else ())]
    )
    estimates: list[Estimate] = []
    for ask in wanted:
        if ask.metric not in metrics:
            raise StatisticsError(f"no metric {ask.metric!r} is registered; there are {', '.join(sorted(metrics))}")
        parent = others.get(ask.versus) if ask.versus is not None else None
        of = metrics.get(ask.share_of) if ask.share_of is not None else None
        new = estimates_for(ask, outcomes, audit, metrics[ask.metric], seed=seed, parent=parent, of=of)
        # Two levels without an interval give the same estimate: nothing in it depends on the level.
        estimates.extend(estimate for estimate in new if estimate not in estimates)
    return tuple(estimates)


def companions(audit: CounterfactualAudit, metrics: Mapping[str, Metric]) -> tuple[Wanted, ...]:
    """What is estimated whether or not a limit asks for it: by each attribute, and by their crossing."""
    attributes = audit.people.attributes
    ways = [(attribute,) for attribute in attributes] + ([attributes] if len(attributes) > 1 else [])
    wanted: list[Wanted] = []
    for name in COMPANIONS:
        metric = metrics.get(name)
        if metric is None or audit.outcome.kind not in metric.kinds:
            continue
        wanted.extend(Wanted(metric=name, attributes=way) for way in (ways if metric.by_group else [()]))
    return tuple(wanted)


def estimates_of(limit: Limit, estimates: Iterable[Estimate]) -> tuple[Estimate, ...]:
    """Those of `measure`'s estimates that the limit is held against, one a comparison.

    An estimate without an interval does not show its level; it stands for a comparison only where none with an interval
    of the limit's level does.
    """
    key = (limit.metric, limit.attribute, limit.versus, limit.shows, limit.of)
    found: dict[tuple[tuple[str, ...], str], Estimate] = {}
    for estimate in estimates:
        if (estimate.metric, estimate.attribute, estimate.versus, estimate.shows, estimate.of) != key:
            continue
        if limit.label is not None and estimate.label != limit.label:
            continue
        comparison = (estimate.groups, estimate.label)
        if estimate.interval is None:
            found.setdefault(comparison, estimate)
        elif estimate.interval.level == limit.level:
            found[comparison] = estimate
    return tuple(found.values())


def lower_comparisons(
    audit: CounterfactualAudit, *, metrics: Mapping[str, Metric], listed: Mapping[str, Sequence[str]]
) -> int:
    """How many comparisons the audit's `lower` limits make: what it adds to its context's family before any answer.

    listed  the people list's groups by attribute, for attributes whose groups the audit does not name
    """
    count = 0
    for limit in audit.limits:
        if limit.rule != "lower":
            continue
        metric = metrics.get(limit.metric)
        declared = _declared(audit, limit.attributes)
        named = [
            tuple(declared[position]) or tuple(listed.get(attribute, ()))
            for position, attribute in enumerate(limit.attributes)
        ]
        count += max(1, len(crossed_groups(named)) - 1) if metric is None or metric.by_group else 1
    return count


def _declared(audit: CounterfactualAudit, attributes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    groups = dict(zip(audit.people.attributes, audit.people.groups, strict=False))
    return tuple(groups.get(attribute, ()) for attribute in attributes)


def _unusable(
    ask: Wanted,
    outcomes: Sequence[Outcome],
    audit: CounterfactualAudit,
    metric: Metric,
    parent: Sequence[Outcome] | None,
) -> str:
    """Why nothing of this can be measured, whatever the groups; empty when it can."""
    if audit.outcome.kind not in metric.kinds:
        return f"{metric.name} is not defined for outcomes of kind {audit.outcome.kind!r}"
    reason = obstacles.unheard(outcomes)
    if not reason and ask.versus is not None:
        reason = obstacles.other_model(metric, outcomes, parent, versus=ask.versus, shows=ask.shows)
    return reason


def _unusable_of(ask: Wanted, audit: CounterfactualAudit, metric: Metric, counted: Metric) -> str:
    """Why no share of `counted` can be measured; empty where `metric` is no share of another."""
    if not metric.against:
        return ""
    if ask.versus is None:
        return f"{metric.name} is what became of a bias since another model: it needs versus"
    if audit.outcome.kind not in counted.kinds:
        return f"{counted.name} is not defined for outcomes of kind {audit.outcome.kind!r}"
    return ""


def _comparison(
    ask: Wanted,
    metric: Metric,
    counted: Metric,
    pair: tuple[GroupCells, GroupCells],
    earlier: tuple[GroupCells, ...],
    *,
    reason: str,
    seed: int,
) -> Measured:
    """One group against the reference, or how much further apart they are than in the other model's answers."""
    reason = reason or obstacles.between_groups(counted, pair)
    if not reason and earlier:
        theirs = obstacles.between_groups(counted, earlier)
        reason = f"{ask.versus}: {theirs}" if theirs else ""
    if reason:
        return nothing(reason)
    if metric.against and metric.compare is not None:
        return obstacles.sound(metric.compare(*pair, level=ask.level, seed=seed, before=earlier, of=counted))
    if earlier:
        from pytest_biasaudit.stats.versus import increase_of_magnitude

        return obstacles.sound(increase_of_magnitude(*pair, *earlier, metric=metric, level=ask.level, seed=seed))
    if metric.compare is None:
        raise StatisticsError(f"metric {metric.name!r} compares groups and was registered without `compare`")
    return obstacles.sound(metric.compare(*pair, level=ask.level, seed=seed))


def _overall(
    ask: Wanted,
    outcomes: Sequence[Outcome],
    audit: CounterfactualAudit,
    metric: Metric,
    *,
    reason: str,
    seed: int,
    parent: Sequence[Outcome] | None,
) -> Estimate:
    attributes = audit.people.attributes
    there = groups_present(outcomes, attributes=attributes, declared=_declared(audit, attributes))
    tables: Sequence[GroupCells]
    tables, summaries = cells_and_summaries(outcomes, attributes=attributes, groups=there)
    reason = reason or obstacles.over_all(metric, tables)
    if not reason and ask.versus is not None and parent is not None:
        before = cells_of(parent, attributes=attributes, groups=there)
        if ask.shows == "recovery":
            return _recovered(ask, metric, summaries, tables, before)
        tables, reason = redrawn(tables, before)
    if reason:
        return _estimate(ask, metric, (), summaries, tables, nothing(reason))
    if metric.overall is None:
        raise StatisticsError(f"metric {metric.name!r} is over all answers and was registered without `overall`")
    measured = obstacles.sound(metric.overall(tables, level=ask.level, seed=seed))
    return _estimate(ask, metric, (), summaries, tables, measured)


def _recovered(
    ask: Wanted,
    metric: Metric,
    summaries: Sequence[GroupSummary],
    tables: Sequence[GroupCells],
    before: Sequence[GroupCells],
) -> Estimate:
    """The metric over the other model's, of all groups together."""
    theirs = obstacles.over_all(metric, before)
    if theirs or metric.recovery is None:
        measured = nothing(f"{ask.versus}: {theirs}" if theirs else obstacles.not_recovered(metric))
    else:
        measured = obstacles.sound(metric.recovery(tables, before, level=ask.level))
    return _estimate(ask, metric, (), summaries, tables, measured, earlier=before)


def _estimate(
    ask: Wanted,
    metric: Metric,
    names: tuple[str, ...],
    summaries: Sequence[GroupSummary],
    tables: Sequence[GroupCells],
    measured: Measured,
    *,
    earlier: Sequence[GroupCells] = (),
) -> Estimate:
    """`metric` is the one whose answers count. `earlier` are the other model's tables: a template only counts where it too has
    answers, and groups moved from them.
    """
    heard = [_heard(metric, table) for table in tables]
    shown = [table.any(axis=0) for table in [*heard, *(_heard(metric, table) for table in earlier)]]
    together = np.all if metric.by_group else np.any
    return Estimate(
        metric=ask.metric,
        attribute=ask.attribute,
        groups=names,
        value=measured.value,
        interval=measured.interval,
        p=measured.p,
        p_adjusted=None,
        n=sum(summary.n for summary in summaries),
        people=sum(int(table.any(axis=1).sum()) for table in heard),
        templates=int(together(shown, axis=0).sum()) if shown else 0,
        missing=sum(summary.asked - summary.n for summary in summaries),
        by_group=tuple(summaries),
        reason=measured.reason,
        versus=ask.versus,
        shows=ask.shows,
        moved=moved_groups(metric, tables, earlier, level=ask.level) if earlier else (),
        standard_error=measured.standard_error,
        df=measured.df,
        usable=measured.usable,
        of=ask.share_of,
        components=_components(metric, tables) if measured.standard_error is not None else None,
    )


def _components(metric: Metric, tables: Sequence[GroupCells]) -> tuple[float, float, float] | None:
    """Where the variance of a comparison's answers comes from; None where people and templates cannot be told apart."""
    from pytest_biasaudit.stats.power import components

    if not metric.by_group or len(tables) != 2:
        return None
    pair, _ = counted_in(metric, tables)
    try:
        found = components(pair[0], pair[1])
    except StatisticsError:
        return None
    return found.names, found.template_by_group, found.rest


def _heard(metric: Metric, table: GroupCells) -> NDArray[np.bool_]:
    """Where there is something for the metric to count."""
    if metric.name in obstacles.ABOUT_ANSWERING:
        return table.asked > 0
    if metric.name == obstacles.INLIERS:
        return (table.answered + table.implausible) > 0
    return table.answered > 0


def _adjusted(estimates: Sequence[Estimate]) -> tuple[Estimate, ...]:
    from pytest_biasaudit.stats.multiplicity import holm

    tested = [estimate.p for estimate in estimates if estimate.p is not None]
    adjusted = iter(holm(tested))
    return tuple(
        estimate if estimate.p is None else replace(estimate, p_adjusted=next(adjusted)) for estimate in estimates
    )
