"""How sure, about log odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008, section 3.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.linked_shares import Pair, Share
from pytest_biasaudit.stats.two_proportions import quantile

PRIOR_ROWS = 1.0
"""Rows that the prior is worth. One: it keeps the odds of an empty cell finite, and moves nothing else by much."""


@dataclass(frozen=True, kw_only=True)
class LogOdds:
    """First less second, in nats."""

    value: float
    low: float
    high: float
    error: float
    df: float | None


def log_odds_interval(pair: Pair, *, prior: float, prior_rows: float, level: float) -> LogOdds:
    """Difference of the two log odds, each with `prior` of `prior_rows` rows added to its hits (eq. 16), and its interval.

    Variance of each: 1/(y + a) + 1/(n - y + a0 - a), the posterior's to first order (eq. 19, which leaves out the second
    term: it is for words that are rare), divided by the share of rows that are independent where they come in clusters.

    Raises StatisticsError unless 0 < prior < prior_rows.
    """
    if not 0.0 < prior < prior_rows:
        raise StatisticsError(f"a prior of {prior!r} of {prior_rows!r} rows gives no odds")
    one, two = _odds(pair.first, prior, prior_rows), _odds(pair.second, prior, prior_rows)
    value = one[0] - two[0]
    variance = one[1] + two[1] - 2.0 * pair.correlation * math.sqrt(one[1] * two[1])
    # Shares that rise and fall together leave less doubt than rounding does.
    error = math.sqrt(max(variance, 1e-12))
    df = min(pair.first.df, pair.second.df)
    reach = float(quantile(level, df)) * error
    return LogOdds(
        value=value, low=value - reach, high=value + reach, error=error, df=df if math.isfinite(df) else None
    )


def _odds(share: Share, prior: float, prior_rows: float) -> tuple[float, float]:
    hits, misses = share.hits + prior, share.n - share.hits + prior_rows - prior
    return math.log(hits / misses), (1.0 / hits + 1.0 / misses) * share.n / share.worth
