"""The paired gate with the truth known: seldom wrong at the limit, stronger with more people, templates and pairs.

The full tables are in `docs/explanation/paired-gate.md`, written by `versus_gate.py` beside this file.
"""

from __future__ import annotations

import pytest

from pytest_biasaudit.verdict.verdict import Verdict
from tests.numeric.versus_gate import BOUNDS, PAGE, Crossed, crossed, kept, pairs, shares

pytestmark = pytest.mark.slow

REPEATS = 600
MOST = 0.025 + 2.6 * (0.025 * 0.975 / REPEATS) ** 0.5
"""An error rate of 0.025, and what chance may add to it in so many repeats."""


@pytest.mark.parametrize("metric", BOUNDS)
@pytest.mark.parametrize("size", [(8, 5), (24, 12)], ids=str)
def test_a_child_worse_by_exactly_the_limit_is_seldom_within_and_seldom_over(
    metric: str, size: tuple[int, int]
) -> None:
    design = Crossed(metric=metric, people=size[0], templates=size[1], bound=BOUNDS[metric])
    within, over = shares(crossed(design, BOUNDS[metric], repeats=REPEATS, seed=11))
    assert within <= MOST
    assert over <= MOST


@pytest.mark.parametrize("count", [150, 1500])
def test_so_is_a_pair_benchmark(count: int) -> None:
    within, over = shares(pairs(count, 5.0, bound=5.0, churn=0.1, repeats=REPEATS, seed=12))
    assert within <= MOST
    assert over <= MOST


@pytest.mark.parametrize("count", [100, 600])
def test_a_recovery_at_its_limit_is_seldom_within(count: int) -> None:
    found = kept(count, 0.95, bound=0.95, gained=0.2, repeats=REPEATS, seed=13)
    assert found["within"] <= MOST
    assert found["over"] <= MOST


@pytest.mark.parametrize("metric", BOUNDS)
def test_power_grows_with_people_and_templates(metric: str) -> None:
    honest, worse = [], []
    for people, templates in ((8, 5), (24, 12), (72, 36)):
        design = Crossed(metric=metric, people=people, templates=templates, bound=BOUNDS[metric])
        honest.append(shares(crossed(design, 0.0, repeats=150, seed=14))[0])
        worse.append(shares(crossed(design, 3 * BOUNDS[metric], repeats=150, seed=15))[1])
    assert honest[0] < honest[1] < honest[2]
    assert worse[0] < worse[1] < worse[2]
    assert min(honest[2], worse[2]) > 0.6


def test_a_benchmark_of_as_many_pairs_as_published_ones_tells_an_honest_child_from_a_worse_one() -> None:
    assert shares(pairs(1500, 0.0, bound=5.0, churn=0.1, repeats=200, seed=16))[0] > 0.95
    assert shares(pairs(1500, 10.0, bound=5.0, churn=0.1, repeats=200, seed=17))[1] > 0.95


def test_two_askings_that_turn_no_pair_round_are_never_over() -> None:
    assert pairs(300, 0.0, bound=0.0, churn=0.0, repeats=100, seed=18)[Verdict.OVER] == 0


def test_the_page_names_what_is_enough() -> None:
    assert "## What gives 80 %" in PAGE.read_text(encoding="utf-8")
