"""What a set is held against: as many components at every place, drawn at random or by magnitude. Imports numpy.

Equal size at every place, and not only in all: a set that sits in the first layers is compared with one that does too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.choosing.places import in_order, refuse_other_places, size_of
from pytest_biasaudit.mitigation.choosing.reading import any_cell, named, scores_at
from pytest_biasaudit.mitigation.choosing.top import highest
from pytest_biasaudit.mitigation.components import ComponentSet, Indices, ScoreMethod
from pytest_biasaudit.mitigation.scores import ScoreTable

End = Literal["largest", "smallest"]


def random_like(found: ComponentSet, *, seed: int) -> ComponentSet:
    """As many at every place, drawn without replacement from all that stand there, the set's own included.

    Same seed, same numpy: same set. Every place is drawn by itself, so that it does not depend on the others.
    """
    chosen: dict[str, Indices] = {}
    for number, place in enumerate(in_order(found.sizes)):
        if place in found.chosen and len(found.chosen[place]):
            generator = np.random.default_rng([seed, number])
            drawn = generator.choice(
                size_of(found.sizes, place), size=len(found.chosen[place]), replace=False, shuffle=False
            )
            chosen[place] = np.sort(drawn).astype(np.int64, copy=False)
    return _baseline(found, chosen, "random", (("seed", seed),))


def magnitude_like(found: ComponentSet, magnitudes: ScoreTable, *, end: End = "largest") -> ComponentSet:
    """As many at every place, by magnitude: the largest, or the smallest.

    end  "largest": the set's own rule, the highest scores, with scores that have seen no prompt: whether it is the prompts
         that find something. "smallest": what ordinary magnitude pruning removes

    Magnitudes know no groups: they are the same in every cell. Raises DataError for scores of another unit, of other
    places, by another method, or that are not finite.
    """
    what = "magnitude baseline"
    if magnitudes.method != "magnitude":
        raise DataError(what, [f"magnitude scores are needed, {named(magnitudes)} came"])
    refuse_other_places(found, magnitudes.unit, magnitudes.sizes, what=what, other="magnitudes")
    chosen: dict[str, Indices] = {}
    for place in in_order(found.sizes):
        if place in found.chosen and len(found.chosen[place]):
            figures = scores_at(magnitudes, place, (any_cell(magnitudes),))
            mask = highest(figures if end == "largest" else -figures, len(found.chosen[place]))
            chosen[place] = np.flatnonzero(mask).astype(np.int64, copy=False)
    return _baseline(found, chosen, "magnitude", (("end", end),))


def _baseline(
    found: ComponentSet,
    chosen: dict[str, Indices],
    method: ScoreMethod,
    settings: tuple[tuple[str, str | float | int], ...],
) -> ComponentSet:
    origin = found.origin
    if origin is not None:
        origin = replace(
            origin,
            contexts=(),
            templates=(),
            prompts_sha256="",
            method=method,
            settings=tuple(sorted((*settings, ("size_of", origin.method)))),
        )
    return replace(found, chosen=chosen, origin=origin)
