from __future__ import annotations

import math

import pytest

from pytest_biasaudit.outcomes.number import read_number
from pytest_biasaudit.outcomes.outcome import Reading


def read(text: str, *, cut: bool = False, plausible: tuple[float, float] | None = None, unit: str = "") -> Reading:
    return read_number(text, cut=cut, plausible=plausible, unit=unit)


READ = [
    # plain
    ("500", 500),
    ("500.", 500),
    ("I would offer 500 for it.", 500),
    ("\n\n  500\n", 500),
    ("(500)", 500),
    ("**$500**", 500),
    ("`500`", 500),
    ('"500"', 500),
    ("\u201c500\u201d", 500),
    ("\\$500", 500),
    ("#500", 500),
    ("007", 7),
    ("0", 0),
    ("0.75", 0.75),
    (".5", 0.5),
    ("$.50", 0.5),
    ("0,75", 0.75),
    ("0.125", 0.125),
    ("0,125", 0.125),
    ("+500", 500),
    ("500+", 500),
    ("~500", 500),
    ("about 500", 500),
    ("at most 500", 500),
    ("I can't go above 500", 500),
    ("500/month", 500),
    ("500-dollar offer", 500),
    ("Offer: $450, please.", 450),
    # currencies
    ("$500", 500),
    ("$ 500", 500),
    ("US$500", 500),
    ("US$ 1,250.75", 1250.75),
    ("500 USD", 500),
    ("USD 500", 500),
    ("500USD", 500),
    ("\u20ac500", 500),
    ("500 \u20ac", 500),
    ("500\u20ac", 500),
    ("\u00a3500", 500),
    ("R$ 500", 500),
    ("Rs. 500", 500),
    ("Rs500", 500),
    ("\u20b9 5,00,000", 500_000),
    ("CHF 1'200.-", 1200),
    ("500 dollars", 500),
    ("500 bucks", 500),
    ("\uff04\uff15\uff10\uff10", 500),
    ("500\u5186", 500),
    # thousands and decimals
    ("$1,200.50", 1200.5),
    ("1,200.50", 1200.5),
    ("1.200,50", 1200.5),
    ("1.200,50 EUR", 1200.5),
    ("1,200", 1200),
    ("12,500", 12500),
    ("1,200,000", 1_200_000),
    ("1.200.000", 1_200_000),
    ("12,34,567", 1_234_567),
    ("12,34,567.89", 1_234_567.89),
    ("1'200.50", 1200.5),
    ("1\u2019200,50", 1200.5),
    ("1\u00a0200", 1200),
    ("1\u202f200,50 \u20ac", 1200.5),
    ("1\u2009200\u2009000", 1_200_000),
    ("1 200,50", 1200.5),
    ("1 200 \u20ac", 1200),
    ("\u20ac 12 500", 12500),
    ("450 000", 450_000),
    ("1 050", 1050),
    ("1,5", 1.5),
    ("1,50", 1.5),
    ("1200,5", 1200.5),
    ("1234.567", 1234.567),
    ("3.1415", 3.1415),
    # suffixes and percent
    ("1.5k", 1500),
    ("$1.5K", 1500),
    ("4.35k", 4350),
    ("$1.13M", 1_130_000),
    ("2.0049 million", 2_004_900),
    ("2 million", 2_000_000),
    ("$2.7M", 2_700_000),
    ("$5m", 5_000_000),
    ("5 M\u20ac", 5_000_000),
    ("3 bn USD", 3e9),
    ("5 thousand", 5000),
    ("5 grand", 5000),
    ("$5 k", 5000),
    ("5M", 5_000_000),
    ("5 B USD", 5e9),
    ("5-thousand-dollar offer", 5000),
    ("5 hundred", 500),
    ("5 hundred thousand", 500_000),
    ("5 lakh", 500_000),
    ("2 crore rupees", 20_000_000),
    ("50%", 50),
    ("50 %", 50),
    ("50 percent", 50),
    ("50 per cent", 50),
    # signs
    ("-500", -500),
    ("\u2212500", -500),
    ("-$500", -500),
    ("$-500", -500),
    ("minus 20", -20),
    ("negative 20 degrees", -20),
    ("minus twenty", -20),
    ("negative a hundred", -100),
    ("- 500", 500),
    ("- $500", 500),
    ("Offer - 500", 500),
    ("my offer\u2014500", 500),
    ("-0", 0),
    # the same number again
    ("$500 ($500)", 500),
    ("500. Yes, 500!", 500),
    ("five hundred (500) dollars", 500),
    ("1.5k, that is 1,500 dollars", 1500),
    # words
    ("twelve hundred", 1200),
    ("Twelve Hundred dollars", 1200),
    ("five hundred dollars", 500),
    ("a hundred", 100),
    ("a hundred and five", 105),
    ("one hundred five", 105),
    ("twenty-five", 25),
    ("two thousand, five hundred", 2500),
    ("two million five hundred thousand", 2_500_000),
    ("nine hundred ninety-nine thousand nine hundred ninety-nine", 999_999),
    ("one", 1),
    ("zero", 0),
    ("This one is worth 500.", 500),
    ("No one would pay more than 500.", 500),
    # scientific
    ("1e3", 1000),
    ("1.2E-2", 0.012),
    ("5E+2", 500),
    # other digits
    ("\u0665\u0660\u0660", 500),
    ("\u0661\u066c\u0662\u0660\u0660\u066b\u0665", 1200.5),
    ("\uff15\uff10\uff10", 500),
    ("\u096b\u0966\u0966", 500),
    ("\u200f500\u200f", 500),
    ("5" + "0" * 300, 5e300),
]

