"""The held text: in pieces that fit the model, scored as plain passes score it."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.perplexity import (
    MASKED_EVERY,
    MASKED_TOKENS,
    HeldText,
    Prediction,
    bundled_text,
    cosine_to_parent,
    pieces,
    predict,
    read_held_text,
    sentences,
)
from pytest_biasaudit.models.scripted import ScriptedModel
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny


def test_paragraphs_stay_whole_where_they_fit_and_are_halved_between_words_where_not() -> None:
    text = "one two three four\n\nfive six\n\n\nseven"
    assert pieces(text, most=4, count=lambda part: len(part.split())) == ["one two three four", "five six", "seven"]
    assert pieces(text, most=2, count=lambda part: len(part.split())) == ["one two", "three four", "five six", "seven"]


def test_no_piece_is_longer_than_it_may_be_and_no_letter_is_lost() -> None:
    text = bundled_text().text + "a" * 500
    for most in (1, 7, 50):
        found = pieces(text, most=most, count=len)
        assert max(map(len, found)) <= most
        assert "".join("".join(found).split()) == "".join(text.split())


def test_the_bundled_text_is_plain_english_about_no_one() -> None:
    held = bundled_text()
    assert 500 < len(held.text.split()) < 700
    assert held.text.isascii()
    words = {word.strip(".,").lower() for word in held.text.split()}
    someone = {"he", "she", "his", "her", "him", "man", "men", "woman", "women", "white", "black", "mr", "mrs"}
    assert not words & someone
    assert len(sentences(held.text)) > 30


def test_a_causal_perplexity_is_that_of_plain_passes_over_the_pieces() -> None:
    model = wrap_live("m", tiny(), byte_tokenizer())
    text = "The tide comes in.\n\nBread needs flour, water, salt and time."
    total, count = 0.0, 0
    for part in text.split("\n\n"):
        ids = [1, *model.tokenizer(part, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logprobs = torch.log_softmax(model.module(torch.tensor([ids])).logits[0], -1)
        total += sum(float(logprobs[at, ids[at + 1]]) for at in range(len(ids) - 1))
        count += len(ids) - 1
    found = predict(model, text)
    assert (found.measure, found.tokens) == ("perplexity", count)
    assert found.value == pytest.approx(math.exp(-total / count), rel=1e-5)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary() -> None:
    module = tiny()
    module.lm_head.weight.data.zero_()
    assert predict(wrap_live("m", module, byte_tokenizer()), bundled_text().text).value == pytest.approx(300, rel=1e-4)


def test_a_masked_model_is_asked_for_one_token_in_four_one_at_a_time() -> None:
    module, tokenizer = tiny_masked("bert"), wordpiece_tokenizer()
    model = wrap_live("m", module, tokenizer)
    text = "the cat sat on the mat and the old gardener sat on a cat"
    ids = tokenizer(text)["input_ids"]
    positions = list(range(1, len(ids) - 1))[MASKED_EVERY // 2 :: MASKED_EVERY]
    total = 0.0
    for at in positions:
        masked = [*ids[:at], tokenizer.mask_token_id, *ids[at + 1 :]]
        with torch.no_grad():
            total += float(torch.log_softmax(module(torch.tensor([masked])).logits[0, at], -1)[ids[at]])
    found = predict(model, text)
    assert (found.measure, found.tokens) == ("pseudo-perplexity", len(positions))
    assert found.value == pytest.approx(math.exp(-total / len(positions)), rel=1e-4)


def test_a_masked_model_is_asked_for_a_bounded_number_of_tokens() -> None:
    model = wrap_live("m", tiny_masked("bert"), wordpiece_tokenizer())
    assert predict(model, "the cat sat on the mat. " * 500).tokens == MASKED_TOKENS


def test_an_encoder_gives_a_vector_for_each_sentence() -> None:
    model = wrap_live("m", tiny_masked("bert").bert, wordpiece_tokenizer())
    found = predict(model, "The cat sat. The old gardener sat on the mat.")
    assert (found.measure, found.tokens, found.value) == ("vectors", 2, None)
    assert all(sum(x * x for x in vector) == pytest.approx(1, abs=1e-5) for vector in found.vectors)
    assert cosine_to_parent(found, found) == pytest.approx(1, abs=1e-5)


def test_cosines_by_hand_and_none_where_the_vectors_are_of_other_sizes() -> None:
    def vectors(*found: tuple[float, ...]) -> Prediction:
        return Prediction(measure="vectors", value=None, tokens=len(found), vectors=found)

    assert cosine_to_parent(vectors((1, 0), (0, 1)), vectors((1, 0), (0.6, 0.8))) == pytest.approx(0.9)
    assert cosine_to_parent(vectors((1, 0)), vectors((1, 0, 0))) is None
    assert cosine_to_parent(vectors((1, 0)), vectors((1, 0), (0, 1))) is None
    assert cosine_to_parent(vectors((1, 0)), vectors((math.nan, 0))) is None
    assert cosine_to_parent(vectors(), vectors()) is None


def test_a_module_that_cannot_take_the_text_gives_a_reason_and_no_error() -> None:
    module = tiny("gpt2")
    module.forward = lambda *args, **kwargs: (_ for _ in ()).throw(ValueError("five tokens only"))
    found = predict(wrap_live("m", module, byte_tokenizer()), "A text.")
    assert found.value is None
    assert "five tokens only" in found.reason


def test_a_model_without_weights_predicts_no_text() -> None:
    found = predict(ScriptedModel({"a": "1"}), "A text.")
    assert found.value is None
    assert found.reason


def test_a_model_is_asked_once_a_run_unless_nothing_pins_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(model: Any, text: str) -> Prediction:
        asked.append(model.identity.name)
        return Prediction(measure="perplexity", value=1.0, tokens=1)

    monkeypatch.setattr("pytest_biasaudit.models.perplexity.predict", count)
    held = HeldText(name="own", text="A text.", sha256="0" * 64)
    model = wrap_live("m", tiny(), byte_tokenizer())
    held.predicted_by(model)
    held.predicted_by(model)
    assert asked == ["m"]
    module = tiny()
    module.register_forward_hook(lambda part, given, output: output)
    hooked = wrap_live("hooked", module, byte_tokenizer())
    held.predicted_by(hooked)
    held.predicted_by(hooked)
    assert asked == ["m", "hooked", "hooked"]


def test_a_text_of_ones_own_is_read_or_said_to_be_missing_empty_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_bytes(b"Words.\n")
    held = read_held_text(tmp_path / "own.txt", where="biasaudit.toml [models.base]")
    assert (held.name, held.text) == ("own.txt", "Words.\n")

    assert held.sha256 == hashlib.sha256(b"Words.\n").hexdigest()
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    for name, why in (("none.txt", "No such file"), ("empty.txt", "is empty"), ("latin.txt", "not UTF-8 text .byte 3")):
        with pytest.raises(ModelError, match=rf"biasaudit.toml \[models.base\]: held_text: .*{why}"):
            read_held_text(tmp_path / name, where="biasaudit.toml [models.base]")
