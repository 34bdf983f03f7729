"""A model's attention heads and MLP neurons, by layer, and what must be cut to remove some. Imports torch.

Layers count from 0 as the model numbers its blocks. Of a model with an encoder and a decoder, heads are numbered through:
first the encoder's layers, then the decoder's attention to itself, then its attention to the encoder. Neurons: the
encoder's layers, then the decoder's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from pytest_biasaudit.compression.method import is_pair
from pytest_biasaudit.compression.structure.projections import Cut, Side
from pytest_biasaudit.compression.structure.queries import query_units
from pytest_biasaudit.errors import RecipeError

Kind = Literal["heads", "neurons"]
Mode = Literal["ablate", "uniform"]
Pairs = Sequence[tuple[int, int]]
"""(layer, head) or (layer, neuron), both from 0."""
MOST = 10


@dataclass(frozen=True, kw_only=True)
class Place:
    """One layer's projection that heads or neurons are cut from."""

    name: str
    """Of the layer in the model: an output projection of attention, a down projection of an MLP."""
    block: str
    count: int
    """Heads or neurons."""
    width: int
    """Inputs of the projection that are one head's; 1 for neurons."""
    runs: int
    """How often one pass runs it: more than once where layers share their weights (ALBERT)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A module's heads and neurons by layer, as `structure_of` finds them.

    Holds the module, and stays true while its parts keep their names: masks, edits and quantisation leave them.
    """

    module: torch.nn.Module
    heads: Mapping[int, Place]
    neurons: Mapping[int, Place]
    layers: Mapping[Kind, str]
    """The layers that can be named, in words: "layers 0 to 29"."""
    refusals: Mapping[Kind, str]
    """Why heads, or neurons, cannot be removed here at all, where they cannot."""

    def of(self, kind: Kind) -> Mapping[int, Place]:
        """The places of a kind. Raises RecipeError where this model has none, or they are not certain."""
        if kind in self.refusals:
            raise RecipeError(f"{kind} of {type(self.module).__name__}: {self.refusals[kind]}")
        return self.heads if kind == "heads" else self.neurons

    def cuts(self, *, heads: Pairs = (), neurons: Pairs = (), mode: Mode = "ablate") -> tuple[Cut, ...]:
        """What must be cut to remove these, one cut a projection.

        mode  of heads. "ablate": nothing of the head goes into the output projection. "uniform": the head's query is
              nothing, so that it looks at all it may see alike and still writes the mean of their values.

        Raises RecipeError for a layer or number that is not there, one that is named twice, none at all, and for
        "uniform" where the query's part of a projection is not known for certain.
        """
        if not heads and not neurons:
            raise RecipeError("no head and no neuron is named: there is nothing to remove")
        units: dict[tuple[str, Side], set[int]] = {}
        for layer, head in self._checked("heads", heads):
            place = self.heads[layer]
            if mode == "uniform":
                name, rows = query_units(
                    self.module, place.name, place.block, heads=place.count, width=place.width, head=head
                )
                if len(rows) != place.width:
                    raise RecipeError(
                        f"mode = 'uniform': {name} gives {len(rows)} values a head and a head is {place.width} wide, so its "
                        "query is not all of them; use mode = 'ablate'"
                    )
                units.setdefault((name, "output"), set()).update(rows)
            else:
                columns = range(head * place.width, (head + 1) * place.width)
                units.setdefault((place.name, "input"), set()).update(columns)
        for layer, neuron in self._checked("neurons", neurons):
            units.setdefault((self.neurons[layer].name, "input"), set()).add(neuron)
        return tuple(Cut(name=name, side=side, units=tuple(sorted(found))) for (name, side), found in units.items())

    def _checked(self, kind: Kind, pairs: Pairs) -> Pairs:
        if not pairs:
            return pairs
        places, one = self.of(kind), kind[:-1]
        faults: dict[str, None] = {}
        seen: set[tuple[int, int]] = set()
        for pair in pairs:
            if not is_pair(pair):
                faults[f"{pair!r} is not a pair (layer, {one}) of whole numbers from 0"] = None
                continue
            layer, number = pair
            if layer not in places:
                faults[f"layer {layer}: the model has {self.layers[kind]}"] = None
            elif number >= places[layer].count:
                faults[f"{one} {number} of layer {layer}: it has {kind} 0 to {places[layer].count - 1}"] = None
            elif (layer, number) in seen:
                faults[f"{one} {number} of layer {layer} is named twice"] = None
            seen.add((layer, number))
        if faults:
            more = f"; and {len(faults) - MOST} more" if len(faults) > MOST else ""
            raise RecipeError(f"{kind} of {type(self.module).__name__}: " + "; ".join(list(faults)[:MOST]) + more)
        return pairs
