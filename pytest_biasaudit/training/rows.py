"""A table's rows as a classifier is taught on: tokens, labels, weights, dealt into batches. Imports torch.

Everything is decided by the table, the tokenizer, the settings and the seed; a step's batch is the same whenever it is
asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.models.classifier import read_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_biasaudit.tables.table import Table
    from pytest_biasaudit.training.fine_tuning import FineTuning
    from pytest_biasaudit.training.plan import Batch

SORTED_TOGETHER = 8
"""Batches whose rows are sorted by length among themselves, so that little is padded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Texts with their labels: those rows of a table that have both."""

    texts: tuple[str, ...]
    label: NDArray[np.int64]
    """Index among the labels, of shape (rows,)."""
    weight: NDArray[np.float64]
    """Of each row in the loss, of shape (rows,); 1 on average."""
    labels: tuple[str, ...]


def labelled(table: Table, settings: FineTuning, *, labels: tuple[str, ...] | None = None) -> Labelled:
    """A table's rows for a classifier.

    labels  those that it has, in order; None: all of the table, in the order of their spelling

    Raises TrainingError: fewer than two labels, no row, a weight that is negative or no number, weights that are all 0.
    """
    texts, truth = table.texts.to_list(), table.labels.to_list()
    kept = _complete(table)
    known = labels if labels is not None else tuple(sorted({truth[at] for at in kept}))
    if labels is None and len(known) < 2:
        what = f"only the label {known[0]!r}" if known else "no row with a text and a label"
        raise TrainingError(
            f"{table.source}: {what} in {table.rows} rows; a classifier is taught on two labels or more"
        )
    places = {label: at for at, label in enumerate(known)}
    label = np.array([places[truth[at]] for at in kept], dtype=np.int64)
    weight = _weights(table, kept, settings)
    if settings.class_weights == "balanced":
        of_label = np.bincount(
            label, weights=weight, minlength=len(known)
        )  # by weight, or labels would not weigh alike
        weight = weight * np.divide(weight.sum(), len(known) * of_label, where=of_label > 0, out=of_label * 0)[label]
    return Labelled(
        texts=tuple(texts[at] for at in kept),
        label=label,
        weight=weight / weight.mean() if len(weight) else weight,
        labels=known,
    )


def complete(table: Table) -> Table:
    """The rows that have a text and a label."""
    return replace(table, frame=table.frame[_complete(table)])


def _complete(table: Table) -> list[int]:
    """Places of the rows that have a text and a label."""
    both = zip(table.texts.to_list(), table.labels.to_list(), strict=True)
    return [at for at, (text, label) in enumerate(both) if text and text.strip() and label]


def _weights(table: Table, kept: Sequence[int], settings: FineTuning) -> NDArray[np.float64]:
    given = table.weights if settings.row_weights else None
    if given is None:
        return np.ones(len(kept))
    found = np.array([np.nan if one is None else one for one in given.to_list()], dtype=np.float64)[list(kept)]
    wrong = np.flatnonzero(~np.isfinite(found) | (found < 0))
    if len(wrong):
        first = ", ".join(f"row {kept[at] + 1}: {found[at]:g}" for at in wrong[:3])
        raise TrainingError(
            f"{table.source}: {len(wrong)} row weights are no numbers from 0 ({first}); mend the column 'weight'"
        )
    if len(found) and not found.sum() > 0:
        raise TrainingError(f"{table.source}: every row's weight is 0, so nothing would be taught")
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Deal:
    """Rows dealt into the batches of every epoch: each row once an epoch, in an order of its own."""

    tokens: Sequence[Sequence[int]]
    rows: Labelled
    batch_size: int
    padding: int
    seed: int
    device: torch.device
    _dealt: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Of one epoch."""
        return -(-len(self.tokens) // self.batch_size)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps)
        chosen = self._order(epoch)[place]
        longest = max(len(self.tokens[at]) for at in chosen)
        ids = torch.full((len(chosen), longest), self.padding)
        real = torch.zeros((len(chosen), longest), dtype=torch.long)
        for row, at in enumerate(chosen):
            ids[row, : len(self.tokens[at])] = torch.tensor(self.tokens[at])
            real[row, : len(self.tokens[at])] = 1
        return {
            "input_ids": ids.to(self.device),
            "attention_mask": real.to(self.device),
            "labels": torch.from_numpy(self.rows.label[chosen]).to(self.device),
            "weight": torch.from_numpy(self.rows.weight[chosen]).float().to(self.device),
        }

    def _order(self, epoch: int) -> list[NDArray[np.int64]]:
        if epoch not in self._dealt:
            draw = np.random.default_rng([self.seed % 2**63, epoch])
            order = draw.permutation(len(self.tokens))
            lengths = np.array([len(tokens) for tokens in self.tokens])
            together = self.batch_size * SORTED_TOGETHER
            parts = [order[begin : begin + together] for begin in range(0, len(order), together)]
            parts = [part[np.argsort(lengths[part], kind="stable")] for part in parts]
            order = np.concatenate(parts)
            batches = [order[begin : begin + self.batch_size] for begin in range(0, len(order), self.batch_size)]
            self._dealt.clear()
            self._dealt[epoch] = [batches[at] for at in draw.permutation(len(batches))]
        return self._dealt[epoch]


def tokens_of(tokenizer: Any, texts: Sequence[str], longest: int) -> tuple[list[list[int]], int]:
    """Token ids of each text as a classifier reads them, and how many texts were cut. Raises TrainingError for one without
    a token.
    """
    found, cut = read_tokens(tokenizer, texts, longest=longest)
    empty = [text for text, tokens in zip(texts, found, strict=True) if not tokens]
    if empty:
        raise TrainingError(
            f"the tokenizer gave no token for {len(empty)} texts, such as {empty[0][:60]!r}; take them out"
        )
    return found, sum(cut)
