"""What is asked, where the prompts are written already: a CSV with one row a prompt, as audits of names are published.

The columns are those of the audit study "What's in a Name?": which scenario, variation and level of added information, who is
named, and the whole text. Other columns are left alone. May import prompt types, how CSV data are read, and errors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.prompts.benchmarks.data import Data, DataFacts, Origin, refuse
from pytest_biasaudit.prompts.minimal_pairs import (
    first_difference,
    holds_name,
    odd_ones,
    without_person,
    word_behind,
)
from pytest_biasaudit.prompts.people_file import nearest
from pytest_biasaudit.prompts.people_list import PeopleList
from pytest_biasaudit.prompts.prompt import Person
from pytest_biasaudit.prompts.slug import slug

COLUMNS = ("scenario", "variation", "name_group", "name", "context_level", "prompt_text")
ANSWERED = ("model", "response")
"""Columns of a table that holds answers too: a prompt then stands there once for each answer."""
RACES, GENDERS = ("white", "black"), ("men", "women")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""All but the tabulator and line breaks."""
_ORIGIN = Origin(title="a table of prompts", url="", licence="", files=())


@dataclass(frozen=True, kw_only=True)
class TableTemplate:
    """What all prompts of one scenario, variation and level share."""

    id: str
    """"scenario/variation/level", each in lower case with hyphens."""
    scenario: str
    variation: str
    level: str

    @property
    def slots(self) -> tuple[tuple[str, str], ...]:
        """The three as they stand in the table, by the names of their columns."""
        return (("scenario", self.scenario), ("variation", self.variation), ("context_level", self.level))


@dataclass(frozen=True, kw_only=True)
class PromptTable:
    """The part of a table that an audit uses: every template for every person."""

    file: str
    sha256: str
    """Of the whole file, whatever part of it is used."""
    templates: tuple[TableTemplate, ...]
    people: PeopleList
    """In the order of the file, by race and gender."""
    texts: Mapping[tuple[str, str, str], str]
    """By the template's id and the person's first and last name."""

    @property
    def facts(self) -> DataFacts:
        """Which prompts these are, for the evidence."""
        return DataFacts(title="Prompts of a table", source=self.file, url="", licence="", sha256=self.sha256)


@dataclass(frozen=True)
class _Row:
    line: int
    template: TableTemplate
    group: tuple[str, str]
    """Race and gender."""
    name: str
    text: str


def read_audit_table(
    file: str,
    *,
    beside: Path,
    races: Collection[str] | None = None,
    scenarios: Sequence[str] = (),
    variations: Sequence[str] = (),
    levels: Sequence[str] = (),
    sha256: str | None = None,
) -> PromptTable:
    """A table beside the context file, checked.

    beside      the folder of the context file; the table is in it or below it
    races       what may stand before "_men" and "_women" in `name_group`; None: any word
    scenarios, variations, levels  what is used of the table; all of it where empty
    sha256      what the file's digest must be; None where nobody has said

    Rows are checked whether they are used or not; whether they make a design, only those that are.

    Raises DataError with the faults found, by line: a file that is missing, empty, no CSV or not UTF-8; a digest that is
    another; missing columns and blank cells; an unknown group; a name that is not in its prompt, or in two groups; the same
    prompt twice; prompts of a template that differ in more than the person; a template without some of the people; and a
    selection that the table does not have.
    """
    content = _content(file, beside)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise DataError(file, [f"sha256 is {digest}, and {sha256} was declared or read before: this is another table"])
    known = None if races is None else tuple(races)
    return _parsed(file, digest, content, known, tuple(scenarios), tuple(variations), tuple(levels))


def is_audit_table(path: Path) -> bool:
    """Whether a CSV's first line has the columns of such a table; False for a file that cannot be read."""
    try:
        with path.open("rb") as opened:
            head = opened.readline(10_000).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return {"name_group", "prompt_text"} <= {cell.strip().strip('"') for cell in head.split(",")}


