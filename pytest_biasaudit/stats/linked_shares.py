"""How sure, about two shares of one table's rows, which may be in both and may come in clusters.

Takes counts of cells to the shares and the correlation that `two_proportions` puts together. Uses numpy; knows nothing of
metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats import two_proportions
from pytest_biasaudit.stats.two_proportions import Between, Shares

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of rows."""

    hits: int
    n: int
    """Rows it is of, at least 1."""
    units: int
    """Independent units among them: rows, or clusters."""
    worth: float
    """Independent rows it is worth: `n`, or fewer where rows come in clusters."""
    df: float = math.inf
    """Behind `worth`, where clusters say it."""

    @property
    def rate(self) -> float:
        """The share itself."""
        return self.hits / self.n

    @property
    def clustered(self) -> bool:
        """Whether rows come in clusters."""
        return math.isfinite(self.df)

    @property
    def as_shares(self) -> Shares:
        """As `two_proportions` takes it."""
        return Shares(rate=np.asarray([self.rate]), n=np.asarray([self.worth]), df=np.asarray([self.df]))

    def limits(self, level: float) -> tuple[float, float]:
        """Clopper and Pearson's, which cover no less than `level`; never of zero width."""
        low, high = self.as_shares.limits(level=level, exact=True)
        return float(low[0]), float(high[0])


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two shares, and how their errors go together."""

    first: Share
    second: Share
    correlation: float = 0.0
    """0 where no row and no cluster is in both, or where one share is 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies between two shares."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided, of equal shares."""
    error: float | None
    """Standard error; of the logarithm for a ratio."""
    df: float | None


def share(hit: Bools, of: Bools, count: Ints, cluster: Ints | None) -> Share:
    """The share of `of`'s rows that are `hit`. All arrays are of shape (cells,). Raises StatisticsError without rows."""
    if cluster is None:
        n = int(count[of].sum())
        if n == 0:
            raise StatisticsError("a share of no rows is not defined")
        return Share(hits=int(count[of & hit].sum()), n=n, units=n, worth=float(n))
    return _clustered([hit], [of], count, cluster)[0][0]


def pair(hit: tuple[Bools, Bools], of: tuple[Bools, Bools], count: Ints, cluster: Ints | None) -> Pair:
    """Two shares of one table. `hit`, `of`: what is counted and of which cells, each of shape (cells,), first and second."""
    if cluster is not None:
        (first, second), influence = _clustered(hit, of, count, cluster)
        rho = float(two_proportions.correlation_of(influence[:, :1], influence[:, 1:])[0])
        return Pair(first=first, second=second, correlation=rho)
    first, second = (share(h, o, count, None) for h, o in zip(hit, of, strict=True))
    if not bool((of[0] & of[1]).any()):
        return Pair(first=first, second=second)
    pulls = [
        np.where(o, h - one.rate, 0.0) * np.sqrt(count) for h, o, one in zip(hit, of, (first, second), strict=True)
    ]
    rho = float(two_proportions.correlation_of(pulls[0][:, None], pulls[1][:, None])[0])
    return Pair(first=first, second=second, correlation=rho)


def difference(pair: Pair, *, level: float) -> Found:
    """The first share minus the second."""
    return _found(
        two_proportions.difference(
            pair.second.as_shares, pair.first.as_shares, level=level, correlation=pair.correlation
        )
    )


def ratio(pair: Pair, *, level: float) -> Found:
    """The first share over the second; infinite where the second is 0. Raises StatisticsError where both are."""
    if pair.first.hits == 0 and pair.second.hits == 0:
        raise StatisticsError("the ratio of two shares of 0 is not defined")
    return _found(
        two_proportions.ratio(pair.second.as_shares, pair.first.as_shares, level=level, correlation=pair.correlation)
    )


def _clustered(
    hit: list[Bools] | tuple[Bools, ...], of: list[Bools] | tuple[Bools, ...], count: Ints, cluster: Ints
) -> tuple[list[Share], Floats]:
    size = int(cluster.max()) + 1 if len(cluster) else 0
    bottom = np.stack([np.bincount(cluster, weights=count * o, minlength=size) for o in of], axis=1)
    top = np.stack(
        [np.bincount(cluster, weights=count * (o & h), minlength=size) for h, o in zip(hit, of, strict=True)], axis=1
    )
    if not (bottom.sum(axis=0) > 0).all():
        raise StatisticsError("a share of no rows is not defined")
    found, influence = two_proportions.shares_of_clusters(top, bottom)
    units = (bottom > 0).sum(axis=0)
    shares = [
        Share(
            hits=int(top[:, at].sum()),
            n=int(bottom[:, at].sum()),
            units=int(units[at]),
            worth=float(found.n[at]),
            df=float(found.df[at]),
        )
        for at in range(len(of))
    ]
    return shares, influence


def _found(between: Between) -> Found:
    value, low, high, p, error, df = (
        float(part[0])
        for part in (between.value, between.low, between.high, between.p, between.standard_error, between.df)
    )
    sound = math.isfinite(error) and error > 0.0
    return Found(
        value=value,
        low=low,
        high=high,
        p=p,
        error=error if sound else None,
        df=df if sound and math.isfinite(df) else None,
    )
