"""The table that comes out of an intervention, and the record of what was done. Imports polars when one is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_biasaudit.mitigation.data.strata import groups_of, known
from pytest_biasaudit.tables.table import CellCount, Change, Table

if TYPE_CHECKING:
    import polars as pl

    from pytest_biasaudit.mitigation.data.strata import Places

COPY = "#"
"""Stands between the id of a row and the number of its copy: "17#2"."""


def resampled(
    table: Table,
    places: Places,
    *,
    method: str,
    settings: Mapping[str, object],
    seed: int | None,
    attribute: str | None,
    note: str = "",
) -> Table:
    """The rows at these places, in the table's order; a place that stands twice is a row twice.

    Copies follow their row. Where the table has ids, copies have ids of their own ("17#2").
    """
    import numpy as np

    ordered = np.sort(places)
    before = np.arange(table.rows)
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    frame = table.frame[ordered] if len(ordered) else table.frame.clear()
    if not fresh.all() and table.columns.id is not None:
        starts = np.flatnonzero(fresh)
        number = np.arange(len(ordered)) - np.repeat(starts, np.diff([*starts, len(ordered)]))
        frame = frame.with_columns(_numbered(table, frame, number + 1))
    removed = int(len(before) - fresh.sum())
    added = int(len(ordered) - fresh.sum())
    return changed(
        table,
        frame,
        method=method,
        settings=settings,
        seed=seed,
        attribute=attribute,
        removed=removed,
        added=added,
        note=note,
    )


def changed(
    table: Table,
    frame: pl.DataFrame,
    *,
    method: str,
    settings: Mapping[str, object],
    seed: int | None,
    attribute: str | None,
    removed: int = 0,
    added: int = 0,
    rewritten: int = 0,
    weighted: int = 0,
    note: str = "",
) -> Table:
    """The table with those rows, and one change more.

    attribute  by which rows are counted before and after; None: by the first that is declared, else by label alone
    """
    made = replace(table, frame=frame)
    if attribute is None:
        attribute = next((name for name, _ in table.columns.groups), None)
    change = Change(
        method=method,
        settings=tuple((name, _plain(value)) for name, value in sorted(settings.items()) if value is not None),
        seed=seed,
        before=table.rows,
        after=made.rows,
        removed=removed,
        added=added,
        changed=rewritten,
        weighted=weighted,
        note=note,
        digest_before=table.digest,
        digest_after=made.digest,
        counts=_counts(table, made, attribute),
    )
    return replace(made, changes=(*table.changes, change))


def copies_of(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that are added beside their own originals, with ids of their own where the table has ids."""
    import numpy as np

    if table.columns.id is None or not frame.height:
        return frame
    return frame.with_columns(_numbered(table, frame, np.full(frame.height, 2)))


def _numbered(table: Table, frame: pl.DataFrame, number: Places) -> pl.Series:
    """Ids, those of copies with their number behind; as many signs between as keep them apart from ids that are there."""
    import polars as pl

    name = table.columns.id
    assert name is not None
    there = table.frame[name].cast(pl.String)
    own = frame.select(pl.col(name).cast(pl.String), number=pl.Series(number))
    sign = COPY
    while True:
        spelled = own.select(pl.when(number=1).then(name).otherwise(pl.format(f"{{}}{sign}{{}}", name, "number")))
        copies = spelled.to_series().filter(own["number"] > 1)
        if not copies.drop_nulls().is_in(there.implode()).any():
            return spelled.to_series().alias(name)
        sign += COPY


def _counts(before: Table, after: Table, attribute: str | None) -> tuple[CellCount, ...]:
    tables = [_by_cell(one, attribute) for one in (before, after)]
    cells = sorted({cell for table in tables for cell in table}, key=lambda cell: [(one is None, one) for one in cell])
    return tuple(
        CellCount(
            label=label, group=group, before=tables[0].get((label, group), 0), after=tables[1].get((label, group), 0)
        )
        for label, group in cells
    )


def _by_cell(table: Table, attribute: str | None) -> dict[tuple[str | None, str | None], int]:
    import polars as pl

    columns: dict[str, object] = {
        "label": known(table.labels) if table.columns.label is not None else [None] * table.rows,
        "group": groups_of(table, attribute) if attribute is not None else [None] * table.rows,
    }
    found = pl.DataFrame(columns, schema={"label": pl.String, "group": pl.String}).group_by("label", "group").len()
    return {(label, group): count for label, group, count in found.iter_rows()}


def _plain(value: object) -> str | int | float:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_plain(one)}" for key, one in value.items())
    assert isinstance(value, Iterable)
    return ", ".join(str(_plain(one)) for one in value)
