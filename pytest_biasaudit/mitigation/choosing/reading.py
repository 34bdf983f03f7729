"""The figures that a rule ranks, place by place: a group's scores, both groups' sum, or the directed difference. Imports numpy.

Nothing is ranked that is not a number. A NaN is an error, except from exact ablation, where it marks what was not tried:
that is never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.places import in_order
from pytest_biasaudit.mitigation.choosing.settings import Rule
from pytest_biasaudit.mitigation.scores import Cell, Floats, ScoreTable

Ranked = Callable[[str], Floats]
"""The figures of a place, flat; higher is chosen first. What must not be chosen is -inf."""
NEVER = np.float32(-np.inf)


def named(table: ScoreTable) -> str:
    """The scores, as a message calls them."""
    return f"{table.method} scores of {table.unit}"


def any_cell(table: ScoreTable) -> Cell:
    """A cell to ask scores of that are alike in every one, magnitudes say: where no prompt was scored there is none."""
    return table.cells[0] if table.cells else Cell(variation="", group="", half=0)


def scores_at(table: ScoreTable, place: str, cells: Sequence[Cell]) -> Floats:
    """A place's scores, flat. Raises DataError for a wrong shape, infinities, and NaN other than ablation's."""
    found = np.asarray(table.scores(place, cells), dtype=np.float32)
    if found.shape != tuple(table.sizes[place]):
        raise DataError(
            named(table), [f"place {place!r}: shape {tuple(table.sizes[place])} is declared, {found.shape} came"]
        )
    flat = found.reshape(-1)
    faulty = np.isinf(flat) if table.method == "ablation" and table.signed else ~np.isfinite(flat)
    if faulty.any():
        first = int(np.flatnonzero(faulty)[0])
        shown = f"{int(faulty.sum())} of {flat.size} are not finite, the first is number {first} ({flat[first]})"
        raise DataError(named(table), [f"place {place!r}: {shown}; a score must be a finite number to be ranked"])
    return flat


def ranked_by(
    table: ScoreTable, rule: Rule, reference: Sequence[Cell], group: Sequence[Cell], gap: float | None
) -> Ranked:
    """What a rule ranks components by. For unsigned scores under "difference": the group's own.

    gap  the difference between groups (group minus reference) whose direction signed scores are held against; its sign
         alone counts

    Raises RecipeError for signed scores without a gap that has a direction.
    """
    if not table.signed:
        if rule == "sum":
            return lambda place: scores_at(table, place, reference) + scores_at(table, place, group)
        return lambda place: scores_at(table, place, group)
    if gap is None or not math.isfinite(gap) or gap == 0.0:
        raise RecipeError(
            f"{named(table)} say which way a component moves the difference between groups, and came with gap = {gap!r}; "
            "the groups' difference as measured (group minus reference) is needed, and not 0"
        )
    direction = np.float32(math.copysign(1.0, gap))

    def carried(place: str) -> Floats:
        part = direction * (scores_at(table, place, group) - scores_at(table, place, reference))
        # What carries nothing of the gap, works against it, or was not tried.
        return np.asarray(np.where(part > 0, part, NEVER), dtype=np.float32)

    return carried


def choosable(table: ScoreTable, ranked: Ranked) -> int:
    """How many components there are to choose from: with a figure, and of signed scores one above nought."""
    return sum(int((ranked(place) > NEVER).sum()) for place in in_order(table.sizes))


def only_choosable(figures: Floats, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Chosen, less what must not be."""
    return np.asarray(chosen & (figures > NEVER))
