"""What is asked, about whom: a balanced, seeded draw of people from a list. May import context types and prompt types.

Every person of a list gets a lot from the seed and their own name, and draws go by these lots. So a draw depends on
nothing but the seed and the names: not on the order of the list or of the groups, and a new name leaves the others in
their order.
A larger `per_group` keeps the people of a smaller one, with their surnames: what was asked before is not asked again.
(Where groups share first names, making room for one more person may exchange another.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from random import Random

from pytest_biasaudit.context.declaration import People
from pytest_biasaudit.errors import PeopleError
from pytest_biasaudit.prompts.people_file import nearest
from pytest_biasaudit.prompts.people_list import PeopleList
from pytest_biasaudit.prompts.prompt import Person

Cell = tuple[str, ...]
"""One group of each attribute that is drawn by."""
Mix = tuple[str, ...]
"""One group of each of the list's other attributes."""


def draw(people_list: PeopleList, spec: People, *, seed: int) -> tuple[Person, ...]:
    """`spec.per_group` people of each group (each intersection where attributes cross), the reference group first.

    Every group gets the same mix of the list's other attributes, as even as the number divides: a draw by race from a
    list that knows gender has as many women in one group as in the other. No first name is drawn twice, since a
    template that shows only `{first}` could not tell the two apart.

    Raises PeopleError when the list cannot give that, with how many there are.
    """
    faults = faults_of(people_list, spec)
    if faults:
        raise PeopleError(people_list.name, faults)
    pool = _pool(people_list, spec)
    drawn = _fill_places(pool, _places(pool, spec.per_group, seed=seed), seed=seed)
    if any(len(people) < spec.per_group for people in drawn.values()):
        raise PeopleError(people_list.name, [_shared_names_fault(people_list, spec, pool)])
    in_turn = [drawn[cell][k] for k in range(spec.per_group) for cell in sorted(pool.cells)]
    named = dict(zip(in_turn, _with_surnames(people_list, in_turn, seed=seed), strict=True))
    return tuple(named[person] for cell in pool.cells for person in drawn[cell])


def cells_of(people_list: PeopleList, spec: People) -> tuple[Cell, ...]:
    """The groups to draw, crossed where there are several attributes: the reference group (or cell) first."""
    return tuple(product(*_groups_of(people_list, spec)))


def faults_of(people_list: PeopleList, spec: People) -> list[str]:
    """Why the list cannot give what a context asks for, in words; empty when it can."""
    name = people_list.name
    if not spec.attributes:
        return ["no attribute to tell groups apart"]
    unknown = [
        f"attribute {attribute!r} is not in {name}{nearest(attribute, people_list.attributes)}; "
        f"it has {', '.join(people_list.attributes)}"
        for attribute in spec.attributes
        if attribute not in people_list.attributes
    ]
    if unknown:
        return unknown
    faults: list[str] = []
    for attribute, groups in zip(spec.attributes, _groups_of(people_list, spec), strict=True):
        there = people_list.groups(attribute)
        for group, times in Counter(groups).items():
            if group not in there:
                faults.append(
                    f"group {group!r} of {attribute} is not in {name}{nearest(group, there)}; it has {', '.join(there)}"
                )
            if times > 1:
                faults.append(f"group {group!r} of {attribute} is named twice")
        if len(groups) < 2:
            faults.append(f"{attribute} has one group ({', '.join(groups)}); a comparison needs two or more")
    if spec.per_group < 1:
        faults.append(f"per_group must be 1 or more, got {spec.per_group}")
    return faults or list(_too_few(people_list, spec))


@dataclass(frozen=True)
class _Pool:
    """Who may be drawn for each cell, by the mix of the other attributes."""

    cells: tuple[Cell, ...]
    others: tuple[str, ...]
    people: dict[Cell, dict[Mix, list[Person]]]

    def firsts(self, cell: Cell, mix: Mix | None = None) -> set[str]:
        """Different first names of a cell, or of one mix in it."""
        mixes = self.people[cell] if mix is None else {mix: self.people[cell].get(mix, [])}
        return {person.first for people in mixes.values() for person in people}

    def capacity(self) -> dict[Mix, int]:
        """For each mix, how many people every cell can give."""
        mixes = sorted({mix for by_mix in self.people.values() for mix in by_mix})
        return {mix: min(len(self.firsts(cell, mix)) for cell in self.cells) for mix in mixes}


def _pool(people_list: PeopleList, spec: People) -> _Pool:
    others = tuple(attribute for attribute in people_list.attributes if attribute not in spec.attributes)
    cells = cells_of(people_list, spec)
    people: dict[Cell, dict[Mix, list[Person]]] = {cell: {} for cell in cells}
    for person in people_list.people:
        cell = tuple(person.group(attribute) for attribute in spec.attributes)
        if cell in people:
            people[cell].setdefault(tuple(person.group(attribute) for attribute in others), []).append(person)
    return _Pool(cells, others, people)