@lru_cache(maxsize=16)  # a study builds its prompts many times
def _parsed(
    file: str,
    digest: str,
    content: bytes,
    races: tuple[str, ...] | None,
    scenarios: tuple[str, ...],
    variations: tuple[str, ...],
    levels: tuple[str, ...],
) -> PromptTable:
    data = Data(source=file, origin=_ORIGIN, sha256=digest, contents=((file, content),))
    cells = data.rows(COLUMNS)
    faults: list[str] = []
    rows: list[_Row] = []
    for row in cells:
        read = {column: row[column] if column == "prompt_text" else row[column].strip() for column in COLUMNS}
        found = list(_row_faults(read, races))
        faults += [f"line {row.line}: {fault}" for fault in found]
        if not found:
            rows.append(_row(row.line, read))
    rows = _without_repeats(rows, answered=any(column in cells[0].cells for column in ANSWERED), faults=faults)
    faults += _spelling_faults(rows)
    faults += _group_faults(rows)
    faults += _selection_faults(rows, scenarios=scenarios, variations=variations, levels=levels)
    refuse(file, faults)
    used = [
        row
        for row in rows
        if (not scenarios or row.template.scenario in scenarios)
        and (not variations or row.template.variation in variations)
        and (not levels or row.template.level in levels)
    ]
    refuse(file, [] if used else ["no prompt is of the scenario, variation and level that are asked for"])
    last_names = _last_names(used)
    refuse(file, [*_pair_faults(used, last_names), *_missing(used)])
    people = {row.name: _person(row, last_names[row.name]) for row in used}
    return PromptTable(
        file=file,
        sha256=digest,
        templates=tuple(dict.fromkeys(row.template for row in used)),
        people=PeopleList(name=file, people=tuple(people.values()), attributes=("race", "gender")),
        texts={(row.template.id, people[row.name].first, people[row.name].last): row.text for row in used},
    )


def _content(file: str, beside: Path) -> bytes:
    for flavour in (PurePosixPath(file), PureWindowsPath(file)):
        if flavour.is_absolute() or flavour.drive or ".." in flavour.parts:
            raise DataError(file, ["a table lies beside its context file: give its name, without '..'"])
    try:
        return (beside / file).read_bytes()
    except FileNotFoundError:
        there = sorted(entry.name for entry in beside.glob("*.csv"))
        hint = f"{nearest(file, there)}; CSV files there: {', '.join(there) or 'none'}"
        raise DataError(file, [f"there is no such file beside the context file{hint}"]) from None
    except (OSError, ValueError) as error:
        raise DataError(file, [f"the file cannot be read: {error}"]) from None


def _row_faults(cells: Mapping[str, str], races: tuple[str, ...] | None) -> Iterator[str]:
    for column, cell in cells.items():
        if not cell.strip():
            yield f"{column} is blank"
        elif column != "prompt_text" and not cell.isprintable():
            yield f"{column} holds a line break or control character: {cell!r}"
        elif found := _CONTROL.search(cell):
            yield f"{column} holds the control character {found[0]!r}, which no prompt has a use for"
    group, name, text = cells["name_group"], cells["name"], cells["prompt_text"]
    race, _, gender = group.rpartition("_")
    if group and (not race or gender not in GENDERS or (races is not None and race not in races)):
        valid = [f"{one}_{other}" for one in races or RACES for other in GENDERS]
        yield f"name_group {group!r} is unknown{nearest(group, valid)}; valid are {', '.join(valid)}"
    if name and text.strip() and not holds_name(text, name):
        yield f"the name {name!r} is not in its prompt_text"


def _row(line: int, cells: Mapping[str, str]) -> _Row:
    scenario, variation, level = cells["scenario"], cells["variation"], cells["context_level"]
    race, _, gender = cells["name_group"].rpartition("_")
    template = TableTemplate(
        id=f"{slug(scenario)}/{slug(variation)}/{slug(level)}", scenario=scenario, variation=variation, level=level
    )
    return _Row(line, template, (race, gender), cells["name"], cells["prompt_text"])


def _without_repeats(rows: Sequence[_Row], *, answered: bool, faults: list[str]) -> list[_Row]:
    """The rows, each prompt once. In a table that holds answers a prompt may come again, and must be the same."""
    first: dict[tuple[str, str], _Row] = {}
    for row in rows:
        before = first.setdefault((row.template.id, row.name), row)
        if before is row:
            continue
        what = f"line {row.line}: {row.name!r} in {row.template.id} stands on line {before.line} already"
        if before.text != row.text:
            faults.append(f"{what}, with another prompt_text")
        elif not answered:
            faults.append(f"{what}: the same prompt twice")
    return list(first.values())


