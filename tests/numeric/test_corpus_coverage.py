"""Intervals of a corpus's figures hold what they say, counted over every table that can come; false alarms are rare."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_biasaudit.metrics.tables.change_of_data import increase
from tests.corpus_tables import corpus_tally
from tests.numeric.corpus_coverage import BY_NAME, against_reference, of_each_group, of_table


def test_intervals_against_the_reference_cover_in_cells_of_five_and_at_the_ends_of_the_scale() -> None:
    found = list(against_reference(((5, 5), (20, 5))))
    assert len(found) == 2 * 8 * 3
    for one in found:
        assert one.wrong <= 0.07, one
        if one.measured >= 0.5:
            assert one.covers >= 0.93, one


def test_intervals_of_a_group_beside_all_rows_cover_where_sizes_come_by_chance_too() -> None:
    for one in of_each_group(((10, 0.2),)):
        assert one.wrong <= 0.07, one
        if one.measured >= 0.5:
            assert one.covers >= 0.93, one


def test_groups_alike_are_called_different_no_more_often_than_the_level_says() -> None:
    alike = ("rates 0.02 and 0.02", "rates 0.3 and 0.3", "rates 0.95 and 0.95")
    found = [
        one for one in (*against_reference(((5, 5), (20, 5))), *of_each_group(((10, 0.2),))) if one.cell.endswith(alike)
    ]
    assert len(found) == 2 * 3 * 3 + 3 * 2
    # Mid-p may pass its level a little; it does so by less than one in a hundred.
    assert max(one.alarms for one in found) <= 0.06


def test_no_interval_is_without_width_whatever_the_table() -> None:
    for name in ("prevalence_gap", "cooccurrence_rate_ratio", "log_odds", "share_gap", "pmi"):
        for table in ((5, 5, 0, 5), (5, 5, 5, 0), (5, 5, 0, 0), (5, 5, 5, 5), (1, 1, 1, 0), (10_000, 5, 1, 5)):
            one = of_table(name, table)
            assert one.interval is None or one.interval.low < one.interval.high
            assert one.value is None or (
                one.interval is not None and one.interval.low <= one.value <= one.interval.high
            )


@pytest.mark.parametrize("name", ["prevalence_gap", "pmi"])
def test_intervals_cover_where_rows_come_in_clusters(name: str) -> None:
    """40 authors of 12 rows each; an author's rate is Beta(2, 6), or Beta(4, 4): rows of one author are alike."""
    draw = np.random.default_rng(11)
    metric = BY_NAME[name]
    assert metric.of_table is not None
    truth = 0.25 if name == "prevalence_gap" else math.log(0.5 / 0.375)
    authors = np.arange(40)
    women = authors % 2 == 1
    held, repeats = 0, 250
    for _ in range(repeats):
        rate = np.where(women, draw.beta(4, 4, 40), draw.beta(2, 6, 40))
        hits = draw.binomial(12, rate)
        cells = [("women" if w else "men", "1", int(h)) for w, h in zip(women, hits, strict=True)]
        cells += [("women" if w else "men", "0", 12 - int(h)) for w, h in zip(women, hits, strict=True)]
        tally = corpus_tally(cells, cluster=[*authors, *authors])
        found = metric.of_table(tally, attributes=("gender",), label=None, level=0.95, seed=0, minimum=1)[-1].measured
        assert found.interval is not None
        held += found.interval.low <= truth <= found.interval.high
    # The chance of fewer than 0.92 where 0.95 hold is one in seventy; the seed is fixed.
    assert held / repeats >= 0.92


@pytest.mark.parametrize(
    ("now", "before"), [((0.3, 0.3), (0.3, 0.3)), ((0.5, 0.1), (0.5, 0.3)), ((0.98, 0.9), (0.5, 0.55))]
)
def test_the_rise_since_an_earlier_version_is_held_by_its_interval(
    now: tuple[float, float], before: tuple[float, float]
) -> None:
    draw = np.random.default_rng(5)
    truth = abs(now[1] - now[0]) - abs(before[1] - before[0])
    held, repeats = 0, 400
    for _ in range(repeats):
        sides = [
            of_table("prevalence_gap", (40, 30, *map(int, draw.binomial((40, 30), rates)))) for rates in (now, before)
        ]
        found = increase(BY_NAME["prevalence_gap"], *sides, level=0.95)
        assert found.interval is not None
        held += found.interval.low <= truth <= found.interval.high
    assert held / repeats >= 0.93
