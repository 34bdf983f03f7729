"""A part of docs/explanation/gaps-of-classifiers.md in every run, and what its tables promise. Fixed seeds."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytest_biasaudit.stats.two_proportions import difference, ratio


def _simulations() -> ModuleType:
    """`gap_coverage.py` beside this file, which stands alone."""
    name = "biasaudit_gap_coverage"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("gap_coverage.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SIMULATED = _simulations()
REPEATS = 100
NOISE = 0.044
"""Two standard errors of a share of 0.95 in 100 repeats."""


def rows(name: str) -> list[list[str]]:
    """A table of the page, without its head."""
    text = SIMULATED.PAGE.read_text(encoding="utf-8")
    table = text.partition(f"<!-- rows: {name} -->")[2].partition("<!-- end -->")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("which", [difference, ratio], ids=["difference", "ratio"])
@pytest.mark.parametrize(("n0", "n1"), list(itertools.combinations_with_replacement((5, 10, 20, 50), 2)))
def test_two_shares_are_bounded_as_often_as_is_said_in_every_cell_counted_exactly(
    which: object, n0: int, n1: int
) -> None:
    for *rates, held in SIMULATED.exactly(n0, n1, which):
        assert held.right >= 0.935, rates
        assert max(held.too_low, held.too_high) <= 0.065, rates


@pytest.mark.parametrize("name", SIMULATED.OF_WORLDS)
@pytest.mark.parametrize("place", [2, 9], ids=["cells of 5", "10 clusters"])
def test_every_figure_of_two_groups_is_bounded_about_as_often_as_is_said(place: int, name: str) -> None:
    held = SIMULATED.covered(name, SIMULATED.WORLDS[place], repeats=REPEATS // 2, seed=40)
    assert held.right >= 0.95 - 1.5 * NOISE


@pytest.mark.parametrize("name", SIMULATED.OF_WORLDS[3:6])
def test_a_spread_over_seven_groups_is_bounded_whatever_pair_is_furthest_apart(name: str) -> None:
    for place in (5, 6):
        held = SIMULATED.covered(name, SIMULATED.WORLDS[place], repeats=REPEATS // 2, seed=41)
        assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("place", [0, 1, 3, 5])
def test_the_true_root_mean_square_is_bounded_also_where_there_is_no_gap(place: int) -> None:
    held = SIMULATED.covered_over_labels("rms_tpr_gap", SIMULATED.MANY[place], repeats=REPEATS, seed=42)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("place", [5, 6])
def test_the_true_correlation_with_prevalence_is_bounded(place: int) -> None:
    name = "tpr_gap_prevalence_correlation"
    held = SIMULATED.covered_over_labels(name, SIMULATED.MANY[place], repeats=REPEATS, seed=43)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("design", SIMULATED.PAIRED, ids=str)
def test_the_rise_over_another_model_is_bounded(design: tuple[object, ...]) -> None:
    c, p, cells, together = design
    held = SIMULATED.covered_increase(c, p, cells, together=together, repeats=REPEATS, seed=44)
    assert held.right >= 0.95 - NOISE


@pytest.mark.parametrize("groups", [2, 7, 14])
def test_groups_that_are_alike_redden_a_context_no_more_often_than_its_level_allows(groups: int) -> None:
    share = SIMULATED.red(SIMULATED.GAPS, groups, 20, 0.5, repeats=50, seed=45)
    assert share <= 0.05 + 0.062  # two standard errors in 50


def test_the_page_promises_what_the_tests_hold() -> None:
    for _, cell, least, _, tail in rows("two-shares"):
        assert int(cell) in SIMULATED.CELLS
        assert float(least) >= 93.5
        assert float(tail) <= 6.5
    for table, columns in (("worlds", 2), ("labels", 2), ("paired", 4)):
        found = rows(table)
        assert found
        for row in found:
            assert float(row[columns]) >= 93.0, row
    assert rows("alarms")
    for row in rows("alarms"):
        assert float(row[-1]) <= 5.0 + 2.2, row  # two standard errors of 0.05 in 400
