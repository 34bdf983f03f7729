"""A set without the components that a user's own prompts need. Imports numpy and the types of mitigation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.places import in_order, refuse_other_places
from pytest_biasaudit.mitigation.choosing.reading import NEVER, named, scores_at
from pytest_biasaudit.mitigation.choosing.settings import Scope, counts_of, share_fault
from pytest_biasaudit.mitigation.choosing.top import cut_over, highest, highest_at
from pytest_biasaudit.mitigation.components import ComponentSet, Indices
from pytest_biasaudit.mitigation.scores import Floats, ScoreTable


@dataclass(frozen=True, kw_only=True)
class Spared:
    """What is left to remove, and what was taken out of the set."""

    components: ComponentSet
    spared: Mapping[str, Indices]
    """Taken out, by place."""

    @property
    def count(self) -> int:
        """How many were taken out."""
        return sum(len(numbers) for numbers in self.spared.values())


def spare(found: ComponentSet, utility: ScoreTable, *, share: float, scope: Scope | None = None) -> Spared:
    """Takes out of the set what ranks in the top share by its scores on a user's own utility prompts.

    utility  scores of the same unit of the same model, over all their cells; of signed scores the absolute value counts
    share    0 to 1: floor(share x components), at every place or, scope "global", of the whole model; default by unit as
             in `choose`: heads over the model, neurons and weights by place

    What is left may be empty: see `components.count`. Raises RecipeError for a share out of range, DataError for scores of
    another unit, of other places, without cells, or that are not finite.
    Source: Wei et al. 2024 keep what utility prompts need by the same difference of sets.
    """
    what = "sparing what utility prompts need"
    refuse_other_places(found, utility.unit, utility.sizes, what=what, other="utility scores")
    if not utility.cells:
        raise DataError(what, [f"{named(utility)} have no cell: no utility prompt was scored"])
    fault = share_fault("share", share, above_zero=False)
    if fault:
        raise RecipeError(f"{what}: {fault}")
    over: Scope = scope or ("global" if utility.unit == "heads" else "layer")
    places, counts = in_order(utility.sizes), counts_of(float(share), utility.sizes, over)

    def figures(place: str) -> Floats:
        there = np.abs(scores_at(utility, place, utility.cells))
        # What exact ablation did not try is not known to be needed: it comes last.
        return np.where(np.isnan(there), NEVER, there).astype(np.float32)

    if over == "global":
        needed = highest_at(places, figures, cut_over(places, figures, counts[""]))
    else:
        needed = ((place, highest(figures(place), counts[place])) for place in places)
    kept: dict[str, Indices] = {}
    spared: dict[str, Indices] = {}
    for place, mask in needed:
        if place in found.chosen:
            numbers = found.chosen[place]
            for into, part in ((kept, numbers[~mask[numbers]]), (spared, numbers[mask[numbers]])):
                if len(part):
                    into[place] = part
    origin = found.origin
    if origin is not None:
        added = {"spared_by": utility.method, "spared_share": float(share)}
        origin = replace(origin, settings=tuple(sorted({**dict(origin.settings), **added}.items())))
    return Spared(components=replace(found, chosen=kept, origin=origin), spared=spared)
