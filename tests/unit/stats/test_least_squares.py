"""Least squares by cluster: values by numpy and scikit-learn, variances written out in full matrices, and known special cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.least_squares import least_squares

Floats = NDArray[np.float64]


def a_world(seed: int, *, clusters: int = 8, rows: int = 60) -> tuple[Floats, Floats, NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    cluster = draw.permutation(np.concatenate([np.arange(clusters), draw.integers(0, clusters, rows - clusters)]))
    by_cluster = draw.normal(size=(clusters, 1))[cluster]
    design = np.column_stack([np.ones(rows), draw.normal(size=(rows, 2)) + by_cluster])
    outcome = design @ np.array([0.3, 1.0, -0.5]) + draw.normal(size=rows) + draw.normal(size=clusters)[cluster]
    return design, outcome, cluster


def in_full(design: Floats, outcome: Floats, cluster: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Variance CR2 and its degrees of freedom by n x n matrices, as Bell and McCaffrey write them."""
    n, k = design.shape
    bread = np.linalg.inv(design.T @ design)
    rest = np.eye(n) - design @ bread @ design.T
    left = rest @ outcome
    meat, directions = np.zeros((k, k)), []
    for one in np.unique(cluster):
        inside = np.flatnonzero(cluster == one)
        values, vectors = np.linalg.eigh(rest[np.ix_(inside, inside)])
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        part = design[inside].T @ root
        meat += np.outer(part @ left[inside], part @ left[inside])
        directions.append((inside, root @ design[inside] @ bread))
    df = []
    for column in range(k):
        p = np.stack([rest[:, inside] @ weights[:, column] for inside, weights in directions])
        values = np.linalg.eigvalsh(p @ p.T)
        df.append(values.sum() ** 2 / (values**2).sum())
    return np.sqrt(np.diag(bread @ meat @ bread)), np.array(df)


@pytest.mark.parametrize("seed", range(4))
def test_values_and_r_squared_are_those_of_other_libraries(seed: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    design, outcome, cluster = a_world(seed)
    fit = least_squares(design, outcome, cluster, level=0.95)
    theirs = linear_model.LinearRegression().fit(design[:, 1:], outcome)
    assert [one.value for one in fit.coefficients[1:]] == pytest.approx(theirs.coef_.tolist())
    assert fit.coefficients[0].value == pytest.approx(theirs.intercept_)
    assert fit.r_squared == pytest.approx(theirs.score(design[:, 1:], outcome))
    assert [one.value for one in fit.coefficients] == pytest.approx(np.linalg.lstsq(design, outcome)[0].tolist())
    assert fit.clusters == 8


@pytest.mark.parametrize("seed", range(4))
def test_variances_and_degrees_of_freedom_are_those_of_full_matrices(seed: int) -> None:
    design, outcome, cluster = a_world(seed)
    fit = least_squares(design, outcome, cluster, level=0.9)
    errors, df = in_full(design, outcome, cluster)
    assert [one.standard_error for one in fit.coefficients] == pytest.approx(errors.tolist())
    assert [one.df for one in fit.coefficients] == pytest.approx(df.tolist())
    for one, error, freedom in zip(fit.coefficients, errors, df, strict=True):
        half = stats.t.ppf(0.95, freedom) * error
        assert (one.low, one.high) == pytest.approx((one.value - half, one.value + half))
        assert one.p == pytest.approx(2 * stats.t.sf(abs(one.value) / error, freedom))


def test_clusters_of_one_size_and_a_constant_alone_give_the_t_interval_of_cluster_means() -> None:
    draw = np.random.default_rng(5)
    cluster = np.repeat(np.arange(6), 7)
    outcome = draw.normal(size=6)[cluster] + draw.normal(size=42)
    fit = least_squares(np.ones((42, 1)), outcome, cluster, level=0.95).coefficients[0]
    means = outcome.reshape(6, 7).mean(1)
    known = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert fit.df == pytest.approx(5)
    assert (fit.low, fit.high) == pytest.approx((known.low, known.high))


def test_two_groups_of_clusters_give_welch_s_t() -> None:
    """Rows that are each a cluster, and a 0/1 column: HC2 is Welch's variance, and df that of Bell and McCaffrey."""
    a, b = np.array([1.0, 2.5, 2.0, 4.0]), np.array([3.0, 5.5, 6.0, 4.5, 8.0])
    design = np.column_stack([np.ones(9), np.repeat([0.0, 1.0], [4, 5])])
    fit = least_squares(design, np.concatenate([a, b]), np.arange(9), level=0.95).coefficients[1]
    assert fit.value == pytest.approx(b.mean() - a.mean())
    assert fit.standard_error == pytest.approx(math.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 5))


@pytest.mark.parametrize(
    ("design", "outcome", "cluster", "said"),
    [
        (np.ones((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]), [1, 1, 1, 1], "2 clusters, got 1"),
        (np.ones((4, 2)), np.array([1.0, 2.0, 3.0, 4.0]), [1, 1, 2, 2], "hang on one another"),
        (np.ones((4, 1)), np.ones(4), [1, 1, 2, 2], "the same in every row"),
        (
            np.column_stack([np.ones(4), np.arange(4.0)]),
            np.arange(4.0),
            [1, 1, 2, 2],
            "without a variance",
        ),
    ],
)
def test_what_has_no_interval_is_refused(design: Floats, outcome: Floats, cluster: list[int], said: str) -> None:
    with pytest.raises(StatisticsError, match=said):
        least_squares(design, outcome, cluster, level=0.95)
