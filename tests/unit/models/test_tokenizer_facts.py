"""What is recorded of a tokenizer, found out by encoding, over the families."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pytest_biasaudit.models.tokenizer_facts import (
    around_fact,
    first_token,
    ids_of,
    inside_ids,
    opening_fact,
    special_around,
    tokenizer_facts,
)
from tests.tiny_masked_models import bytes_tokenizer, unigram_tokenizer, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, word_tokenizer

LOWERED, KEPT = "lower-cased by the tokenizer", "kept"
SAME, OTHER = "as inside a sentence", "without the blank before it that it has inside a sentence"


@pytest.mark.parametrize(
    ("tokenizer", "casing", "first"),
    [
        (wordpiece_tokenizer, LOWERED, SAME),
        (bytes_tokenizer, KEPT, OTHER),
        (unigram_tokenizer, KEPT, SAME),
        (byte_tokenizer, KEPT, OTHER),
        (lambda: word_tokenizer(["ann", "bob"]), KEPT, SAME),  # the probe itself is unknown to it
    ],
)
def test_casing_and_the_first_word_are_found_by_encoding(tokenizer: Callable[[], Any], casing: str, first: str) -> None:
    facts = dict(tokenizer_facts(tokenizer()))
    assert (facts["casing"], facts["first word"]) == (casing, first)
    assert facts["tokenizer"]


def test_casing_is_not_claimed_where_every_word_is_unknown() -> None:
    assert dict(tokenizer_facts(word_tokenizer(["42"])))["casing"].startswith("not known")


def test_a_text_opens_with_bos_or_else_with_eos() -> None:
    tokenizer = byte_tokenizer()
    assert (first_token(tokenizer), opening_fact(tokenizer)) == (1, ("opening", "BOS '<s>'"))
    tokenizer.bos_token = None
    assert (first_token(tokenizer), opening_fact(tokenizer)) == (2, ("opening", "EOS '</s>', for want of a BOS"))
    tokenizer.eos_token = None
    assert (first_token(tokenizer), opening_fact(tokenizer)) == (None, ("opening", "none: neither BOS nor EOS"))


def test_special_tokens_around_a_sentence_are_counted_and_named() -> None:
    assert special_around(wordpiece_tokenizer()) == (1, 1)
    assert around_fact(wordpiece_tokenizer()) == ("opening", "[CLS] ... [SEP]")
    assert special_around(byte_tokenizer()) == (0, 0)
    assert around_fact(byte_tokenizer()) == ("opening", "...")


def test_a_word_inside_a_sentence_has_the_blank_of_its_family() -> None:
    tokenizer = bytes_tokenizer()
    assert tokenizer.convert_ids_to_tokens(inside_ids(tokenizer, "cat")) == [
        "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}cat"
    ]
    assert tokenizer.convert_ids_to_tokens(tokenizer("cat", add_special_tokens=False)["input_ids"]) == ["ca", "t"]


def test_counting_a_long_texts_tokens_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = 4
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        assert len(ids_of(tokenizer, "a long text")) > 4
        assert caplog.text == ""
        tokenizer("a long text")
        assert "Token indices sequence length is longer" in caplog.text  # what the tokenizer says when it is let to
    finally:
        logger.removeHandler(caplog.handler)
