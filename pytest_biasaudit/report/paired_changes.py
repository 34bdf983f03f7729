"""What became of each audit from parent to child: paired changes with what stands beside them, and the answers that moved.

Records in, rows of text out; nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_biasaudit.context.declaration import BenchmarkAudit, TabularAudit
from pytest_biasaudit.metrics.beside import NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.records.unlike import AskedAs, unlike
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.benchmark import main_figures, score
from pytest_biasaudit.report.item_changes import ItemChange, item_changes, items_sentence
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.verdict.beside import lies_within
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

ENDS = 4
"""Answers shown that rose most, and that fell most."""
MOST_ROWS = 12
"""Figures of one audit in the table; changes that were measured come first."""
TEXT_LENGTH = 160


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure, and under it its interval or why there is none."""

    value: str
    under: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One figure of both models."""

    metric: str
    comparison: str
    parent: Shown
    child: Shown
    change: Shown
    """What was measured pair by pair: how much further from its ideal, or which share is kept; a dash where nothing was."""
    noise: Shown
    within_noise: bool
    bound: str
    verdict: Verdict | None
    """Of the limit on the change; None where there is none."""
    note: str


@dataclass(frozen=True, kw_only=True)
class MovedRow:
    """One group, or one part of a benchmark."""

    figure: str
    group: str
    change: str
    interval: str
    n: int
    note: str


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """One question, answered by both."""

    question: str
    who: str
    parent: str
    child: str
    change: str


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """One figure of both models, for the picture."""

    parent: Estimate
    child: Estimate


@dataclass(frozen=True, kw_only=True)
class AuditChange:
    """One audit of parent and child."""

    context: str
    audit: str
    child_anchor: str
    parent_anchor: str = ""
    paired: bool = False
    """Whether any change was measured pair by pair."""
    rows: tuple[ChangeRow, ...] = ()
    more: int = 0
    """Figures of the audit that are not in the table."""
    moved: tuple[MovedRow, ...] = ()
    noise: tuple[str, ...] = ()
    """How the noise floor was measured, in sentences."""
    remarks: tuple[str, ...] = ()
    answers: str = ""
    """How many answers became other, in a sentence."""
    rose: tuple[AnswerRow, ...] = ()
    fell: tuple[AnswerRow, ...] = ()
    figures: tuple[SideBySide, ...] = ()
    missing: str = ""
    """Why nothing could be set side by side; mostly empty."""


def audit_changes(
    parent: ModelIdentity, child: ModelIdentity, placed: Sequence[tuple[AuditRecord, str]]
) -> tuple[AuditChange, ...]:
    """Each audit that the child was put to, in the order of the records.

    placed  every record with the id of its own section
    """
    theirs = {_key(record): (record, anchor) for record, anchor in placed if record.model.digest == parent.digest}
    made = []
    for record, anchor in placed:
        if record.model.digest != child.digest or record.model.name != child.name:
            continue
        found = theirs.get(_key(record))
        if found is None:
            missing = f"This audit was not put to {parent.name} in this run."
            made.append(
                AuditChange(context=record.context.title, audit=record.audit.id, child_anchor=anchor, missing=missing)
            )
        else:
            made.append(_change(found[0], record, parent_anchor=found[1], child_anchor=anchor))
    return tuple(made)


def _key(record: AuditRecord) -> tuple[object, ...]:
    return (record.context.id, record.context.sha256, record.audit.id, record.seed)


def _change(parent: AuditRecord, child: AuditRecord, *, parent_anchor: str, child_anchor: str) -> AuditChange:
    names = {"parent", parent.model.name}
    changes = [one for one in child.estimates if one.shows != "value" and one.versus in names]
    own = _own(child)
    plain = [one for one in own if not any(_figure(one) == _figure(change) for change in changes)]
    rows = [*(_paired_row(one, parent, child) for one in changes), *(_plain_row(one, parent, child) for one in plain)]
    kept = rows[: max(MOST_ROWS, len(changes))]
    answers = item_changes(parent, child)
    rose, fell = _ends(answers.changes)
    return AuditChange(
        context=child.context.title,
        audit=child.audit.id,
        parent_anchor=parent_anchor,
        child_anchor=child_anchor,
        paired=bool(changes),
        rows=tuple(kept),
        more=len(rows) - len(kept),
        moved=tuple(_moved_rows(changes, child)),
        noise=tuple(dict.fromkeys(_noise_sentence(one.noise, parent) for one in changes if one.noise is not None)),
        remarks=tuple(dict.fromkeys([*unlike(AskedAs.of(child), AskedAs.of(parent)), *_remarks(changes)])),
        answers="" if isinstance(child.audit, TabularAudit) else items_sentence(answers),
        rose=tuple(_answer_row(one, child) for one in rose),
        fell=tuple(_answer_row(one, child) for one in fell),
        figures=tuple(_side_by_side([*changes, *plain], parent, child)),
    )


def _figure(estimate: Estimate) -> tuple[object, ...]:
    return (estimate.metric, estimate.attribute, estimate.groups, estimate.label)


def _remarks(changes: Sequence[Estimate]) -> Iterator[str]:
    for one in changes:
        yield from one.remarks


def _own(record: AuditRecord) -> list[Estimate]:
    """The child's figures worth a row: those that limits are on; of a benchmark its first as well, all items and by part."""
    found: list[Estimate] = []
    for judgement in record.judgements:
        if judgement.limit.shows == "value":
            found.extend(one for one in judgement.compared if one.versus is None)
    if isinstance(record.audit, BenchmarkAudit):
        for utility in (False, True):
            for _, estimates in main_figures(record, utility=utility)[:1]:
                found.extend(estimates)
    return list({_figure(one): one for one in found}.values())


