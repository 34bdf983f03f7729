"""What is shown of a benchmark, as frozen rows of text: figures, quoted items, what was not used, how it was asked.

Records in, no markup out; the page draws these. Of the items only those stand here that the evidence quotes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.context.declaration import BenchmarkAudit, Setting
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.quotes import QUOTED
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.rows import EXAMPLE_LENGTH, UNUSED_EXAMPLES, UnusedRow, counts_of, unused_outcomes
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.verdict.finding import figure

DIGITS = 4
"""Significant digits of a figure: as many as papers print of a score of 0 to 100."""

MOST_SCORES = 6
"""Scores shown beside a quoted item."""

ENDS = {
    "crows-pairs": ("Most stereotypical choices", "Least stereotypical choices"),
    "stereoset": ("Most stereotypical choices", "Least stereotypical choices"),
    "bbq": ("Most stereotypical answers", "Least stereotypical answers"),
    "winobias": ("Most stereotypical readings", "Least stereotypical readings"),
    "winogender": ("Furthest toward “she”", "Furthest toward “he”"),
    "seat": ("Closest to the first attribute", "Closest to the second attribute"),
    "weat": ("Closest to the first attribute", "Closest to the second attribute"),
    "log-probability": ("Furthest toward the second group", "Furthest toward the first group"),
}
"""What the items with the highest values are, and those with the lowest."""

UNSET = {
    "axes": "all of the data",
    "tests": "all of the data",
    "score": "by the kind of model",
    "unknown": "the usual ones",
    "templates": "our own",
    "words": "he and she",
    "labels": "our own",
}
"""What a setting means that the context does not declare and that has no default value."""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One figure of one part of a benchmark."""

    part: str
    value: str
    interval: str
    level: str
    method: str
    p: str
    used: int
    clusters: str
    """How many independent things the interval counts, and what they are: "28 templates"."""
    missing: int
    judged: str
    """Why no limit is held against it: "not judged", "not measured"; empty where one can be."""
    note: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric over all items and by part."""

    title: str
    ideal: str
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True, kw_only=True)
class QuotedRow:
    """One quoted item and what the model made of it."""

    id: str
    part: str
    lines: tuple[tuple[str, bool], ...]
    """Its texts, each with whether the model preferred it."""
    choice: str
    """What the model preferred, where that is none of the texts."""
    value: str
    scores: str


def figures(record: AuditRecord, *, utility: bool) -> tuple[Figure, ...]:
    """Every measured figure, in the order of the registry: those of bias, or those of how able the model is."""
    beside: dict[int, float] = {}
    for judgement in record.judgements:
        for estimate in judgement.compared:
            beside.setdefault(id(estimate), wording.beside_of(judgement.limit, estimate))
    return tuple(
        Figure(
            title=wording.title_of(name),
            ideal=_ideal(wording.metric_of(name)),
            rows=_together([_score_row(one, beside.get(id(one))) for one in estimates]),
        )
        for name, estimates in by_figure(record, utility=utility)
    )


def _together(found: Sequence[ScoreRow]) -> tuple[ScoreRow, ...]:
    """The rows, or one for all where none has a value and all for the same reason."""
    first = found[0]
    if len(found) < 3 or any(row.judged != "not measured" or row.note != first.note for row in found):
        return tuple(found)
    return (replace(first, part=f"{first.part}, and each of {len(found) - 1} parts"),)


def by_figure(record: AuditRecord, *, utility: bool) -> list[tuple[str, list[Estimate]]]:
    """Estimates by metric: all items first, then the parts, then changes against other models."""
    known = list(METRICS)
    found: dict[str, list[Estimate]] = {}
    for estimate in record.estimates:
        metric = wording.metric_of(estimate.metric)
        if (metric is not None and metric.utility) == utility:
            found.setdefault(estimate.metric, []).append(estimate)
    for estimates in found.values():
        estimates.sort(key=lambda one: (one.versus is not None, one.attribute))
    return sorted(found.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known))


def main_figures(record: AuditRecord, *, utility: bool) -> list[tuple[str, list[Estimate]]]:
    """The figures worth a picture: the kind's first, and those that limits are on; without changes."""
    drawn = by_figure(record, utility=utility)
    limited = {judgement.limit.metric for judgement in record.judgements if judgement.limit.shows == "value"}
    chosen = [item for at, item in enumerate(drawn) if not at or item[0] in limited]
    return [(name, [one for one in estimates if one.versus is None]) for name, estimates in chosen]


def quoted_rows(record: AuditRecord) -> tuple[tuple[QuotedRow, ...], tuple[QuotedRow, ...]]:
    """The items with the highest values, highest first, and those with the lowest, lowest first; none is in both."""
    scored = [(one.reading.value, one.prompt.id, one) for one in record.outcomes if one.reading.value is not None]
    ordered = [one for _, _, one in sorted(scored, key=lambda item: item[:2])]
    most = min(QUOTED, math.ceil(len(ordered) / 2))
    least = min(QUOTED, len(ordered) - most)
    return (
        tuple(_quoted_row(one) for one in reversed(ordered[len(ordered) - most :])),
        tuple(_quoted_row(one) for one in ordered[:least]),
    )


def ends_of(record: AuditRecord) -> tuple[str, str]:
    """What to call the items of `quoted_rows`."""
    return ENDS.get(record.audit.kind, ("Highest values", "Lowest values"))


def source_line(record: AuditRecord) -> str:
    """Where the quoted items are from: title, licence and address."""
    if record.data is None:
        return ""
    facts = record.data
    licence = f" ({facts.licence})" if facts.licence else ""
    return f"{facts.title}{licence}, {facts.url or facts.source}"


