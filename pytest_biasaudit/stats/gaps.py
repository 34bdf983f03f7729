"""How sure, about the gaps between two groups on several fixed questions, and about the mean of their absolute values.

Uses numpy and scipy.special; knows nothing of metrics. The same people answer every question, so errors of the gaps hang
together; people are what was sampled. The questions are taken as they are: nothing here speaks of others.

With d_v the gap found on question v, delta_v the true one and e_v = d_v - delta_v its error, looked for is the mean of
|delta_v|. The mean of |d_v| lies above it on average, since an error enlarges a small gap whichever way it points.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import LARGEST, t_quantile
from pytest_biasaudit.stats.unvaried import unseen_share

Floats = NDArray[np.float64]
Scale = Literal["row", "pooled", "none", "rate"]
"""What a difference of means is over: the root of the mean of both groups' variances, the pooled one, or nothing; "rate" is
nothing too, of answers from 0 to 1."""
STANDARDISED: tuple[Scale, ...] = ("row", "pooled")

DRAWS = 1_000
DEALS = 500
"""Ways of dealing people into groups for what no difference would give."""
SIGNS = 10
"""Signs that are tried both ways, those least certain: 1,024 combinations."""
SHARES = (0.0, *(0.02 * 1.25**at for at in range(36)))
"""Shares left that are tried, up to 49 times as much, before the ends are found more exactly."""
NARROWINGS = 9
APART = 0.005
"""Chance of error spent on how far from 0 every gap is at least (Berger and Boos 1994)."""


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """A gap a question, with what each person contributes to its error."""

    values: Floats
    """(questions,) group minus reference group; NaN where not defined."""
    reasons: tuple[str, ...]
    """Why a gap is not defined; empty where it is."""
    influence: Floats
    """(people, questions), reference group first: the errors' covariance is influence' influence. 0 where not defined."""
    people: tuple[int, int]
    """People with an answer to any question."""
    unseen: Floats
    """(questions,) how far a true gap may lie from one of groups that each answered all alike; 0 elsewhere."""

    @property
    def df(self) -> float:
        """Of the errors' variances: people less one a group."""
        return float(max(1, sum(self.people) - 2))


def gaps(reference: Floats, group: Floats, *, scale: Scale, minimum: int, level: float) -> Gaps:
    """The gap of two groups on every question, each by itself.

    reference, group  (people, questions) one answer a person and question, NaN where there is none
    minimum           people with an answer that each group must have on a question; at least 3

    The errors' covariance is the jackknife's over people within groups: each person is left out of all questions at once.
    Where all answers of a question are the same its gap is 0, and as large a gap as `unseen` may hide in people not asked: in
    standard deviations of theirs; for rates with 1 as the furthest an answer may be off; for means that are over nothing
    with the largest standard deviation of any question. So too where each group's are the same and the groups differ, which
    only a gap over nothing may.

    Raises StatisticsError for tables of unlike questions, or a minimum below 3.
    """
    if reference.ndim != 2 or group.ndim != 2 or reference.shape[1] != group.shape[1]:
        raise StatisticsError(f"two groups answer the same questions, got shapes {reference.shape} and {group.shape}")
    if minimum < 3:
        raise StatisticsError(f"leaving one person out needs at least 3 in a group, got a minimum of {minimum}")
    sides = [_Side.of(reference), _Side.of(group)]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = _gap(sides[0].mean, sides[0].squares, sides[0].n, sides[1].mean, sides[1].squares, sides[1].n, scale)
        left_out = [
            _gap(*sides[0].without_each(), sides[1].mean, sides[1].squares, sides[1].n, scale),
            _gap(sides[0].mean, sides[0].squares, sides[0].n, *sides[1].without_each(), scale),
        ]
    reasons = []
    unseen = np.zeros(len(values))
    alike = ~((sides[0].squares > 0.0) | (sides[1].squares > 0.0))
    unit = 1.0 if scale == "rate" else _largest_deviation(sides)
    for at in range(len(values)):
        counts = [int(side.n[at]) for side in sides]
        reason = ""
        if min(counts) < minimum:
            reason = f"{counts[0]} and {counts[1]} people have an answer; {minimum} of each group are needed"
        elif max(side.largest[at] for side in sides) > LARGEST:
            reason = "an answer is too large to compute with"
        elif alike[at] and scale not in STANDARDISED:
            unseen[at] = unit * math.hypot(*(_unseen(count, level) for count in counts))
        elif alike[at]:
            if sides[0].mean[at] != sides[1].mean[at]:
                reason = "answers do not vary within groups: the difference has no standard deviation to stand on"
            else:
                values[at] = 0.0
                unseen[at] = _hidden(min(counts), level)
        elif not math.isfinite(values[at]):
            reason = "the gap is not a finite number"
        if reason:
            values[at] = math.nan
        reasons.append(reason)
    influence = np.vstack([side.spread(found) for side, found in zip(sides, left_out, strict=True)])
    influence[:, np.isnan(values) | alike] = 0.0
    people = tuple(int((~np.isnan(table)).any(axis=1).sum()) for table in (reference, group))
    return Gaps(
        values=values, reasons=tuple(reasons), influence=influence, people=(people[0], people[1]), unseen=unseen
    )


