"""The part of the recomputation that is about items in clusters: shares, means, and how both differ between two models.

Plain Python over dictionaries of lists, with quantiles and roots from scipy; imports nothing of ours. A figure is a weighted
mean of items, each alike ("micro") or each cluster alike ("macro"); what varies are clusters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import optimize, stats

ENOUGH = 5
ROUNDING = 1e-12
"""What a mean of exactly 0 may come out as."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What an estimate says, as the evidence holds it; all of it absent where there is no figure."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    standard_error: float | None = None
    df: float | None = None
    used: int | None = None
    """Items the figure rests on; None: all with a value."""
    clusters: int = 0
    usable: bool = True
    """False: computed, and a limit cannot be held against it."""

    def times(self, scale: float, shift: float = 0.0) -> Figure:
        """The same on another scale."""

        def turned(end: float | None) -> float | None:
            return None if end is None else scale * end + shift

        error = None if self.standard_error is None else scale * self.standard_error
        return replace(
            self, value=turned(self.value), low=turned(self.low), high=turned(self.high), standard_error=error
        )


NONE = Figure()


class Clusters:
    """Items by cluster, and the weight of each cluster; an item has its cluster's, divided by the cluster's size."""

    def __init__(self, values: Sequence[float], names: Sequence[str], *, macro: bool) -> None:
        self.of: dict[str, list[float]] = {}
        for value, name in zip(values, names, strict=True):
            self.of.setdefault(name, []).append(value)
        self.values = list(values)
        self.items, self.count = len(self.values), len(self.of)
        self.weight = {name: 1 / self.count if macro else len(own) / self.items for name, own in self.of.items()}
        self.means = {name: math.fsum(own) / len(own) for name, own in self.of.items()}
        self.mean = math.fsum(self.weight[name] * self.means[name] for name in self.of)
        # How many independent items these weights are worth, and how many if a cluster says one thing only.
        self.worth = 1 / math.fsum(self.weight[name] ** 2 / len(own) for name, own in self.of.items())
        self.least_worth = 1 / math.fsum(weight**2 for weight in self.weight.values())

    def variance(self) -> float:
        if self.count == 1:
            return 0.0
        return math.fsum(
            (self.weight[name] * (self.means[name] - self.mean)) ** 2 / (1 - self.weight[name]) for name in self.of
        )

    def scarce(self) -> bool:
        return self.differing() < min(ENOUGH, self.count / 2)

    def differing(self) -> int:
        """Clusters that say another thing than most do."""
        return self.count - Counter(round(mean, 12) for mean in self.means.values()).most_common(1)[0][1]

    def freedom(self, alike: float) -> float:
        """Satterthwaite, for clusters of which the share `alike` of the variance is common to all their items."""
        parts = [
            (1 - alike) * self.weight[one] ** 2 / len(self.of[one]) + alike * self.weight[one] ** 2 for one in self.of
        ]
        return max(1.0, math.fsum(parts) ** 2 / math.fsum(part**2 for part in parts) - 1)


def quantile(level: float, df: float) -> float:
    tail = 0.5 + level / 2
    return float(stats.norm.ppf(tail) if math.isinf(df) else stats.t.ppf(tail, df))


def two_sided(score: float, df: float) -> float:
    return min(1.0, 2 * float(stats.norm.sf(abs(score)) if math.isinf(df) else stats.t.sf(abs(score), df)))


def wilson(rate: float, n: float, *, level: float, df: float = math.inf) -> tuple[float, float]:
    """Where the score test stops rejecting, by root search."""
    z = quantile(level, df)

    def beyond(true: float) -> float:
        return (rate - true) ** 2 * n - z**2 * true * (1 - true)

    def root(inner: float, outer: float) -> float:
        return float(optimize.brentq(beyond, inner, outer, xtol=1e-16, rtol=1e-15))

    # At a rate of 0 the test rejects everything above z^2 / (n + z^2), and 0 itself solves the equation too.
    if rate in (0.0, 1.0):
        end = z**2 / (n + z**2)
        return (0.0, end) if rate == 0.0 else (1 - end, 1.0)
    return root(rate, 0.0), root(rate, 1.0)


def share_of(sample: Clusters, *, level: float) -> tuple[Figure, float]:
    """A share with Wilson's interval, and the independent items it is worth."""
    mean = min(1.0, max(0.0, sample.mean))
    most = sample.worth / sample.least_worth
    spread = mean * (1 - mean) / sample.worth
    lowest = 1.0
    if set(sample.values) - {0.0, 1.0}:
        own = math.fsum(
            (sample.weight[name] / len(found)) ** 2 * (one - mean) ** 2
            for name, found in sample.of.items()
            for one in found
        )
        lowest = min(1.0, own / spread)
    seen = most
    if spread > 0 and sample.count > 1:
        seen = min(most, max(lowest, sample.variance() * (1 - 1 / sample.worth) / spread))
    trust = min(1.0, sample.differing() / min(ENOUGH, sample.count / 2))
    design = trust * seen + (1 - trust) * most
    n = sample.worth / design
    df = math.inf
    if sample.count < sample.items:
        alike = (design - 1) / (most - 1) if most > 1 + 1e-9 else 0.0
        df = sample.freedom(min(1.0, max(0.0, alike)))
    low, high = wilson(mean, n, level=level, df=df)
    error = (high - low) / 2 / quantile(level, df)
    figure = Figure(
        value=mean, low=low, high=high, standard_error=error, df=df, used=sample.items, clusters=sample.count
    )
    return figure, n


