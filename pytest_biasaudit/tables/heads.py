"""What columns a table has, before a row is read: the head of a CSV, the keys of JSON lines, the schema of a parquet file.

Reads no more than the beginning of a file. Imports polars for parquet only.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_biasaudit.context.spelling import did_you_mean, shown
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.source import TableFile

LINES_LOOKED_AT = 1000
"""JSON lines whose keys are taken for the columns; a column that none of them has is looked for in all."""
_MOST_HEAD = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True)
class Head:
    """The columns of one file."""

    names: tuple[str, ...]
    lines: int = 0
    """Lines that the head of a CSV takes up."""
    alone: bool = False
    """Whether a CSV holds nothing under its head."""
    nested: tuple[tuple[str, int, object], ...] = ()
    """JSON lines: columns in which a list or an object was seen, each with the first line and what it holds."""


def head_of(path: Path, kind: str, *, name: str) -> Head:
    """The columns of one file, in its order. Raises DataError for an empty file, and for what is no such file."""
    if path.stat().st_size == 0:
        raise DataError(name, ["the file is empty"])
    if kind == "csv":
        return _csv_head(path, name)
    if kind == "jsonl":
        return _json_head(path, name)
    import polars as pl

    try:
        return Head(names=tuple(pl.scan_parquet(path, glob=False).collect_schema().names()))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(name, [f"not readable as parquet: {first_line(error)}"]) from None


def check_columns(file: TableFile, wanted: Sequence[tuple[str, str]]) -> Head:
    """The columns, which every wanted one is among, once.

    wanted  what each is for, with its name: ("label", "hired")

    Raises DataError with every column that is missing or there twice, the nearest spelling, and what there is.
    """
    heads = [head_of(path, file.format, name=_part(file, path)) for path in file.paths]
    faults: list[str] = []
    for path, head in zip(file.paths, heads, strict=True):
        before = "" if len(file.paths) == 1 else f"{path.name}: "
        for use, name in wanted:
            if name not in head.names and not (file.format == "jsonl" and _has_key(path, name)):
                faults.append(f"{before}no column {shown(name)}, which {use} names{did_you_mean(name, head.names)}")
            elif head.names.count(name) > 1:
                faults.append(f"{before}column {shown(name)}, which {use} names, is there twice")
        if faults:
            raise DataError(file.name, [*faults, f"{before}the file has {_some(head.names)}{_separator(head, file)}"])
        refuse(
            file.name,
            [
                f"{before}line {line}: column {name!r} must hold text or numbers, got {shown(cell)}"
                for name, line, cell in head.nested
                if ("text", name) in wanted
            ],
        )
    return heads[0]


def first_line(error: BaseException) -> str:
    """What a library's error says, in one short line."""
    said = str(error).strip().splitlines()
    return (said[0] if said else type(error).__name__)[:200]


def _part(file: TableFile, path: Path) -> str:
    return file.name if len(file.paths) == 1 else f"{file.source}: {path.name}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{', '.join(name[:60] for name in names[:20])}{more}"


def _separator(head: Head, file: TableFile) -> str:
    if file.format != "csv" or len(head.names) != 1:
        return ""
    for sign, title in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if sign in head.names[0]:
            return f"; its columns are separated by {title}, and commas are needed"
    return ""


def _csv_head(path: Path, name: str) -> Head:
    with path.open("rb") as file:
        start = file.read(_MOST_HEAD)
    if start.startswith(_UTF16):
        raise DataError(name, ["the file is UTF-16; save it as UTF-8"])
    record = b""
    taken = 0
    for line in start.split(b"\n"):
        record += line + b"\n"
        taken += 1
        if record.count(b'"') % 2 == 0:
            break
    else:
        raise DataError(name, ["line 1: a quote is opened in the head and never closed"])
    try:
        text = record.decode("utf-8-sig").rstrip("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(name, [f"line 1: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"]) from None
    if "\0" in text:
        raise DataError(name, ["line 1: the head holds a zero byte, so this is no text; save the file as UTF-8"])
    if "\r" in text and '"' not in text:
        raise DataError(name, ["its lines end in a carriage return alone; save it with line feeds"])
    if len(record) > _MOST_HEAD:
        raise DataError(name, [f"line 1 is longer than {_MOST_HEAD} bytes, and should be the names of the columns"])
    names = next(csv.reader([text], strict=False), [])
    if not any(one.strip() for one in names):
        raise DataError(name, ["line 1 is blank, and should be the names of the columns"])
    below = start[len(record) :] or (b"..." if path.stat().st_size > len(start) else b"")
    return Head(names=tuple(names), lines=taken, alone=not below.strip(b"\r\n"))


def _json_head(path: Path, table: str) -> Head:
    keys: dict[str, None] = {}
    none = 0  # the first line that is no object
    nested: dict[str, tuple[str, int, object]] = {}
    with path.open("rb") as file:
        for number, line in zip(range(1, LINES_LOOKED_AT + 1), file, strict=False):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None  # said with its line when the rows are read
            if not isinstance(value, dict) and line.strip():
                none = none or number
            if isinstance(value, dict):
                keys.update(dict.fromkeys(value))
                for name, cell in value.items():
                    if isinstance(cell, (list, dict)):
                        nested.setdefault(name, (name, number, cell))
    if not keys and none:
        raise DataError(table, [f"line {none}: no JSON object; every line must be one, with the columns as its keys"])
    return Head(names=tuple(keys), nested=tuple(nested.values()))


def _has_key(path: Path, name: str) -> bool:
    """Whether any JSON line has the key, when the first ones do not."""
    spelled = {json.dumps(name).encode(), json.dumps(name, ensure_ascii=False).encode()}
    with path.open("rb") as file:
        for line in file:
            if any(one in line for one in spelled):
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    return True  # the line is at fault, and is named when the rows are read
                if isinstance(value, dict) and name in value:
                    return True
    return False
