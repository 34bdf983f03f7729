"""A part of docs/explanation/coverage.md in every run: the cells where other intervals fail most. Fixed seeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _simulations() -> ModuleType:
    """`coverage.py` beside this file, under a name that cannot be taken for the coverage package."""
    spec = importlib.util.spec_from_file_location(
        "biasaudit_coverage_simulations", Path(__file__).with_name("coverage.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SIMULATED = _simulations()
REPEATS = 400
NOISE = 0.022
"""Two standard errors of a share of 0.95 in 400 repeats: how far a cell may lie outside 93 to 98 % by chance."""


@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["all cells", "20 % missing"])
@pytest.mark.parametrize("place", [0, 2, 5, 6])
@pytest.mark.parametrize("case", SIMULATED.MAIN[:3], ids=lambda case: case.metric)
def test_intervals_hold_the_truth_about_as_often_as_they_say(case: object, place: int, missing: float) -> None:
    share = SIMULATED.covered(case, SIMULATED.DESIGNS[place], missing=missing, repeats=REPEATS, seed=7000 + place)
    assert 0.93 - NOISE <= share <= 0.98 + NOISE


@pytest.mark.parametrize("place", [2, 6])
def test_the_folded_ratios_interval_does_too(place: int) -> None:
    share = SIMULATED.covered(SIMULATED.MAIN[3], SIMULATED.DESIGNS[place], missing=0.2, repeats=REPEATS, seed=7100)
    assert 0.93 - NOISE <= share <= 0.98 + NOISE


def test_resampling_one_thing_alone_fails_where_the_crossed_interval_holds() -> None:
    by_names = SIMULATED.other_ways(SIMULATED.DESIGNS[1], repeats=100, seed=7200)
    by_templates = SIMULATED.other_ways(SIMULATED.DESIGNS[3], repeats=100, seed=7201)
    assert max(by_names["rows"], by_names["templates"], by_templates["rows"], by_templates["names"]) < 0.8
    assert min(by_names["crossed t"], by_templates["crossed t"]) > 0.88


@pytest.mark.parametrize("groups", [2, 7, 14])
def test_equal_groups_raise_a_false_alarm_no_more_often_than_declared(groups: int) -> None:
    raw, adjusted = SIMULATED.false_alarms("mean_difference", groups, repeats=300, seed=7300)
    assert adjusted <= 0.05 + 0.025  # two standard errors of 0.05 in 300
    assert raw >= adjusted


def test_a_bias_on_its_limit_is_rarely_called_within() -> None:
    for case in SIMULATED.MAIN:
        assert SIMULATED.false_greens(case.metric, SIMULATED.DESIGNS[3], repeats=200, seed=7400) <= 0.05 + 0.03


@pytest.mark.parametrize(("people", "templates"), [(16, 5), (16, 10), (32, 20)])
def test_power_is_what_the_plan_predicts(people: int, templates: int) -> None:
    predicted, found = SIMULATED.power(people, templates, distance=0.4, repeats=400, seed=7500)
    assert found == pytest.approx(predicted, abs=0.07)  # two standard errors of a share of one half are 0.05


@pytest.mark.parametrize("change", [0.0, 0.001])
def test_the_same_model_twice_is_never_over(change: float) -> None:
    _, over = SIMULATED.versus(0.3, 0.3, change=change, people=16, templates=8, repeats=200, seed=7600)
    assert over == 0.0


def test_a_paired_increase_holds_the_truth() -> None:
    share, _ = SIMULATED.versus(1.2, 0.6, change=0.3, people=16, templates=8, repeats=400, seed=7700)
    assert share >= 0.93 - NOISE
