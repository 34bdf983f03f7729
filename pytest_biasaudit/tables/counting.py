"""From rows to a tally: rows alike in groups, label, prediction, score and cluster are one cell with a count.

polars groups the rows, streaming; only the cells come into memory. What cannot be counted honestly is a DataError that names
the column, what came and what is valid. A row is never dropped: a blank cell is a row whose label, group or prediction is
not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, CorpusAudit, TabularAudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.answers import Answers
from pytest_biasaudit.tables.opening import (
    CLUSTER,
    LABEL,
    PREDICTION,
    RAGGED,
    ROW_ID,
    SCORE,
    TEXT,
    numbers_of,
    open_rows,
    reading,
    refuse_ragged,
)
from pytest_biasaudit.tables.source import TableFile
from pytest_biasaudit.tables.tally import Attribute, Tally
from pytest_biasaudit.tables.terms import term_column, term_columns
from pytest_biasaudit.tables.threshold import thresholded
from pytest_biasaudit.tables.values import group_order, label_order, refuse_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT, EARLIER = "count", "earlier"
"""Columns of a frame that is counted already, and of another model's predictions."""


def count_predictions(
    file: TableFile, audit: ClassifierAudit, *, answers: Answers | None = None, earlier: Answers | None = None
) -> Tally:
    """A table with its predictions, counted.

    answers  what the model under test said, row by row in the order of the file; None: the table holds the predictions,
             or scores and the audit a threshold
    earlier  what another model said of the same rows; `Tally.earlier` then

    Raises DataError with what is wrong with the table, and where; also when answers are not as many as rows.
    """
    columns = replace(
        audit.columns,
        text=audit.columns.text if audit.terms else None,
        score=audit.columns.score if answers is None else None,
    )
    rows = open_rows(file, columns)
    if audit.terms:
        rows = rows.with_columns(term_columns(pl.col(TEXT), audit.terms)).drop(TEXT)
    if audit.columns.id is not None:
        refuse_doubled(file, columns)
        rows = rows.drop(ROW_ID)
    if answers is None:
        return tally_of(rows, audit, file=file)
    with reading(file, columns):
        frame = rows.collect()
    truth = frame[LABEL]
    said = [_predicted(one, truth, audit, file) for one in (answers, earlier) if one is not None]
    frame = frame.with_columns(said[0].alias(PREDICTION))
    if answers.score is not None:
        frame = frame.with_columns(pl.Series(SCORE, answers.score, dtype=pl.Float64))
    if earlier is not None:
        frame = frame.with_columns(said[1].alias(EARLIER))
    positive = audit.columns.positive
    known = (positive,) if positive is not None and positive in answers.labels else ()
    return tally_of(frame, replace(audit, threshold=None), file=file, known=known)


def tally_of(
    frame: pl.DataFrame | pl.LazyFrame,
    audit: TabularAudit,
    *,
    file: TableFile | None = None,
    known: tuple[str, ...] = (),
) -> Tally:
    """Rows, or cells that were counted already, as a tally.

    frame  columns label, prediction, score, cluster and earlier, as far as there are; each attribute's under its name, or
           one flag a group under `terms.term_column` where terms tell it; count where rows were counted. As `open_rows`
           gives them: trimmed text, null where nothing is known. Other columns are passed over
    file   which table it is, for errors
    known  labels that need not be in any row

    The order of groups: those of `groups_order`; then the largest first, equal ones by name (groups told by terms: as
    declared); groups that are left out last. Labels stand in order of number, or of name.

    Raises DataError: no row, a positive label or a left-out group that no row has, too many groups or labels, a blank
    cluster, a prediction that spells a label in another way, an infinite score.
    """
    cells = _cells(frame, audit, file)
    name = "the table" if file is None else file.name
    if cells.height == 0:
        raise DataError(name, ["there is no row in it"])
    count = cells[COUNT].to_numpy().astype(np.int64)
    refuse_values(cells, audit, file=file)
    labels = label_order({one for role in (LABEL, PREDICTION, EARLIER) for one in _values(cells, role)})
    positive = audit.columns.positive
    truth = _indices(cells, LABEL, labels)
    prediction = _indices(cells, PREDICTION, labels) if PREDICTION in cells.columns else None
    score = cells[SCORE].fill_null(float("nan")).to_numpy() if SCORE in cells.columns else None
    if positive is not None and positive not in labels:
        if positive not in known:
            _refuse_positive(positive, labels, name, audit)
        labels = label_order({*labels, positive})
        truth = _indices(cells, LABEL, labels)
        prediction = _indices(cells, PREDICTION, labels) if PREDICTION in cells.columns else None
    if (
        isinstance(audit, ClassifierAudit)
        and audit.threshold is not None
        and score is not None
        and positive is not None
    ):
        labels, prediction = thresholded(
            score, truth, prediction, count, labels=labels, positive=positive, threshold=audit.threshold
        )
    elif isinstance(audit, ClassifierAudit) and prediction is None:
        prediction = np.full(len(count), -1, dtype=np.int64)
    members, attributes = _groups(cells, count, audit, name)
    _refuse_nobody(attributes, audit, name)
    return Tally(
        attributes=tuple(attributes),
        labels=labels,
        positive=positive,
        members=tuple(members),
        truth=truth,
        prediction=prediction,
        count=count,
        score=score,
        cluster=_codes(cells[CLUSTER]) if CLUSTER in cells.columns else None,
        earlier=_indices(cells, EARLIER, labels) if EARLIER in cells.columns else None,
    )


