"""Where a text holds numbers in digits, and what each is worth with its sign, its suffix and its currency.

Knows the separators and the currencies; decides nothing about the text as a whole (`number` does).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from pytest_biasaudit.outcomes.currency import MINOR_UNITS, currency_named
from pytest_biasaudit.outcomes.multipliers import (
    FOREIGN,
    MULTIPLIERS,
    NUMERALS_OF_OTHER_SCRIPTS,
    OF_OTHER_SCRIPTS,
    ONE_LETTER,
)
from pytest_biasaudit.outcomes.separators import HARD_SPACE, Ambiguous, value_of


@dataclass(frozen=True, kw_only=True)
class Mention:
    """One number as a text mentions it."""

    start: int
    end: int
    """Just behind its suffix, if it has one ("2 million"), and its currency."""
    value: float | None
    """None where it cannot be read without guessing; may be infinite."""
    fault: str = ""
    """Why it cannot be read; empty otherwise."""
    currency: str | None = None
    percent: bool = False
    closed: bool = False
    """Its currency or percent sign stands behind it, so that no digit or multiplier can follow."""
    alone_one: bool = False
    """The bare word "one"."""


_ASCII_SIGN = {
    "\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\u066b": ".", "\u066c": ",", "\uff0e": ".", "\uff0c": ",",
    "\u2019": "'", "\u02bc": "'", "\u2018": "'", "\uff07": "'", "\uff05": "%", "\u066a": "%", "\ufe6a": "%",
    "\uff04": "$", "\uffe1": "£", "\uffe5": "¥", "\uff0f": "/", "\u2044": "/", "\uff1a": ":", "\uff0b": "+",
    "\u2009": HARD_SPACE, "\u202f": HARD_SPACE, "\u2007": HARD_SPACE, "\u2008": HARD_SPACE, "\u2010": "-",
    "\u2011": "-", "\u2012": "\u2013", "\u200b": " ",
}  # fmt: skip
_JOINER = "\uffff"
"""Stands for an invisible character between two digits: whoever put it there, one number it is not."""

_DIGIT = re.compile(r"[0-9]")
# Thousands set off by ordinary blanks; whether that is one number or several, `_spaced` decides.
_SPACED = re.compile(r"(?<![\d.,'])[1-9]\d{0,2}(?: \d{3}){1,8}(?:[.,]\d{1,2})?(?![\d\uffff]|[.,' ]\d)")
_CORE = re.compile(r"\d+(?:[.,'\u00a0]\d+)*")
_SCIENTIFIC = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d+(?![\w]|[.,]\d)")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d)")
_LETTERS = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"[ \u00a0]?[ \u00a0-]?")
_LETTERS_BEFORE = re.compile(r"[^\W\d_]+\Z")
_CODE_BEFORE = re.compile(r"(?<![^\W_])([A-Z]{3}|[Rr]s)\.?\Z")
_MINUS_BEFORE = re.compile(r"(?<![a-z])(?:minus|negative)[ \u00a0]\Z", re.IGNORECASE)
_FULL_STOP = re.compile(r"[\w.\u2026'\")]\.\Z")
"""Not the decimal sign of ".5"."""
_LOOK_BACK = 24


def plain_signs(text: str) -> str:
    """The text with every decimal digit as ASCII, look-alike signs as their ASCII ones and invisible characters gone.

    Only digits with a place value are turned (Arabic-Indic, fullwidth, ...); superscripts, fractions, Roman and circled
    numerals stay what they are. The length may change.
    """
    out: list[str] = []
    hidden = False
    for sign in text:
        category = unicodedata.category(sign)
        if category == "Cf" and sign != "\u200b":
            hidden = bool(out) and out[-1].isdigit()
            continue
        digit = unicodedata.decimal(sign, None)
        if hidden and digit is not None:
            out.append(_JOINER)
        hidden = False
        plain = " " if category == "Zs" and sign != HARD_SPACE else sign
        out.append(_ASCII_SIGN.get(sign, plain) if digit is None else str(digit))
    return "".join(out)


def mentions_in_digits(text: str, *, unit: str = "") -> Iterator[Mention]:
    """Every number in digits, in order. `text` as `plain_signs` gives it; `unit` the declared one, allowed glued on."""
    digit = _DIGIT.search(text)
    while digit is not None:
        mention = _mention(text, digit.start(), unit.strip().lower())
        yield mention
        digit = _DIGIT.search(text, max(mention.end, digit.end()))


def other_numerals(text: str) -> str:
    """The first character that is a number without being a decimal digit ("½", "²", "Ⅷ", "①"), or ""."""
    for sign in text:
        if unicodedata.category(sign) in ("No", "Nl"):
            return sign
    return ""


def _mention(text: str, start: int, unit: str) -> Mention:
    dated = _DATE.match(text, start)
    if dated:
        return Mention(start=start, end=dated.end(), value=None, fault=f"a date: {dated.group()}")
    spaced = _SPACED.match(text, start)
    scientific = None if spaced else _SCIENTIFIC.match(text, start)
    core = spaced or scientific or _CORE.match(text, start)
    assert core is not None  # there is a digit at start
    numeral = core.group()
    if text[start - 1 : start] == "." and not _FULL_STOP.search(text[max(0, start - 2) : start]):
        start, numeral = start - 1, f".{numeral}"
    before = _before(text, start, unit)
    after = read_behind(text, core.end(), unit=unit, money=before.currency is not None)
    currency = before.currency or after.currency
    fault, value = before.fault or after.fault, None
    if not fault:
        try:
            if scientific or numeral.startswith("."):
                value = float(numeral)
            elif spaced:
                value = _spaced(numeral, money=currency is not None)
            else:
                value = value_of(numeral)
        except Ambiguous:
            fault = "ambiguous"
        except ValueError:
            fault = "not one plain number"
    if value is None:
        fault = f"{fault}: {short(text[before.start : after.end])}"
        return Mention(start=before.start, end=after.end, value=None, fault=fault)
    value = before.sign * times(value, after.times) + 0.0  # so that a negative zero is zero
    return Mention(
        start=before.start,
        end=after.end,
        value=value,
        currency=currency,
        percent=after.percent,
        closed=after.closed,
    )


def _spaced(numeral: str, *, money: bool) -> float:
    """A numeral with blanks between its groups: one number only where something else says so.

    A decimal part, a group that begins with 0 (no number does), or money with one or two leading digits do; "500 600"
    may be two numbers and is Ambiguous.
    """
    whole, decimals = numeral, ""
    for sign in ".,":
        if sign in numeral:
            whole, _, decimals = numeral.partition(sign)
    groups = whole.split(" ")
    if not (decimals or any(group.startswith("0") for group in groups) or (money and len(groups[0]) <= 2)):
        raise Ambiguous(numeral)
    return float("".join(groups) + (f".{decimals}" if decimals else ""))


@dataclass(frozen=True, kw_only=True)
class _InFront:
    """What stands before the digits."""

    start: int
    sign: int = 1
    currency: str | None = None
    fault: str = ""


def _before(text: str, start: int, unit: str) -> _InFront:
    """Sign and currency before the digits, in either order."""
    at, sign, fault = _sign_before(text, start)
    head = text[max(0, at - _LOOK_BACK) : at]
    close = head.rstrip(" \u00a0")
    blanks = len(head) - len(close)
    if fault or not close:
        return _InFront(start=at, sign=sign, fault=fault)
    if unicodedata.category(close[-1]) == "Sc" and blanks <= 2:
        letters = _LETTERS_BEFORE.search(close[:-1])
        name = close[-1] if letters is None or _uncased(close[-2]) else letters.group() + close[-1]
        at -= blanks + len(name)
    elif blanks == 0 and (letters := _LETTERS_BEFORE.search(close)) and not _uncased(close[-1]):
        name = letters.group()
        at -= len(name)
        if name.lower() == unit:
            return _InFront(start=at, sign=sign)
    elif (word := _CODE_BEFORE.search(close)) and blanks <= 2 and currency_named(word.group(1)) is not None:
        name = word.group(1)
        at -= blanks + len(word.group())
    else:
        if close[-1] in NUMERALS_OF_OTHER_SCRIPTS:
            fault = "a numeral of another script"
        elif blanks == 0 and close[-1] in f"_{_JOINER}" and close[-2:-1].isalnum():
            fault = "not a plain number"
        return _InFront(start=at, sign=sign, fault=fault)
    currency = currency_named(name)
    if currency is None:
        return _InFront(start=at, sign=sign, fault="not a plain number")
    if sign == 1:
        at, sign, fault = _sign_before(text, at)
    return _InFront(start=at, sign=sign, currency=currency, fault=fault)


def _sign_before(text: str, at: int) -> tuple[int, int, str]:
    """A minus against the number: where it begins, -1 or 1, and a fault where a dash may be a minus or not."""
    head = text[max(0, at - _LOOK_BACK) : at]
    said = _MINUS_BEFORE.search(head)
    if said:
        return at - len(said.group()), -1, ""
    if head[-1:] not in ("-", "\u2013"):
        return at, 1, ""
    left = head[-2:-1] or " "
    if left.isdigit() or left in "%)":
        return at, 1, ""  # a range: whoever reads the whole text sees the dash
    if unicodedata.category(left) == "Sc" and head[-1] == "-":
        return at - 1, -1, ""
    if left.isalpha():
        # "700k-800k" is a range as well, "F-150" is a name.
        letters = _LETTERS_BEFORE.search(head[:-1])
        name = letters.group().lower() if letters else ""
        of_number = name in MULTIPLIERS or name in ONE_LETTER or currency_named(name) is not None
        return (at, 1, "") if of_number else (at - 1, 1, "not a plain number")
    if head[-1] == "\u2013" or left in "-.":
        return at - 1, 1, "ambiguous sign"
    return at - 1, -1, ""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What stands behind the digits."""

    end: int
    times: float = 1.0
    percent: bool = False
    currency: str | None = None
    fault: str = ""

    @property
    def closed(self) -> bool:
        """No digit or multiplier can follow."""
        return self.percent or self.currency is not None


