"""Answers and bias of a model beside those of its parent, from which components were removed: rows for each audit of both.

Records in, rows of text and numbers out; no markup. Of the answers only mean and spread by group are taken here.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit, TabularAudit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.mitigation.removed import RemovedComponents
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.prompts.prompt import Person
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.grid import Shown
from pytest_biasaudit.report.rows import group_name

REMOVED = "bias_removed"
"""The metric that says which share of the parent's bias is gone."""
MOST_ROWS = 12
"""Figures of one audit in the table."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One group's answers from one model."""

    asked: int
    n: int
    """Answers with a value."""
    mean: float | None
    sd: float | None
    """Of single answers; None below two."""


@dataclass(frozen=True, kw_only=True)
class GroupBeside:
    """One group's answers from parent and child."""

    group: str
    parent: Spread
    child: Spread


@dataclass(frozen=True, kw_only=True)
class BiasBeside:
    """One figure of bias of both models."""

    metric: str
    comparison: str
    parent: Shown
    child: Shown
    removed: Shown
    """Share of the parent's bias that is gone, where a limit asked for it."""


@dataclass(frozen=True, kw_only=True)
class AuditBeside:
    """One audit that both models were put to."""

    context: str
    audit: str
    unit: str
    parent_anchor: str
    child_anchor: str
    tested_on: str
    """How the audit's prompts stand to those that the components were found on, in a sentence."""
    same_prompts: bool
    """Some of them are the very same."""
    groups: tuple[GroupBeside, ...]
    bias: tuple[BiasBeside, ...]
    more: int
    """Figures of bias that are not among them; all stand in the audit's own section."""


def audits_beside(
    parent: ModelIdentity,
    child: ModelIdentity,
    sets: Sequence[RemovedComponents],
    placed: Sequence[tuple[AuditRecord, str]],
) -> Iterator[AuditBeside]:
    """Every audit that both models were put to, in the records' order; `placed` as in `mitigated`."""
    theirs = {_key(record): (record, anchor) for record, anchor in placed if record.model.digest == parent.digest}
    for record, anchor in placed:
        if record.model.digest != child.digest or record.model.name != child.name or _key(record) not in theirs:
            continue
        before, parent_anchor = theirs[_key(record)]
        sentence, same = how_tested(record, sets)
        bias = tuple(_bias(before, record))
        yield AuditBeside(
            context=record.context.title,
            audit=record.audit.id,
            unit=record.audit.unit,
            parent_anchor=parent_anchor,
            child_anchor=anchor,
            tested_on=sentence,
            same_prompts=same,
            groups=tuple(_groups(before, record, _attribute(record, sets))),
            bias=bias[:MOST_ROWS],
            more=max(0, len(bias) - MOST_ROWS),
        )


def _key(record: AuditRecord) -> tuple[object, ...]:
    return (record.context.id, record.context.sha256, record.audit.id, record.seed)


def how_tested(record: AuditRecord, sets: Sequence[RemovedComponents]) -> tuple[str, bool]:
    """How an audit's prompts stand to those that the sets were found on, and whether any are the very same."""
    origins = [one.origin for one in sets]
    known = [one for one in origins if one is not None]
    if len(known) < len(origins):
        return (
            "The record does not say where the components were found, so it cannot say how far this is from there.",
            False,
        )
    if not any(one.contexts for one in known):
        return "The components were chosen without looking at any answer: this is what a baseline does.", False
    if isinstance(record.audit, TabularAudit):
        return "No wording is put to the model here: its answers are about rows of a table.", False
    if not record.outcomes:
        return "Nothing was asked here.", False
    found = {template for one in known for template in one.templates}
    asked = {f"{record.context.id}/{record.audit.id}/{one.prompt.template}" for one in record.outcomes}
    both = len(asked & found)
    if both == len(asked):
        return (
            "Every wording here is one that the components were found on: no evidence that the effect carries anywhere.",
            True,
        )
    if both:
        return (
            f"{both} of the {len(asked)} wordings here are ones that the components were found on; what these show is "
            "no evidence that the effect carries anywhere.",
            True,
        )
    contexts = {name: sha256 for one in known for name, sha256 in one.contexts}
    if record.context.id in contexts:
        other = "" if contexts[record.context.id] == record.context.sha256 else " (another version of its file)"
        return f"The components were found in this context{other}, on other wordings.", False
    return f"The components were found elsewhere, in {', '.join(sorted(contexts))}, and not in this context.", False


