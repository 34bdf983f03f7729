"""Numbers in English words: where they stand in a text and what they are worth. Imports nothing of this package.

The grammar is complete for cardinals below a quadrillion and takes nothing else: "twelve hundred", "a hundred
and five", "two million five hundred thousand". What it cannot take ("five fifty", "one point five", "a few hundred",
"thousands") has no value, and is said to have none: it is never read in part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
UNITS = {word: number for number, word in enumerate(_SMALL.split())}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
TENS = {word: 10 * number for number, word in enumerate(_TENS, start=2)} | {"fourty": 40}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
HUNDRED = "hundred"
_VAGUE = frozenset(("hundreds", "thousands", "millions", "billions", "trillions", "dozens", "dozen", "tens"))
_CARDINAL = frozenset(UNITS) | frozenset(TENS) | frozenset(SCALES) | {HUNDRED}
_SPOILS = frozenset(("point", "k", "grand", "lakh", "lakhs", "crore", "crores"))
"""After a number word these make a number that the grammar does not take."""

_WORD = re.compile(r"[a-z]+")
_BETWEEN = re.compile(r"[ \u00a0-]{1,3}|, ")


@dataclass(frozen=True, kw_only=True)
class InWords:
    """A run of number words in a text."""

    start: int
    end: int
    value: float | None
    """None when the run is not one cardinal number."""
    alone_one: bool = False
    """The single word "one", which is a pronoun more often than a number."""


def numbers_in_words(text: str) -> Iterator[InWords]:
    """Every run of number words in lower-cased text, in order.

    Words belong to one run when only blanks, hyphens, ", " or "and" stand between them; "and" only after a hundred or a
    larger scale, as in "a hundred and five", so that "five and six" are two runs.
    """
    run: list[re.Match[str]] = []
    before: str = ""
    previous = ""
    for word in _WORD.finditer(text):
        name = word.group()
        if _glued(text, word):
            name = ""
        if run:
            gap = text[run[-1].end() : word.start()]
            last = run[-1].group()
            joined = _BETWEEN.fullmatch(gap) is not None
            if joined and (name in _CARDINAL or name in _VAGUE or name in _SPOILS):
                # "five, six" is a list; "two thousand, five hundred" is one number.
                if gap != ", " or last in SCALES:
                    run.append(word)
                    continue
            elif joined and name == "and" and gap != ", " and (last == HUNDRED or last in SCALES):
                run.append(word)
                continue
            yield _read(run, before)
            run = []
        if name in _CARDINAL or name in _VAGUE:
            run, before = [word], previous
        previous = name
    if run:
        yield _read(run, before)


def _glued(text: str, word: re.Match[str]) -> bool:
    """Part of something longer than a word: letters of another alphabet, digits or an underscore stand against it."""
    before = text[word.start() - 1] if word.start() else " "
    after = text[word.end()] if word.end() < len(text) else " "
    return before.isalnum() or after.isalnum() or before == "_" or after == "_"


def _read(run: list[re.Match[str]], before: str) -> InWords:
    while run[-1].group() in ("and", "point"):
        run.pop()
    words = [word.group() for word in run if word.group() != "and"]
    alone_one = words == ["one"]
    if words[0] == HUNDRED or words[0] in SCALES:
        # "a hundred" is one hundred; "hundred", "few hundred", "couple of thousand" are no number.
        words = ["one", *words] if before in ("a", "an") else []
    return InWords(start=run[0].start(), end=run[-1].end(), value=cardinal(words), alone_one=alone_one)


def cardinal(words: list[str]) -> float | None:
    """The number that the words name in order, "and" left out; None when they are not one cardinal number.

    Scales fall from left to right; ten to ninety-nine hundreds are taken ("twelve hundred"), but not in
    front of a scale.
    """
    if words == ["zero"]:
        return 0.0
    total, smallest, rest = 0, 10**15, list(words)
    while rest:
        group, used = _below_a_scale(rest)
        if group is None or group == 0:
            return None
        rest = rest[used:]
        scale = 1
        if rest:
            name = rest.pop(0)
            if name not in SCALES:
                return None
            scale = SCALES[name]
        if scale >= smallest or (group > 999 and (smallest < 10**15 or scale > 1)):
            return None
        total, smallest = total + group * scale, scale
    return float(total) if words else None


def _below_a_scale(words: list[str]) -> tuple[int | None, int]:
    """What the first words name below a scale word, and how many they are; None when they name nothing."""
    small, used = _below_hundred(words)
    if small is None or small == 0:
        return None, 0
    if used < len(words) and words[used] == HUNDRED:
        used += 1
        rest, more = _below_hundred(words[used:])
        return small * 100 + (rest or 0), used + more
    return small, used


def _below_hundred(words: list[str]) -> tuple[int | None, int]:
    if not words:
        return None, 0
    if words[0] in UNITS:
        return UNITS[words[0]], 1
    if words[0] in TENS:
        unit = UNITS.get(words[1], 0) if len(words) > 1 else 0
        return (TENS[words[0]] + unit, 2) if 1 <= unit <= 9 else (TENS[words[0]], 1)
    return None, 0
