"""Words of one group for the other's, in texts and in tables."""

from __future__ import annotations

import pytest

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.counterfactual_augmentation import counterfactual_augmentation
from pytest_biasaudit.mitigation.data.swap import ByNext, WordPairs, word_pairs
from pytest_biasaudit.mitigation.data.word_pairs import GENDER, WORD_PAIRS
from tests.rows_by_hand import counted, table_of, texts


@pytest.mark.parametrize(
    ("said", "swapped"),
    [
        ("He is here.", "She is here."),
        ("HE and SHE", "SHE and HE"),
        ("the theme of this", "the theme of this"),
        ("he's a man-about-town", "she's a woman-about-town"),
        ("Her coat was on her.", "His coat was on him."),
        ("They saw her yesterday", "They saw him yesterday"),
        ("I gave her a book", "I gave him a book"),
        ("his own house is his", "her own house is hers"),
        ("The choice is his, not theirs", "The choice is hers, not theirs"),
        ("ask him", "ask her"),
        ("that is hers", "that is his"),
        ("Mr Lee and Mrs. Ray", "Ms Lee and Mr. Ray"),
        ("hE stays", "hE stays"),
        ("her\nown", "him\nown"),
        ("BUSINESSMEN", "BUSINESSWOMEN"),
        ("her most recent book", "his most recent book"),
        ("I like her most. Then", "I like him most. Then"),
        ("We knew her very well", "We knew him very well"),
        ("her then husband and her on-screen sister", "his then wife and his on-screen brother"),
        ("HER HOME, (her) SHE's he/she", "HIS HOME, (him) HE's she/he"),
        ("he\u0301 e\u0301he he", "he\u0301 e\u0301he she"),  # an accent of its own belongs to the word
    ],
)
def test_gendered_words_change_and_keep_their_case(said: str, swapped: str) -> None:
    assert GENDER.swapped(said) == swapped


@pytest.mark.parametrize(
    ("said", "swapped"),
    [
        ("African Americans and an African American", "European Americans and an European American"),
        (
            "African-American, AFRICAN AMERICAN, african american",
            "European-American, EUROPEAN AMERICAN, european american",
        ),
        ("Black people and white people", "White people and black people"),
        ("a black car", "a black car"),
        ("caf\u00e9 of Black Families", "caf\u00e9 of White Families"),
    ],
)
def test_words_with_a_blank_or_a_hyphen_keep_their_case_too(said: str, swapped: str) -> None:
    assert WORD_PAIRS["ancestry"].swapped(said) == swapped
    assert WORD_PAIRS["ancestry"].swapped(swapped) == said


def test_a_text_of_any_words_but_those_of_one_way_comes_back() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    one_way = {word for word in GENDER.words if word not in GENDER.reversible} | {"him", "her", "his", "hers", "mr"}
    words = [word for word in GENDER.reversible if word not in one_way]
    cased = st.tuples(st.sampled_from(words), st.sampled_from([str.lower, str.upper, str.title])).map(
        lambda one: one[1](one[0])
    )
    other = st.text(max_size=3).filter(lambda text: not any(word.lower() in one_way for word in text.split()))
    between = st.sampled_from([" ", "/", "-", "(", "'", "\u2019", "\n", "\u0301", "_"])

    @given(st.lists(st.one_of(cased, other, between), max_size=12))
    @settings(max_examples=200, deadline=None)
    def back(parts: list[str]) -> None:
        text = "".join(parts)
        assert GENDER.reverses(text) or any(word in text.lower() for word in ("her", "his", "him"))

    back()


def test_words_of_a_script_with_marks_are_whole() -> None:
    # Hindi "boy" and "girl", the latter ending in a vowel sign; the longer word that begins as they do stays.
    pairs = word_pairs([("\u0932\u0921\u0915\u093e", "\u0932\u0921\u0915\u0940")])
    assert (
        pairs.swapped("\u0932\u0921\u0915\u093e \u0932\u0921\u0915\u093e\u0902")
        == "\u0932\u0921\u0915\u0940 \u0932\u0921\u0915\u093e\u0902"
    )


