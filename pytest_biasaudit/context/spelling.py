"""How a fault quotes what came, lists what is valid and offers the nearest spelling. Imports nothing of the package."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

LONGEST_QUOTE = 60

_QUOTE = reprlib.Repr()
_QUOTE.maxstring = _QUOTE.maxother = LONGEST_QUOTE
_QUOTE.maxlevel = 3


def shown(value: object) -> str:
    """What came, as a short quotation: at most about 60 characters, whatever the value."""
    try:
        text = _QUOTE.repr(value)
    except ValueError:
        # Python refuses to write out integers of more than some thousand digits.
        return "a number too long to print"
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."


def listed(words: Iterable[str]) -> str:
    """The valid words, quoted: "'a', 'b', 'c'"; "nothing" when there are none."""
    return ", ".join(repr(word) for word in words) or "nothing"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The nearest of the known words as "; did you mean 'number'?", or nothing. Case does not count."""
    if not isinstance(word, str) or len(word) > LONGEST_QUOTE:
        return ""
    by_lower_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]!r}?" if near else ""
