"""Small labelled tables for tests of interventions: rows told by hand."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.tables.table import Table


def table_of(rows: Sequence[tuple[str | None, str | None, str | None]], *, positive: str | None = None) -> Table:
    """Rows of (label, group, text), with ids r0, r1, ..."""
    frame = pl.DataFrame(
        {
            "id": [f"r{place}" for place in range(len(rows))],
            "job": [row[0] for row in rows],
            "gender": [row[1] for row in rows],
            "text": [row[2] for row in rows],
        },
        schema=dict.fromkeys(("id", "job", "gender", "text"), pl.String),
    )
    columns = Columns(label="job", text="text", groups=(("gender", "gender"),), id="id", positive=positive)
    return Table(frame=frame, columns=columns, source="jobs.csv")


def cells(counts: dict[tuple[str, str], int]) -> Table:
    """So many rows of each (label, group), each with a text of its own."""
    return table_of(
        [(job, group, f"{job} {group} {at}") for (job, group), count in counts.items() for at in range(count)]
    )


def counted(table: Table) -> dict[tuple[str | None, str | None], int]:
    """Rows by (label, group)."""
    found: dict[tuple[str | None, str | None], int] = {}
    for job, group in table.frame.select("job", "gender").iter_rows():
        found[job, group] = found.get((job, group), 0) + 1
    return found


def texts(table: Table) -> list[str | None]:
    """The texts in order."""
    return table.frame["text"].to_list()
