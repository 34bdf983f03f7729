"""Which lever helped: changes paired by seed, intervals by hand and by scipy, and no help from knowing nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from scipy import stats

from pytest_biasaudit.mitigation.study.levers import lever_rows, over_seeds, sweep_rows, unit_rows
from pytest_biasaudit.mitigation.study.plan import Intervention
from pytest_biasaudit.mitigation.study.result import Figure, StudyCell, UnitFigures


def figure(value: float | None) -> Figure:
    return Figure(value=value, interval=None, reason="" if value is not None else "too few")


def a_cell(
    seed: int,
    rms: float | None,
    accuracy: float = 0.8,
    *,
    upstream: str = "none",
    data: str = "none",
    gaps: Sequence[float | None] = (-0.2, 0.4),
    share: float = 0.5,
    pretrained: bool = True,
) -> StudyCell:
    units = tuple(
        UnitFigures(
            label=label, group="w", upstream=None, prevalence=share, overall=0.5, log_odds=0.0, rows=10, gap=figure(gap)
        )
        for label, gap in zip("ab", gaps, strict=True)
    )
    return StudyCell(
        upstream=upstream, data=data, seed=seed, pretrained=pretrained, train_rows=20, train_sha256="a" * 64,
        test_sha256="b" * 64, units=units, rms=figure(rms), accuracy=figure(accuracy),
    )  # fmt: skip


BEFORE = (0.50, 0.54, 0.47, 0.52, 0.49)
AFTER = (0.21, 0.22, 0.20, 0.25, 0.18)


def cells(after: Sequence[float | None], accuracy: float = 0.8, data: str = "down-sample") -> list[StudyCell]:
    return [
        *(a_cell(seed, value) for seed, value in enumerate(BEFORE)),
        *(a_cell(seed, value, accuracy, data=data) for seed, value in enumerate(after)),
    ]


def test_a_change_is_paired_by_seed() -> None:
    base, row = lever_rows(cells(AFTER), level=0.95, majority=0.5)
    paired = stats.ttest_rel(AFTER, BEFORE).confidence_interval(0.95)
    assert row.change.value == pytest.approx(sum(AFTER) / 5 - sum(BEFORE) / 5)
    assert row.change.interval is not None
    assert (row.change.interval.low, row.change.interval.high) == pytest.approx((paired.low, paired.high))
    assert (row.helped, row.seeds) == ("helped", 5)
    assert (base.helped, base.change.value) == ("cannot tell", None)


def test_a_larger_gap_hurts_and_one_about_as_large_cannot_be_told() -> None:
    hurt = lever_rows(cells([one + 0.3 + 0.01 * at for at, one in enumerate(BEFORE)]), level=0.95, majority=0.5)[1]
    assert hurt.helped == "hurt"
    same = lever_rows(cells([0.51, 0.50, 0.52, 0.47, 0.50]), level=0.95, majority=0.5)[1]
    assert (same.helped, same.reason) == ("cannot tell", "the interval of the change holds 0")


def test_a_classifier_that_knows_nothing_is_no_help() -> None:
    row = lever_rows(cells(AFTER, accuracy=0.5), level=0.95, majority=0.5)[1]
    assert row.helped == "cannot tell"
    assert "accuracy 0.50, and always naming the largest label gives 0.50" in row.reason


def test_among_many_levers_one_that_barely_helps_cannot_be_told() -> None:
    barely = [one - 0.06 - 0.02 * ((at * 7) % 5 - 2) for at, one in enumerate(BEFORE)]
    alone = lever_rows(cells(barely), level=0.95, majority=0.5)[1]
    assert alone.helped == "helped"
    nothing = [
        a_cell(seed, value + 0.02 * ((seed * step) % 5 - 2), data=f"nothing {step}")
        for step in range(1, 5)
        for seed, value in enumerate(BEFORE)
    ]
    among = {row.data: row for row in lever_rows([*cells(barely), *nothing], level=0.95, majority=0.5)}
    assert among["down-sample"].change == alone.change
    assert among["down-sample"].helped == "cannot tell"
    assert "among so many levers" in among["down-sample"].reason


def test_seeds_that_all_give_the_same_leave_no_interval() -> None:
    row = lever_rows(cells([one - 0.25 for one in BEFORE]), level=0.95, majority=0.5)[1]
    assert row.change.value == pytest.approx(-0.25)
    assert row.change.interval is None
    assert "all 5 seeds give the same" in row.reason
    assert row.helped == "cannot tell"


def test_a_seed_without_a_figure_is_said_and_not_passed_over() -> None:
    row = lever_rows(cells([0.2, 0.2, None, 0.3, 0.2]), level=0.95, majority=0.5)[1]
    assert row.change.value is None
    assert row.change.reason == "not measured in 1 of 5 seeds"
    assert row.helped == "cannot tell"


def test_a_figure_over_fewer_labels_is_not_held_against_one_over_all() -> None:
    """The label with the widest gap is lost: what is left is smaller, and nothing was helped."""
    lost = [a_cell(seed, value, data="scrub", gaps=(-0.2, None)) for seed, value in enumerate(AFTER)]
    row = lever_rows([*cells(AFTER)[:5], *lost], level=0.95, majority=0.5)[1]
    assert row.change.value is None
    assert row.helped == "cannot tell"


def test_one_seed_has_a_value_and_no_interval() -> None:
    found = over_seeds([0.3], level=0.95, within=(0.0, 1.0))
    assert (found.value, found.interval) == (0.3, None)
    assert found.reason.startswith("one seed")


def test_no_end_lies_beyond_the_range_of_a_figure() -> None:
    found = over_seeds([0.02, 0.4, 0.9], level=0.95, within=(0.0, 1.0))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)


def test_a_label_s_gap_changes_by_its_size() -> None:
    """-0.2 becomes 0.1: its size falls by 0.1, though the number rises."""
    some = [
        *(a_cell(seed, 0.3, gaps=(-0.2 - 0.01 * seed, 0.4)) for seed in range(3)),
        *(a_cell(seed, 0.1, gaps=(0.1, None), data="scrub") for seed in range(3)),
    ]
    rows = {(row.data, row.label): row for row in unit_rows(some, level=0.95)}
    assert rows["scrub", "a"].change.value == pytest.approx(0.1 - 0.21)
    assert rows["none", "a"].gap.value == pytest.approx(-0.21)
    assert rows["scrub", "b"].gap.reason == "not measured in any seed"
    assert rows["scrub", "b"].change.value is None


def test_a_sweep_stands_in_the_order_of_its_rates() -> None:
    levers = [Intervention(method="target-rate", settings=(("label", "a"), ("rate", rate))) for rate in (1.0, 0.0, 0.5)]
    some = [
        a_cell(
            seed, 0.3, upstream=upstream, data=lever.name, share=rate, gaps=(rate, 9.0), pretrained=upstream == "none"
        )
        for upstream in ("none", "random-initialisation")
        for lever, rate in zip(levers, (1.0, 0.0, 0.5), strict=True)
        for seed in range(2)
    ]
    rows = sweep_rows(some, [Intervention(method="none"), *levers], level=0.95)
    assert [(row.pretrained, row.rate) for row in rows] == [
        (way, rate) for way in (True, False) for rate in (0.0, 0.5, 1.0)
    ]
    assert [row.gap.value for row in rows[:3]] == [0.0, 0.5, 1.0], "the swept label's gap, not the other's"
    assert [row.reached for row in rows[:3]] == [0.0, 0.5, 1.0]
    assert {row.label for row in rows} == {"a"}


def test_the_t_interval_covers_as_often_as_it_says() -> None:
    """Five seeds whose figures are normal around 0.3: 400 studies, 95 %, four standard errors of the share allowed."""
    import numpy as np

    draws = np.random.default_rng(3).normal(0.3, 0.02, size=(400, 5))
    hits = 0
    for row in draws:
        interval = over_seeds(row.tolist(), level=0.95, within=(0.0, 1.0)).interval
        assert interval is not None
        hits += interval.low <= 0.3 <= interval.high
    assert abs(hits / 400 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 400)
