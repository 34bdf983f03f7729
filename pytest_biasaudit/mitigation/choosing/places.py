"""The order of places and of what stands in them: every tie is broken by it. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import DataError

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet, Unit

MOST = 10
"""Faults of one kind that a message lists."""


def in_order(places: Iterable[str]) -> tuple[str, ...]:
    """Places as the model runs them: numbers in a name count as numbers, so that layer 2 comes before layer 10.

    Two linears of one layer stand by the letters of their names. The order of a mapping changes nothing.
    """
    return tuple(sorted(places, key=_key))


def size_of(sizes: Mapping[str, tuple[int, ...]], place: str) -> int:
    """Components at a place."""
    return prod(sizes[place])


def refuse_unlike(sets: Sequence[ComponentSet], *, what: str) -> None:
    """Raises DataError unless all have one unit, one mode and the same places of the same sizes.

    what  names the act in the message: "intersection of sets"
    """
    if not sets:
        raise DataError(what, ["at least 1 set is needed, none came"])
    first, faults = sets[0], list[str]()
    for number, one in enumerate(sets[1:], start=2):
        if one.unit != first.unit:
            faults.append(f"set {number} holds {one.unit}, set 1 {first.unit}")
            continue
        if one.mode != first.mode:
            faults.append(f"set {number} is to be removed by mode {one.mode!r}, set 1 by {first.mode!r}")
        fault = difference_of_sizes(one.sizes, first.sizes)
        if fault:
            faults.append(f"set {number} against set 1: {fault}")
    if faults:
        raise DataError(what, capped(faults))


def refuse_other_places(
    found: ComponentSet, unit: Unit, sizes: Mapping[str, tuple[int, ...]], *, what: str, other: str
) -> None:
    """Raises DataError where scores are not of the set's unit and places."""
    if unit != found.unit:
        raise DataError(what, [f"the set holds {found.unit}, {other} are of {unit}"])
    fault = difference_of_sizes(sizes, found.sizes)
    if fault:
        raise DataError(what, [f"{other} against the set: {fault}"])


def difference_of_sizes(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> str:
    """Where two models' places differ, in words; empty where they are the same."""
    parts = []
    for place in in_order({*one, *other}):
        if place not in one:
            parts.append(f"no place {place!r}")
        elif place not in other:
            parts.append(f"place {place!r} more")
        elif tuple(one[place]) != tuple(other[place]):
            parts.append(f"place {place!r} has shape {tuple(one[place])}, not {tuple(other[place])}")
    return "; ".join(capped(parts))


def capped(faults: Sequence[str]) -> list[str]:
    """The first faults, and how many more."""
    more = [f"and {len(faults) - MOST} more"] if len(faults) > MOST else []
    return [*faults[:MOST], *more]


def _key(place: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", place)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
