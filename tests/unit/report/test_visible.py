"""Foreign text made harmless to read."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.report.visible import shortened, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 100 %", "plain text, 100 %"),
        ("two\nlines", "two\nlines"),
        ("a\tb", "a b"),
        ("bell\x07 null\x00 escape\x1b[31m", "bell[U+0007] null[U+0000] escape[U+001B][31m"),
        ("abc\u202edcba", "abc[U+202E]dcba"),
        ("\u2066isolated\u2069\u200e\u200f\u061c", "[U+2066]isolated[U+2069][U+200E][U+200F][U+061C]"),
        ("zero\u200bwidth\ufeff", "zero[U+200B]width[U+FEFF]"),
        ("line\u2028paragraph\u2029", "line[U+2028]paragraph[U+2029]"),
        ("lone \ud83d", "lone [U+D83D]"),
        ("private \ue000 unassigned \U000e01f0", "private [U+E000] unassigned [U+E01F0]"),
        ("carriage\r\nreturn", "carriage[U+000D]\nreturn"),
        ("Zoë, 山田, عمر, नेहा", "Zoë, 山田, عمر, नेहा"),
        ("joined\u200cby 👩\u200d🌾", "joined\u200cby 👩\u200d🌾"),
    ],
)
def test_what_cannot_be_seen_is_written_out_and_letters_stay(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_tower_of_marks_is_cut_to_a_few() -> None:
    tower = "a" + "\u0301" * 30
    shown = visible(tower)
    assert shown.startswith("a" + "\u0301" * 4 + "[U+0301]")
    assert shown.count("\u0301") == 4


@given(st.text(st.characters()))
def test_nothing_shown_can_steer_a_terminal_or_the_reading_direction(text: str) -> None:
    for character in visible(text):
        assert character in "\n\u200c\u200d\u00ad" or unicodedata.category(character) not in {
            "Cc",
            "Cf",
            "Cs",
            "Co",
            "Cn",
        }


@given(st.text())
def test_showing_twice_is_showing_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)


def test_long_text_says_how_long_it_is() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("x" * 1_000_000, 5) == "xxxxx … (first 5 of 1,000,000 characters)"
