from __future__ import annotations

import math
import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_biasaudit.outcomes.number import read_number
from pytest_biasaudit.outcomes.outcome import Reading

PIECES = st.sampled_from(
    [
        *"0123456789.,'-+/%$:^_ \n()",
        "\u00a0",
        "\u202f",
        "\u2013",
        "\u20ac",
        "\u200f",
        "\u00bd",
        "\u0665",
        "\uff15",
        "\u4e07",
        "500",
        "1,200",
        "1.200",
        "1e9",
        "k",
        "M",
        " million",
        " hundred",
        " and ",
        " to ",
        "one",
        "five",
        " thousand",
        "half ",
        "minus ",
        "USD",
        " EUR",
        " cents",
        "I cannot ",
        "give ",
        "more than ",
        "st",
        "\ud800",
        "\x00",
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join))
UNITS = st.sampled_from(["", "USD", "%", "km", "m"])


def check(reading: Reading) -> None:
    if reading.status == "ok":
        assert reading.value is not None
        assert math.isfinite(reading.value)
        assert reading.reason == ""
    else:
        assert reading.status in ("refused", "unparseable")
        assert reading.value is None
        assert reading.reason


@settings(max_examples=1500, deadline=None)
@given(text=TEXTS, cut=st.booleans(), unit=UNITS)
def test_any_text_is_read_or_says_why_not(text: str, cut: bool, unit: str) -> None:
    check(read_number(text, cut=cut, plausible=None, unit=unit))
    bounded = read_number(text, cut=cut, plausible=(1, 1000), unit=unit)
    check(bounded)
    assert bounded.value is None or 1 <= bounded.value <= 1000


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_a_cut_never_makes_a_text_say_more(text: str) -> None:
    whole, cut = (read_number(text, cut=cut, plausible=None) for cut in (False, True))
    assert cut.value in (None, whole.value)
    assert (cut.status == "refused") == (whole.status == "refused")


def in_locale(number: int, hundredths: int, group: str, decimal: str) -> str:
    return f"{number:,}".replace(",", group) + f"{decimal}{hundredths:02d}"


@settings(max_examples=500, deadline=None)
@given(
    number=st.integers(min_value=0, max_value=10**12),
    hundredths=st.integers(min_value=0, max_value=99),
    locale=st.sampled_from(
        [(",", "."), (".", ","), ("'", "."), ("\u2019", ","), ("\u00a0", ","), ("\u202f", ","), (" ", ","), ("", ".")]
    ),
    dress=st.sampled_from(["{}", "${}", "{} \u20ac", "EUR {}", "about {}.", "I'd offer {} for it", "**{}**", "-{}"]),
)
def test_a_number_written_in_any_locale_is_read_back(
    number: int, hundredths: int, locale: tuple[str, str], dress: str
) -> None:
    text = dress.format(in_locale(number, hundredths, *locale))
    sign = -1 if dress == "-{}" else 1
    assert read_number(text, cut=False, plausible=None) == Reading(
        status="ok", value=sign * float(f"{number}.{hundredths:02d}") + 0.0
    )


@settings(max_examples=300, deadline=None)
@given(number=st.integers(min_value=0, max_value=10**9), seed=st.integers())
def test_digits_of_every_script_are_the_same_digits(number: int, seed: int) -> None:
    starts = [0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE]
    start = random.Random(seed).choice(starts)
    text = "".join(chr(start + int(digit)) for digit in str(number))
    assert read_number(text, cut=False, plausible=None).value == number


@settings(max_examples=300, deadline=None)
@given(one=st.integers(0, 10**7), other=st.integers(0, 10**7), between=st.sampled_from([" ", "; ", " or ", "-", "\n"]))
def test_two_different_numbers_are_never_read_as_one(one: int, other: int, between: str) -> None:
    assume(one != other)
    text = f"{one}{between}{other}"
    reading = read_number(text, cut=False, plausible=None)
    spelled_as_one = between == " " and len(str(other)) == 3 and one > 0
    assert reading.value is None or (spelled_as_one and reading.value == float(f"{one}{other}")), text
