"""How much a model's own answer hangs on each weight: |W| times the size of the loss's derivative. Imports torch.

SNIP as Wei et al. 2024 ("Assessing the brittleness of safety alignment", section 3) take it:
    S_ij = |W_ij| * mean over prompts of |dL/dW_ij|
with L the mean negative log-likelihood of the answer's tokens after its prompt. The absolute value is taken prompt by prompt,
so that prompts which pull a weight in opposite directions do not cancel. Theirs are the prompts of a data set with given answers;
here a cell's, with the model's own.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_biasaudit.compression.linear import LinearLayer
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.mitigation.lean import TOKENS_AT_ONCE
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.scoring.batches import Batch, batches, cells_in
from pytest_biasaudit.mitigation.scoring.differentiated import backward, differentiated, watched
from pytest_biasaudit.mitigation.scoring.matrices import matrix_of, matrix_sizes, weight_layers
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.tree_pass import logits_of

IN_MEMORY = 2 * 1024**3
"""Bytes of sums that are kept in memory; more are kept in a temporary folder that goes with the table."""


def snip_scores(
    model: CausalModel, prompts: Sequence[ScoredPrompt], *, unit: Literal["neurons", "weights"], batch_size: int
) -> ArrayScores:
    """SNIP of every weight of the body's linear layers; or of every MLP unit, the sum over its column of the down projection.

    batch_size  rows a pass, at most; a pass of many tokens is split further

    Each prompt has derivatives of its own, made from what enters and leaves a layer: no parameter gets a gradient. Prompts
    without an answer have no loss and are left out; the table's `notes` count them.

    Cost: a forward and a backward pass over each different prompt with answer, the backward pass at the price of training.
    Memory: of weights, 4 bytes a weight for each cell (SmolLM2: 0.4 GiB a cell), beyond `IN_MEMORY` on disk; of units,
    next to nothing.
    Raises DataError where no prompt has an answer; RecipeError where the model has no such layers, or they are quantised;
    ModelError where the loss is not finite.
    """
    answered = [prompt for prompt in prompts if prompt.answer < len(prompt.tokens)]
    if prompts and not answered:
        raise DataError("snip", [f"none of the {len(prompts)} prompts has an answer, so there is no loss to derive"])
    cells = cells_in(answered)
    layers = weight_layers(model.module)
    if unit == "neurons":
        structure = structure_of(model.module)
        named = {place.name: str(layer) for layer, place in structure.of("neurons").items()}
        layers = {name: layer for name, layer in layers.items() if name in named}
        if len(layers) < len(named):
            weight_layers_missing = ", ".join(name for name in named if name not in layers)
            raise DataError("snip", [f"no weights to read of {weight_layers_missing}"])
    else:
        named = {name: name for name in layers}
    matrices = matrix_sizes(layers)
    sizes = {named[name]: ((shape[1],) if unit == "neurons" else tuple(shape)) for name, shape in matrices.items()}
    sums, folder = _room(cells, sizes)
    longest = max(len(prompt.tokens) for prompt in answered)
    with differentiated(model), ExitStack() as stack:
        current: list[Batch] = []
        for name, layer in layers.items():
            taking = _taking(name, named[name], layer, unit, current, cells, sums)
            stack.callback(layer.layer.register_forward_hook(taking).remove)
        for batch in batches(model, answered, batch_size=max(1, min(batch_size, TOKENS_AT_ONCE // longest))):
            current[:] = [batch]
            backward(model, _losses(model, batch).sum())
    if unit == "weights":
        for name, layer in layers.items():
            size = np.abs(matrix_of(layer))
            for cell in cells:
                sums[cell][name] *= size
    counts = {cell: sum(prompt.cell == cell for prompt in answered) for cell in cells}
    short = len(prompts) - len(answered)
    table = ArrayScores(
        unit=unit,
        method="snip",
        signed=False,
        sizes=sizes,
        sums=sums,
        counts=counts,
        notes=(f"{short} of {len(prompts)} prompts left out: no answer",) if short else (),
    )
    if folder is not None:
        weakref.finalize(table, shutil.rmtree, folder, ignore_errors=True)
    return table


def _losses(model: CausalModel, batch: Batch) -> torch.Tensor:
    """(rows,) mean negative log-likelihood of each row's answer, in nats. Only what predicts an answer goes through the head."""
    tree_pass = model.tree_pass
    rows, positions = batch.answer.nonzero(as_tuple=True)
    if tree_pass.own_head and tree_pass.dtype is not torch.float64:
        hidden = tree_pass.hidden_of(tree_pass.call(input_ids=batch.ids, use_cache=False))
        logits = tree_pass.logits(hidden[rows, positions - 1])
    else:
        logits = logits_of(model.module(batch.ids))[rows, positions - 1]
        logits = logits if logits.dtype is torch.float64 else logits.float()
    found = -logits.log_softmax(-1).gather(1, batch.ids[rows, positions][:, None])[:, 0]
    total = torch.zeros(len(batch.ids), dtype=found.dtype, device=found.device).index_add(0, rows, found)
    losses = total / batch.answer.sum(1)
    if not bool(torch.isfinite(losses).all()):
        raise ModelError(f"{model.identity.name}: the loss of an answer is not finite: the model gives NaN or infinity")
    return losses


def _taking(
    name: str,
    place: str,
    layer: LinearLayer,
    unit: Literal["neurons", "weights"],
    current: list[Batch],
    cells: Sequence[Cell],
    sums: Mapping[Cell, Mapping[str, Floats]],
) -> Callable[[Any, tuple[Any, ...], torch.Tensor], torch.Tensor]:
    """A hook that adds every row's |dL/dW|, made of what goes into the layer and the derivative of what comes out."""
    weight: Any = layer.layer.weight
    size = weight.detach().abs().float()
    size = size.T if layer.transposed else size

    def taking(_part: Any, given: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
        out = watched(out)
        into = given[0].detach()

        def came(gradient: torch.Tensor) -> None:
            shares = current[0].shares
            rows = shares.shape[1]
            x = into.reshape(rows, -1, into.shape[-1]).float()
            g = gradient.detach().reshape(rows, -1, gradient.shape[-1]).float()
            for row in range(rows):
                derivative = (g[row].T @ x[row]).abs()
                if unit == "neurons":
                    derivative = (derivative * size).sum(0)
                plain = derivative.cpu().numpy()
                for cell in shares[:, row].nonzero()[:, 0].tolist():
                    count = float(shares[cell, row])
                    sums[cells[cell]][place] += plain if count == 1 else plain * np.float32(count)

        out.register_hook(came)  # type: ignore[no-untyped-call]  # torch has no types here
        return out

    return taking


def _room(
    cells: Sequence[Cell], sizes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[Cell, dict[str, NDArray[np.float32]]], Path | None]:
    """Zeros for every cell and place, and the folder they are in where memory would not do."""
    total = 4 * len(cells) * sum(int(np.prod(size)) for size in sizes.values())
    if total <= IN_MEMORY:
        return {
            cell: {place: np.zeros(size, dtype=np.float32) for place, size in sizes.items()} for cell in cells
        }, None
    folder = Path(tempfile.mkdtemp(prefix="biasaudit-snip-"))
    found: dict[Cell, dict[str, NDArray[np.float32]]] = {}
    for number, cell in enumerate(cells):
        found[cell] = {
            place: np.memmap(folder / f"{number}-{at}", dtype=np.float32, mode="w+", shape=size)
            for at, (place, size) in enumerate(sizes.items())
        }
    return found, folder
