"""Bias over training checkpoints, from evidence: the best step of each model and of its children, and what bias is there.

In the form of Gonçalves and Strubell 2023, tables 2, 3, 5 and 6: the best LM step of the uncompressed model and of the
compressed one, each also at the other's best step; and Kendall's tau-c of skill and bias over the steps of one series.
Records of a sweep in, frozen rows out; `checkpoint_text` and the page draw them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.study_columns import (
    Cell,
    Column,
    benchmarks_of,
    cell_of,
    columns_of,
    estimate_of,
    figures_of,
)
from pytest_biasaudit.report.study_tables import row_of
from pytest_biasaudit.stats.correlation import RankCorrelation, kendall_tau_c

UNCOMPRESSED = "uncompressed"
"""What the series of parents is called."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One model of a series: its cells, one a column, without changes."""

    record: AuditRecord
    revision: str
    """As the sweep names it; empty where it has no revisions."""
    step: int | None
    """The last number in the revision's name: "step1000" is 1000. None where there is none."""
    cells: tuple[Cell, ...]

    @property
    def model(self) -> str:
        """Its name."""
        return self.record.model.name


@dataclass(frozen=True, kw_only=True)
class Series:
    """One swept model by one recipe, at all its revisions."""

    model: str
    recipe: str
    """`UNCOMPRESSED` for the parents."""
    checkpoints: tuple[Checkpoint, ...]
    """In order of their steps, where every revision has one; else as declared."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One row: a series at a step that was chosen, with its changes against the parent of the same step."""

    model: str
    recipe: str
    at: str
    """Which step: "its best", "best of uncompressed", "best of int8"; "best of both" where child and parent are best at one."""
    revision: str
    cells: tuple[Cell, ...]
    """Empty where there is no such point."""
    absent: str = ""
    """Why not."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Kendall's tau-c of skill and one column of bias over the checkpoints of a series."""

    model: str
    recipe: str
    column: str
    """Title of the bias."""
    of: str
    """What of it: "score", or "distance from 50"."""
    found: RankCorrelation
    left_out: tuple[str, ...]
    """Revisions without sound figures on both sides."""


@dataclass(frozen=True, kw_only=True)
class CheckpointTable:
    """One benchmark audit over the series of a sweep."""

    context: str
    audit: str
    kind: str
    title: str
    bias: str
    """Title of the figure in the columns."""
    columns: tuple[Column, ...]
    skill: int | None
    """Place of the skill among the columns; None: the benchmark has none, and so no best step."""
    series: tuple[Series, ...]
    rows: tuple[Chosen, ...]
    trends: tuple[Trend, ...]

    @property
    def biases(self) -> tuple[int, ...]:
        """Places of the biases among the columns."""
        return tuple(at for at in range(len(self.columns)) if at != self.skill)

    @property
    def has_steps(self) -> bool:
        """Whether some series has several checkpoints."""
        return any(len(one.checkpoints) > 1 for one in self.series)


def checkpoint_tables(evidence: Evidence) -> tuple[CheckpointTable, ...]:
    """A table for each benchmark audit that was put to points of a sweep, and its data.

    The best step is the one with the highest sound skill; of equals the first. A row's changes are against the uncompressed
    model at the same step, paired on the items. Without revisions there are series of one point, and no rows.
    """
    tables = []
    for by_data in benchmarks_of(evidence):
        for records in by_data:
            swept = [record for record in records if record.model.point is not None]
            if swept:
                tables.append(_table(swept))
    return tuple(tables)


def step_of(revision: str) -> int | None:
    """The last whole number in a revision's name; None where there is none."""
    numbers = re.findall(r"\d+", revision)
    return int(numbers[-1]) if numbers else None


def _table(records: Sequence[AuditRecord]) -> CheckpointTable:
    kind = records[0].audit.kind
    bias, whole, skill = figures_of(kind)
    columns = tuple(columns_of(records, bias, whole, skill))
    at_skill = next((at for at, column in enumerate(columns) if skill and column.metric == skill.name), None)
    series = tuple(_series(records, columns))
    biases = [at for at in range(len(columns)) if at != at_skill]
    return CheckpointTable(
        context=records[0].context.id,
        audit=records[0].audit.id,
        kind=kind,
        title=BENCHMARKS[kind].title if kind in BENCHMARKS else kind,
        bias=bias.title,
        columns=columns,
        skill=at_skill,
        series=series,
        rows=tuple(_rows(series, columns, at_skill)),
        trends=tuple(_trends(series, columns, biases, at_skill)),
    )


