"""How often verdicts err when the truth is known: simulated estimates with the interval a t distribution gives them.

The statistics under the intervals have their own simulations; here is checked what the rules make of intervals that
cover as often as they say.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import Held, judge_limits
from pytest_biasaudit.verdict.verdict import Verdict

WHERE = Where(context="c", audit="a", model="m", file="c.bias.toml")
REPEATS = 1000
DF, ERROR = 12, 0.1


def drawn(truth: float, rng: np.random.Generator, *, group: str = "b", with_error: bool = True) -> Estimate:
    """An estimate of `truth`, normal with an estimated standard error of 12 degrees of freedom."""
    value = float(rng.normal(truth, ERROR))
    error = float(ERROR * np.sqrt(rng.chisquare(DF) / DF))
    reach = float(stats.t.ppf(0.975, DF)) * error
    return Estimate(
        metric="smd",
        attribute="race",
        groups=("a", group),
        value=value,
        interval=Interval(low=value - reach, high=value + reach, level=0.95, method="t"),
        p=None,
        p_adjusted=None,
        n=100,
        people=20,
        templates=10,
        missing=0,
        by_group=(),
        standard_error=error if with_error else None,
        df=DF if with_error else None,
    )


def share_red(rng: np.random.Generator, *, limits: int, groups: int, truth: float, bound: float, rule: str) -> float:
    """How often a context of so many limits, each with so many comparisons, is red."""
    red = 0
    for _ in range(REPEATS):
        held: list[Held] = [
            (
                Limit(id=f"l{k}", metric="smd", attributes=("race",), max=bound, rule=rule),  # type: ignore[arg-type]
                [drawn(truth, rng, group=f"g{g}") for g in range(groups)],
            )
            for k in range(limits)
        ]
        red += any(one.verdict is Verdict.OVER for one in judge_limits(held, metrics=METRICS, where=WHERE))
    return red / REPEATS


@pytest.mark.parametrize(("limits", "groups"), [(1, 1), (1, 6), (4, 3)])
def test_lower_limits_on_equal_groups_redden_a_context_as_seldom_as_declared(limits: int, groups: int) -> None:
    rng = np.random.default_rng(20_260_801)
    rate = share_red(rng, limits=limits, groups=groups, truth=0.0, bound=0.0, rule="lower")
    assert rate <= 0.05 + 3 * (0.05 * 0.95 / REPEATS) ** 0.5  # 3 standard errors of the simulation: 0.071


def test_without_adjustment_twelve_equal_comparisons_would_redden_almost_half() -> None:
    rng = np.random.default_rng(20_260_801)
    alone = [
        any(abs(one.value or 0) > (one.standard_error or 0) * stats.t.ppf(0.975, DF) for one in many)
        for many in ([drawn(0.0, rng) for _ in range(12)] for _ in range(REPEATS))
    ]
    assert np.mean(alone) == pytest.approx(1 - 0.95**12, abs=0.04)  # 0.46


def test_lower_limits_find_what_is_there() -> None:
    rng = np.random.default_rng(20_260_802)
    assert share_red(rng, limits=1, groups=6, truth=0.6, bound=0.1, rule="lower") > 0.95


@pytest.mark.parametrize(("limits", "groups"), [(1, 1), (3, 2)])
def test_a_context_that_breaks_one_limit_is_green_as_seldom_as_declared(limits: int, groups: int) -> None:
    rng = np.random.default_rng(20_260_803)
    green = 0
    for _ in range(REPEATS):
        # One comparison of one limit lies exactly at its limit, the worst case; all others are truly zero.
        held: list[Held] = []
        for k in range(limits):
            limit = Limit(id=f"l{k}", metric="smd", attributes=("race",), max=1.0)
            held.append((limit, [drawn(1.0 if k == g == 0 else 0.0, rng, group=f"g{g}") for g in range(groups)]))
        green += all(one.verdict is Verdict.WITHIN for one in judge_limits(held, metrics=METRICS, where=WHERE))
    assert green / REPEATS <= 0.05


def test_a_fair_context_turns_green_when_there_is_enough_data() -> None:
    rng = np.random.default_rng(20_260_804)
    limit = Limit(id="l", metric="smd", attributes=("race",), max=0.6)
    verdicts = [
        judge_limits([(limit, [drawn(0.0, rng) for _ in range(3)])], metrics=METRICS, where=WHERE)[0].verdict
        for _ in range(REPEATS)
    ]
    assert verdicts.count(Verdict.WITHIN) / REPEATS > 0.95
