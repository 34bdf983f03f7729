"""What is shown, as frozen rows of text and numbers: records in, no markup out. The terminal and the page draw these.

Figures come from the records; only counts by status are taken from the outcomes here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit, TabularAudit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Person
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

EXAMPLE_LENGTH = 300
"""Characters of a prompt or an answer shown as an example."""
EXAMPLES_A_GROUP = 2
UNUSED_EXAMPLES = 5
MESSAGE_LENGTH = 4_000


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Answers by what became of them."""

    asked: int
    answered: int
    refused: int
    unparseable: int
    errors: int

    @property
    def unused(self) -> int:
        """Answers without a value."""
        return self.asked - self.answered


@dataclass(frozen=True, kw_only=True)
class VerdictRow:
    """One limit held against one model."""

    context: str
    audit: str
    model: str
    limit: str
    metric: str
    """The metric's title."""
    comparison: str
    """The deciding comparison: "black against white"."""
    others: int
    """How many other comparisons the limit was held against."""
    estimate: str
    interval: str
    level: str
    bound: str
    verdict: Verdict
    counts: Counts
    rule: str
    rule_note: str
    """What a reader must know beside the verdict under any rule but `upper`; empty there."""
    basis: str
    reason: str
    message: str
    anchor: str
    """Of the audit's section on the page."""
    counted: str = ""
    """What the counts count, where that is not answers: "items"."""
    context_id: str = field(default="", compare=False)
    """`context` is its title; this tells contexts of one title apart."""
    noise: str = ""
    """What asking the other model again changes by itself; "" where that was not measured."""


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group's figures."""

    attribute: str
    group: str
    reference: bool
    people: int
    asked: int
    answered: int
    refused: int
    unparseable: int
    errors: int
    mean: str
    sd: str
    median: str
    rate: str


@dataclass(frozen=True, kw_only=True)
class EstimateRow:
    """One printed value."""

    metric: str
    comparison: str
    value: str
    interval: str
    level: str
    method: str
    p: str
    p_adjusted: str
    n: int
    people: int
    templates: int
    missing: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class UnusedRow:
    """One group's answers by status."""

    group: str
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class ExampleRow:
    """One prompt and what came back, shortened."""

    group: str
    person: str
    template: str
    prompt: str
    answer: str
    read_as: str
    """The value with its unit, or why there is none."""
    status: str


def anchor_of(context: str, audit: str, model: str) -> str:
    """The id of an audit's section: fit for a link, and different for different audits of one run."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{context}-{audit}-{model}".lower()).strip("-")
    return f"audit-{slug}"


def anchors(records: Sequence[AuditRecord]) -> tuple[str, ...]:
    """One section id a record; ids that would collide get a number."""
    seen: Counter[str] = Counter()
    made: list[str] = []
    for record in records:
        plain = anchor_of(record.context.id, record.audit.id, record.model.name)
        seen[plain] += 1
        made.append(plain if seen[plain] == 1 else f"{plain}.{seen[plain]}")
    return tuple(made)


def counts_of(outcomes: Iterable[Outcome]) -> Counts:
    """Answers by status."""
    tally = Counter(outcome.reading.status for outcome in outcomes)
    return Counts(
        asked=sum(tally.values()),
        answered=tally["ok"],
        refused=tally["refused"],
        unparseable=tally["unparseable"],
        errors=tally["error"],
    )


def verdict_counts(records: Iterable[AuditRecord]) -> dict[Verdict, int]:
    """How many limits got each verdict; every verdict has its entry."""
    tally = Counter(judgement.verdict for record in records for judgement in record.judgements)
    return {verdict: tally[verdict] for verdict in Verdict}


def verdict_rows(records: Sequence[AuditRecord]) -> tuple[VerdictRow, ...]:
    """A row a limit, in the order of the records and of the limits in them."""
    made: list[VerdictRow] = []
    for record, anchor in zip(records, anchors(records), strict=True):
        counts = _counts_of_rows(record) if isinstance(record.audit, TabularAudit) else counts_of(record.outcomes)
        made.extend(_verdict_row(record, judgement, counts, anchor) for judgement in record.judgements)
    return tuple(made)


def group_rows(record: AuditRecord) -> tuple[GroupRow, ...]:
    """Every group of every attribute the audit compared, the reference group first, from the estimates' own figures."""
    seen: dict[tuple[str, str], GroupRow] = {}
    own_first = sorted(record.estimates, key=lambda estimate: estimate.versus is not None)
    for estimate in own_first:
        if not estimate.attribute:
            continue
        for summary in estimate.by_group:
            seen.setdefault(
                (estimate.attribute, summary.group),
                GroupRow(
                    attribute=wording.crossed(estimate.attribute),
                    group=wording.crossed(summary.group),
                    reference=bool(estimate.groups) and summary.group == estimate.groups[0],
                    people=summary.people,
                    asked=summary.asked,
                    answered=summary.n,
                    refused=summary.refused,
                    unparseable=summary.unparseable,
                    errors=summary.errors,
                    mean=wording.number(summary.mean),
                    sd=wording.number(summary.sd),
                    median=wording.number(summary.median),
                    rate=wording.number(summary.rate),
                ),
            )
    attributes = list(dict.fromkeys(attribute for attribute, _ in seen))
    return tuple(row for wanted in attributes for (attribute, _), row in seen.items() if attribute == wanted)


