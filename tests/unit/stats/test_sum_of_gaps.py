"""A sum of distances of rates from the rate of all, and its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.sum_of_gaps import Hits, count_hits, sum_of_gaps


def drawn(seed: int, *, rows: int = 400, parts: int = 4) -> tuple[Hits, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    table: dict[str, Any] = {
        "hit": rng.random(rows) < 0.3,
        "inside": rng.random((rows, parts)) < 0.3,
        "count": rng.integers(1, 4, rows),
    }
    return count_hits(table["hit"], table["inside"], table["count"]), table


def test_rates_are_over_all_rows_and_over_those_of_a_part() -> None:
    hits = count_hits(
        np.array([True, False, True, False]),
        np.array([[True, False], [True, False], [False, True], [False, False]]),
        np.array([1, 3, 2, 4]),
    )
    assert hits.rate == pytest.approx(3 / 10)
    assert hits.rates == pytest.approx([1 / 4, 1.0])
    assert sum_of_gaps(hits, level=0.95, seed=0).value == pytest.approx(0.05 + 0.7)


def test_covariances_are_those_of_what_every_row_adds() -> None:
    hits, table = drawn(1)
    rows = np.repeat(np.arange(400), table["count"])
    hit, inside = table["hit"][rows], table["inside"][rows]
    adds = (hit - hits.rate)[:, None] / len(rows) - inside * (hit[:, None] - hits.rates) / inside.sum(axis=0)
    assert hits.covariance == pytest.approx(adds.T @ adds, abs=1e-15)


def test_every_row_its_own_cluster_gives_the_covariance_of_rows() -> None:
    hits, table = drawn(2)
    rows = np.repeat(np.arange(400), table["count"])
    alone = count_hits(table["hit"][rows], table["inside"][rows], np.ones(len(rows), dtype=int), np.arange(len(rows)))
    assert alone.covariance == pytest.approx(hits.covariance * len(rows) / (len(rows) - 1), rel=1e-9)
    assert list(alone.units) == list(hits.rows)


def test_covariance_agrees_with_rows_drawn_again() -> None:
    rng = np.random.default_rng(3)
    hits, table = drawn(3, rows=1500, parts=2)
    rows = np.repeat(np.arange(1500), table["count"])
    hit, inside = table["hit"][rows], table["inside"][rows]
    again = []
    for _ in range(1500):
        pick = rng.integers(0, len(rows), len(rows))
        mine = inside[pick]
        again.append(hit[pick].mean() - (hit[pick].astype(int) @ mine) / mine.sum(axis=0))
    assert hits.covariance == pytest.approx(np.cov(np.array(again).T), rel=0.15, abs=1.6e-5)


def test_parts_in_which_nothing_is_a_hit_are_not_certain() -> None:
    inside = np.eye(2, dtype=bool)
    hits = count_hits(np.array([False, False]), inside, np.array([5, 5]))
    found = sum_of_gaps(hits, level=0.95, seed=0)
    assert found.value == 0.0
    assert (found.low, found.p) == (0.0, 1.0)
    assert found.high > 0.3


def test_the_lower_end_is_above_nought_where_parts_clearly_differ() -> None:
    inside = np.array([[True, False], [True, False], [False, True], [False, True]])
    hits = count_hits(np.array([True, False, True, False]), inside, np.array([90, 10, 10, 90]))
    found = sum_of_gaps(hits, level=0.95, seed=0)
    assert found.value == pytest.approx(0.8)
    # Both rates enter with known signs: their difference has variance 2 * 0.9 * 0.1 / 100, give or take its softening.
    assert found.low == pytest.approx(0.8 - 1.96 * np.sqrt(0.0018), abs=0.02)
    assert found.high == pytest.approx(0.8 + 1.96 * np.sqrt(0.0018), abs=0.02)
    assert found.p < 0.001


def test_the_same_seed_gives_the_same_interval() -> None:
    hits, _ = drawn(4)
    assert sum_of_gaps(hits, level=0.95, seed=7) == sum_of_gaps(hits, level=0.95, seed=7)
    assert sum_of_gaps(hits, level=0.95, seed=7) != sum_of_gaps(hits, level=0.95, seed=8)


def test_a_higher_level_is_wider_and_clusters_are_wider_than_rows() -> None:
    hits, table = drawn(5)
    narrow, wide = (sum_of_gaps(hits, level=level, seed=0) for level in (0.8, 0.99))
    assert wide.low <= narrow.low
    assert narrow.high < wide.high
    copied = {name: np.concatenate([column] * 6) for name, column in table.items()}
    cluster = np.tile(np.arange(400), 6)
    rows, clusters = (sum_of_gaps(count_hits(**copied, cluster=of), level=0.95, seed=0) for of in (None, cluster))
    assert rows.value == pytest.approx(clusters.value)
    assert rows.high < clusters.high


def test_a_part_without_rows_is_refused() -> None:
    with pytest.raises(StatisticsError, match="every part needs a row"):
        count_hits(np.array([True]), np.array([[True, False]]), np.array([3]))


def test_one_cluster_is_refused() -> None:
    with pytest.raises(StatisticsError, match="2 or more"):
        count_hits(np.array([True]), np.array([[True]]), np.array([3]), np.array([0]))
