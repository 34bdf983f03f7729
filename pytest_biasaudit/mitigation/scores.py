"""What scoring gives: a figure a component, by cell of the design. Imports numpy.

A cell is the prompts of one group of people in one variation and one half of the names. Scores are kept by cell so that one
pass over all prompts serves every way of choosing: by variation, with a variation left out, by halves of the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.mitigation.components import ScoreMethod, Unit

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """The prompts of one group in one variation and one half of the names."""

    variation: str
    """"CONTEXT/AUDIT/TEMPLATE"."""
    group: str
    half: Literal[0, 1]
    """Of the people, drawn with a seed, the same in every variation."""


class ScoreTable(Protocol):
    """Scores of every component of one unit, by cell. Arrays are made when asked for: a model's weights are many."""

    @property
    def unit(self) -> Unit:
        """What is scored."""
        ...

    @property
    def method(self) -> ScoreMethod:
        """By what."""
        ...

    @property
    def signed(self) -> bool:
        """True for attribution and ablation: the group's score minus the reference's is the component's part of the
        difference between them, and removing it is predicted to take that part away. False: how strongly the component
        answers to the prompts of a cell; higher is more.
        """
        ...

    @property
    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Every place with its shape; see `ComponentSet.sizes`."""
        ...

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that was scored, sorted."""
        ...

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """The scores at a place over all prompts of these cells together; of the place's shape.

        Raises KeyError for a place or cell that is not there, ValueError for no cell.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ArrayScores:
    """Scores kept as sums over each cell's prompts: for heads and neurons, and for gradients of weights."""

    unit: Unit
    method: ScoreMethod
    signed: bool
    sizes: Mapping[str, tuple[int, ...]]
    sums: Mapping[Cell, Mapping[str, Floats]]
    counts: Mapping[Cell, int]
    """Prompts of each cell."""
    settings: tuple[tuple[str, str], ...] = ()
    """How it was scored, where the method knows several ways: (("attention", "generated"),)."""
    notes: tuple[str, ...] = ()
    """What was left out, and why: variations whose answers are all one number have no attribution."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that was scored, sorted."""
        return tuple(sorted(self.counts))

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """The mean over the prompts of these cells."""
        if not cells:
            raise ValueError("scores of no cell were asked for")
        total = np.zeros(self.sizes[place], dtype=np.float64)
        for cell in cells:
            total += self.sums[cell][place]
        return np.asarray(total / sum(self.counts[cell] for cell in cells), dtype=np.float32)