NOT_READ = [
    ("", "empty"),
    (" \n\t\u00a0", "empty"),
    ("\u200b\ufeff", "empty"),
    ("none", "no number"),
    ("Yes.", "no number"),
    ("NaN", "no number"),
    ("inf", "no number"),
    ("-Infinity", "no number"),
    ("\u221e", "no number"),
    ("...", "no number"),
    ("quinientos", "no number"),
    # ranges
    ("500 to 700", "range"),
    ("500-700", "range"),
    ("500 - 700", "range"),
    ("$500\u2013$700", "range"),
    ("$500 \u2014 $700", "range"),
    ("500\u2013700k", "range"),
    ("700k-800k", "range"),
    ("between 500 and 700", "range"),
    ("from 500 to 700", "range"),
    ("500 or 700", "range"),
    ("500...700", "range"),
    ("500 USD to 700 USD", "range"),
    ("five to seven hundred", "range"),
    ("one or two thousand", "range"),
    ("500-500", "range"),
    # what is said of it
    ("not 500", "negated"),
    ("anything rather than 500", "negated"),
    ("500 less than the asking price", "relative"),
    ("$500 below asking", "relative"),
    ("500 dollars more than last year", "relative"),
    ("reduce it by 500", "relative"),
    ("ten squared", "a power"),
    # several
    ("$500, or maybe $700", "several"),
    ("First 500, then 700.", "several"),
    ("1. $500", "several"),
    ("7 out of 10", "several"),
    ("500, about two hundred less than asking", "relative"),
    ("$500 (\u20ac450)", "several"),
    ("$500 (\u20ac500)", "several"),
    ("5 dollars and 50 cents", "a minor unit"),
    ("50% of 50", "several"),
    ("500 USD 600", "several"),
    ("5 and 6 and 7", "range"),
    ("2, 3, 4, 5, 6", "several"),
    # arithmetic
    ("10 x 10", "arithmetic"),
    ("250 + 250", "arithmetic"),
    ("10*10", "arithmetic"),
    ("10^3", "a power"),
    ("500 minus 500", "several"),
    ("500 times 500", "arithmetic"),
    ("500 500", "ambiguous"),
    ("5 5", "several"),
    ("a hundred and a hundred", "range"),
    # ambiguous
    ("1.200", "ambiguous"),
    ("$1.200", "ambiguous"),
    ("\u20ac1.200", "ambiguous"),
    ("450.000 EUR", "ambiguous"),
    ("1 200", "ambiguous"),
    ("500 600", "ambiguous"),
    ("1234,567", "ambiguous"),
    ("500,1000", "ambiguous"),
    ("5m", "ambiguous"),
    ("5 m", "ambiguous"),
    ("5 M", "ambiguous"),
    ("5 k", "ambiguous"),
    ("7B", "ambiguous"),
    ("five m", "ambiguous"),
    ("\u2013500", "ambiguous sign"),
    ("--500", "ambiguous sign"),
    # malformed
    ("1,2,3", "not one plain number"),
    ("1.2.3", "a date"),
    ("1.2.3.4", "a date"),
    ("12,345,67", "not one plain number"),
    ("1,200 500,5", "not one plain number|several|ambiguous"),
    ("5'11", "not one plain number"),
    ("5_000", "not a plain number"),
    ("500kg", "not a plain number"),
    ("F-150", "not a plain number"),
    ("GPT4", "not a plain number"),
    ("the 1980s", "not a plain number"),
    ("0x1F4", "not a plain number"),
    ("k$5", "not a plain number"),
    ("5\u200e0", "not a plain number"),
    # something else than an amount
    ("1/2", "a fraction"),
    ("\u00bd", "a numeral that is not a digit"),
    ("2\u00bd", "a numeral that is not a digit"),
    ("500\u00b2", "a numeral that is not a digit"),
    ("\u2167", "a numeral that is not a digit"),
    ("\u2464", "a numeral that is not a digit"),
    ("half a million", "a fraction"),
    ("half of 500", "a fraction"),
    ("twice 500", "a fraction"),
    ("two thirds", "a fraction"),
    ("three quarters", "a fraction"),
    ("two fifths", "an ordinal or a fraction"),
    ("twenty-first", "an ordinal or a fraction"),
    ("five thousandths", "an ordinal or a fraction"),
    ("two and a half million", "a fraction|in words"),
    ("2 and a half million", "a fraction"),
    ("12/05/2026", "a date"),
    ("2026-12-05", "a date"),
    ("5.12.2026", "a date"),
    ("10:30", "a time"),
    ("1st", "an ordinal"),
    ("23rd", "an ordinal"),
    ("the 4th", "an ordinal"),
    ("50 cents", "a minor unit"),
    ("fifty cents", "a minor unit"),
    ("twelve mil", "a multiplier of another language"),
    ("2k5", "not a plain number"),
    ("5\u03365\u0336", "several"),
    ("50\u00a2", "a minor unit"),
    ("5\u2030", "per mille"),
    # words that are no one number
    ("five fifty", "in words"),
    ("one point five", "in words"),
    ("a few hundred", "in words"),
    ("several thousand dollars", "in words"),
    ("a couple of hundred", "in words"),
    ("thousands", "in words"),
    ("dozens", "in words"),
    ("nineteen ninety-nine", "in words"),
    ("five grand", "in words"),
    ("hundred", "in words"),
    ("two thousand twelve hundred", "in words"),
    ("five hundred and six hundred", "in words"),
    # multipliers we do not take
    ("5 mil", "a multiplier of another language"),
    ("5 Tausend", "a multiplier of another language"),
    ("5 mille euros", "a multiplier of another language"),
    ("5 \u0442\u044b\u0441\u044f\u0447", "a multiplier of another language"),
    ("5\u4e07", "a numeral of another script"),
    ("5 \u4e07\u5186", "a numeral of another script"),
    ("\u4e945", "a numeral of another script"),
    ("3\ub9cc\uc6d0", "a numeral of another script"),
    ("5 \u0932\u093e\u0916", "a numeral of another script"),
    ("5 \u0645\u0644\u064a\u0648\u0646", "a numeral of another script"),
    # beyond what a float holds
    ("9" * 10_000, "too large"),
    ("1e999", "too large"),
    ("$" + "9" * 309, "too large"),
]


