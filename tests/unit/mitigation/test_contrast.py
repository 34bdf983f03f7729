"""Which two answers stand for more and for less; every expected pair is by hand."""

from __future__ import annotations

import pytest

from pytest_biasaudit.mitigation.contrast import as_far_as_read, contrast_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.outcomes.outcome import Reading
from tests.leaning_samples import asked, byte_model, scored_as

MODEL = byte_model()


def answered(*answers: tuple[float | None, str]) -> list[ScoredPrompt]:
    found = []
    for at, (value, text) in enumerate(answers):
        reading = Reading(status="ok" if value is not None else "refused", value=value)
        found.append(scored_as(MODEL, asked(f"Amy{at}", "white"), text, reading))
    return found


def test_the_values_nearest_to_the_quartiles_are_taken() -> None:
    # Sorted 1, 2, 3, 4, 100: the quartiles are 2 and 4, whatever the outlier is.
    contrast = contrast_of(answered((100, "100"), (1, "1"), (3, "3"), (2, "2"), (4, "4")))
    assert contrast is not None
    assert (contrast.low_value, contrast.high_value) == (2, 4)
    assert (contrast.low, contrast.high) == ("2", "4")


def test_where_one_value_holds_both_quartiles_its_neighbours_are_taken() -> None:
    contrast = contrast_of(answered((1, "1"), *[(5, "5")] * 8, (7, "7"), (90, "90")))
    assert contrast is not None
    assert (contrast.low_value, contrast.high_value) == (1, 7)


def test_a_value_at_the_edge_is_its_own_neighbour() -> None:
    contrast = contrast_of(answered(*[(5, "5")] * 9, (7, "7")))
    assert contrast is not None
    assert (contrast.low_value, contrast.high_value) == (5, 7)


def test_answers_that_are_all_one_number_have_no_contrast() -> None:
    assert contrast_of(answered((5, "5"), (5, "5.0"), (None, "I cannot say."))) is None
    assert contrast_of(answered((None, "No."), (None, "No!"))) is None


def test_both_answers_have_the_form_that_most_answers_have() -> None:
    contrast = contrast_of(
        answered((300, "about 300"), (500, "$500"), (600, "$600"), (700, "$700"), (900, "about 900"))
    )
    assert contrast is not None
    assert (contrast.low, contrast.high) == ("$500", "$700")


def test_a_form_with_one_value_gives_way_to_one_with_two() -> None:
    contrast = contrast_of(answered(*[(500, "$500")] * 6, (400, "USD 400"), (600, "USD 600")))
    assert contrast is not None
    assert (contrast.low, contrast.high) == ("USD 400", "USD 600")


def test_where_no_form_has_two_values_form_is_ignored() -> None:
    contrast = contrast_of(answered((5, "five"), (5, "five"), (9, "nine"), (9, "nine, I think")))
    assert contrast is not None
    assert (contrast.low, contrast.high) == ("five", "nine")


def test_of_texts_with_one_value_the_most_common_is_taken() -> None:
    contrast = contrast_of(
        answered((1000, "1,000"), (1000, "1000"), (1000, "1000"), (10, "10"), (10, "10"), (10, "10"))
    )
    assert contrast is not None
    assert (contrast.low, contrast.high) == ("10", "1000")


def test_an_answer_counts_as_far_as_the_numeral_that_was_read() -> None:
    contrast = contrast_of(
        answered((1, "1.00, not the total"), (1, "1.00\n\nSe"), (5.1, "5.10"), (5.1, "5.10 per day"))
    )
    assert contrast is not None
    assert (contrast.low, contrast.high) == ("1.00", "5.10")


@pytest.mark.parametrize(
    ("text", "value", "cut"),
    [
        ("$1,200 or so", 1200, "$1,200"),
        ("in 2024 it was 300 dollars", 300, "in 2024 it was 300"),
        ("five", 5, "five"),
        ("5k dollars", 5000, "5k dollars"),
        ("1.200.300 or 7", 7, "1.200.300 or 7"),
    ],
)
def test_a_value_that_is_no_numeral_of_the_text_leaves_it_whole(text: str, value: float, cut: str) -> None:
    assert as_far_as_read(text, value) == cut
