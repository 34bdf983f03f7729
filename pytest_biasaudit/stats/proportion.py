"""How sure, about shares: intervals that keep their width at 0 and at 1. Uses scipy.special; knows nothing of metrics.

Sources: Wilson 1927; Newcombe 1998 (Statistics in Medicine 17, method 10); Donner and Zou 2012 for ratios ("MOVER":
limits of the parts give limits of the whole).
"""

from __future__ import annotations

import math

from scipy.special import betaincinv, ndtri, stdtrit

from pytest_biasaudit.errors import StatisticsError

NAMES_SHARE = 0.10
TEMPLATES_SHARE = 0.05
"""Shares of variance that people and templates are taken to hold where the answers show no variation at all."""


def wilson(rate: float, n: float, *, level: float, df: float = math.inf) -> tuple[float, float]:
    """Score interval for a share; `n` may be an effective number and need not be whole.

    df  of the variance behind an effective `n`: with few, t takes the place of the normal

    Never of zero width, and within 0 and 1. Raises StatisticsError for a rate outside [0, 1] or an `n` of 0 or less.
    """
    _check(rate, n, level)
    z = float(ndtri(0.5 + level / 2.0) if math.isinf(df) else stdtrit(df, 0.5 + level / 2.0))
    middle = rate + z * z / (2 * n)
    reach = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if rate == 0.0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if rate == 1.0 else min(1.0, (middle + reach) / scale)
    return low, high


def exact(count: int, n: int, *, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval for `count` of `n` independent answers: never covers less than `level`."""
    if n < 1 or not 0 <= count <= n:
        raise StatisticsError(f"a count lies between 0 and its total, and the total is at least 1: got {count} of {n}")
    _check(count / n, n, level)
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1.0 - tail))
    return low, high


def newcombe(
    rate_reference: float, n_reference: float, rate_group: float, n_group: float, *, level: float
) -> tuple[float, float]:
    """Interval for the group's share minus the reference group's, from the two Wilson intervals."""
    low_r, high_r = wilson(rate_reference, n_reference, level=level)
    low_g, high_g = wilson(rate_group, n_group, level=level)
    difference = rate_group - rate_reference
    return (
        difference - math.hypot(rate_group - low_g, high_r - rate_reference),
        difference + math.hypot(high_g - rate_group, rate_reference - low_r),
    )


def mover_ratio(
    rate_reference: float, n_reference: float, rate_group: float, n_group: float, *, level: float
) -> tuple[float, float]:
    """Interval for the group's share over the reference group's, from the two Wilson intervals.

    The upper end is infinite where the reference group's share is 0. Raises StatisticsError where both shares are 0: the
    ratio is not defined.
    """
    if rate_reference == 0.0 and rate_group == 0.0:
        raise StatisticsError("the ratio of two shares of 0 is not defined")
    low_r, high_r = wilson(rate_reference, n_reference, level=level)
    low_g, high_g = wilson(rate_group, n_group, level=level)
    product = rate_group * rate_reference

    # Roots of (rate_g - limit_g)^2 + x^2 (rate_r - limit_r)^2 = (rate_g - x rate_r)^2, for each end its own limits.
    top, bottom = low_g * (2 * rate_group - low_g), high_r * (2 * rate_reference - high_r)
    low = 0.0 if top == 0.0 else top / (product + math.sqrt(max(0.0, product**2 - top * bottom)))
    top, bottom = high_g * (2 * rate_group - high_g), low_r * (2 * rate_reference - low_r)
    high = math.inf if bottom == 0.0 else (product + math.sqrt(max(0.0, product**2 - top * bottom))) / bottom
    return low, high


def design_effect(people: int, templates: int) -> float:
    """How many times the variance of independent answers a table's has, with the shares assumed above."""
    return 1.0 + (templates - 1) * NAMES_SHARE + (people - 1) * TEMPLATES_SHARE


def effective_n(rate: float, variance: float, *, cells: int, people: int, templates: int) -> float:
    """How many independent answers a share of a crossed table is worth: rate (1 - rate) / variance.

    Where every answer is the same no variance is seen, and independence would be a guess in the model's favour: the number
    of answers is then divided by `design_effect`. Never above `cells`, never below 1.
    """
    if rate in (0.0, 1.0) or variance <= 0.0:
        return max(1.0, cells / design_effect(people, templates))
    return max(1.0, min(float(cells), rate * (1.0 - rate) / variance))


def _check(rate: float, n: float, level: float) -> None:
    if not 0.0 <= rate <= 1.0:
        raise StatisticsError(f"a share lies between 0 and 1, got {rate!r}")
    if not (math.isfinite(n) and n > 0):
        raise StatisticsError(f"a share needs a number of answers above 0, got {n!r}")
    if not 0.0 < level < 1.0:
        raise StatisticsError(f"a level lies between 0 and 1, got {level!r}")