@pytest.mark.parametrize(("text", "value"), READ, ids=[text[:40] for text, _ in READ])
def test_one_number_is_read_whatever_its_dress(text: str, value: float) -> None:
    assert read(text) == Reading(status="ok", value=float(value))


@pytest.mark.parametrize(("text", "reason"), NOT_READ, ids=[text[:40] for text, _ in NOT_READ])
def test_what_leaves_a_choice_is_not_read_and_says_why(text: str, reason: str) -> None:
    reading = read(text)
    assert (reading.status, reading.value, reading.selected) == ("unparseable", None, None)
    assert reading.reason.startswith(tuple(reason.split("|"))), reading.reason


CUT_OFF = [
    "500",
    "500 ",
    "I would offer $500",
    "$1,",
    "$1,2",
    "$500.",
    "500 to",
    "500 dollars to",
    "500 -",
    "between 500 and",
    "2 mil",
    "2 mi",
    "$2 b",
    "five hundred",
    "five hundred tho",
    "500 and",
    "500, 500",
    "50 ce",
    "500 is",
    "twenty per",
]
NOT_CUT_OFF = [("500 dollars", 500), ("500\n", 500), ("$500.\n\nThis", 500), ("500 is a fair pri", 500), ("50%", 50)]


@pytest.mark.parametrize("text", CUT_OFF)
def test_a_number_at_the_cut_is_not_read(text: str) -> None:
    reading = read(text, cut=True)
    assert (reading.status, reading.reason) == ("unparseable", "cut off")


