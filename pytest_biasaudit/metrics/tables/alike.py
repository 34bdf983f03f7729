"""A tally whose cells differ in more than a figure asks for, made smaller: for rates, scores need not be told apart.

Imports numpy; knows tallies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from pytest_biasaudit.tables.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 4_096
"""Cells below which there is nothing to gain."""
WORD = 8
"""Bytes compared at once."""
_MADE: WeakKeyDictionary[Tally, dict[tuple[int, ...], Tally]] = WeakKeyDictionary()
"""A tally made smaller, by the places of the attributes that are kept: every rate asks for the same, and a million cells take
half a second. It is let go with the tally it was made of."""


def alike(tally: Tally, attributes: Sequence[str]) -> Tally:
    """The same rows, those that differ in their score only, or in other attributes' groups, counted as one cell.

    Every count by groups of these attributes, truth, prediction and cluster is unchanged. A table of scores has nearly as many
    cells as rows; its rates need a few hundred.
    """
    if len(tally.count) < FEW:
        return tally
    chosen = tuple(place for place, one in enumerate(tally.attributes) if one.name in attributes)
    made = _MADE.setdefault(tally, {})
    if chosen not in made:
        made[chosen] = _merged(tally, chosen)
    return made[chosen]


def _merged(tally: Tally, chosen: Sequence[int]) -> Tally:
    columns: list[NDArray[np.int64]] = [tally.truth]
    columns += [one for one in (tally.prediction, tally.earlier, tally.cluster) if one is not None]
    for place in chosen:
        columns.extend(_words(tally.members[place]))
    code = np.zeros(len(tally.count), dtype=np.int64)
    for column in columns:
        values, at = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + at, return_inverse=True)[1]
    first = np.unique(code, return_index=True)[1]
    return replace(
        tally,
        attributes=tuple(tally.attributes[place] for place in chosen),
        members=tuple(tally.members[place][first] for place in chosen),
        truth=tally.truth[first],
        prediction=None if tally.prediction is None else tally.prediction[first],
        earlier=None if tally.earlier is None else tally.earlier[first],
        cluster=None if tally.cluster is None else tally.cluster[first],
        count=np.rint(np.bincount(code, weights=tally.count)).astype(np.int64),
        score=None,
    )


def _words(members: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Which groups each cell is of, 64 groups to a number."""
    packed = np.packbits(members, axis=1)
    padded = np.zeros((len(members), -(-packed.shape[1] // WORD) * WORD), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return [np.ascontiguousarray(word) for word in padded.view(np.int64).T]
