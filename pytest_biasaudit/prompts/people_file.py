"""What is asked, about whom: reading a people list from a CSV or TOML file. Imports errors and prompt types only.

Both formats give the same table: one row a person, with the columns `first`, `last`, `pronoun`, `source`, `share`, and
one column for each attribute. All faults of a file are raised together.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_biasaudit.errors import PeopleError
from pytest_biasaudit.prompts.prompt import Person

OWN_COLUMNS = ("first", "last", "pronoun", "source", "share")
"""Columns that are no attribute."""
SUFFIXES = (".csv", ".toml")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One person as the file has it, with the place to name in a fault."""

    where: str
    cells: dict[str, str]


def read_people_file(path: Path) -> tuple[Person, ...]:
    """The people of a CSV or TOML file, checked.

    CSV is UTF-8 (a byte order mark is fine) with commas; TOML has one `[[person]]` table a person.
    Raises PeopleError with every fault found.
    """
    faults: list[str] = []
    text = _text_of(path)
    columns, rows = _toml_rows(text, path, faults) if path.suffix.lower() == ".toml" else _csv_rows(text, path, faults)
    people = tuple(_person(row, columns, faults) for row in rows)
    faults.extend(faults_of_people(people, columns))
    if faults:
        raise PeopleError(str(path), faults)
    return people


def path_of_list(source: str, beside: Path) -> Path:
    """Where the list lies. Raises PeopleError for a path that leaves the context's folder, or leads to no file."""
    for flavour in (PurePosixPath(source), PureWindowsPath(source)):
        if flavour.is_absolute() or flavour.drive or ".." in flavour.parts:
            fault = f"got the path {source!r}; a people list lies beside its context file: give its name, without '..'"
            raise PeopleError(source, [fault])
    path = beside / source
    try:
        there_is_one = path.exists()
    except OSError as error:  # a name that the file system does not take
        raise PeopleError(source, [f"cannot be a file name: {error.strerror or error}"]) from error
    if not there_is_one:
        there = sorted(entry.name for entry in beside.glob("*") if entry.suffix.lower() in SUFFIXES)
        there = [name for name in there if not name.endswith(".bias.toml")]
        fault = f"no such file{nearest(source, there)}; lists there: {', '.join(there) or 'none'}"
        raise PeopleError(str(path), [fault])
    if not path.is_file():
        raise PeopleError(str(path), ["this is a folder; a people list is a .csv or .toml file"])
    return path


def faults_of_people(people: Sequence[Person], columns: Sequence[str] = ()) -> list[str]:
    """What is wrong with the list as a whole: no people, the same person twice, pronouns for some, one group only."""
    if not people:
        return ["the list has no people"]
    faults: list[str] = []
    attributes = tuple(dict.fromkeys(attribute for person in people for attribute, _ in person.groups))
    if not attributes:
        faults.append(
            f"no column tells groups apart (columns: {', '.join(columns) or 'none'}); add one for each attribute, "
            f"for example 'race' or 'gender'"
        )
    spelt: dict[tuple[str, str], list[str]] = {}
    for person in people:
        spelt.setdefault((person.first.casefold(), person.last.casefold()), []).append(person.name)
    faults.extend(
        f"{names[0]!r} stands in the list {len(names)} times; each person is named once"
        for names in spelt.values()
        if len(names) > 1 and names[0]
    )
    without = [person.name for person in people if not person.pronoun]
    if 0 < len(without) < len(people):
        faults.append(
            f"{len(without)} of {len(people)} people have no pronoun ({_few(without)}); give one for all or for none"
        )
    for attribute in attributes:
        faults.extend(_attribute_faults(attribute, people))
    return faults


def nearest(wrong: str, valid: Sequence[str]) -> str:
    """A "did you mean" for the closest valid word, or nothing."""
    close = get_close_matches(wrong, valid, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _attribute_faults(attribute: str, people: Sequence[Person]) -> Iterator[str]:
    holders = [person for person in people if attribute in dict(person.groups)]
    if len(holders) < len(people):
        without = [person.name for person in people if person not in holders]
        yield f"{len(without)} of {len(people)} people have no {attribute} ({_few(without)})"
        return
    count = Counter(person.group(attribute) for person in people)
    count.pop("", None)
    if len(count) == 1:
        (group,) = count
        yield f"every person is {group!r} in {attribute!r}; an attribute needs two groups or more"
    elif len(count) == len(people) > 2:
        yield f"every person has their own value in {attribute!r}, so it tells no groups apart; leave the column out"
    spellings: dict[str, list[str]] = {}
    for group in count:
        spellings.setdefault(group.casefold(), []).append(group)
    for same in spellings.values():
        if len(same) > 1:
            yield f"{attribute!r} spells one group in several ways: {', '.join(map(repr, same))}"


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PeopleError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x}); save it as UTF-8"
        raise PeopleError(str(path), [fault]) from error
    if not text.strip():
        raise PeopleError(str(path), ["the file is empty; it needs a first column and one column for each attribute"])
    return text