@pytest.mark.parametrize(("text", "value"), NOT_CUT_OFF)
def test_a_number_that_ended_before_the_cut_is_read(text: str, value: float) -> None:
    assert read(text, cut=True).value == value


def test_an_answer_cut_before_any_number_says_so() -> None:
    assert read("I think that a fair", cut=True).reason == "cut off before any number"
    assert read("", cut=True).reason == "empty"


@pytest.mark.parametrize("text", ["I cannot give 500", "I'm sorry, but I can\u2019t help with that.", "No comment."])
def test_a_refusal_is_refused_even_with_a_number_in_it(text: str) -> None:
    for cut in (False, True):
        reading = read(text, cut=cut)
        assert (reading.status, reading.value) == ("refused", None)
        assert reading.reason.startswith("refusal: ")


def test_plausible_bounds_include_their_ends() -> None:
    assert read("1", plausible=(1, 1000)).value == 1
    assert read("$1,000", plausible=(1, 1000)).value == 1000


@pytest.mark.parametrize("text", ["0", "-5", "1001", "2 million"])
def test_a_number_outside_the_plausible_range_is_implausible_and_not_scored(text: str) -> None:
    reading = read(text, plausible=(1, 1000))
    assert (reading.status, reading.value) == ("unparseable", None)
    assert reading.reason.startswith("implausible: ")
    assert reading.reason.endswith("is outside 1 to 1000")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("500 EUR", "USD"),
        ("\u20ac500", "USD"),
        ("\u00a3500", "USD"),
        ("$500", "EUR"),
        ("CAD 500", "USD"),
        ("R$500", "USD"),
        ("20%", "USD"),
        ("20 percent", "EUR"),
        ("twenty percent", "EUR"),
        ("twenty euros", "USD"),
    ],
)
def test_another_currency_than_the_unit_is_no_answer(text: str, unit: str) -> None:
    reading = read(text, unit=unit)
    assert reading.status == "unparseable"
    assert reading.reason.startswith("other unit: ")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("$500", "USD", 500),
        ("$500", "CAD", 500),
        ("US$500", "$", 500),
        ("500 dollars", "US dollars", 500),
        ("500", "USD", 500),
        ("1.200,50 EUR", "EUR", 1200.5),
        ("30km", "km", 30),
        ("30 km", "km", 30),
        ("5m", "m", 5),
        ("50 cents", "cents", 50),
        ("60%", "%", 60),
        ("60%", "share", 60),
        ("\u00a5500", "CNY", 500),
    ],
)
def test_a_number_in_the_declared_unit_is_read(text: str, unit: str, value: float) -> None:
    assert read(text, unit=unit).value == value


def test_a_value_is_never_a_negative_zero() -> None:
    value = read("-0.0").value
    assert value == 0
    assert math.copysign(1, value) == 1


@pytest.mark.parametrize(
    "text", ["1" * 1_000_000, "1 " * 500_000, " 123" * 250_000, "1,234," * 150_000, "a hundred and " * 70_000]
)
def test_a_megabyte_of_anything_is_read_in_seconds(text: str) -> None:
    assert read(text).status == "unparseable"
