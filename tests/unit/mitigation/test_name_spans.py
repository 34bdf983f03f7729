from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pytest_biasaudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.spans import name_tokens, occurrences
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.encoder import EncoderModel
from tests.tiny_models import byte_tokenizer
from tests.tokenizer_families import TRAINED, trained

US_NAMES = Path(pytest_biasaudit.__file__).parent / "prompts" / "lists" / "us-names.csv"
SENTENCE = "The seller {name} asks what {name}'s car costs. Would ({name}) or \"{name}\" take 5 o'clock, {name}?"


def names() -> list[str]:
    with US_NAMES.open(encoding="utf-8", newline="") as file:
        return [row["first"] for row in csv.DictReader(file)]


def letters_of(text: str, name: str) -> list[int]:
    """Characters of every occurrence, found by plain search: the sentence has the name nowhere else."""
    found: list[int] = []
    begin = text.find(name)
    while begin >= 0:
        found.extend(at for at in range(begin, begin + len(name)) if text[at] != " ")
        begin = text.find(name, begin + len(name))
    return found


def expected_by_the_library(tokenizer: Any, text: str, name: str) -> tuple[int, ...]:
    """The tokens library's own answer to where a character is, one character at a time."""
    encoding = tokenizer(text).encodings[0]
    held = {encoding.char_to_token(at) for at in letters_of(text, name)}
    assert None not in held
    return tuple(sorted(held))


def test_there_are_the_64_names_of_the_study() -> None:
    found = names()
    assert len(set(found)) == 64
    assert {"D'Andre", "DaShawn", "DaQuan", "Unique", "Heaven"} <= set(found)


@pytest.mark.parametrize("family", TRAINED)
def test_every_name_is_found_in_every_family(family: str) -> None:
    tokenizer = trained(family)
    several = 0
    for name in names():
        for full in (name, f"{name} McBride"):
            text = SENTENCE.format(name=full)
            found = name_tokens(tokenizer, text, full)
            if tokenizer.is_fast:
                assert found == expected_by_the_library(tokenizer, text, full), (full, found)
            else:
                assert found == tuple(letters_of(text, full)), full  # a byte is a letter here
            several += len(found) > 5 * full.count(" ") + 5
    if family not in ("whole words", "pieces over blanks"):
        assert several > 64, "the names must split into several tokens for this to be a test"


@pytest.mark.real_model
def test_every_name_is_found_by_the_real_tokenizers(smollm2: CausalModel, minilm: EncoderModel) -> None:
    for tokenizer in (smollm2.tokenizer, minilm.tokenizer):
        for name in names():
            for full in (name, f"{name} McBride"):
                text = SENTENCE.format(name=full)
                assert name_tokens(tokenizer, text, full, special=True) == expected_by_the_library(
                    tokenizer, text, full
                ), full


@pytest.mark.real_model
def test_special_tokens_in_the_text_of_a_chat_do_not_move_the_name(smollm2: CausalModel) -> None:
    text = "<|im_start|>user\nWhat would D'Andre pay?<|im_end|>\n<|im_start|>assistant\n"
    found = name_tokens(smollm2.tokenizer, text, "D'Andre")
    ids = smollm2.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "".join(smollm2.tokenizer.decode([ids[at]]) for at in found).strip() == "D'Andre"


class WithoutOffsets:
    """A tokenizer that gives tokens and text, and no offsets: as those written in Python do."""

    is_fast = False
    chat_template = None

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": self._tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]}

    def decode(self, tokens: list[int], **settings: Any) -> str:
        return str(self._tokenizer.decode(tokens, **settings))


# Words that are unknown cannot be decoded; a unigram's decoded blanks are the same either way.
@pytest.mark.parametrize("family", [one for one in TRAINED if one != "whole words"])
def test_decoding_finds_what_offsets_find(family: str) -> None:
    tokenizer = trained(family)
    for name in ("D'Andre", "DaShawn", "Unique", "Keyana", "Jill"):
        text = SENTENCE.format(name=f"{name} McBride")
        assert name_tokens(WithoutOffsets(tokenizer), text, f"{name} McBride") == name_tokens(
            tokenizer, text, f"{name} McBride"
        ), name


class WrongOffsets(WithoutOffsets):
    """Says that it has offsets, and gives them three characters late."""

    is_fast = True

    def __call__(self, text: str, *, add_special_tokens: bool = True, return_offsets_mapping: bool = False) -> Any:
        found = self._tokenizer(text, add_special_tokens=add_special_tokens, return_offsets_mapping=True)
        late = [(start + 3, end + 3) for start, end in found["offset_mapping"]]
        return {"input_ids": found["input_ids"], "offset_mapping": late}