def estimate_rows(record: AuditRecord) -> tuple[EstimateRow, ...]:
    """Every value the record holds, in its order; rounding keeps it on its side of the limit it was held against."""
    beside: dict[int, float] = {}
    for judgement in record.judgements:
        for estimate in judgement.compared:
            beside.setdefault(id(estimate), wording.beside_of(judgement.limit, estimate, record.audit.kind))
    return tuple(_estimate_row(record, one, beside.get(id(one))) for one in record.estimates)


def unused_rows(record: AuditRecord) -> tuple[UnusedRow, ...]:
    """A row a group (an intersection where attributes cross), in order of appearance."""
    by_group: dict[str, list[Outcome]] = {}
    for outcome in record.outcomes:
        by_group.setdefault(group_name(record, outcome.prompt.person), []).append(outcome)
    return tuple(UnusedRow(group=group, counts=counts_of(outcomes)) for group, outcomes in by_group.items())


def unused_examples(record: AuditRecord) -> tuple[ExampleRow, ...]:
    """A few answers without a value."""
    some = zip(unused_outcomes(record.outcomes), range(UNUSED_EXAMPLES), strict=False)
    return tuple(example_row(record, outcome) for outcome, _ in some)


def unused_outcomes(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    """Those without a value, taking the statuses in turn so that none hides the others."""
    by_status: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.reading.status != "ok":
            by_status.setdefault(outcome.reading.status, []).append(outcome)
    longest = max((len(found) for found in by_status.values()), default=0)
    return (found[at] for at in range(longest) for found in by_status.values() if at < len(found))


def example_rows(record: AuditRecord) -> tuple[ExampleRow, ...]:
    """Prompts and answers of every group, from the same templates, so that like stands beside like."""
    by_group: dict[str, dict[str, Outcome]] = {}
    for outcome in record.outcomes:
        by_group.setdefault(group_name(record, outcome.prompt.person), {}).setdefault(outcome.prompt.template, outcome)
    templates = list(dict.fromkeys(outcome.prompt.template for outcome in record.outcomes))
    step = max(1, len(templates) // EXAMPLES_A_GROUP)
    chosen = templates[::step][:EXAMPLES_A_GROUP]
    found = (outcomes[one] for one in chosen for outcomes in by_group.values() if one in outcomes)
    return tuple(example_row(record, outcome) for outcome in found)


def example_row(record: AuditRecord, outcome: Outcome) -> ExampleRow:
    """One prompt and its answer."""
    reading = outcome.reading
    if reading.status == "ok":
        read_as = wording.number(reading.value, unit=record.audit.unit)
        if outcome.options:
            shares = ", ".join(f"{option} {wording.number(share)}" for option, share in outcome.options)
            read_as = f"{read_as} ({shares})"
            if outcome.option_mass is not None:
                read_as += f"; the options hold {wording.number(outcome.option_mass)} of the model's probability"
    else:
        read_as = f"{reading.status}: {shortened(reading.reason, 120)}" if reading.reason else str(reading.status)
    return ExampleRow(
        group=group_name(record, outcome.prompt.person),
        person=outcome.prompt.person.name,
        template=outcome.prompt.template,
        prompt=shortened(outcome.prompt.text, EXAMPLE_LENGTH),
        answer=shortened(outcome.text, EXAMPLE_LENGTH),
        read_as=read_as,
        status=reading.status,
    )


def group_name(record: AuditRecord, person: Person) -> str:
    """The person's group on the audit's attributes; the intersection where they cross."""
    if not isinstance(record.audit, CounterfactualAudit):
        return ""
    groups = dict(person.groups)
    return wording.crossed("*".join(groups.get(one, "unknown") for one in record.audit.people.attributes))


def _verdict_row(record: AuditRecord, judgement: Judgement, counts: Counts, anchor: str) -> VerdictRow:
    limit, estimate = judgement.limit, judgement.estimate
    unit = wording.unit_of(limit.metric, record.audit.unit, record.audit.kind)
    beside = None if estimate is None else wording.beside_of(limit, estimate, record.audit.kind)
    return VerdictRow(
        context=record.context.title,
        context_id=record.context.id,
        audit=record.audit.id,
        model=record.model.name,
        limit=limit.id,
        metric=wording.title_of(limit.metric, record.audit.kind),
        comparison=wording.comparison(estimate) if estimate else _unmeasured(record, limit.attribute),
        others=max(0, len(judgement.compared) - 1),
        estimate=wording.NONE
        if estimate is None
        else wording.number(estimate.value, beside=beside, unit=unit if estimate.value is not None else ""),
        interval=wording.NONE if estimate is None else wording.interval_text(estimate.interval, beside=beside),
        level="" if estimate is None or estimate.interval is None else f"{estimate.interval.level * 100:g} %",
        bound=wording.bound_text(limit, unit, record.audit.kind),
        verdict=judgement.verdict,
        counts=counts,
        rule=limit.rule,
        rule_note=wording.RULE_NOTES[limit.rule],
        basis=wording.BASES[limit.basis],
        reason=limit.reason,
        message=shortened(judgement.message, MESSAGE_LENGTH),
        anchor=anchor,
        counted=_counted(record),
        noise="" if estimate is None or estimate.noise is None else wording.number(estimate.noise.value),
    )


def _counted(record: AuditRecord) -> str:
    """What an audit's counts count; "" for answers."""
    if isinstance(record.audit, TabularAudit):
        return "rows"
    return "items" if isinstance(record.audit, BenchmarkAudit) else ""


def _counts_of_rows(record: AuditRecord) -> Counts:
    """A table's rows: those with a prediction and a truth are used; of a corpus, those that are not blank."""
    tally = record.tally
    if tally is None:
        return Counts(asked=0, answered=0, refused=0, unparseable=0, errors=0)
    if tally.prediction is None:
        return Counts(asked=tally.rows, answered=tally.rows - tally.blank, refused=0, unparseable=0, errors=0)
    silent = int(tally.count[tally.prediction < 0].sum())
    used = int(tally.count[(tally.prediction >= 0) & (tally.truth >= 0)].sum())
    return Counts(asked=tally.rows, answered=used, refused=0, unparseable=silent, errors=0)


def _unmeasured(record: AuditRecord, attribute: str) -> str:
    """What a limit without any estimate is about."""
    if isinstance(record.audit, BenchmarkAudit):
        return f"every {attribute}" if attribute else "all items"
    return wording.crossed(attribute) or ("all rows" if isinstance(record.audit, TabularAudit) else "all answers")


def _estimate_row(record: AuditRecord, estimate: Estimate, beside: float | None) -> EstimateRow:
    unit = wording.unit_of(estimate.metric, record.audit.unit, record.audit.kind)
    interval = estimate.interval
    return EstimateRow(
        metric=wording.title_of(estimate.metric, record.audit.kind),
        comparison=wording.comparison(estimate),
        value=wording.number(estimate.value, beside=beside, unit=unit if estimate.value is not None else ""),
        interval=wording.interval_text(interval, beside=beside),
        level=wording.NONE if interval is None else f"{interval.level * 100:g} %",
        method=wording.NONE if interval is None else interval.method,
        p=wording.p_text(estimate.p),
        p_adjusted=wording.p_text(estimate.p_adjusted),
        n=estimate.n,
        people=estimate.people,
        templates=estimate.templates,
        missing=estimate.missing,
        reason=shortened(estimate.reason, EXAMPLE_LENGTH),
    )