def test_every_pair_of_every_list_comes_back() -> None:
    for words in WORD_PAIRS.values():
        for one, other in words.pairs:
            assert words.swapped(one) == other
            assert words.swapped(other) == one
            assert words.swapped(other.upper()) == one.upper()


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("he", "she"), ("he", "her")], "'he' stands in 2 places"),
        ([("he", "he")], "would become itself"),
        ([("f", "man")], "single letter"),
        ([("he!", "she")], "does not begin and end"),
        ([("stra\N{LATIN SMALL LETTER SHARP S}e", "weg")], "does not come back from capitals"),
        ([], "it has no pair"),
        ([("a", "b", "c")], "is no pair of words"),
    ],
)
def test_a_list_that_is_not_sound_is_refused(pairs: list[tuple[str, ...]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        word_pairs(pairs)


def test_a_word_cannot_be_decided_in_two_ways() -> None:
    with pytest.raises(DataError, match="'her' stands in 2 places"):
        WordPairs(
            name="x",
            title="",
            pairs=(("he", "she"),),
            one_way=(("her", "him"),),
            by_next=(ByNext(word="her", possessive="his", otherwise="him"),),
            source="",
        )


def test_whose_words_a_text_has() -> None:
    assert [GENDER.side(one) for one in ("He left", "her coat", "Mrs Lee", "he saw her", "nobody")] == [
        0,
        1,
        1,
        None,
        None,
    ]


ROWS = [
    ("nurse", "women", "She helps"),
    ("pilot", "men", "He flies"),
    ("pilot", "men", "Flies far"),
    ("cook", None, "HE"),
]


def test_two_sided_augmentation_adds_a_swapped_row_behind_each_original() -> None:
    made = counterfactual_augmentation(table_of(ROWS), attribute="gender", seed=1)
    assert texts(made) == ["She helps", "He helps", "He flies", "She flies", "Flies far", "HE", "SHE"]
    assert made.frame["id"].to_list() == ["r0", "r0#2", "r1", "r1#2", "r2", "r3", "r3#2"]
    assert counted(made)["nurse", "men"] == counted(made)["nurse", "women"] == 1
    change = made.changes[-1]
    assert (change.before, change.after, change.added, change.removed, change.changed) == (4, 7, 3, 0, 0)
    assert change.note == ""


def test_one_sided_augmentation_puts_the_swap_in_the_place_of_the_original() -> None:
    made = counterfactual_augmentation(table_of(ROWS), sides="one", seed=1)
    assert texts(made) == ["He helps", "She flies", "Flies far", "SHE"]
    assert made.frame["gender"].to_list() == ["women", "men", "men", None]
    assert (made.changes[-1].changed, made.changes[-1].added) == (3, 0)
    assert made.changes[-1].note == "group columns are as they were"


def test_a_share_of_the_rows_is_drawn_by_the_seed() -> None:
    table = table_of([("a", "men", f"he {at}") for at in range(40)])
    made = counterfactual_augmentation(table, sides="one", share=0.5, seed=1)
    assert sum(str(text).startswith("she") for text in texts(made)) == 20
    assert made.digest == counterfactual_augmentation(table, sides="one", share=0.5, seed=1).digest
    assert made.digest != counterfactual_augmentation(table, sides="one", share=0.5, seed=2).digest
    assert made.changes[-1].seed == 1


def test_texts_that_do_not_come_back_are_counted() -> None:
    made = counterfactual_augmentation(table_of([("a", "men", "they saw him work"), ("a", "men", "he left")]), seed=1)
    assert "1 of 2 swapped texts do not come back" in made.changes[-1].note


def test_what_cannot_be_swapped_is_said() -> None:
    table = table_of([*ROWS, ("cook", "others", "she")])
    for wrong, said in (
        ({"pairs": "sex"}, "no list 'sex' is bundled"),
        ({"sides": "both"}, "'one' or 'two'"),
        ({"share": 0.0}, "above 0"),
        ({"pairs": [("king", "queen")]}, "no text has a word"),
        ({"attribute": "gender"}, "two groups of 'gender' change places"),
        ({"attribute": "gender", "groups": ("men", "girls")}, "no row is of 'girls'"),
    ):
        with pytest.raises(DataError, match=said):
            counterfactual_augmentation(table, seed=1, **wrong)
    assert counterfactual_augmentation(table, attribute="gender", groups=("men", "women"), seed=1).rows == 9