def mean_absolute(found: Gaps, *, level: float, seed: int) -> tuple[float, float]:
    """Limits of the mean of |delta_v|: (low, high), low never below 0. Every gap must be defined.

    High: with s the true signs, mean |delta_v| = s.delta / V, whose t limit is s.d / V + t se(s.d / V). The signs are not
    known, so that the largest over all signs is taken; it holds the truth at least as often as the limit of the true ones.

    Low: |d_v| - |delta_v| is |delta_v + e_v| - |delta_v|, which is at most |e_v|, and falls as |delta_v| grows. So

        low = mean |d_v| - q,   q the quantile of mean(|a_v + e_v| - a_v) with a_v a lower limit of |delta_v|

    and e drawn from a normal of the errors' covariance, stretched to t. The limits a_v hold for all questions at once but for
    a chance of 0.005, which is taken off the level (Berger and Boos 1994). Both limits are therefore on the safe side.
    """
    values, influence, df = found.values, found.influence, found.df
    count = len(values)
    tail = (1.0 - level) / 2.0
    high = _highest(values, influence, reach=t_quantile(level, df)) / count
    errors = np.sqrt((influence**2).sum(axis=0))
    spent = min(APART, tail / 5.0)
    apart = t_quantile(1.0 - spent / count, df)
    least = np.maximum(0.0, np.abs(values) - apart * errors)
    drawn = _drawn(influence, df=df, level=level, seed=seed)
    surplus = (np.abs(least + np.sign(values) * drawn) - least).mean(axis=1)
    low = float(np.abs(values).mean()) - float(np.quantile(surplus, 1.0 - tail + spent))
    down, up = _hidden_in_mean(found)
    return max(0.0, low - down), high + up


def share_removed(found: Gaps, before: Gaps, *, level: float, seed: int) -> tuple[float, float] | None:
    """Limits of 1 - mean |delta_v| now over that before, the same people in the same rows; None where there is no end.

    Both means hold noise, which hides what was removed: were all of it gone, the mean of |d_v| would still be that of noise.
    So the share rho that is left is looked for in two ways, and each end is the further of the two.

    As they stand, Fieller's: the rho for which mean |d_v| now less rho times that before is at most t standard errors.

    With the noise taken off, by test inversion: the rho for which that difference lies between its quantiles when the true
    gaps before are those that noise would raise to the |d_v| found, the true gaps now have the mean rho times theirs
    and the shape of those found now, and errors are drawn from a normal of the joint covariance, stretched to t.

    Noise pulls the first toward nothing removed; where much is removed its low end is therefore the careful one, and the
    second's high end. None where the mean of |d_v| before is no larger than noise alone gives (the same quantile): no share
    of what may be nothing can be said to be removed.
    """
    count = len(found.values)
    tail = (1.0 - level) / 2.0
    means = [float(np.abs(side.values).mean()) for side in (found, before)]
    df = min(found.df, before.df)
    signs = [np.where(side.values < 0.0, -1.0, 1.0) for side in (found, before)]
    drawn = _drawn(np.hstack([found.influence * signs[0], before.influence * signs[1]]), df=df, level=level, seed=seed)
    now, then = drawn[:, :count], drawn[:, count:]
    if means[1] <= float(np.quantile(np.abs(then).mean(axis=1), 1.0 - tail)):
        return None
    own, theirs = (side.influence @ sign / count for side, sign in zip((found, before), signs, strict=True))
    squared = t_quantile(level, df) ** 2
    a = means[1] ** 2 - squared * float(theirs @ theirs)
    b = means[0] * means[1] - squared * float(own @ theirs)
    c = means[0] ** 2 - squared * float(own @ own)
    least = [_without_noise(side) for side in (found, before)]
    had = float(least[1].mean())
    if a <= 0.0 or not had > 0.0:
        return None
    root = math.sqrt(max(0.0, b**2 - a * c))
    shape = least[0] / least[0].mean() if least[0].any() else least[1] / had
    noise_before = np.abs(least[1] + then).mean(axis=1)

    def within(rho: float) -> bool:
        differences = np.abs(rho * had * shape + now).mean(axis=1) - rho * noise_before
        below = float(np.mean(differences <= means[0] - rho * means[1]))
        return tail <= below <= 1.0 - tail

    ends = _outermost(within)
    if ends is None:
        return None
    most, least_left = max((b + root) / a, ends[1]), max(0.0, min((b - root) / a, ends[0]))
    (down, up), (down_before, up_before) = _hidden_in_mean(found), _hidden_in_mean(before)
    if down_before >= had:
        return None
    most = (most + up / had) / (1.0 - down_before / had)
    least_left = max(0.0, least_left - down / had) / (1.0 + up_before / had)
    if most - least_left <= 1e-9 * max(1.0, most):
        # Every person answered the second time as the first, in one proportion: as many as were not seen may not.
        reach = _not_seen(found.people, questions=count, level=level) / had
        most, least_left = most + reach, max(0.0, least_left - reach)
    return 1.0 - most, 1.0 - least_left


