"""How much a lean changes when one head or MLP unit is taken away: what attribution predicts, tried. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.compression.structure.places import Pairs
from pytest_biasaudit.mitigation.components import METHODS_OF, Unit
from pytest_biasaudit.mitigation.lean import batched, lean_values, leans_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats, ScoreTable
from pytest_biasaudit.mitigation.scoring.attribution import Part
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.rows_meet import rows_meet
from pytest_biasaudit.models.without_gradients import without_gradients

CONFIRMED = 20


def ablation_scores(
    model: CausalModel,
    prompts: Sequence[ScoredPrompt],
    *,
    unit: Part,
    candidates: Sequence[tuple[int, int]] | None = None,
    batch_size: int,
) -> ArrayScores:
    """The lean of the model as it is, less its lean without a component: exact, for each candidate by itself.

    candidates  (layer, number); None: all there are. NaN for those that are not tried

    Same sign and unit as attribution, which is its first-order prediction. Variations without a contrast are left out;
    the table's `notes` name them.
    Cost: one forward pass over each different prompt for each candidate, and one more. The model is lent: masks go by hooks.
    Raises RecipeError for candidates that the model does not have, or none; DataError as `leans_of` does.
    """
    structure = structure_of(model.module)
    places = structure.of(unit)
    tried = [(layer, number) for layer, place in places.items() for number in range(place.count)]
    if candidates is not None:
        tried = sorted(dict.fromkeys(candidates))
    structure.cuts(**_pairs(unit, tried))  # refuses what is not there, and none at all, before anything is run
    with model._borrowed():
        leans = leans_of(model, prompts)
    groups = list(batched(leans.leans, batch_size=1 if rows_meet(model.module) else batch_size))

    def asked() -> NDArray[np.float64]:
        values = np.empty(len(leans.leans))
        for numbers in groups:
            found = lean_values(model, [leans.leans[number] for number in numbers])
            values[numbers] = found.double().cpu().numpy() if found.device.type != "mps" else found.cpu().numpy()
        return values

    shape = {str(layer): place.count for layer, place in places.items()}
    sums: dict[Cell, dict[str, Floats]] = {
        cell: {place: np.full(count, np.nan, dtype=np.float32) for place, count in shape.items()}
        for cell in leans.counts
    }
    _ = model.tree_pass  # proved with nothing masked
    with model._borrowed(), without_gradients(model.module):
        whole = asked()
        for layer, number in tried:
            with masked(structure, **_pairs(unit, [(layer, number)])):
                gone = whole - asked()
            total = dict.fromkeys(sums, 0.0)
            for change, shares in zip(gone, leans.shares, strict=True):
                for cell, count in shares:
                    total[cell] += float(change) * count
            for cell, value in total.items():
                sums[cell][str(layer)][number] = value
    return ArrayScores(
        unit=unit,
        method="ablation",
        signed=True,
        sizes={place: (count,) for place, count in shape.items()},
        sums=sums,
        counts=leans.counts,
        notes=leans.notes,
    )


class _Pairs(TypedDict):
    heads: Pairs
    neurons: Pairs


def _pairs(unit: Part, pairs: Pairs) -> _Pairs:
    return {"heads": pairs if unit == "heads" else (), "neurons": pairs if unit == "neurons" else ()}


def confirmed(
    table: ScoreTable,
    model: CausalModel,
    prompts: Sequence[ScoredPrompt],
    *,
    reference: str,
    group: str,
    most: int = CONFIRMED,
    batch_size: int,
) -> ArrayScores:
    """Exact ablation of the components that a table puts first: those whose gap between the groups is largest.

    table  of attribution, or any other score of heads or neurons; the gap is taken over the cells of all its variations
    most   how many are tried, of those that have a score; NaN for the rest, which no choice takes

    Raises ValueError for a table of weights, which are too many to try one by one, and for groups that it has no cell of.
    """
    unit: Unit = table.unit
    if unit == "weights":
        tried = ", ".join(one for one, methods in METHODS_OF.items() if "ablation" in methods)
        raise ValueError(f"single weights are not taken away one by one; ablation is of {tried}")
    cells = {name: [cell for cell in table.cells if cell.group == name] for name in (reference, group)}
    absent = [name for name, found in cells.items() if not found]
    if absent:
        raise ValueError(f"the table has no cell of {', '.join(map(repr, absent))}")
    gaps = {
        place: np.abs(table.scores(place, cells[group]) - table.scores(place, cells[reference]))
        for place in table.sizes
    }
    ranked = sorted(
        (-float(gap), int(place), number)
        for place, found in gaps.items()
        for number, gap in enumerate(found)
        if not np.isnan(gap)  # has no place in an order
    )
    candidates = [(layer, number) for _, layer, number in ranked[:most]]
    return ablation_scores(model, prompts, unit=unit, candidates=candidates, batch_size=batch_size)