def unused_rows(record: AuditRecord) -> tuple[UnusedRow, ...]:
    """A row a part, by what became of its items; the controls in a row of their own."""
    by_part: dict[str, list[Outcome]] = {}
    for outcome in record.outcomes:
        by_part.setdefault(part_of(outcome), []).append(outcome)
    if record.controls:
        by_part["controls (for competence only)"] = list(record.controls)
    return tuple(UnusedRow(group=part, counts=counts_of(outcomes)) for part, outcomes in by_part.items())


def unused_reasons(record: AuditRecord) -> tuple[tuple[str, str, str, str], ...]:
    """A few items without a value: id, part, status and reason; their texts are not quoted."""
    return tuple(
        (one.prompt.id, part_of(one), str(one.reading.status), shortened(one.reading.reason, EXAMPLE_LENGTH) or "none")
        for one, _ in zip(unused_outcomes(record.outcomes), range(UNUSED_EXAMPLES), strict=False)
    )


def part_of(outcome: Outcome) -> str:
    """The axis or the test of an item: "axis gender"; "all items" where the data tell no parts apart."""
    slots = dict(outcome.prompt.slots)
    for name in ("test", "axis"):
        if slots.get(name):
            return wording.part_text(name, slots[name])
    return "all items"


def facts_of(record: AuditRecord) -> list[tuple[str, str]]:
    """How a benchmark was asked: of which data, with which settings, and what the work was."""
    audit = record.audit
    assert isinstance(audit, BenchmarkAudit)
    kind = BENCHMARKS[audit.kind]
    data = record.data
    made = [("Benchmark", f"{kind.title} ({kind.name}); it needs {kind.needs}")]
    if data is None:
        made.append(("Data", audit.data or "our own set"))
    else:
        made += [
            ("Data", data.title),
            ("Read from", data.source),
            ("Published at", data.url or "with pytest-biasaudit"),
            ("Licence", data.licence or "none stated"),
            ("Data, sha256", data.sha256),
        ]
    made += [(f"Setting {name}", _setting(name, value)) for name, value in audit.settings]
    made += [(_title(name), words) for name, words in record.facts]
    if record.obstacle:
        made.append(("Not asked", record.obstacle))
    items = f"{len(record.outcomes):,} items"
    if record.controls:
        items += f", and {len(record.controls):,} controls from which the model's competence is read"
    made += [
        ("Items", items),
        ("Seed and batch size", f"{record.seed} and {record.batch_size}"),
        ("Work", f"{record.asked:,} asked, {record.recalled:,} from the journal, {record.seconds:,.1f} s"),
    ]
    return made


def score(value: float | None, *, beside: float | None = None) -> str:
    """A figure to read, in `DIGITS` digits; never rounded across `beside`."""
    if value is None:
        return wording.NONE
    return f"{value:,.0f}" if abs(value) >= 10_000 else figure(value, beside=beside, digits=DIGITS)


def _score_row(estimate: Estimate, beside: float | None) -> ScoreRow:
    interval = estimate.interval
    judged = "" if estimate.usable else "not judged"
    return ScoreRow(
        part=wording.comparison(estimate),
        value=score(estimate.value, beside=beside),
        interval=wording.interval_text(interval, beside=beside),
        level=wording.NONE if interval is None else f"{interval.level * 100:g} %",
        method=wording.NONE if interval is None else interval.method,
        p=wording.p_text(estimate.p),
        used=estimate.n,
        clusters=f"{estimate.templates:,} {estimate.sampled}",
        missing=estimate.missing,
        judged="not measured" if estimate.value is None else judged,
        note=shortened(estimate.reason, EXAMPLE_LENGTH),
    )


def _ideal(metric: Metric | None) -> str:
    """Where the figure is fair, and between which ends it lies."""
    if metric is None:
        return ""
    low, high = metric.range
    ends = f", from {low:g} to {high:g}" if math.isfinite(low) and math.isfinite(high) else ""
    return f"ideal {metric.ideal:g}{ends}; {metric.direction}"


def _quoted_row(outcome: Outcome) -> QuotedRow:
    lines = [line for line in outcome.prompt.text.split("\n") if line]
    # A choice is named by its text, or by the role its text has among the scores, where each text has one.
    roles = [role for role, _ in outcome.scores if not role.startswith("control_") and not role.endswith(", prior")]
    named = zip(lines, roles if len(roles) == len(lines) else lines, strict=True)
    preferred = [bool(outcome.text) and outcome.text in names for names in named]
    return QuotedRow(
        id=outcome.prompt.id,
        part=part_of(outcome),
        lines=tuple((shortened(line, EXAMPLE_LENGTH), chosen) for line, chosen in zip(lines, preferred, strict=True)),
        choice="" if any(preferred) else shortened(outcome.text, EXAMPLE_LENGTH),
        value=score(outcome.reading.value),
        scores=_scores(outcome),
    )


def _scores(outcome: Outcome) -> str:
    shown = [f"{role.replace('_', ' ')} {score(one)}" for role, one in outcome.scores[:MOST_SCORES]]
    more = len(outcome.scores) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])])


def _setting(name: str, value: Setting) -> str:
    if value is None:
        return UNSET.get(name, "none")
    if isinstance(value, tuple):
        return "\n".join(_words(value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(values: Iterable[object]) -> Sequence[str]:
    named = [value for value in values if isinstance(value, tuple)]
    if named:
        return [f"{name}: {', '.join(words)}" for name, words in named]
    return [", ".join(str(value) for value in values)]


def _title(name: str) -> str:
    plain = name.replace("_", " ")
    return plain[:1].upper() + plain[1:]
