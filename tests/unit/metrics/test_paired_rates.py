"""A gap's rise over another model's answers to the same rows, and what is left of accuracy: by hand and at the ends."""

from __future__ import annotations

import math

import pytest

from pytest_biasaudit.metrics.metric import Compared, Shows
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables.change import change_of
from pytest_biasaudit.tables.tally import Tally
from tests.prediction_tables import tally

OWN = for_kind(METRICS, "classifier")


class Counted:
    """What was collected of a table."""

    def __init__(self, counted: Tally | None, obstacle: str = "") -> None:
        self.tally, self.obstacle = counted, obstacle


def twice(*cells: tuple[str, str, str, str, int], cluster: int = 0) -> Tally:
    """(group, truth, this model's prediction, the other's, count)."""
    spelled = [cell[:4] for cell in cells for _ in range(cell[4])]
    group, truth, mine, theirs = (list(column) for column in zip(*spelled, strict=True))
    places = [at % cluster for at in range(len(group))] if cluster else None
    return tally([group], truth, mine, earlier=theirs, positive="1", cluster=places)


def changed(name: str, both: Tally | None, *, shows: Shows = "increase", obstacle: str = "") -> tuple[Compared, ...]:
    mine = both or twice(("a", "1", "1", "1", 20), ("b", "1", "1", "1", 20))
    return change_of(
        OWN[name], Counted(mine), Counted(both, obstacle), "parent", attributes=("group",) if OWN[name].by_group else (),
        label=None, level=0.95, seed=0, minimum=5, shows=shows,
    )  # fmt: skip


CHANGED = twice(
    ("a", "1", "1", "1", 30), ("a", "1", "0", "0", 6), ("a", "1", "1", "0", 4),
    ("b", "1", "1", "1", 18), ("b", "1", "0", "0", 10), ("b", "1", "0", "1", 12),
    ("a", "0", "0", "0", 40), ("b", "0", "0", "0", 40),
)  # fmt: skip


def test_the_rise_is_the_gap_of_one_less_the_gap_of_the_other() -> None:
    (one,) = changed("tpr_gap", CHANGED)
    assert one.groups == ("a", "b")
    assert one.measured.value == pytest.approx((34 / 40 - 18 / 40) - (30 / 40 - 30 / 40))
    interval = one.measured.interval
    assert interval is not None
    assert interval.low < 0.4 < interval.high
    (other_way,) = changed("fnr_gap", CHANGED)
    assert other_way.measured.value == pytest.approx(0.4)


def test_models_that_answer_alike_have_no_rise_and_an_interval_all_the_same() -> None:
    same = twice(("a", "1", "1", "1", 30), ("a", "1", "0", "0", 10), ("b", "1", "1", "1", 20), ("b", "1", "0", "0", 20))
    (one,) = changed("tpr_gap", same)
    assert one.measured.value == 0.0
    interval = one.measured.interval
    assert interval is not None
    # One row added at each extreme of n = 40: variance of u (2 / 42) / 42 a group.
    reach = math.sqrt(2 * (2 / 42) / 42)
    assert interval.high == pytest.approx(1.99 * reach, rel=0.02)
    assert interval.low < 0 < interval.high


def test_pairing_tells_more_than_two_tables_would() -> None:
    near = twice(
        ("a", "1", "1", "1", 100),
        ("a", "1", "0", "0", 100),
        ("b", "1", "1", "1", 40),
        ("b", "1", "0", "0", 150),
        ("b", "1", "0", "1", 10),
    )
    (one,) = changed("tpr_gap", near)
    interval = one.measured.interval
    assert one.measured.value == pytest.approx(0.3 - 0.25)
    assert interval is not None
    assert interval.low > 0  # 10 of 200 rows changed, all one way
    assert interval.high < 0.1


def test_rows_that_either_left_open_are_in_neither() -> None:
    some = twice(
        ("a", "1", "1", "1", 20), ("b", "1", "1", "1", 20), ("b", "1", "0", "", 15), ("b", "1", "", "0", 3)
    )  # fmt: skip
    (one,) = changed("tpr_gap", some)
    assert one.measured.value == 0.0
    assert one.by_group[1].n == 20


def test_a_class_that_the_other_model_mostly_left_open_is_no_rise() -> None:
    some = twice(
        ("a", "1", "1", "1", 20), ("b", "1", "1", "1", 6), ("b", "1", "0", "", 14), ("b", "0", "0", "0", 40)
    )  # fmt: skip
    (one,) = changed("tpr_gap", some)
    assert one.measured.value is None
    assert "that both models answered" in one.measured.reason
    assert "6 of 20 rows of group 'b' whose true label is '1'" in one.measured.reason


def test_clusters_count_in_pairs_too() -> None:
    cells = (("a", "1", "1", "1", 60), ("a", "1", "0", "1", 20), ("b", "1", "1", "1", 40), ("b", "1", "0", "1", 40))
    (one,) = changed("tpr_gap", twice(*cells, cluster=12))
    (plain,) = changed("tpr_gap", twice(*cells))
    assert one.measured.value == plain.measured.value == pytest.approx(0.25)
    assert one.measured.df is not None
    assert one.measured.df < 24
    assert one.measured.interval is not None
    assert "clusters" in one.measured.interval.method


def test_what_is_left_of_accuracy_is_one_share_over_the_other() -> None:
    (one,) = changed("accuracy", CHANGED, shows="recovery")
    assert one.measured.value == pytest.approx((34 + 18 + 80) / (30 + 30 + 80))
    interval = one.measured.interval
    assert interval is not None
    assert interval.low < 132 / 140 < interval.high
    assert interval.low > 0.85


@pytest.mark.parametrize(
    ("name", "shows", "said"),
    [
        ("rms_tpr_gap", "increase", "max_increase is for tpr_gap"),
        ("tpr_gap", "recovery", "has no recovery"),
        ("tpr_gap", "value", "max_increase is for"),
    ],
)
def test_a_change_that_is_not_defined_is_not_measured(name: str, shows: Shows, said: str) -> None:
    (one,) = changed(name, CHANGED, shows=shows)
    assert one.measured.value is None
    assert said in one.measured.reason


def test_answers_that_never_came_are_no_comparison() -> None:
    for both, obstacle, said in ((None, "", "nothing was counted"), (None, "it broke", "it broke")):
        (one,) = changed("tpr_gap", both, obstacle=obstacle)
        assert one.measured.value is None
        assert said in one.measured.reason
    unpaired = tally([["a"] * 9 + ["b"] * 9], ["1"] * 18, ["1"] * 18, positive="1")
    (one,) = changed("tpr_gap", unpaired)
    assert "not to the same rows" in one.measured.reason
    small = twice(("a", "1", "1", "1", 20), ("b", "1", "1", "1", 3))
    (one,) = changed("tpr_gap", small)
    assert "5 are needed" in one.measured.reason