def _csv_rows(text: str, path: Path, faults: list[str]) -> tuple[list[str], list[Row]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                records.append((reader.line_num, [cell.strip() for cell in record]))
    except csv.Error as error:
        raise PeopleError(str(path), [f"line {reader.line_num}: not a CSV file: {error}"]) from error
    (_, header), *body = records
    for mark, word in (("\t", "tabs"), (";", "semicolons")):
        if len(header) == 1 and mark in header[0]:
            raise PeopleError(str(path), [f"columns are separated by {word}; a .csv list is separated by commas"])
    faults.extend(_header_faults(header))
    if faults:
        raise PeopleError(str(path), faults)
    rows: list[Row] = []
    for line, cells in body:
        if len(cells) != len(header):
            faults.append(f"line {line}: {len(cells)} where the header has {len(header)} columns")
        else:
            rows.append(Row(where=f"line {line}", cells=dict(zip(header, cells, strict=True))))
    return header, rows


def _toml_rows(text: str, path: Path, faults: list[str]) -> tuple[list[str], list[Row]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PeopleError(str(path), [f"not a TOML file: {error}"]) from error
    for key in table:
        if key != "person":
            faults.append(f"unknown key {key!r}{nearest(key, ['person'])}; a list has [[person]] tables only")
    entries = table.get("person", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        faults.append("'person' must be an array of tables; write [[person]] above each person")
        raise PeopleError(str(path), faults)
    columns = list(dict.fromkeys(key for entry in entries for key in entry))
    if entries:
        faults.extend(_header_faults(columns))
    rows: list[Row] = []
    for number, entry in enumerate(entries, start=1):
        where = f"person {number}"
        cells: dict[str, str] = {}
        for column in columns:
            value = entry.get(column, "")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not isinstance(value, str) and not (column == "share" and is_number):
                wanted = "a number" if column == "share" else "text"
                faults.append(f"{where}: {column} must be {wanted}, got {value!r}")
                value = ""
            cells[column] = str(value).strip()
        rows.append(Row(where=where, cells=cells))
    return columns, rows


def _header_faults(columns: Sequence[str]) -> Iterator[str]:
    if "first" not in columns:
        yield f"missing column 'first'{nearest('first', columns)}; columns: {', '.join(columns)}"
    for column, times in Counter(columns).items():
        if not column:
            yield "a column has no name"
        elif times > 1:
            yield f"column {column!r} appears {times} times"
        elif column not in OWN_COLUMNS and column.casefold() in OWN_COLUMNS:
            yield f"column {column!r} must be written {column.casefold()!r}"
        elif not column.replace("-", "_").isidentifier():
            yield f"column {column!r} is not a plain name; an attribute has letters, digits, - and _ only"


def _person(row: Row, columns: Sequence[str], faults: list[str]) -> Person:
    cells = row.cells
    first, last, pronoun = (cells.get(column, "") for column in ("first", "last", "pronoun"))
    if "first" in columns and not first:
        faults.append(f"{row.where}: first name is blank")
    for column, cell in cells.items():
        if not cell.isprintable():
            faults.append(f"{row.where}: {column} holds a line break or control character: {cell!r}")
    groups = tuple((column, cells[column]) for column in columns if column not in OWN_COLUMNS)
    for attribute, group in groups:
        if not group:
            faults.append(f"{row.where}: {attribute} is blank; every person has a group in every attribute")
    return Person(
        first=first,
        last=last,
        groups=groups,
        pronoun=pronoun,
        source=cells.get("source", ""),
        share=_share(row, faults),
    )


def _share(row: Row, faults: list[str]) -> float | None:
    cell = row.cells.get("share", "")
    if not cell:
        return None
    try:
        share = float(cell)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        faults.append(f"{row.where}: share must be a number from 0 to 1, got {cell!r}")
        return None
    return share


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
