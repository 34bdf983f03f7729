"""One file of a corpus, or some of its rows, counted on this machine. Imports polars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.corpus.counts import Counts, count_rows
from pytest_biasaudit.corpus.parts import Part
from pytest_biasaudit.tables.opening import open_rows, reading
from pytest_biasaudit.tables.source import TableFile


def count_file(
    file: TableFile,
    audit: CorpusAudit,
    *,
    part: Part | None = None,
    passing: Callable[[pl.DataFrame], None] | None = None,
) -> Counts:
    """A file, or some of its rows, counted. Raises DataError where it cannot be read."""
    columns = replace(audit.columns, id=None)
    rows = open_rows(file, columns)
    if part is not None and part.rows is not None:
        rows = rows.slice(*part.rows)
    with reading(file, columns):
        return count_rows(rows, audit, passing=passing)
