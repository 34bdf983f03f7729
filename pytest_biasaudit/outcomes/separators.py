"""What a numeral is worth: digits with separators, as people of several countries write them. Imports nothing of this
package.

A numeral that two countries read differently has no value here, with one exception that English usage settles:
"1,200" is twelve hundred.
"""

from __future__ import annotations

import re

HARD_SPACE = "\u00a0"
"""Stands for every space that does not break a line: people put it inside a number, never between two."""

_GROUPED = {
    ",": re.compile(r"[1-9]\d{0,2}(?:,\d{3})+"),
    ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+"),
    "'": re.compile(r"[1-9]\d{0,2}(?:'\d{3})+"),
    HARD_SPACE: re.compile(r"[1-9]\d{0,2}(?:\u00a0\d{3})+"),
}
_INDIAN = re.compile(r"[1-9]\d?(?:,\d{2})+,\d{3}")
_ONE_SEPARATOR = re.compile(r"(\d+)([.,])(\d+)")


class Ambiguous(ValueError):
    """A numeral with two readings."""


class Malformed(ValueError):
    """Digits and separators that nobody writes for one number: a version, an address, a list without blanks."""


def value_of(numeral: str) -> float:
    """The number that digits with ".", ",", "'" or hard spaces between them stand for.

    numeral  ASCII digits; every separator has a digit on both sides

    Two kinds of separator: the one that occurs last is the decimal sign, and occurs once ("1,200.50", "1.200,50").
    One kind, several times: thousands, and every group must have its three digits ("1.200.000"; "12,34,567" in India).
    One comma: thousands before exactly three digits ("1,200"), else the decimal sign before one or two ("1200,5");
    after a leading zero always the decimal sign. One dot: the decimal sign, but "1.200", which may be either, raises
    Ambiguous, and so do commas that fit neither rule ("1200,500"). Anything else raises Malformed. May be infinite.
    """
    kinds = {sign for sign in numeral if not sign.isdigit()}
    if not kinds:
        return float(numeral)
    one = _ONE_SEPARATOR.fullmatch(numeral)
    if one:
        return _with_one_separator(numeral, *one.groups())
    last = next(sign for sign in reversed(numeral) if not sign.isdigit())
    if len(kinds) == 1:
        return _grouped(numeral, last)
    if len(kinds) == 2 and last in ".," and numeral.count(last) == 1:
        whole, _, decimals = numeral.partition(last)
        return float(f"{_grouped_digits(whole, (kinds - {last}).pop(), numeral)}.{decimals}")
    raise Malformed(numeral)


def _with_one_separator(numeral: str, whole: str, sign: str, rest: str) -> float:
    could_be_thousands = len(rest) == 3 and len(whole) <= 3 and not whole.startswith("0")
    as_decimal = float(f"{whole}.{rest}")
    if sign == ",":
        if could_be_thousands:
            return float(whole + rest)
        if len(rest) <= 2 or set(whole) == {"0"}:
            return as_decimal
        raise Ambiguous(numeral)
    if could_be_thousands:
        raise Ambiguous(numeral)
    return as_decimal


def _grouped(numeral: str, sign: str) -> float:
    return float(_grouped_digits(numeral, sign, numeral))


def _grouped_digits(whole: str, sign: str, numeral: str) -> str:
    if _GROUPED[sign].fullmatch(whole) or (sign == "," and _INDIAN.fullmatch(whole)):
        return whole.replace(sign, "")
    raise Malformed(numeral)