def _attribute(record: AuditRecord, sets: Sequence[RemovedComponents]) -> str:
    """What tells the groups apart that the sets are about; "" where the audit crosses attributes and no set says."""
    if not isinstance(record.audit, CounterfactualAudit):
        return ""
    named = {one.origin.attribute for one in sets if one.origin is not None}
    there = [one for one in record.audit.people.attributes if one in named]
    return there[0] if len(there) == 1 else ""


def _groups(parent: AuditRecord, child: AuditRecord, attribute: str) -> Iterator[GroupBeside]:
    if not isinstance(child.audit, CounterfactualAudit):
        return
    before, after = _spreads(parent, attribute), _spreads(child, attribute)
    for group in before:
        if group in after:
            yield GroupBeside(group=group, parent=before[group], child=after[group])


def _spreads(record: AuditRecord, attribute: str) -> dict[str, Spread]:
    values: dict[str, list[float | None]] = {}
    for outcome in record.outcomes:
        values.setdefault(_group(record, outcome.prompt.person, attribute), []).append(outcome.reading.value)
    return {group: _spread(found) for group, found in values.items()}


def _group(record: AuditRecord, person: Person, attribute: str) -> str:
    return dict(person.groups).get(attribute, "unknown") if attribute else group_name(record, person)


def _spread(values: Sequence[float | None]) -> Spread:
    there = [value for value in values if value is not None]
    return Spread(
        asked=len(values),
        n=len(there),
        mean=statistics.fmean(there) if there else None,
        sd=statistics.stdev(there) if len(there) > 1 else None,
    )


def _bias(parent: AuditRecord, child: AuditRecord) -> Iterator[BiasBeside]:
    """Each figure of bias that both have, with its interval; the limits' own level where both have that."""
    since = {"parent", parent.model.name}  # a limit may name any other model; that share is not of this parent's bias
    gone = {(one.of, *_about(one)): one for one in child.estimates if one.metric == REMOVED and one.versus in since}
    before = {_which(one): one for one in parent.estimates if one.versus is None}
    seen: set[tuple[object, ...]] = set()
    for one in child.estimates:
        mine = before.get(_which(one))
        if (
            one.versus is not None
            or mine is None
            or one.metric == REMOVED
            or _which(one) in seen
            or not _is_bias(child, one)
        ):
            continue
        seen.add(_which(one))
        removed = gone.pop((one.metric, *_about(one)), None)
        yield BiasBeside(
            metric=wording.title_of(one.metric, child.audit.kind),
            comparison=wording.groups_text(one),
            parent=shown(mine, child),
            child=shown(one, child),
            removed=shown(removed, child) if removed is not None else Shown(text=wording.NONE),
        )
    for one in gone.values():  # of a metric that has no row of its own
        nothing = Shown(text=wording.NONE)
        yield BiasBeside(
            metric=wording.title_of(one.of or one.metric, child.audit.kind),
            comparison=wording.groups_text(one),
            parent=nothing,
            child=nothing,
            removed=shown(one, child),
        )


def _which(estimate: Estimate) -> tuple[object, ...]:
    return (estimate.metric, estimate.attribute, estimate.groups, estimate.label)


def _about(estimate: Estimate) -> tuple[object, ...]:
    return (estimate.attribute, estimate.groups, estimate.label)


def _is_bias(record: AuditRecord, estimate: Estimate) -> bool:
    metric = wording.metric_of(estimate.metric, record.audit.kind)
    if metric is None:
        return False
    return not metric.utility if isinstance(record.audit, BenchmarkAudit) else metric.by_group


def shown(estimate: Estimate, record: AuditRecord) -> Shown:
    """An estimate with its interval under it, or with the reason for its absence."""
    if estimate.value is None:
        return Shown(text="not measured", under=(estimate.reason,) if estimate.reason else ())
    unit = (
        ""
        if isinstance(record.audit, BenchmarkAudit)
        else wording.unit_of(estimate.metric, record.audit.unit, record.audit.kind)
    )
    interval = wording.interval_text(estimate.interval) if estimate.interval is not None else "no interval"
    text = wording.number(estimate.value, unit=unit)
    return Shown(text=text if estimate.usable else f"{text}, not judged", under=(interval,))
