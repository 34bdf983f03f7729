from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

import pytest_biasaudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.mitigation.trial import Variation
from pytest_biasaudit.prompts.prompt import Person
from tests.scored_samples import person_of, prompt_of, variation_of

US_NAMES = Path(pytest_biasaudit.__file__).parent / "prompts" / "lists" / "us-names.csv"


def us_names() -> list[Person]:
    with US_NAMES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [person_of(row["first"], row["race"], gender=row["gender"]) for row in rows]


def variation(people: list[Person], *, template: str = "w1") -> Variation:
    return variation_of(tuple(prompt_of(person, template=template) for person in people), template=template)


def test_64_names_make_halves_of_eight_in_each_race_and_gender() -> None:
    people = us_names()
    found = halves_of([variation(people)], attribute="race", seed=1)
    cells = Counter((prompt.person.groups, found[prompt.person_id]) for prompt in variation(people).prompts)
    assert len(found) == 64
    assert set(cells.values()) == {8}


def test_the_halves_are_the_same_in_every_variation_and_order() -> None:
    people = us_names()
    one = halves_of([variation(people)], attribute="race", seed=1)
    other = halves_of([variation(people[::-1]), variation(people, template="w2")], attribute="race", seed=1)
    assert one == other


def test_another_seed_draws_other_halves() -> None:
    people = us_names()
    drawn = {tuple(halves_of([variation(people)], attribute="race", seed=seed).values()) for seed in range(20)}
    assert len(drawn) == 20


@pytest.mark.parametrize("count", [3, 5, 9])
def test_odd_groups_differ_by_one(count: int) -> None:
    people = [person_of(f"N{at}", race) for race in ("white", "black") for at in range(count)]
    found = halves_of([variation(people)], attribute="race", seed=0)
    for race in ("white", "black"):
        sizes = Counter(half for person_id, half in found.items() if person_id.startswith(race))
        assert abs(sizes[0] - sizes[1]) == 1


def test_which_half_gets_the_odd_name_is_drawn() -> None:
    people = [person_of(f"N{at}", "white") for at in range(3)]
    drawn = [halves_of([variation(people)], attribute="race", seed=seed) for seed in range(20)]
    assert {list(found.values()).count(1) for found in drawn} == {1, 2}


def test_a_first_name_is_in_one_half_whatever_its_surname() -> None:
    people = [person_of(f"N{at}", "white", last=last) for at in range(8) for last in ("Fox", "Reed")]
    found = halves_of([variation(people)], attribute="race", seed=0)
    for at in range(8):
        assert found[f"white-n{at} fox"] == found[f"white-n{at} reed"]
    assert Counter(found.values()) == {0: 8, 1: 8}


def test_one_first_name_for_all_leaves_the_full_names_to_tell_apart() -> None:
    people = [person_of("Dr.", "white", last=f"N{at}") for at in range(6)]
    assert Counter(halves_of([variation(people)], attribute="race", seed=0).values()) == {0: 3, 1: 3}


def test_people_without_the_attribute_are_named() -> None:
    with pytest.raises(DataError, match="'white-amy' has no group of 'age'"):
        halves_of([variation([person_of("Amy", "white")])], attribute="age", seed=0)


def test_an_id_of_two_people_of_different_groups_is_refused() -> None:
    one = variation_of((prompt_of(person_of("Amy", "white"), person_id="p1"),))
    other = variation_of((prompt_of(person_of("Amy", "black"), person_id="p1"),), template="w2")
    with pytest.raises(DataError, match="'p1' is of other groups than before"):
        halves_of([one, other], attribute="race", seed=0)


def test_no_people_is_an_error() -> None:
    with pytest.raises(DataError, match="there are no people"):
        halves_of([], attribute="race", seed=0)
