"""How fast people and templates are drawn again: 10,000 two-way resamples of 64 people x 30 templates. Run: tox run -e bench

Beside it, as the unit of the comparison, the same resamples by plain indexing of the table, one at a time.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_biasaudit.stats.twoway import mean_difference, resample

pytestmark = pytest.mark.benchmarks


def test_resamples_are_drawn_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    reference, group = draw.normal(size=(32, 30)), draw.normal(0.3, 1, size=(32, 30))
    statistic = mean_difference(reference, group)
    resample(statistic, people=(32, 32), templates=30, resamples=100, seed=0)
    ours, plain = [], []
    for seed in range(3):
        start = time.perf_counter()
        found = resample(statistic, people=(32, 32), templates=30, resamples=10_000, seed=seed)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        one_by_one = []
        for _ in range(10_000):
            columns = draw.integers(30, size=30)
            first, second = draw.integers(32, size=32), draw.integers(32, size=32)
            one_by_one.append(group[second][:, columns].mean() - reference[first][:, columns].mean())
        plain.append(time.perf_counter() - start)
    with capsys.disabled():
        print(f"\n  10,000 two-way resamples, 64 people x 30 templates: {min(ours):.3f} s   (at most 0.5 s)")
        print(f"  one at a time / all at once: {min(plain) / min(ours):.1f}")
    assert min(ours) <= 0.5
    assert found.standard_error == pytest.approx(np.std(one_by_one), rel=0.05)
