"""Outcomes laid out as people by templates."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.cells import cells_of, crossed_groups, group_of, summaries_of
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Person

Answer = Callable[..., Outcome]
RACES = (("white", "black"),)


def test_a_table_has_a_row_a_person_and_a_column_a_template(answer: Answer) -> None:
    outcomes = [
        answer("w1", "car", 10, race="white"),
        answer("w1", "bike", 1, race="white"),
        answer("w2", "car", 20, race="white"),
        answer("w2", "bike", 2, race="white"),
        answer("b1", "car", 30, race="black"),
        answer("b1", "bike", 3, race="black"),
    ]
    white, black = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert (white.group, black.group) == ("white", "black")
    assert white.values.tolist() == [[1, 10], [2, 20]]
    assert black.values.tolist() == [[3, 30]]


def test_repeats_are_averaged_over_the_answered_ones(answer: Answer) -> None:
    outcomes = [
        answer("w1", "car", 10, race="white", repeat=0),
        answer("w1", "car", 20, race="white", repeat=1),
        answer("w1", "car", "refused", race="white", repeat=2),
        answer("b1", "car", "refused", race="black", repeat=0),
    ]
    white, black = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert white.values.tolist() == [[15]]
    assert (white.asked.tolist(), white.answered.tolist(), white.refused.tolist()) == ([[3]], [[2]], [[1]])
    assert np.isnan(black.values).all()


def test_selections_are_shares_of_the_answered_repeats(answer: Answer) -> None:
    outcomes = [
        answer("w1", "car", 0.9, selected=True, race="white", repeat=0),
        answer("w1", "car", 0.2, selected=False, race="white", repeat=1),
        answer("w1", "car", 0.6, selected=True, race="white", repeat=2),
        answer("w1", "car", 0.7, selected=True, race="white", repeat=3),
        answer("w1", "car", "error", race="white", repeat=4),
    ]
    (white, black) = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert white.selected.tolist() == [[0.75]]
    assert black.selected.shape == (0, 1)


def test_numbers_without_selections_have_none(answer: Answer) -> None:
    white, _ = cells_of([answer("w1", "car", 3, race="white")], attributes=["race"], groups=RACES)
    assert np.isnan(white.selected).all()


def test_only_answers_outside_the_plausible_range_count_as_implausible(answer: Answer) -> None:
    outcomes = [
        answer("w1", "car", "unparseable", reason="implausible: 3 is outside 10 to 20", race="white", repeat=0),
        answer("w1", "car", "unparseable", reason="no number", race="white", repeat=1),
    ]
    white, _ = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert white.implausible.tolist() == [[1]]
    assert white.answered.tolist() == [[0]]


def test_crossed_attributes_give_all_intersections_in_declared_order(answer: Answer) -> None:
    outcomes = [answer("p1", "car", 1, race="black", gender="women")]
    tables = cells_of(outcomes, attributes=["race", "gender"], groups=[["white", "black"], ["men", "women"]])
    assert [table.group for table in tables] == ["white*men", "white*women", "black*men", "black*women"]
    assert [table.values.shape for table in tables] == [(0, 1), (0, 1), (0, 1), (1, 1)]


def test_one_of_two_crossed_attributes_gives_its_margin(answer: Answer) -> None:
    outcomes = [
        answer("p1", "car", 1, race="white", gender="men"),
        answer("p2", "car", 2, race="white", gender="women"),
        answer("p3", "car", 3, race="black", gender="women"),
    ]
    white, black = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert white.values.tolist() == [[1], [2]]
    assert black.values.tolist() == [[3]]


def test_a_declared_group_without_outcomes_does_not_vanish(answer: Answer) -> None:
    tables = cells_of([answer("w1", "car", 1, race="white")], attributes=["race"], groups=[["white", "black", "asian"]])
    assert [(table.group, table.values.shape) for table in tables] == [
        ("white", (1, 1)),
        ("black", (0, 1)),
        ("asian", (0, 1)),
    ]


def test_undeclared_groups_are_found_in_the_outcomes(answer: Answer) -> None:
    outcomes = [answer("z", "car", 1, race="black"), answer("a", "car", 1, race="white")]
    assert [table.group for table in cells_of(outcomes, attributes=["race"])] == ["black", "white"]


def test_people_of_groups_that_are_not_declared_are_left_out(answer: Answer) -> None:
    outcomes = [answer("w1", "car", 1, race="white"), answer("x1", "train", 9, race="martian")]
    white, black = cells_of(outcomes, attributes=["race"], groups=RACES)
    assert white.values.tolist() == [[1]]
    assert black.values.shape == (0, 1)


def test_all_tables_share_the_same_templates_whoever_was_asked_them(answer: Answer) -> None:
    outcomes = [answer("w1", "car", 1, race="white"), answer("b1", "bike", 2, race="black")]
    white, black = cells_of(outcomes, attributes=["race"], groups=RACES)
    np.testing.assert_array_equal(white.values, [[np.nan, 1]])
    np.testing.assert_array_equal(black.values, [[2, np.nan]])
    assert white.asked.tolist() == [[0, 1]]


def test_the_order_of_answers_changes_nothing(answer: Answer) -> None:
    outcomes = [
        answer(f"{race}{person}", template, 0.1 * person + repeat / 3, repeat=repeat, race=race)
        for race in ("white", "black")
        for person in range(4)
        for template in ("car", "bike", "oven")
        for repeat in range(3)
    ]
    mixed = outcomes.copy()
    random.Random(4).shuffle(mixed)
    for one, other in zip(
        cells_of(outcomes, attributes=["race"], groups=RACES),
        cells_of(mixed, attributes=["race"], groups=RACES),
        strict=True,
    ):
        np.testing.assert_array_equal(one.values, other.values)


def test_an_answer_that_comes_twice_is_refused(answer: Answer) -> None:
    outcomes = [answer("w1", "car", 1, race="white"), answer("w1", "car", 2, race="white")]
    with pytest.raises(StatisticsError, match=r"car/w1.*came twice"):
        cells_of(outcomes, attributes=["race"], groups=RACES)


def test_without_attributes_everyone_is_one_group(answer: Answer) -> None:
    (everyone,) = cells_of([answer("w1", "car", 1, race="white")], attributes=[])
    assert everyone.values.tolist() == [[1]]


def test_nothing_asked_gives_empty_tables() -> None:
    white, black = cells_of([], attributes=["race"], groups=RACES)
    assert white.values.shape == black.values.shape == (0, 0)


def test_summaries_count_every_answer_once(answer: Answer) -> None:
    outcomes = [
        answer("w1", "car", 1.0, race="white", repeat=0),
        answer("w1", "car", 3.0, race="white", repeat=1),
        answer("w2", "car", 6.0, race="white"),
        answer("w3", "car", "refused", race="white"),
        answer("w4", "car", "unparseable", race="white"),
        answer("w5", "car", "error", race="white"),
    ]
    white, black = summaries_of(outcomes, attributes=["race"], groups=RACES)
    assert (white.n, white.asked, white.refused, white.unparseable, white.errors) == (3, 6, 1, 1, 1)
    assert white.people == 5
    assert (white.mean, white.median) == (4.0, 4.0)  # of the cells 2 and 6
    assert white.sd == pytest.approx(8**0.5)
    assert white.rate is None
    assert (black.n, black.asked, black.mean, black.sd) == (0, 0, None, None)


def test_a_single_answer_has_no_standard_deviation(answer: Answer) -> None:
    white, _ = summaries_of([answer("w1", "car", 1.0, race="white")], attributes=["race"], groups=RACES)
    assert (white.mean, white.sd) == (1.0, None)


def test_groups_cross_in_the_order_of_their_attributes() -> None:
    assert crossed_groups([["a", "b"], ["x", "y"]]) == ("a*x", "a*y", "b*x", "b*y")


def test_a_person_without_the_attribute_has_no_group() -> None:
    person = Person(first="Kim", last="", groups=(("race", "white"),))
    assert group_of(person, ["race"]) == "white"
    assert group_of(person, ["race", "gender"]) is None