def _spelling_faults(rows: Sequence[_Row]) -> Iterator[str]:
    """Values that differ in capitals, blanks or signs only: two templates, or two people, that are meant to be one."""
    spelt: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        template = row.template
        for column, value, key in (
            ("scenario", template.scenario, slug(template.scenario)),
            ("variation", template.variation, slug(template.variation)),
            ("context_level", template.level, slug(template.level)),
            ("name", row.name, row.name.casefold()),
        ):
            spelt.setdefault((column, key), {}).setdefault(value, row.line)
    for (column, _), values in spelt.items():
        if len(values) > 1:
            said = ", ".join(f"{value!r} (line {line})" for value, line in values.items())
            yield f"{column} is spelt in several ways: {said}"


def _group_faults(rows: Sequence[_Row]) -> Iterator[str]:
    """Names that stand in two groups."""
    groups: dict[str, dict[tuple[str, str], int]] = {}
    for row in rows:
        groups.setdefault(row.name, {}).setdefault(row.group, row.line)
    for name, found in groups.items():
        if len(found) > 1:
            said = ", ".join(f"{race}_{gender} (line {line})" for (race, gender), line in found.items())
            yield f"the name {name!r} is in {len(found)} groups: {said}"


def _selection_faults(rows: Sequence[_Row], **wanted: Sequence[str]) -> Iterator[str]:
    there = {
        "scenarios": dict.fromkeys(row.template.scenario for row in rows),
        "variations": dict.fromkeys(row.template.variation for row in rows),
        "levels": dict.fromkeys(row.template.level for row in rows),
    }
    for which, values in wanted.items():
        for value in values:
            if rows and value not in there[which]:
                has = tuple(there[which])
                yield f"no row has the {which.removesuffix('s')} {value!r}{nearest(value, has)}; there is {', '.join(has)}"


def _last_names(rows: Sequence[_Row]) -> dict[str, str]:
    """For each name of one word the last name that follows it in the prompts; "" for all where the prompts show none.

    A table may keep first names in `name` and write both into the prompt. The word behind the name is taken for a last
    name where every person has one, the same in all their prompts.
    """
    nothing = dict.fromkeys((row.name for row in rows), "")
    behind: dict[str, set[str]] = {}
    for row in rows:
        behind.setdefault(row.name, set()).add("" if " " in row.name else word_behind(row.text, row.name))
    if any(len(words) > 1 or "" in words for words in behind.values()):
        return nothing
    found = {name: next(iter(words)) for name, words in behind.items()}
    # One word for everybody is part of the sentence, not of the person.
    return found if len(set(found.values())) > 1 else nothing


def _pair_faults(rows: Sequence[_Row], last_names: Mapping[str, str]) -> Iterator[str]:
    """One fault a template whose prompts do not differ in the person alone."""
    by_template: dict[str, list[_Row]] = {}
    for row in rows:
        by_template.setdefault(row.template.id, []).append(row)
    for template, some in by_template.items():
        bare = [without_person(row.text, *_parts(row.name, last_names[row.name])) for row in some]
        usual, odd = odd_ones(bare)
        if not odd:
            continue
        here, there = first_difference(bare[odd[0]], bare[usual])
        more = f" (and {len(odd) - 1} more in this template)" if len(odd) > 1 else ""
        yield (
            f"line {some[odd[0]].line}: the prompt differs from that of line {some[usual].line}, of the same template "
            f"{template}, in more than the person{more}: {here!r}, and there {there!r}"
        )


def _missing(rows: Sequence[_Row]) -> Iterator[str]:
    """One fault a template that does not ask about everybody: groups would be compared on unlike questions."""
    everybody = dict.fromkeys(row.name for row in rows)
    asked: dict[str, set[str]] = {}
    for row in rows:
        asked.setdefault(row.template.id, set()).add(row.name)
    for template, names in asked.items():
        lacks = [name for name in everybody if name not in names]
        if lacks:
            few = ", ".join(lacks[:3]) + (", ..." if len(lacks) > 3 else "")
            yield f"template {template} has no prompt for {len(lacks)} of {len(everybody)} people ({few})"


def _parts(name: str, last: str) -> tuple[str, str]:
    """First and last name: the last of several words is the last name."""
    first, _, behind = name.rpartition(" ")
    return (first, behind) if first else (name, last)


def _person(row: _Row, last: str) -> Person:
    first, last = _parts(row.name, last)
    race, gender = row.group
    return Person(first=first, last=last, groups=(("race", race), ("gender", gender)))
