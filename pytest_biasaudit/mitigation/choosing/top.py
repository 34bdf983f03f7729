"""The highest scores: of one array, or over all places of a model without holding more than one place. Imports numpy.

Ties go to what stands first: by place in `places.in_order`, then by number. The same scores always give the same set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.mitigation.components import Indices

Floats = NDArray[np.float32]
Chosen = NDArray[np.bool_]
Keys = NDArray[np.uint32]

HALF = 1 << 16
CHUNK = 1 << 20
"""Scores whose bits are looked at at once: the copies that takes stay small beside a place's scores."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the highest of a whole model end."""

    score: np.float32
    """The lowest that is still in."""
    ties: int
    """How many that score exactly this are in: the first ones."""


def highest(scores: Floats, count: int) -> Chosen:
    """Which are the `count` highest.

    scores  of any shape, read row by row; without NaN
    count   0 to the number of scores

    Returns one bool a score, flat. Time grows with the number of scores, not with its logarithm.
    """
    flat = scores.reshape(-1)
    if count <= 0:
        return np.zeros(flat.size, dtype=bool)
    if count >= flat.size:
        return np.ones(flat.size, dtype=bool)
    border = np.partition(flat, flat.size - count)[flat.size - count]
    found = np.asarray(flat > border)
    found[np.flatnonzero(flat == border)[: count - int(found.sum())]] = True
    return found


def set_difference(group: Floats, reference: Floats, *, top_group: int, top_reference: int) -> Indices:
    """What is among the highest for the group and not among the highest for the reference group.

    Returns flat numbers, sorted. Source: the pruning study's published code, after Wei et al. 2024; ties are ours.
    """
    return np.flatnonzero(highest(group, top_group) & ~highest(reference, top_reference))


def cut_over(places: Sequence[str], scores_of: Callable[[str], Floats], count: int) -> Cut | None:
    """Where the `count` highest over all places end; None for a count of 0.

    scores_of  called three times a place in all, `highest_at` included, one array alive at a time: two counts of 16 bits
               each find the exact border among any number of scores
    """
    if count <= 0:
        return None
    upper, left = _border(_counted(places, scores_of, lambda keys: keys >> np.uint32(16)), count)

    def lower_half(keys: Keys) -> Keys:
        return np.asarray(keys[keys >> np.uint32(16) == upper] & np.uint32(HALF - 1))

    lower, ties = _border(_counted(places, scores_of, lower_half), left)
    return Cut(score=_score_of(upper * HALF + lower), ties=ties)


def highest_at(
    places: Sequence[str], scores_of: Callable[[str], Floats], cut: Cut | None
) -> Iterator[tuple[str, Chosen]]:
    """Place by place, in order: which are above the cut, and the first of those that lie on it."""
    ties = 0 if cut is None else cut.ties
    for place in places:
        found, on_it = _above(scores_of(place).reshape(-1), cut, ties)
        ties -= on_it
        yield place, found


def _above(flat: Floats, cut: Cut | None, ties: int) -> tuple[Chosen, int]:
    """Which are in, and how many of them lie on the cut."""
    if cut is None:
        return np.zeros(flat.size, dtype=bool), 0
    found = np.asarray(flat > cut.score)
    on_it = np.flatnonzero(flat == cut.score)[:ties]
    found[on_it] = True
    return found, len(on_it)


def keys_of(scores: Floats) -> Keys:
    """Whole numbers in the order of the scores: a float's bits, turned so that they sort as the float does.

    Of scores without NaN. Nought and minus nought are one.
    """
    bits = (np.asarray(scores, dtype=np.float32).reshape(-1) + np.float32(0.0)).view(np.uint32)
    negative = bits >> np.uint32(31) == 1
    return np.asarray(np.where(negative, ~bits, bits | np.uint32(1 << 31)), dtype=np.uint32)


def _counted(
    places: Sequence[str], scores_of: Callable[[str], Floats], part: Callable[[Keys], Keys]
) -> NDArray[np.int64]:
    counts = np.zeros(HALF, dtype=np.int64)
    for place in places:
        _count(scores_of(place).reshape(-1), part, counts)
    return counts


def _count(flat: Floats, part: Callable[[Keys], Keys], counts: NDArray[np.int64]) -> None:
    for start in range(0, flat.size, CHUNK):
        counts += np.bincount(part(keys_of(flat[start : start + CHUNK])), minlength=HALF)


def _score_of(key: int) -> np.float32:
    """What `keys_of` made the key of."""
    bits = key ^ (1 << 31) if key >> 31 else ~key & 0xFFFFFFFF
    return np.float32(np.array(bits, dtype=np.uint32).view(np.float32))


def _border(counts: NDArray[np.int64], wanted: int) -> tuple[int, int]:
    """The bin in which the wanted highest end, and how many of that bin they take."""
    from_above = np.cumsum(counts[::-1])
    bins_above = int(np.searchsorted(from_above, wanted))
    taken = int(from_above[bins_above - 1]) if bins_above else 0
    return HALF - 1 - bins_above, wanted - taken
