"""How strongly weights and neurons are driven by the prompts of a cell: Wanda's score. Imports torch.

Sun et al. 2023 (Wanda), by group of prompts as the pruning study's code has it: |W_ij| times the norm of input j over all
tokens of a prompt, squares averaged over prompts. Every layer is scored on the input that it has in an ordinary pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from pytest_biasaudit.compression.linear import LinearLayer
from pytest_biasaudit.compression.structure.places import Structure
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.mitigation.components import ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.scoring.batches import Batch
from pytest_biasaudit.mitigation.scoring.matrices import column_norms, matrix_of, matrix_sizes, weight_layers
from pytest_biasaudit.mitigation.scoring.sums import CellSums, PromptCounts

Tokens = Literal["all", "answer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class WandaScores:
    """S_ij = |W_ij| * sqrt( (1/n) * sum over prompts and tokens of x_tj^2 ), kept as the squares alone.

    A table of all entries by cell would be the model again for each cell. The weights are read from the model when scores
    are asked for: ask while it is as it was scored, with nothing removed.
    """

    sizes: Mapping[str, tuple[int, ...]]
    squares: Mapping[Cell, Mapping[str, Floats]]
    """By cell and input, (inputs,): squares summed over the cell's prompts and their tokens."""
    inputs: Mapping[str, str]
    """By place, the input it has: the name of the first linear layer that is given it. Query, key and value share one."""
    counts: Mapping[Cell, int]
    """Prompts of each cell."""
    tokens: Tokens
    """"all": of prompt and answer, as the study took them; "answer": of the answer, as Wei et al. 2024 did."""
    layers: Mapping[str, LinearLayer] | None = field(repr=False)
    """By place, the model's own; None for scores that are kept without a model."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    @property
    def unit(self) -> Unit:
        """Single entries of weights."""
        return "weights"

    @property
    def method(self) -> ScoreMethod:
        """Always "wanda"."""
        return "wanda"

    @property
    def signed(self) -> bool:
        """Higher is more."""
        return False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell that was scored, sorted."""
        return tuple(sorted(self.counts))

    def input_norms(self, place: str, cells: Sequence[Cell]) -> Floats:
        """(inputs,) root of the mean over these cells' prompts of the squares summed over tokens."""
        if not cells:
            raise ValueError("scores of no cell were asked for")
        total = np.zeros(self.sizes[place][1], dtype=np.float64)
        for cell in cells:
            total += self.squares[cell][self.inputs[place]]
        return np.asarray(np.sqrt(total / sum(self.counts[cell] for cell in cells)), dtype=np.float32)

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        """(outputs, inputs) scores of a weight's entries over all prompts of these cells together.

        Raises ValueError for no cell, and for scores loaded without a model; KeyError for an unknown place or cell.
        """
        norms = self.input_norms(place, cells)
        if self.layers is None:
            raise ValueError(
                "Wanda's scores were loaded without a model; load them with the model that they were taken on"
            )
        found = np.abs(matrix_of(self.layers[place]))
        found *= norms
        return found


class InputPass:
    """Reads, while the model runs, the squares of what each linear layer of the body is given.

    Raises RecipeError for a model without linear layers, or with quantised ones.
    """

    def __init__(self, module: torch.nn.Module, cells: Sequence[Cell], *, tokens: Tokens) -> None:
        self._module, self._tokens = module, tokens
        self._cells = tuple(cells)
        self._layers = weight_layers(module)
        self._sums = CellSums(len(self._cells))
        self._counts = PromptCounts(self._cells)
        self._inputs: dict[str, str] = {}
        self._batch: Batch | None = None
        self._last: tuple[str, torch.Tensor] | None = None
        self._run: set[str] = set()

    def attach(self, stack: ExitStack) -> None:
        """Sets the hooks, until the stack is closed."""
        stack.callback(self._forget)
        for name, one in self._layers.items():
            handle = one.layer.register_forward_pre_hook(lambda _part, given, name=name: self._read(name, given))
            stack.callback(handle.remove)

    def begin(self, batch: Batch) -> None:
        """Before a pass."""
        self._batch, self._last, self._run = batch, None, set()

    def end(self) -> None:
        """After a pass. Raises RecipeError where a layer was not run."""
        missing = [name for name in self._layers if name not in self._run]
        if missing:
            raise RecipeError(
                f"{type(self._module).__name__}: {len(missing)} linear layers take no part in a pass over text "
                f"({', '.join(missing[:3])}), so they have no score; use method 'magnitude'"
            )
        assert self._batch is not None
        self._counts.add(counted_tokens(self._batch, self._tokens), self._batch)
        self._last = None

    def table(self) -> WandaScores:
        """The weights' scores. Raises DataError for a cell without a token, ModelError where an input is not a number."""
        counts, notes = self._counts.counts(f"tokens = {self._tokens!r}", why="no answer with a token")
        sums = finite_sums(self._sums)
        return WandaScores(
            sizes=matrix_sizes(self._layers),
            squares={
                cell: {name: np.asarray(found[at], dtype=np.float32) for name, found in sums.items()}
                for at, cell in enumerate(self._cells)
            },
            inputs=dict(self._inputs),
            counts=counts,
            tokens=self._tokens,
            layers=self._layers,
            notes=notes,
        )

    def _forget(self) -> None:
        self._batch = self._last = None

    def _read(self, name: str, given: tuple[Any, ...]) -> None:
        batch = self._batch
        if batch is None:
            return
        first, own = self._last, given[0] if given else None
        shared = first is not None and own is first[1] and name != first[0]
        source = first[0] if first is not None and shared else name
        if self._inputs.setdefault(name, source) != source:
            raise RecipeError(
                f"{type(self._module).__name__}: {name} has its input with other layers in one pass than in another"
            )
        self._run.add(name)
        if not shared:
            values = by_token(own, batch, name)
            self._sums.add(name, masked_sum(values.square(), batch, self._tokens), batch)
            self._last = (name, given[0])


