"""Where a table's file is at fault, line by line, once polars has said only that it is: nothing is kept in memory.

Walks the file as bytes. Knows neither columns' uses nor polars.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_biasaudit.context.spelling import shown
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import MOST_FAULTS
from pytest_biasaudit.tables.heads import head_of
from pytest_biasaudit.tables.source import TableFile

_PLAIN = re.compile(rb'[^",]*')
"""A cell without quotes, up to a comma or the line's end; a carriage return within the line is a character of it."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")


def faults_of(file: TableFile) -> list[str]:
    """What is wrong with the lines of a CSV or JSON lines file, the first with its line, the rest counted; often nothing.

    A fault names its file where there are several. Of a parquet file nothing is known beyond what its reader said.
    """
    found: list[str] = []
    more = 0
    for path in file.paths:
        before = "" if len(file.paths) == 1 else f"{path.name}: "
        for fault in _walk(path, file):
            if len(found) < MOST_FAULTS:
                found.append(before + fault)
            else:
                more += 1
    return [*found, f"and {more} more"] if more else found


def refuse_mixed(file: TableFile, values: Mapping[str, Sequence[str]]) -> None:
    """Refuses a column of JSON lines that holds numbers in some rows and text or flags in others, or lists.

    values  the different values of each column, as text

    Looks at the lines only where the values make it likely: all are read as text, so that no row is lost.
    """
    if file.format != "jsonl":
        return
    doubtful = {name for name, some in values.items() if len({_look(one) for one in some} | {"text"}) > 1}
    doubtful = {name for name in doubtful if {_look(one) for one in values[name]} not in ({"number"}, {"flag"})}
    if not doubtful:
        return
    found: list[str] = []
    for path in file.paths:
        first: dict[str, tuple[str, int]] = {}
        for line, value in _objects(path):
            for name in sorted(doubtful):
                kind = _kind(value.get(name))
                if kind == "nothing":
                    continue
                where = f"line {line}" if len(file.paths) == 1 else f"{path.name}: line {line}"
                if kind == "a list or table":
                    found.append(f"{where}: column {name!r} must hold text or numbers, got {shown(value[name])}")
                    doubtful.discard(name)
                    continue
                known, since = first.setdefault(name, (kind, line))
                if kind != known:
                    found.append(
                        f"{where}: column {name!r} holds {kind}, {shown(value[name])}, and {known} in line {since}; "
                        "a column must hold one kind of value"
                    )
                    doubtful.discard(name)
            if not doubtful:
                break
    if found:
        raise DataError(file.name, found)


def _look(text: str) -> str:
    if text in ("true", "false"):
        return "flag"
    if _NUMBER.match(text):
        return "number"
    return "list" if text[:1] in "[{" else "text"


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a flag"
    if isinstance(value, (int, float)):
        return "a number"
    return "a text" if isinstance(value, str) else "a list or table"


def _objects(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                value = json.loads(line)
                if isinstance(value, dict):
                    yield number, value


def _walk(path: Path, file: TableFile) -> Iterator[str]:
    if file.format == "csv":
        head = head_of(path, "csv", name=file.name)
        yield from _csv_faults(path, cells=len(head.names), skip=head.lines)
    elif file.format == "jsonl":
        yield from _json_faults(path)


def _not_utf8(number: int, error: UnicodeDecodeError) -> str:
    return f"line {number}: byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"


def _csv_faults(path: Path, *, cells: int, skip: int) -> Iterator[str]:
    """Lines that are no UTF-8, rows that are shorter or longer than the head, quotes in the wrong place."""
    opened = 0  # the line where the quoted cell began that we are in; 0 outside quotes
    start = 0  # the line where the row began
    seen = 0  # cells of the row that are over
    blank: list[int] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number <= skip:
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                yield _not_utf8(number, error)
                opened = 0
                continue
            if not opened and not line.strip(b"\r\n"):
                blank.append(number)
                continue
            if blank and not opened:
                for empty in blank:  # blank lines after the last row are none
                    yield f"line {empty}: blank, and the head has {cells} cells; remove the line"
                blank.clear()
            if not opened:
                start, seen = number, 0
                if b'"' not in line:
                    seen = line.count(b",") + 1
                    if seen != cells:
                        yield _of_another_length(number, seen, cells)
                    continue
            opened, seen, fault = _read_line(line, number, opened, seen)
            if fault:
                yield fault
                opened = 0
            elif not opened and seen != cells:
                yield _of_another_length(start, seen, cells)
    if opened:
        yield f"line {opened}: a quote is opened and never closed"


def _of_another_length(number: int, seen: int, cells: int) -> str:
    return f"line {number}: {seen} cell{'s' if seen > 1 else ''}, and the head has {cells}"


def _read_line(line: bytes, number: int, opened: int, seen: int) -> tuple[int, int, str]:
    """One line of a row with quotes: where a quote is still open, cells that are over, and what is wrong."""
    at, end = 0, len(line.rstrip(b"\r\n"))
    while True:
        if opened:
            close = line.find(b'"', at)
            while close >= 0 and line[close + 1 : close + 2] == b'"':
                close = line.find(b'"', close + 2)
            if close < 0:
                return opened, seen, ""
            at, opened = close + 1, 0
            if at < end and line[at : at + 1] != b",":
                return 0, seen, f"line {number}: text after the end of a quoted cell; double the quotes within it"
        else:
            plain = _PLAIN.match(line, at, end)
            assert plain is not None
            if line[plain.end() : plain.end() + 1] == b'"':
                if plain.end() > at:
                    fault = "a quote within a cell that does not begin with one; quote the cell, and double the quotes in it"
                    return 0, seen, f"line {number}: {fault}"
                opened, at = number, at + 1
                continue
            at = plain.end()
        seen += 1
        if at >= end:
            return 0, seen, ""
        at += 1  # the comma
        if at >= end:
            return 0, seen + 1, ""


def _json_faults(path: Path) -> Iterator[str]:
    """Lines that are no UTF-8, no JSON, or no object."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                yield "line 1: begins with a byte order mark; save the file as UTF-8 without one"
                line = line[3:]
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
            except UnicodeDecodeError as error:
                yield _not_utf8(number, error)
                continue
            except (ValueError, RecursionError) as error:
                yield f"line {number}: not JSON: {str(error)[:120]}"
                continue
            if not isinstance(value, dict):
                yield f"line {number}: must be a JSON object, got {type(value).__name__}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON; write null")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return value