def read_behind(text: str, end: int, *, unit: str, money: bool) -> Behind:
    """Suffix, multiplying words, percent sign and currency behind the digits; a fault where they are not understood."""
    nearest = text[end : end + 1]
    if nearest in ("_", _JOINER) and text[end + 1 : end + 2].isalnum():
        return Behind(end=end + 1, fault="not a plain number")
    if nearest in ("/", ":", "^") and text[end + 1 : end + 2].isdigit():
        fault = {"/": "a fraction or a date", ":": "a time or a ratio", "^": "a power"}[nearest]
        rest = _CORE.match(text, end + 1)
        return Behind(end=end + 1 if rest is None else rest.end(), fault=fault)
    if nearest in ("%", "‰"):
        return Behind(end=end + 1, percent=True, fault="" if nearest == "%" else "per mille")
    behind = Behind(end=end)
    for _ in range(3):  # a suffix or two, a currency
        gap = _GAP.match(text, behind.end)
        at = behind.end if gap is None else gap.end()
        step = _step(text, at, behind, unit, glued=at == end, money=money)
        if step is None or step.fault or step.percent:
            return behind if step is None else step
        behind = step
    return behind


def _step(text: str, at: int, behind: Behind, unit: str, *, glued: bool, money: bool) -> Behind | None:
    """What the next word or sign adds; None when it is no part of the number."""
    sign = text[at : at + 1]
    if sign == "%":
        return replace(behind, end=at + 1, percent=True)
    if sign and unicodedata.category(sign) == "Sc":
        if sign in MINOR_UNITS:
            return replace(behind, end=at + 1, fault="a minor unit")
        if behind.currency is not None or text[at + 1 : at + 2].isdigit():
            return None  # "500 $600": the sign belongs to the next number
        return replace(behind, end=at + 1, currency=currency_named(sign))
    letters = _LETTERS.match(text, at)
    if letters is None:
        return None
    word, end = letters.group(), letters.end()
    name = word.lower()
    if _uncased(sign):
        if sign in NUMERALS_OF_OTHER_SCRIPTS or text.startswith(OF_OTHER_SCRIPTS, at):
            return replace(behind, end=end, fault="a numeral of another script")
        return None
    if name == unit:
        return replace(behind, end=end) if glued else None
    if glued and text[end : end + 1].isdigit():
        return replace(behind, end=end, fault="not a plain number")
    if name in MULTIPLIERS or name in ONE_LETTER:
        factor = MULTIPLIERS.get(name) or ONE_LETTER[name]
        clear = len(name) > 1 or (glued and (name == "k" or word == "M"))
        if not clear and not (money or behind.currency or _money_at(text, end)):
            return replace(behind, end=end, fault="ambiguous")
        if behind.times != 1 and not (behind.times == 100 and factor >= 1e3):
            return replace(behind, end=end, fault="not one plain number")
        return replace(behind, end=end, times=behind.times * factor)
    if name in FOREIGN or name in MINOR_UNITS:
        return replace(behind, end=end, fault="a multiplier of another language" if name in FOREIGN else "a minor unit")
    if name in ("percent", "pct", "percentage") or text.startswith("per cent", at):
        return replace(behind, end=end, percent=True)
    named = currency_named(word)
    if named is not None:
        if behind.currency is not None or text[end:].lstrip(" ")[:1].isdigit():
            return None  # "500 USD 600": the code belongs to the next number, or to both
        return replace(behind, end=end, currency=named)
    if glued:
        fault = "an ordinal" if name in ("st", "nd", "rd", "th") else "not a plain number"
        return replace(behind, end=end, fault=fault)
    return None


def _money_at(text: str, at: int) -> bool:
    """Whether a currency follows."""
    rest = text[at : at + 8].lstrip(" ")
    letters = _LETTERS.match(rest)
    return bool(rest) and (unicodedata.category(rest[0]) == "Sc" or bool(letters and currency_named(letters.group())))


def _uncased(sign: str) -> bool:
    """A letter of a script that sets words without blanks or has no capitals; digits stand against these freely."""
    return unicodedata.category(sign) == "Lo"


def times(value: float, factor: float) -> float:
    """The product as people compute it: 4.35 thousand is 4350 to the last bit."""
    return float(Decimal(repr(value)) * Decimal(factor))


def short(text: str, *, most: int = 40) -> str:
    """The text, or its beginning with an ellipsis, fit for a reason."""
    text = " ".join(text.replace(_JOINER, "").split())
    return text if len(text) <= most else text[: most - 1] + "…"
