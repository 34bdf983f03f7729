"""How large the weights of each component are, whatever is asked: the baseline that knows nothing of groups. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.mitigation.components import ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import Cell, Floats
from pytest_biasaudit.mitigation.scoring.matrices import column_norms, matrix_of, matrix_sizes, weight_layers
from pytest_biasaudit.models.causal import CausalModel


@dataclass(frozen=True, kw_only=True, eq=False)
class MagnitudeScores:
    """The same scores for every cell asked, known or not: no prompt has a part in them."""

    unit: Unit
    sizes: Mapping[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    """What the caller has prompts of; may be empty."""
    magnitudes: Callable[[str], Floats] = field(repr=False)
    """By place, from the model's weights as they are when asked."""

    @property
    def method(self) -> ScoreMethod:
        """Always "magnitude"."""
        return "magnitude"

    @property
    def signed(self) -> bool:
        """Higher is more."""
        return False

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """The magnitudes at a place. Raises KeyError for a place that is not there, ValueError for no cell."""
        if not cells:
            raise ValueError("scores of no cell were asked for")
        if place not in self.sizes:
            raise KeyError(place)
        return self.magnitudes(place)


def magnitude_scores(model: CausalModel, *, unit: Unit, cells: Sequence[Cell] = ()) -> MagnitudeScores:
    """Magnitudes of every component of a unit, without a pass.

    weights  |W_ij|
    heads    the norm (root of the sum of squares) of the head's columns in the attention's output projection
    neurons  the norm of the neuron's column in the MLP's down projection

    Norms of heads and neurons are taken at once; weights are read when asked for, so ask before anything is removed.
    Raises RecipeError where the model has none of the unit, or its weights are quantised.
    """
    module: torch.nn.Module = model.module
    own = tuple(sorted(set(cells)))
    if unit == "weights":
        layers = weight_layers(module)
        return MagnitudeScores(
            unit=unit,
            sizes=matrix_sizes(layers),
            cells=own,
            magnitudes=lambda place: np.abs(matrix_of(layers[place])),
        )
    places = structure_of(module).of(unit)
    norms = {str(layer): column_norms(module, place, what="a norm of its columns") for layer, place in places.items()}
    return MagnitudeScores(
        unit=unit,
        sizes={str(layer): (place.count,) for layer, place in places.items()},
        cells=own,
        magnitudes=lambda place: norms[place].copy(),
    )
