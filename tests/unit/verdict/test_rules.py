"""Each rule, at its boundary and off it, one comparison at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.verdict.judge import verdict_of
from pytest_biasaudit.verdict.verdict import Verdict

Estimated = Callable[..., Estimate]
SMD, ANSWERED, IMPACT, MEANS = METRICS["smd"], METRICS["answer_rate"], METRICS["impact_ratio"], METRICS["mean_ratio"]
UPPER = Limit(id="l", metric="smd", attributes=("race",), max=0.2)
LOWER = replace(UPPER, rule="lower")
POINT = replace(UPPER, rule="point")


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.1, 0.05, 0.15, Verdict.WITHIN),
        (0.0, -0.2, 0.2, Verdict.WITHIN),  # ends on the limit are within it
        (-0.1, -0.15, -0.05, Verdict.WITHIN),
        (0.1, -0.05, 0.21, Verdict.INCONCLUSIVE),
        (0.3, 0.2, 0.4, Verdict.INCONCLUSIVE),  # an end on the limit is not beyond it
        (0.3, 0.1, 0.5, Verdict.INCONCLUSIVE),
        (0.3, 0.21, 0.4, Verdict.OVER),
        (-0.3, -0.4, -0.21, Verdict.OVER),  # the size counts, not the sign
        (0.0, -0.5, 0.5, Verdict.INCONCLUSIVE),
        (0.0, -0.5, 0.1, Verdict.INCONCLUSIVE),
        (0.3, 0.25, math.inf, Verdict.OVER),
        (0.1, 0.05, math.inf, Verdict.INCONCLUSIVE),
    ],
)
def test_upper_is_within_only_when_the_whole_interval_is(
    estimated: Estimated, value: float, low: float, high: float, expected: Verdict
) -> None:
    assert verdict_of(estimated(value, low, high), UPPER, SMD)[0] is expected


def test_lower_is_over_only_with_an_interval_beyond_and_an_adjusted_p(estimated: Estimated) -> None:
    beyond = estimated(0.3, 0.21, 0.4)
    assert verdict_of(beyond, LOWER, SMD, p_adjusted=0.05)[0] is Verdict.OVER
    assert verdict_of(beyond, LOWER, SMD, p_adjusted=0.051)[0] is Verdict.WITHIN
    assert verdict_of(beyond, LOWER, SMD, p_adjusted=None)[0] is Verdict.WITHIN
    assert verdict_of(estimated(0.3, 0.2, 0.4), LOWER, SMD, p_adjusted=0.0)[0] is Verdict.WITHIN


def test_point_asks_the_estimate_alone(estimated: Estimated) -> None:
    assert verdict_of(estimated(0.2), POINT, SMD)[0] is Verdict.WITHIN
    assert verdict_of(estimated(-0.2000001, -9, 9), POINT, SMD)[0] is Verdict.OVER


@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(None, None, None), (math.nan, 0.0, 0.1), (math.inf, 0.0, 0.1), (-math.inf, 0.0, 0.1)],
)
def test_no_rule_judges_a_value_that_is_not_there(
    estimated: Estimated, rule: str, value: float | None, low: float | None, high: float | None
) -> None:
    limit = replace(UPPER, rule=rule)  # type: ignore[arg-type]  # parametrised in plain text
    assert verdict_of(estimated(value, low, high), limit, SMD, p_adjusted=0.0)[0] is Verdict.NOT_MEASURED


@pytest.mark.parametrize("rule", ["upper", "lower"])
@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (math.nan, 0.1), (0.0, math.nan), (math.nan, math.nan), (0.1, 0.0)]
)
def test_rules_about_intervals_need_a_real_one(
    estimated: Estimated, rule: str, low: float | None, high: float | None
) -> None:
    limit = replace(UPPER, rule=rule)  # type: ignore[arg-type]  # parametrised in plain text
    assert verdict_of(estimated(0.05, low, high), limit, SMD, p_adjusted=0.0)[0] is Verdict.NOT_MEASURED


def test_an_interval_of_a_lower_level_than_declared_does_not_serve(estimated: Estimated) -> None:
    narrow = estimated(0.1, 0.05, 0.15, level=0.9)
    verdict, reason = verdict_of(narrow, UPPER, SMD)
    assert verdict is Verdict.NOT_MEASURED
    assert "0.9" in reason
    assert verdict_of(narrow, replace(UPPER, level=0.9), SMD)[0] is Verdict.WITHIN


@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
def test_one_template_is_inconclusive_at_best_unless_accepted(estimated: Estimated, rule: str) -> None:
    limit = replace(UPPER, rule=rule)  # type: ignore[arg-type]  # parametrised in plain text
    names_only = estimated(0.1, 0.05, 0.15, templates=1)
    assert verdict_of(names_only, limit, SMD, p_adjusted=1.0)[0] is Verdict.INCONCLUSIVE
    accepted = replace(limit, accept_one_template=True)
    assert verdict_of(names_only, accepted, SMD, p_adjusted=1.0)[0] is Verdict.WITHIN
    over = estimated(0.5, 0.4, 0.6, templates=1)
    assert verdict_of(over, limit, SMD, p_adjusted=0.0)[0] is Verdict.OVER


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.95, 0.9, 0.98, Verdict.WITHIN),
        (0.95, 0.89, 0.98, Verdict.INCONCLUSIVE),
        (0.8, 0.7, 0.9, Verdict.INCONCLUSIVE),
        (0.8, 0.7, 0.89, Verdict.OVER),
    ],
)
def test_a_minimum_is_held_against_the_value(
    estimated: Estimated, value: float, low: float, high: float, expected: Verdict
) -> None:
    limit = Limit(id="l", metric="answer_rate", attributes=(), min=0.9)
    rate = estimated(value, low, high, metric="answer_rate", group=None)
    assert verdict_of(rate, limit, ANSWERED)[0] is expected


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.95, 0.85, 1.0, Verdict.WITHIN),
        (0.85, 0.79, 0.92, Verdict.INCONCLUSIVE),
        (0.6, 0.5, 0.7, Verdict.OVER),
        (0.0, 0.0, 0.3, Verdict.OVER),
    ],
)
def test_the_four_fifths_rule_is_a_minimum_on_the_impact_ratio(
    estimated: Estimated, value: float, low: float, high: float, expected: Verdict
) -> None:
    limit = Limit(id="l", metric="impact_ratio", attributes=("race",), min=0.8)
    assert verdict_of(estimated(value, low, high, metric="impact_ratio"), limit, IMPACT)[0] is expected


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (1.1, 0.9, 1.2, Verdict.WITHIN),
        (0.9, 0.8, 1.05, Verdict.WITHIN),  # 1/0.8 = 1.25, on the limit
        (0.9, 0.79, 1.05, Verdict.INCONCLUSIVE),
        (1.4, 1.26, 1.6, Verdict.OVER),
        (0.6, 0.5, 0.7, Verdict.OVER),  # 1/0.7 = 1.43
        (1.0, 0.5, 2.0, Verdict.INCONCLUSIVE),
        (0.0, 0.0, 0.5, Verdict.OVER),
    ],
)
def test_a_maximum_on_a_ratio_counts_its_inverse_too(
    estimated: Estimated, value: float, low: float, high: float, expected: Verdict
) -> None:
    limit = Limit(id="l", metric="mean_ratio", attributes=("race",), max=1.25)
    ratio = estimated(value, low, high, metric="mean_ratio")
    assert verdict_of(ratio, limit, MEANS)[0] is expected
    mirrored = replace(limit, max=None, min=0.8)
    assert verdict_of(ratio, mirrored, MEANS)[0] is expected


def test_a_negative_ratio_is_not_measured(estimated: Estimated) -> None:
    limit = Limit(id="l", metric="mean_ratio", attributes=("race",), max=1.25)
    assert verdict_of(estimated(-1.0, -1.2, -0.9, metric="mean_ratio"), limit, MEANS)[0] is Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.0, -0.1, 0.1, Verdict.WITHIN),
        (-0.5, -0.6, -0.4, Verdict.WITHIN),  # less bias than the parent is no harm
        (0.05, -0.1, 0.2, Verdict.INCONCLUSIVE),
        (0.3, 0.2, 0.4, Verdict.OVER),
    ],
)
def test_a_change_is_within_only_when_its_upper_end_stays_under_the_margin(
    estimated: Estimated, value: float, low: float, high: float, expected: Verdict
) -> None:
    limit = Limit(id="l", metric="smd", attributes=("race",), versus="parent", max_increase=0.1)
    assert verdict_of(estimated(value, low, high, versus="parent"), limit, SMD)[0] is expected


def test_a_probability_is_judged_by_its_distance_from_one_half(estimated: Estimated) -> None:
    limit = Limit(id="l", metric="mann_whitney", attributes=("race",), max=0.1)
    metric = METRICS["mann_whitney"]
    assert verdict_of(estimated(0.45, 0.41, 0.49), limit, metric)[0] is Verdict.WITHIN
    assert verdict_of(estimated(0.3, 0.2, 0.39), limit, metric)[0] is Verdict.OVER
    assert verdict_of(estimated(0.0, 0.0, 0.09), limit, metric)[0] is Verdict.OVER


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        (Limit(id="l", metric="smd", attributes=("race",), min=0.2), "minimum"),
        (Limit(id="l", metric="smd", attributes=("race",), max=math.nan), "finite"),
        (Limit(id="l", metric="smd", attributes=("race",), max=math.inf), "finite"),
        (Limit(id="l", metric="smd", attributes=("race",), max=0.2, level=1.0), "level"),
        (Limit(id="l", metric="smd", attributes=("race",), max=0.2, level=math.nan), "level"),
        (Limit(id="l", metric="smd", attributes=("race",), max=0.2, rule="raw"), "rule"),  # type: ignore[arg-type]
    ],
)
def test_a_limit_that_cannot_be_held_is_never_green(estimated: Estimated, limit: Limit, names: str) -> None:
    verdict, reason = verdict_of(estimated(0.05, 0.0, 0.1), limit, SMD, p_adjusted=0.0)
    assert verdict is Verdict.NOT_MEASURED
    assert names in reason
