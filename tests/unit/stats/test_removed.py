"""The share of a bias removed: its limits against Fieller's closed form, signs, nothing varied, and a parent near 0."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_biasaudit.stats.crossed import contrast, t_quantile, template_mean
from pytest_biasaudit.stats.removed import Pair, Removed, linearised, share_removed


def tables(seed: int, *, gap: float, people: int = 12, templates: int = 1, own: float = 1.0) -> Pair:
    rng = np.random.default_rng(seed)
    reference, group = (own * rng.normal(size=(people, templates)) for _ in range(2))
    return reference, group + gap


def gap_of(pair: Pair) -> float:
    return template_mean(pair[1]) - template_mean(pair[0])


def share(child: Pair, parent: Pair, *, level: float = 0.95, **settings: float) -> Removed:
    return share_removed(
        child, parent, values=(gap_of(child), gap_of(parent)), level=level, scale=settings.pop("scale", 1.0), **settings
    )


def test_with_one_template_and_equal_groups_the_limits_are_the_roots_of_fiellers_equation() -> None:
    # Where both groups' variances of c - r p are in one proportion, df does not depend on r: here both groups scatter alike.
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 10, 1))
    child, parent = (x, x + 1.0), (y, y + 3.0)
    found = share(child, parent)
    t = t_quantile(0.95, 18.0)
    var_c, var_p, cov = (2 * float(np.cov(a[:, 0], b[:, 0])[0, 1]) / 10 for a, b in ((x, x), (y, y), (x, y)))
    a, b, c = 9.0 - t**2 * var_p, 3.0 - t**2 * cov, 1.0 - t**2 * var_c
    root = math.sqrt(b**2 - a * c)
    ratios = sorted(((b - root) / a, (b + root) / a))
    assert found.value == pytest.approx(1 - 1 / 3)
    expected_high = 1.0 if ratios[0] <= 0 else 1 - ratios[0]
    assert (found.low, found.high) == pytest.approx((1 - ratios[1], expected_high), rel=1e-9)


def test_a_child_without_a_gap_may_have_lost_all_of_it_and_the_high_end_is_one() -> None:
    found = share(tables(1, gap=0.0), tables(2, gap=6.0))
    assert found.high == 1.0
    assert found.low is not None
    assert 0.5 < found.low < found.value


@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_the_sign_of_a_bias_does_not_matter_and_a_bias_turned_round_is_not_removed(turned: float) -> None:
    parent = tables(2, gap=6.0, own=0.1)
    found = share(tuple(turned * side for side in parent), parent)  # type: ignore[arg-type]  # a pair
    assert found.value == pytest.approx(0.0, abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.0 < found.high
    assert found.p == pytest.approx(1.0)


def test_more_bias_than_before_is_a_share_below_zero() -> None:
    found = share(tables(1, gap=9.0, own=0.2), tables(2, gap=6.0, own=0.2))
    assert found.value == pytest.approx(-0.5, abs=0.1)
    assert found.high is not None
    assert found.high < 0.0
    assert found.p < 0.01


def test_of_a_parent_whose_bias_cannot_be_told_from_zero_no_share_is_said() -> None:
    parent = tables(2, gap=0.3)
    own = contrast(*parent)
    assert abs(own.difference) < t_quantile(0.95, own.df) * own.variance**0.5
    found = share(tables(1, gap=0.0), parent)
    assert (found.low, found.high) == (None, None)
    assert found.parent[0] < 0.0 < found.parent[1]


def test_an_interval_is_there_exactly_when_the_parents_own_leaves_out_zero() -> None:
    seen = set()
    for seed in range(40):
        found = share(tables(seed, gap=0.5, templates=3), tables(seed + 99, gap=1.0, templates=3))
        told = found.parent[0] > 0.0 or found.parent[1] < 0.0
        seen.add(told)
        assert (found.low is not None) == told
        for end in (found.low, found.high):
            assert end is None or math.isfinite(end)
    assert seen == {True, False}


def test_the_same_model_twice_has_removed_nothing_with_an_interval_of_some_width_around_it() -> None:
    parent = tables(2, gap=3.0, templates=4)
    found = share(parent, parent)
    assert found.value == 0.0
    assert found.low is not None
    assert found.high is not None
    assert found.low < -1e-3 < 1e-3 < found.high


def test_the_error_of_a_standardised_gap_is_the_jackknifes() -> None:
    rng = np.random.default_rng(5)
    pair = rng.normal(size=(400, 1)), 1.0 + 1.5 * rng.normal(size=(400, 1))

    def smd(a: np.ndarray, b: np.ndarray) -> float:
        return float((b.mean() - a.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))

    left_out = [
        np.array([smd(np.delete(pair[0], at), pair[1]) for at in range(400)]),
        np.array([smd(pair[0], np.delete(pair[1], at)) for at in range(400)]),
    ]
    jackknife = sum(399 / 400 * float(((one - one.mean()) ** 2).sum()) for one in left_out)
    s = math.sqrt((pair[0].var(ddof=1) + pair[1].var(ddof=1)) / 2)
    parts = contrast(*linearised(pair, weights=(0.5, 0.5), s=s, d=smd(*pair)))
    assert parts.variance == pytest.approx(jackknife, rel=0.02)
    assert contrast(pair[0] / s, pair[1] / s).variance != pytest.approx(jackknife, rel=0.02)
