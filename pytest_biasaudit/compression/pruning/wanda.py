"""Wanda: weights scored by their magnitude times the norm of their input, compared within each output. Imports torch.

Source: Sun et al. 2024, "A simple and effective pruning approach for large language models", equation 1.
"""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.pruning.layerwise import prune_layer_by_layer
from pytest_biasaudit.compression.pruning.lowest import Amount, amount_of, lowest_by_row, lowest_in_groups
from pytest_biasaudit.compression.step import Step


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`; raises as `prune_layer_by_layer` does."""
    amount = amount_of(step)

    def pruned(matrix: torch.Tensor, squares: torch.Tensor, tokens: int) -> torch.Tensor:
        return matrix.masked_fill(wanda_mask(matrix, squares, amount=amount), 0)

    return prune_layer_by_layer(module, step, materials, amount=amount, statistic=squares_of, pruned=pruned)


def squares_of(rows: torch.Tensor) -> torch.Tensor:
    """(inputs,): the sum of squares of each input over tokens. rows: (tokens, inputs)."""
    # Summed in double precision only across batches: within one, float32 keeps seven digits.
    return rows.float().square().sum(0).double()


def wanda_mask(matrix: torch.Tensor, squares: torch.Tensor, *, amount: Amount) -> torch.Tensor:
    """(outputs, inputs) bool: which weights go.

    S_ij = |W_ij| ||x_j||_2. Each output loses its round(sparsity x inputs) lowest, or, with a pattern, all but its n
    highest of every m consecutive inputs. The authors' code rounds down, and takes n for what is removed.

    matrix   W, (outputs, inputs)
    squares  ||x_j||^2, (inputs,): of all calibration tokens; a common factor does not matter
    """
    scores = matrix.abs().float() * squares.sqrt().float()
    if amount.of:
        return lowest_in_groups(scores, amount)
    return lowest_by_row(scores, round(amount.sparsity * matrix.shape[1]))
