"""What may stand in a column of labels or groups: few, short, printable values, each spelled in one way; and their order.

Looks at cells that are counted already. Rows are looked up again only to name them in an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from pytest_biasaudit.context.declaration import TabularAudit
from pytest_biasaudit.context.spelling import did_you_mean, shown
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.opening import CLUSTER, LABEL, PREDICTION, SCORE, numbers_of
from pytest_biasaudit.tables.source import TableFile

MOST_GROUPS = 200
"""Groups of one attribute. More is a column of something else: ages, postcodes, names."""
MOST_LABELS = 1000
LONGEST = 200
"""Characters of a label or group, which is printed in every report."""
_WHOLE = re.compile(r"\A([-+]?\d+)\.0*\Z")


def label_order(labels: set[str]) -> tuple[str, ...]:
    """By number where all are numbers ("2" before "10"), else by name."""
    plain = {label: _plainly(label) for label in labels}
    if not all(isinstance(value, float) for value in plain.values()):
        return tuple(sorted(labels))
    return tuple(sorted(labels, key=lambda label: (plain[label], label)))


def group_order(
    sizes: Mapping[str, int],
    attribute: str,
    order: Sequence[str],
    left_out: Sequence[tuple[str, str]],
    *,
    name: str | None,
) -> tuple[str, ...]:
    """The groups of an attribute, the reference first.

    sizes     rows of each group
    order     groups that come first, whether a row has them or not: a group without a row is compared, and found missing
    left_out  groups with the reason; they come last, unless `order` has them
    name      the table's, for errors; None: of two versions of a table, either may be without a group that is left out

    Raises DataError for a left-out group that no row has.
    """
    faults = (
        []
        if name is None
        else [
            f"leave_out.{attribute} names {shown(group)}, a group no row has{did_you_mean(group, sizes)}; "
            f"there are {', '.join(map(repr, sorted(sizes)[:20])) or 'none'}"
            for group, _ in left_out
            if not sizes.get(group)
        ]
    )
    refuse(name or "", faults)
    out = [group for group, _ in left_out if group not in order]
    rest = sorted((group for group in sizes if group not in order and group not in out), key=lambda g: (-sizes[g], g))
    return (*order, *rest, *out)


def refuse_values(cells: pl.DataFrame, audit: TabularAudit, *, file: TableFile | None) -> None:
    """Refuses what is no label, group, score or cluster. Raises DataError with every fault found."""
    columns = audit.columns
    name = "the table" if file is None else file.name
    faults: list[str] = []
    values: dict[str, list[str]] = {}
    named = [(LABEL, columns.label, MOST_LABELS), (PREDICTION, columns.prediction, MOST_LABELS)]
    named += [(attribute, column, MOST_GROUPS) for attribute, column in columns.groups]
    for role, column, most in named:
        if role not in cells.columns:
            continue
        some = cells[role].drop_nulls().unique().sort().to_list()
        if column is not None:
            values[column] = some
        faults.extend(_unfit(some, role, column or role, most, audit, file))
    if SCORE in cells.columns and cells[SCORE].is_infinite().any():
        at = _row(audit, file, pl.col(SCORE).is_infinite())
        faults.append(f"{at}column {columns.score!r} must be a finite number or blank, got an infinite one")
    if CLUSTER in cells.columns and cells[CLUSTER].null_count():
        blank = int(cells.filter(pl.col(CLUSTER).is_null())["count"].sum())
        at = _row(audit, file, pl.col(CLUSTER).is_null())
        faults.append(f"{at}column {columns.cluster!r} is blank in {blank} rows; every row needs its cluster")
    faults.extend(_spelled_twice(cells, columns.label))
    faults.extend(_respelled(cells, columns.prediction))
    if file is not None and not faults:
        from pytest_biasaudit.tables.faults import refuse_mixed

        refuse_mixed(file, values)
    refuse(name, faults)


def _unfit(
    some: Sequence[str], role: str, column: str, most: int, audit: TabularAudit, file: TableFile | None
) -> list[str]:
    what = "labels" if role in (LABEL, PREDICTION) else "groups"
    if len(some) > most:
        few = ", ".join(shown(one) for one in some[:3])
        advice = "; group them in bands, in a column of their own" if what == "groups" else "; is it the right column?"
        return [
            f"column {column!r} has {len(some):,} different {what}, among them {few}; at most {most} can be audited{advice}"
        ]
    found = []
    for one in some:
        if len(one) > LONGEST:
            fault = f"a value of {len(one):,} characters, {shown(one)}; one of {what} has at most {LONGEST}"
        elif not one.isprintable():
            fault = f"{shown(one)}, which holds a line break or control character"
        else:
            continue
        found.append(f"{_row(audit, file, pl.col(role) == one)}column {column!r} has {fault}")
    return found


def _spelled_twice(cells: pl.DataFrame, column: str | None) -> list[str]:
    """Labels that differ in case only, or as "1" and "1.0" do: one of them would count as another label."""
    if LABEL not in cells.columns:
        return []
    alike: dict[str, list[str]] = {}
    for label in sorted(_values(cells, LABEL)):
        alike.setdefault(_WHOLE.sub(r"\1", label).casefold(), []).append(label)
    return [
        f"column {column!r} spells one label in several ways, {' and '.join(map(shown, some))}: spell it in one"
        for some in alike.values()
        if len(some) > 1
    ]


def _respelled(cells: pl.DataFrame, column: str | None) -> list[str]:
    """Predictions that no row has as its label, and that are a label but for case, or for how a number is written."""
    if column is None or PREDICTION not in cells.columns or LABEL not in cells.columns:
        return []
    truth = set(_values(cells, LABEL))
    alike = {_plainly(label): label for label in sorted(truth)}
    return [
        f"column {column!r} has the prediction {shown(one)}, and the label is spelled {shown(alike[_plainly(one)])}: "
        "spell both in one way, or every such row counts as wrong"
        for one in sorted(set(_values(cells, PREDICTION)) - truth)
        if _plainly(one) in alike
    ]


def _values(cells: pl.DataFrame, role: str) -> list[str]:
    return cells[role].drop_nulls().unique().to_list()


def _plainly(label: str) -> str | float:
    try:
        number = float(label)
    except ValueError:
        return label.casefold()
    return number if np.isfinite(number) else label.casefold()


def _row(audit: TabularAudit, file: TableFile | None, where: pl.Expr) -> str:
    """Which row, as "row 7: ", for the first row where it is so, as far as the table can be looked at again."""
    if file is None:
        return ""
    rows, _ = numbers_of(file, audit.columns, where, most=1)
    return f"row {rows[0]}: " if rows else ""
