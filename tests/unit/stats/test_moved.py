"""How far one group's answers moved: means by hand, and an interval over people and templates."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.stats.moved import mean_change


def test_the_change_is_the_mean_of_template_means() -> None:
    parent = np.array([[10.0, 20.0], [30.0, 40.0]])
    child = np.array([[12.0, 20.0], [30.0, np.nan]])
    # Changes: first template 2 and 0, second 0: means 1 and 0.
    found = mean_change(child, parent, level=0.95, shares=False)
    assert found.value == pytest.approx(0.5)
    assert found.pairs == 3
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_it_agrees_with_a_paired_t_test_of_one_template() -> None:
    from scipy import stats

    rng = np.random.default_rng(0)
    parent = rng.normal(size=(12, 1))
    child = parent + rng.normal(0.3, 0.2, (12, 1))
    found = mean_change(child, parent, level=0.95, shares=False)
    theirs = stats.ttest_rel(child[:, 0], parent[:, 0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_where_nothing_changed_the_interval_has_a_width() -> None:
    table = np.random.default_rng(1).normal(size=(6, 4))
    found = mean_change(table, table, level=0.95, shares=False)
    assert found.value == 0.0
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.0 < found.high


def test_one_changed_choice_is_bounded_as_one_hit_is() -> None:
    parent, child = np.ones((8, 5)), np.ones((8, 5))
    child[0, 0] = 0.0
    found = mean_change(child, parent, level=0.95, shares=True)
    assert found.value == pytest.approx(-1 / 40)
    assert found.low is not None
    # Wilson for one of so many answers as are independent at all leaves more than one and a half times its share above it.
    assert found.low < -2.5 / 40


@pytest.mark.parametrize(
    ("child", "parent", "said"),
    [
        (np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]), "one person"),
        (np.array([[np.nan], [1.0]]), np.array([[1.0], [np.nan]]), "no answer of both models"),
        (np.ones((3, 2)), np.ones((3, 2)), "every answer is the same"),
    ],
)
def test_what_has_no_interval_says_why(child: np.ndarray, parent: np.ndarray, said: str) -> None:
    found = mean_change(child, parent, level=0.95, shares=False)
    assert found.low is None
    assert said in found.reason


@pytest.mark.slow
def test_the_interval_holds_the_true_change() -> None:
    rng = np.random.default_rng(2)
    for people, templates in ((16, 4), (8, 10)):
        missed = 0
        for _ in range(400):
            change = 0.5 + rng.normal(0, 0.3, (people, 1)) + rng.normal(0, 0.3, (1, templates))
            change = change + rng.normal(0, 0.5, (people, templates))
            parent = rng.normal(0, 2, (people, templates))
            found = mean_change(parent + change, parent, level=0.95, shares=False)
            assert found.low is not None
            assert found.high is not None
            missed += not found.low <= 0.5 <= found.high
        assert missed <= 0.08 * 400
