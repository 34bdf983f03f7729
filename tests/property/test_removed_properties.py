"""What must hold of a share removed whatever the answers: finite ends, units, orders, names of groups, and signs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.context.limits import OF_ANOTHER
from pytest_biasaudit.metrics.metric import GroupCells, Measured
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.metrics.removed import bias_removed
from pytest_biasaudit.stats.versus import LINEAR

ANSWERS = st.sampled_from([0.0, 1.0, 2.0, 3.0, 50.0, 1e6, -4.0, 0.1, math.nan])
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))


@st.composite
def models(draw: Any) -> list[np.ndarray]:
    """Child and parent, reference group and group each."""
    reference, group, templates = draw(SIZES)
    made = []
    for people in (reference, group, reference, group):
        cells = draw(st.lists(ANSWERS, min_size=people * templates, max_size=people * templates))
        made.append(np.array(cells).reshape(people, templates))
    return made


def cells(table: np.ndarray) -> GroupCells:
    there = ~np.isnan(table)
    return GroupCells(
        group="g",
        values=table,
        selected=np.where(there, (table > 1.0).astype(float), np.nan),
        asked=np.ones(table.shape),
        answered=there.astype(float),
        refused=(~there).astype(float),
        implausible=np.zeros(table.shape),
    )


def share(of: str, tables: list[np.ndarray]) -> Measured:
    sides = [cells(table) for table in tables]
    return bias_removed(sides[0], sides[1], level=0.9, seed=0, before=sides[2:], of=METRICS[of])


def same(one: Measured, other: Measured) -> None:
    assert (one.value is None, one.interval is None, one.usable) == (
        other.value is None, other.interval is None, other.usable,
    )  # fmt: skip
    if one.value is not None:
        assert one.value == pytest.approx(other.value, rel=1e-6, abs=1e-6)
    if one.interval is not None and other.interval is not None:
        ends = (other.interval.low, other.interval.high)
        assert (one.interval.low, one.interval.high) == pytest.approx(ends, rel=1e-4, abs=1e-4)


def test_what_a_limit_may_be_of_is_what_can_be_paired() -> None:
    assert set(OF_ANOTHER) == set(LINEAR)


@settings(deadline=None, max_examples=150)
@given(models(), st.sampled_from(OF_ANOTHER))
def test_a_share_has_finite_ends_around_it_or_a_reason(tables: list[np.ndarray], of: str) -> None:
    found = share(of, tables)
    if found.value is None or found.interval is None:
        assert found.reason
        assert found.interval is None
        assert found.value is None or not found.usable
        return
    low, high = found.interval.low, found.interval.high
    assert math.isfinite(low)
    assert low < high <= 1.0
    assert low <= found.value <= high
    assert found.p is not None
    assert 0.0 <= found.p <= 1.0


def told(seed: int) -> list[np.ndarray]:
    """Models whose bias is mostly told from 0, some cells missing."""
    rng = np.random.default_rng(seed)
    made = []
    for people, gap in ((6, 0.0), (7, rng.uniform(-3, 3)), (6, 0.0), (7, 3.0)):
        table = rng.normal(size=(people, 4)) + gap
        table[rng.random(table.shape) < 0.1] = np.nan
        made.append(table)
    return made


@pytest.mark.parametrize("of", ["smd", "smd_pooled", "mean_difference"])
@pytest.mark.parametrize("seed", range(4))
def test_units_orders_names_of_groups_and_signs_change_nothing(of: str, seed: int) -> None:
    tables = told(seed)
    first = share(of, tables)
    same(first, share(of, [7.0 * table - 20.0 for table in tables]))
    same(first, share(of, [-table for table in tables]))
    same(first, share(of, [tables[1], tables[0], tables[3], tables[2]]))
    same(first, share(of, [table[::-1, ::-1] for table in tables]))
    same(first, share(of, [-tables[0], -tables[1], tables[2], tables[3]]))
