"""Which rows say a term: whole words, whatever their case, as listed.

The rules, which the tests hold to:

- whole words: before a term and after it stands no letter, digit, mark or underscore of any script. "he" is in "He's", "he/she"
  and "he-man", and not in "the", "hers" or "élhe"
- case does not count, in any script that has one: "mrs" finds "Mrs" and "MRS"; letter by letter, so that "STRASSE" is not
  "straße", and "İ" not "i"
- inflections are listed, not guessed: no stemming, no plural, no possessive but the one that an apostrophe sets apart.
  "woman" finds "woman's" and neither "women" nor "womanly"
- the words of a term of several may have any blanks, line ends or one hyphen between them: "african american" finds
  "African-American"
- an apostrophe in a term finds the straight and the curly one, a hyphen every hyphen; a letter with an accent is found
  in one piece and composed of two

Imports polars when rows are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from pytest_biasaudit.context.declaration import TermGroups

_APOSTROPHES = "['\u2019\u02bc]"
_HYPHENS = "[-\u2010\u2011]"
_BETWEEN = rf"(?:\s+|\s*{_HYPHENS}\s*)"
_FEW = 4
"""Groups of an attribute that are looked for one by one. Of more, first whether a text says any of them at all."""


def has_any(text: pl.Expr, terms: Sequence[str]) -> pl.Expr:
    """Whether a text says any of the terms; null where there is no text."""
    # Without \b, which makes the engine give up its fast automaton at the first letter beyond ASCII: a border may be
    # consumed here, since one match is enough.
    return text.str.contains(rf"(?i)(?:^|\W)(?:{'|'.join(map(_pattern, _spelled(terms)))})(?:\W|$)")


def pattern_of(terms: Sequence[str]) -> str:
    """A regular expression of polars that matches the terms one by one, without what stands around them.

    The longest term first, so that of "middle aged" and "aged" the former is found.
    """
    return rf"(?i)(?:{'|'.join(_bordered(one) for one in _spelled(terms))})"


def term_column(attribute: str, group: str) -> str:
    """Name of the column that says whether a row's text has a term of the group."""
    return f"{attribute}={group}"


def term_columns(text: pl.Expr, terms: Sequence[tuple[str, TermGroups]]) -> list[pl.Expr]:
    """One column for each group of each attribute that terms tell: whether the row's text has one. False without a text."""
    return [
        has_any(_worth_a_look(text, groups), words).fill_null(False).alias(term_column(attribute, group))
        for attribute, groups in terms
        for group, words in groups
    ]


def _worth_a_look(text: pl.Expr, groups: TermGroups) -> pl.Expr:
    """The text, or nothing where it says no term of any group: most texts then cost one search, not one a group."""
    import polars as pl

    if len(groups) <= _FEW:
        return text
    # The same expression for every group, so that polars reckons it once. Not null: null texts are searched all the same.
    return pl.when(has_any(text, [term for _, words in groups for term in words])).then(text).otherwise(pl.lit(""))


def _spelled(terms: Sequence[str]) -> dict[tuple[str, ...], None]:
    """The terms as their words, the longest first; an accent in one piece, and composed.

    A dot at the end of a word ("Mrs.") is left out: without it the same is found.
    """
    return {
        tuple(word.rstrip(".") or word for word in unicodedata.normalize(form, term).split()): None
        for term in sorted(dict.fromkeys(terms), key=lambda term: (-len(term), term))
        for form in ("NFC", "NFD")
    }


def _pattern(words: Sequence[str]) -> str:
    return _BETWEEN.join(map(_word, words))


def _bordered(words: Sequence[str]) -> str:
    """The term with no letter on either side: a border of words where it ends in a letter, none after a sign ("c++")."""
    first, last = (r"\b" if _in_words(sign) else r"\B" for sign in (words[0][0], words[-1][-1]))
    return f"{first}{_pattern(words)}{last}"


def _in_words(sign: str) -> bool:
    return sign.isalnum() or unicodedata.category(sign) in ("Mn", "Mc", "Me", "Pc")


def _word(word: str) -> str:
    parts = []
    for sign in word:
        if sign in "'\u2019\u02bc":
            parts.append(_APOSTROPHES)
        elif sign in "-\u2010\u2011":
            parts.append(_HYPHENS)
        else:
            parts.append(re.escape(sign))
    return "".join(parts)
