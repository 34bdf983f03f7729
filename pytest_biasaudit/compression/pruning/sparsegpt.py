"""SparseGPT: weights removed block of columns by block, the others moved to make up for them. Imports torch.

Source: Frantar and Alistarh 2023, "SparseGPT: massive language models can be accurately pruned in one-shot", algorithm 1.
"""

from __future__ import annotations

import torch

from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.pruning.layerwise import prune_layer_by_layer
from pytest_biasaudit.compression.pruning.lowest import Amount, amount_of, lowest_in_groups, lowest_of_all
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError


def apply(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """See `Method.apply`; raises as `prune_layer_by_layer` does, and RecipeError as `sparsegpt` does."""
    amount, block_size, damp = amount_of(step), step.setting("block_size"), step.setting("damp")
    assert isinstance(block_size, int)
    assert isinstance(damp, (int, float))

    def pruned(matrix: torch.Tensor, products: torch.Tensor, tokens: int) -> torch.Tensor:
        return sparsegpt(matrix, products * (2 / tokens), amount=amount, block_size=block_size, damp=float(damp))

    return prune_layer_by_layer(module, step, materials, amount=amount, statistic=products_of, pruned=pruned)


def products_of(rows: torch.Tensor) -> torch.Tensor:
    """(inputs, inputs): X X^T of these tokens. rows: X^T, (tokens, inputs)."""
    rows = rows.float()
    return rows.T @ rows


def sparsegpt(
    matrix: torch.Tensor, hessian: torch.Tensor, *, amount: Amount, block_size: int, damp: float
) -> torch.Tensor:
    """The pruned matrix, in float32: removed weights are zero, the ones to their right are moved.

    H = (2/n) X X^T + lambda I, lambda = damp x mean diagonal; U the upper Cholesky factor of H^-1. In each block of
    columns the round(sparsity x size) weights with the lowest w^2 / U_jj^2 go (of each m columns all but n, at the moment
    the first of them is reached); then, column by column, e = (w - q) / U_jj and the columns to the right lose e U_j.
    The authors' code removes one weight a block more, as its threshold belongs to what goes.

    matrix   W, (outputs, inputs)
    hessian  (2/n) X X^T, (inputs, inputs), without damping. Inputs that were always zero lose all their weights.

    Raises RecipeError where H has no Cholesky factor: damp is too small for the calibration text.
    """
    # A column of W is a row here, so that it is read and written in one piece. Always a copy: W may be a view that has it so.
    columns = matrix.T.float().clone(memory_format=torch.contiguous_format)
    upper, dead = _inverse_factor(hessian, damp)
    columns[dead] = 0
    for begin in range(0, len(columns), block_size):
        end = min(begin + block_size, len(columns))
        errors = _prune_block(columns[begin:end], upper[begin:end, begin:end], amount)
        columns[end:].addmm_(upper[begin:end, end:].T, errors, alpha=-1)
    return columns.T


def _prune_block(block: torch.Tensor, upper: torch.Tensor, amount: Amount) -> torch.Tensor:
    """Prunes a block (columns, outputs) in place; gives the errors, of the same shape, that the rest must make up for."""
    diagonal = upper.diagonal()
    scale = diagonal.square()[:, None]
    gone = torch.zeros(block.shape, dtype=torch.bool, device=block.device)
    if not amount.of:
        gone = lowest_of_all(block.square() / scale, amount.sparsity)
    errors = torch.zeros_like(block)
    for at in range(len(block)):
        if amount.of and at % amount.of == 0:
            group = slice(at, at + amount.of)
            gone[group] = lowest_in_groups((block[group].square() / scale[group]).T, amount).T
        errors[at] = block[at] * gone[at] / diagonal[at]
        block[at + 1 :].addr_(upper[at, at + 1 :], errors[at], alpha=-1)
    block.masked_fill_(gone, 0)
    return errors


def _inverse_factor(hessian: torch.Tensor, damp: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Upper Cholesky factor of the inverse, float32, and which inputs were always zero (bool).

    Worked out in double precision: a few inputs of a language model are a thousand times larger than the others.
    """
    device = hessian.device
    exact = hessian.to("cpu" if device.type == "mps" else device).double().clone()
    diagonal = exact.diagonal()
    dead = diagonal == 0
    diagonal[dead] = 1
    diagonal += damp * diagonal.mean()
    try:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(exact))
        upper = torch.linalg.cholesky(inverse, upper=True)
    except torch.linalg.LinAlgError as fault:  # type: ignore[attr-defined]  # exported, but not declared so
        raise RecipeError(
            f"prune = 'sparsegpt': the calibration text does not tell the {len(exact)} inputs of a layer apart (its matrix "
            f"of products cannot be inverted with damp = {damp}); give more samples, or a larger damp"
        ) from fault
    return upper.float().to(device), dead.to(device)
