"""Answers written token by token from the states a tree pass leaves. Imports torch.

Greedy at temperature 0; above, each answer draws from its own seed, so that it does not depend on its batch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from pytest_biasaudit.models.tree_pass import State, TreePass
from pytest_biasaudit.models.without_gradients import without_gradients


@dataclass
class Written:
    """One answer's tokens."""

    tokens: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] = "length"
    broken: bool = False


def write(
    tree_pass: TreePass,
    sequences: Sequence[tuple[int, ...]],
    *,
    seeds: Sequence[int],
    stop: frozenset[int],
    max_new_tokens: int,
    temperature: float,
    batch_size: int,
) -> Iterator[tuple[int, Written]]:
    """Continues each sequence (prompt token ids) until a `stop` token or `max_new_tokens`; yields (index, Written)."""
    unique: dict[tuple[int, ...], list[int]] = {}
    for index, sequence in enumerate(sequences):
        unique.setdefault(sequence, []).append(index)
    prompts = list(unique)
    tree_pass, roots = tree_pass.plan(prompts, more=max_new_tokens)
    pen = _Pen(seeds=seeds, stop=stop, limit=max_new_tokens, temperature=temperature)
    with without_gradients(tree_pass.module):
        for batch in tree_pass.walk(roots, batch_size=batch_size, keep=True):
            jobs: list[int] = []
            rows: list[int] = []
            for row, segment in enumerate(batch.segments):
                for prompt in segment.ends:
                    jobs.extend(unique[prompts[prompt]])
                    rows.extend([row] * len(unique[prompts[prompt]]))
            last = torch.tensor([len(segment.tokens) - 1 for segment in batch.segments], device=batch.hidden.device)
            for begin in range(0, len(jobs), batch_size):
                some, at = jobs[begin : begin + batch_size], rows[begin : begin + batch_size]
                where = torch.tensor(at, device=batch.hidden.device)
                logits = tree_pass.logits(batch.hidden[where, last[where]])
                if batch.state is not None:
                    written = _continue(tree_pass, batch.state.take(at), logits, some, pen)
                else:
                    written = _recompute(tree_pass, [sequences[job] for job in some], logits, some, pen)
                yield from zip(some, written, strict=True)


@dataclass
class _Pen:
    """How the next token is chosen."""

    seeds: Sequence[int]
    stop: frozenset[int]
    limit: int
    temperature: float
    draws: dict[int, random.Random] = field(default_factory=dict)

    def next(self, logits: torch.Tensor, jobs: Sequence[int], written: Sequence[Written]) -> list[int | None]:
        """One token a row; None where the answer has ended. Marks broken rows and stops."""
        sound = ~(torch.isnan(logits) | (logits == math.inf)).any(-1) & (logits > -math.inf).any(-1)
        best = logits.argmax(-1).tolist()
        chosen: list[int | None] = []
        for row, (job, answer, fine) in enumerate(zip(jobs, written, sound.tolist(), strict=True)):
            if not fine:
                answer.broken = True
                answer.finish = "stop"
                chosen.append(None)
                continue
            token = best[row] if self.temperature == 0 else self._draw(logits[row], job)
            if token in self.stop:
                answer.finish = "stop"
                chosen.append(None)
                continue
            answer.tokens.append(token)
            chosen.append(token if len(answer.tokens) < self.limit else None)
        return chosen

    def _draw(self, logits: torch.Tensor, job: int) -> int:
        """A token by the inverse of the cumulative distribution, in float64, from the answer's own stream."""
        stream = self.draws.setdefault(job, random.Random(self.seeds[job]))
        cumulative = torch.softmax(logits.double().cpu() / self.temperature, -1).cumsum(-1)
        point = torch.tensor(stream.random() * float(cumulative[-1]), dtype=torch.float64)
        return min(int(torch.searchsorted(cumulative, point, right=True)), len(cumulative) - 1)


def _continue(tree_pass: TreePass, state: State, logits: torch.Tensor, jobs: Sequence[int], pen: _Pen) -> list[Written]:
    """Writes on from cached keys and values; rows that have ended leave the batch."""
    written = [Written() for _ in jobs]
    live = list(range(len(jobs)))  # the answer in each row of the batch
    while True:
        tokens = pen.next(logits, [jobs[i] for i in live], [written[i] for i in live])
        going = [row for row, token in enumerate(tokens) if token is not None]
        if not going:
            return written
        if len(going) < len(live):
            state, live = state.take(going), [live[row] for row in going]
        ids = torch.tensor([[token] for token in tokens if token is not None])
        real = torch.ones_like(ids, dtype=torch.bool)
        hidden, after = tree_pass.extend(ids, real, torch.tensor(state.lengths), state, keep=True)
        assert after is not None
        state, logits = after, tree_pass.logits(hidden[:, -1])


def _recompute(
    tree_pass: TreePass, prompts: list[tuple[int, ...]], logits: torch.Tensor, jobs: Sequence[int], pen: _Pen
) -> list[Written]:
    """Writes on by computing the whole text anew for each token: slow, and right for any module."""
    written = [Written() for _ in jobs]
    live = list(range(len(jobs)))
    while True:
        tokens = pen.next(logits, [jobs[i] for i in live], [written[i] for i in live])
        live = [answer for answer, token in zip(live, tokens, strict=True) if token is not None]
        if not live:
            return written
        texts = [prompts[i] + tuple(written[i].tokens) for i in live]
        ids = torch.zeros((len(texts), max(map(len, texts))), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
        hidden, _ = tree_pass.extend(ids, ids >= 0, torch.zeros(len(texts), dtype=torch.long), None, keep=False)
        ends = torch.tensor([len(text) - 1 for text in texts], device=hidden.device)
        logits = tree_pass.logits(hidden[torch.arange(len(texts), device=hidden.device), ends])
