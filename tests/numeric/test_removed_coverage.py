"""A part of docs/explanation/bias-removed.md in every run, and what its tables promise. Fixed seeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _simulations() -> ModuleType:
    """`removed_coverage.py` beside this file, which stands alone."""
    name = "biasaudit_removed_coverage"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("removed_coverage.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SIMULATED = _simulations()
REPEATS = 250
NOISE = 0.028
"""Two standard errors of a share of 0.95 in 250 repeats: how far a cell may lie outside 93 to 98 % by chance."""


def rows(name: str) -> list[list[str]]:
    """A table of the page, without its head."""
    text = SIMULATED.PAGE.read_text(encoding="utf-8")
    table = text.partition(f"<!-- rows: {name} -->")[2].partition("<!-- end -->")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("removed", [0.0, 0.9, -0.5])
@pytest.mark.parametrize("place", [10, 16, 22], ids=str)
def test_a_share_removed_is_bounded_about_as_often_as_is_said(place: int, removed: float) -> None:
    held = SIMULATED.covered(SIMULATED.DESIGNS[place], removed, of="smd", repeats=REPEATS, seed=8000 + place)
    assert held.right >= 0.93 - NOISE
    assert held.right <= 0.98 + NOISE


@pytest.mark.parametrize("of", ["smd", "mean_difference"])
def test_exactly_the_least_share_passes_no_more_often_than_an_interval_errs(of: str) -> None:
    held = SIMULATED.covered(SIMULATED.DESIGNS[22], 0.3, of=of, repeats=REPEATS, seed=8100)
    assert held.passed <= 0.025 + 0.02  # two standard errors of 0.025 in 250
    assert SIMULATED.covered(SIMULATED.DESIGNS[22], 0.9, of=of, repeats=60, seed=8101).passed > 0.6


def test_a_share_of_what_may_be_nothing_is_hardly_ever_said() -> None:
    several = next(one for one in SIMULATED.SEVERAL if one.kind == "none")
    found = SIMULATED.over_several(several, 0.0, repeats=150, seed=8200)
    assert found.removed.said <= 0.025 + 0.026
    assert found.bias.too_low <= 0.025 + 0.026  # above 0 where nothing is there
    assert found.bias.too_high == 0.0
    assert found.found == pytest.approx(found.chance, rel=0.1)


@pytest.mark.parametrize("removed", [0.0, 0.9])
def test_limits_over_variations_hold_the_mean_of_the_true_gaps(removed: float) -> None:
    for several in SIMULATED.SEVERAL[-3:-1]:
        found = SIMULATED.over_several(several, removed, repeats=120, seed=8300)
        assert found.removed.right >= 0.93 - 0.04
        assert max(found.bias.too_low, found.bias.too_high) <= 0.025 + 0.03


def test_the_page_keeps_what_it_promises() -> None:
    for name in ("smd", "mean_difference"):
        table = rows(name)
        assert len(table) == (24 if name == "smd" else 8)
        for row in table:
            for share in row[4:8]:
                assert 0.92 <= float(share) <= 1.0, row
    right = [float(share) for name in ("smd", "mean_difference") for row in rows(name) for share in row[4:8]]
    assert sum(right) / len(right) > 0.945
    for row in rows("passes"):
        assert max(float(row[3]), float(row[4])) <= 0.025 + 0.02, row
        assert float(row[5]) > float(row[4]), row
    for row in rows("variations"):
        assert max(float(row[6]), float(row[7])) <= 0.025 + 0.025, row
    for row in rows("variations-removed"):
        if row[2] == "none":
            assert float(row[3]) <= 0.05, row
        else:
            assert min(float(share) for share in row[4:8]) >= 0.93, row
