"""What counting some rows of a corpus comes to: cells, and words near terms. Counts of parts add up to those of the whole.

Imports polars. Only cells come into memory: the streaming engine holds a few chunks of rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.corpus.nearness import Near, near_of
from pytest_biasaudit.tables.counting import COUNT
from pytest_biasaudit.tables.opening import CLUSTER, LABEL, RAGGED, TEXT
from pytest_biasaudit.tables.terms import term_columns

TEXTLESS = " textless"
"""Of the rows of a cell, how many have no text."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Some rows, counted."""

    cells: pl.DataFrame
    """Rows alike in label, cluster and groups: the columns `tables.counting.tally_of` takes, with TEXTLESS."""
    near: tuple[Near, ...]
    """Words near terms, in the order of the audit; empty where it declares no words."""

    def blank(self, audit: CorpusAudit) -> int:
        """Rows without text or without label, of what the audit names."""
        return self._lacking([LABEL] if audit.columns.label is not None else [])

    def incomplete(self, audit: CorpusAudit) -> int:
        """The same, and rows without a group in one of the columns."""
        named = [LABEL] if audit.columns.label is not None else []
        return self._lacking([*named, *(attribute for attribute, _ in audit.columns.groups)])

    def _lacking(self, names: Sequence[str]) -> int:
        without = pl.any_horizontal(pl.col(name).is_null() for name in names) if names else pl.lit(value=False)
        rows = pl.when(without).then(pl.col(COUNT)).otherwise(pl.col(TEXTLESS))
        return int(self.cells.select(rows.sum()).item())


def count_rows(
    rows: pl.LazyFrame, audit: CorpusAudit, *, passing: Callable[[pl.DataFrame], None] | None = None
) -> Counts:
    """Rows as `open_rows` gives them, counted.

    passing  is shown each chunk as it passes, for progress; called from several threads
    """
    names = rows.collect_schema().names()
    watched = rows if passing is None else _watched(rows, passing)
    return Counts(
        cells=_cells(watched, audit, names),
        near=near_of(watched, audit) if audit.words else (),
    )


def added(parts: Sequence[Counts]) -> Counts:
    """The counts of several parts, as one. The cells of parts stand one after another: whoever sums them does so by group."""
    return Counts(
        cells=pl.concat([part.cells for part in parts], how="vertical_relaxed"),
        near=tuple(Near.added(alike) for alike in zip(*(part.near for part in parts), strict=True)),
    )


def _cells(rows: pl.LazyFrame, audit: CorpusAudit, names: Sequence[str]) -> pl.DataFrame:
    text = TEXT in names
    found = term_columns(pl.col(TEXT), audit.terms) if audit.terms else []
    textless = pl.col(TEXT).is_null() if text else pl.lit(value=False)
    by = [name for name in (LABEL, CLUSTER) if name in names] + [attribute for attribute, _ in audit.columns.groups]
    ragged = [RAGGED] if RAGGED in names else []
    keys = [*by, *(expression.meta.output_name() for expression in found)]
    # The text goes no further than this: what is grouped is short.
    short = rows.select(*by, *ragged, *found, textless.alias(TEXTLESS))
    sums = [pl.len().cast(pl.Int64).alias(COUNT), pl.col(TEXTLESS).sum().cast(pl.Int64)]
    sums += [pl.col(RAGGED).max()] if ragged else []
    return short.group_by(keys).agg(sums).collect(engine="streaming")


def _watched(rows: pl.LazyFrame, passing: Callable[[pl.DataFrame], None]) -> pl.LazyFrame:
    def show(chunk: pl.DataFrame) -> pl.DataFrame:
        passing(chunk)
        return chunk

    return rows.map_batches(show, schema=rows.collect_schema(), streamable=True)