def _not_seen(people: tuple[int, int], *, questions: int, level: float) -> float:
    """How far a mean of gaps may move by answers that nobody asked showed, each by one standard deviation."""
    shares = [unseen_share(n * questions, people=n, templates=questions, level=level) for n in people]
    return math.hypot(*shares)


def _outermost(within: Callable[[float], bool]) -> tuple[float, float] | None:
    """The smallest and the largest share within, to a thousandth of themselves; None where there is no largest."""
    inside = [at for at, rho in enumerate(SHARES) if within(rho)]
    if not inside:
        return math.inf, 0.0  # the other way's ends decide
    if inside[-1] == len(SHARES) - 1:
        return None
    ends = []
    for near, far in ((inside[0], max(0, inside[0] - 1)), (inside[-1], inside[-1] + 1)):
        good, bad = SHARES[near], SHARES[far]
        for _ in range(NARROWINGS if near != far else 0):
            middle = (good + bad) / 2.0
            good, bad = (middle, bad) if within(middle) else (good, middle)
        ends.append(bad)
    return ends[0], ends[1]


def _without_noise(found: Gaps) -> Floats:
    """The gaps whose absolute value noise raises to those found, on average; 0 where noise alone gives as much.

    For a normal error of standard deviation e, E|delta + error| = e sqrt(2 / pi) exp(-z^2 / 2) + delta (1 - 2 Phi(-z)),
    z = delta / e.
    """
    errors = np.sqrt((found.influence**2).sum(axis=0))
    sizes = np.abs(found.values)
    low, high = np.zeros_like(sizes), sizes.copy()
    divisor = np.where(errors > 0.0, errors, 1.0)
    for _ in range(30):
        middle = (low + high) / 2.0
        z = middle / divisor
        raised = errors * math.sqrt(2.0 / math.pi) * np.exp(-(z**2) / 2.0) + middle * (1.0 - 2.0 * ndtr(-z))
        above = np.where(errors > 0.0, raised > sizes, False)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(np.where(sizes <= errors * math.sqrt(2.0 / math.pi), 0.0, high))


def _drawn(influence: Floats, *, df: float, level: float, seed: int) -> Floats:
    """(draws, columns) errors from a normal with the covariance of `influence`, stretched to t at this level."""
    values, vectors = np.linalg.eigh(influence.T @ influence)
    half = vectors * np.sqrt(np.maximum(0.0, values))
    stretch = t_quantile(level, df) / float(ndtri(0.5 + level / 2.0))
    drawn = np.random.default_rng(seed).standard_normal((DRAWS, len(values)))
    return np.asarray(drawn @ half.T * stretch)


def expected_by_chance(reference: Floats, group: Floats, *, scale: Scale, seed: int) -> float:
    """The mean of |d_v| on average over ways of dealing the people into two groups of the same sizes; NaN where none has one.

    People keep all their answers together, missing ones too. reference, group as in `gaps`.
    """
    table = np.vstack([reference, group])
    here = ~np.isnan(table)
    filled = np.where(here, table - np.where(here.any(axis=0), np.nanmean(table, axis=0), 0.0), 0.0)
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(len(table)), (DEALS, 1)), axis=1)
    dealt = (order < len(group)).astype(np.float64)

    def sums(chosen: Floats) -> tuple[Floats, Floats, Floats]:
        n = chosen @ here
        mean = chosen @ filled / n
        return mean, np.maximum(0.0, chosen @ filled**2 - n * mean**2), n

    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.abs(_gap(*sums(1.0 - dealt), *sums(dealt), scale))
    flat = (filled == 0.0).all(axis=0)
    values[:, flat] = 0.0
    means = values.mean(axis=1)
    kept = means[np.isfinite(means)]
    return float(kept.mean()) if len(kept) else math.nan


