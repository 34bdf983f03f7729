"""Bias over training checkpoints, from evidence: the best step of each model and of its children, and what bias is there.

In the form of Gonçalves and Strubell 2023, tables 2, 3, 5 and 6: the best LM step of the uncompressed model and of the
compressed one, each also at the other's best step; and Kendall's tau-c of skill and bias over the steps of one series.
Records of a sweep in, frozen rows out; `checkpoint_text` and the page draw them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.study_columns import (
    Cell,
    Column,
    away,
    benchmarks_of,
    cell_of,
    columns_of,
    estimate_of,
    figures_of,
    told_apart,
)
from pytest_biasaudit.report.study_tables import row_of
from pytest_biasaudit.stats.correlation import RankCorrelation, kendall_tau_c

UNCOMPRESSED = "uncompressed"
"""What the series of parents is called."""
MOST_NAMED = 8
"""Checkpoints named in one note; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One model of a series: its cells, one a column, without changes."""

    record: AuditRecord
    revision: str
    """As the sweep names it; empty where it has no revisions."""
    step: int | None
    """The last number in the revision's name: "step1000" is 1000. None where the names of the revisions give no order."""
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
    """In order of their steps, where the revisions' names give one; else as declared."""


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
    unchanged: str = ""
    """Why a child has no changes against its parent."""


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
    """Revisions without sound figures on both sides, and those that are an earlier one again."""


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
    notes: tuple[str, ...] = ()
    """What to know of the series: checkpoints that some lack, and such as are one model under two names."""

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


def steps_of(revisions: Sequence[str]) -> dict[str, int]:
    """The last whole number in each revision's name, where these names give an order: they differ in numbers only, and in the
    order of all their numbers the last one rises. Empty elsewhere: digests of commits, "v1.2" and "v2.0", a "main" among steps.
    """
    numbers = {revision: tuple(map(int, re.findall(r"\d+", revision))) for revision in revisions}
    stems = {re.sub(r"\d+", "#", revision) for revision in revisions}
    if len(stems) != 1 or not all(numbers.values()):
        return {}
    steps = {revision: numbers[revision][-1] for revision in sorted(numbers, key=numbers.__getitem__)}
    rising = list(steps.values())
    return steps if all(one < other for one, other in pairwise(rising)) else {}


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
        notes=tuple(_series_notes(series)),
    )


def _series(records: Sequence[AuditRecord], columns: Sequence[Column]) -> Iterator[Series]:
    """Every series, model by model in declared order, the uncompressed first."""
    found: dict[tuple[str, str], list[Checkpoint]] = {}
    revisions: dict[str, dict[str, None]] = {}
    for record in records:
        if record.model.point is not None:
            revisions.setdefault(record.model.point.model, {})[record.model.point.revision or ""] = None
    steps = {model: steps_of(list(names)) for model, names in revisions.items()}
    for record in records:
        point = record.model.point
        assert point is not None
        revision = point.revision or ""
        cells = tuple(cell_of(column, estimate_of(record, column), record.obstacle) for column in columns)
        made = Checkpoint(record=record, revision=revision, step=steps[point.model].get(revision), cells=cells)
        found.setdefault((point.model, point.recipe or UNCOMPRESSED), []).append(made)
    models = {model: at for at, (model, _) in reversed(list(enumerate(found)))}
    for (model, recipe), checkpoints in sorted(found.items(), key=lambda item: models[item[0][0]]):
        if steps[model]:
            checkpoints = sorted(checkpoints, key=lambda one: one.step or 0)
        yield Series(model=model, recipe=recipe, checkpoints=tuple(checkpoints))


def best_of(series: Series, at_skill: int | None) -> Checkpoint | None:
    """The checkpoint with the highest sound skill, of equals the first; None where there is none."""
    able = [one for one in series.checkpoints if _sound(one, at_skill) is not None]
    return max(able, key=lambda one: _sound(one, at_skill) or 0.0, default=None)


def _sound(checkpoint: Checkpoint, at: int | None) -> float | None:
    """The figure of a column, where it is there and stands for something."""
    cell = checkpoint.cells[at] if at is not None else None
    return told_apart(cell.score) if cell is not None and cell.sound and cell.score is not None else None


