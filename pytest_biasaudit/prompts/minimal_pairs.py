"""What is asked: do prompts that are meant to differ in the person differ in nothing else? Text only; imports nothing here.

Prompts of one template are compared after the name is taken out, and words that must follow a person's gender.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

_FOLLOWING = (
    ("he", "she", "they"),
    ("him", "his", "her", "hers", "them", "their", "theirs"),
    ("himself", "herself", "themself", "themselves"),
    ("mr", "mrs", "ms", "miss", "mx"),
    ("man", "woman", "gentleman", "lady", "male", "female"),
)
"""Words of one line may take each other's place: they follow the person. "Her" stands for two of the men's words."""
_CLASS = {word: f"\x00{number}" for number, words in enumerate(_FOLLOWING) for word in words}
_WORD = re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(_CLASS, key=len, reverse=True))})(?![^\W_])", re.IGNORECASE)
_NAME, _PART = "\x00name", "\x00part"
_SHOWN = 30
"""Characters shown on either side of a difference."""


def holds_name(text: str, name: str) -> bool:
    """Whether a name stands in the text as whole words; upper and lower case differ. "D'Andre" does not hold "Andre"."""
    return _whole(name).search(text) is not None


def word_behind(text: str, name: str) -> str:
    """The capitalised word that follows the name's first occurrence, as a last name does; "" where there is none."""
    found = _whole(name).search(text)
    if found is None:
        return ""
    behind = re.match(r" ([^\W\d_a-z][^\W\d_]*(?:['\u2019-][^\W\d_]+)*)", text[found.end() :])
    if behind is None or not behind[1][0].isupper():
        return ""
    return re.sub(r"['\u2019]s$", "", behind[1])


def without_person(text: str, first: str, last: str) -> str:
    """The text with the person taken out: the same for two people where a template shows nothing else of them."""
    bare = text
    if first and last:
        bare = _whole(f"{first} {last}").sub(_NAME, bare)
    bare = _whole(first).sub(_PART if last else _NAME, bare)
    if last:
        bare = _whole(last).sub(_PART, bare)
    return _WORD.sub(lambda word: _CLASS[word[0].lower()], bare)


def first_difference(text: str, other: str) -> tuple[str, str]:
    """What two texts hold around the first character in which they differ."""
    at = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    return _around(text, at), _around(other, at)


def odd_ones(bare: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    """The first text that says what most say, and all that say something else, by their places. Ties: the earlier."""
    places: dict[str, list[int]] = {}
    for place, text in enumerate(bare):
        places.setdefault(text, []).append(place)
    usual = max(places.values(), key=len)
    return usual[0], tuple(sorted(place for some in places.values() if some is not usual for place in some))


@cache
def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?<![^\W_]['\u2019-]){re.escape(name)}(?![^\W_])(?!['\u2019-][^\W_a-z])")


def _around(text: str, at: int) -> str:
    start, end = max(0, at - _SHOWN), at + _SHOWN
    shown = text[start:end].replace(_NAME, "{person}").replace(_PART, "{name}")
    shown = re.sub(r"\x00\d?", "~", shown)
    return ("..." if start else "") + shown + ("..." if end < len(text) else "")
