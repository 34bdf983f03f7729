"""A table's file in parts that can be read apart, each as a table of its own: rows of a parquet file, lines of the others.

Reads bytes, and of parquet how many rows there are. A part of a CSV begins where a row does, also where cells hold line breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from pytest_biasaudit.tables.heads import head_of
from pytest_biasaudit.tables.source import TableFile

PART = 64_000_000
"""Bytes a part has, about."""
_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some rows of one of a table's files."""

    path: Path
    head: int = 0
    """Bytes of the head, which every part of a CSV begins with."""
    start: int = 0
    stop: int = 0
    """Bytes, from where to where."""
    rows: tuple[int, int] | None = None
    """Parquet: the first row, and how many."""
    bytes: int
    """About, for progress."""


def parts_of(file: TableFile, *, size: int = PART) -> tuple[Part, ...]:
    """The parts of all files of a table, in order; together every row once."""
    found: list[Part] = []
    for path in file.paths:
        if file.format == "parquet":
            found.extend(_of_rows(path, size))
        else:
            found.extend(_of_lines(path, size, csv=file.format == "csv", name=file.name))
    return tuple(found)


@contextmanager
def as_table(file: TableFile, part: Part) -> Iterator[TableFile]:
    """The part as a table: a copy of its lines with the head before them, for as long as it is looked at."""
    if part.rows is not None:
        yield replace(file, paths=(part.path,))
        return
    with TemporaryDirectory(prefix="biasaudit-part-") as folder:
        copy = Path(folder) / part.path.name
        with part.path.open("rb") as whole, copy.open("wb") as few:
            few.write(whole.read(part.head))
            whole.seek(part.start)
            left = part.stop - part.start
            while left > 0:
                block = whole.read(min(_BLOCK, left))
                if not block:
                    break
                few.write(block)
                left -= len(block)
        yield replace(file, paths=(copy,))


def _of_rows(path: Path, size: int) -> Iterator[Part]:
    import polars as pl

    rows = int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    total = path.stat().st_size
    pieces = max(1, min(rows, -(-total // size)))
    ends = [rows * at // pieces for at in range(pieces + 1)]
    for start, stop in pairwise(ends):
        yield Part(path=path, rows=(start, stop - start), bytes=total // pieces)


def _of_lines(path: Path, size: int, *, csv: bool, name: str) -> Iterator[Part]:
    total = path.stat().st_size
    lines = head_of(path, "csv", name=name).lines if csv else 0
    with path.open("rb") as file:
        head = sum(len(file.readline()) for _ in range(lines))
        start = head
        while True:
            stop = _row_end(file, start, size, quoted=csv)
            yield Part(path=path, head=head, start=start, stop=stop, bytes=stop - start)
            start = stop
            if start >= total:
                return


def _row_end(file: BinaryIO, start: int, size: int, *, quoted: bool) -> int:
    """Where the first row ends that ends `size` bytes after `start`, or later.

    A line break is the end of a row where as many quotes were opened as closed. Not after a blank line: those at the end of a
    file are no rows, and the end of a part must not look like one.
    """
    file.seek(start)
    quotes, left = 0, size
    while left > 0:
        block = file.read(min(_BLOCK, left))
        if not block:
            break
        quotes += block.count(b'"')
        left -= len(block)
    while line := file.readline():
        quotes += line.count(b'"')
        if (not quoted or quotes % 2 == 0) and line.strip(b"\r\n"):
            break
    return file.tell()