class UnitPass:
    """Reads how far each hidden unit of the MLPs is active: the mean over tokens of its absolute value.

    The score is that mean times the norm of the unit's column in the down projection: how much it writes.
    Source: the pruning study's unofficial reproduction. The mean is taken in each prompt first, so that every
    prompt counts alike, however long.
    """

    def __init__(self, structure: Structure, cells: Sequence[Cell], *, tokens: Tokens) -> None:
        self._structure, self._tokens = structure, tokens
        self._cells = tuple(cells)
        self._places = structure.of("neurons")
        self._norms = {
            layer: column_norms(structure.module, place, what="a norm of its columns")
            for layer, place in self._places.items()
        }
        self._sums = CellSums(len(self._cells))
        self._counts = PromptCounts(self._cells)
        self._batch: Batch | None = None

    def attach(self, stack: ExitStack) -> None:
        """Sets the hooks, until the stack is closed."""
        for layer, place in self._places.items():
            handle = self._structure.module.get_submodule(place.name).register_forward_pre_hook(
                lambda _part, given, layer=layer, name=place.name: self._read(layer, name, given)
            )
            stack.callback(handle.remove)

    def begin(self, batch: Batch) -> None:
        """Before a pass."""
        self._batch = batch

    def end(self) -> None:
        """After a pass."""
        assert self._batch is not None
        self._counts.add(counted_tokens(self._batch, self._tokens), self._batch)

    def table(self) -> ArrayScores:
        """The neurons' scores. Raises DataError for a cell without a token, ModelError where one is not a number."""
        counts, notes = self._counts.counts(f"tokens = {self._tokens!r}", why="no answer with a token")
        sums = finite_sums(self._sums)
        return ArrayScores(
            unit="neurons",
            method="wanda",
            signed=False,
            sizes={str(layer): (place.count,) for layer, place in self._places.items()},
            sums={
                cell: {
                    str(layer): np.asarray(sums[str(layer)][at] * norms, dtype=np.float32)
                    for layer, norms in self._norms.items()
                }
                for at, cell in enumerate(self._cells)
            },
            counts=counts,
            settings=(("tokens", self._tokens),),
            notes=notes,
        )

    def _read(self, layer: int, name: str, given: tuple[Any, ...]) -> None:
        batch = self._batch
        if batch is None:
            return
        values = masked_sum(by_token(given[0] if given else None, batch, name).abs(), batch, self._tokens)
        tokens = counted_tokens(batch, self._tokens).sum(1, keepdim=True).clamp(min=1).to(values.device)
        # A layer that is run several times in a pass gives the mean over its runs.
        self._sums.add(str(layer), values / (tokens * self._places[layer].runs), batch)


def counted_tokens(batch: Batch, tokens: Tokens) -> torch.Tensor:
    """(rows, tokens) which tokens have a part in the statistics."""
    return batch.real if tokens == "all" else batch.answer


def by_token(given: Any, batch: Batch, name: str) -> torch.Tensor:
    """A linear layer's input as (rows, tokens, inputs) in float32. Raises RecipeError where it has no row for each token."""
    rows, tokens = batch.ids.shape
    if not isinstance(given, torch.Tensor) or given.numel() != rows * tokens * given.shape[-1]:
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise RecipeError(
            f"{name} is given {shape} for {rows} x {tokens} tokens, not one input a token (an expert that sees some of "
            "them?), so what it is given cannot be told apart by prompt"
        )
    return given.detach().reshape(rows, tokens, given.shape[-1]).float()


def masked_sum(values: torch.Tensor, batch: Batch, tokens: Tokens) -> torch.Tensor:
    """(rows, inputs) the sum over the tokens that count."""
    if tokens == "all" and not batch.padded:
        return values.sum(1)
    counted = counted_tokens(batch, tokens).to(values.device)
    # Taken out, not multiplied by nought: NaN times nought is NaN.
    return values.masked_fill(~counted[..., None], 0.0).sum(1)


def finite_sums(sums: CellSums) -> dict[str, Any]:
    """The sums by name. Raises ModelError where one is not finite."""
    found = sums.arrays()
    broken = [name for name, one in found.items() if not np.isfinite(one).all()]
    if broken:
        raise ModelError(f"the inputs of {broken[0]} are not all finite: the model is broken")
    return found
