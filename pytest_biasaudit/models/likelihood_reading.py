"""Log-probabilities of given tokens, read off a tree pass or a forked pass. Imports torch.

For continuations after a prompt, and for whole sentences. Only the rows that are read go through the head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from pytest_biasaudit.models.forked_pass import ForkedBatch, ForkedPass
from pytest_biasaudit.models.token_reading import rows_at_once, token_logprobs
from pytest_biasaudit.models.tree_pass import Batch, TreePass, vocabulary_of
from pytest_biasaudit.models.without_gradients import without_gradients

Read = tuple[int, int, int]
"""A place in a batch's flattened positions, the token that should follow there, and the sequence it counts for."""


def continuation_logprobs(
    tree_pass: TreePass,
    sequences: Sequence[tuple[int, ...]],
    starts: Sequence[int],
    *,
    batch_size: int,
    forked: ForkedPass | None = None,
) -> Iterator[tuple[int, float]]:
    """Sum of log P(token | tokens before) over each sequence's tokens from `starts` on, in nats, as they are computed.

    sequences  token ids; starts  index of the first token that is scored, at least 1 and below the length
    forked     packs short sequences into rows, used where that is cheaper than walking their tree
    Yields (index, sum). NaN where the module's logits are NaN or +infinite.
    """
    for sequence, start in zip(sequences, starts, strict=True):
        if not 1 <= start < len(sequence):
            raise ValueError(
                f"a scored token needs one before it: start {start} in a sequence of {len(sequence)} tokens"
            )
    # The last token is only predicted, never read: without it, options of one token share one leaf.
    asked = [sequence[:-1] for sequence in sequences]
    walked, roots = tree_pass.plan(asked)
    rows = forked.plan(asked, roots, batch_size=batch_size) if forked is not None else None
    sums = [0.0] * len(sequences)
    with without_gradients(tree_pass.module):
        if forked is not None and rows is not None:
            for packed in forked.walk(rows, batch_size=batch_size):
                _add(tree_pass, packed.hidden, _packed_reads(packed, sequences, starts), sums)
                yield from ((index, sums[index]) for row in packed.rows for index in row.paths)
            return
        for batch in walked.walk(roots, batch_size=batch_size):
            _add(walked, batch.hidden, _tree_reads(batch, sequences, starts), sums)
            for segment in batch.segments:
                for index in segment.ends:
                    yield index, sums[index]


def _tree_reads(batch: Batch, sequences: Sequence[tuple[int, ...]], starts: Sequence[int]) -> Iterator[Read]:
    longest = batch.hidden.shape[1]
    for row, segment in enumerate(batch.segments):
        for index in segment.through:
            sequence = sequences[index]
            for position in range(max(starts[index] - 1, segment.start), min(len(sequence) - 1, segment.end)):
                yield row * longest + position - segment.start, sequence[position + 1], index


def _packed_reads(batch: ForkedBatch, sequences: Sequence[tuple[int, ...]], starts: Sequence[int]) -> Iterator[Read]:
    longest = batch.hidden.shape[1]
    for at, row in enumerate(batch.rows):
        for index, path in row.paths.items():
            for position in range(starts[index] - 1, len(path)):
                yield at * longest + path[position], sequences[index][position + 1], index


def _add(tree_pass: TreePass, hidden: torch.Tensor, reads: Iterator[Read], sums: list[float]) -> None:
    """Adds what a batch's positions say about the tokens that follow them."""
    flat: dict[int, int] = {}  # position in the batch -> row of the head's input
    at: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for place, target, index in reads:
        at.append(flat.setdefault(place, len(flat)))
        targets.append(target)
        owners.append(index)
    if not at:
        return
    rows = hidden.reshape(-1, hidden.shape[-1])[torch.tensor(list(flat), device=hidden.device)]
    places, wanted = torch.tensor(at), torch.tensor(targets)
    found = torch.empty(len(at), dtype=torch.float32)
    order = torch.argsort(places, stable=True)
    places, wanted = places[order], wanted[order]
    most = rows_at_once(vocabulary_of(tree_pass.module))
    for begin in range(0, len(flat), most):
        end = min(begin + most, len(flat))
        low, high = (int(torch.searchsorted(places, edge)) for edge in (begin, end))
        logits = tree_pass.logits(rows[begin:end])
        found[low:high] = token_logprobs(logits, places[low:high] - begin, wanted[low:high]).cpu()
    for value, position in zip(found.tolist(), order.tolist(), strict=True):
        sums[owners[position]] += value
