"""Draws are balanced, seeded and honest about lists that are too short."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from pytest_biasaudit.context.declaration import People
from pytest_biasaudit.errors import PeopleError
from pytest_biasaudit.prompts.people import draw, faults_of, load_people
from pytest_biasaudit.prompts.people_list import PeopleList
from pytest_biasaudit.prompts.prompt import Person

US = load_people("us-names", beside=Path())


def spec(*attributes: str, groups: tuple[tuple[str, ...], ...] = (), per_group: int = 8) -> People:
    return People(attributes=attributes, source="list", groups=groups or ((),) * len(attributes), per_group=per_group)


def listed(*rows: tuple[str, ...], attributes: tuple[str, ...] = ("race", "gender")) -> PeopleList:
    people = tuple(Person(first=row[0], last="", groups=tuple(zip(attributes, row[1:], strict=True))) for row in rows)
    return PeopleList(name="list", people=people, attributes=attributes)


def test_the_reference_group_comes_first_and_every_group_has_its_number() -> None:
    people = draw(US, spec("race", groups=(("black", "white"),), per_group=10), seed=3)
    assert [person.group("race") for person in people] == ["black"] * 10 + ["white"] * 10


def test_a_draw_by_race_has_as_many_women_as_men_in_each_group() -> None:
    people = draw(US, spec("race", per_group=16), seed=1)
    assert set(Counter(p.groups for p in people).values()) == {8}


def test_an_odd_number_leaves_the_same_mix_in_every_group() -> None:
    people = draw(US, spec("race", per_group=7), seed=5)
    mixes = {
        race: Counter(person.group("gender") for person in people if person.group("race") == race)
        for race in ("white", "black")
    }
    assert mixes["white"] == mixes["black"]
    assert sorted(mixes["white"].values()) == [3, 4]


def test_crossed_attributes_give_each_intersection_its_number_in_the_declared_order() -> None:
    people = draw(US, spec("race", "gender", groups=(("white", "black"), ("women", "men")), per_group=16), seed=2)
    cells = [("white", "women"), ("white", "men"), ("black", "women"), ("black", "men")]
    assert [tuple(dict(p.groups).values()) for p in people] == [cell for cell in cells for _ in range(16)]


def test_the_same_seed_gives_the_same_people_in_another_process() -> None:
    script = (
        "from pathlib import Path\n"
        "from pytest_biasaudit.prompts.people import draw, load_people\n"
        "from pytest_biasaudit.context.declaration import People\n"
        "spec = People(attributes=('race',), source='us-names', groups=((),), per_group=9)\n"
        "print([p.name for p in draw(load_people('us-names', beside=Path()), spec, seed=11)])\n"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script]
    there = {
        subprocess.run(command, cwd=root, env={"PYTHONHASHSEED": n}, capture_output=True, text=True, check=True).stdout
        for n in ("1", "2")
    }
    here = [person.name for person in draw(US, spec("race", per_group=9), seed=11)]
    assert there == {f"{here}\n"}


def test_another_seed_gives_other_people() -> None:
    draws = {tuple(person.name for person in draw(US, spec("race"), seed=seed)) for seed in range(20)}
    assert len(draws) == 20


def test_everybody_is_drawn_about_equally_often() -> None:
    times = Counter(person.first for seed in range(400) for person in draw(US, spec("race", per_group=8), seed=seed))
    assert set(times) == {person.first for person in US.people}
    # each of 64 people is drawn with probability 1/4: 100 of 400, with a standard deviation of 8.7
    assert all(60 < n < 140 for n in times.values())


def test_the_order_of_a_list_does_not_change_its_draw() -> None:
    turned = replace(US, people=US.people[::-1], surnames=US.surnames[::-1])
    asked = spec("race", groups=(("white", "black"),), per_group=6)
    assert draw(turned, asked, seed=4) == draw(US, asked, seed=4)


def test_a_larger_draw_keeps_the_people_of_a_smaller_one_and_their_surnames() -> None:
    for attributes, n in product((("race",), ("gender",), ("race", "gender")), range(1, 16)):
        smaller, larger = (draw(US, spec(*attributes, per_group=k), seed=6) for k in (n, n + 1))
        assert set(smaller) < set(larger)


def test_surnames_are_of_the_persons_race_and_none_repeats_while_they_last() -> None:
    race_of = {surname.name: surname.group for surname in US.surnames}
    for attributes, per_group in ((("race",), 24), (("gender",), 24), (("race", "gender"), 12)):
        people = draw(US, spec(*attributes, per_group=per_group), seed=8)
        assert all(race_of[person.last] == person.group("race") for person in people)
        assert len({person.last for person in people}) == len(people)
    everybody = draw(US, spec("race", "gender", per_group=16), seed=8)
    assert set(Counter(person.last for person in everybody).values()) == {1, 2}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (spec("race", per_group=33), "per_group is 33, but us-names has 32 different first names for white"),
        (spec("race", "gender", per_group=17), "us-names has 16 different first names for black women"),
        (spec("age"), "attribute 'age' is not in us-names; it has race, gender"),
        (spec("gendre"), r"\(did you mean 'gender'\?\)"),
        (spec("race", groups=(("white", "asian"),)), "group 'asian' of race is not in us-names; it has white, black"),
        (spec("race", groups=(("white", "blak"),)), r"\(did you mean 'black'\?\)"),
        (spec("race", groups=(("white",),)), "race has one group"),
        (spec("race", groups=(("white", "black", "white"),)), "group 'white' of race is named twice"),
        (spec("race", per_group=0), "per_group must be 1 or more"),
        (spec(), "no attribute"),
    ],
)
def test_a_list_that_cannot_give_the_groups_says_why(asked: People, said: str) -> None:
    with pytest.raises(PeopleError, match=said):
        draw(US, asked, seed=0)
    assert faults_of(US, asked)


def test_a_race_that_is_all_men_is_not_compared_with_one_that_is_all_women() -> None:
    people = listed(("A", "white", "men"), ("B", "white", "men"), ("C", "black", "women"), ("D", "black", "women"))
    with pytest.raises(PeopleError, match="at most 0 a group with the same mix of gender"):
        draw(people, spec("race", per_group=2), seed=0)


def test_the_mix_is_as_even_as_the_list_allows_in_every_group() -> None:
    rows = [(f"wm{i}", "white", "men") for i in range(5)] + [("ww0", "white", "women"), ("ww1", "white", "women")]
    rows += [(f"bm{i}", "black", "men") for i in range(4)] + [(f"bw{i}", "black", "women") for i in range(4)]
    people = draw(listed(*rows), spec("race", per_group=6), seed=0)
    count = Counter(person.groups for person in people)
    assert sorted(count.values()) == [2, 2, 4, 4]
    with pytest.raises(PeopleError, match="per_group is 7, but list gives at most 6"):
        draw(listed(*rows), spec("race", per_group=7), seed=0)


def test_no_first_name_is_drawn_twice_even_when_groups_share_names() -> None:
    rows = [(first, race) for race in ("white", "black") for first in ("Alex", "Jordan", "Sam", "Robin")]
    people = listed(*rows, attributes=("race",))
    for seed in range(50):
        drawn = draw(people, spec("race", per_group=2), seed=seed)
        assert len({person.first for person in drawn}) == 4


def test_room_is_made_for_a_name_that_only_one_place_can_take() -> None:
    people = listed(("Alex", "white"), ("Beth", "white"), ("Alex", "black"), attributes=("race",))
    for seed in range(20):
        assert [person.first for person in draw(people, spec("race", per_group=1), seed=seed)] == ["Beth", "Alex"]


def test_a_list_whose_groups_are_told_apart_by_last_names_only_is_refused_with_the_names() -> None:
    people = listed(("Alex", "white"), ("Sam", "white"), ("Alex", "black"), ("Sam", "black"), attributes=("race",))
    with pytest.raises(PeopleError, match=r"a first name is drawn once .*\(Alex, Sam\)"):
        draw(people, spec("race", per_group=2), seed=0)
