"""How well scores set two lots of rows apart: the area under the ROC curve of a part of a table, and how sure it is.

Scores are sorted once; every area after that costs what its smaller part costs. Imports numpy and `stats.proportion`; knows
no tally and no metric.

    theta = P(positive > negative) + P(equal) / 2          the Mann-Whitney form, rows weighted by their counts

Variance: DeLong, DeLong and Clarke-Pearson 1988, from the placements of each side in the other; by clusters after Obuchowski
1997. Interval: Wilson's score interval for theta, the rows taken as the number that gives theta this variance,

    n = theta (1 - theta) / variance

but never more than the least favourable of Hanley and McNeil's (1982) two variances allows. So nothing collapses where theta is
1 and no placement varies; the plain interval on the logit scale covers 5 to 60 % there. Newcombe 2006 (Statistics in Medicine 25)
argues for score intervals with Hanley and McNeil's variance; he lets both sides share it, which is too narrow where a few of the
smaller side are scored like the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.proportion import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Area:
    """An area under the ROC curve, and what its uncertainty rests on."""

    value: float
    """0 to 1; 0.5 where scores tell nothing."""
    variance: float
    """DeLong's, or by clusters; 0 where every placement is the same."""
    df: float
    """Degrees of freedom of the variance."""
    positives: int
    negatives: int
    positive_units: int
    """Clusters that positive rows are of; rows without clusters."""
    negative_units: int
    design: float = 1.0
    """How many times the variance of independent rows the one by clusters is; not below 1."""

    @property
    def effective(self) -> float:
        """How many independent rows the area is worth at most: divided by `design`; clusters where no placement varies.

        From Hanley and McNeil's variance, theta (1 - theta) (1 + (a - 1) t / (1 + t) + (b - 1) (1 - t) / (2 - t)) / (a b)
        with t the larger of theta and 1 - theta and a the larger side: of the two ways round the less favourable.
        """
        tail = max(self.value, 1.0 - self.value)
        rows, clusters = (self.positives, self.negatives), (self.positive_units, self.negative_units)
        fewer, more = sorted(rows if self.variance > 0.0 else clusters)
        variance = 1.0 + (more - 1) * tail / (1.0 + tail) + (fewer - 1) * (1.0 - tail) / (2.0 - tail)
        return more * fewer / variance / self.design

    def worth(self, level: float) -> float:
        """How many independent rows Wilson's interval is taken over, at that level."""
        if self.variance <= 0.0 or not 0.0 < self.value < 1.0:
            return self.effective
        seen = self.value * (1.0 - self.value) / self.variance
        slack = float(ndtri(0.5 + level / 2.0) / stdtrit(max(self.df, 1.0), 0.5 + level / 2.0))
        return min(self.effective, seen * slack**2)

    def interval(self, level: float) -> tuple[float, float]:
        """Ends of the interval, within 0 and 1 and never of zero width. Raises StatisticsError for no such level."""
        if not 0.0 < level < 1.0:
            raise StatisticsError(f"a level lies between 0 and 1, got {level!r}")
        return wilson(self.value, self.worth(level), level=level)

    def p(self, level: float = 0.95) -> float:
        """Two-sided, of the hypothesis that the area is 0.5: under `alpha` where the interval of 1 - alpha leaves 0.5 out.

        level  that of the interval, on which the rows it is taken over depend where they are few
        """
        return 2.0 * float(ndtr(-abs(self.value - 0.5) * 2.0 * math.sqrt(self.worth(level))))


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the positive, or of the negative, rows of a table: how many of them lie below a place in the order of scores."""

    total: float
    below: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    """Rows with a score lower than that place's."""
    cells: NDArray[np.int64]
    """Its cells, in the order of scores."""
    places: NDArray[np.int64] | None = None
    """Places that have any of its rows, ascending; None where listing them would cost as much as the whole table."""
    rows: NDArray[np.float64] | None = None
    """How many rows are at each of `places`."""


