"""How big, of a corpus: which rows a figure is of, and whether there are enough of them. Imports numpy and stats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import Compared, GroupSummary, Measured, nothing
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.linked_shares import Found, Share, share
from pytest_biasaudit.stats.two_proportions import MIDP, MIDP_CLUSTERED
from pytest_biasaudit.tables.tally import Tally

Bools = NDArray[np.bool_]

EXACT = "Clopper and Pearson"


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownRows:
    """The groups that are compared, and which cells have what a figure needs."""

    tally: Tally
    titles: tuple[str, ...]
    """The reference first."""
    inside: Bools
    """Of shape (cells, groups)."""
    grouped: Bools
    """Of shape (cells,): the group is known in every column of groups that is looked at. Of terms it always is."""
    labelled: Bools
    """Of shape (cells,): the table says a label."""

    @property
    def known(self) -> Bools:
        """Cells with a label and a group."""
        return self.grouped & self.labelled

    def has(self, label: str) -> Bools:
        """Cells of that label."""
        return np.asarray(self.tally.truth == self.tally.labels.index(label))

    def share(self, hit: Bools, of: Bools) -> Share:
        """Of those rows, how many are hit. Raises StatisticsError where there are none."""
        return share(hit, of, self.tally.count, self.tally.cluster)

    def units(self, of: Bools) -> int:
        """Rows, or clusters, among those cells."""
        if self.tally.cluster is None:
            return int(self.tally.count[of].sum())
        return len(np.unique(self.tally.cluster[of & (self.tally.count > 0)]))

    def too_few(self, of: Bools, whose: str, minimum: int) -> str:
        """Why nothing can be said of those rows, or nothing."""
        units = self.units(of)
        what = "rows" if self.tally.cluster is None else "clusters"
        if units == 0:
            return f"there is no row {whose}"
        # One unit has no spread of its own, whatever minimum is declared.
        least = max(minimum, 1 if self.tally.cluster is None else 2)
        return "" if units >= least else f"there are {units:,} {what} {whose}; at least {least:,} are needed"

    def summary(self, at: int, of: Bools, rate: float | None) -> GroupSummary:
        """What one group brings to a figure. `of`: the cells of the rate's denominator."""
        mine = self.inside[:, at]
        return rows_summary(
            self.titles[at],
            n=int(self.tally.count[of].sum()),
            asked=int(self.tally.count[mine].sum()),
            without=int(self.tally.count[mine & ~self.labelled].sum()),
            units=self.units(of),
            rate=rate,
        )


def known_rows(tally: Tally, attributes: Sequence[str]) -> KnownRows:
    """The groups of an attribute, or of several crossed, in a counted corpus."""
    titles, inside = tally.groups(attributes)
    grouped = np.ones(len(tally.count), dtype=bool)
    for name in attributes:
        attribute = tally.attribute(name)
        if not attribute.overlapping:
            grouped &= tally.members[tally.attributes.index(attribute)].any(axis=1)
    return KnownRows(tally=tally, titles=titles, inside=inside, grouped=grouped, labelled=tally.truth >= 0)


def rows_summary(
    group: str, *, n: int, asked: int, without: int = 0, units: int, rate: float | None = None
) -> GroupSummary:
    """One group's rows in figures."""
    return GroupSummary(
        group=group,
        n=n,
        asked=asked,
        refused=0,
        unparseable=without,
        errors=0,
        people=units,
        mean=None,
        sd=None,
        median=None,
        rate=rate,
    )


def no_label(tally: Tally) -> tuple[Compared, ...]:
    """What a figure about labels comes to where the audit names no column of labels, or no row has one; else empty."""
    if tally.labels:
        return ()
    return (Compared(groups=(), measured=nothing("the audit names no column of labels, or no row has a label")),)


def figure(found: Found, *, level: float, reason: str = "", p: float | None = None, clusters: bool = False) -> Measured:
    """What lies between two shares, with its interval. p: where it is of another hypothesis than that they are equal."""
    return Measured(
        value=found.value,
        interval=Interval(low=found.low, high=found.high, level=level, method=MIDP_CLUSTERED if clusters else MIDP),
        p=found.p if p is None else p,
        reason=reason,
        standard_error=found.error,
        df=found.df,
    )


def figure_of_share(share: Share, *, level: float, less: float = 0.0) -> Measured:
    """A share, less a constant, with its exact interval."""
    low, high = share.limits(level)
    method = f"{EXACT}, effective number of rows (clusters)" if share.clustered else EXACT
    return Measured(
        value=share.rate - less, interval=Interval(low=low - less, high=high - less, level=level, method=method)
    )
