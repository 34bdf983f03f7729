"""Measured figures of a labelled table as frozen rows of text: by metric, the worst first, the rest counted.

Records in, no markup out. A table of 28 labels and 50 terms has 1,400 comparisons a metric: a page shows the worst of them,
the evidence has all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_biasaudit.metrics.metric import Estimate, GroupSummary, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.visible import shortened

MOST = 8
"""Comparisons shown of a metric that a limit is on."""
MOST_OTHER = 4
"""Comparisons shown of any other metric."""
MOST_GROUPS = 4
"""Groups whose rates stand beside one figure."""
LONGEST = 80
NOTE = 240


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One comparison."""

    of: str
    rates: tuple[str, ...]
    """Each group's own rate, with the rows it is of."""
    value: str
    interval: str
    method: str
    p: str
    rows: str
    judged: str
    """"not measured" or "not judged"; empty where a limit can be held against it."""
    note: str


@dataclass(frozen=True, kw_only=True)
class FigureBlock:
    """One metric."""

    title: str
    ideal: str
    rows: tuple[FigureRow, ...]
    more: str
    """What is not shown, in words; empty where all is."""


@dataclass(frozen=True, kw_only=True)
class Silent:
    """Metrics that could not be measured at all, for one reason."""

    titles: tuple[str, ...]
    reason: str


def figure_blocks(
    record: AuditRecord, attribute: str, *, without: Collection[str] = ()
) -> tuple[tuple[FigureBlock, ...], tuple[Silent, ...]]:
    """A block a metric of that attribute ("" for figures over all rows), and one for its change against each other model; those
    that a limit is on come first.

    without  metrics that have a table of their own

    Beside them, metrics of which nothing at all was measured, by the reason.
    """
    limits = {
        id(estimate): wording.beside_of(judgement.limit, estimate, record.audit.kind)
        for judgement in record.judgements
        for estimate in judgement.compared
    }
    limited = {judgement.limit.metric for judgement in record.judgements}
    held: list[FigureBlock] = []
    others: list[FigureBlock] = []
    silent: dict[str, list[str]] = {}
    for (name, versus), estimates in by_metric(record, attribute).items():
        if name in without:
            continue
        metric = wording.metric_of(name, record.audit.kind)
        title = wording.title_of(name, record.audit.kind)
        if versus is not None:
            title += f", change against {shortened(versus, LONGEST)}"
        reasons = {one.reason for one in estimates}
        if name not in limited and len(reasons) == 1 and all(one.value is None for one in estimates):
            silent.setdefault(shortened(reasons.pop(), NOTE), []).append(title)
            continue
        blocks, most = (held, MOST) if name in limited else (others, MOST_OTHER)
        blocks.append(_block(title, metric, estimates, versus, limits, most))
    return (*held, *others), tuple(Silent(titles=tuple(titles), reason=reason) for reason, titles in silent.items())


def by_metric(record: AuditRecord, attribute: str) -> dict[tuple[str, str | None], list[Estimate]]:
    """Estimates by metric and by what they are compared with, in the registry's order, each comparison once."""
    known = {name: at for at, name in enumerate(METRICS)}
    found: dict[tuple[str, str | None], dict[tuple[object, ...], Estimate]] = {}
    for one in record.estimates:
        if one.attribute == attribute:
            own = found.setdefault((one.metric, one.versus), {})
            own.setdefault((one.groups, one.label, one.shows), one)
    order = sorted(found, key=lambda key: (known.get(key[0], len(known)), key[1] is not None))
    return {key: list(found[key].values()) for key in order}


def away(estimate: Estimate, metric: Metric | None, versus: str | None = None) -> float:
    """How far from its ideal a figure is, in either direction; minus infinity for none."""
    value = estimate.value
    if value is None or not math.isfinite(value):
        return -math.inf if value is None else math.inf
    ideal = 0.0 if metric is None or versus is not None else metric.ideal
    if metric is not None and metric.judged == "ratio" and versus is None:
        return abs(math.log(value)) if value > 0 else math.inf
    return abs(value - ideal)


def group_rate(group: GroupSummary) -> str:
    """As in: women 0.5 (n 40)."""
    shown = group.rate if group.rate is not None else group.mean
    rate = "" if shown is None else f" {wording.number(shown)}"
    return f"{wording.crossed(shortened(group.group, LONGEST))}{rate} (n {group.n:,})"


def _block(
    title: str,
    metric: Metric | None,
    estimates: Sequence[Estimate],
    versus: str | None,
    limits: dict[int, float],
    most: int,
) -> FigureBlock:
    measured = [one for one in estimates if one.value is not None]
    silent = [one for one in estimates if one.value is None]
    worst = sorted(measured, key=lambda one: -away(one, metric, versus))
    rows = [_row(one, limits.get(id(one))) for one in worst[:most]]
    more = []
    if len(worst) > most:
        more.append(f"and {len(worst) - most:,} more comparisons, all closer to the ideal")
    kept = silent[: 1 if len(silent) > 3 else 3]
    rows += [_row(one, None) for one in kept]
    if len(silent) > len(kept):
        more.append(f"and {len(silent) - len(kept):,} more that were not measured")
    return FigureBlock(title=title, ideal=_ideal(metric, versus), rows=tuple(rows), more="; ".join(more))


def _row(estimate: Estimate, beside: float | None) -> FigureRow:
    interval = estimate.interval
    groups = estimate.by_group
    if len(groups) > MOST_GROUPS:  # those that the figure names; of none, the first
        named = [group for group in groups if group.group in estimate.groups]
        groups = tuple(named) or groups[:MOST_GROUPS]
    rates = [group_rate(group) for group in groups]
    more = len(estimate.by_group) - len(groups)
    return FigureRow(
        of=shortened(wording.groups_text(estimate), 3 * LONGEST),
        rates=(*rates, *([f"and {more} more groups"] if more > 0 else [])),
        value=wording.number(estimate.value, beside=beside),
        # Beside its own value, so that no end is rounded onto it: an interval is never without width.
        interval=wording.interval_text(interval, beside=estimate.value if beside is None else beside),
        method="" if interval is None else f"{interval.level * 100:g} %, {shortened(interval.method, 2 * LONGEST)}",
        p=wording.p_text(estimate.p_adjusted),
        rows=f"{estimate.n:,}"
        + (f" in {estimate.templates:,} {estimate.sampled}" if estimate.sampled not in ("", "rows") else ""),
        judged="not measured" if estimate.value is None else "" if estimate.usable else "not judged",
        note=shortened(estimate.reason, NOTE),
    )


def _ideal(metric: Metric | None, versus: str | None) -> str:
    if versus is not None:
        return "how much further from its ideal; 0 is no change"
    if metric is None:
        return ""
    unit = "" if metric.unit in ("share", "ratio", "probability", "outcome", "correlation") else f", in {metric.unit}"
    return f"ideal {metric.ideal:g}{unit}; {metric.direction}"