@dataclass(eq=False)
class Ranked:
    """Scores of a table's cells, sorted once.

    score     (cells,) finite
    positive  (cells,) whether the positive label is the true one
    count     (cells,) rows a cell stands for, 1 or more
    cluster   (cells,) or None; rows of one cluster are not independent
    """

    score: NDArray[np.float64]
    positive: NDArray[np.bool_]
    count: NDArray[np.int64]
    cluster: NDArray[np.int64] | None = None
    order: NDArray[np.int64] = field(init=False)
    """Cells by score, ascending. Masks given to `part` are in this order."""

    def __post_init__(self) -> None:
        """Sort. Raises StatisticsError for a score that is not finite, or a cell of no rows."""
        if not np.isfinite(self.score).all() or not (self.count > 0).all():
            raise StatisticsError("only cells with rows and a finite score can be ranked")
        self.order = np.argsort(self.score, kind="stable")
        ordered = self.score[self.order]
        self._count = self.count[self.order].astype(np.float64)
        self._positive = self.positive[self.order]
        steps = np.concatenate([[False], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=bool)
        self._place = np.cumsum(steps)
        self._cluster = None if self.cluster is None else np.unique(self.cluster[self.order], return_inverse=True)[1]
        places = int(self._place[-1]) + 1 if len(ordered) else 0
        self._below = {}
        for side in (True, False):
            rows = np.bincount(self._place, weights=self._count * (self._positive == side), minlength=places)
            self._below[side] = np.concatenate([[0.0], np.cumsum(rows)])

    def side(self, inside: NDArray[np.bool_] | None, *, positive: bool) -> Part:
        """The positive (or negative) rows of the cells in `inside`, a mask in the order of `order`; None: of all cells."""
        of_side = self._positive == positive
        cells = np.flatnonzero(of_side if inside is None else of_side & inside)
        place = self._place[cells]
        first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]])) if len(cells) else cells
        places = place[first]
        rows = np.add.reduceat(self._count[cells], first) if len(cells) else np.zeros(0)
        upto = np.concatenate([[0.0], np.cumsum(rows)])
        return Part(
            total=float(upto[-1]),
            below=lambda at: upto[np.searchsorted(places, at, side="left")],
            cells=cells,
            places=places,
            rows=rows,
        )

    def rest(self, part: Part, *, positive: bool, inside: NDArray[np.bool_]) -> Part:
        """All positive (or negative) rows that are not in `part`, which is the same side of the cells in `inside`."""
        all_below = self._below[positive]
        clustered = self._cluster is not None
        return Part(
            total=float(all_below[-1]) - part.total,
            below=lambda at: all_below[at] - part.below(at),
            cells=np.flatnonzero((self._positive == positive) & ~inside) if clustered else part.cells[:0],
        )

    def area(self, positives: Part, negatives: Part) -> Area:
        """The area between the two; one of them must list its places. Raises StatisticsError where a side has no row."""
        if not positives.total or not negatives.total:
            raise StatisticsError(
                f"an area needs both sides: got {positives.total:.0f} positive and {negatives.total:.0f} negative rows"
            )
        swapped = positives.places is None
        few, many = (negatives, positives) if swapped else (positives, negatives)
        if few.places is None or few.rows is None:
            raise StatisticsError("one side of an area must list its places")
        # Placements: the share of the other side that lies below a row, rows of the same score counted as half.
        below, upto = many.below(few.places), many.below(few.places + 1)
        of_few = (below + upto) / (2.0 * many.total)
        value = float(few.rows @ of_few) / few.total
        edges = np.concatenate([[0.0], np.cumsum(few.rows)]) / few.total
        # Between two places of the smaller side, the rows of the larger all have one placement.
        masses = np.concatenate(
            [upto - below, np.diff(np.concatenate([[0.0], np.ravel([below, upto], "F"), [many.total]]))[::2]]
        )
        of_many = np.concatenate([(edges[1:] + edges[:-1]) / 2.0, edges])
        spread_few = _variance_of_mean(few.rows, of_few - value, few.total)
        spread_many = _variance_of_mean(masses, of_many - (1.0 - value), many.total)
        variance = spread_few + spread_many
        units = (int(few.total), int(many.total))
        df = _satterthwaite(spread_few, few.total, spread_many, many.total)
        design = 1.0
        if self._cluster is not None:
            independent = variance
            variance, df, units = self._by_cluster(few, many, of_few, edges, value)
            design = max(1.0, variance / independent) if independent > 0 else 1.0
        few_units, many_units = units
        return Area(
            value=1.0 - value if swapped else value,
            variance=variance,
            df=df,
            positives=int(positives.total),
            negatives=int(negatives.total),
            positive_units=many_units if swapped else few_units,
            negative_units=few_units if swapped else many_units,
            design=design,
        )

    def _by_cluster(
        self, few: Part, many: Part, of_few: NDArray[np.float64], edges: NDArray[np.float64], value: float
    ) -> tuple[float, float, tuple[int, int]]:
        """Variance from sums of placements over clusters, its degrees of freedom, and how many clusters each side has."""
        assert self._cluster is not None
        assert few.places is not None
        left = np.searchsorted(few.places, self._place[many.cells], side="left")
        right = np.searchsorted(few.places, self._place[many.cells], side="right")
        of_many = (edges[left] + edges[right]) / 2.0
        at_few = of_few[np.searchsorted(few.places, self._place[few.cells])]
        clusters = int(self._cluster.max()) + 1
        sums = np.zeros(clusters)
        # What a row above its side's mean adds to theta, the other side's with its sign turned round.
        for part, deviation in ((few, at_few - value), (many, (1.0 - value) - of_many)):
            weights = self._count[part.cells] * deviation / part.total
            sums += np.bincount(self._cluster[part.cells], weights=weights, minlength=clusters)
        units = tuple(len(np.unique(self._cluster[part.cells])) for part in (few, many))
        independent = len(np.unique(self._cluster[np.concatenate([few.cells, many.cells])]))
        if independent < 2:
            raise StatisticsError("an area by clusters needs 2 or more of them")
        variance = float(sums @ sums) * independent / (independent - 1)
        return variance, float(min(units) - 1), (units[0], units[1])


def _variance_of_mean(rows: NDArray[np.float64], deviation: NDArray[np.float64], total: float) -> float:
    """Variance of the mean placement of `total` independent rows; 0 for a single one, of which nothing is seen to vary."""
    return float(rows @ deviation**2) / ((total - 1.0) * total) if total > 1 else 0.0


def _satterthwaite(one: float, n_one: float, other: float, n_other: float) -> float:
    parts = sum(part**2 / (n - 1.0) for part, n in ((one, n_one), (other, n_other)) if n > 1)
    return (one + other) ** 2 / parts if parts > 0 else n_one + n_other - 2.0
