"""Several sets made one: what is in all, in most, in any. Imports numpy and the types of mitigation; place by place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.places import capped, in_order, refuse_unlike
from pytest_biasaudit.mitigation.choosing.settings import is_whole, share_fault
from pytest_biasaudit.mitigation.components import ComponentSet, Indices, Origin

Counts = tuple[Indices, NDArray[np.int64]]
"""Numbers that are in any set, sorted, and in how many sets each is."""


def intersection(sets: Sequence[ComponentSet]) -> ComponentSet:
    """What is in every set. It may be empty: see `count`.

    Raises DataError for no set, sets of different units, modes or models, and sets found by different methods or for
    different groups. Source: the pruning study's rule for leave-one-out, by its unofficial reproduction.
    """
    refuse_unlike(sets, what="intersection of sets")
    chosen = {
        place: reduce(
            lambda one, other: np.intersect1d(one, other, assume_unique=True), (s.chosen[place] for s in sets)
        )
        for place in in_order(sets[0].sizes)
        if all(place in one.chosen for one in sets)
    }
    return _made(sets, chosen, (("combined", "intersection"),))


def union(sets: Sequence[ComponentSet]) -> ComponentSet:
    """What is in any set. Raises as `intersection`."""
    refuse_unlike(sets, what="union of sets")
    return _made(sets, {place: numbers for place, (numbers, _) in _counted(sets)}, (("combined", "union"),))


def most_frequent(sets: Sequence[ComponentSet], k: int | None = None) -> ComponentSet:
    """The k components that are in the most sets, over the whole model; of equally frequent ones those that stand first.

    k  None: as many as a set has on average, rounded down

    Fewer where the sets together hold fewer. Raises as `intersection`, and RecipeError for k below 1 or above what the
    model has. Source: published code of the pruning study (the 40 most frequent heads over 12 variations).
    """
    refuse_unlike(sets, what="most frequent of sets")
    total = sets[0].total
    if k is None:
        k = sum(one.count for one in sets) // len(sets)
    elif not is_whole(k) or not 1 <= k <= total:
        raise RecipeError(
            f"most frequent of sets: k = {k!r} is not a whole number in 1 to {total} (the model has {total})"
        )
    frequent = np.zeros(len(sets) + 1, dtype=np.int64)
    for _, (_, times) in _counted(sets):
        frequent += np.bincount(times, minlength=len(sets) + 1)
    # From the highest frequency down, until k are together: all above the border, and the first ones on it.
    border, left = len(sets), k
    while border > 1 and frequent[border] < left:
        left -= int(frequent[border])
        border -= 1
    chosen: dict[str, Indices] = {}
    for place, (numbers, times) in _counted(sets):
        kept = times > border
        on_it = np.flatnonzero(times == border)[:left]
        left -= len(on_it)
        kept[on_it] = True
        chosen[place] = numbers[kept]
    return _made(sets, chosen, (("combined", "frequency"), ("most_frequent", k)))


def in_share(sets: Sequence[ComponentSet], share: float) -> ComponentSet:
    """What is in at least this share of the sets, above 0 and at most 1: of 12 sets, 0.75 asks for 9.

    Raises as `intersection`, and RecipeError for a share out of range.
    """
    refuse_unlike(sets, what="frequency over sets")
    fault = share_fault("share", share, above_zero=True)
    if fault:
        raise RecipeError(f"frequency over sets: {fault}")
    least = ceil(Fraction(repr(float(share))) * len(sets))
    chosen = {place: numbers[times >= least] for place, (numbers, times) in _counted(sets)}
    return _made(sets, chosen, (("combined", "frequency"), ("in_share", float(share))))


def _counted(sets: Sequence[ComponentSet]) -> Iterator[tuple[str, Counts]]:
    """Each place with what any set has there, one after another."""
    for place in in_order(sets[0].sizes):
        there = [one.chosen[place] for one in sets if place in one.chosen]
        if there:
            yield place, np.unique(np.concatenate(there), return_counts=True)


def _made(
    sets: Sequence[ComponentSet], chosen: dict[str, Indices], added: tuple[tuple[str, str | float | int], ...]
) -> ComponentSet:
    kept = {place: numbers.astype(np.int64, copy=False) for place, numbers in chosen.items() if len(numbers)}
    return replace(sets[0], chosen=kept, origin=_origin(sets, (*added, ("sets", len(sets)))))


def _origin(sets: Sequence[ComponentSet], added: tuple[tuple[str, str | float | int], ...]) -> Origin | None:
    """Where all of them were found; None where one does not say. Settings that differ between them are left out."""
    origins = [one.origin for one in sets if one.origin is not None]
    if len(origins) < len(sets):
        return None
    first, faults = origins[0], list[str]()
    same: tuple[tuple[str, Callable[[Origin], object]], ...] = (
        ("model", lambda one: one.model_digest),
        ("weights", lambda one: one.weights_sha256),
        ("attribute", lambda one: one.attribute),
        ("groups", lambda one: one.groups),
        ("method", lambda one: one.method),
    )
    for number, one in enumerate(origins[1:], start=2):
        faults += [
            f"set {number} was found with {what} {read(one)!r}, set 1 with {read(first)!r}"
            for what, read in same
            if read(one) != read(first)
        ]
    if faults:
        raise DataError("sets to be combined", capped(faults))
    shared = [pair for pair in first.settings if all(pair in one.settings for one in origins)]
    prompts = sorted({one.prompts_sha256 for one in origins})
    return replace(
        first,
        contexts=tuple(sorted({pair for one in origins for pair in one.contexts})),
        templates=tuple(sorted({template for one in origins for template in one.templates})),
        prompts_sha256=prompts[0] if len(prompts) == 1 else hashlib.sha256("".join(prompts).encode()).hexdigest(),
        settings=tuple(sorted({**dict(shared), **dict(added)}.items())),
    )
