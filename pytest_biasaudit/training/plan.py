"""How long and how fast a module is taught, and what came of it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Batch = dict[str, torch.Tensor]
    Loss = Callable[[torch.nn.Module, Batch], torch.Tensor]
    """What is to become small: a module and a batch give one number, with its gradient."""
    Batches = Callable[[int], Batch]
    """The batch of a step, counted from 0: the same whenever it is asked for, so that a training can go on."""

MOST_POINTS = 200
"""Points of a loss curve at most; the first and the last step are always among them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a module is taught: AdamW, gradients clipped to length 1, one batch a step.

    The rate climbs in a line over the first steps and falls in a line to 0 over the rest.
    """

    steps: int
    learning_rate: float
    """At its highest."""
    warmup: float
    """Share of the steps over which the rate climbs."""
    seed: int
    """Of dropout. What stands in a batch is the caller's."""
    weight_decay: float = 0.0
    """AdamW's, of all that is taught but biases and norms."""
    fused: bool = False
    """AdamW's update in one pass over the weights: several times as fast on a CPU, equal to rounding."""
    save_every: int | None = None
    """Steps from one checkpoint to the next; None: at least 50, and no more than twenty checkpoints in all."""

    @property
    def saving(self) -> int:
        """Steps from one checkpoint to the next."""
        return self.save_every or max(50, -(-self.steps // 20))

    @property
    def noting(self) -> int:
        """Steps from one point of the curve to the next; the first and the last step have one beside."""
        return -(-self.steps // (MOST_POINTS - 2)) if self.steps > MOST_POINTS - 2 else 1


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a training gave beside the module, which was changed in place."""

    curve: tuple[tuple[int, float], ...]
    """(step from 1, loss of that step's batch before its update), at most MOST_POINTS of them."""
    resumed_at: int
    """Steps that an earlier run had already taken; 0 for a training from the beginning."""
    seconds: float
    """Of this run alone, from the first step it took."""
