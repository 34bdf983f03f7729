"""What came back: the one number in an answer, or the reason there is none. Knows refusals, numerals and readings.

A number is read only where the text leaves no choice. Every kind of text has a declared fate:

    one number, however often repeated               ok: "500", "$1,200.50", "1.200,50 EUR", "1.5k", "twelve hundred"
    nothing to read                                  empty, no number
    "500 to 700", "500-700", "between 5 and 7"       range
    several different numbers                        several
    "1.200", "500 600", "5m" without money           ambiguous  two countries or two people read it differently
    "1/2", "10:30", "2026-12-05", "23rd", "10^3"     a fraction, a date, a time, an ordinal, a power
    "a few hundred", "five fifty"                    in words  no single cardinal number
    "half a million", "two thirds"                   a fraction
    "not 500", "500 less than asking", "by 500"      negated, relative
    "50 cents", "5 Tausend"                          a minor unit, a multiplier of another language
    ended by max_new_tokens at or just after it      cut off    the next token might have been a digit
    another currency than the unit, percent of it    other unit
    beyond the plausible range                       implausible
    a refusal, with or without a number in it        refused

Bounds and hedges are read as the number they name ("about 500", "at most 500"). Number words are English ones. Dots and
commas are read by the rules of `separators`; no language setting is needed or used.
"""

from __future__ import annotations

import itertools
import math
import re

