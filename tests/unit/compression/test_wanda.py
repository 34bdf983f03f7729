"""Wanda's masks, against the formula written out with loops."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.pruning.lowest import Amount
from pytest_biasaudit.compression.pruning.wanda import squares_of, wanda_mask

HALF = Amount(sparsity=0.5)


def layer(seed: int, *, outputs: int = 12, inputs: int = 24, tokens: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Random weights (outputs, inputs) and inputs (tokens, inputs) whose sizes differ a hundredfold."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(tokens, inputs, generator=generator) * torch.logspace(-1, 1, inputs)
    return torch.randn(outputs, inputs, generator=generator), rows


def by_the_formula(weights: torch.Tensor, rows: torch.Tensor, amount: Amount) -> np.ndarray[Any, Any]:
    """S_ij = |W_ij| * ||x_j||_2, the lowest of each row, or of each group of a row, one weight at a time."""
    w, x = weights.double().numpy(), rows.double().numpy()
    gone = np.zeros(w.shape, dtype=bool)
    norms = [sum(x[t, j] ** 2 for t in range(len(x))) ** 0.5 for j in range(w.shape[1])]
    for i in range(w.shape[0]):
        scores = [abs(w[i, j]) * norms[j] for j in range(w.shape[1])]
        if amount.of:
            for begin in range(0, w.shape[1], amount.of):
                group = sorted(range(begin, begin + amount.of), key=lambda j: scores[j])
                for j in group[: amount.of - amount.kept]:
                    gone[i, j] = True
        else:
            # To the nearest whole number, exactly: 0.3 x 24 is 7.2.
            count = round(Fraction(str(amount.sparsity)) * w.shape[1])
            for j in sorted(range(w.shape[1]), key=lambda j: scores[j])[:count]:
                gone[i, j] = True
    return gone


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "amount",
    [
        HALF,
        Amount(sparsity=0.3),
        Amount(sparsity=0.9),
        Amount(sparsity=0.5, kept=2, of=4),
        Amount(sparsity=0.5, kept=4, of=8),
        Amount(sparsity=0.75, kept=1, of=4),
    ],
)
def test_the_mask_is_the_formulas(amount: Amount, seed: int) -> None:
    weights, rows = layer(seed)
    found = wanda_mask(weights, squares_of(rows), amount=amount)
    assert (found.numpy() == by_the_formula(weights, rows, amount)).all()


def test_a_small_weight_on_a_large_input_stays_by_hand() -> None:
    weights = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    squares = torch.tensor([100.0, 1.0, 1.0, 1.0])  # norms 10, 1, 1, 1: scores 10, 2, 3, 4
    assert wanda_mask(weights, squares, amount=HALF).int().tolist() == [[0, 1, 1, 0]]


def test_every_output_loses_as_many_whatever_the_others_are_like() -> None:
    weights, rows = layer(7)
    weights[3] *= 1000
    assert wanda_mask(weights, squares_of(rows), amount=HALF).sum(1).tolist() == [12] * 12


def test_an_input_that_is_always_zero_loses_its_weights_first() -> None:
    weights, rows = layer(8)
    rows[:, [2, 5, 20]] = 0
    gone = wanda_mask(weights, squares_of(rows), amount=HALF)
    assert bool(gone[:, [2, 5, 20]].all())
    assert gone.sum(1).tolist() == [12] * 12
