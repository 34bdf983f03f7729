"""Functions as classifiers: what they may give, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit import CallableClassifier
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.protocol import Classifies

TEXTS = ["good", "bad", "so so"]


def asked(answer: Any, labels: Any = ("no", "yes")) -> list[tuple[float, ...]]:
    model = CallableClassifier(lambda texts: [answer(text) for text in texts], labels)
    return [found for _, found in sorted(model.classify(TEXTS, batch_size=2))]


def test_labels_probabilities_and_mappings_are_read_alike() -> None:
    likely = {"good": "yes", "bad": "no", "so so": "no"}
    half = math.log(0.25), math.log(0.75)
    assert asked(lambda text: likely[text]) == [(-math.inf, 0.0), (0.0, -math.inf), (0.0, -math.inf)]
    assert asked(lambda _text: [0.25, 0.75]) == [pytest.approx(half)] * 3
    assert asked(lambda _text: np.array([0.25, 0.75])) == [pytest.approx(half)] * 3
    assert asked(lambda _text: {"yes": 0.75, "no": 0.25}) == [pytest.approx(half)] * 3
    assert asked(lambda _text: {"yes": 1.0}) == [(-math.inf, 0.0)] * 3


def test_whole_numbers_as_labels_are_told_by_their_spelling() -> None:
    assert asked(lambda text: np.int64(len(text) % 2), (0, 1)) == [(0.0, -math.inf), (-math.inf, 0.0), (-math.inf, 0.0)]


def test_an_array_of_a_whole_batch_is_one_answer_a_text() -> None:
    model = CallableClassifier(lambda texts: np.tile([0.5, 0.5], (len(texts), 1)), ("no", "yes"), name="flat")
    assert [at for at, _ in model.classify(TEXTS, batch_size=2)] == [0, 1, 2]
    assert model.labels_only is False
    assert model.reading_facts() == (("the callable gives", "probabilities"),)


def test_nan_among_probabilities_is_no_answer() -> None:
    assert all(math.isnan(value) for found in asked(lambda _text: [math.nan, 0.5]) for value in found)


def test_no_digest_pins_a_function_down() -> None:
    model = CallableClassifier(lambda texts: ["no"] * len(texts), ("no", "yes"))
    assert isinstance(model, Classifies)
    assert not model.identity.cacheable


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _text: "maybe", r"it gave 'maybe'; its labels are 'no', 'yes'"),
        (lambda _text: [0.5, 0.6], r"it gave 0\.5, 0\.6, which are no probabilities that add up to 1"),
        (lambda _text: [-0.5, 1.5], r"no probabilities"),
        (lambda _text: [1.0], r"it gave 1 probabilities for a text, and has 2 labels"),
        (lambda _text: {"maybe": 1.0}, r"it gave 'maybe'"),
        (lambda _text: None, r"it gave None"),
        (lambda _text: ["yes", "maybe"], r"it gave \['yes', 'maybe'\]; give one label a text, or the probabilities of"),
        (lambda text: text * 10_000, r"it gave '.{1,60}'; its labels are 'no', 'yes'$"),
        (lambda text: "no" if text == "bad" else [0.5, 0.5], r"labels for some texts and probabilities for others"),
    ],
)
def test_what_is_no_answer_is_refused(answer: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        asked(answer)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda _texts: ["no"], r"it gave 1 answers for 2 texts"),
        (lambda _texts: "no", r"it gave a str, not one answer a text"),
        (lambda _texts: None, r"it gave a NoneType"),
    ],
)
def test_a_batch_must_have_an_answer_for_each_text(function: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        list(CallableClassifier(function, ("no", "yes")).classify(TEXTS, batch_size=2))


@pytest.mark.parametrize("labels", [(), "yes", ("yes",), ("yes", "yes"), ("yes", " yes")])
def test_labels_are_two_or_more_and_different(labels: tuple[str, ...] | str) -> None:
    with pytest.raises(ModelError, match="two or more different labels"):
        CallableClassifier(len, labels)
