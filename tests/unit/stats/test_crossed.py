"""The crossed t interval: by hand, against scipy where it must agree, and what it says when there is too little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import NAMES_ONLY, contrast, differences, shared, t_interval, t_p, t_quantile


def by_hand(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """D and Var(D) of a complete table, written out from the formula with its own sums."""
    templates = a.shape[1]
    d = [b[:, t].mean() - a[:, t].mean() for t in range(templates)]
    names = cells = 0.0
    for y in (a, b):
        n = len(y)
        grand = y.mean()
        names += sum((y[i].mean() - grand) ** 2 for i in range(n)) / (n * (n - 1))
        residuals = [(y[i, t] - y[i].mean() - y[:, t].mean() + grand) ** 2 for i in range(n) for t in range(templates)]
        cells += sum(residuals) / ((n - 1) * (templates - 1) * n * templates)
    between = float(np.var(d, ddof=1)) / templates
    return float(np.mean(d)), max(names + between - cells, names, between)


def test_a_small_table_gives_the_difference_and_variance_found_by_hand() -> None:
    # Group A: names 1 and 3 apart by 2 on both templates; group B the same, and 5 higher on the second template only.
    a = np.array([[1.0, 11.0], [3.0, 13.0]])
    b = np.array([[1.0, 16.0], [3.0, 18.0]])
    parts = contrast(a, b)
    assert parts.difference == pytest.approx(2.5)  # (0 + 5) / 2
    assert parts.names == pytest.approx((1.0, 1.0))  # two people one off their mean: (1 + 1) / (2 * 1)
    assert parts.templates == pytest.approx(6.25)  # var(0, 5) = 12.5, over 2 templates
    assert parts.cells == pytest.approx((0.0, 0.0))
    assert parts.variance == pytest.approx(1.0 + 1.0 + 6.25)


@pytest.mark.parametrize("seed", range(5))
def test_a_complete_table_follows_the_published_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(7, 4)), rng.normal(1.0, 2.0, size=(5, 4))
    parts = contrast(a, b)
    difference, variance = by_hand(a, b)
    assert parts.difference == pytest.approx(difference)
    assert parts.variance == pytest.approx(variance)


def test_one_template_is_welchs_test_on_people() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(9, 1)), rng.normal(0.5, 2.0, size=(14, 1))
    parts = contrast(a, b)
    theirs = stats.ttest_ind(b[:, 0], a[:, 0], equal_var=False)
    ends = theirs.confidence_interval(0.95)
    ours = t_interval(parts.difference, parts.variance**0.5, parts.df, level=0.95, method=parts.method)
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high))
    assert parts.df == pytest.approx(theirs.df)
    assert t_p(parts.difference, parts.variance**0.5, parts.df) == pytest.approx(theirs.pvalue)
    assert parts.method == NAMES_ONLY


def test_without_people_and_cells_it_is_the_paired_test_over_templates() -> None:
    rng = np.random.default_rng(4)
    d = rng.normal(0.4, 1.0, 6)
    a = np.tile(rng.normal(0.0, 9.0, 6), (8, 1))
    parts = contrast(a, a + d)
    theirs = stats.ttest_1samp(d, 0.0)
    assert t_p(parts.difference, parts.variance**0.5, parts.df) == pytest.approx(theirs.pvalue)


def test_missing_cells_are_fitted_as_least_squares_fits_them() -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(size=(6, 4)) + rng.normal(size=(6, 1)) + 10.0 * rng.normal(size=(1, 4))
    table[rng.random(table.shape) < 0.25] = np.nan
    assert not np.isnan(table).all(axis=0).any()
    other = rng.normal(size=(5, 4))
    here = ~np.isnan(table)
    people, templates = np.nonzero(here)
    design = np.zeros((here.sum(), 6 + 4))
    design[np.arange(len(people)), people] = 1.0
    design[np.arange(len(people)), 6 + templates] = 1.0
    solution, _, rank, _ = np.linalg.lstsq(design, table[here], rcond=None)
    residual = ((table[here] - design @ solution) ** 2).sum() / (here.sum() - rank)
    weights = (1.0 / here.sum(axis=0)).sum() / 16
    parts = contrast(table, other)
    assert parts.cells[0] == pytest.approx(residual * weights)
    effects = solution[6:] - solution[6:].mean()
    ours_of_b = other.mean(axis=0) - other.mean()
    assert parts.templates == pytest.approx(np.var(ours_of_b - effects, ddof=1) / 4)


def test_the_level_of_templates_does_not_matter_when_cells_are_missing() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(8, 5)), rng.normal(size=(8, 5))
    for table in (a, b):
        table[rng.random(table.shape) < 0.2] = np.nan
    far = np.array([0.0, 1e4, -3e4, 5.0, 2e5])
    near, moved = contrast(a, b), contrast(a + far, b + far)
    assert moved.difference == pytest.approx(near.difference, abs=1e-6)
    assert moved.variance == pytest.approx(near.variance, rel=1e-5)
    assert moved.df == pytest.approx(near.df, rel=1e-4)


def test_templates_that_one_group_did_not_answer_are_left_out() -> None:
    a = np.array([[1.0, 5.0, np.nan], [2.0, 6.0, np.nan]])
    b = np.array([[1.0, np.nan, 9.0], [3.0, np.nan, 8.0], [np.nan, np.nan, 7.0]])
    both = shared(a, b)
    assert both.reference.shape == (2, 1)
    assert both.group.shape == (2, 1)  # the third person answered nothing that both groups were asked


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.full((2, 2), np.nan), np.ones((2, 2)), "the reference group has no answer"),
        (np.ones((2, 2)), np.zeros((0, 2)), "the group has no answer"),
        (np.array([[1.0, np.nan]] * 2), np.array([[np.nan, 1.0]] * 2), "no template was answered in both"),
        (np.full((2, 2), np.inf), np.ones((2, 2)), "infinite"),
        (np.full((2, 2), 1e200), np.ones((2, 2)), "too large"),
    ],
)
def test_what_cannot_be_compared_says_why(a: np.ndarray, b: np.ndarray, said: str) -> None:
    both = shared(a, b)
    assert not both.comparable
    assert said in both.reason


def test_one_person_in_a_group_gives_a_value_and_no_interval() -> None:
    both = shared(np.ones((1, 3)), np.ones((4, 3)))
    assert both.comparable
    assert "one person" in both.reason


def test_tables_over_different_templates_are_a_mistake_in_the_call() -> None:
    with pytest.raises(StatisticsError, match="same templates"):
        shared(np.ones((2, 3)), np.ones((2, 4)))


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.1])
def test_a_level_that_is_no_probability_is_a_mistake_in_the_call(level: float) -> None:
    with pytest.raises(StatisticsError, match="level"):
        t_quantile(level, 5.0)


def test_equal_answers_have_no_variance_however_they_round() -> None:
    parts = contrast(np.full((5, 3), 0.1), np.full((7, 3), 0.1))
    assert parts.variance == 0.0
    assert parts.difference == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_differences_of_two_models_are_contrasts_of_each_cells_difference(holes: float) -> None:
    rng = np.random.default_rng(7)
    child, parent = ([rng.normal(size=(n, 5)) for n in (9, 12)] for _ in range(2))
    for side in (0, 1):
        gone = rng.random(child[side].shape) < holes
        child[side][gone] = parent[side][gone] = np.nan
    at = differences((child[0], child[1]), (parent[0], parent[1]))
    for multiple in (-3.0, -1.0, 0.0, 0.4, 1.0, 50.0):
        once = contrast(child[0] - multiple * parent[0], child[1] - multiple * parent[1])
        again = at(multiple)
        assert (again.variance, again.df, again.difference) == pytest.approx((once.variance, once.df, once.difference))
        assert (*again.names, *again.cells, again.templates) == pytest.approx(
            (*once.names, *once.cells, once.templates)
        )
