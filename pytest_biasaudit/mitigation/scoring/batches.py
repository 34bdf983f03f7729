"""Prompts with their answers in batches: tokens, what of them is real, which are the name's and the answer's. Imports torch.

Padding stands on the right, where no causal model sees it, and is masked besides. Prompts that are the same in every token
are one row with a weight: repeats of an answer cost nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.rows_meet import rows_meet


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rows of tokens, on the model's device. All masks are (rows, tokens)."""

    ids: torch.Tensor
    real: torch.Tensor
    """Not padding."""
    padded: bool
    """Whether there is padding at all."""
    name: torch.Tensor
    """Tokens that hold a letter of the name."""
    answer: torch.Tensor
    """Tokens of the answer."""
    after_name: torch.Tensor
    """Tokens of the prompt behind the last token of the name."""
    shares: torch.Tensor
    """(cells, rows) how many prompts of a cell a row stands for."""


def cells_in(prompts: Sequence[ScoredPrompt]) -> tuple[Cell, ...]:
    """The cells of these prompts, sorted. Raises DataError where there is no prompt."""
    if not prompts:
        raise DataError("scores", ["there is no prompt to score"])
    return tuple(sorted({prompt.cell for prompt in prompts}))


def batches(model: CausalModel, prompts: Sequence[ScoredPrompt], *, batch_size: int) -> Iterator[Batch]:
    """Every prompt, in batches of rows of about one length.

    batch_size  rows; 1 where the rows of a batch have a part in each other's answers (`rows_meet`)
    Raises ValueError for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be 1 or more")
    cells = {cell: at for at, cell in enumerate(cells_in(prompts))}
    weights: dict[tuple[tuple[int, ...], int, tuple[int, ...]], dict[int, int]] = {}
    for prompt in prompts:
        counts = weights.setdefault((prompt.tokens, prompt.answer, prompt.name), {})
        counts[cells[prompt.cell]] = counts.get(cells[prompt.cell], 0) + 1
    rows = sorted(weights, key=lambda row: len(row[0]))
    size = 1 if rows_meet(model.module) else batch_size
    device = next((parameter.device for parameter in model.module.parameters()), torch.device("cpu"))
    # RoBERTa and its kin count positions over ids that are not padding: the padding must be the model's own.
    padding = getattr(getattr(model.module, "config", None), "pad_token_id", None)
    filler = padding if isinstance(padding, int) and padding >= 0 else 0
    for begin in range(0, len(rows), size):
        part = rows[begin : begin + size]
        shape = (len(part), len(part[-1][0]))
        ids = torch.full(shape, filler)
        real, name, answer, after = (torch.zeros(shape, dtype=torch.bool) for _ in range(4))
        shares = torch.zeros((len(cells), len(part)), dtype=torch.float32)
        for at, row in enumerate(part):
            tokens, start, positions = row
            ids[at, : len(tokens)] = torch.tensor(tokens)
            real[at, : len(tokens)] = True
            name[at, list(positions)] = True
            answer[at, start : len(tokens)] = True
            after[at, max(positions) + 1 : start] = True
            for cell, count in weights[row].items():
                shares[cell, at] = count
        yield Batch(
            ids=ids.to(device),
            real=real.to(device),
            padded=not bool(real.all()),
            name=name.to(device),
            answer=answer.to(device),
            after_name=after.to(device),
            shares=shares.to(device),
        )


def run_body(model: CausalModel, batch: Batch) -> None:
    """One pass without the head, which is the costliest layer of a small model, and gives nothing that is scored here.

    Raises ModelError for a module that is not called as transformers' models are.
    """
    body: Any = getattr(model.module, "base_model", model.module)
    taken = inspect.signature(body.forward).parameters
    asked: dict[str, Any] = {"input_ids": batch.ids}
    if "attention_mask" in taken or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values()):
        asked["attention_mask"] = batch.real.long()
    if "use_cache" in taken:
        asked["use_cache"] = False
    try:
        body(**asked)
    except TypeError as error:  # a module of its own kind, called otherwise
        raise ModelError(
            f"{model.identity.name}: {type(body).__name__} is not called as transformers' models are, so its components "
            f"cannot be scored: {error}"
        ) from error
