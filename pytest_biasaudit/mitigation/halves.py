"""Which half of the names a person belongs to: what is found on one half can be tried on the other. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.prompts.prompt import Person

MOST = 10


def halves_of(variations: Sequence[Variation], *, attribute: str, seed: int) -> dict[str, Literal[0, 1]]:
    """A half, 0 or 1, for every person of these variations, by `person_id`; the same in every variation.

    Drawn with the seed within each group of the attribute: the halves of a group differ by one first name at most, and so
    do those of each mix of the other attributes in it. People of a group who share a first name (with other surnames in
    another context) share a half, since a component that answers to the name would carry over; where a group knows one
    first name only, full names are told apart instead. A lot is drawn by name, so that order does not matter.

    Raises DataError for people without the attribute, and for one id that names people of two groups.
    """
    people: dict[str, Person] = {}
    faults: dict[str, None] = {}
    for variation in variations:
        for prompt in variation.prompts:
            person = prompt.person
            if attribute not in dict(person.groups):
                faults[f"{variation.name}: person {prompt.person_id!r} has no group of {attribute!r}"] = None
            elif people.setdefault(prompt.person_id, person).groups != person.groups:
                faults[f"{variation.name}: person {prompt.person_id!r} is of other groups than before"] = None
    if not people and not faults:
        faults["there are no people in these variations"] = None
    if faults:
        more = [f"and {len(faults) - MOST} more"] if len(faults) > MOST else []
        raise DataError("halves of the names", [*list(faults)[:MOST], *more])
    by_group: dict[str, dict[str, Person]] = {}
    for person_id, person in people.items():
        by_group.setdefault(person.group(attribute), {})[person_id] = person
    found: dict[str, Literal[0, 1]] = {}
    for group, members in by_group.items():
        found |= _halves(members, group, seed)
    return {person_id: found[person_id] for person_id in people}


def _halves(members: dict[str, Person], group: str, seed: int) -> dict[str, Literal[0, 1]]:
    """The halves of one group's people."""
    by_first = len({person.first for person in members.values()}) > 1
    units: dict[str, Person] = {}
    for person_id in sorted(members):
        person = members[person_id]
        units.setdefault(person.first if by_first else person.name, person)
    # Dealt out in turn, mix after mix: even in the group and even in each mix.
    order = sorted(units, key=lambda unit: (_lot(seed, group, *_mix(units[unit])), _lot(seed, group, unit), unit))
    odd = _lot(seed, group)[0] % 2
    dealt = {unit: (at + odd) % 2 for at, unit in enumerate(order)}
    return {
        person_id: 1 if dealt[person.first if by_first else person.name] else 0 for person_id, person in members.items()
    }


def _mix(person: Person) -> tuple[str, ...]:
    return tuple(part for pair in sorted(person.groups) for part in pair)


def _lot(seed: int, *parts: str) -> bytes:
    return hashlib.sha256("\n".join([str(seed), *parts]).encode("utf-8", "surrogatepass")).digest()