from pytest_biasaudit.outcomes.currency import currency_named, same_money
from pytest_biasaudit.outcomes.numberwords import numbers_in_words
from pytest_biasaudit.outcomes.numeral import (
    Mention,
    mentions_in_digits,
    other_numerals,
    plain_signs,
    read_behind,
    short,
    times,
)
from pytest_biasaudit.outcomes.outcome import Reading
from pytest_biasaudit.outcomes.refusal import find_refusal

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""`str.lower` may change the length of a text ("İ"); positions must stay."""

_RANGE = re.compile(
    r"[ \u00a0]*(?:[-\u2013\u2014~\u301c]|\.\.+|\u2026|to|or|and|until|till|through|bis|oder|à)[ \u00a0]*(?:an? )?"
)
_MOST = 1_000
"""Numbers looked at in one text; whoever writes more gives no single one."""
_ARITHMETIC = re.compile(r"[ \u00a0]*(?:[+*x\u00d7\u00b7/\u00f7]|\*\*|plus|minus|times|divided by)[ \u00a0]*")
_MONEY = "[ \u00a0$\u20ac\u00a3-]*"
_ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|hundredth|thousandth|millionth"
)
_BEFORE = (
    (
        "a fraction",
        rf"\b(?:half|quarter|third|twice|thrice|double|triple|quadruple)\b(?: (?:an?|the|of|that|my))*{_MONEY}",
    ),
    ("negated", rf"(?:\b(?:not|never|instead of|rather than|other than)|n't) (?:an? )?{_MONEY}"),
    ("relative", rf"\bby (?:an? )?{_MONEY}"),
)
_BEHIND = (
    (
        "a fraction",
        r"[ \u00a0-]*(?:and )?(?:an? |one )?(?:half|halves|quarters?|thirds)\b(?! (?:year|month|day|hour|week))",
    ),
    ("an ordinal or a fraction", rf"[ \u00a0-](?:{_ORDINALS})s?\b"),
    ("relative", r"[ \u00a0](?:less|more|below|above|under|over|off|lower|higher|cheaper)\b"),
    ("a power", r"[ \u00a0-](?:squared|cubed)\b"),
)
_SAID_BEFORE = tuple((fate, re.compile(rf"(?:{pattern})\Z")) for fate, pattern in _BEFORE)
_SAID_BEHIND = tuple((fate, re.compile(pattern)) for fate, pattern in _BEHIND)
"""What the words against a number make of it."""
_MINUS = re.compile(r"\b(?:minus|negative) (?:an? )?\Z")
_APART = re.compile(r"[^\W\d_]|[\n,.;:!?()\[\]\"=*|]")
"""Between two mentions of one number stands a letter or a mark; without one they may be parts of a longer number."""
_DANGLING = re.compile(r"[ \u00a0.,'\u2013\u2014~+$€£-]*(?:\b(?:to|or|a|an|and|until)\b)?[ \u00a0$€£]*\Z")
_LAST_WORD = re.compile(r"[ \u00a0-]*([a-z]+)\Z")
_ONLY_ONE = re.compile(r"\W*one\W*(?:dollars?|euros?|usd|eur|pounds?)?\W*")


def read_number(text: str, *, cut: bool, plausible: tuple[float, float] | None, unit: str = "") -> Reading:
    """Reads one number.

    cut        the answer ended at max_new_tokens, so its last word or number may be incomplete
    plausible  lowest and highest value accepted, both included; a readable number outside is unparseable with a reason
               that begins "implausible"
    unit       the declared unit. If it is a currency, another currency or a percentage is no answer; any other unit
               may stand against the digits ("30km")

    Never raises and never gives a value that is not finite.
    Source: the several-numbers rule is that of the audit study "What's in a Name?", without its judge model.
    """
    plain = plain_signs(text)
    if not plain.strip():
        return _unparseable("empty")
    refusal = find_refusal(text)
    if refusal is not None:
        return Reading(status="refused", value=None, reason=f"refusal: {short(refusal)}")
    foreign = other_numerals(plain)
    if foreign:
        return _unparseable(f"a numeral that is not a digit: {foreign}")
    mentions = _mentions(plain, unit)
    if len(mentions) > _MOST:
        return _unparseable(f"several: more than {_MOST} numbers")
    if cut and (not mentions or _touches_the_end(plain, mentions[-1])):
        return _unparseable("cut off" if mentions else "cut off before any number")
    if not mentions:
        return _unparseable("no number")
    fault = _fault(plain, mentions) or _other_unit(mentions, unit)
    if fault:
        return _unparseable(fault)
    value = mentions[0].value
    assert value is not None  # else it had a fault
    if plausible is not None and not plausible[0] <= value <= plausible[1]:
        return _unparseable(f"implausible: {value:.15g} is outside {plausible[0]:.15g} to {plausible[1]:.15g}")
    return Reading(status="ok", value=value)


def _unparseable(reason: str) -> Reading:
    return Reading(status="unparseable", value=None, reason=reason)


def _mentions(text: str, unit: str) -> list[Mention]:
    """Numbers in digits and in words, in the order of the text."""
    mentions = list(itertools.islice(mentions_in_digits(text, unit=unit), _MOST + 1))
    lower = text.translate(_ASCII_LOWER)
    taken = iter(mentions[:])
    digits = next(taken, None)
    in_words: list[Mention] = []
    for words in itertools.islice(numbers_in_words(lower), _MOST + 1):
        while digits is not None and digits.end <= words.start:
            digits = next(taken, None)
        if digits is not None and digits.start < words.end:
            continue  # "2 million": its scale is read with the digits
        behind = read_behind(text, words.end, unit=unit, money=False)
        fault = behind.fault if words.value is not None else "in words"
        sign = -1 if _MINUS.search(lower, max(0, words.start - 12), words.start) else 1
        in_words.append(
            Mention(
                start=words.start,
                end=behind.end,
                value=None if words.value is None or fault else sign * times(words.value, behind.times) + 0.0,
                fault=f"{fault}: {short(text[words.start : behind.end])}" if fault else "",
                currency=behind.currency,
                percent=behind.percent,
                closed=behind.closed,
                alone_one=words.alone_one,
            )
        )
    together = sorted([*mentions, *in_words], key=lambda mention: mention.start)
    if _ONLY_ONE.fullmatch(lower):
        return together
    return [mention for at, mention in enumerate(together) if not mention.alone_one or _is_joined(lower, together, at)]


def _is_joined(text: str, mentions: list[Mention], at: int) -> bool:
    """Whether a bare "one" belongs to a range or a sum ("one or two thousand"), and so is meant as a number."""
    pairs = [(mentions[left], mentions[left + 1]) for left in (at - 1, at) if 0 <= left < len(mentions) - 1]
    return any(_between(text, *pair) in ("range", "arithmetic") for pair in pairs)


def _between(text: str, left: Mention, right: Mention) -> str:
    """What alone stands between two mentions: a "range" or "arithmetic" sign, or "several"; else ""."""
    gap = text[left.end : right.start]
    if len(gap) > 24:
        return ""
    for name, sign in (("range", _RANGE), ("arithmetic", _ARITHMETIC)):
        if sign.fullmatch(gap):
            return name
    return "" if _APART.search(gap) else "several"


def _fault(text: str, mentions: list[Mention]) -> str:
    """Why the mentions are not one number; "" when they are."""
    lower = text.translate(_ASCII_LOWER)
    for mention in mentions:
        if mention.fault:
            return mention.fault
        said = _said_about(lower, mention)
        if said:
            return f"{said}: {short(text[max(0, mention.start - 12) : mention.end + 14])}"
        if mention.value is None or not math.isfinite(mention.value):
            return f"too large: {short(text[mention.start : mention.end])}"
    for left, right in itertools.pairwise(mentions):
        joined = _between(lower, left, right)
        if joined:
            return f"{joined}: {short(text[left.start : right.end])}"
    values = {(mention.value, mention.percent) for mention in mentions}
    if len(values) > 1 or len({mention.currency for mention in mentions if mention.currency}) > 1:
        shown = [short(text[mention.start : mention.end], most=16) for mention in mentions[:4]]
        return f"several: {', '.join(shown)}{', …' if len(mentions) > 4 else ''}"
    return ""


def _said_about(text: str, mention: Mention) -> str:
    """What the words against a number make of it, if not the number itself; else ""."""
    head = text[max(0, mention.start - 32) : mention.start]
    for fate, pattern in _SAID_BEFORE:
        if pattern.search(head):
            return fate
    for fate, pattern in _SAID_BEHIND:
        if pattern.match(text, mention.end):
            return fate
    return ""


def _other_unit(mentions: list[Mention], unit: str) -> str:
    """Why the number is not in the declared unit, where that is a currency; else ""."""
    wanted = currency_named(unit) if unit else None
    if wanted is None:
        return ""
    if any(mention.percent for mention in mentions):
        return f"other unit: percent, not {unit}"
    for mention in mentions:
        if mention.currency is not None and not same_money(mention.currency, wanted):
            return f"other unit: {mention.currency}, not {unit}"
    return ""


def _touches_the_end(text: str, last: Mention) -> bool:
    """Whether one more token could have changed the last number: digits, a multiplier, the other end of a range.

    A single word behind the number may be the beginning of one that multiplies it ("2 mi").
    """
    rest = text[last.end :].translate(_ASCII_LOWER)
    if "\n" in rest or (last.closed and not rest.strip()):
        return False
    return _DANGLING.fullmatch(rest) is not None or _LAST_WORD.fullmatch(rest) is not None