def refuse_doubled(file: TableFile, columns: Columns) -> None:
    """Refuses a table in which an id stands twice, or is blank. Holds ids and their numbers, and no other column."""
    ids = Columns(id=columns.id)
    with reading(file):
        counted = open_rows(file, ids).group_by(ROW_ID).agg(pl.len().alias(COUNT))
        odd = counted.filter((pl.col(COUNT) > 1) | pl.col(ROW_ID).is_null()).sort(ROW_ID).collect(engine="streaming")
    if odd.height == 0:
        return
    faults = []
    blank = odd.filter(pl.col(ROW_ID).is_null())
    if blank.height:
        rows, _ = numbers_of(file, ids, pl.col(ROW_ID).is_null())
        faults.append(
            f"row {_listed(rows)}: column {columns.id!r} is blank in {blank[COUNT][0]} rows; every row needs an id"
        )
    doubled = odd.drop_nulls(ROW_ID)
    for value, times in doubled.head(10).rows():
        rows, _ = numbers_of(file, ids, pl.col(ROW_ID) == value)
        faults.append(
            f"rows {_listed(rows)}: column {columns.id!r} has {value[:60]!r} {times} times; an id stands once"
        )
    if doubled.height > 10:
        faults.append(f"and {doubled.height - 10} more ids stand twice or more")
    raise DataError(file.name, faults)


def _cells(frame: pl.DataFrame | pl.LazyFrame, audit: TabularAudit, file: TableFile | None) -> pl.DataFrame:
    """Rows that are alike, with their number under COUNT."""
    rows = frame.lazy()
    there = rows.collect_schema().names()
    by = [name for name in (LABEL, PREDICTION, EARLIER, SCORE, CLUSTER) if name in there]
    by += [attribute for attribute, _ in audit.columns.groups]
    by += [term_column(attribute, group) for attribute, groups in audit.terms for group, _ in groups]
    sums: list[pl.Expr] = [(pl.col(COUNT).sum() if COUNT in there else pl.len()).cast(pl.Int64).alias(COUNT)]
    if RAGGED in there:
        sums.append(pl.col(RAGGED).max())
    grouped = rows.group_by(by).agg(sums) if by else rows.select(sums)
    if file is None:
        cells = grouped.collect(engine="streaming")
    else:
        with reading(file, audit.columns):
            cells = grouped.collect(engine="streaming")
        if RAGGED in cells.columns and cells.height:
            refuse_ragged(file, int(cells[RAGGED].max()))  # type: ignore[arg-type]
    return cells.sort(by, nulls_last=True) if by else cells


def _values(cells: pl.DataFrame, role: str) -> list[str]:
    return cells[role].drop_nulls().unique().to_list() if role in cells.columns else []


def _indices(cells: pl.DataFrame, role: str, labels: tuple[str, ...]) -> NDArray[np.int64]:
    if role not in cells.columns:
        return np.full(cells.height, -1, dtype=np.int64)
    return _placed(cells[role], labels)


