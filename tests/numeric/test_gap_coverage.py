"""A part of docs/explanation/gaps-of-classifiers.md in every run, and what its tables promise. Fixed seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from pytest_biasaudit.stats.two_proportions import Between, difference, ratio
from tests.numeric import gap_coverage as simulated
from tests.page_tables import rows_of

REPEATS = 100
NOISE = 0.044
"""Two standard errors of a share of 0.95 in 100 repeats."""


@pytest.mark.parametrize("which", [difference, ratio], ids=["difference", "ratio"])
@pytest.mark.parametrize(("n0", "n1"), list(itertools.combinations_with_replacement((5, 10, 20, 50), 2)))
def test_two_shares_are_bounded_as_often_as_is_said_in_every_cell_counted_exactly(
    which: Callable[..., Between], n0: int, n1: int
) -> None:
    for *rates, held in simulated.exactly(n0, n1, which):
        assert held.right >= 0.935, rates
        assert max(held.too_low, held.too_high) <= 0.065, rates


@pytest.mark.parametrize("name", simulated.OF_WORLDS)
@pytest.mark.parametrize("place", [2, 9], ids=["cells of 5", "10 clusters"])
def test_every_figure_of_two_groups_is_bounded_about_as_often_as_is_said(place: int, name: str) -> None:
    held = simulated.covered(name, simulated.WORLDS[place], repeats=REPEATS // 2, seed=40)
    assert held.right >= 0.95 - 1.5 * NOISE


@pytest.mark.parametrize("name", simulated.OF_WORLDS[3:6])
def test_a_spread_over_seven_groups_is_bounded_whatever_pair_is_furthest_apart(name: str) -> None:
    for place in (5, 6):
        held = simulated.covered(name, simulated.WORLDS[place], repeats=REPEATS // 2, seed=41)
        assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("place", [0, 1, 3, 5])
def test_the_true_root_mean_square_is_bounded_also_where_there_is_no_gap(place: int) -> None:
    held = simulated.covered_over_labels("rms_tpr_gap", simulated.MANY[place], repeats=REPEATS, seed=42)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("place", [5, 6])
def test_the_true_correlation_with_prevalence_is_bounded(place: int) -> None:
    name = "tpr_gap_prevalence_correlation"
    held = simulated.covered_over_labels(name, simulated.MANY[place], repeats=REPEATS, seed=43)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("design", simulated.PAIRED, ids=str)
def test_the_rise_over_another_model_is_bounded(
    design: tuple[tuple[float, float], tuple[float, float], int, float],
) -> None:
    c, p, cells, together = design
    held = simulated.covered_increase(c, p, cells, together=together, repeats=REPEATS, seed=44)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("groups", [2, 7, 14])
def test_groups_that_are_alike_redden_a_context_no_more_often_than_its_level_allows(groups: int) -> None:
    share = simulated.red(simulated.GAPS, groups, 20, 0.5, repeats=50, seed=45)
    assert share <= 0.05 + 0.062  # two standard errors in 50


def test_the_page_promises_what_the_tests_hold() -> None:
    for _, cell, least, _, tail in rows_of(simulated.PAGE, "two-shares"):
        assert int(cell) in simulated.CELLS
        assert float(least) >= 93.5
        assert float(tail) <= 6.5
    for table, columns in (("worlds", 2), ("labels", 2), ("paired", 4)):
        found = rows_of(simulated.PAGE, table)
        assert found
        for row in found:
            assert float(row[columns]) >= 93.0, row
    assert rows_of(simulated.PAGE, "alarms")
    for row in rows_of(simulated.PAGE, "alarms"):
        assert float(row[-1]) <= 5.0 + 2.2, row  # two standard errors of 0.05 in 400