def _in(record: AuditRecord, estimate: Estimate) -> Estimate | None:
    """The record's own figure of the same name, of the same level where it has that."""
    level = estimate.interval.level if estimate.interval else None
    found = [one for one in record.estimates if one.versus is None and _figure(one) == _figure(estimate)]
    return min(found, key=lambda one: one.interval is None or one.interval.level != level, default=None)


def _own_figure(record: AuditRecord, estimate: Estimate | None) -> Shown:
    if estimate is None or estimate.value is None:
        return Shown(value="not measured")
    value = _value(record, estimate.value)
    unit = (
        ""
        if isinstance(record.audit, BenchmarkAudit)
        else wording.unit_of(estimate.metric, record.audit.unit, record.audit.kind)
    )
    value = f"{value} {unit}" if unit else value
    return Shown(value=value if estimate.usable else f"{value}, not judged", under=_interval(estimate))


def _value(record: AuditRecord, value: float | None) -> str:
    return score(value) if isinstance(record.audit, BenchmarkAudit) else wording.number(value)


def _interval(estimate: Estimate) -> str:
    return "no interval" if estimate.interval is None else wording.interval_text(estimate.interval)


def _paired_row(change: Estimate, parent: AuditRecord, child: AuditRecord) -> ChangeRow:
    judgement = _judgement(child, change)
    beside = None if judgement is None else wording.beside_of(judgement.limit, change, child.audit.kind)
    unit = wording.unit_of(change.metric, child.audit.unit, child.audit.kind)
    shown = wording.number(change.value, beside=beside)
    if change.value is not None and change.shows == "recovery":
        shown += " kept"
    elif change.value is not None:
        shown = ("+" if change.value > 0 else "") + (f"{shown} {unit}" if unit else shown)
    interval = "no interval" if change.interval is None else wording.interval_text(change.interval, beside=beside)
    return ChangeRow(
        metric=wording.title_of(change.metric, child.audit.kind),
        comparison=wording.groups_text(change),
        parent=_own_figure(parent, _in(parent, change)),
        child=_own_figure(child, _in(child, change)),
        change=Shown(
            value=shown if change.usable or change.value is None else f"{shown}, not judged",
            under=interval if change.value is not None else "",
        ),
        noise=_noise_figure(change.noise),
        within_noise=lies_within(change),
        bound="" if judgement is None else wording.bound_text(judgement.limit, unit, child.audit.kind),
        verdict=None if judgement is None else judgement.verdict,
        note=shortened(change.reason, TEXT_LENGTH * 2),
    )


def _plain_row(estimate: Estimate, parent: AuditRecord, child: AuditRecord) -> ChangeRow:
    return ChangeRow(
        metric=wording.title_of(estimate.metric, child.audit.kind),
        comparison=wording.groups_text(estimate),
        parent=_own_figure(parent, _in(parent, estimate)),
        child=_own_figure(child, estimate),
        change=Shown(value=wording.NONE),
        noise=Shown(value=wording.NONE),
        within_noise=False,
        bound="",
        verdict=None,
        note="",
    )


