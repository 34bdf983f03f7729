"""What stands behind a mask: rows with one position read each, in batches, only those positions through the head.

Imports torch. Knows token ids and positions; of sentences, words and tokenizers it knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pytest_biasaudit.models.rows_meet import rows_meet
from pytest_biasaudit.models.token_reading import rows_at_once
from pytest_biasaudit.models.tree_pass import TOLERANCE, logits_of, vocabulary_of
from pytest_biasaudit.models.without_gradients import without_gradients

ROW_TOKENS = 32
"""Tokens of a row that counts as one in a batch's size: a sentence, about."""


@dataclass(frozen=True, kw_only=True)
class MaskedRow:
    """A row of token ids, as the model gets it, and the position that is read."""

    tokens: tuple[int, ...]
    position: int


class MaskedPass:
    """A masked language model's forward pass, in the cheapest form that gives the module's own answers.

    A row is read at one position. What the module computes position by position behind the last attention, its head
    above all, is computed for that position only; and the head is called once for many batches of the body. Hooks do
    it, around the module's own code: no head is known by name. Each saving, and padding, is used only if a small test
    run on this very module agrees with its plain forward pass; `own_head`, `narrows_at` and `pads` say which.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        first = next(module.parameters(), None)
        self.device = first.device if first is not None else torch.device("cpu")
        self.dtype = first.dtype if first is not None else torch.float32
        # RoBERTa counts its positions over ids that are not padding: the padding must be the model's own.
        padding = getattr(getattr(module, "config", None), "pad_token_id", None)
        self._padding = padding if isinstance(padding, int) and padding >= 0 else 0
        body = getattr(module, "base_model", None)
        self._body: Any = body if body is not module else None
        self.own_head = False
        """Whether the body is called by itself, and the head on what was read of it."""
        self.narrows_at: str | None = None
        """Name of the body's part behind which only the read positions are computed; None: they are taken at its end."""
        self.pads = False
        """Whether rows of different lengths share a batch."""
        self.alone = rows_meet(module)
        """Whether each row has a batch to itself, because others would change its answer."""
        self._prove()

    def logits(self, rows: Sequence[MaskedRow], *, batch_size: int) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Indices of some rows, and their (n, vocabulary) logits in float32, each row once.

        A batch has room for `batch_size` rows of ROW_TOKENS tokens, padding included: more short rows, fewer long ones.
        """
        waiting: list[int] = []
        most = rows_at_once(vocabulary_of(self.module))
        read: list[torch.Tensor] = []
        for batch in self._batches(rows, batch_size):
            with without_gradients(self.module):
                read.append(self._read([rows[index] for index in batch]))
            waiting += batch
            while len(waiting) >= most or (waiting and not self.own_head):
                some, read = _parted(read, most)
                yield waiting[: len(some)], self._headed(some)
                waiting = waiting[len(some) :]
        if waiting:
            yield waiting, self._headed(torch.cat(read))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _batches(self, rows: Sequence[MaskedRow], batch_size: int) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in sorted(range(len(rows)), key=lambda index: len(rows[index].tokens)):
            length = len(rows[index].tokens)  # the longest so far: what the batch would be padded to
            full = self.alone or (len(batch) + 1) * length > batch_size * ROW_TOKENS
            if batch and (full or (not self.pads and length != len(rows[batch[0]].tokens))):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _read(self, rows: Sequence[MaskedRow]) -> torch.Tensor:
        """What stands at the rows' read positions: (n, width) for the head, or logits where it is not apart."""
        lengths = [len(row.tokens) for row in rows]
        longest = max(lengths)
        ids = torch.tensor([row.tokens + (self._padding,) * (longest - len(row.tokens)) for row in rows])
        every = torch.arange(len(rows), device=self.device)
        at = torch.tensor([row.position for row in rows], device=self.device)
        kwargs: dict[str, Any] = {}
        if min(lengths) < longest:
            real = torch.arange(longest) < torch.tensor(lengths)[:, None]
            kwargs["attention_mask"] = real.long().to(self.device)
        if not self.own_head:
            return logits_of(self.module(ids.to(self.device), **kwargs))[every, at]
        part = self.module.get_submodule(self.narrows_at) if self.narrows_at else self._body
        with _changed(part, lambda hidden: hidden[every, at][:, None]):
            found: torch.Tensor = self._body(ids.to(self.device), **kwargs).last_hidden_state
        if found.shape[:2] != (len(rows), 1):
            raise ValueError(f"{self.narrows_at} lets other positions through: (rows, positions) {found.shape[:2]}")
        return found[:, 0]

    def _headed(self, read: torch.Tensor) -> torch.Tensor:
        """(n, vocabulary) float32 logits of what was read."""
        if not self.own_head:
            return read.float()
        # The module's own head, on one token of no meaning: what the body made of it is replaced.
        token = torch.full((1, 1), self._padding, device=self.device)
        with without_gradients(self.module), _changed(self._body, lambda hidden: read[None]):
            return logits_of(self.module(token))[0].float()

    # -- proving ----------------------------------------------------------------------------------------------------

    def _prove(self) -> None:
        """Settles the savings by comparing with plain rows, one at a time, on random tokens."""
        draw = torch.Generator().manual_seed(0)
        if self.alone:
            self.pads, self.own_head, self.narrows_at = False, False, None
            return
        known = [token for token in range(vocabulary_of(self.module)) if token != self._padding]
        tokens = tuple(known[int(place)] for place in torch.randint(0, len(known), (9,), generator=draw))
        even = [MaskedRow(tokens=tokens, position=2), MaskedRow(tokens=tokens[::-1], position=7)]
        uneven = [*even, MaskedRow(tokens=tokens[3:8], position=1)]
        with without_gradients(self.module):
            plain = torch.log_softmax(torch.cat([self._headed(self._read([row])) for row in uneven]), -1)
        for pads, rows in ((True, uneven), (False, even)):
            for own_head, place in ((True, _last_attention(self.module)), (True, None), (False, None)):
                if own_head and self._body is None:
                    continue
                self.pads, self.own_head, self.narrows_at = pads, own_head, place
                try:
                    with without_gradients(self.module):
                        found = torch.log_softmax(self._headed(self._read(rows)), -1)
                except Exception:  # whatever a module raises that is not built this way: it is asked more plainly
                    continue
                if bool((found - plain[: len(rows)]).abs().max() <= TOLERANCE.get(self.dtype, 1.0)):
                    return
        self.pads, self.own_head, self.narrows_at = False, False, None


def _parted(read: list[torch.Tensor], most: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The first rows of what was read, at most that many, and the rest."""
    whole = torch.cat(read)
    return whole[:most], [whole[most:]] if len(whole) > most else []


@contextmanager
def _changed(part: torch.nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Inside, a part of a module gives its hidden states changed: (rows, positions, width)."""

    def hook(part: torch.nn.Module, given: Any, output: Any) -> Any:
        if isinstance(output, torch.Tensor):
            return change(output)
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        output.last_hidden_state = change(output.last_hidden_state)
        return output

    handle = part.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _last_attention(module: torch.nn.Module) -> str | None:
    """The last layer's attention, by the name it has in BERT and its kin, where it adds its input to its output itself.

    Elsewhere (the sum is made outside, one layer serves for all) the test run does not agree, and the body's end is used.
    """
    names = [name for name, _ in module.named_modules() if name.rpartition(".")[2] == "attention"]
    return names[-1] if names else None
