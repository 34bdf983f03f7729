"""The columns of the compression study's tables and what stands in them: a score, and its change against another model.

Which figures a kind of benchmark has in such a table is read from the registry of metrics. Records in, frozen cells out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.benchmarks.measure import Part, estimates_of_part
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.lineage import in_reading_order
from pytest_biasaudit.stats.interval import Interval

LEVEL = 0.95
ALL = "all"
NO_PAIRS = "the evidence keeps no answers of both models to pair"
OF_BOTH = "the change is of the items scored for both models, each score of all items of its own"

PLACES = 9
"""Decimals to which figures are told apart: what differs by less is one figure, computed in another order."""

Measure = Literal["distance", "value"]
"""What a change is one of: how far the score lies from its ideal, or the score itself."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure, for all models."""

    title: str
    metric: str
    split: str
    part: str
    """The axis or test; "" for all items."""
    ideal: float
    digits: int
    changes: Measure
    starred: bool
    """Whether a small p is marked."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model's figure."""

    score: float | None
    interval: Interval | None = None
    p: float | None = None
    change: float | None = None
    """Against the baseline: of |score - ideal| for a bias, positive when it grew; of the score itself for a skill. Paired on
    the items that both models have scores for; else the difference of the two scores, each of its own items."""
    change_interval: Interval | None = None
    """Of the paired change; None where that could not be judged."""
    change_reason: str = ""
    """Why the change has no interval, or why it is not the difference of the two scores."""
    reason: str = ""
    """Why there is no score, or why it stands for nothing."""
    sound: bool = True
    """False: the score is there, and stands for nothing that could be judged."""


def figures_of(kind: str) -> tuple[Metric, Metric | None, Metric | None]:
    """A kind's bias by part, its bias over all items, and its skill: the first of each that the registry lists."""
    own = [metric for metric in METRICS.values() if kind in metric.kinds]
    biases = [metric for metric in own if not metric.utility]
    bias = next((metric for metric in biases if metric.judged == "distance"), None)
    if bias is None:
        raise EvidenceError(f"no bias metric is registered for the benchmark {kind!r}")
    whole = next((metric for metric in (bias, *biases) if "" in metric.split_by), None)
    skill = next((metric for metric in own if metric.utility and "" in metric.split_by), None)
    return bias, whole, skill


def columns_of(
    records: Sequence[AuditRecord], bias: Metric, whole: Metric | None, skill: Metric | None
) -> Iterator[Column]:
    """A column for each part that any of the records measured, then the whole and the skill, where the kind has them."""
    split = next((name for name in bias.split_by if name), "")
    parts: dict[str, None] = {}
    for record in records:
        for estimate in record.estimates:
            if split and estimate.metric == bias.name and estimate.attribute == split and estimate.groups:
                parts.setdefault(estimate.groups[0])
    for part in parts:
        yield _column(part, bias, split, part)
    if whole is not None and not (whole is bias and len(parts) == 1):
        yield _column(ALL if whole is bias else whole.title, whole, "", "")
    if skill is not None:
        yield _column("LM score" if skill.name == "lms" else skill.title, skill, "", "")


def _column(title: str, metric: Metric, split: str, part: str) -> Column:
    return Column(
        title=title,
        metric=metric.name,
        split=split,
        part=part,
        ideal=metric.ideal,
        digits=2 if metric.unit == "percent" else 3,
        changes="value" if metric.utility else "distance",
        starred=metric.name == "effect_size",
    )


def told_apart(figure: float) -> float:
    """A figure as it is put in order beside others: equal ones stay equal whatever they were computed from."""
    return round(figure, PLACES)


def away(score: float, ideal: float) -> float:
    """How far a score lies from its ideal, for putting in order: 33.3 and 66.7 are as far from 50."""
    return told_apart(abs(score - ideal))


def apart(record: AuditRecord, other: AuditRecord) -> str:
    """Why no figure of the one may be held against the other's; empty where they may."""
    name = other.model.name
    mine, theirs = data_sha256(record), data_sha256(other)
    if mine != theirs:
        shown = [f"sha256 {sha256[:12]}" if sha256 else "not recorded" for sha256 in (mine, theirs)]
        return f"{name} was asked items of other data ({shown[0]} here, {shown[1]} there)"
    mine, theirs = score_name(record), score_name(other)
    if mine != theirs:
        return f"{name} was scored in another way ({mine or 'not recorded'} here, {theirs or 'not recorded'} there)"
    return ""


