"""Sums over the prompts of each cell, taken on the model's device batch by batch. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_biasaudit.mitigation.scoring.batches import Batch


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