def _placed(values: pl.Series, names: tuple[str, ...]) -> NDArray[np.int64]:
    if not names:
        return np.full(len(values), -1, dtype=np.int64)
    places = list(range(len(names)))
    found = values.replace_strict(list(names), places, default=None, return_dtype=pl.Int64)
    return found.fill_null(-1).to_numpy().astype(np.int64)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    codes: NDArray[Any] = values.rank("dense").to_numpy()
    return codes.astype(np.int64) - 1


def _groups(
    cells: pl.DataFrame, count: NDArray[np.int64], audit: TabularAudit, name: str
) -> tuple[list[NDArray[np.bool_]], list[Attribute]]:
    members: list[NDArray[np.bool_]] = []
    attributes: list[Attribute] = []
    orders, left_out = dict(audit.groups_order), dict(audit.leave_out)
    two = isinstance(audit, CorpusAudit) and audit.before is not None
    for attribute, _ in audit.columns.groups:
        sizes = cells.group_by(attribute).agg(pl.col(COUNT).sum()).drop_nulls(attribute)
        out = left_out.get(attribute, ())
        groups = group_order(dict(sizes.rows()), attribute, orders.get(attribute, ()), out, name=None if two else name)
        at = _placed(cells[attribute], groups)
        members.append(at[:, None] == np.arange(len(groups)))
        attributes.append(Attribute(name=attribute, groups=groups, left_out=out))
    for attribute, terms in audit.terms:
        out = left_out.get(attribute, ())
        flags = {group: cells[term_column(attribute, group)].to_numpy().astype(bool) for group, _ in terms}
        there = {group: int(count[flag].sum()) for group, flag in flags.items()}
        declared = (*orders.get(attribute, ()), *(g for g in there if g not in orders.get(attribute, ())))
        groups = group_order(there, attribute, declared, out, name=None if two else name)
        none = np.zeros(len(count), dtype=bool)
        members.append(np.stack([flags.get(group, none) for group in groups], axis=1))
        attributes.append(Attribute(name=attribute, groups=groups, overlapping=True, left_out=out))
    return members, attributes


def _refuse_nobody(attributes: Sequence[Attribute], audit: TabularAudit, name: str) -> None:
    """Refuses an attribute of which no group is left: there is nobody that a figure could be about."""
    columns = dict(audit.columns.groups)
    faults = []
    for one in attributes:
        if not one.groups:
            faults.append(f"column {columns[one.name]!r}, which groups.{one.name} names, is blank in every row")
        elif len(one.groups) == len(one.left_out):
            faults.append(f"leave_out.{one.name} leaves out every group: {', '.join(map(repr, one.groups))}")
    refuse(name, faults)


def _predicted(answers: Answers, truth: pl.Series, audit: ClassifierAudit, file: TableFile) -> pl.Series:
    """Each row's predicted label by what a model said, the threshold applied."""
    if len(answers.prediction) != len(truth):
        raise DataError(
            file.name, [f"a model answered {len(answers.prediction)} rows, and there are {len(truth)}: ask it again"]
        )
    labels, prediction = answers.labels, answers.prediction
    positive = audit.columns.positive
    if audit.threshold is not None and answers.score is not None and positive is not None:
        labels = label_order({*answers.labels, *truth.drop_nulls().unique().to_list(), positive})
        moved = np.array([labels.index(one) for one in answers.labels] + [-1], dtype=np.int64)[answers.prediction]
        labels, prediction = thresholded(
            answers.score,
            _placed(truth, labels),
            moved,
            np.ones(len(truth), dtype=np.int64),
            labels=labels,
            positive=positive,
            threshold=audit.threshold,
        )
    names = np.array([*labels, None], dtype=object)
    return pl.Series(names[prediction], dtype=pl.String)


def _refuse_positive(positive: str, labels: tuple[str, ...], name: str, audit: TabularAudit) -> None:
    from pytest_biasaudit.context.spelling import did_you_mean

    there = ", ".join(repr(one) for one in labels[:20]) or "none"
    fault = f"positive is {positive!r}, and no row of column {audit.columns.label!r} has that label"
    raise DataError(name, [f"{fault}; there are {there}{did_you_mean(positive, labels)}"])


def _listed(rows: list[int]) -> str:
    return " and ".join(str(row) for row in rows)
