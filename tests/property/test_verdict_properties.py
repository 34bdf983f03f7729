"""What holds of verdicts whatever the numbers are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.finding import Where, one_line
from pytest_biasaudit.verdict.judge import SEVERITY, judge_limits, verdict_of
from pytest_biasaudit.verdict.scale import on_scale, p_against
from pytest_biasaudit.verdict.verdict import Verdict

WHERE = Where(context="c", audit="a", model="m", file="c.bias.toml")
ANY = st.none() | st.floats(width=32)
NUMBER = st.floats(-5, 5, width=32)
GREENNESS = {Verdict.WITHIN: 3, Verdict.INCONCLUSIVE: 2, Verdict.NOT_MEASURED: 1, Verdict.OVER: 0}
METRIC_AND_SIDE = [
    ("smd", "max"),
    ("mann_whitney", "max"),
    ("mean_ratio", "max"),
    ("mean_ratio", "min"),
    ("impact_ratio", "min"),
    ("answer_rate", "min"),
    ("smd", "max_increase"),
]


def an_estimate(value: float | None, low: float | None, high: float | None, *, templates: int = 8) -> Estimate:
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95, method="t")
    return Estimate(
        metric="smd",
        attribute="race",
        groups=("white", "black"),
        value=value,
        interval=interval,
        p=None,
        p_adjusted=None,
        n=10,
        people=4,
        templates=templates,
        missing=0,
        by_group=(),
    )


def a_limit(metric: str, side: str, bound: float, rule: str = "upper") -> Limit:
    versus = "parent" if side == "max_increase" else None
    limit = Limit(id="l", metric=metric, attributes=("race",), versus=versus, rule=rule)  # type: ignore[arg-type]
    return replace(limit, **{side: bound})  # type: ignore[arg-type]  # the sides are fields of numbers


@st.composite
def intervals(draw: st.DrawFn, *, least: float = -5) -> tuple[float, float, float]:
    """A value inside an interval, some way from each end."""
    low, value, high = sorted(draw(st.tuples(*[st.floats(least, 5)] * 3)))
    return low - 1e-6 if least < 0 else low, value, high + 1e-6


@pytest.mark.parametrize(("metric", "side"), METRIC_AND_SIDE)
@given(inner=intervals(least=0.0), more=st.tuples(st.floats(0, 3), st.floats(0, 3)), bound=st.floats(0.01, 3))
def test_widening_an_interval_decides_nothing_that_was_open(
    metric: str, side: str, inner: tuple[float, float, float], more: tuple[float, float], bound: float
) -> None:
    low, value, high = inner
    limit = a_limit(metric, side, bound)
    narrow = verdict_of(an_estimate(value, low, high), limit, METRICS[metric])[0]
    wide = verdict_of(an_estimate(value, max(0.0, low - more[0]), high + more[1]), limit, METRICS[metric])[0]
    if wide in (Verdict.WITHIN, Verdict.OVER):
        assert narrow is wide


@given(
    inner=intervals(),
    bounds=st.tuples(st.floats(0, 5), st.floats(0, 5)),
    rule=st.sampled_from(["upper", "lower", "point"]),
)
def test_a_looser_maximum_never_makes_a_verdict_redder(
    inner: tuple[float, float, float], bounds: tuple[float, float], rule: str
) -> None:
    low, value, high = inner
    estimate = an_estimate(value, low, high)
    tight, loose = (
        judge_limits([(a_limit("smd", "max", bound, rule), [estimate])], metrics=METRICS, where=WHERE)[0].verdict
        for bound in sorted(bounds)
    )
    assert GREENNESS[loose] >= GREENNESS[tight]


@given(inner=intervals(least=0.0), bounds=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)))
def test_a_looser_minimum_never_makes_a_verdict_redder(
    inner: tuple[float, float, float], bounds: tuple[float, float]
) -> None:
    low, value, high = inner
    estimate = an_estimate(value, low, high)
    loose, tight = (
        verdict_of(estimate, a_limit("impact_ratio", "min", bound), METRICS["impact_ratio"])[0]
        for bound in sorted(bounds)
    )
    assert GREENNESS[loose] >= GREENNESS[tight]


@pytest.mark.parametrize(("metric", "side"), METRIC_AND_SIDE)
@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
@given(value=ANY, low=ANY, high=ANY, bound=st.floats(width=32), error=ANY, df=ANY, templates=st.integers(0, 3))
def test_whatever_comes_within_rests_on_a_finite_value_that_keeps_the_limit(
    metric: str,
    side: str,
    rule: str,
    value: float | None,
    low: float | None,
    high: float | None,
    bound: float,
    error: float | None,
    df: float | None,
    templates: int,
) -> None:
    limit = a_limit(metric, side, bound, rule)
    estimate = replace(an_estimate(value, low, high, templates=templates), standard_error=error, df=df)
    p = p_against(estimate, limit, METRICS[metric])
    assert 0 <= p <= 1
    (judgement,) = judge_limits([(limit, [estimate])], metrics=METRICS, where=WHERE)
    assert judgement.message
    if judgement.verdict is not Verdict.WITHIN:
        return
    assert value is not None
    assert math.isfinite(value)
    assert math.isfinite(bound)
    assert templates >= 2
    if rule == "point":
        return
    assert low is not None
    assert high is not None
    assert low <= high
    if rule == "upper":
        scaled = on_scale(estimate, limit, METRICS[metric])
        assert scaled is not None
        assert scaled.holds


@given(inner=intervals())
def test_the_sign_of_a_difference_does_not_matter(inner: tuple[float, float, float]) -> None:
    low, value, high = inner
    limit = a_limit("smd", "max", 0.5)
    mirrored = an_estimate(-value, -high, -low)
    assert verdict_of(an_estimate(value, low, high), limit, METRICS["smd"]) == verdict_of(
        mirrored, limit, METRICS["smd"]
    )


@given(several=st.lists(intervals(), min_size=1, max_size=5), missing=st.booleans())
def test_more_comparisons_never_make_a_verdict_milder(several: list[tuple[float, float, float]], missing: bool) -> None:
    limit = a_limit("smd", "max", 0.5)
    estimates = [an_estimate(value, low, high) for low, value, high in several]
    if missing:
        estimates.append(an_estimate(None, None, None))
    (whole,) = judge_limits([(limit, estimates)], metrics=METRICS, where=WHERE)
    (part,) = judge_limits([(limit, estimates[:1])], metrics=METRICS, where=WHERE)
    assert SEVERITY.index(whole.verdict) >= SEVERITY.index(part.verdict)


@given(family=st.lists(st.floats(0, 1), max_size=6), inner=intervals())
def test_a_larger_family_never_makes_a_lower_limit_redder(
    family: list[float], inner: tuple[float, float, float]
) -> None:
    low, value, high = inner
    held = [(a_limit("smd", "max", 0.5, "lower"), [an_estimate(value, low, high)])]
    (alone,) = judge_limits(held, metrics=METRICS, where=WHERE)
    (among,) = judge_limits(held, metrics=METRICS, where=WHERE, family=family)
    assert GREENNESS[among.verdict] >= GREENNESS[alone.verdict]


@given(text=st.text(max_size=2000))
def test_a_line_is_one_line_whatever_is_in_it(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 300
    assert line == one_line(line)