def share(
    hits: Sequence[float],
    names: Sequence[str],
    *,
    level: float,
    macro: bool = False,
    tested: bool = False,
) -> Figure:
    """A share on 0 to 1; no figure without items. Without a standard error: Wilson's interval is not symmetric.

    tested  with the p of a share of one half
    """
    if not hits:
        return NONE
    found, n = share_of(Clusters(hits, names, macro=macro), level=level)
    assert found.value is not None
    assert found.df is not None
    p = two_sided((found.value - 0.5) / math.sqrt(0.25 / n), found.df) if tested else None
    return replace(found, p=p, standard_error=None, df=None)


def whole_share(sample: Clusters, level: float) -> tuple[float, float, float]:
    """A share with its limits."""
    found, _ = share_of(sample, level=level)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return found.value, found.low, found.high


class Mean:
    """A mean of items that are no shares: t by clusters, wider where few of them differ; infinite ends where nothing tells."""

    def __init__(self, sample: Clusters, *, level: float, bounds: tuple[float, float] | None) -> None:
        self.value, self.df = sample.mean, sample.freedom(1.0)
        times = quantile(level, self.df)
        reach = times * math.sqrt(sample.variance())
        if reach <= ROUNDING * max(map(abs, sample.values)):
            reach = 0.0
        if bounds is None and reach == 0:
            reach = math.inf
        if bounds is not None and sample.scarce():
            share = sample.differing() / sample.count
            unseen = wilson(share, sample.least_worth, level=level, df=self.df)[1] - share
            counts = Counter(round(value, 12) for value in sample.values)
            usual = [value for value, count in counts.items() if count == max(counts.values())]
            reach = max(reach, unseen * max(abs(end - value) for end in bounds for value in usual))
        self.error = reach / times
        self.low, self.high = self.value - reach, self.value + reach
        if bounds is not None:
            self.low, self.high = max(self.low, bounds[0]), min(self.high, bounds[1])

    @property
    def p(self) -> float:
        """Of a mean of 0."""
        return two_sided(self.value / self.error, self.df) if 0 < self.error < math.inf else 1.0


def mean_of(
    values: Sequence[float],
    names: Sequence[str],
    *,
    level: float,
    bounds: tuple[float, float] | None,
    macro: bool = False,
) -> Figure:
    sample = Clusters(values, names, macro=macro)
    found = Mean(sample, level=level, bounds=bounds)
    if math.isinf(found.low):
        return Figure(value=found.value, used=sample.items)
    return Figure(
        value=found.value,
        low=found.low,
        high=found.high,
        p=found.p,
        standard_error=found.error,
        df=found.df,
        used=sample.items,
        clusters=sample.count,
    )


def further(
    now: Sequence[float],
    then: Sequence[float],
    names: Sequence[str],
    *,
    level: float,
    apart: tuple[float, float],
    together: tuple[float, float],
    macro: bool = False,
    halves: bool = False,
) -> Figure:
    """|mean(now)| - |mean(then)| with the least and the greatest value it has at the corners of two intervals.

    apart, together  what an item's difference, and its sum, lie between
    halves           what rose and what fell each are a share, whose limits the difference's are no nearer than
    """
    less = Clusters([a - b for a, b in zip(now, then, strict=True)], names, macro=macro)
    more = Clusters([a + b for a, b in zip(now, then, strict=True)], names, macro=macro)
    u, v = Mean(less, level=level, bounds=apart), Mean(more, level=level, bounds=together)
    c, p = (Clusters(side, names, macro=macro).mean for side in (now, then))
    ends = (u.low, u.high)
    if halves:
        steps = [a - b for a, b in zip(now, then, strict=True)]
        (up, up_low, up_high), (down, down_low, down_high) = (
            whole_share(Clusters([max(0.0, way * step) for step in steps], names, macro=macro), level)
            for way in (1, -1)
        )
        least = u.value - math.hypot(up - up_low, down_high - down)
        most = u.value + math.hypot(up_high - up, down - down_low)
        ends = (max(apart[0], min(u.low, least)), min(apart[1], max(u.high, most)))
    corners = [abs(a + b) / 2 - abs(b - a) / 2 for a in ends for b in (v.low, v.high)]
    tells = u if (c > -ROUNDING) == (p > -ROUNDING) else v
    return Figure(
        value=abs(c) - abs(p),
        low=min(corners),
        high=max(corners),
        p=u.p,
        standard_error=tells.error,
        df=tells.df,
        used=less.items,
        clusters=less.count,
    )


def further_share(
    now: Sequence[float],
    then: Sequence[float],
    names: Sequence[str],
    *,
    ideal: float,
    level: float,
    macro: bool = False,
) -> Figure:
    """The same of two shares about their ideal; McNemar's exact p where each item is a cluster and a hit or none."""
    if not now:
        return NONE
    found = further(
        [one - ideal for one in now],
        [one - ideal for one in then],
        names,
        level=level,
        apart=(-1.0, 1.0),
        together=(-2 * ideal, 2 - 2 * ideal),
        macro=macro,
        halves=True,
    )
    if len(set(names)) < len(names) or {*now, *then} - {0.0, 1.0}:
        return found
    up = sum(a > b for a, b in zip(now, then, strict=True))
    down = sum(a < b for a, b in zip(now, then, strict=True))
    p = float(stats.binomtest(up, up + down, 0.5).pvalue) if up + down else 1.0
    return replace(found, p=p)