def _judgement(record: AuditRecord, change: Estimate) -> Judgement | None:
    for one in record.judgements:
        if any(compared is change or compared == change for compared in one.compared):
            return one
    return None


def _noise_figure(noise: NoiseFloor | None) -> Shown:
    if noise is None:
        return Shown(value="not measured")
    if noise.value is None:
        return Shown(value="none", under=noise.reason)
    ends = noise.low is not None and noise.high is not None
    under = f"{wording.number(noise.low)} to {wording.number(noise.high)}" if ends else "no interval"
    return Shown(value=wording.number(noise.value), under=under)


def _noise_sentence(noise: NoiseFloor | None, parent: AuditRecord) -> str:
    assert noise is not None
    largest = "" if noise.largest is None or not noise.changed else f", by {wording.number(noise.largest)} at most"
    return (
        f"{parent.model.name} was asked again, {noise.batch_size} at a time instead of {noise.first_batch_size}: "
        f"{noise.changed:,} of {noise.compared:,} answers came out otherwise{largest}."
    )


def _moved_rows(changes: Sequence[Estimate], child: AuditRecord) -> Iterator[MovedRow]:
    """Once a group, where several figures rest on the same answers."""
    seen: set[tuple[object, ...]] = set()
    for change in changes:
        for one in change.moved:
            key = (one.group, one.value, one.low, one.high, one.unit)
            if key in seen:
                continue
            seen.add(key)
            unit = {"outcome": child.audit.unit, "sd": "sd"}.get(one.unit, "")
            sign = "+" if one.value is not None and one.value > 0 else ""
            ends = one.low is not None and one.high is not None
            yield MovedRow(
                figure=wording.title_of(change.metric, child.audit.kind),
                group=wording.crossed(one.group),
                change=sign + wording.number(one.value, unit=unit if one.value is not None else ""),
                interval=f"{wording.number(one.low)} to {wording.number(one.high)}" if ends else wording.NONE,
                n=one.n,
                note=shortened(one.reason, TEXT_LENGTH),
            )


def _ends(changes: Sequence[ItemChange]) -> tuple[list[ItemChange], list[ItemChange]]:
    """Those whose value rose most, the largest rise first, and those whose value fell most."""
    moved = [(_rise(one), one) for one in changes if _rise(one)]
    ordered = sorted(moved, key=lambda pair: -pair[0])
    rose = [one for rise, one in ordered if rise > 0][:ENDS]
    fell = [one for rise, one in reversed(ordered) if rise < 0][:ENDS]
    return rose, fell


def _rise(change: ItemChange) -> float:
    old, new = change.was.reading.value, change.now.reading.value
    return 0.0 if old is None or new is None else new - old


def _answer_row(change: ItemChange, record: AuditRecord) -> AnswerRow:
    rise = _rise(change)
    sparing = isinstance(record.audit, BenchmarkAudit)  # its sentences may offend; a few are quoted in its own section
    return AnswerRow(
        question=change.id if sparing else shortened(change.was.prompt.text, TEXT_LENGTH),
        who=", ".join(one for one in (change.group, change.person) if one),
        parent=_answer(change.was, record, sparing=sparing),
        child=_answer(change.now, record, sparing=sparing),
        change=("+" if rise > 0 else "") + _value(record, rise),
    )


def _answer(outcome: Outcome, record: AuditRecord, *, sparing: bool) -> str:
    words = "" if sparing else shortened(outcome.text, TEXT_LENGTH)
    shown = _value(record, outcome.reading.value)
    return f"{shown}: {words}" if words else shown


def _side_by_side(estimates: Sequence[Estimate], parent: AuditRecord, child: AuditRecord) -> Iterator[SideBySide]:
    seen: set[tuple[object, ...]] = set()
    for one in estimates:
        mine, theirs = _in(parent, one), _in(child, one)
        if _figure(one) in seen or mine is None or theirs is None or mine.value is None or theirs.value is None:
            continue
        seen.add(_figure(one))
        yield SideBySide(parent=mine, child=theirs)
