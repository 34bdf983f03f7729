"""One pass over short sequences that share beginnings: packed into rows, each token sees only what stands before it.

Imports torch. Where a tree pass needs a call a level, this needs none beyond the batch: the mask says who sees whom.
Worth it for the sentences of a pair, whose common beginnings are too short to pay for a call of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from pytest_biasaudit.models.forks import Row, rows_of
from pytest_biasaudit.models.prefix_tree import WORTH_SPLITTING, Segment, unique_tokens
from pytest_biasaudit.models.tree_pass import TOLERANCE, TreePass, vocabulary_of
from pytest_biasaudit.models.without_gradients import without_gradients

LONGEST = 512
"""Tokens of a sequence above which nothing is packed: a row's mask grows with the square of its length."""


@dataclass
class ForkedBatch:
    """Rows computed together."""

    rows: list[Row]
    hidden: torch.Tensor
    """(rows, longest, width): what the tree pass's head turns into logits."""


class ForkedPass:
    """A tree pass's module, called with packed rows; `works` says whether a small test run agreed with plain calls.

    It does not for a module that takes no mask of its own making (ALiBi drawn from the padding, no attention at all).
    """

    def __init__(self, tree_pass: TreePass) -> None:
        self.tree_pass = tree_pass
        self.works = tree_pass.shares and self._agrees()

    def plan(
        self, sequences: Sequence[tuple[int, ...]], tree: Sequence[Segment], *, batch_size: int
    ) -> list[Row] | None:
        """The sequences in rows; None where `tree`, walked by the tree pass, is cheaper, or only it is right."""
        longest = max(map(len, sequences), default=0)
        if not self.works or not 0 < longest <= LONGEST:
            return None
        rows = rows_of(sequences, most=batch_size)
        window = self.tree_pass.window
        if window is not None and max(len(row.tokens) for row in rows) > window:
            return None
        walked = unique_tokens(tree) + WORTH_SPLITTING * _calls(tree)
        return rows if sum(len(row.tokens) for row in rows) <= walked else None

    def walk(self, rows: Sequence[Row], *, batch_size: int) -> Iterator[ForkedBatch]:
        """Every row once, in batches of similar length with at most `batch_size` sequences, or of one row."""
        batch: list[Row] = []
        for row in sorted(rows, key=lambda row: len(row.tokens)):
            if batch and sum(len(one.paths) for one in [*batch, row]) > batch_size:
                yield self._forward(batch)
                batch = []
            batch.append(row)
        if batch:
            yield self._forward(batch)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _forward(self, rows: list[Row]) -> ForkedBatch:
        longest = max(len(row.tokens) for row in rows)
        ids, depths = torch.zeros((2, len(rows), longest), dtype=torch.long)
        ends = torch.arange(1, longest + 1).repeat(len(rows), 1)  # padding sees itself, and is seen by nothing else
        for at, row in enumerate(rows):
            ids[at, : len(row.tokens)] = torch.tensor(row.tokens)
            depths[at, : len(row.tokens)] = torch.tensor(row.depths)
            ends[at, : len(row.tokens)] = torch.tensor(row.ends)
        place = torch.arange(longest)
        seen = (place[None, :] <= place[:, None]) & (place[:, None] < ends[:, None, :])  # (rows, who looks, at whom)
        dtype = self.tree_pass.dtype
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        device = self.tree_pass.device
        output = self.tree_pass.call(
            input_ids=ids.to(device),
            position_ids=depths.to(device),
            attention_mask=mask[:, None].to(device),
            use_cache=False,
        )
        return ForkedBatch(rows=rows, hidden=self.tree_pass.hidden_of(output))

    def _agrees(self) -> bool:
        """Compares every position of packed rows, one of them padded, with plain calls, on random tokens."""
        draw = torch.Generator().manual_seed(0)
        found = torch.randint(0, vocabulary_of(self.tree_pass.module), (16,), generator=draw).tolist()
        pair = [tuple(found[:8]), (*found[:3], *found[8:14])]
        alone = [tuple(found[5:16]), tuple(found[5:7])]
        with without_gradients(self.tree_pass.module):
            try:
                rows = [*rows_of(pair, most=2), *rows_of(alone, most=2)]
                batch = self._forward(rows)
                gap = 0.0
                for at, (row, sequences) in enumerate(zip(rows, (pair, alone), strict=True)):
                    for index, path in row.paths.items():
                        packed = self.tree_pass.logits(batch.hidden[at, list(path)])
                        plain = self.tree_pass.plain(torch.tensor([sequences[index]]))[0].float()
                        apart = torch.log_softmax(packed, -1) - torch.log_softmax(plain, -1)
                        gap = max(gap, float(apart.abs().nan_to_num(nan=torch.inf).max()))
            except Exception:  # whatever a module without this calling form raises: it is asked otherwise
                return False
        return gap <= TOLERANCE.get(self.tree_pass.dtype, 1.0)


def _calls(tree: Sequence[Segment]) -> int:
    """Segments that others continue from: each costs about one more call."""
    stack, count = list(tree), 0
    while stack:
        segment = stack.pop()
        count += bool(segment.children)
        stack.extend(segment.children)
    return count
