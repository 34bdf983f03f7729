"""A labelled table in memory, for what changes rows or learns from them: its columns, its digest, how it came about.

Audits do not read their data here: they count them out of core (`counting.py`). Imports polars when a table is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.source import TableFile

if TYPE_CHECKING:
    import polars as pl

WEIGHT = "weight"
"""Name of the column of row weights."""
_CHUNK = 65_536
_FORMATS = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """Rows of one label and group, before a change and after it."""

    label: str | None
    """None: rows without a label."""
    group: str | None
    """None: rows of no group."""
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one intervention did to a table. Counts are rows."""

    method: str
    settings: tuple[tuple[str, str | int | float], ...]
    seed: int | None
    """None: nothing was drawn."""
    before: int
    """Rows of the table that came in."""
    after: int
    """Rows of the table that went out: before - removed + added."""
    removed: int = 0
    added: int = 0
    changed: int = 0
    """Rows that were kept, with another text or label."""
    weighted: int = 0
    """Rows that were given a weight."""
    note: str = ""
    """What a reader should know: what the method could not reach, and why."""
    digest_before: str
    digest_after: str
    counts: tuple[CellCount, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows with what their columns hold. Whoever changes one makes another, with a Change more."""

    frame: pl.DataFrame
    """All columns of the file, under their names. Those that `columns` names (but for text and score) are trimmed text,
    null where the file says nothing."""
    columns: Columns
    source: str
    """As declared, or the file's name; never a whole path."""
    changes: tuple[Change, ...] = ()
    """What was done to the rows since they were read, the first first."""

    @property
    def rows(self) -> int:
        """Rows there are."""
        return self.frame.height

    @property
    def texts(self) -> pl.Series:
        """What a classifier reads, of shape (rows,), null where there is none. Raises DataError without such a column."""
        return self._column(self.columns.text, "text")

    @property
    def labels(self) -> pl.Series:
        """The truth, of shape (rows,), null where the table says none. Raises DataError without such a column."""
        return self._column(self.columns.label, "label")

    @property
    def weights(self) -> pl.Series | None:
        """Weight of each row, of shape (rows,), floats; None where no column is called "weight"."""
        import polars as pl

        if WEIGHT not in self.frame.columns:
            return None
        return self.frame[WEIGHT].cast(pl.Float64)

    def groups(self, attribute: str) -> pl.Series:
        """Each row's group, of shape (rows,), null where it is not known. Raises DataError for an unknown attribute."""
        named = dict(self.columns.groups)
        if attribute not in named:
            raise DataError(
                self.source,
                [f"no attribute {attribute!r} is a column of this table; there are {', '.join(named) or 'none'}"],
            )
        return self._column(named[attribute], f"groups.{attribute}")

    @property
    def digest(self) -> str:
        """sha256 over the names, kinds and values of all columns, in order: another row, order or value is another digest.

        It is computed from plain bytes, so that it stays what it is from one version of polars to the next.
        """
        digest = hashlib.sha256(f"{self.frame.height}\n".encode())
        for name in self.frame.columns:
            digest.update(f"{len(name.encode())} {name}\n".encode())
            for part in _bytes_of(self.frame[name]):
                digest.update(part)
        return digest.hexdigest()

    def write(self, path: Path) -> Path:
        """The rows as a .csv, .jsonl or .parquet file; the same table gives the same bytes with the same polars.

        Raises DataError for another ending, and for columns that the format cannot hold.
        """
        import polars as pl

        ending = path.suffix.lower()
        if ending not in _FORMATS:
            raise DataError(
                path.name, [f"cannot be written as {ending or 'a file without ending'}; {_or(_FORMATS)} can"]
            )
        if ending == ".csv":
            nested = [name for name, kind in self.frame.schema.items() if kind.is_nested()]
            if nested:
                raise DataError(
                    path.name, [f"column {', '.join(nested)} holds lists, which a .csv cannot; write .jsonl"]
                )
            # A blank text is written as a missing one: a CSV cannot tell the two apart for every reader.
            self.frame.with_columns(pl.col(pl.String).replace("", None)).write_csv(path)
        elif ending == ".jsonl":
            self.frame.write_ndjson(path)
        else:
            self.frame.write_parquet(path)
        return path

    def _column(self, name: str | None, what: str) -> pl.Series:
        if name is None:
            raise DataError(self.source, [f"no column is declared for {what} in [audit.columns]"])
        return self.frame[name]


def read_table(source: Path | TableFile, columns: Columns) -> Table:
    """A whole file as a table, with all its columns.

    source   a .csv, .jsonl or .parquet file, or one that `locate` found
    columns  what they hold

    Raises DataError with every fault found, as an audit of the file does.
    """
    from pytest_biasaudit.tables.opening import whole
    from pytest_biasaudit.tables.source import locate

    file = source
    if isinstance(file, Path):
        file = locate(file.name, beside=file.parent, sha256=None, offline=True)
    return Table(frame=whole(file, columns), columns=columns, source=file.source)


def _bytes_of(column: pl.Series) -> Iterator[bytes]:
    """A column's kind and values as bytes that do not depend on how polars keeps them."""
    import json

    import numpy as np
    import polars as pl

    kind = column.dtype
    if kind.is_integer():
        name, column = "integer", column.cast(pl.Int64, strict=False) if kind != pl.UInt64 else column
    elif kind.is_float():
        name, column = "float", column.cast(pl.Float64)
    elif kind == pl.Boolean:
        name, column = "boolean", column.cast(pl.UInt8)
    elif kind in (pl.String, pl.Categorical, pl.Enum) or kind == pl.Null:
        name, column = "text", column.cast(pl.String)
    else:
        name = "other"
    yield f"{name}\n".encode()
    for start in range(0, len(column), _CHUNK):
        part = column.slice(start, _CHUNK)
        yield np.packbits(part.is_null().to_numpy()).tobytes()
        if name == "text":
            texts = part.fill_null("")
            yield texts.str.len_bytes().to_numpy().astype("<i8").tobytes()
            yield "".join(texts.to_list()).encode("utf-8", "surrogatepass")
        elif name == "other":
            yield json.dumps(part.to_list(), default=str, ensure_ascii=True).encode()
        else:
            numbers = part.fill_null(0).to_numpy()
            if name == "float":
                numbers = np.where(np.isnan(numbers), np.nan, numbers)  # one spelling of NaN
            yield numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()


def _or(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
