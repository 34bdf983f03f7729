"""Every score that an ordinary forward pass gives, from one pass over the prompts with their answers. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ScoreMethod, Unit
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import Cell, ScoreTable
from pytest_biasaudit.mitigation.scoring.attention import AttentionPass, Variant
from pytest_biasaudit.mitigation.scoring.batches import Batch, batches, cells_in, run_body
from pytest_biasaudit.mitigation.scoring.wanda import InputPass, Tokens, UnitPass
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.without_gradients import without_gradients

Wanted = tuple[Unit, ScoreMethod]
FROM_A_PASS: tuple[Wanted, ...] = (("heads", "attention"), ("neurons", "wanda"), ("weights", "wanda"))
"""What `forward_scores` can give."""


class Reader(Protocol):
    """What reads a score while the model runs."""

    def attach(self, stack: ExitStack) -> None:
        """Sets hooks until the stack is closed."""
        ...

    def begin(self, batch: Batch) -> None:
        """Before a pass."""
        ...

    def end(self) -> None:
        """After it."""
        ...

    def table(self) -> ScoreTable:
        """What was found in all passes."""
        ...


def forward_scores(
    model: CausalModel,
    prompts: Sequence[ScoredPrompt],
    *,
    wanted: Sequence[Wanted],
    attention: Variant = "generated",
    tokens: Tokens = "all",
    batch_size: int,
) -> dict[Wanted, ScoreTable]:
    """The wanted scores, by unit and method, from one pass over every prompt with its answer, without the model's head.

    wanted      of `FROM_A_PASS`
    attention   which attention counts, see `AttentionPass`
    tokens      of Wanda's scores: "all" of prompt and answer, as the study took them, or the "answer"'s
    batch_size  rows a pass; scores do not depend on it but for rounding, as no padding enters them

    The model is lent: no hook stays, and its way of attention comes back, whatever is raised.
    Raises RecipeError for scores that no forward pass gives, and models that cannot give them (no attention, weights that
    are quantised); DataError for no prompt, or a cell with nothing to read; ModelError for a model that gives NaN.
    """
    unknown = [one for one in wanted if one not in FROM_A_PASS]
    if unknown or not wanted:
        asked = ", ".join(f"{method} of {unit}" for unit, method in unknown) or "nothing"
        known = ", ".join(f"{method} of {unit}" for unit, method in FROM_A_PASS)
        raise RecipeError(f"a forward pass gives {known}; asked for was {asked}")
    cells = cells_in(prompts)
    readers = _readers(model, dict.fromkeys(wanted), cells, attention, tokens)
    # A model's modes, and what quantised layers repack at a call, are its own to lend.
    with model._borrowed(), without_gradients(model.module), ExitStack() as stack:
        for reader in readers.values():
            reader.attach(stack)
        for batch in batches(model, prompts, batch_size=batch_size):
            for reader in readers.values():
                reader.begin(batch)
            run_body(model, batch)
            for reader in readers.values():
                reader.end()
    return {one: reader.table() for one, reader in readers.items()}


def _readers(
    model: CausalModel, wanted: dict[Wanted, None], cells: Sequence[Cell], attention: Variant, tokens: Tokens
) -> dict[Wanted, Reader]:
    readers: dict[Wanted, Reader] = {}
    if ("weights", "wanda") in wanted:
        readers["weights", "wanda"] = InputPass(model.module, cells, tokens=tokens)
    if len(wanted) > len(readers):
        structure = structure_of(model.module)
        if ("heads", "attention") in wanted:
            readers["heads", "attention"] = AttentionPass(structure, cells, variant=attention)
        if ("neurons", "wanda") in wanted:
            readers["neurons", "wanda"] = UnitPass(structure, cells, tokens=tokens)
    return readers
