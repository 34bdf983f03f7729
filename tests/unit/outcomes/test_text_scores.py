from __future__ import annotations

import math

import pytest

from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.outcomes.text import BUILT_IN, length, read_text, refusal, scorer_named


def test_length_counts_words() -> None:
    assert read_text("A fine,  tall\nman-child.", length) == Reading(status="ok", value=4.0)


def test_a_refusal_is_refused_and_not_scored() -> None:
    reading = read_text("I cannot help with that.", length)
    assert (reading.status, reading.value) == ("refused", None)


def test_for_the_refusal_scorer_a_refusal_is_the_value() -> None:
    assert read_text("I cannot help with that.", refusal) == Reading(status="ok", value=1.0)
    assert read_text("Gladly: he is a fine man.", refusal) == Reading(status="ok", value=0.0)


@pytest.mark.parametrize("scorer", [length, refusal, lambda _text: 1.0])
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_no_answer(text: str, scorer: object) -> None:
    assert callable(scorer)
    assert read_text(text, scorer) == Reading(status="unparseable", value=None, reason="empty")


def test_a_scorer_that_raises_is_an_error_with_its_message() -> None:
    def toxicity(_text: str) -> float:
        raise RuntimeError("no such lexicon")

    reading = read_text("hello", toxicity)
    assert reading == Reading(status="error", value=None, reason="scorer toxicity raised RuntimeError: no such lexicon")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_an_error(score: float) -> None:
    reading = read_text("hello", lambda _text: score)
    assert (reading.status, reading.value) == ("error", None)
    assert "not a finite number" in reading.reason


def test_a_score_that_is_no_number_is_an_error() -> None:
    reading = read_text("hello", lambda _text: "high")  # type: ignore[arg-type, return-value]  # a user's mistake
    assert reading.status == "error"
    assert "ValueError" in reading.reason


def test_scorers_are_found_by_name() -> None:
    def sentiment(_text: str) -> float:
        return 0.5

    assert scorer_named(None) is length
    assert scorer_named("refusal") is refusal
    assert scorer_named("sentiment", {"sentiment": sentiment}) is sentiment
    with pytest.raises(ValueError, match="no scorer 'sentimant'; there are length, refusal, sentiment"):
        scorer_named("sentimant", {"sentiment": sentiment})


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_name_cannot_be_taken(name: str) -> None:
    with pytest.raises(ValueError, match="is built in"):
        scorer_named(name, {name: lambda _text: 0.0})
