"""What is asked, about whom: finding a people list, bundled, given by a hook, or beside the context file.

May import prompt types and errors. `draw` and `faults_of` are here too, so that callers need one module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_biasaudit.errors import DataError, PeopleError
from pytest_biasaudit.prompts.audit_table import is_audit_table, read_audit_table
from pytest_biasaudit.prompts.draw import cells_of, draw, faults_of
from pytest_biasaudit.prompts.people_file import (
    SUFFIXES,
    faults_of_people,
    nearest,
    path_of_list,
    read_people_file,
)
from pytest_biasaudit.prompts.people_list import PeopleList, Surname
from pytest_biasaudit.prompts.prompt import Person

__all__ = ["BUNDLED", "PeopleList", "cells_of", "draw", "faults_of", "load_people"]

BUNDLED = ("us-names",)
"""The lists that come with the package, in `prompts/lists/`; each has a note on where it comes from."""

_LISTS = Path(__file__).parent / "lists"


def load_people(source: str, *, beside: Path, extra: Mapping[str, Sequence[Person]] | None = None) -> PeopleList:
    """The list called `source`: bundled, given by a hook (`extra`), or a CSV or TOML file beside the context file.

    beside  the folder of the context file; a list is a file in it or in a folder below it. A table of prompts gives the
            people it names

    Raises PeopleError with every fault of the list.
    """
    given = extra or {}
    for name in BUNDLED:
        if name in given:
            raise PeopleError(
                name, ["a plugin gives a people list of this name, which is bundled; rename the plugin's"]
            )
    if source in BUNDLED:
        return _us_names()
    if source in given:
        return _given_list(source, tuple(given[source]))
    if not source.lower().endswith(SUFFIXES):
        known = (*BUNDLED, *given)
        fault = (
            f"no people list is called {source!r}{nearest(source, known)}; "
            f"give one of {', '.join(known)}, or the name of a .csv or .toml file beside the context file"
        )
        raise PeopleError(source, [fault])
    path = path_of_list(source, beside)
    if path.suffix.lower() == ".csv" and is_audit_table(path):
        try:
            return read_audit_table(source, beside=beside).people
        except DataError as error:
            raise PeopleError(str(path), error.faults) from error
    return _as_list(source, read_people_file(path))


def _given_list(name: str, people: tuple[Person, ...]) -> PeopleList:
    """A plugin's list, held to what a file is held to."""
    faults = faults_of_people(people)
    for number, person in enumerate(people, start=1):
        cells = {"first": person.first, **dict(person.groups)}
        faults.extend(f"person {number}: {key} is blank" for key, cell in cells.items() if not cell.strip())
        faults.extend(
            f"person {number}: {key} holds a line break or control character: {cell!r}"
            for key, cell in {**cells, "last": person.last, "pronoun": person.pronoun}.items()
            if not cell.isprintable()
        )
    if faults:
        raise PeopleError(name, faults)
    return _as_list(name, people)


def _as_list(name: str, people: tuple[Person, ...]) -> PeopleList:
    return PeopleList(name=name, people=people, attributes=tuple(attribute for attribute, _ in people[0].groups))


def _us_names() -> PeopleList:
    """First names by race and gender; each gets a surname of its race when it is drawn."""
    people = read_people_file(_LISTS / "us-names.csv")
    surnames = read_people_file(_LISTS / "us-surnames.csv")
    return PeopleList(
        name="us-names",
        people=people,
        attributes=("race", "gender"),
        surname_attribute="race",
        surnames=tuple(
            Surname(name=row.first, group=row.group("race"), source=row.source, share=row.share) for row in surnames
        ),
    )
