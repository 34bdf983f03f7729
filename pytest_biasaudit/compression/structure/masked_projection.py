"""Cuts that stay, around weights that zeros cannot be written into: quantised ones. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_biasaudit.compression.structure.projections import Cut, Side, sizes_of


class MaskedProjection(torch.nn.Module):
    """A projection with some inputs, or outputs, held at zero: for weights that zeros cannot be written into.

    The masks are buffers, so they are in the state dict and in the model's digest. Whatever else is asked of it, such as
    its weight or its sizes, the projection inside answers.
    """

    gone_inputs: torch.Tensor
    gone_outputs: torch.Tensor

    def __init__(self, projection: torch.nn.Module) -> None:
        super().__init__()
        sizes = sizes_of(projection)
        assert sizes is not None
        first = next((one for one in (*projection.parameters(), *projection.buffers())), None)
        device = first.device if first is not None else None
        self.projection = projection
        self.register_buffer("gone_inputs", torch.zeros(sizes[0], dtype=torch.bool, device=device))
        self.register_buffer("gone_outputs", torch.zeros(sizes[1], dtype=torch.bool, device=device))
        self.train(projection.training)

    @property
    def in_features(self) -> int:
        """Inputs of the projection."""
        return self.gone_inputs.numel()

    @property
    def out_features(self) -> int:
        """Outputs of the projection."""
        return self.gone_outputs.numel()

    def __getattr__(self, name: str) -> Any:
        """What is not here is the projection's: T5 asks for the dtype of its down projection's weight."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("projection"), name)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """What the projection gives, without what is gone."""
        out: torch.Tensor = self.projection(given.masked_fill(self.gone_inputs.to(given.device), 0))
        return out.masked_fill(self.gone_outputs.to(out.device), 0)

    def cut(self, side: Side, units: Sequence[int]) -> int:
        """Masks these too; how many of them were not masked before."""
        gone = self.gone_inputs if side == "input" else self.gone_outputs
        before = int(gone.sum())
        gone[list(units)] = True
        return int(gone.sum()) - before


def mask_for_good(module: torch.nn.Module, cut: Cut) -> int:
    """Puts a `MaskedProjection` where the cut's projection was, or adds to it; how many units were not masked before."""
    part = module.get_submodule(cut.name)
    if not isinstance(part, MaskedProjection):
        around, _, last = cut.name.rpartition(".")
        part = MaskedProjection(part)
        setattr(module.get_submodule(around), last, part)
    return part.cut(cut.side, cut.units)
