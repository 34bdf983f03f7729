from __future__ import annotations

import pytest

from pytest_biasaudit.outcomes.numberwords import cardinal, numbers_in_words

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def spoken(number: int) -> str:
    """English for a number below a quadrillion, by the schoolbook: apart from the grammar under test."""
    small, tens = _SMALL.split(), _TENS.split()
    for scale, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if number >= scale:
            rest = number % scale
            return f"{spoken(number // scale)} {name}" + (f" {spoken(rest)}" if rest else "")
    if number >= 100:
        return f"{small[number // 100]} hundred" + (f" and {spoken(number % 100)}" if number % 100 else "")
    if number >= 20:
        return tens[number // 10 - 2] + (f"-{small[number % 10]}" if number % 10 else "")
    return small[number]


NUMBERS = [*range(1200), *(7 * 10**k + d for k in range(3, 15) for d in (0, 1, 10, 99, 100, 999)), 123456789012345]


def test_every_number_that_can_be_spoken_is_heard() -> None:
    for number in NUMBERS:
        (found,) = numbers_in_words(spoken(number))
        assert found.value == number, spoken(number)
        assert (found.start, found.end) == (0, len(spoken(number)))


@pytest.mark.parametrize("hundreds", [*range(11, 20), *range(21, 30), 99])
def test_eleven_to_ninety_nine_hundreds_are_numbers(hundreds: int) -> None:
    (found,) = numbers_in_words(f"{spoken(hundreds)} hundred")
    assert found.value == hundreds * 100


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["hundred"],
        ["thousand"],
        ["twenty", "twelve"],
        ["five", "fifty"],
        ["five", "zero"],
        ["zero", "hundred"],
        ["two", "thousand", "three", "million"],
        ["two", "thousand", "three", "thousand"],
        ["twelve", "hundred", "thousand"],
        ["two", "thousand", "twelve", "hundred"],
        ["five", "hundred", "hundred"],
        ["one", "point", "five"],
    ],
)
def test_words_that_are_no_cardinal_have_no_value(words: list[str]) -> None:
    assert cardinal(words) is None


def test_and_joins_only_behind_a_hundred_or_a_scale() -> None:
    assert [found.value for found in numbers_in_words("five and six")] == [5, 6]
    assert [found.value for found in numbers_in_words("two hundred and six")] == [206]
    assert [found.value for found in numbers_in_words("one thousand and one")] == [1001]
    assert [found.value for found in numbers_in_words("five hundred and a bike")] == [500]


def test_a_list_of_words_is_several_numbers() -> None:
    assert [found.value for found in numbers_in_words("five, six, seven")] == [5, 6, 7]


def test_number_words_inside_other_words_are_none() -> None:
    assert list(numbers_in_words("someone tenfold often weight oneself élone five5")) == []


def test_the_bare_word_one_is_marked() -> None:
    (found,) = numbers_in_words("this one is good")
    assert found.alone_one