class EmptyOffsets(WithoutOffsets):
    """Gives offsets that hold nothing, as some releases of converted tokenizers did."""

    is_fast = True

    def __call__(self, text: str, *, add_special_tokens: bool = True, return_offsets_mapping: bool = False) -> Any:
        found = self._tokenizer(text, add_special_tokens=add_special_tokens, return_offsets_mapping=True)
        return {"input_ids": found["input_ids"], "offset_mapping": [(end, end) for _, end in found["offset_mapping"]]}


@pytest.mark.parametrize("wrong", [WrongOffsets, EmptyOffsets])
def test_offsets_that_do_not_give_the_name_back_are_not_believed(wrong: type[WithoutOffsets]) -> None:
    tokenizer = trained("byte-level BPE")
    text = SENTENCE.format(name="Keyana")
    assert name_tokens(wrong(tokenizer), text, "Keyana") == name_tokens(tokenizer, text, "Keyana")


def test_letters_of_several_bytes_belong_to_all_their_tokens() -> None:
    text = "Would Zoë take it?"
    tokenizer = byte_tokenizer()  # one token a byte; ë is two
    expected = tuple(range(len(b"Would "), len("Would Zoë".encode())))
    assert name_tokens(tokenizer, text, "Zoë") == expected
    assert name_tokens(WithoutOffsets(tokenizer), text, "Zoë") == expected


def test_letters_that_fall_back_to_bytes_are_all_of_the_name() -> None:
    tokenizer = trained("byte fallback")
    text = "Would Keyana take it?"
    found = name_tokens(tokenizer, text, "Keyana")
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    assert "<0x4B>" in [tokens[at] for at in found]  # its K


def test_only_tokens_before_the_answer_count() -> None:
    text = "Luke asks. Luke answers."
    tokenizer = trained("characters")
    assert name_tokens(tokenizer, text, "Luke") == (0, 1, 2, 3, 11, 12, 13, 14)
    assert name_tokens(tokenizer, text, "Luke", before=11) == (0, 1, 2, 3)
    with pytest.raises(DataError, match="before token 0 of 24"):
        name_tokens(tokenizer, text, "Luke", before=0)


def test_the_blank_between_first_and_last_name_is_no_letter() -> None:
    found = name_tokens(trained("characters"), "So Amy Fox says", "Amy Fox")
    assert found == (3, 4, 5, 7, 8, 9)


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ('Luke\'s offer, (Luke), "Luke" and Luke.', "Luke", 4),
        ("D'Andre asked, and D'Andre's friend.", "D'Andre", 2),
        ("D'Andre asked.", "Andre", 0),
        ("D'Andre asked.", "D", 0),
        ("Lukewarm, Fluke, luke and LUKE", "Luke", 0),
        ("DaShawn and Dashawn", "DaShawn", 1),
        ("Anne-Marie", "Anne", 0),
        ("Anne-Marie", "Marie", 0),
        ("Anne-Marie", "Anne-Marie", 1),
        ("_Luke_ and *Luke* and 'Luke'", "Luke", 3),
        ("Luke2 and 2Luke", "Luke", 0),
        ("LUKE'S OFFER", "LUKE", 1),
        ("Zoe\u0308 is written with a mark", "Zoe", 0),
        ("Amy Fox and Amy Foxtrot and Amy", "Amy Fox", 1),
        ("张伟想买一辆车", "张伟", 1),
        ("Luke", "", 0),
        ("a.b (c) A.B", "a.b", 1),
    ],
)
def test_names_are_whole_words(text: str, name: str, count: int) -> None:
    found = occurrences(text, name)
    assert len(found) == count
    assert all(text[start:end] == name for start, end in found)


def test_an_absent_name_is_an_error_that_shows_the_text() -> None:
    with pytest.raises(DataError, match=r"(?s)the name 'Luke'.*does not occur as a whole word in 'Lukewarm tea'"):
        name_tokens(trained("characters"), "Lukewarm tea", "Luke")


def test_a_tokenizer_that_loses_the_name_is_refused() -> None:
    tokenizer = SimpleNamespace(is_fast=False, chat_template=None, decode=lambda tokens, **_: "?" * len(tokens))

    class Deaf:
        is_fast = False
        chat_template = None

        def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
            return {"input_ids": [1] * len(text.split())}

        decode = staticmethod(tokenizer.decode)

    with pytest.raises(DataError, match="Deaf gives no token for a letter of it"):
        name_tokens(Deaf(), "Luke asks", "Luke")
