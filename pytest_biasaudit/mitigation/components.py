"""A set of components of a model: which heads, neurons or weights, and where the set was found. Imports numpy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.mitigation.origin import Origin
from pytest_biasaudit.mitigation.units import METHODS_OF, Mode, ScoreMethod, Unit

__all__ = [
    "METHODS_OF",
    "ComponentSet",
    "Indices",
    "Mode",
    "Origin",
    "ScoreMethod",
    "Unit",
    "components_sha256",
]

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ComponentSet:
    """Components by place. A place is one layer's heads or neurons ("3"), or one linear layer's weight by its name."""

    unit: Unit
    mode: Mode = "ablate"
    chosen: Mapping[str, Indices]
    """By place, sorted numbers: of heads or neurons in the layer, or of entries in the weight seen as (outputs, inputs) and
    counted row by row. Places without any are absent."""
    sizes: Mapping[str, tuple[int, ...]]
    """Every place the model has, chosen from or not: (heads,), (neurons,) or (outputs, inputs)."""
    origin: Origin | None = None

    @property
    def count(self) -> int:
        """Components in the set."""
        return sum(len(one) for one in self.chosen.values())

    @property
    def total(self) -> int:
        """Components of this unit that the model has."""
        return sum(int(np.prod(size)) for size in self.sizes.values())

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Heads or neurons as (layer, number), in order. Raises ValueError for weights."""
        if self.unit == "weights":
            raise ValueError("weights have no (layer, number); their places are names of linear layers")
        found = ((int(place), int(number)) for place, numbers in self.chosen.items() for number in numbers)
        return tuple(sorted(found))


def components_sha256(components: ComponentSet) -> str:
    """sha256 of what is removed and how; where it was found takes no part: it decides no answer."""
    digest = hashlib.sha256(json.dumps([components.unit, components.mode]).encode())
    for place, numbers in sorted(components.chosen.items()):
        if len(numbers):
            digest.update(f"\n{place} {len(numbers)}\n".encode())
            digest.update(numbers.astype("<i8").tobytes())
    return digest.hexdigest()
