"""What the compression study printed for the same model and benchmark, beside what was measured here. Never for others.

The study's numbers are facts in `published-compression-study.toml`. A model is one of the study's by its source, uncompressed
or under the study's own compression; a training checkpoint by its step. Evidence in, frozen rows out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.study_columns import (
    Column,
    benchmarks_of,
    columns_of,
    estimate_of,
    figures_of,
    score_name,
)
from pytest_biasaudit.stats.interval import Interval

FULL_PRECISION = ("", "float32")
"""What the study's models are loaded in; "" where a record does not say."""
OWN_DATA = "bundled:"
"""How the source of our own data begins: scores on it are not those of the published sets."""


@dataclass(frozen=True, kw_only=True)
class PrintedRow:
    """One row of the study's tables."""

    table: int
    kind: str
    """Of the benchmark."""
    model: str
    """As the study calls it."""
    sources: tuple[str, ...]
    """Hub ids under which it can be loaded."""
    recipe: str
    """"" as loaded, or "int8"."""
    step: int | None
    scores: Mapping[str, float]
    """By axis or test; the LM score under the name of its metric."""
    caution: str
    """What makes the whole row doubtful; mostly empty."""


@dataclass(frozen=True, kw_only=True)
class PrintedBenchmark:
    """How the study used one benchmark."""

    metric: str
    skill: str
    """Metric of the LM score; "" where the study gives none."""
    scores: tuple[str, ...]
    """Names of the score that are the study's; empty: there is one way only."""
    facts: Mapping[str, str]
    """What else must be as in the study, as a record's facts say it."""
    items: Mapping[str, int]
    """How many a figure rests on in the data that are published, by axis, test or metric."""
    caution: str


@dataclass(frozen=True, kw_only=True)
class Printed:
    """All that is known of the study's tables."""

    study: str
    int8: str
    """What the study's int8 is."""
    benchmarks: Mapping[str, PrintedBenchmark]
    rows: tuple[PrintedRow, ...]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One figure here and the study's."""

    model: str
    """Name here."""
    figure: str
    """Title of the column."""
    score: float
    interval: Interval | None
    sound: bool
    published: float
    where: str
    """Where it is printed: "table 1, BERT Base + int8"."""
    caution: str
    """What makes the row doubtful."""


@dataclass(frozen=True, kw_only=True)
class BesideTable:
    """One benchmark audit beside the study's printed numbers."""

    context: str
    audit: str
    title: str
    study: str
    digits: int
    rows: tuple[Beside, ...]
    notes: tuple[str, ...]
    """What to know before comparing, in whole sentences without their stop."""


@cache
def printed() -> Printed:
    """The study's numbers, read from the package's file."""
    text = (files("pytest_biasaudit.report") / "published-compression-study.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    return Printed(
        study=raw["study"],
        int8=raw["int8"],
        benchmarks={
            one["kind"]: PrintedBenchmark(
                metric=one["metric"],
                skill=one.get("skill", ""),
                scores=tuple(one.get("scores", ())),
                facts=one.get("facts", {}),
                items=one["items"],
                caution=one["caution"],
            )
            for one in raw["benchmark"]
        },
        rows=tuple(
            PrintedRow(
                table=one["table"],
                kind=one["kind"],
                model=one["model"],
                sources=tuple(raw["sources"][one["model"]]),
                recipe=one["recipe"],
                step=one.get("step"),
                scores=one["scores"],
                caution=one.get("caution") or raw["cautions"].get(one["model"], ""),
            )
            for one in raw["row"]
        ),
    )


def beside_published(evidence: Evidence) -> tuple[BesideTable, ...]:
    """A table for each benchmark audit in which some model is one of the study's; none where none is."""
    tables = []
    for by_data in benchmarks_of(evidence):
        for records in by_data:
            table = _table(records, evidence.models)
            if table.rows:
                tables.append(table)
    return tuple(tables)