def _groups_of(people_list: PeopleList, spec: People) -> list[tuple[str, ...]]:
    declared = spec.groups or ((),) * len(spec.attributes)
    return [groups or people_list.groups(a) for a, groups in zip(spec.attributes, declared, strict=True)]


def _too_few(people_list: PeopleList, spec: People) -> Iterator[str]:
    pool, name = _pool(people_list, spec), people_list.name
    short = {cell: len(pool.firsts(cell)) for cell in pool.cells if len(pool.firsts(cell)) < spec.per_group}
    for cell, here in short.items():
        yield f"per_group is {spec.per_group}, but {name} has {here} different first names for {' '.join(cell)}"
    if short:
        return
    most = sum(pool.capacity().values())
    if most < spec.per_group:
        yield (
            f"per_group is {spec.per_group}, but {name} gives at most {most} a group with the same mix of "
            f"{' and '.join(pool.others)} in every group; lower per_group, add people, or leave the column out"
        )
        return
    drawn = _fill_places(pool, _places(pool, spec.per_group, seed=0), seed=0)
    if any(len(people) < spec.per_group for people in drawn.values()):
        yield _shared_names_fault(people_list, spec, pool)


def _shared_names_fault(people_list: PeopleList, spec: People, pool: _Pool) -> str:
    times = Counter(first for cell in pool.cells for mix in pool.people[cell] for first in pool.firsts(cell, mix))
    shared = sorted(first for first, n in times.items() if n > 1)
    few = ", ".join(shared[:5]) + (", ..." if len(shared) > 5 else "")
    return (
        f"per_group is {spec.per_group}, but a first name is drawn once in an audit, and {people_list.name} has the "
        f"same in several groups ({few}); lower per_group or add people"
    )


def _places(pool: _Pool, per_group: int, *, seed: int) -> list[Mix]:
    """The mix of each of a group's places, the same for all groups; shorter where there are too few people.

    Goes round the mixes, one place at a time, so that a longer list begins with a shorter one. Which mix gets the odd
    place is drawn from the seed.
    """
    left = pool.capacity()
    order = sorted(left, key=lambda mix: _lot(seed, "mix", *mix))
    places: list[Mix] = []
    while len(places) < per_group and any(left.values()):
        for mix in order:
            if left[mix] and len(places) < per_group:
                left[mix] -= 1
                places.append(mix)
    return places


def _fill_places(pool: _Pool, places: Sequence[Mix], *, seed: int) -> dict[Cell, list[Person]]:
    """Put a person into each place of each cell, no first name twice; a place that cannot be filled stays out.

    Maximum bipartite matching by augmenting paths: where groups share first names, taking the next free one could leave
    a later place empty although another choice fills both.
    """
    ranked: dict[tuple[Cell, Mix], list[Person]] = {}
    for cell in pool.cells:
        for mix, people in pool.people[cell].items():
            ranked[cell, mix] = sorted(people, key=lambda person: _lot(seed, "person", person.first, person.last))
    wanted = [(cell, mix) for mix in places for cell in sorted(pool.cells)]
    holder: dict[str, int] = {}
    chosen: dict[int, Person] = {}
    for start in range(len(wanted)):
        came: dict[str, tuple[int, Person]] = {}
        queue, free = [start], None
        for place in queue:
            for person in ranked[wanted[place]]:
                if person.first not in came:
                    came[person.first] = (place, person)
                    if person.first not in holder:
                        free = person.first
                        break
                    queue.append(holder[person.first])
            if free is not None:
                break
        while free is not None:
            place, person = came[free]
            given_up = chosen[place].first if place in chosen else None
            holder[free], chosen[place] = place, person
            free = given_up
    return {cell: [chosen[i] for i, (c, _) in enumerate(wanted) if c == cell and i in chosen] for cell in pool.cells}


def _with_surnames(people_list: PeopleList, people: Sequence[Person], *, seed: int) -> list[Person]:
    """The people with a surname of their group each, in turn: none comes again before all have been given."""
    if not people_list.surname_attribute:
        return list(people)
    decks: dict[str, list[str]] = {}
    for surname in sorted(people_list.surnames, key=lambda surname: _lot(seed, "surname", surname.group, surname.name)):
        decks.setdefault(surname.group, []).append(surname.name)
    given: Counter[str] = Counter()
    named: list[Person] = []
    for person in people:
        group = person.group(people_list.surname_attribute)
        named.append(replace(person, last=decks[group][given[group] % len(decks[group])]))
        given[group] += 1
    return named


def _lot(seed: int, *words: str) -> tuple[float, tuple[str, ...]]:
    """A number for these words under this seed: the same in every process and Python, whatever else is drawn."""
    return Random("\x1f".join((str(seed), *words))).random(), words
