"""Scores of any unit by any method, from one call. Imports numpy; torch starts with the method that needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import METHODS_OF, ScoreMethod, Unit
from pytest_biasaudit.mitigation.methods import SIGNED
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import Cell, Floats, ScoreTable

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.choosing.settings import Settings
    from pytest_biasaudit.mitigation.scoring.attribution import Part
    from pytest_biasaudit.models.causal import CausalModel


REVISION = "scores/1"
"""As the ways of asking in `outcomes.asking`: raised whenever any method may give other scores than before, so that what a
fault gave is not loaded once it is mended."""


@dataclass(frozen=True, kw_only=True)
class RandomScores:
    """Uniform numbers from 0 to 1, drawn for each cell and place from the seed: what choosing is worth without any scoring."""

    unit: Unit
    sizes: Mapping[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    seed: int

    @property
    def method(self) -> ScoreMethod:
        """Always "random"."""
        return "random"

    @property
    def signed(self) -> bool:
        """Higher is more."""
        return False

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """The mean of these cells' draws: of a cell always the same ones, so that groups differ, and by chance alone.

        Raises KeyError for a place or cell that is not there, ValueError for no cell.
        """
        if not cells:
            raise ValueError("scores of no cell were asked for")
        absent = [cell for cell in cells if cell not in self.cells]
        if absent:
            raise KeyError(absent[0])
        total = np.zeros(self.sizes[place], dtype=np.float64)
        for cell in cells:
            told = repr((self.seed, place, cell.variation, cell.group, cell.half)).encode("utf-8", "surrogatepass")
            total += np.random.default_rng(int.from_bytes(hashlib.sha256(told).digest()[:8])).random(total.shape)
        return np.asarray(total / len(cells), dtype=np.float32)


def score(
    model: CausalModel,
    prompts: Sequence[ScoredPrompt],
    *,
    unit: Unit,
    method: ScoreMethod,
    batch_size: int,
    seed: int = 0,
) -> ScoreTable:
    """Scores of every component of a unit by a method, by cell of the prompts.

    seed  of "random" alone

    Raises RecipeError for a method that does not score this unit, and what the methods raise.
    """
    if method not in METHODS_OF.get(unit, ()):
        known = ", ".join(METHODS_OF[unit]) if unit in METHODS_OF else "one of " + ", ".join(METHODS_OF)
        raise RecipeError(f"method {method!r} does not score unit {unit!r}; choose {known}")
    if method in ("attention", "wanda"):
        from pytest_biasaudit.mitigation.scoring.forward import forward_scores

        return forward_scores(model, prompts, wanted=[(unit, method)], batch_size=batch_size)[unit, method]
    if method == "snip":
        from pytest_biasaudit.mitigation.scoring.snip import snip_scores

        assert unit != "heads"
        return snip_scores(model, prompts, unit=unit, batch_size=batch_size)
    cells = tuple(sorted({prompt.cell for prompt in prompts}))
    if method == "magnitude":
        from pytest_biasaudit.mitigation.scoring.magnitude import magnitude_scores

        return magnitude_scores(model, unit=unit, cells=cells)
    if method == "random":
        return RandomScores(unit=unit, sizes=scored_sizes(model, unit), cells=cells, seed=seed)
    part = cast("Part", unit)
    if method == "ablation":
        from pytest_biasaudit.mitigation.scoring.ablation import ablation_scores

        return ablation_scores(model, prompts, unit=part, batch_size=batch_size)
    from pytest_biasaudit.mitigation.scoring.attribution import attribution_scores

    return attribution_scores(model, prompts, unit=part, batch_size=batch_size)


def scored_sizes(model: CausalModel, unit: Unit) -> dict[str, tuple[int, ...]]:
    """Every place of a unit that is scored, as `ScoreTable.sizes` has them; nothing is asked. Raises RecipeError for a model
    that has none.
    """
    if unit == "weights":
        from pytest_biasaudit.mitigation.scoring.matrices import matrix_sizes, weight_layers

        return matrix_sizes(weight_layers(model.module))
    from pytest_biasaudit.compression.structure.finding import structure_of

    return {str(layer): (place.count,) for layer, place in structure_of(model.module).of(unit).items()}


def completed(settings: Settings, model: CausalModel, *, unit: Unit, method: ScoreMethod) -> Settings:
    """`choosing.settings.complete` for scores that are not taken yet: what cannot be met is known before anything is asked."""
    from pytest_biasaudit.mitigation.choosing.settings import complete

    return complete(settings, unit=unit, method=method, signed=method in SIGNED, sizes=scored_sizes(model, unit))
