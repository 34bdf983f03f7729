"""Sums over the prompts of each cell, taken on the model's device batch by batch. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.mitigation.scoring.batches import Batch

MOST = 10


class CellSums:
    """By name, the sum of a figure over each cell's prompts: in float64 where the device has it."""

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, name: str, values: torch.Tensor, batch: Batch) -> None:
        """Adds a batch's values, (rows, ...) on any device; a row that stands for several prompts counts as often."""
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        found = batch.shares.to(values.device, wide) @ values.to(wide)
        known = self._sums.get(name)
        self._sums[name] = found if known is None else known.add_(found)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """By name, (cells, ...)."""
        return {name: np.asarray(found.cpu().numpy(), dtype=np.float64) for name, found in self._sums.items()}


class PromptCounts:
    """How many prompts of each cell had a token that counts, and how many had not."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = tuple(cells)
        self._sums = CellSums(len(self._cells))

    def add(self, counted: torch.Tensor, batch: Batch) -> None:
        """Adds a batch, by the tokens that count: (rows, tokens)."""
        some = counted.any(1, keepdim=True).float()
        self._sums.add("prompts", torch.cat([some, 1 - some], 1), batch)

    def counts(self, what: str, *, why: str) -> tuple[dict[Cell, int], tuple[str, ...]]:
        """Prompts of each cell that had one, and a note on those that were left out.

        what, why  the setting, and why a prompt has no such token, for messages
        Raises DataError for a cell without any.
        """
        found = self._sums.arrays()["prompts"]
        empty = [cell for cell, count in zip(self._cells, found[:, 0], strict=True) if not count]
        if empty:
            more = [f"and {len(empty) - MOST} more cells"] if len(empty) > MOST else []
            raise DataError(
                what, [*(f"{one.variation}, {one.group}, half {one.half}: {why}" for one in empty[:MOST]), *more]
            )
        left, total = int(found[:, 1].sum()), int(found.sum())
        notes = (f"{left} of {total} prompts left out: {why.partition(';')[0]}",) if left else ()
        return {cell: int(count) for cell, count in zip(self._cells, found[:, 0], strict=True)}, notes
