"""What must not change a metric: names of groups, order of rows, units; and what must only turn it round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_biasaudit.metrics.metric import GroupCells, Measured
from pytest_biasaudit.metrics.registry import METRICS

FORMULA = ["smd", "smd_pooled", "mean_difference", "mean_ratio", "mann_whitney"]
RATES = ["rate_difference", "impact_ratio", "odds_ratio", "refusal_rate_difference"]
DRAWN = ["median_difference", "wasserstein"]
TURNED = ["smd", "smd_pooled", "mean_difference", "rate_difference", "refusal_rate_difference"]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[GroupCells, GroupCells]:
    """Two groups over the same templates, with some cells missing."""
    templates = draw(st.integers(1, 5))
    sides = []
    for name in ("white", "black"):
        shape = (draw(st.integers(2, 6)), templates)
        values = draw(arrays(np.float64, shape, elements=st.integers(1, 40).map(lambda n: n / 4)))
        chosen = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])))
        gone = draw(arrays(np.bool_, shape, elements=st.sampled_from([False, False, False, False, True])))
        sides.append(
            GroupCells(
                group=name,
                values=np.where(gone, np.nan, values),
                selected=np.where(gone, np.nan, chosen),
                asked=np.ones(shape),
                answered=(~gone).astype(float),
                refused=gone.astype(float),
                implausible=np.zeros(shape),
            )
        )
    return sides[0], sides[1]


def ask(name: str, a: GroupCells, b: GroupCells) -> Measured:
    compare = METRICS[name].compare
    assert compare is not None
    return compare(a, b, level=0.95, seed=1)


def reordered(side: GroupCells, rows: np.ndarray, columns: np.ndarray) -> GroupCells:
    at = np.ix_(rows, columns)
    return GroupCells(
        group=side.group,
        values=side.values[at],
        selected=side.selected[at],
        asked=side.asked[at],
        answered=side.answered[at],
        refused=side.refused[at],
        implausible=side.implausible[at],
    )


def alike(one: Measured, other: Measured, *, sign: float = 1.0, scale: float = 1.0) -> None:
    """The same result, up to rounding, turned round where `sign` is -1 and in another unit by `scale`."""
    assert (one.value is None) == (other.value is None)
    assert (one.interval is None) == (other.interval is None), (one, other)
    if one.value is not None and other.value is not None:
        assert other.value == pytest.approx(sign * scale * one.value, rel=1e-6, abs=1e-7 * scale)
    if one.interval is not None and other.interval is not None:
        ends = sorted(sign * scale * end for end in (one.interval.low, one.interval.high))
        assert [other.interval.low, other.interval.high] == pytest.approx(ends, rel=1e-5, abs=1e-6 * scale)
    if one.p is not None and other.p is not None:
        assert other.p == pytest.approx(one.p, rel=1e-5, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(pair=pairs(), name=st.sampled_from(FORMULA + RATES + DRAWN))
def test_renaming_groups_changes_nothing(pair: tuple[GroupCells, GroupCells], name: str) -> None:
    a, b = pair
    assert ask(name, a, b) == ask(name, replace(a, group="x"), replace(b, group="a"))


@settings(deadline=None, max_examples=150)
@given(pair=pairs(), name=st.sampled_from(FORMULA + RATES), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_people_and_templates_changes_nothing(
    pair: tuple[GroupCells, GroupCells], name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.permutation(pair[0].values.shape[1])
    a, b = (reordered(side, rng.permutation(len(side.values)), columns) for side in pair)
    alike(ask(name, *pair), ask(name, a, b))


@settings(deadline=None, max_examples=30)
@given(pair=pairs(), name=st.sampled_from(DRAWN), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_people_does_not_change_a_resampled_metrics_value(
    pair: tuple[GroupCells, GroupCells], name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.permutation(pair[0].values.shape[1])
    a, b = (reordered(side, rng.permutation(len(side.values)), columns) for side in pair)
    one, other = ask(name, *pair).value, ask(name, a, b).value
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other == pytest.approx(one, abs=1e-9)


@settings(deadline=None, max_examples=150)
@given(pair=pairs(), name=st.sampled_from([*FORMULA, *DRAWN]), unit=st.sampled_from([1e-4, 0.5, 3.0, 1e5]))
def test_another_unit_scales_differences_and_leaves_the_rest(
    pair: tuple[GroupCells, GroupCells], name: str, unit: float
) -> None:
    a, b = (replace(side, values=side.values * unit) for side in pair)
    scale = unit if METRICS[name].unit == "outcome" else 1.0
    alike(ask(name, *pair), ask(name, a, b), scale=scale)


@settings(deadline=None, max_examples=150)
@given(pair=pairs(), name=st.sampled_from(TURNED))
def test_swapping_the_reference_turns_the_sign_and_nothing_else(pair: tuple[GroupCells, GroupCells], name: str) -> None:
    a, b = pair
    alike(ask(name, a, b), ask(name, b, a), sign=-1.0)


@settings(deadline=None, max_examples=100)
@given(pair=pairs())
def test_swapping_the_reference_turns_ratios_and_superiority_round(pair: tuple[GroupCells, GroupCells]) -> None:
    a, b = pair
    one, other = ask("mean_ratio", a, b), ask("mean_ratio", b, a)
    if one.value is not None and other.value is not None:
        assert other.value == pytest.approx(1 / one.value)
    if one.interval is not None and other.interval is not None:
        assert other.interval.low == pytest.approx(1 / one.interval.high)
    alike(ask("impact_ratio", a, b), ask("impact_ratio", b, a))
    up, down = ask("mann_whitney", a, b).value, ask("mann_whitney", b, a).value
    if up is not None and down is not None:
        assert up + down == pytest.approx(1.0)


@settings(deadline=None, max_examples=150)
@given(pair=pairs(), name=st.sampled_from(FORMULA + RATES + DRAWN))
def test_an_interval_holds_its_value_has_width_and_stays_in_range(
    pair: tuple[GroupCells, GroupCells], name: str
) -> None:
    result = ask(name, *pair)
    if result.interval is None:
        assert result.reason
        return
    assert result.value is not None
    low, high = METRICS[name].range
    assert low <= result.interval.low < result.interval.high <= high
    slack = 1e-9 * max(1.0, abs(result.value))
    assert result.interval.low - slack <= result.value <= result.interval.high + slack


def test_a_tie_between_two_ways_of_counting_variance_is_decided_alike_in_every_unit() -> None:
    # Here what templates add equals what single answers take off, so the last digits decided the degrees of freedom.
    def side(group: str, rows: list[list[float]], unit: float) -> GroupCells:
        values = np.array(rows) * unit
        ones, zeros = np.ones(values.shape), np.zeros(values.shape)
        return GroupCells(
            group=group, values=values, selected=zeros, asked=ones, answered=ones, refused=zeros, implausible=zeros
        )

    for unit in (1.0, 1e-4, 0.1, 3.0, 7e5):
        a, b = side("white", [[0.25, 0.25], [0.25, 0.75]], unit), side("black", [[0.25, 0.25], [0.5, 0.25]], unit)
        assert ask("smd", a, b).df == pytest.approx(1.0)