def cell_of(column: Column, mine: Estimate | None, obstacle: str) -> Cell:
    """What stands in a column of a model's estimate; `obstacle` is why there may be none."""
    if mine is None or mine.value is None:
        return Cell(score=None, reason=(mine.reason if mine is not None else obstacle) or "not measured", sound=False)
    return Cell(score=mine.value, interval=mine.interval, p=mine.p, reason=mine.reason, sound=mine.usable)


def with_change(cell: Cell, column: Column, theirs: Estimate | None, paired: Estimate | None) -> Cell:
    """The cell with its change: the paired one with its interval, or the scores' difference without, and why."""
    if cell.score is None or theirs is None or theirs.value is None:
        return cell
    if column.changes == "value":
        plain = cell.score - theirs.value
    else:
        plain = abs(cell.score - column.ideal) - abs(theirs.value - column.ideal)
    if paired is None or paired.value is None:
        reason = paired.reason if paired is not None else NO_PAIRS
        return replace(cell, change=plain, change_reason=f"no interval of the change: {reason or 'not defined'}")
    # A skill's change is measured as what is lost; in the table it is that of the score.
    sign = -1.0 if column.changes == "value" else 1.0
    change, interval = sign * paired.value, paired.interval
    if not paired.usable or interval is None:
        reason = "" if paired.reason == cell.reason else f"no interval of the change: {paired.reason or 'not defined'}"
        return replace(cell, change=change, change_reason=reason)
    if sign < 0.0:
        interval = replace(interval, low=-interval.high, high=-interval.low)
    own = abs(change - plain) >= 0.5 * 10.0**-column.digits
    return replace(cell, change=change, change_interval=interval, change_reason=OF_BOTH if own else "")


def estimate_of(record: AuditRecord, column: Column) -> Estimate | None:
    """The column's estimate in a record, of the usual level where there are several."""
    groups = (column.part,) if column.split else ()
    found = [
        one
        for one in record.estimates
        if (one.metric, one.attribute, one.groups, one.versus) == (column.metric, column.split, groups, None)
    ]
    return min(found, key=lambda one: abs(one.interval.level - LEVEL) if one.interval else 1.0, default=None)


def paired_changes(record: AuditRecord, other: AuditRecord, column: Column) -> dict[str, Estimate]:
    """The figure's change on the items of both models, by part; nothing where the evidence has no outcomes."""
    if not record.outcomes or not other.outcomes or not isinstance(record.audit, BenchmarkAudit):
        return {}
    metric = METRICS[column.metric]
    part = Part(metric=metric.name, split=column.split, level=LEVEL, versus=other.model.name)
    found = estimates_of_part(part, record.audit, record, metric, seed=record.seed, other=other)
    return {estimate.groups[0] if estimate.groups else "": estimate for estimate in found}


def data_sha256(record: AuditRecord) -> str:
    """Digest of the data a record's items are from; "" where none is recorded."""
    return record.data.sha256 if record.data is not None else ""


def score_name(record: AuditRecord) -> str:
    """How the items were scored; "" where there is one way only."""
    return dict(record.facts).get("score", "")


def benchmarks_of(evidence: Evidence) -> tuple[tuple[tuple[AuditRecord, ...], ...], ...]:
    """Each benchmark audit's records by the data they are from: parents before children, the points of a sweep in its order."""
    audits: dict[tuple[str, str, str, int], dict[str, list[AuditRecord]]] = {}
    for record in in_reading_order(evidence.audits, evidence.models):
        if isinstance(record.audit, BenchmarkAudit):
            key = (record.context.id, record.context.sha256, record.audit.id, record.seed)
            audits.setdefault(key, {}).setdefault(data_sha256(record), []).append(record)
    return tuple(tuple(tuple(sorted(same, key=_place)) for same in by_data.values()) for by_data in audits.values())


def _place(record: AuditRecord) -> int:
    return record.model.point.place if record.model.point is not None else -1
