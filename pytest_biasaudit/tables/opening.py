"""The rows of a located table, read lazily by polars: the wanted columns, under the names of their use, and nothing lost.

Knows files and their heads. Imports polars, so it is imported where a table is opened and never before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import polars as pl

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.heads import Head, check_columns, first_line, head_of
from pytest_biasaudit.tables.source import TableFile

LABEL, PREDICTION, TEXT, SCORE, ROW_ID, CLUSTER = "label", "prediction", "text", "score", "id", "cluster"
"""Names of the columns that are opened, whatever the file calls them. An attribute's column has the attribute's name."""
RAGGED = " ragged"
"""Of a CSV: 0 for a row that is as long as the head; 1 where the last cell is blank, so it may be missing; 2 where there are
cells beyond the head. See `refuse_ragged`."""
_BEYOND = (" beyond 1", " beyond 2")
_LARGEST_WHOLE = 2.0**53


def open_rows(file: TableFile, columns: Columns, *, also: Sequence[str] = ()) -> pl.LazyFrame:
    """The rows with the columns that `columns` names, in the order of the file; nothing is read yet.

    columns  label, prediction, id, cluster and each attribute come as text without blanks around it, text as it stands,
             score as Float64. Blank cells, nulls and NaN are null (NaN for a score)
    also     further columns of the file, under their own names and as they are

    Text is spelled as the file spells it: "1.0" of a CSV stays so; a number of a parquet or JSON file that is whole is
    written without a fraction ("1"), a flag as "true" or "false". A CSV has the column RAGGED too.

    Raises DataError where a column is missing or there twice. Collect the rows within `reading`, which turns polars' errors
    into DataErrors with the line at fault, and hand what RAGGED says to `refuse_ragged`: `tally_of` does both.
    """
    used = _uses(columns)
    first = check_columns(file, [*((use, name) for use, name, _ in used), *(("the command", name) for name in also)])
    names = list(dict.fromkeys([*(name for _, name, _ in used), *also]))
    frames = [_scan(path, file, names, first if at == 0 else None) for at, path in enumerate(file.paths)]
    chosen: list[pl.LazyFrame] = []
    for raw in frames:
        with reading(file, columns):
            schema = raw.collect_schema()
        expressions = [
            _as_wanted(use, name, role, schema[name], file).alias(role if role != "group" else use.partition(".")[2])
            for use, name, role in used
        ]
        expressions += [pl.col(name) for name in also]
        if file.format == "csv":
            expressions.append(_ragged(head_of(file.paths[len(chosen)], "csv", name=file.name)))
        chosen.append(raw.select(expressions))
    return chosen[0] if len(chosen) == 1 else pl.concat(chosen, how="vertical_relaxed")


def whole(file: TableFile, columns: Columns) -> pl.DataFrame:
    """All columns of the file under their own names, in memory; those that `columns` names as trimmed text.

    Text and score stay as they are. Raises DataError with every fault found.
    """
    used = [one for one in _uses(columns) if one[2] not in (TEXT, SCORE)]
    check_columns(file, [(use, name) for use, name, _ in _uses(columns)])
    parts: list[pl.DataFrame] = []
    for path in file.paths:
        head = head_of(path, file.format, name=file.name)
        with reading(file, columns):
            if file.format == "jsonl":
                typed = {name: pl.String for _, name, _ in used}
                raw = pl.scan_ndjson(_plain(path), schema_overrides=typed, infer_schema_length=None)
            else:
                raw = _scan(path, file, head.names, head)
            schema = raw.collect_schema()
            texts = [_as_wanted(use, name, role, schema[name], file).alias(name) for use, name, role in used]
            ragged = [_ragged(head)] if file.format == "csv" else []
            parts.append(raw.with_columns(*texts, *ragged).drop(_BEYOND, strict=False).collect())
    frame = pl.concat(parts, how="diagonal_relaxed")
    if frame.height == 0:
        raise DataError(file.name, ["there is no row in it"])
    if RAGGED in frame.columns:
        refuse_ragged(file, int(frame[RAGGED].max() or 0))  # type: ignore[arg-type]
        frame = frame.drop(RAGGED)
    from pytest_biasaudit.tables.faults import refuse_mixed

    names = [name for _, name, _ in used]
    refuse_mixed(file, {name: frame[name].unique().drop_nulls().to_list() for name in names})
    return frame


@contextmanager
def reading(file: TableFile, columns: Columns | None = None) -> Iterator[None]:
    """Around whatever makes polars read: its errors become DataErrors that name the line, and what is valid there."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, UnicodeDecodeError) as error:
        from pytest_biasaudit.tables.faults import faults_of

        faults = faults_of(file)
        if not faults and columns is not None and columns.score is not None:
            faults = _no_numbers(file, columns)
        raise DataError(file.name, faults or [f"cannot be read: {first_line(error)}"]) from None


def refuse_ragged(file: TableFile, ragged: int) -> None:
    """What the largest RAGGED of a CSV's rows means. Raises DataError naming the lines that are shorter or longer."""
    if ragged == 0:
        return
    from pytest_biasaudit.tables.faults import faults_of

    faults = faults_of(file)
    if not faults and ragged > 1:
        faults = ["some rows have more cells than the head"]
    if faults:
        raise DataError(file.name, faults)


