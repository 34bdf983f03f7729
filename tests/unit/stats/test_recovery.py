"""How much of a parent's ability a child keeps: values by hand, widths that never vanish, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.recovery import recovery_of_cells, recovery_of_items


def alone(count: int) -> list[str]:
    return [str(at) for at in range(count)]


def test_the_recovery_is_the_ratio_of_the_two_shares() -> None:
    # The parent has 8 of 10, the child 6 of those and one of the two others: 7 of 10 over 8 of 10.
    parent = [1.0] * 8 + [0.0] * 2
    child = [1.0] * 6 + [0.0] * 2 + [1.0, 0.0]
    found = recovery_of_items(child, parent, alone(10), level=0.95)
    assert found.value == pytest.approx(7 / 8)
    assert found.low < 7 / 8 < found.high


def test_two_models_that_agree_on_every_item_have_recovery_one_and_no_certainty() -> None:
    parent = [1.0] * 90 + [0.0] * 10
    found = recovery_of_items(parent, parent, alone(100), level=0.95)
    assert found.value == 1.0
    # Kept is 90 of 90: Wilson's lower limit is 90 / (90 + 1.96^2) = 0.9591.
    assert found.low == pytest.approx(90 / (90 + 1.959963984540054**2))
    assert found.high > 1.0


def test_a_perfect_parent_cannot_be_surpassed_by_what_was_seen_and_has_a_width() -> None:
    found = recovery_of_items([1.0] * 50, [1.0] * 50, alone(50), level=0.95)
    assert found.value == 1.0
    assert 0.9 < found.low < 1.0 < found.high


def test_a_child_that_keeps_nothing_has_recovery_nought_and_a_width() -> None:
    found = recovery_of_items([0.0] * 30, [1.0] * 20 + [0.0] * 10, alone(30), level=0.95)
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.0 < found.high < 0.4


def test_more_items_narrow_it() -> None:
    widths = []
    for times in (1, 10):
        parent = ([1.0] * 9 + [0.0]) * 10 * times
        child = ([1.0] * 8 + [0.0] + [0.0]) * 10 * times
        found = recovery_of_items(child, parent, alone(len(parent)), level=0.95)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2.5


def test_items_of_one_mind_are_worth_one() -> None:
    rng = np.random.default_rng(0)
    parent, child = (np.repeat(rng.random(30) < p, 10).astype(float).tolist() for p in (0.9, 0.8))
    free = recovery_of_items(child, parent, alone(300), level=0.95)
    tied = recovery_of_items(child, parent, [str(at // 10) for at in range(300)], level=0.95)
    assert tied.value == free.value
    assert tied.high - tied.low > 1.8 * (free.high - free.low)


def test_means_over_clusters_count_every_cluster_alike() -> None:
    # One term with nine items all kept, one with a single item lost: 0.5 over terms, 0.9 over items.
    parent, names = [1.0] * 10, ["a"] * 9 + ["b"]
    child = [1.0] * 9 + [0.0]
    assert recovery_of_items(child, parent, names, level=0.95, macro=True).value == pytest.approx(0.5)
    assert recovery_of_items(child, parent, names, level=0.95).value == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("child", "parent", "said"),
    [([1.0], [0.0], "nothing to recover"), ([1.0], [1.0, 0.0], "two sides"), ([1.5], [1.0], "between 0 and 1")],
)
def test_what_has_no_recovery_is_refused(child: list[float], parent: list[float], said: str) -> None:
    with pytest.raises(StatisticsError, match=said):
        recovery_of_items(child, parent, alone(len(parent)), level=0.95)


def test_a_table_is_compared_where_both_models_have_a_cell() -> None:
    parent = np.array([[1.0, 1.0], [1.0, np.nan], [0.0, 1.0]])
    child = np.array([[1.0, 0.0], [1.0, 1.0], [np.nan, 1.0]])
    # Cells of both: 1 1, 1 0, 1 1, 1 1: parent 4 of 4, child 3 of 4.
    found = recovery_of_cells([child], [parent], level=0.95)
    assert found.value == pytest.approx(0.75)
    assert found.low < 0.75 < found.high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "had", "lost", "gained", "size"),
    [(200, 0.95, 0.0, 0.0, 1), (200, 0.95, 0.02, 0.2, 1), (200, 0.6, 0.1, 0.1, 1), (60, 0.9, 0.1, 0.1, 1),
     (100, 0.5, 0.3, 0.1, 1), (400, 0.9, 0.02, 0.1, 5), (400, 0.5, 0.3, 0.2, 5)],
)  # fmt: skip
def test_the_interval_holds_the_true_recovery_as_often_as_it_says(
    count: int, had: float, lost: float, gained: float, size: int
) -> None:
    rng = np.random.default_rng(3)
    truth = (had * (1 - lost) + (1 - had) * gained) / had
    clusters = [str(at // size) for at in range(count)]
    below = above = 0
    for _ in range(500):
        chances = [
            np.repeat(rng.beta(4 * p, 4 * (1 - p), count // size), size)
            if size > 1 and 0 < p < 1
            else np.full(count, p)
            for p in (had, lost, gained)
        ]
        parent = (rng.random(count) < chances[0]).astype(float)
        draw = rng.random(count)
        child = np.where(parent == 1, draw >= chances[1], draw < chances[2]).astype(float)
        found = recovery_of_items(child.tolist(), parent.tolist(), clusters, level=0.95)
        assert found.low < found.high
        below += found.high < truth
        above += found.low > truth
    assert above <= 0.045 * 500
    assert below <= 0.045 * 500


@pytest.mark.slow
@pytest.mark.parametrize(("people", "templates", "level_of", "worse"), [(16, 10, 1.0, -0.3), (8, 5, 1.0, -0.2)])
def test_so_does_the_crossed_one(people: int, templates: int, level_of: float, worse: float) -> None:
    rng = np.random.default_rng(4)

    def drawn(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        whose, what = rng.normal(0, 0.8, (rows, 1)), rng.normal(0, 0.8, (1, columns))
        own, more = rng.normal(0, 1, (rows, columns)), rng.normal(0, 1, (rows, columns))
        parent = level_of + whose + what + own > 0
        change = 0.3 * rng.normal(0, 1, (rows, 1)) + 0.3 * rng.normal(0, 1, (1, columns))
        return parent.astype(float), (level_of + worse + whose + what + change + 0.9 * own + 0.44 * more > 0).astype(
            float
        )

    worlds = [drawn(1500, 1500) for _ in range(4)]
    truth = sum(child.mean() for _, child in worlds) / sum(parent.mean() for parent, _ in worlds)
    missed = 0
    for _ in range(300):
        parent, child = drawn(2 * people, templates)
        found = recovery_of_cells([child[:people], child[people:]], [parent[:people], parent[people:]], level=0.95)
        missed += not found.low <= truth <= found.high
    assert missed <= 0.08 * 300
