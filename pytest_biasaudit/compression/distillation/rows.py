"""The text as rows of tokens: cut, a share held back, masked where the model fills masks, and dealt into batches.

Everything is decided by the text, the tokenizer, the settings and the seed; a step's batch is the same whenever it is asked
for. Imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.tokenizer_facts import first_token, special_around

if TYPE_CHECKING:
    from pytest_biasaudit.training.plan import Batch

MOST_HELD = 256
"""Rows held back at most, whatever share is asked for: they are only looked at."""
Row = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around a row's own tokens, what masks and what pads."""

    before: Row
    after: Row
    padding: int
    mask: int | None
    """None: the model predicts the next token."""

    @classmethod
    def of(cls, module: Any, tokenizer: Any, *, masked: bool) -> Frame:
        """A masked model's sentence stands between its special tokens; a causal model's text follows BOS, else EOS."""
        padding = getattr(module.config, "pad_token_id", None)
        if not isinstance(padding, int) or padding < 0:
            padding = tokenizer.pad_token_id or 0
        if not masked:
            first = first_token(tokenizer)
            return cls(before=() if first is None else (first,), after=(), padding=padding, mask=None)
        mask = tokenizer.mask_token_id
        if mask is None:
            raise RecipeError("the teacher fills masks, and its tokenizer has no mask token")
        empty = tuple(tokenizer("the", truncation=False, padding=False)["input_ids"])
        before, after = special_around(tokenizer)
        return cls(
            before=empty[:before], after=empty[len(empty) - after :] if after else (), padding=padding, mask=int(mask)
        )


def cut(text: str, tokenizer: Any, frame: Frame, *, tokens: int, how: Literal["packed", "lines"]) -> list[Row]:
    """A text's rows of at most `tokens` tokens, the frame's included, in the text's order.

    "packed": the text is one stream; every row is full, and what is left at the end is dropped. "lines": every line begins
    a row; one that is too long goes on in rows of its own, and empty ones are left out.
    """
    room = tokens - len(frame.before) - len(frame.after)
    if room < 1:
        raise RecipeError(f"tokens = {tokens} leaves no room beside the tokenizer's special tokens")
    pieces = [text] if how == "packed" else [line for line in text.splitlines() if line.strip()]
    # Not the tokenizer's own batches: a line at a time keeps what is in memory small, and no setting of it is changed.
    streams = (
        tokenizer(one, add_special_tokens=False, truncation=False, padding=False, verbose=False) for one in pieces
    )
    rows = []
    for stream in streams:
        ids = tuple(stream["input_ids"])
        for begin in range(0, len(ids), room):
            own = ids[begin : begin + room]
            if own and (how == "lines" or len(own) == room):
                rows.append((*frame.before, *own, *frame.after))
    return rows


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A text's rows, those taught apart from those held back, and the batches made of them."""

    taught: tuple[Row, ...]
    """Repeated as often as the text does."""
    held: tuple[Row, ...]
    """Each once; none of them is taught."""
    frame: Frame
    batch_size: int
    mask_rate: float
    seed: int
    device: torch.device

    @classmethod
    def split(cls, rows: Sequence[Row], *, share: float, seed: int, **rest: Any) -> Rows:
        """Holds back a share of the different rows, at least one and at most MOST_HELD.

        Raises RecipeError below two different rows.
        """
        different = sorted(set(rows))
        if len(different) < 2:
            raise RecipeError(
                f"the text gives {len(rows)} row{'s' if len(rows) != 1 else ''} of tokens, {len(different)} different; "
                "at least 2 are needed, one to teach and one to hold back: give more text, or a smaller number of tokens"
            )
        count = min(MOST_HELD, len(different) - 1, max(1, round(share * len(different))))
        held = set(random.Random(f"held {seed}").sample(different, count))
        taught = tuple(row for row in rows if row not in held)
        return cls(taught=taught, held=tuple(sorted(held)), seed=seed, **rest)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0: every row once in an order of its own, then again in another."""
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        chosen = [self.taught[self._order(one // len(self.taught))[one % len(self.taught)]] for one in numbers]
        return self._batch(chosen, [f"{self.seed} {one}" for one in numbers])

    def held_batches(self) -> Iterator[Batch]:
        """What is held back, always masked in the same places."""
        for begin in range(0, len(self.held), self.batch_size):
            chosen = self.held[begin : begin + self.batch_size]
            batch = self._batch(chosen, [f"held {self.seed} {begin + place}" for place in range(len(chosen))])
            yield {name: tensor.to(self.device) for name, tensor in batch.items()}

    # -- inside -----------------------------------------------------------------------------------------------------

    @cached_property
    def _orders(self) -> dict[int, list[int]]:
        return {}

    def _order(self, epoch: int) -> list[int]:
        """The rows' order in one pass over the text."""
        if epoch not in self._orders:
            self._orders.clear()
            order = list(range(len(self.taught)))
            random.Random(f"order {self.seed} {epoch}").shuffle(order)
            self._orders[epoch] = order
        return self._orders[epoch]

    def _batch(self, rows: Sequence[Row], draws: Sequence[str]) -> Batch:
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.frame.padding)
        real = torch.zeros((len(rows), longest), dtype=torch.long)
        labels = torch.full((len(rows), longest), -100)
        read = torch.zeros((len(rows), longest), dtype=torch.bool)
        for place, (row, draw) in enumerate(zip(rows, draws, strict=True)):
            ids[place, : len(row)] = torch.tensor(row)
            real[place, : len(row)] = 1
            if self.frame.mask is None:
                read[place, : len(row)] = True
                labels[place, : len(row) - 1] = torch.tensor(row[1:])
            else:
                hidden = self._masked(row, draw)
                labels[place, hidden] = ids[place, hidden]
                ids[place, hidden] = self.frame.mask
                read[place, hidden] = True
        return {"input_ids": ids, "attention_mask": real, "read": read, "labels": labels}

    def _masked(self, row: Row, draw: str) -> list[int]:
        """Places to mask: each of the row's own tokens with the rate's chance, and one where chance took none."""
        places = range(len(self.frame.before), len(row) - len(self.frame.after))
        chance = random.Random(draw)
        taken = [place for place in places if chance.random() < self.mask_rate]
        return taken or [chance.choice(places)]
