"""Terms and names blanked out of texts."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.scrub import scrub
from tests.rows_by_hand import table_of, texts


def test_whole_words_in_any_case_become_the_sign() -> None:
    made = scrub(
        table_of([("a", "w", "She said HER sheep, Mrs. Heron, hers."), ("a", "m", "nothing here"), ("a", "m", None)])
    )
    assert texts(made) == ["_ said _ sheep, _. Heron, _.", "nothing here", None]
    change = made.changes[-1]
    assert (change.changed, change.removed, change.added, change.before, change.after) == (1, 0, 0, 3, 3)
    assert dict(change.settings)["part"] == "train"


def test_given_terms_of_several_words_are_replaced_whole() -> None:
    made = scrub(
        table_of([("a", "w", "African-American and american")]), terms=["african american"], sign="[x]", part="both"
    )
    assert texts(made) == ["[x] and american"]
    assert dict(made.changes[-1].settings) == {"terms": "african american", "sign": "[x]", "part": "both"}


def test_a_rows_own_names_go_from_its_own_text_alone() -> None:
    table = table_of(
        [("a", "w", "Ann Lee-Ray met Bo; ann's mother"), ("a", "m", "Ann met bo J. Bo"), ("a", "m", "Ann")]
    )
    named = replace(table, frame=table.frame.with_columns(pl.Series("name", ["Ann Lee-Ray", "J. Bo", None])))
    made = scrub(named, terms=["she"], names="name")
    assert texts(made) == ["_ _ met Bo; _'s mother", "Ann met _ J. _", "Ann"]


def test_no_listed_term_is_left_wherever_it_stands() -> None:
    said = "SHE's (her) he/she her-his \u201chers\u201d she. She,her;HIMSELF\the mrs.lee she\u0301 sh\u00e9"
    (made,) = texts(scrub(table_of([("a", "w", said)])))
    assert made == "_'s (_) _/_ _-_ \u201c_\u201d _. _,_;_\t_ _.lee she\u0301 sh\u00e9"


@pytest.mark.parametrize(
    ("names", "said", "left"),
    [
        ("Jos\u00e9 Nu\u00f1ez", "Jose\u0301 and NUN\u0303EZ, Jose", "_ and _, Jose"),
        ("Jose\u0301", "Jos\u00e9's Josephine JOS\u00c9", "_'s Josephine _"),
        ("O'Brien", "O\u2019Brien, o'brien's, Brien", "_, _'s, Brien"),
        ("Anne-Marie", "Anne-Marie's Anne-Marie-Lou Anne", "_'s _-Lou Anne"),
        ("Anne", "Anne-Marie, Lou-Anne, Anne_2", "_-Marie, Lou-_, Anne_2"),
        ("\u0930\u093e\u092e", "\u0930\u093e\u092e \u0930\u093e\u092e\u093e", "_ \u0930\u093e\u092e\u093e"),
        ("J. R2", "J met R2", "J met R2"),
    ],
)
def test_a_name_is_found_however_it_is_spelled(names: str, said: str, left: str) -> None:
    table = table_of([("a", "w", said)])
    named = replace(table, frame=table.frame.with_columns(pl.Series("name", [names])))
    assert texts(scrub(named, terms=["she"], names="name")) == [left]


def test_a_sign_that_would_make_a_term_with_its_neighbours_is_refused() -> None:
    table = table_of([("a", "w", "african she american")])
    for sign in ("African", "-", "\u2010"):
        with pytest.raises(DataError, match="may be part of a term"):
            scrub(table, terms=["she", "african american"], sign=sign)


def test_a_sign_that_the_engine_would_read_is_taken_as_it_is() -> None:
    assert texts(scrub(table_of([("a", "w", "she ran")]), terms=["she"], sign="$0")) == ["$0 ran"]


def test_what_cannot_be_scrubbed_is_said() -> None:
    table = table_of([("a", "w", "she")])
    for wrong, said in (
        ({"terms": "pronouns"}, "no list 'pronouns'"),
        ({"terms": []}, "is no list of terms"),
        ({"sign": " "}, "without blanks"),
        ({"sign": "she", "terms": ["she"]}, "is one of the terms"),
        ({"names": "name"}, "no column 'name'"),
        ({"part": "dev"}, "'train', 'test' or 'both'"),
    ):
        with pytest.raises(DataError, match=said):
            scrub(table, **wrong)


def test_a_scrub_that_finds_nothing_says_so() -> None:
    assert "nothing was changed" in scrub(table_of([("a", "w", "no such word")])).changes[-1].note


def test_names_may_be_a_list_in_each_row() -> None:
    table = table_of([("a", "w", "Ann met Lee and Bo")])
    named = replace(table, frame=table.frame.with_columns(pl.Series("names", [["Ann", "Lee"]])))
    assert texts(scrub(named, terms=["she"], names="names")) == ["_ met _ and Bo"]
