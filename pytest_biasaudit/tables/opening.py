"""The rows of a located table, read lazily by polars: the wanted columns, as trimmed text, and nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.tables.source import TableFile

if TYPE_CHECKING:
    import polars as pl


def whole(file: TableFile, columns: Columns) -> pl.DataFrame:
    """All columns of the file, those that `columns` names as trimmed text."""
    import polars as pl

    if file.format == "csv":
        frame = pl.concat([pl.read_csv(path, infer_schema=False) for path in file.paths])
    elif file.format == "jsonl":
        frame = pl.concat([pl.read_ndjson(path) for path in file.paths])
    else:
        frame = pl.concat([pl.read_parquet(path) for path in file.paths])
    named = [columns.label, columns.prediction, columns.id, columns.cluster, *(column for _, column in columns.groups)]
    texts = [pl.col(name).cast(pl.String).str.strip_chars().replace("", None) for name in named if name is not None]
    return frame.with_columns(texts)
