"""How much of a lean each head or MLP unit carries, to first order, for all at once. Imports torch.

Attribution patching with zero as the replacement: z . d lean / d z, where z is what a head gives to the output projection, or
a unit to the down projection. Removing it is predicted to change the lean by minus that.
Source: Nanda 2023, "Attribution patching"; Kramar et al. 2024 (AtP*); Michel et al. 2019, eq. 4 is its absolute value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.places import Place
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.mitigation.lean import Leans, batched, lean_values, leans_of
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.scoring.differentiated import backward, differentiated, watched
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.rows_meet import rows_meet

Part = Literal["heads", "neurons"]
PARTS: tuple[Part, ...] = ("heads", "neurons")


def attribution_scores(
    model: CausalModel, prompts: Sequence[ScoredPrompt], *, unit: Part, batch_size: int
) -> ArrayScores:
    """The part of the lean that each head, or each MLP unit, carries; see `attributions`."""
    return attributions(model, prompts, units=(unit,), batch_size=batch_size)[unit]


def attributions(
    model: CausalModel, prompts: Sequence[ScoredPrompt], *, units: Sequence[Part] = PARTS, batch_size: int
) -> dict[Part, ArrayScores]:
    """The part of the lean that each component carries, of several units from the same forward and backward pass.

    batch_size  rows of tokens a pass, at most; a pass of many tokens is split further. Scores do not depend on it but
                for rounding

    The sum over all positions of z . d lean / d z, in the unit of the lean (nats, or points of a rating); positive where
    the component makes the lean higher. Signed: a group's mean less the reference's is the component's part of the gap.
    Variations without a contrast are left out; the table's `notes` name them.

    Cost: one forward and one backward pass over each different prompt, twice the rows where answers are several tokens
    long. The model is lent: no parameter gets a gradient, no hook stays.
    Raises DataError as `leans_of` does; RecipeError where the model has no such component, or no derivative; ModelError
    where it, or a derivative of it, gives NaN or infinity.
    """
    structure = structure_of(model.module)
    places: dict[Part, Mapping[int, Place]] = {unit: structure.of(unit) for unit in units}
    with model._borrowed():
        leans = leans_of(model, prompts)
    sums = _Sums(leans)
    with differentiated(model), ExitStack() as stack:
        seen = _Seen()
        for unit, own in places.items():
            for layer, place in own.items():
                part = model.module.get_submodule(place.name)
                hook = seen.hook((unit, str(layer)), place.count)
                stack.callback(part.register_forward_pre_hook(hook).remove)
        for numbers in batched(leans.leans, batch_size=1 if rows_meet(model.module) else batch_size):
            some = [leans.leans[number] for number in numbers]
            owners = [at for at, lean in enumerate(some) for _ in lean.rows]
            seen.begin(len(owners))
            backward(model, lean_values(model, some).sum())
            found = seen.end()
            _refuse_broken(model, found)
            sums.add(numbers, owners, found)
    return {
        unit: ArrayScores(
            unit=unit,
            method="attribution",
            signed=True,
            sizes={str(layer): (place.count,) for layer, place in own.items()},
            sums=sums.of(unit),
            counts=leans.counts,
            notes=leans.notes,
        )
        for unit, own in places.items()
    }


def _refuse_broken(model: CausalModel, found: Mapping[tuple[Part, str], NDArray[np.float64]]) -> None:
    """NaN would stand for a component that was not tried, and never be chosen."""
    for (unit, place), rows in found.items():
        if not np.isfinite(rows).all():
            raise ModelError(
                f"{model.identity.name}: a derivative of a lean is not finite at the {unit} of layer {place}: the model is "
                "broken, or its numbers are too narrow for a backward pass (float16: load it in bfloat16 or float32)"
            )


class _Seen:
    """z . d lean / d z by component, summed over the positions of each row, as the backward pass comes by."""

    def __init__(self) -> None:
        self._rows = 0
        self._found: dict[tuple[Part, str], torch.Tensor] = {}

    def begin(self, rows: int) -> None:
        self._rows = rows
        self._found = {}

    def end(self) -> dict[tuple[Part, str], NDArray[np.float64]]:
        """(rows, components) by unit and place; empty for a place that nothing came by."""
        return {key: np.asarray(found.cpu().numpy(), dtype=np.float64) for key, found in self._found.items()}

    def hook(self, key: tuple[Part, str], count: int) -> Callable[[Any, Any], tuple[Any, ...]]:
        def into(_part: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
            z = watched(given[0])
            kept = z.detach()

            def came(gradient: torch.Tensor) -> None:
                # Some models lay rows and tokens in one; padding has no gradient.
                wide = torch.float64 if kept.dtype is torch.float64 else torch.float32
                product = (kept.to(wide) * gradient.to(wide)).reshape(self._rows, -1, count, kept.shape[-1] // count)
                own = product.sum((1, 3))
                known = self._found.get(key)
                self._found[key] = own if known is None else known + own

            z.register_hook(came)  # type: ignore[no-untyped-call]  # torch has no types here
            return (z, *given[1:])

        return into


class _Sums:
    """Sums over the prompts of each cell."""

    def __init__(self, leans: Leans) -> None:
        self._leans = leans
        self._sums: dict[tuple[Part, str], dict[Cell, NDArray[np.float64]]] = {}

    def add(
        self, numbers: Sequence[int], owners: Sequence[int], found: Mapping[tuple[Part, str], NDArray[np.float64]]
    ) -> None:
        """Adds (rows, components); `owners` tells which of the leans `numbers` a row is of."""
        for key, rows in found.items():
            cells = self._sums.setdefault(key, {})
            for at, values in zip(owners, rows, strict=True):
                for cell, count in self._leans.shares[numbers[at]]:
                    known = cells.get(cell)
                    cells[cell] = values * count if known is None else known + values * count

    def of(self, unit: Part) -> dict[Cell, dict[str, Floats]]:
        sums: dict[Cell, dict[str, Floats]] = {}
        for (one, place), cells in self._sums.items():
            if one == unit:
                for cell, values in cells.items():
                    sums.setdefault(cell, {})[place] = values.astype(np.float32)
        return sums
