"""Whole words, whatever their case, as listed: what a term finds and what it does not."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pytest_biasaudit.tables.term_lists import TERM_LISTS
from pytest_biasaudit.tables.terms import has_any, pattern_of, term_column, term_columns


def found(terms: tuple[str, ...], text: str | None) -> bool | None:
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    answer: bool | None = frame.select(has_any(pl.col("text"), terms)).item()
    return answer


def times(terms: tuple[str, ...], text: str) -> int:
    counted: int = pl.Series([text]).str.count_matches(pattern_of(terms)).item()
    return counted


@pytest.mark.parametrize(
    "text",
    [
        "he",
        "He's a painter",
        "HE left",
        "so he",
        "he/she",
        "(he)",
        "“he”",
        "a\nhe\nb",
        "he-man",
        "it is he.",
        "he, then",
        "1 he",
    ],
)
def test_a_word_is_found_whatever_stands_around_it_but_letters(text: str) -> None:
    assert found(("he",), text)
    assert times(("he",), text) == 1


@pytest.mark.parametrize(
    "text",
    ["the", "hers", "she", "helium", "ache", "he2", "he_", "_he", "élhe", "hé", "heö", "тhe", "he\u0301", "", "h e"],
)
def test_a_part_of_a_word_of_any_script_is_not_found(text: str) -> None:
    assert not found(("he",), text)
    assert times(("he",), text) == 0


def test_case_does_not_count_in_any_script() -> None:
    assert found(("mrs",), "MRS Blue")
    assert found(("École",), "une éCOLE")
    assert found(("женщина",), "ЖЕНЩИНА пишет")
    assert found(("straße",), "STRAẞE")
    assert not found(("straße",), "STRASSE")
    assert not found(("istanbul",), "İSTANBUL")


def test_inflections_are_listed_and_not_guessed() -> None:
    assert found(("woman",), "a woman's work")
    assert found(("woman",), "a woman\u2019s work")
    assert not found(("woman",), "women work")
    assert not found(("woman",), "womanly")
    assert not found(("jew",), "jewish")


def test_words_of_a_term_may_have_any_blanks_or_a_hyphen_between_them() -> None:
    for text in (
        "African American",
        "african-american",
        "African   American",
        "african\nAmerican",
        "an African\u2011American x",
    ):
        assert found(("african american",), text), text
    for text in (
        "African, American",
        "African and American",
        "Africanamerican",
        "african  x american",
        "African--American",
    ):
        assert not found(("african american",), text), text


def test_an_apostrophe_and_a_hyphen_of_a_term_have_several_forms() -> None:
    assert found(("o'neill",), "Mr O\u2019Neill")
    assert found(("non-binary",), "a non\u2010binary person")
    assert not found(("non-binary",), "a nonbinary person")


def test_a_letter_with_an_accent_is_found_composed_and_in_one_piece() -> None:
    for form in ("NFC", "NFD"):
        assert found((unicodedata.normalize(form, "señora"),), unicodedata.normalize("NFD", "La SEÑORA Ruiz"))
        assert found((unicodedata.normalize(form, "señora"),), unicodedata.normalize("NFC", "La señora Ruiz"))


def test_a_title_is_found_with_its_dot_and_without() -> None:
    assert found(("mr.",), "Mr Green")
    assert found(("mr",), "Mr. Green")


def test_the_longest_term_is_taken_where_several_fit() -> None:
    text = pl.Series(["A middle aged, not aged, man"])
    assert text.str.extract_all(pattern_of(("aged", "middle aged"))).item().to_list() == ["middle aged", "aged"]


def test_signs_of_a_pattern_in_a_term_stand_for_themselves() -> None:
    assert found(("a+b",), "grade a+b here")
    assert not found(("a.b",), "axb")


@pytest.mark.parametrize("term", ["c++", "c#", ".net", "a+b", "é!", "mr."])
def test_a_term_that_begins_or_ends_in_a_sign_is_found_by_both_patterns(term: str) -> None:
    for text, is_there in ((f"{term} here", 1), (f"({term})", 1), (f"a {term}", 1), (f"x{term}", 0), (f"{term}x", 0)):
        # "mr.x" holds the word "mr": the dot of a term is not looked for.
        times_there = 1 if (term, text) == ("mr.", "mr.x") else is_there
        assert found((term,), text) is bool(times_there), text
        assert times((term,), text) == times_there, text


def test_many_groups_are_found_as_few_are() -> None:
    groups = tuple((word, (word,)) for word in ("red", "blue", "green", "sky blue", "navy", "émeraude"))
    texts = ["Sky-blue and red", None, "", "reddish", "ÉMERAUDE, navy; blues", "no colour", "blue"]
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    flags = frame.select(term_columns(pl.col("t"), (("colour", groups),)))
    for group, terms in groups:
        one_by_one = frame.select(has_any(pl.col("t"), terms).fill_null(False))
        assert flags[term_column("colour", group)].to_list() == one_by_one.to_series().to_list(), group
    assert [sum(row) for row in flags.rows()] == [3, 0, 0, 0, 2, 0, 1]


def test_no_text_says_nothing() -> None:
    assert found(("he",), None) is None
    flags = pl.DataFrame({"t": [None, "he"]}).select(term_columns(pl.col("t"), (("g", (("men", ("he",)),)),)))
    assert flags[term_column("g", "men")].to_list() == [False, True]


def test_two_terms_side_by_side_are_two() -> None:
    assert times(("he", "him"), "he him, he") == 3


def test_every_bundled_list_names_its_source_and_puts_no_term_in_two_groups() -> None:
    for one in TERM_LISTS.values():
        terms = [term for _, some in one.groups for term in some]
        assert one.source
        assert one.title
        assert len(one.groups) >= 2
        assert len({term.casefold() for term in terms}) == len(terms), one.name


def test_the_published_identity_terms_are_fifty() -> None:
    assert len(TERM_LISTS["identity-terms"].groups) == 50


def test_each_published_test_sentence_but_those_of_occupations_says_an_identity_term(shared_data: Path) -> None:
    """The sentences were made from templates with one slot for a term; words are compared with a plain split."""
    with (shared_data / "madlibs" / "bias_madlibs_77k.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row["Text"] for row in rows]
    groups = TERM_LISTS["identity-terms"].groups
    frame = pl.DataFrame({"text": texts}).select(term_columns(pl.col("text"), (("identity", groups),)))
    says = frame.select(pl.sum_horizontal(pl.all())).to_series()
    by_hand: Counter[str] = Counter()
    for text in texts:
        words = f" {' '.join(re.sub(r'[^a-z]', ' ', text.lower()).split())} "
        by_hand.update(group for group, terms in groups if any(f" {term} " in words for term in terms))
    assert {group: frame[term_column("identity", group)].sum() for group, _ in groups} == {
        group: by_hand[group] for group, _ in groups
    }
    silent = {row["Template"] for row, terms in zip(rows, says, strict=True) if not terms}
    speaking = {row["Template"] for row, terms in zip(rows, says, strict=True) if terms}
    assert len(silent) == 1
    assert not silent & speaking
