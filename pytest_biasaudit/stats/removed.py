"""How much of a parent's bias its child is rid of: 1 - |child| / |parent|, paired on the same people and templates.

Uses numpy and scipy.special; knows nothing of metrics. With c and p the signed values of child and parent, sums of what the
same cells contribute, the share left is |r|, r = c / p. Fieller's set (1954) holds every r for which c - r p cannot be told
from 0, by the crossed t of `stats.crossed` on each cell's child less r times its parent:

    { r : |c - r p| <= t(df_r) sqrt(Var(c - r p)) }

It has two ends exactly when p itself is told from 0. Where it is not, any share, however large or small, could have been
removed, and none is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.stats.crossed import Contrast, contrast, differences, t_p, t_quantile
from pytest_biasaudit.stats.unvaried import unvaried_reach

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]
"""Tables of the reference group and of the group, (people, templates)."""

DOUBLINGS = 24
"""Steps in which the ends are looked for, from 0.001 doubled each time, before they are found to the last digits."""
HALVINGS = 50


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A share removed, with its limits; None for those where the parent's bias cannot be told from 0."""

    value: float
    low: float | None
    high: float | None
    """1 at most; never equal to `low`."""
    p: float
    """Two-sided, of the hypothesis that child and parent are equally far from 0."""
    parent: tuple[float, float]
    """Limits of the parent's own value."""
    parts: Contrast
    """Of the cells at the share found."""


def share_removed(
    child: Pair, parent: Pair, *, values: tuple[float, float], level: float, scale: float, few: float = 0.0
) -> Removed:
    """1 - |c| / |p| with Fieller's limits.

    child, parent  tables whose contrast has the error of c and of p, cell by cell (`linearised` for a standardised
                   difference); both with the same cells missing
    values         (c, p); p not 0
    scale          what one cell that differs may differ by, for the bound on cells not asked where nothing varied
    few            a reach that c - r p has at least (shares, where few cells changed)

    The set of r is a set of signed ratios; that of |r| is its image, from 0 where it holds 0. It covers |c / p| whenever
    the other covers c / p.
    """
    c, p = values

    at = differences(child, parent)

    def reach_at(r: float) -> tuple[float, Contrast]:
        parts = at(r)
        reach = t_quantile(level, parts.df) * math.sqrt(parts.variance)
        return math.hypot(reach, floor), parts

    floor = 0.0
    ratio = c / p
    there = contrast(child[0] - ratio * parent[0], child[1] - ratio * parent[1])  # to the last digit: it may be 0
    if there.variance <= 0.0:
        floor = unvaried_reach(there, scale=scale, level=level)
    floor = max(floor, few)
    own = contrast(*parent)
    own_reach = t_quantile(level, own.df) * math.sqrt(own.variance)
    if own.variance <= 0.0:
        own_reach = unvaried_reach(own, scale=max(scale, abs(p)), level=level)
    ends = None
    if abs(p) > own_reach:
        ends = _ends(lambda r: abs(c - r * p) <= reach_at(r)[0], ratio)
    even = []
    for sign in (1.0, -1.0):
        parts = at(sign)
        error = math.hypot(math.sqrt(parts.variance), floor / t_quantile(level, parts.df))
        even.append(t_p(c - sign * p, error, parts.df) if error > 0.0 else float(c == sign * p))
    low = high = None
    if ends is not None:
        least = 0.0 if ends[0] <= 0.0 <= ends[1] else min(abs(ends[0]), abs(ends[1]))
        low, high = 1.0 - max(abs(ends[0]), abs(ends[1])), 1.0 - least
    return Removed(
        value=1.0 - abs(ratio),
        low=low,
        high=high,
        p=max(even),
        parent=(p - own_reach, p + own_reach),
        parts=there,
    )


def linearised(tables: Pair, *, weights: tuple[float, float], s: float, d: float) -> Pair:
    """Tables whose contrast has the error of d = difference of means / s, that of s included, to first order.

    weights  those of the two groups' variances in s^2 = w_0 s_0^2 + w_1 s_1^2
    s, d     the standard deviation, and the standardised difference

        y / s -+ d w_g (y - m_g)^2 / (2 s^2)        m_g the group's mean row; - in the group, + in the reference group
    """
    made = []
    for table, weight, sign in zip(tables, weights, (1.0, -1.0), strict=True):
        off = table - np.nanmean(table)
        made.append(table / s + sign * d * weight * off**2 / (2.0 * s**2))
    return made[0], made[1]


def _ends(within: Callable[[float], bool], ratio: float) -> tuple[float, float] | None:
    """The outermost ratios of the set on both sides of the one found; None where it has no end."""
    found = []
    for side in (-1.0, 1.0):
        steps = [ratio + side * 0.001 * 2.0**at for at in range(DOUBLINGS)]
        inside = [at for at, r in enumerate(steps) if within(r)]
        last = inside[-1] if inside else -1
        if last == DOUBLINGS - 1:
            return None
        near = ratio if last < 0 else steps[last]
        far = steps[last + 1]
        for _ in range(HALVINGS):
            middle = (near + far) / 2.0
            if middle in (near, far):
                break
            if within(middle):
                near = middle
            else:
                far = middle
        found.append(far)
    return found[0], found[1]
