"""SparseGPT, against optimal brain surgery written out: one column at a time, with the inverse of what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.pruning.lowest import Amount
from pytest_biasaudit.compression.pruning.sparsegpt import products_of, sparsegpt
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError

DAMP = 0.01


def layer(seed: int, *, outputs: int = 10, inputs: int = 24, tokens: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Random weights (outputs, inputs) and correlated inputs (tokens, inputs)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(inputs, inputs, generator=generator) / inputs**0.5
    rows = torch.randn(tokens, inputs, generator=generator) @ mixing + torch.randn(tokens, inputs, generator=generator)
    return torch.randn(outputs, inputs, generator=generator), rows * torch.logspace(-0.5, 0.5, inputs)


def by_the_formula(weights: torch.Tensor, rows: torch.Tensor, amount: Amount, block_size: int) -> np.ndarray[Any, Any]:
    """The pruned weights. When column j is reached, those before it are settled, and F = {j, ...} is what is left:

    saliency w_j^2 / [H_F^-1]_jj, and w_F loses (w_j - q_j) / [H_F^-1]_jj times the row j of H_F^-1 (equations 2 and 3 of
    Frantar and Alistarh, without their Cholesky factor). Within a block, the choice is made at its first column.
    """
    w, x = weights.double().numpy().copy(), rows.double().numpy()
    n, inputs = x.shape
    h = np.zeros((inputs, inputs))
    for t in range(n):
        h += 2 / n * np.outer(x[t], x[t])
    dead = np.diag(h) == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    h += DAMP * np.diag(h).mean() * np.eye(inputs)
    left = [np.linalg.inv(h[j:, j:]) for j in range(inputs)]
    gone = np.zeros(w.shape, dtype=bool)

    def choose(columns: range, count: int, rows_of: list[list[int]]) -> None:
        for some in rows_of:
            cells = [(w[i, j] ** 2 / left[j][0, 0], i, j) for i in some for j in columns]
            for _, i, j in sorted(cells)[:count]:
                gone[i, j] = True

    every = list(range(len(w)))
    for begin in range(0, inputs, block_size):
        block = range(begin, min(begin + block_size, inputs))
        if not amount.of:
            choose(block, round(amount.sparsity * len(block) * len(w)), [every])
        for j in block:
            if amount.of and j % amount.of == 0:
                choose(range(j, j + amount.of), amount.of - amount.kept, [[i] for i in every])
            for i in every:
                q = 0.0 if gone[i, j] else w[i, j]
                w[i, j:] -= (w[i, j] - q) / left[j][0, 0] * left[j][0]
                w[i, j] = q
    return w


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block_size", [8, 16, 128])
@pytest.mark.parametrize(
    "amount",
    [
        Amount(sparsity=0.5),
        Amount(sparsity=0.7),
        Amount(sparsity=0.5, kept=2, of=4),
        Amount(sparsity=0.75, kept=2, of=8),
    ],
)
def test_masks_and_moved_weights_are_the_formulas(amount: Amount, block_size: int, seed: int) -> None:
    weights, rows = layer(seed)
    found = sparsegpt(
        weights, products_of(rows) * 2 / len(rows), amount=amount, block_size=block_size, damp=DAMP
    ).numpy()
    expected = by_the_formula(weights, rows, amount, block_size)
    assert ((found == 0) == (expected == 0)).all()
    assert np.abs(found - expected).max() < 1e-5 * max(1.0, float(np.abs(expected).max()))


def test_an_input_that_is_always_zero_loses_its_weights() -> None:
    weights, rows = layer(5)
    rows[:, [0, 9, 10, 23]] = 0
    amount = Amount(sparsity=0.5)
    found = sparsegpt(weights, products_of(rows) * 2 / len(rows), amount=amount, block_size=8, damp=DAMP).numpy()
    expected = by_the_formula(weights, rows, amount, 8)
    assert not found[:, [0, 9, 10, 23]].any()
    assert ((found == 0) == (expected == 0)).all()
    assert np.abs(found - expected).max() < 1e-4


def test_what_is_left_makes_up_for_what_is_gone() -> None:
    generator = torch.Generator().manual_seed(6)
    weights, few = torch.randn(10, 24, generator=generator), torch.randn(400, 6, generator=generator)
    # Inputs that mostly say the same can stand in for each other.
    rows = few @ torch.randn(6, 24, generator=generator) + 0.1 * torch.randn(400, 24, generator=generator)
    found = sparsegpt(weights, products_of(rows) * 2 / len(rows), amount=Amount(sparsity=0.5), block_size=8, damp=DAMP)
    only_masked = weights * (found != 0)
    moved, masked = ((one - weights) @ rows.T for one in (found, only_masked))
    assert float(moved.square().sum()) < 0.5 * float(masked.square().sum())


def test_the_weights_that_are_given_are_not_touched_however_they_lie() -> None:
    weights, rows = layer(7)
    for given in (weights.clone(), weights.T.contiguous().T):
        sparsegpt(given, products_of(rows) * 2 / len(rows), amount=Amount(sparsity=0.5), block_size=8, damp=DAMP)
        assert torch.equal(given, weights)


def test_products_that_cannot_be_inverted_are_refused_with_what_to_do() -> None:
    weights, rows = layer(8, tokens=2)
    with pytest.raises(RecipeError, match=r"24 inputs.*cannot be inverted with damp = 0.0.*larger damp"):
        sparsegpt(weights, products_of(rows) * 1e9, amount=Amount(sparsity=0.5), block_size=8, damp=0.0)


def test_a_block_that_would_cut_groups_in_two_is_refused_when_it_is_read() -> None:
    raw = {"prune": "sparsegpt", "calibration": "text.txt", "pattern": "1:3"}
    with pytest.raises(RecipeError, match=r"block_size = 128 is not a multiple of 3.*give block_size = 126"):
        read_step(raw)
    assert read_step({**raw, "block_size": 126}).setting("block_size") == 126
    with pytest.raises(RecipeError, match="damp = 0;"):
        read_step({"prune": "sparsegpt", "calibration": "text.txt", "damp": 0})