def numbers_of(
    file: TableFile, columns: Columns, where: pl.Expr, *, most: int = 3
) -> tuple[list[int], list[dict[str, object]]]:
    """The first rows for which it is true: their numbers, from 1 for the first under the head, and what they hold."""
    with reading(file):
        found = open_rows(file, columns).with_row_index(" row", offset=1).filter(where).head(most).collect()
    return found[" row"].to_list(), found.drop(" row").to_dicts()


def _uses(columns: Columns) -> list[tuple[str, str, str]]:
    """What each column is for as the context says it, its name in the file, and its role."""
    named: Iterable[tuple[str, str | None, str]] = (
        (LABEL, columns.label, LABEL),
        (PREDICTION, columns.prediction, PREDICTION),
        (TEXT, columns.text, TEXT),
        (SCORE, columns.score, SCORE),
        (ROW_ID, columns.id, ROW_ID),
        (CLUSTER, columns.cluster, CLUSTER),
        *((f"groups.{attribute}", column, "group") for attribute, column in columns.groups),
    )
    return [(use, name, role) for use, name, role in named if name is not None]


def _scan(path: Path, file: TableFile, names: Sequence[str], head: Head | None) -> pl.LazyFrame:
    if file.format == "parquet":
        return pl.scan_parquet(path, glob=False)
    if file.format == "jsonl":
        # Everything as text, and no guess from the first rows: the spelling of a later row cannot break the reading.
        return pl.scan_ndjson(_plain(path), schema=dict.fromkeys(names, pl.String))
    head = head or head_of(path, "csv", name=file.name)
    # Cells beyond the head fall into two columns more, and so are seen: polars drops them where a column is not wanted.
    every = [*_once(head.names), *_BEYOND]
    if head.alone:
        return pl.LazyFrame(schema=dict.fromkeys(every, pl.String))
    frame = pl.scan_csv(
        path,
        schema=dict.fromkeys(every, pl.String),
        has_header=False,
        skip_lines=head.lines,
        missing_columns="insert",
        glob=False,
    )
    blank = _blank_lines_at_end(path)
    if blank:
        with reading(file):
            height = frame.select(pl.len()).collect().item()
        frame = frame.head(max(height - blank, 0))
    return frame


def _plain(path: Path) -> str:
    """A path in which "[" and "*" stand for themselves: polars takes a path of JSON lines for a pattern."""
    return escape(str(path))


def _once(names: Sequence[str]) -> list[str]:
    """Names of which none stands twice; a wanted one never does (`check_columns`)."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f" {seen[name]} {name}")
    return found


def _ragged(head: Head) -> pl.Expr:
    last = _once(head.names)[-1]
    beyond = pl.any_horizontal(pl.col(name).is_not_null() for name in _BEYOND)
    return pl.when(beyond).then(2).when(pl.col(last).is_null()).then(1).otherwise(0).cast(pl.UInt8).alias(RAGGED)


def _blank_lines_at_end(path: Path) -> int:
    """Lines without a character after the last row, which polars would take for rows."""
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        tail = b""
        while size and not tail.strip(b"\r\n"):
            step = min(size, 1 << 16)
            size -= step
            file.seek(size)
            tail = file.read(step) + tail
    ends = tail[len(tail.rstrip(b"\r\n")) :].count(b"\n")
    return max(ends - 1, 0)


def _as_wanted(use: str, name: str, role: str, kind: pl.DataType, file: TableFile) -> pl.Expr:
    column = pl.col(name)
    if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration):
        raise DataError(file.name, [f"column {name!r}, which {use} names, holds {kind}; it must hold text or numbers"])
    if role == SCORE:
        if kind == pl.String:
            column = _without_blanks(column)
        return column.cast(pl.Float64).fill_null(float("nan"))
    if kind.is_float():
        exact = column.is_finite() & (column == column.floor()) & (column.abs() < _LARGEST_WHOLE)
        spelled = pl.when(exact).then(column.cast(pl.Int64, strict=False).cast(pl.String))
        return spelled.otherwise(pl.when(column.is_nan()).then(None).otherwise(column.cast(pl.String)))
    column = column.cast(pl.String)
    if kind.is_decimal():
        column = column.str.replace(r"\.0+$", "")
    if role == TEXT:
        return pl.when(column.str.contains(r"\S")).then(column)
    return _without_blanks(column)


def _without_blanks(column: pl.Expr) -> pl.Expr:
    trimmed = column.str.strip_chars()
    return pl.when(trimmed.str.len_bytes() > 0).then(trimmed)


def _no_numbers(file: TableFile, columns: Columns) -> list[str]:
    """The scores that are no number, with their rows."""
    name = columns.score or ""
    text = Columns(label=columns.score)
    wrong = pl.col(LABEL).is_not_null() & pl.col(LABEL).cast(pl.Float64, strict=False).is_null()
    rows, found = numbers_of(file, text, wrong, most=20)
    return [
        f"row {row}: column {name!r} must be a number or blank, got {str(cells[LABEL])[:60]!r}"
        for row, cells in zip(rows, found, strict=True)
    ]
