"""Holm's adjustment: by hand, and what is no p value."""

from __future__ import annotations

import math

import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.multiplicity import holm


def test_a_family_of_four_by_hand() -> None:
    # sorted 0.005 0.01 0.03 0.04: times 4, 3, 2, 1 = 0.02 0.03 0.06 0.04, the last raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_family_of_one_is_as_it_was() -> None:
    assert holm([0.03]) == [0.03]


def test_an_empty_family_is_empty() -> None:
    assert holm([]) == []


def test_adjusted_values_stay_probabilities_and_in_order() -> None:
    assert holm([0.6, 0.7, 1.0]) == [1.0, 1.0, 1.0]


def test_equal_values_are_adjusted_alike() -> None:
    assert holm([0.02, 0.02, 0.5]) == pytest.approx([0.06, 0.06, 0.5])


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.5, math.inf])
def test_what_is_no_probability_is_refused_and_never_dropped(wrong: float) -> None:
    with pytest.raises(StatisticsError, match="place 1 of 2"):
        holm([0.1, wrong])