def _series(records: Sequence[AuditRecord], columns: Sequence[Column]) -> Iterator[Series]:
    """Every series, model by model in declared order, the uncompressed first."""
    found: dict[tuple[str, str], list[Checkpoint]] = {}
    for record in records:
        point = record.model.point
        assert point is not None
        revision = point.revision or ""
        cells = tuple(cell_of(column, estimate_of(record, column), record.obstacle) for column in columns)
        made = Checkpoint(record=record, revision=revision, step=step_of(revision), cells=cells)
        found.setdefault((point.model, point.recipe or UNCOMPRESSED), []).append(made)
    models = {model: at for at, (model, _) in reversed(list(enumerate(found)))}
    for (model, recipe), checkpoints in sorted(found.items(), key=lambda item: models[item[0][0]]):
        steps = [one.step for one in checkpoints]
        if None not in steps and len(set(steps)) == len(steps):
            checkpoints = sorted(checkpoints, key=lambda one: one.step or 0)
        yield Series(model=model, recipe=recipe, checkpoints=tuple(checkpoints))


def best_of(series: Series, at_skill: int | None) -> Checkpoint | None:
    """The checkpoint with the highest sound skill, of equals the first; None where there is none."""
    able = [one for one in series.checkpoints if _sound(one, at_skill) is not None]
    return max(able, key=lambda one: _sound(one, at_skill) or 0.0, default=None)


def _sound(checkpoint: Checkpoint, at: int | None) -> float | None:
    """The figure of a column, where it is there and stands for something."""
    cell = checkpoint.cells[at] if at is not None else None
    return cell.score if cell is not None and cell.sound else None


def _rows(series: Sequence[Series], columns: Sequence[Column], at_skill: int | None) -> Iterator[Chosen]:
    """Of each model with several checkpoints: the best of each series, and children and parent at each other's best."""
    if at_skill is None:
        return
    for _, group in groupby(series, key=lambda one: one.model):
        own = list(group)
        if max(len(one.checkpoints) for one in own) < 2:
            continue
        parents = next((one for one in own if one.recipe == UNCOMPRESSED), None)
        known = {point.record.model.digest: point.record for one in own for point in one.checkpoints}
        best = best_of(parents, at_skill) if parents is not None else None
        if parents is not None:
            yield _chosen(parents, _its_best(parents, best, at_skill), best, known, columns)
        for child in own:
            if child is parents:
                continue
            theirs = best_of(child, at_skill)
            its_best = _its_best(child, theirs, at_skill)
            same = best is not None and theirs is not None and best.revision == theirs.revision
            yield _chosen(
                child, its_best.replace("its best", "best of both") if same else its_best, theirs, known, columns
            )
            if parents is None or same:
                continue
            for one, other, place in ((child, parents, best), (parents, child, theirs)):
                if place is not None:
                    found = next((point for point in one.checkpoints if point.revision == place.revision), None)
                    yield _chosen(one, f"best of {other.recipe}", found, known, columns, wanted=place.revision)


def _its_best(series: Series, best: Checkpoint | None, at_skill: int) -> str:
    """Says, too, where other checkpoints are as able: then which one is called the best is a matter of order."""
    equal = sum(best is not None and _sound(one, at_skill) == _sound(best, at_skill) for one in series.checkpoints)
    return f"its best (1st of {equal} equal)" if equal > 1 else "its best"


def _chosen(
    series: Series,
    at: str,
    point: Checkpoint | None,
    known: dict[str, AuditRecord],
    columns: Sequence[Column],
    *,
    wanted: str = "",
) -> Chosen:
    if point is None:
        reason = f"{wanted} was not audited" if wanted else "no checkpoint has a sound figure of skill"
        return Chosen(model=series.model, recipe=series.recipe, at=at, revision=wanted, cells=(), absent=reason)
    parent = known.get(point.record.model.parent_digest or "")
    cells = row_of(point.record, parent, columns, None).cells
    return Chosen(model=series.model, recipe=series.recipe, at=at, revision=point.revision, cells=cells)


def _trends(
    series: Sequence[Series], columns: Sequence[Column], biases: Sequence[int], at_skill: int | None
) -> Iterator[Trend]:
    """Skill against each bias, and against its distance from the ideal where that is another thing."""
    if at_skill is None:
        return
    for one in series:
        if len(one.checkpoints) < 2:
            continue
        for at in biases:
            column = columns[at]
            pairs, left_out = [], []
            for point in one.checkpoints:
                able, bias = _sound(point, at_skill), _sound(point, at)
                if able is None or bias is None:
                    left_out.append(point.revision)
                else:
                    pairs.append((able, bias))
            sides = [("score", [bias for _, bias in pairs])]
            if METRICS[column.metric].range[0] < column.ideal:
                away = [abs(bias - column.ideal) for _, bias in pairs]
                sides.append((f"distance from {column.ideal:g}", away))
            for of, values in sides:
                found = kendall_tau_c([able for able, _ in pairs], values, alternative="greater")
                yield Trend(
                    model=one.model,
                    recipe=one.recipe,
                    column=column.title,
                    of=of,
                    found=found,
                    left_out=tuple(left_out),
                )