def _table(records: Sequence[AuditRecord], evidence_models: Sequence[ModelIdentity]) -> BesideTable:
    kind = records[0].audit.kind
    known = printed()
    benchmark = known.benchmarks.get(kind)
    rows: list[Beside] = []
    notes: dict[str, None] = {}
    columns = tuple(columns_of(records, *figures_of(kind))) if benchmark is not None else ()
    for record in records:
        if benchmark is None or not _same_benchmark(record, benchmark):
            continue
        model = record.model
        recipe = _recipe_of(model, evidence_models)
        if recipe is not None:
            for row in _rows_of(model, recipe, kind):
                rows += _beside(record, row, benchmark, columns, notes)
        elif any(model.source in one.sources for one in known.rows):
            notes.setdefault(f"nothing is printed for {model.name}: {_not_the_studys(model, evidence_models)}")
    if rows and benchmark is not None:
        notes = {benchmark.caution: None, **notes}
    return BesideTable(
        context=records[0].context.id,
        audit=records[0].audit.id,
        title=BENCHMARKS[kind].title if kind in BENCHMARKS else kind,
        study=known.study,
        digits=max((column.digits for column in columns), default=2),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _same_benchmark(record: AuditRecord, benchmark: PrintedBenchmark) -> bool:
    """Whether the items can be the study's: published data, its score, its half of the benchmark."""
    assert isinstance(record.audit, BenchmarkAudit)
    if record.data is None or record.data.source.startswith(OWN_DATA):
        return False
    if benchmark.scores and score_name(record) not in benchmark.scores:
        return False
    facts = dict(record.facts)
    if any(facts.get(name) != value for name, value in benchmark.facts.items()):
        return False
    return dict(record.audit.settings).get("task", "intrasentence") == "intrasentence"


def _rows_of(model: ModelIdentity, recipe: str, kind: str) -> Iterator[PrintedRow]:
    """The study's rows of a model: of SEAT one in each of its tables; nothing where it is none of the study's."""
    revision = model.point.revision if model.point is not None else None
    for row in printed().rows:
        step = None if row.step is None else f"step{row.step}"
        if row.kind == kind and model.source in row.sources and row.recipe == recipe and revision == step:
            yield row


def _recipe_of(model: ModelIdentity, models: Sequence[ModelIdentity]) -> str | None:
    """What the study would call the model's compression; None for one that it did not use.

    A child that the study's call made from another child, a pruned one say, is none of the study's: its parent must be known
    to be as loaded.
    """
    if model.dtype not in FULL_PRECISION:
        return None
    if model.parent is None:
        return ""
    loaded = any(one.digest == model.parent_digest and one.parent is None for one in models)
    if len(model.recipe) != 1 or not loaded:
        return None
    (step,) = model.recipe
    study = step.get("quantize") == "torch-dynamic" and step.get("dtype") == "qint8" and step.get("lm_head") is True
    return "int8" if study else None


def _not_the_studys(model: ModelIdentity, models: Sequence[ModelIdentity]) -> str:
    """What sets a child or a loading apart from the study's."""
    if model.dtype not in FULL_PRECISION:
        return f"it is in {model.dtype}, and the study's models are in float32"
    if model.parent is not None and all(one.digest != model.parent_digest for one in models):
        return f"its parent {model.parent} is not in the evidence, so what it was made from is not known"
    return f"the study's int8 is {printed().int8}, of the model as it is loaded"


def _beside(
    record: AuditRecord,
    row: PrintedRow,
    benchmark: PrintedBenchmark,
    columns: Sequence[Column],
    notes: dict[str, None],
) -> Iterator[Beside]:
    place = f"table {row.table}, {row.model}{' + int8' if row.recipe else ''}"
    if row.step is not None:
        place += f", step {row.step:,}"
    whole = _all_domains(record)
    for column in columns:
        name = column.part if column.metric == benchmark.metric else column.metric
        if name not in row.scores or (name == benchmark.skill and not whole):
            continue
        mine = estimate_of(record, column)
        if mine is None or mine.value is None:
            continue
        items, full = mine.n + mine.missing, benchmark.items[name]
        if items < full or (items > full and not benchmark.skill):  # StereoSet's hidden half is the larger one
            what = f"of {column.part}" if column.part else "in all"
            notes.setdefault(
                f"{record.audit.id} asks {items:,} items {what} and the published data have {full:,}, so nothing stands beside "
                "that score"
            )
            continue
        if items == full and benchmark.skill:
            notes.setdefault(
                "the study scored the hidden half (test.json) and these items are those of dev.json: scores differ somewhat"
            )
        yield Beside(
            model=record.model.name,
            figure=column.title,
            score=mine.value,
            interval=mine.interval,
            sound=mine.usable,
            published=row.scores[name],
            where=place,
            caution=row.caution,
        )


def _all_domains(record: AuditRecord) -> bool:
    """Whether the audit takes all of the data, as the study's LM score does."""
    assert isinstance(record.audit, BenchmarkAudit)
    axes = dict(record.audit.settings).get("axes")
    return axes is None or {"gender", "profession", "race", "religion"} <= set(axes if isinstance(axes, tuple) else ())