def _same_as(series: Series) -> dict[str, str]:
    """Of checkpoints that are the same model as an earlier one of the series, by digest: that one's revision."""
    first: dict[str, str] = {}
    again = {}
    for one in series.checkpoints:
        model = one.record.model
        if model.weights_sha256 and first.setdefault(model.digest, one.revision) != one.revision:
            again[one.revision] = first[model.digest]
    return again


def _series_notes(series: Sequence[Series]) -> Iterator[str]:
    """What a reader of the best steps must know: which were not there to choose from, and which are one.

    A checkpoint that nothing of was audited has no name here; that it is missing shows by the places of those after it.
    """
    places = {point.record.model.point.place for one in series for point in one.checkpoints if point.record.model.point}
    missing = max(places, default=0) + 1 - len(places)
    if missing > 0:
        yield f"{missing:,} or more points of the sweep were not audited, and what is best here is so without them"
    for _, group in groupby(series, key=lambda one: one.model):
        own = list(group)
        steps = {point.revision: point.step or 0 for one in own for point in one.checkpoints}
        for one in own:
            there = {point.revision for point in one.checkpoints}
            lacking = sorted((revision for revision in steps if revision not in there), key=steps.__getitem__)
            if lacking:
                more = f" and {len(lacking) - MOST_NAMED:,} more" if len(lacking) > MOST_NAMED else ""
                named = ", ".join(lacking[:MOST_NAMED])
                yield f"{one.model} {one.recipe}: not audited at {named}{more}; its best step is of the others"
            for revision, first in _same_as(one).items():
                yield f"{one.model} {one.recipe}: {revision} is the same model as {first}, weight by weight, and counts once"


def _rows(series: Sequence[Series], columns: Sequence[Column], at_skill: int | None) -> Iterator[Chosen]:
    """Of each model with several checkpoints: the best of each series, and children and parent at each other's best."""
    if at_skill is None:
        return
    for _, group in groupby(series, key=lambda one: one.model):
        own = list(group)
        if max(len(one.checkpoints) for one in own) < 2:
            continue
        parents = next((one for one in own if one.recipe == UNCOMPRESSED), None)
        known = {point.model: point.record for one in own for point in one.checkpoints}
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
    again = _same_as(series)
    distinct = [one for one in series.checkpoints if one.revision not in again]
    equal = sum(best is not None and _sound(one, at_skill) == _sound(best, at_skill) for one in distinct)
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
        reason = f"{wanted} was not audited" if wanted else _why_no_best(series, columns)
        return Chosen(model=series.model, recipe=series.recipe, at=at, revision=wanted, cells=(), absent=reason)
    model = point.record.model
    parent = known.get(model.parent or "")
    if parent is not None and parent.model.digest != model.parent_digest:
        parent = None
    row = row_of(point.record, parent, columns, None)
    return Chosen(
        model=series.model,
        recipe=series.recipe,
        at=at,
        revision=point.revision,
        cells=row.cells,
        unchanged=row.absent_reason,
    )


def _why_no_best(series: Series, columns: Sequence[Column]) -> str:
    """Why no checkpoint of a series is its best."""
    at = next(at for at, column in enumerate(columns) if column.changes == "value")
    reasons = list(dict.fromkeys(one.cells[at].reason for one in series.checkpoints if one.cells[at].reason))
    more = f", and {len(reasons) - 1:,} other reasons" if len(reasons) > 1 else ""
    return f"no checkpoint has a sound {columns[at].title}" + (f": {reasons[0]}{more}" if reasons else "")


def _trends(
    series: Sequence[Series], columns: Sequence[Column], biases: Sequence[int], at_skill: int | None
) -> Iterator[Trend]:
    """Skill against each bias, and against its distance from the ideal where that is another thing."""
    if at_skill is None:
        return
    for one in series:
        if len(one.checkpoints) < 2:
            continue
        again = _same_as(one)
        for at in biases:
            column = columns[at]
            pairs, left_out = [], []
            for point in one.checkpoints:
                able, bias = _sound(point, at_skill), _sound(point, at)
                if able is None or bias is None or point.revision in again:
                    left_out.append(point.revision)
                else:
                    pairs.append((able, bias))
            sides = [("score", [bias for _, bias in pairs])]
            if METRICS[column.metric].range[0] < column.ideal:
                distances = [away(bias, column.ideal) for _, bias in pairs]
                sides.append((f"distance from {column.ideal:g}", distances))
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
