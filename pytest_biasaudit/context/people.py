"""Who may be named: the keys of `[audit.people]`, and whether the people list can give what they ask for.

Asks `prompts.people` what lists there are and what they hold, when a file is read and not before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import People
from pytest_biasaudit.context.shapes import Groups, Text, TextOrTexts, Whole
from pytest_biasaudit.context.spelling import did_you_mean, listed
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, read_row
from pytest_biasaudit.errors import ContextError

if TYPE_CHECKING:
    from pytest_biasaudit.prompts.people_list import PeopleList
    from pytest_biasaudit.prompts.prompt import Person

ATTRIBUTE = Key("attribute", TextOrTexts(), "What tells the groups apart; several attributes cross.", required=True)
SOURCE = Key(
    "source",
    Text(),
    "A bundled list, or a CSV or TOML file beside the context file; absent where a table names the people, and needed elsewhere.",
)
GROUPS = Key(
    "groups",
    Groups(),
    "The groups to compare, the reference group first; absent for all groups of the list. Where attributes cross, "
    "a table with a list for each.",
)
PER_GROUP = Key("per_group", Whole(low=1, high=100_000), "People drawn for each group, or each intersection.")
PEOPLE_KEYS = (ATTRIBUTE, SOURCE, GROUPS, PER_GROUP)

DEFAULT_PER_GROUP = 16


class PeopleLists:
    """The people lists that a context may name, each loaded once."""

    def __init__(self, *, beside: Path, extra: Mapping[str, Sequence[Person]] | None) -> None:
        self.beside = beside
        self._extra = extra
        self._loaded: dict[str, PeopleList] = {}

    def get(self, source: str) -> PeopleList:
        """The list of that name; raises ContextError (PeopleError) with every fault of the list."""
        from pytest_biasaudit.prompts.people import load_people

        if source not in self._loaded:
            try:
                self._loaded[source] = load_people(source, beside=self.beside, extra=self._extra)
            except OSError as error:  # a name that the file system does not take
                raise ContextError(source, [f"the list cannot be read: {error.strerror or error}"]) from None
        return self._loaded[source]


def read_people(
    raw: RawTable,
    *,
    where: str,
    lists: PeopleLists,
    faults: Faults,
    by_table: bool = False,
    named: PeopleList | None = None,
) -> tuple[People | None, PeopleList | None]:
    """Who is named, and the list they come from; None for each that cannot be known.

    by_table  a table names the people, so that no list is looked for
    named     those of the table; None when it cannot be read
    """
    row = read_row(raw, PEOPLE_KEYS, where=where, faults=faults)
    if not by_table:
        if not row.declares(SOURCE):
            faults.add(where, f"source is missing; it must be {SOURCE.shape.must}")
        people_list = _load(row, lists, faults)
    else:
        if row.declares(SOURCE):
            faults.misfit(where, "source", row.raw["source"], "the table names the people; remove source")
        people_list = named
    attributes = row.get(ATTRIBUTE)
    if attributes is None:
        return None, people_list
    groups = _groups_by_attribute(row, attributes, people_list, faults)
    people = People(
        attributes=attributes,
        source=row.get(SOURCE, "") if named is None else named.name,
        groups=groups or ((),) * len(attributes),
        per_group=row.get(PER_GROUP, DEFAULT_PER_GROUP),
    )
    if named is not None and groups is not None and not row.declares(PER_GROUP):
        people = replace(people, per_group=_all_of(named, people, where, faults))
    if people_list is not None and groups is not None and not (row.declares(PER_GROUP) and row.get(PER_GROUP) is None):
        from pytest_biasaudit.prompts.people import faults_of

        for fault in faults_of(people_list, people):
            faults.add(where, fault)
    return people, people_list


def _all_of(named: PeopleList, people: People, where: str, faults: Faults) -> int:
    """How many people of the table each group has; a fault where that is not the same for all. At least 1."""
    from pytest_biasaudit.prompts.people import cells_of

    if not set(people.attributes) <= set(named.attributes):
        return 1
    cells = Counter(tuple(person.group(attribute) for attribute in people.attributes) for person in named.people)
    there = {cell: cells[cell] for cell in cells_of(named, people)}
    if len(set(there.values())) > 1 and all(there.values()):
        said = ", ".join(f"{count} {' '.join(cell)}" for cell, count in there.items())
        reason = f"add names, or write per_group = {min(there.values())} to draw as many of each"
        faults.add(where, f"the groups of {named.name} are not of one size: {said}; {reason}")
    return max(1, min(there.values(), default=1))


def _load(row: Row, lists: PeopleLists, faults: Faults) -> PeopleList | None:
    source = row.get(SOURCE)
    if source is None:
        return None
    try:
        return lists.get(source)
    except ContextError as error:
        for fault in error.faults:
            faults.misfit(row.where, "source", source, fault if error.path == source else f"{error.path}: {fault}")
        return None


def _groups_by_attribute(
    row: Row, attributes: tuple[str, ...], people_list: PeopleList | None, faults: Faults
) -> tuple[tuple[str, ...], ...] | None:
    """For each attribute its declared groups, empty for all the list has. None when the groups cannot be told."""
    if not row.declares(GROUPS):
        return ((),) * len(attributes)
    groups = row.get(GROUPS)
    if groups is None:
        return None
    if isinstance(groups, dict):
        unknown = [attribute for attribute in groups if attribute not in attributes]
        for attribute in unknown:
            reason = f"{attribute!r} is not in attribute, which has {listed(attributes)}"
            faults.misfit(row.where, "groups", row.raw["groups"], reason + did_you_mean(attribute, attributes))
        return None if unknown else tuple(groups.get(attribute, ()) for attribute in attributes)
    if len(attributes) == 1:
        return (groups,)
    return None if people_list is None else _sorted_by_attribute(row, groups, attributes, people_list, faults)


def _sorted_by_attribute(
    row: Row, groups: tuple[str, ...], attributes: tuple[str, ...], people_list: PeopleList, faults: Faults
) -> tuple[tuple[str, ...], ...] | None:
    """One flat list for several attributes: each group goes to the one attribute of the list that has it."""
    there = {a: people_list.groups(a) for a in attributes if a in people_list.attributes}
    sorted_groups: dict[str, list[str]] = {attribute: [] for attribute in attributes}
    clear = True
    for group in groups:
        owners = [attribute for attribute, has in there.items() if group in has]
        if len(owners) == 1:
            sorted_groups[owners[0]].append(group)
            continue
        clear = False
        if owners:
            reason = f"{group!r} is a group of {listed(owners)}; write groups as a table with a list for each attribute"
        else:
            valid = [name for has in there.values() for name in has]
            reason = f"{people_list.name} has no group {group!r}; it has {listed(valid)}{did_you_mean(group, valid)}"
        faults.misfit(row.where, "groups", list(groups), reason)
    return tuple(tuple(sorted_groups[attribute]) for attribute in attributes) if clear else None
