"""Planning: components found again, textbook power, and numbers that decide when they are used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import t_quantile
from pytest_biasaudit.stats.power import (
    Components,
    assumed,
    chance_to_decide,
    components,
    degrees_of_freedom,
    detectable,
    people_to_decide,
    standard_error,
    templates_to_decide,
)


def test_components_of_a_large_table_are_found_again() -> None:
    rng = np.random.default_rng(0)
    tables = [
        rng.normal(0, 0.8, (150, 1)) + rng.normal(0, 0.4, (1, 150)) + rng.normal(0, 1.0, (150, 150)) for _ in range(2)
    ]
    found = components(*tables)
    assert found.names == pytest.approx(0.64, rel=0.2)
    assert found.template_by_group == pytest.approx(0.16, rel=0.25)
    assert found.rest == pytest.approx(1.0, rel=0.05)
    assert found.source == "estimated"


def test_the_standard_error_is_the_formula() -> None:
    parts = Components(names=4.0, template_by_group=1.0, rest=8.0)
    # 4 (1/10 + 1/20) + 2 * 1 / 5 + 8 (1/10 + 1/20) / 5 = 0.6 + 0.4 + 0.24
    assert standard_error(parts, people=(10, 20), templates=5) == pytest.approx(1.24**0.5)


def test_with_one_template_it_is_the_two_sample_t_test_of_the_textbook() -> None:
    # Cohen 1988, table 2.3: 64 a group detect 0.5 sd with power 0.80 (two-sided 0.05)
    parts = Components(names=1.0, template_by_group=0.0, rest=0.0)
    assert degrees_of_freedom(parts, people=(64, 64), templates=1) == pytest.approx(126)
    assert detectable(parts, people=(64, 64), templates=1) == pytest.approx(0.50, abs=0.005)


def test_the_chance_is_that_of_the_noncentral_t() -> None:
    parts = Components(names=1.0, template_by_group=0.0, rest=0.0)
    chance = chance_to_decide(parts, distance=0.7, people=(20, 20), templates=1)
    wanted = stats.nct.sf(stats.t.ppf(0.975, 38), 38, 0.7 / (2 / 20) ** 0.5)
    assert chance == pytest.approx(wanted, abs=0.002)


def test_the_detectable_effect_is_detected_with_the_power_asked_for() -> None:
    parts = assumed()
    effect = detectable(parts, people=(16, 16), templates=8, power=0.9)
    assert chance_to_decide(parts, distance=effect, people=(16, 16), templates=8) == pytest.approx(0.9, abs=1e-6)


def test_more_people_and_more_templates_detect_less() -> None:
    effects = [detectable(assumed(), people=(n, n), templates=t) for n, t in ((8, 5), (16, 5), (16, 10), (32, 20))]
    assert effects == sorted(effects, reverse=True)


def test_the_people_named_decide_and_one_fewer_do_not() -> None:
    parts = assumed()
    n = people_to_decide(parts, distance=0.4, templates=10)
    assert n is not None

    def reach(n: int) -> float:
        df = degrees_of_freedom(parts, people=(n, n), templates=10)
        return t_quantile(0.95, df) * standard_error(parts, people=(n, n), templates=10)

    assert reach(n) <= 0.4 < reach(n - 1)


def test_the_templates_named_decide_and_one_fewer_do_not() -> None:
    parts = assumed()
    t = templates_to_decide(parts, distance=0.35, people=16)
    assert t is not None

    def reach(t: int) -> float:
        df = degrees_of_freedom(parts, people=(16, 16), templates=t)
        return t_quantile(0.95, df) * standard_error(parts, people=(16, 16), templates=t)

    assert reach(t) <= 0.35 < reach(t - 1)


def test_people_alone_cannot_decide_what_templates_leave_open() -> None:
    parts = Components(names=1.0, template_by_group=1.0, rest=1.0)
    assert people_to_decide(parts, distance=0.1, templates=5) is None


@pytest.mark.parametrize("distance", [0.0, float("nan"), float("inf")])
def test_an_estimate_at_its_limit_is_decided_by_no_number(distance: float) -> None:
    assert people_to_decide(assumed(), distance=distance, templates=5) is None
    assert templates_to_decide(assumed(), distance=distance, people=5) is None


def test_never_fewer_than_there_are() -> None:
    assert people_to_decide(assumed(), distance=50.0, templates=5, now=16) == 16


def test_components_need_more_than_one_template() -> None:
    with pytest.raises(StatisticsError, match="2 templates"):
        components(np.ones((4, 1)), np.ones((4, 1)))


@pytest.mark.parametrize("power", [0.0, 1.0, 0.02])
def test_a_power_that_means_nothing_is_refused(power: float) -> None:
    with pytest.raises(StatisticsError, match="power"):
        detectable(assumed(), people=(8, 8), templates=4, power=power)


def test_assumed_shares_that_are_none_are_refused() -> None:
    with pytest.raises(StatisticsError, match="shares"):
        assumed(names=0.8, template_by_group=0.4)
