"""How big, of a classifier's scores and errors: which rows a figure is of, and whether there are enough of them.

Imports numpy; knows tallies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_biasaudit.metrics.metric import Compared, GroupSummary, Measured, nothing
from pytest_biasaudit.metrics.obstacles import FEWEST_ANSWERED
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.tables.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

Whose = Literal["subgroup", "background"]
BACKGROUND = "(everyone else)"
"""Stands for the background among a figure's groups."""
LEAST = 2
"""Units a figure needs, whatever minimum is declared: of one nothing is seen to vary."""
UNKNOWN, UNHEARD, NEGATIVE, POSITIVE = range(4)
"""What a cell is to a figure: its true label is not known; nothing came of it; or it is used."""
CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Side:
    """Rows that a figure sets against others: of the group or of everyone else, of the positive label or not."""

    whose: Whose
    positive: bool


@dataclass(eq=False)
class ScoredRows:
    """The groups that are compared, and which cells a figure can be of."""

    tally: Tally
    titles: tuple[str, ...]
    """The reference first; left-out groups are not among them."""
    inside: NDArray[np.bool_]
    """Of shape (cells, groups)."""
    status: NDArray[np.int64]
    """Of shape (cells,): UNKNOWN, UNHEARD, NEGATIVE or POSITIVE."""
    label: str
    """The label that positive rows have."""
    of_group: NDArray[np.int64] = field(init=False)
    """Rows, of shape (4, groups): by status."""
    of_all: NDArray[np.int64] = field(init=False)
    """Rows, of shape (4,): by status, groups or none."""

    def __post_init__(self) -> None:
        """Count once: a table may have a million cells and fifty groups."""
        cells = len(self.tally.count)
        rows = np.zeros((4, len(self.titles)))
        self.of_all = np.bincount(self.status, weights=self.tally.count, minlength=4).astype(np.int64)
        for start in range(0, cells, CHUNK):
            part = slice(start, start + CHUNK)
            weights = (self.status[part] == np.arange(4)[:, None]) * self.tally.count[part].astype(np.float64)
            rows += weights @ self.inside[part].astype(np.float64)
        self.of_group = np.rint(rows).astype(np.int64)
        self._cluster = None if self.tally.cluster is None else np.unique(self.tally.cluster, return_inverse=True)[1]

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Cells that a figure can use."""
        return self.status >= NEGATIVE

    @property
    def unit(self) -> str:
        """What is independent, in the plural."""
        return "rows" if self._cluster is None else "clusters"

    def mask(self, at: int, *sides: Side) -> NDArray[np.bool_]:
        """The cells on any of those sides of a group."""
        found = np.zeros(len(self.status), dtype=bool)
        for side in sides:
            mine = self.inside[:, at] if side.whose == "subgroup" else ~self.inside[:, at]
            found |= mine & (self.status == (POSITIVE if side.positive else NEGATIVE))
        return found

    def rows(self, at: int, *sides: Side) -> int:
        """Rows on any of those sides of a group."""
        total = 0
        for side in dict.fromkeys(sides):
            status = POSITIVE if side.positive else NEGATIVE
            mine = int(self.of_group[status, at])
            total += mine if side.whose == "subgroup" else int(self.of_all[status]) - mine
        return total

    def units(self, at: int, *sides: Side) -> int:
        """Independent units among them."""
        return self.rows(at, *sides) if self._cluster is None else self.clusters(self.mask(at, *sides))

    def clusters(self, of: NDArray[np.bool_]) -> int:
        """Clusters with a row among those cells; rows of them where there are no clusters."""
        if self._cluster is None:
            return int(self.tally.count[of].sum())
        return int((np.bincount(self._cluster[of & (self.tally.count > 0)], minlength=1) > 0).sum())

    def too_few(self, units: int, whose: str, minimum: int) -> str:
        """Why nothing can be said of so many; "" where they are enough."""
        least = max(minimum, LEAST)
        return "" if units >= least else f"there are {units:,} {self.unit} {whose}; at least {least:,} are needed"

    def unheard(self, at: int) -> str:
        """Why a group is too little heard of; "" where half or more of its rows have what the figure needs."""
        all_rows, lost = int(self.of_group[UNHEARD:, at].sum()), int(self.of_group[UNHEARD, at])
        if all_rows - lost >= FEWEST_ANSWERED * all_rows:
            return ""
        return (
            f"{all_rows - lost:,} of {all_rows:,} rows of {self.titles[at]!r} can be used; "
            f"at least {FEWEST_ANSWERED:.0%} are needed"
        )

    def silent(self, at: int, side: Side) -> str:
        """Why a side is too little heard of, though its group may be heard; "" where half or more of it can be used."""
        if not self.of_all[UNHEARD]:
            return ""
        place = self.tally.labels.index(self.label) if self.label in self.tally.labels else -2
        mine = self.inside[:, at] if side.whose == "subgroup" else ~self.inside[:, at]
        lost = int(
            self.tally.count[mine & (self.status == UNHEARD) & ((self.tally.truth == place) == side.positive)].sum()
        )
        heard = self.rows(at, side)
        if heard >= FEWEST_ANSWERED * (heard + lost):
            return ""
        named = self._named(at, side)
        return f"{heard:,} of {heard + lost:,} rows {named} can be used; at least {FEWEST_ANSWERED:.0%} are needed"

    def _named(self, at: int, side: Side) -> str:
        whom = "of" if side.whose == "subgroup" else "outside"
        return f"{whom} {self.titles[at]!r} {'with' if side.positive else 'without'} the label {self.label!r}"

    def lacking(self, at: int, sides: Sequence[Side], minimum: int) -> str:
        """Why a figure of these sides of a group cannot be measured; "" where it can."""
        said = [self.unheard(at)]
        for side in sides:
            few = self.too_few(self.units(at, side), self._named(at, side), minimum)
            said.append(few or ("" if said[0] else self.silent(at, side)))
        return "; ".join(reason for reason in said if reason)

    def summary(self, at: int, sides: Sequence[Side], rate: float | None, *, whose: Whose = "subgroup") -> GroupSummary:
        """What a group, or everyone else, brings to a figure of these sides."""
        own = [side for side in sides if side.whose == whose]
        mine = self.of_group[:, at] if whose == "subgroup" else self.of_all - self.of_group[:, at]
        return GroupSummary(
            group=self.titles[at] if whose == "subgroup" else BACKGROUND,
            n=self.rows(at, *own),
            asked=int(mine.sum()),
            refused=0,
            unparseable=int(mine[UNHEARD]),
            errors=0,
            people=self.units(at, *own),
            mean=None,
            sd=None,
            median=None,
            rate=rate,
        )


def scored_rows(
    tally: Tally, attributes: Sequence[str], *, label: str | None, truth: bool = True
) -> tuple[ScoredRows | None, str]:
    """The rows with a score; or None and why there are none.

    truth  whether the figure needs the true label; else every row with a score is `POSITIVE` or `NEGATIVE` at will
    """
    if tally.score is None or tally.positive is None:
        return (
            None,
            "the table has no scores; name their column in [audit.columns] score, and the label they are of in positive",
        )
    if label is not None and label != tally.positive:
        return None, f"the scores are of the label {tally.positive!r}, so nothing can be said for {label!r}"
    heard = np.isfinite(tally.score) & (tally.count > 0)
    rows = _rows(tally, attributes, heard, tally.positive, truth=truth)
    if not rows.of_all[NEGATIVE:].any():
        return None, "no row has both a score and a true label" if truth else "no row has a score"
    if truth and tally.positive not in tally.labels:
        return None, f"no row has the label {tally.positive!r}"
    return rows, ""


def predicted_rows(tally: Tally, attributes: Sequence[str], *, label: str) -> tuple[ScoredRows | None, str]:
    """The rows with a prediction, for that label against the rest; or None and why there are none."""
    if tally.prediction is None:
        return None, "nothing is predicted in this table"
    rows = _rows(tally, attributes, (tally.prediction >= 0) & (tally.count > 0), label, truth=True)
    if not rows.of_all[NEGATIVE:].any():
        return None, "no row has both a prediction and a true label"
    predicted = label in tally.labels and bool((tally.prediction == tally.labels.index(label)).any())
    if not rows.of_all[POSITIVE] and not predicted:
        # A label that is spelt otherwise in the table is predicted of nobody, and of nobody wrongly: that is no fairness.
        return None, f"no row with a prediction has the label {label!r}, and none was given it"
    return rows, ""


def unmeasured(
    reason: str, *, label: str = "", groups: tuple[str, ...] = (), by_group: tuple[GroupSummary, ...] = ()
) -> Compared:
    """A comparison that could not be made, and why."""
    return Compared(groups=groups, label=label, measured=nothing(reason), by_group=by_group)


def figure(
    value: float, ends: tuple[float, float], *, level: float, method: str, rows: ScoredRows, p: float | None = None
) -> Measured:
    """A value with its interval; says what the interval counts as independent."""
    said = method if rows.unit == "rows" else f"{method}, {rows.unit}"
    return Measured(value=value, interval=Interval(low=ends[0], high=ends[1], level=level, method=said), p=p)


def _rows(tally: Tally, attributes: Sequence[str], heard: NDArray[np.bool_], label: str, *, truth: bool) -> ScoredRows:
    titles, inside = tally.groups(attributes)
    place = tally.labels.index(label) if label in tally.labels else -2  # a label that no row has
    status = np.where(tally.truth == place, POSITIVE, NEGATIVE)
    status = np.where(heard, status, UNHEARD)
    if truth:
        status = np.where(tally.truth >= 0, status, UNKNOWN)
    return ScoredRows(tally=tally, titles=titles, inside=inside, status=status, label=label)