def _highest(values: Floats, influence: Floats, *, reach: float) -> float:
    """The largest of s.d + reach se(s.d) over signs s; the `SIGNS` least certain are tried both ways."""
    errors = np.sqrt((influence**2).sum(axis=0))
    signs = np.where(values < 0.0, -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        certain = np.where(errors > 0.0, np.abs(values) / errors, math.inf)
    open_ = np.argsort(certain, kind="stable")[:SIGNS]
    ways = _ways(len(open_))
    every = np.tile(signs, (len(ways), 1))
    every[:, open_] = ways
    variances = ((every @ (influence.T @ influence)) * every).sum(axis=1)
    totals = every @ values + reach * np.sqrt(np.maximum(0.0, variances))
    return float(totals.max())


@functools.cache
def _ways(count: int) -> Floats:
    """(2^count, count) every combination of signs."""
    return np.array(list(itertools.product((1.0, -1.0), repeat=count)))


def _hidden(people: int, level: float) -> float:
    """How far from 0 a standardised gap may lie that nobody asked showed, from the share of people that may differ.

    With a share w of one group answering otherwise, by however much, the gap is sqrt(2 w / (1 - w)).
    """
    share = _unseen(people, level)
    return math.sqrt(2.0 * share / (1.0 - share))


def _hidden_in_mean(found: Gaps) -> tuple[float, float]:
    """(down, up): how far below and above the mean of |d_v| the true one may lie by `unseen`; |0| only rises."""
    sizes = np.abs(found.values)
    return float(np.minimum(found.unseen, sizes).mean()), float(found.unseen.mean())


def _unseen(people: int, level: float) -> float:
    """The share of people that may answer one question otherwise, where none of those asked does."""
    return unseen_share(people, people=people, templates=1, level=level)


def _largest_deviation(sides: list[_Side]) -> float:
    """Of any group on any question; 0 where nothing varies."""
    with np.errstate(invalid="ignore", divide="ignore"):
        variances = np.concatenate([np.where(side.n > 1, side.squares / (side.n - 1), 0.0) for side in sides])
    return math.sqrt(float(variances[np.isfinite(variances)].max(initial=0.0)))


def _gap(
    mean_r: Floats, squares_r: Floats, n_r: Floats, mean_g: Floats, squares_g: Floats, n_g: Floats, scale: Scale
) -> Floats:
    if scale not in STANDARDISED:
        return np.asarray(mean_g - mean_r)
    if scale == "pooled":
        variance = (squares_r + squares_g) / (n_r + n_g - 2)
    else:
        variance = (squares_r / (n_r - 1) + squares_g / (n_g - 1)) / 2.0
    return np.asarray((mean_g - mean_r) / np.sqrt(variance))


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One group's answers with their counts, means and sums of squares by question."""

    table: Floats
    n: Floats
    mean: Floats
    squares: Floats
    largest: Floats

    @classmethod
    def of(cls, table: Floats) -> _Side:
        here = ~np.isnan(table)
        n = here.sum(axis=0).astype(np.float64)
        filled = np.where(here, table, 0.0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mean = filled.sum(axis=0) / n
            off = np.where(here, table - mean, 0.0)
            squares = (off**2).sum(axis=0)
        largest = np.abs(filled).max(axis=0) if len(table) else np.zeros(table.shape[1])
        # Equal answers, whatever rounding makes of their mean.
        low = np.where(here, table, math.inf).min(axis=0) if len(table) else np.zeros(table.shape[1])
        high = np.where(here, table, -math.inf).max(axis=0) if len(table) else np.zeros(table.shape[1])
        equal = low == high
        return cls(
            table=table,
            n=n,
            mean=np.where(equal, low, mean),
            squares=np.where(equal, 0.0, squares),
            largest=largest,
        )

    def without_each(self) -> tuple[Floats, Floats, Floats]:
        """Mean, sum of squares and count with each person left out: (people, questions); NaN where there is no answer."""
        mean = (self.n * self.mean - self.table) / (self.n - 1)
        squares = np.maximum(0.0, self.squares - self.n / (self.n - 1) * (self.table - self.mean) ** 2)
        squares = np.where(squares <= 1e-12 * self.squares, 0.0, squares)
        return mean, squares, np.broadcast_to(self.n - 1, self.table.shape)

    def spread(self, left_out: Floats) -> Floats:
        """What each person adds to the error, from the gaps with each left out."""
        there = np.isfinite(left_out)
        n = np.maximum(1, there.sum(axis=0))
        mean = np.where(there, left_out, 0.0).sum(axis=0) / n
        share = np.maximum(0.0, self.n - 1) / np.maximum(1.0, self.n)
        return np.asarray(np.where(there, (left_out - mean) * np.sqrt(share), 0.0))
