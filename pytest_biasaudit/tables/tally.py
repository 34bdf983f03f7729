"""A labelled table, counted: rows that are alike in everything that matters are one cell with a count.

Every rate of a classifier or corpus audit is a ratio of sums over these cells, so the tally is what is measured, what is
kept as evidence, and all that has to fit in memory. Imports numpy; knows no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import StatisticsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CROSSED = "*"
"""Joins the groups of an intersection: "black*women"."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """What tells groups apart."""

    name: str
    groups: tuple[str, ...]
    """The reference first. A group that was declared and is in no row is here too, with no cell."""
    overlapping: bool = False
    """Groups told by terms in the text: a row may be of several, or of none."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Groups that are counted and not compared, each with the owner's reason."""


@dataclass(frozen=True, kw_only=True)
class NearWords:
    """Attribute words near the terms of a group, over a whole corpus."""

    attribute: str
    group: str
    words: str
    """Name of the list of attribute words."""
    near: int
    """Occurrences of the group's terms with one of the words within the window."""
    occurrences: int
    """All occurrences of the group's terms."""
    rows: int
    """Rows with any of the group's terms."""
    near_rows: int
    """Rows where one of the words is within the window of any of the group's terms."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """A table's rows, alike by alike. Every array has a first axis of cells."""

    attributes: tuple[Attribute, ...]
    labels: tuple[str, ...]
    """All labels of the truth and of the predictions, in order."""
    positive: str | None
    """The one label of interest; None: each against the rest."""
    members: tuple[NDArray[np.bool_], ...]
    """For each attribute, of shape (cells, its groups): who the rows are about. All False: not known, or of no group."""
    truth: NDArray[np.int64]
    """Index of the true label; -1 where the table says none."""
    prediction: NDArray[np.int64] | None
    """Index of the predicted label; -1 where none came. None: a corpus, in which nothing is predicted."""
    count: NDArray[np.int64]
    """Rows that are alike."""
    score: NDArray[np.float64] | None = None
    """Score of the positive label; NaN where none came."""
    cluster: NDArray[np.int64] | None = None
    """Which cluster the rows are of; None: every row is its own."""
    earlier: NDArray[np.int64] | None = None
    """What the model compared with predicted of the same rows; -1 where none came."""
    near: tuple[NearWords, ...] = ()
    blank: int = 0
    """Rows of a corpus without text or without label; they are in the counts as far as they go."""
    incomplete: int | None = None
    """Rows of a corpus without text, without label or without a group in one of the columns; None: as many as are blank."""

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return int(self.count.sum())

    def attribute(self, name: str) -> Attribute:
        """The attribute of that name. Raises StatisticsError naming those there are."""
        for one in self.attributes:
            if one.name == name:
                return one
        raise StatisticsError(
            f"no attribute {name!r}; there are {', '.join(a.name for a in self.attributes) or 'none'}"
        )

    def groups(self, names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
        """The compared groups of an attribute, or of several crossed, the reference first, and which cells are of each.

        Of shape (cells, groups). Left-out groups are not among them. Groups of one attribute that overlap may share cells.
        """
        import numpy as np

        chosen = [self.attribute(name) for name in names]
        kept = [[at for at, group in enumerate(one.groups) if group not in dict(one.left_out)] for one in chosen]
        member = [self.members[self.attributes.index(one)] for one in chosen]
        combined = list(product(*kept))
        titles = tuple(
            CROSSED.join(one.groups[at] for one, at in zip(chosen, places, strict=True)) for places in combined
        )
        inside = np.ones((len(self.count), len(combined)), dtype=bool)
        for column, places in enumerate(combined):
            for table, at in zip(member, places, strict=True):
                inside[:, column] &= table[:, at]
        return titles, inside

    def looked_at(self, label: str | None = None) -> tuple[str, ...]:
        """The labels that a per-label metric is about: one that is asked for, else the positive one, else all."""
        if label is not None:
            if label not in self.labels:
                raise StatisticsError(f"no label {label!r}; there are {', '.join(self.labels)}")
            return (label,)
        return self.labels if self.positive is None else (self.positive,)
