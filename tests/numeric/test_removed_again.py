"""The share of a bias removed, once more from the formulas in other words, for tables of every kind with holes in them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_biasaudit.context.limits import OF_ANOTHER
from pytest_biasaudit.metrics.metric import GroupCells
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.metrics.removed import bias_removed

sys.path.insert(0, str(Path(__file__).parent))
from recompute_removed import removed  # type: ignore[import-not-found]  # beside this file

RATES = ("rate_difference", "refusal_rate_difference")


def cells(table: np.ndarray, refused: np.ndarray) -> GroupCells:
    there = ~np.isnan(table)
    return GroupCells(
        group="g",
        values=table,
        selected=np.where(there, (table > 0.5).astype(float), np.nan),
        asked=np.ones(table.shape),
        answered=there.astype(float),
        refused=refused.astype(float),
        implausible=np.zeros(table.shape),
    )


def models(seed: int, *, holes: float, gap: tuple[float, float], own: float) -> list[GroupCells]:
    """Child and parent: (reference, group) each, who share all but a part of their noise."""
    rng = np.random.default_rng(seed)
    people, templates = (7 + seed % 5, 9), 2 + seed % 4
    made: list[list[GroupCells]] = [[], []]
    for side, n in enumerate(people):
        common = rng.normal(size=(n, 1)) + rng.normal(size=(1, templates)) + rng.normal(size=(n, templates))
        for model in (0, 1):
            table = common + own * rng.normal(size=common.shape) + side * gap[model]
            table[rng.random(table.shape) < holes] = np.nan
            table[0] = common[0]  # at least one person answers everything
            refused = rng.random(table.shape) < 0.15 + 0.5 * side * gap[model] / 3.0
            made[model].append(cells(table, refused))
    return [*made[0], *made[1]]


@pytest.mark.parametrize("of", OF_ANOTHER)
def test_the_share_removed_is_what_the_formulas_give_in_other_words(of: str) -> None:
    told = 0
    for seed in range(24):
        sides = models(
            seed, holes=0.15 if seed % 2 else 0.0, gap=(1.0, 3.0) if seed % 3 else (-0.5, 0.7), own=0.3 * (seed % 4)
        )
        mine = bias_removed(sides[0], sides[1], level=0.9, seed=0, before=sides[2:], of=METRICS[of])
        tables = [
            one.refused if of == "refusal_rate_difference" else one.selected if of == "rate_difference" else one.values
            for one in sides
        ]
        value, (_, ends), p = removed(of, tables[:2], tables[2:], level=0.9)
        assert mine.value == pytest.approx(value, rel=1e-9)
        assert mine.usable == (ends is not None), seed
        if ends is not None and mine.interval is not None:
            assert mine.value is not None
            told += 1
            assert (mine.interval.low, mine.interval.high) == pytest.approx(ends, rel=1e-8, abs=1e-9)
            assert mine.p == pytest.approx(p, rel=1e-8, abs=1e-12)
            assert mine.interval.low < mine.value <= mine.interval.high <= 1.0
    assert told >= 5
