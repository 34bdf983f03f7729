r"""Where a word begins and ends, for rules that Python's own engine applies. Imports nothing but the standard library.

`\w` of `re` knows no marks: to it "jose" and an accent of its own behind it is the word "jose", and a vowel sign of Hindi
ends a word. `tables.terms`, which asks polars' engine, counts marks as letters, and so do these.
"""

from __future__ import annotations

import unicodedata
from functools import cache


@cache
def word_signs() -> str:
    """What words are made of, as the inside of a character class: letters, digits, underscores, marks and joiners."""
    planes = (range(0x300, 0x20000), range(0xE0100, 0xE01F0))
    marks = [code for plane in planes for code in plane if unicodedata.category(chr(code)).startswith("M")]
    ranges: list[list[int]] = []
    for code in (*marks, 0x200C, 0x200D):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return r"\w" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


@cache
def whole_words(alternatives: str) -> str:
    """A pattern of any of these alternatives that stand as whole words; what is found is its one group."""
    return rf"(?<![{word_signs()}])({alternatives})(?![{word_signs()}])"
