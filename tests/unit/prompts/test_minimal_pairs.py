"""Whether prompts differ in the person alone."""

from __future__ import annotations

import pytest

from pytest_biasaudit.prompts.minimal_pairs import (
    first_difference,
    holds_name,
    odd_ones,
    without_person,
    word_behind,
)


@pytest.mark.parametrize(
    ("text", "name", "there"),
    [
        ("Ask Ann now.", "Ann", True),
        ("Ask Ann's brother.", "Ann", True),
        ("Ask (Ann).", "Ann", True),
        ("Ask Anna now.", "Ann", False),
        ("Ask ann now.", "Ann", False),
        ("Ask D'Andre now.", "Andre", False),
        ("Ask D'Andre now.", "D'Andre", True),
        ("Ask Mary-Ann now.", "Ann", False),
        ("Ask Ann-Mary now.", "Ann", False),
        ("Ask O'Neil now.", "O", False),
    ],
)
def test_a_name_is_there_as_a_whole_word(text: str, name: str, there: bool) -> None:
    assert holds_name(text, name) is there


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Ann Becker sells", "Becker"),
        ("Ann Becker's chair", "Becker"),
        ("Ann O'Neil sells", "O'Neil"),
        ("Ann Ängström sells", "Ängström"),
        ("Ann sells", ""),
        ("Ann. Becker sells", ""),
        ("Bob Becker", ""),
    ],
)
def test_a_capitalised_word_behind_the_name_may_be_a_last_name(text: str, word: str) -> None:
    assert word_behind(text, "Ann") == word


def test_two_people_leave_the_same_text() -> None:
    he = without_person("Todd Becker sells his car; Todd says he needs Becker money.", "Todd", "Becker")
    she = without_person("Tyra Washington sells her car; Tyra says she needs Washington money.", "Tyra", "Washington")
    assert he == she


@pytest.mark.parametrize(
    "other",
    [
        "Tyra sells her bike.",
        "Tyra sells a car.",
        "Tyra Washington sells her car.",
        "Tyra sells she car.",
    ],
)
def test_what_differs_beside_the_person_stays_different(other: str) -> None:
    assert without_person("Todd sells his car.", "Todd", "") != without_person(other, "Tyra", "")


def test_a_first_name_and_a_full_name_are_told_apart() -> None:
    assert without_person("Todd Becker sells.", "Todd", "Becker") != without_person("Tyra sells.", "Tyra", "Washington")


def test_the_difference_is_shown_with_what_stands_around_it() -> None:
    assert first_difference("a red car", "a blue car") == ("a red car", "a blue car")
    here, there = first_difference("x" * 50 + "1" + "y" * 50, "x" * 50 + "2")
    assert here == "..." + "x" * 30 + "1" + "y" * 29 + "..."
    assert there == "..." + "x" * 30 + "2"


def test_the_odd_ones_are_those_that_few_say() -> None:
    assert odd_ones(["b", "a", "a", "c"]) == (1, (0, 3))
    assert odd_ones(["a", "b"]) == (0, (1,))
    assert odd_ones(["a", "a"]) == (0, ())
