"""How sure, about log odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008, section 3.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.linked_shares import Pair, Share

PRIOR_ROWS = 1.0
"""Rows that the prior is worth. One: it keeps the odds of an empty cell finite, and moves nothing else by much."""


@dataclass(frozen=True, kw_only=True)
class LogOdds:
    """First less second, in nats."""

    value: float
    low: float
    high: float


def log_odds_interval(pair: Pair, *, prior: float, prior_rows: float, level: float) -> LogOdds:
    """Difference of the two log odds, each with `prior` of `prior_rows` rows added to its hits (eq. 16), and its interval.

    The paper's normal interval (eqs. 19 and 22) covers 90 % in cells of five where the groups differ: the prior draws them
    together, and odds near 0 or 1 are not normal. In its place the ends of each share's own interval, as log odds, are put
    together about the value as those of a difference are (Zou and Donner 2008). An end is infinite where a share is 0 or 1.

    Raises StatisticsError unless 0 < prior < prior_rows.
    """
    if not 0.0 < prior < prior_rows:
        raise StatisticsError(f"a prior of {prior!r} of {prior_rows!r} rows gives no odds")
    (one, low_one, high_one), (two, low_two, high_two) = (
        _odds(share, prior, prior_rows, level) for share in (pair.first, pair.second)
    )
    value, rho = one - two, pair.correlation
    return LogOdds(
        value=value,
        low=value - _side(one - low_one, high_two - two, rho),
        high=value + _side(high_one - one, two - low_two, rho),
    )


def _odds(share: Share, prior: float, prior_rows: float, level: float) -> tuple[float, float, float]:
    low, high = (float(end[0]) for end in share.as_shares.limits(level=level))
    value = math.log((share.hits + prior) / (share.n - share.hits + prior_rows - prior))
    # A prior that is all for the other answer can draw a cell of few rows beyond its own limits.
    return value, min(value, _logit(low)), max(value, _logit(high))


def _logit(rate: float) -> float:
    return -math.inf if rate <= 0.0 else math.inf if rate >= 1.0 else math.log(rate / (1.0 - rate))


def _side(one: float, other: float, rho: float) -> float:
    if math.isinf(one) or math.isinf(other):
        return math.inf
    return math.sqrt(max(1e-12, one * one + other * other - 2.0 * rho * one * other))
