"""A classifier or corpus audit as a context file declares it, read; what does not go together becomes a fault.

Knows the keys, the strict reader and declarations. What is in the data is looked at when the audit runs: a table may be
larger than memory, and is read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_biasaudit.context.benchmark import DATA, MINIMUM, SHA, WORDS
from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, CorpusAudit, Limit, TabularAudit, TermGroups
from pytest_biasaudit.context.spelling import listed, shown
from pytest_biasaudit.context.strict import Faults, RawTable, Row, read_row
from pytest_biasaudit.context.tabular import (
    BEFORE,
    BEFORE_SHA,
    CLASSIFIER,
    CLUSTER,
    COLUMN_KEYS,
    COLUMNS,
    CORPUS,
    DEFAULT_MINIMUM,
    DEFAULT_WINDOW,
    GROUPS,
    LABEL,
    LEAVE_OUT,
    ORDER,
    POSITIVE,
    PREDICTION,
    ROW_ID,
    SCORE,
    TERMS,
    TEXT,
    THRESHOLD,
    WINDOW,
)
from pytest_biasaudit.context.tabular_faults import check_columns, check_data, resolved_terms


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What an audit of a table declares beside its id and limits, as far as it could be read."""

    data: str | None
    sha256: str | None
    columns: Columns
    terms: tuple[tuple[str, TermGroups], ...]
    groups_order: tuple[tuple[str, tuple[str, ...]], ...]
    leave_out: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    minimum: int
    row: Row

    @property
    def attributes(self) -> tuple[str, ...]:
        """As TabularAudit has them."""
        return (*(name for name, _ in self.columns.groups), *(name for name, _ in self.terms))


def read_declared(row: Row, kind: str, faults: Faults) -> Declared:
    """All keys of the audit but id, kind and limits; what is missing or does not go together becomes a fault."""
    raw_columns: RawTable = row.get(COLUMNS, {})
    columns = read_row(raw_columns, COLUMN_KEYS, where=f"{row.where} / [audit.columns]", faults=faults)
    check_data(row, faults)
    if row.declares(COLUMNS):
        check_columns(columns, row, kind, faults)
    orders = [one.get(ORDER) for one in (columns, row) if one.declares(ORDER)]
    if len(orders) == 2:
        faults.add(row.where, f"{ORDER.name} is given in [audit.columns] too; give it once")
    order = (orders[0] if orders else None) or {}
    groups = columns.get(GROUPS) or {}
    terms = resolved_terms(row, faults)
    attributes = [*groups, *terms]
    for name in sorted({name for name in attributes if attributes.count(name) > 1}):
        faults.misfit(
            row.where, TERMS.name, name, "is an attribute of [audit.columns] groups too; give it another name"
        )
    for key, said in ((ORDER, order), (LEAVE_OUT, row.get(LEAVE_OUT) or {})):
        for name in said:
            if name not in attributes:
                faults.misfit(row.where, key.name, name, f"is no attribute of this audit; it has {listed(attributes)}")
    left_out = {name: tuple(groups.items()) for name, groups in (row.get(LEAVE_OUT) or {}).items()}
    for name, some in left_out.items():
        for group, _ in some:
            if order.get(name, ())[:1] == (group,):
                faults.misfit(
                    row.where, LEAVE_OUT.name, group, "is the reference group, which every other is compared with"
                )
    return Declared(
        data=row.get(DATA),
        sha256=row.get(SHA),
        columns=Columns(
            label=columns.get(LABEL),
            prediction=columns.get(PREDICTION),
            text=columns.get(TEXT),
            score=columns.get(SCORE),
            positive=columns.get(POSITIVE),
            groups=tuple(groups.items()),
            id=columns.get(ROW_ID),
            cluster=columns.get(CLUSTER),
        ),
        terms=tuple(terms.items()),
        groups_order=tuple(order.items()),
        leave_out=tuple(left_out.items()),
        minimum=row.get(MINIMUM, DEFAULT_MINIMUM),
        row=row,
    )


def tabular_audit(declared: Declared, *, id: str, kind: str, limits: tuple[Limit, ...]) -> TabularAudit:
    """The audit, once nothing is at fault."""
    common: dict[str, Any] = {
        "id": id,
        "kind": kind,
        "limits": limits,
        "data": declared.data,
        "sha256": declared.sha256,
        "columns": declared.columns,
        "terms": declared.terms,
        "groups_order": declared.groups_order,
        "leave_out": declared.leave_out,
        "minimum": declared.minimum,
    }
    row = declared.row
    if kind == CLASSIFIER:
        return ClassifierAudit(**common, threshold=row.get(THRESHOLD))
    return CorpusAudit(
        **common,
        words=tuple((row.get(WORDS) or {}).items()),
        window=row.get(WINDOW, DEFAULT_WINDOW),
        before=row.get(BEFORE),
        before_sha256=row.get(BEFORE_SHA),
    )


def check_versus(declared: Declared, kind: str, limits: tuple[Limit, ...], faults: Faults) -> None:
    """Faults for limits that compare with what such an audit does not have."""
    for limit in limits:
        if limit.versus is None:
            continue
        where = f"{declared.row.where} / limit {shown(limit.id)}"
        if kind == CORPUS and limit.versus != "before":
            faults.misfit(where, "versus", limit.versus, "no model is asked in a corpus audit; it must be 'before'")
        elif kind == CORPUS and not declared.row.declares(BEFORE):
            faults.misfit(where, "versus", limit.versus, "names the earlier data, and the audit declares no `before`")
        elif kind == CLASSIFIER and declared.columns.prediction is not None:
            faults.misfit(
                where, "versus", limit.versus, "predictions are read from the table, so there is no other model"
            )
