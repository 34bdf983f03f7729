"""The regression of gaps in simulated studies: its intervals cover the slopes, with as few units as a study has.

A study has few labels, and many cells of each: what a label has of its own is shared by all its cells.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_biasaudit.stats.least_squares import least_squares

STUDIES = 600
SLOPES = (0.4, 1.0)


@pytest.mark.parametrize("units", [6, 12])
def test_the_slopes_are_covered_about_as_often_as_it_says(units: int) -> None:
    """95 % intervals; between 92.5 and 99 %: Satterthwaite's df is an approximation, and errs to the careful side."""
    draw = np.random.default_rng(units)
    levers, seeds = 4, 3
    cluster = np.repeat(np.arange(units), levers * seeds)
    hits = np.zeros(2)
    for _ in range(STUDIES):
        upstream = np.repeat(draw.normal(size=units), levers * seeds)
        data = np.repeat(draw.normal(size=(units, levers)).ravel(), seeds)
        own = draw.normal(scale=0.5, size=units)[cluster]
        gap = SLOPES[0] * upstream + SLOPES[1] * data + own + draw.normal(scale=0.3, size=len(cluster))
        design = np.column_stack([np.ones(len(cluster)), upstream, data])
        fit = least_squares(design, gap, cluster, level=0.95)
        hits += [one.low <= slope <= one.high for one, slope in zip(fit.coefficients[1:], SLOPES, strict=True)]
    for share in hits / STUDIES:
        slack = 4 * math.sqrt(0.95 * 0.05 / STUDIES)
        assert 0.95 - slack - 0.01 <= share <= 0.99
