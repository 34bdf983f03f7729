"""The tables of the compression study, from evidence: each model's score by axis, its change against a baseline, its skill.

One table a benchmark audit, in the form of Gonçalves and Strubell 2023 (tables 1, 4 and 7 to 9): a row a model, a column
an axis or test, the LM score at the end, and Kendall's tau-c over models. Beyond the paper each change has the interval
that its items give. Evidence in, frozen rows out; `study_text` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.study_columns import (
    Cell,
    Column,
    apart,
    away,
    benchmarks_of,
    cell_of,
    columns_of,
    data_sha256,
    estimate_of,
    figures_of,
    paired_changes,
    score_name,
    told_apart,
    with_change,
)
from pytest_biasaudit.stats.correlation import RankCorrelation, kendall_tau_c

SIGNIFICANT = 0.01
"""At or under which p an effect size gets a star, as in the paper."""


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """One row: a model's cells, one a column."""

    model: str
    baseline: str
    """The model that its changes are against; empty where there is none."""
    absent: str
    """The model that its changes would be against, and that it cannot be compared with; else empty."""
    absent_reason: str
    """Why not."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Association:
    """Kendall's tau-c over the models of a table."""

    first: str
    second: str
    found: RankCorrelation
    left_out: tuple[str, ...]
    """Models without a sound score on both sides."""


@dataclass(frozen=True, kw_only=True)
class StudyTable:
    """One benchmark audit over all models of the evidence."""

    context: str
    audit: str
    title: str
    settings: tuple[tuple[str, str], ...]
    """What decided the scores, where all models have it alike: the score's name; the data, where a run used several."""
    bias: str
    """Title of the figure in the columns."""
    columns: tuple[Column, ...]
    rows: tuple[ModelScores, ...]
    associations: tuple[Association, ...]
    related: bool = False
    """Whether some models are checkpoints of one training, or children of others: then the p of an association is too sure."""


def study_tables(evidence: Evidence, *, baseline: str | None = None) -> tuple[StudyTable, ...]:
    """A table for each benchmark audit and its data, in the order of the evidence.

    baseline  name of the model that all others are compared with; None: each child is compared with its parent

    A change and its interval are computed from the outcomes, paired on the items that both models have scores for. Models
    that were asked items of other data, or scored in another way, are not compared.
    Raises EvidenceError where there is no benchmark audit, or no model of the baseline's name in any of them.
    """
    audits = benchmarks_of(evidence)
    if not audits:
        raise EvidenceError(
            f"{evidence.file or 'the evidence'}: no benchmark was audited, so there is no table to make"
        )
    known = list(dict.fromkeys(record.model.name for by_data in audits for same in by_data for record in same))
    if baseline is not None and baseline not in known:
        raise EvidenceError(
            f"{evidence.file or 'the evidence'}: no benchmark of a model {baseline!r}; there are {', '.join(known)}"
        )
    tables = []
    for by_data in audits:
        all_records = [record for same in by_data for record in same]
        tables += [_table(same, all_records, baseline) for same in by_data]
    return tuple(tables)


def _table(records: Sequence[AuditRecord], of_all_data: Sequence[AuditRecord], baseline: str | None) -> StudyTable:
    kind = records[0].audit.kind
    bias, whole, skill = figures_of(kind)
    columns = tuple(columns_of(records, bias, whole, skill))
    rows = tuple(row_of(record, _baseline_of(record, of_all_data, baseline), columns, baseline) for record in records)
    score = {score_name(record) for record in records} - {""}
    settings = [("score", score.pop())] if len(score) == 1 else []
    if len({data_sha256(record) for record in of_all_data}) > 1:
        settings.append(("data", f"sha256 {data_sha256(records[0])}" if data_sha256(records[0]) else "not recorded"))
    return StudyTable(
        context=records[0].context.id,
        audit=records[0].audit.id,
        title=BENCHMARKS[kind].title if kind in BENCHMARKS else kind,
        settings=tuple(settings),
        bias=bias.title,
        columns=columns,
        rows=rows,
        associations=tuple(_associations(rows, columns, skill)),
        related=any(record.model.point is not None or record.model.parent is not None for record in records),
    )


def _baseline_of(record: AuditRecord, records: Sequence[AuditRecord], baseline: str | None) -> AuditRecord | None:
    """The record of the model that this one is compared with; None for the baseline itself, or where it is not there.

    One of the same data and score before any other, and of parents that are the same weights the one it was made from.
    """
    parent = record.model.parent
    for other in sorted(records, key=lambda one: (bool(apart(record, one)), one.model.name != parent)):
        if other is record:
            continue
        if baseline is not None and other.model.name == baseline != record.model.name:
            return other
        if baseline is None and record.model.parent_digest == other.model.digest:
            return other
    return None


def row_of(
    record: AuditRecord, wanted: AuditRecord | None, columns: Sequence[Column], baseline: str | None
) -> ModelScores:
    """A model's row, with its changes against `wanted` where the two may be compared.

    baseline  the name that all are compared with; None: each is compared with its parent
    """
    name = baseline or record.model.parent or ""
    absent = name if name != record.model.name else ""
    reason = f"this audit was not put to {absent}" if absent else ""
    other = None
    if wanted is not None:
        absent = wanted.model.name
        reason = apart(record, wanted)
        other = None if reason else wanted
    changes: dict[tuple[str, str], dict[str, Estimate]] = {}
    if other is not None:
        for column in columns:
            key = (column.metric, column.split)
            if key not in changes:
                changes[key] = paired_changes(record, other, column)
    cells = []
    for column in columns:
        cell = cell_of(column, estimate_of(record, column), record.obstacle)
        if other is not None:
            paired = changes[column.metric, column.split].get(column.part)
            cell = with_change(cell, column, estimate_of(other, column), paired)
        cells.append(cell)
    return ModelScores(
        model=record.model.name,
        baseline="" if other is None else other.model.name,
        absent=absent if reason else "",
        absent_reason=reason,
        cells=tuple(cells),
    )


def _associations(
    rows: Sequence[ModelScores], columns: Sequence[Column], skill: Metric | None
) -> Iterator[Association]:
    """Skill against bias over models, and skill against distance from the ideal where that is another thing."""
    at_skill = next((at for at, column in enumerate(columns) if skill and column.metric == skill.name), None)
    at_bias = next((at for at, column in enumerate(columns) if not column.part and at != at_skill), None)
    if at_bias is None and len(columns) == 2 and at_skill == 1:
        at_bias = 0  # one axis only, which is all there is
    if at_skill is None or at_bias is None:
        return
    bias, able = columns[at_bias], columns[at_skill]
    pairs: list[tuple[float, float]] = []
    left_out = []
    for row in rows:
        mine, skilled = row.cells[at_bias], row.cells[at_skill]
        if mine.score is None or skilled.score is None or not mine.sound or not skilled.sound:
            left_out.append(row.model)
        else:
            pairs.append((told_apart(skilled.score), told_apart(mine.score)))
    name = METRICS[bias.metric].title
    sides = [(name, [score for _, score in pairs])]
    if METRICS[bias.metric].range[0] < bias.ideal:
        sides.append((f"|{name} - {bias.ideal:g}|", [away(score, bias.ideal) for _, score in pairs]))
    for second, values in sides:
        found = kendall_tau_c([score for score, _ in pairs], values, alternative="greater")
        yield Association(first=able.title, second=second, found=found, left_out=tuple(left_out))
