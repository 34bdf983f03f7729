"""What the evidence keeps of components that a recipe's step removed: enough to draw and to check it. Imports nothing heavy.

The set itself is a file; here stand its digest, how many of what are gone where, and for heads which.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.mitigation.origin import plain_origin, read_origin

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.components import ComponentSet
    from pytest_biasaudit.mitigation.origin import Origin
    from pytest_biasaudit.mitigation.units import Mode, Unit


@dataclass(frozen=True, kw_only=True)
class RemovedPlace:
    """One place of the model: a layer's heads or neurons, or a linear layer's weight."""

    place: str
    """As in `ComponentSet`: "3", or the name of the linear layer."""
    size: tuple[int, ...]
    """(heads,), (neurons,) or (outputs, inputs)."""
    count: int
    """Removed here; 0 for a place that was left as it was."""
    numbers: tuple[int, ...] = ()
    """Of heads: which, sorted. Empty for neurons and weights: they are many, and stand in the file."""


@dataclass(frozen=True, kw_only=True)
class RemovedComponents:
    """One set that was removed, as the record of a model holds it. Made by `removed`."""

    unit: Unit
    mode: Mode
    sha256: str
    """Of the set: the component file's, where it came from one."""
    places: tuple[RemovedPlace, ...]
    """Every place the model has, in its order."""
    origin: Origin | None
    """Where it was found; None for a set that was written by hand."""

    @property
    def count(self) -> int:
        """Components removed."""
        return sum(one.count for one in self.places)

    @property
    def total(self) -> int:
        """Components of this unit that the model had."""
        return sum(math.prod(one.size) for one in self.places)


def removed(components: ComponentSet, *, sha256: str) -> RemovedComponents:
    """A set as the evidence keeps it."""
    return RemovedComponents(
        unit=components.unit,
        mode=components.mode,
        sha256=sha256,
        places=tuple(_places(components)),
        origin=components.origin,
    )


def plain_removed(found: RemovedComponents) -> dict[str, object]:
    """A removed set as JSON has it: one of `models[].components` in the evidence."""
    return {
        "unit": found.unit,
        "mode": found.mode,
        "sha256": found.sha256,
        "count": found.count,
        "total": found.total,
        "places": [
            {"place": one.place, "size": list(one.size), "count": one.count, "numbers": list(one.numbers)}
            for one in found.places
        ],
        "origin": None if found.origin is None else plain_origin(found.origin),
    }


def removed_from(achieved: Mapping[str, object]) -> tuple[RemovedComponents, ...]:
    """The sets that were removed from a model, as its `identity.achieved` keeps them; none for most models."""
    listed = achieved.get("components")
    return tuple(_read(one) for one in listed) if isinstance(listed, (list, tuple)) else ()


def _read(plain: Mapping[str, Any]) -> RemovedComponents:
    return RemovedComponents(
        unit=plain["unit"],
        mode=plain["mode"],
        sha256=plain["sha256"],
        places=tuple(
            RemovedPlace(
                place=one["place"],
                size=tuple(one["size"]),
                count=one["count"],
                numbers=tuple(one["numbers"]),
            )
            for one in plain["places"]
        ),
        origin=None if plain["origin"] is None else read_origin(plain["origin"], []),
    )


def _places(components: ComponentSet) -> Iterator[RemovedPlace]:
    for place, size in components.sizes.items():
        numbers = components.chosen.get(place, ())
        yield RemovedPlace(
            place=place,
            size=size,
            count=len(numbers),
            numbers=tuple(int(one) for one in numbers) if components.unit == "heads" else (),
        )
