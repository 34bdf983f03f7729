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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_biasaudit.compression.linear import LinearLayer
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import DataError, ModelError, RecipeError
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
    ModelError where the loss or a derivative of it is not finite.
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
            absent = ", ".join(name for name in named if name not in layers)
            raise DataError("snip", [f"no weights to read of {absent}"])
    else:
        named = {name: name for name in layers}
    matrices = matrix_sizes(layers)
    sizes = {named[name]: ((shape[1],) if unit == "neurons" else tuple(shape)) for name, shape in matrices.items()}
    sums, folder = _room(cells, sizes)
    longest = max(len(prompt.tokens) for prompt in answered)
    taken = _Derivatives(model, unit, cells, sums)
    with differentiated(model), ExitStack() as stack:
        for name, layer in layers.items():
            stack.callback(layer.layer.register_forward_hook(taken.hook(name, named[name], layer)).remove)
        for batch in batches(model, answered, batch_size=max(1, min(batch_size, TOKENS_AT_ONCE // longest))):
            taken.begin(batch)
            backward(model, _losses(model, batch).sum())
            taken.end()
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


@dataclass
class _Run:
    """One run of a layer in a pass."""

    given: torch.Tensor
    """(rows, tokens, inputs)."""
    gradient: torch.Tensor | None = None
    """(rows, tokens, outputs) of the loss, by what came out; None until the backward pass comes by, if it does."""


class _Derivatives:
    """Adds every row's |dL/dW|, made of what goes into a layer and the derivative of what comes out."""

    def __init__(
        self,
        model: CausalModel,
        unit: Literal["neurons", "weights"],
        cells: Sequence[Cell],
        sums: Mapping[Cell, Mapping[str, Floats]],
    ) -> None:
        self._model, self._unit, self._cells, self._sums = model, unit, cells, sums
        self._batch: Batch | None = None
        self._runs: dict[str, list[_Run]] = {}
        self._layers: dict[str, tuple[str, LinearLayer]] = {}

    def begin(self, batch: Batch) -> None:
        """Before a pass."""
        self._batch, self._runs = batch, {}

    def end(self) -> None:
        """After the backward pass: layers that ran several times have their derivative now that all runs are known."""
        for name, runs in self._runs.items():
            if len(runs) > 1:
                self._add(name, [run for run in runs if run.gradient is not None])
        self._batch, self._runs = None, {}

    def hook(self, name: str, place: str, layer: LinearLayer) -> Callable[[Any, tuple[Any, ...], Any], torch.Tensor]:
        """Of a layer, to be run after it."""
        self._layers[name] = (place, layer)

        def ran(_part: Any, given: tuple[Any, ...], out: torch.Tensor) -> torch.Tensor:
            assert self._batch is not None
            rows, tokens = self._batch.ids.shape
            into = given[0].detach()
            if rows > 1 and into.numel() != rows * tokens * into.shape[-1]:
                raise RecipeError(
                    f"{name} is given {tuple(into.shape)} for {rows} x {tokens} tokens, not one input a token (an expert "
                    "that sees some of them?), so prompts cannot be told apart in a batch; score with a batch size of 1"
                )
            out = watched(out)
            run = _Run(given=into.reshape(rows, -1, into.shape[-1]))
            runs = self._runs.setdefault(name, [])
            runs.append(run)

            def came(gradient: torch.Tensor) -> None:
                run.gradient = gradient.detach().reshape(rows, -1, gradient.shape[-1])
                if len(runs) == 1:  # the backward pass begins when all layers have run
                    self._add(name, self._runs.pop(name))

            out.register_hook(came)  # type: ignore[no-untyped-call]  # torch has no types here
            return out

        return ran

    def _add(self, name: str, runs: Sequence[_Run]) -> None:
        """Adds a layer's derivatives, each row's the sum over its runs and their tokens before its size is taken."""
        assert self._batch is not None
        place, layer = self._layers[name]
        weight: Any = layer.layer.weight
        size = weight.detach().abs().float() if self._unit == "neurons" else None
        if size is not None and layer.transposed:
            size = size.T
        shares = self._batch.shares
        for row in range(shares.shape[1]):
            parts = [run.gradient[row].float().T @ run.given[row].float() for run in runs if run.gradient is not None]
            if not parts:
                continue
            derivative = torch.stack(parts).sum(0).abs() if len(parts) > 1 else parts[0].abs()
            if size is not None:
                derivative = (derivative * size).sum(0)
            plain = derivative.cpu().numpy()
            if not np.isfinite(plain).all():
                raise ModelError(
                    f"{self._model.identity.name}: a derivative of the loss is not finite at {name}: the model is broken, or "
                    "its numbers are too narrow for a backward pass (float16: load it in bfloat16 or float32)"
                )
            for cell in shares[:, row].nonzero()[:, 0].tolist():
                count = float(shares[cell, row])
                self._sums[self._cells[cell]][place] += plain if count == 1 else plain * np.float32(count)


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
