"""One pass over a tree of prompts: each shared stretch of tokens is computed once, in batches. Imports torch.

A level of the tree is run in batches of rows sorted by length; a row attends to its parent's keys and values, gathered
from the batch that computed them. Padding stands on the right of a stretch and is masked for everything that follows.
Nothing here knows of chat templates, options or answers.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pytest_biasaudit.models.prefix_tree import NEVER, Segment, padded_length, prefix_tree
from pytest_biasaudit.models.rows_meet import rows_meet
from pytest_biasaudit.models.without_gradients import without_gradients

TOLERANCE = {torch.float32: 2e-3, torch.float64: 2e-3}
"""Largest difference in nats between a shared and a plain pass that counts as rounding; 1.0 for half precision."""

GROUPED_HEADS = "TRANSFORMERS_SDPA_FORCE_GQA"


@dataclass
class State:
    """What a batch leaves behind for the rows that continue from it."""

    layers: list[tuple[torch.Tensor, torch.Tensor]]
    """Keys and values by layer, each (rows, heads, cached, head_dim)."""
    visible: torch.Tensor
    """(rows, cached) bool: False at padding."""
    lengths: list[int]
    """Real tokens by row."""

    def take(self, rows: list[int]) -> State:
        """The state of some rows, in that order, repeated where asked for."""
        return State(
            layers=[(_rows(keys, rows), _rows(values, rows)) for keys, values in self.layers],
            visible=_rows(self.visible, rows),
            lengths=[self.lengths[row] for row in rows],
        )


@dataclass
class Batch:
    """Segments computed together."""

    segments: list[Segment]
    hidden: torch.Tensor
    """(rows, longest, width): what the head turns into logits (or the logits themselves where the head is not apart)."""
    state: State | None
    """None where nothing continues from these rows."""


class TreePass:
    """A module's forward pass, in the cheapest form that gives the module's own answers.

    Sharing keys and values and calling the head on single rows are used only if a small test run on this very module
    agrees with its plain forward pass; otherwise prompts are computed whole. `shares` and `own_head` say which. Where rows
    of a batch change each other's answers, prompts are computed whole and one at a time: `alone`.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        first = next(module.parameters(), None)
        self.device = first.device if first is not None else torch.device("cpu")
        self.dtype = first.dtype if first is not None else torch.float32
        self._body = _body_of(module)
        self._head = _head_of(module)
        self.own_head = self._body is not None and self._head is not None
        self.shares = True
        self.window = _window_of(module)
        self.alone = rows_meet(module)
        self._prove()

    def plan(self, sequences: Sequence[tuple[int, ...]], *, more: int = 0) -> tuple[TreePass, list[Segment]]:
        """The pass to use for these sequences, and their tree; `more` tokens may be written after each.

        Padding between a stretch and the next lengthens the distance between tokens. A model with a sliding window
        counts that distance, so past the window it is asked plainly and its prompts are computed whole.
        """
        if self.shares:
            roots = prefix_tree(sequences)
            if self.window is None or padded_length(roots) + more <= self.window:
                return self, roots
        plain = copy.copy(self)
        plain.shares = plain.own_head = False
        return plain, prefix_tree(sequences, worth=NEVER)

    # -- walking ----------------------------------------------------------------------------------------------------

    def walk(self, roots: Sequence[Segment], *, batch_size: int, keep: bool = False) -> Iterator[Batch]:
        """Every segment once, parents before children. `keep`: leave states of leaves too, for generation."""
        yield from self._level(list(roots), None, None, batch_size, keep)

    def _level(
        self, segments: list[Segment], parents: list[int] | None, state: State | None, batch_size: int, keep: bool
    ) -> Iterator[Batch]:
        # Stretches that something continues from leave keys and values behind; the others go by themselves and leave none.
        order = sorted(range(len(segments)), key=lambda i: (not segments[i].children, len(segments[i].tokens)))
        batch_size = 1 if self.alone else batch_size
        for begin in range(0, len(order), batch_size):
            chosen = order[begin : begin + batch_size]
            rows = [segments[index] for index in chosen]
            at = [parents[index] for index in chosen] if parents is not None else None
            wanted = self.shares and (keep or any(row.children for row in rows))
            batch = self._forward(rows, state, at, keep=wanted)
            yield batch
            children = [(child, row) for row, segment in enumerate(rows) for child in segment.children]
            if children:
                below, above = [child for child, _ in children], [row for _, row in children]
                yield from self._level(below, above, batch.state, batch_size, keep)

    def _forward(self, rows: list[Segment], before: State | None, at: list[int] | None, *, keep: bool) -> Batch:
        longest = max(len(row.tokens) for row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        real = torch.zeros((len(rows), longest), dtype=torch.bool)
        for row, segment in enumerate(rows):
            ids[row, : len(segment.tokens)] = torch.tensor(segment.tokens)
            real[row, : len(segment.tokens)] = True
        starts = torch.tensor([segment.start for segment in rows])
        hidden, state = self.extend(ids, real, starts, before, at, keep=keep)
        return Batch(segments=rows, hidden=hidden, state=state)

    def extend(
        self,
        ids: torch.Tensor,
        real: torch.Tensor,
        starts: torch.Tensor,
        before: State | None,
        at: list[int] | None = None,
        *,
        keep: bool,
    ) -> tuple[torch.Tensor, State | None]:
        """Runs (rows, longest) new tokens after what `before` holds; gives hidden states and, on `keep`, the new state.

        at  which row of `before` each row continues from; None: the same rows in the same order
        """
        if not self.shares:
            return self.plain(ids), None
        ids, real = ids.to(self.device), real.to(self.device)
        positions = (starts[:, None] + torch.arange(ids.shape[1])).to(self.device)
        kwargs: dict[str, Any] = {"input_ids": ids, "position_ids": positions, "use_cache": keep or before is not None}
        visible = real
        if keep or before is not None:
            kwargs["past_key_values"] = _cache(before, at, keep=keep)
        if before is not None:
            visible = torch.cat([_rows(before.visible, at), real], dim=1)
            kwargs["attention_mask"] = visible.long()
        # Without anything before, right padding needs no mask: no real token looks to its right.
        output = self.call(**kwargs)
        hidden = self.hidden_of(output)
        state = None
        if keep:
            layers = [(layer.keys, layer.values) for layer in output.past_key_values.layers]
            lengths = (starts + real.sum(1).cpu()).tolist()
            state = State(layers=layers, visible=visible, lengths=lengths)
        return hidden, state

    def call(self, **kwargs: Any) -> Any:
        """The output of the body, where its head is apart, or else of the whole module."""
        with grouped_heads():
            return (self._body if self.own_head else self.module)(**kwargs)

    def hidden_of(self, output: Any) -> torch.Tensor:
        """(rows, tokens, width): what `logits` takes rows of."""
        hidden: torch.Tensor = output.last_hidden_state if self.own_head else output.logits
        return hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(n, vocabulary) logits in float32 of (n, width) rows of a batch's `hidden`."""
        return (self._head(hidden) if self.own_head and self._head is not None else hidden).float()

    def plain(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of whole sequences through the module's own call, whatever kind of module it is."""
        return logits_of(self.module(ids.to(self.device)))

    # -- proving ----------------------------------------------------------------------------------------------------

    def _prove(self) -> None:
        """Settles `shares` and `own_head` by comparing with the plain pass on a tiny tree, padded in the middle."""
        if self.alone:
            self.own_head, self.shares = False, False
            return
        vocabulary = vocabulary_of(self.module)
        draw = torch.Generator().manual_seed(0)
        tokens = [int(t) for t in torch.randint(0, vocabulary, (10,), generator=draw)]
        shared, long, short = tuple(tokens[:4]), tuple(tokens[4:7]), (tokens[7],)
        root = Segment(tokens=shared, start=0)
        leaf = Segment(tokens=long, start=4, ends=[0])
        middle = Segment(tokens=short, start=4, ends=[1])
        middle.children = [Segment(tokens=tuple(tokens[8:]), start=5, ends=[2])]
        root.children = [leaf, middle]
        whole = [shared + long, shared + short, shared + short + tuple(tokens[8:])]
        with without_gradients(self.module):
            plain = torch.stack([self.plain(torch.tensor([sequence]))[0, -1].float().cpu() for sequence in whole])
            exact = self._head_is_exact(whole[0], plain[0])
            for own_head, shares in ((True, True), (False, True)):
                if own_head and not exact:
                    continue
                self.own_head, self.shares = own_head, shares
                try:
                    found = self._last_logits([root], 3)
                except Exception:  # whatever a module without this calling form raises: it is asked plainly instead
                    continue
                gap = (torch.log_softmax(found, -1) - torch.log_softmax(plain, -1)).abs().max()
                if bool(gap <= TOLERANCE.get(self.dtype, 1.0)):
                    return
        self.own_head, self.shares = False, False

    def _head_is_exact(self, sequence: tuple[int, ...], plain: torch.Tensor) -> bool:
        """Whether body and head, called one after the other, give the module's own logits: nothing capped or scaled.

        The same computation in the same precision, so there is no rounding to allow for, however small the dtype.
        """
        if self._body is None or self._head is None:
            return False
        try:
            output = self._body(input_ids=torch.tensor([sequence], device=self.device), use_cache=False)
            found = self._head(output.last_hidden_state[:, -1])[0].float().cpu()
        except Exception:  # whatever a body without this calling form raises: the module is called as a whole instead
            return False
        finite = bool(torch.isfinite(plain).all())
        return finite and torch.allclose(found, plain, rtol=1e-2, atol=1e-3 * float(plain.abs().max()))

    def _last_logits(self, roots: list[Segment], count: int) -> torch.Tensor:
        found: list[torch.Tensor] = [torch.empty(0)] * count
        for batch in self.walk(roots, batch_size=8):
            for row, segment in enumerate(batch.segments):
                for index in segment.ends:
                    found[index] = self.logits(batch.hidden[row, len(segment.tokens) - 1][None])[0].cpu()
        return torch.stack(found)


def logits_of(output: Any) -> torch.Tensor:
    """The (rows, tokens, vocabulary) logits in what a module's call gave."""
    logits = getattr(output, "logits", output)
    if isinstance(logits, (tuple, list)):
        logits = logits[0]
    if not isinstance(logits, torch.Tensor) or logits.ndim != 3:
        raise TypeError(
            "the module's output is neither (rows, tokens, vocabulary) logits nor has them as .logits: "
            f"got {type(output).__name__}"
        )
    return logits


def vocabulary_of(module: torch.nn.Module) -> int:
    """Number of token ids the module knows, at least 2."""
    finder: Any = getattr(module, "get_input_embeddings", None)
    config = getattr(module, "config", None)
    size = getattr(finder() if callable(finder) else None, "num_embeddings", None)
    return int(size or getattr(config, "vocab_size", None) or 2)


@contextmanager
def grouped_heads() -> Iterator[None]:
    """Asks transformers' SDPA attention not to copy keys and values for each query head, masked or not.

    Its own switch, an environment variable it reads on each call; the proof compares with a pass without it.
    """
    before = os.environ.get(GROUPED_HEADS)
    os.environ[GROUPED_HEADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[GROUPED_HEADS]
        else:
            os.environ[GROUPED_HEADS] = before


def _window_of(module: torch.nn.Module) -> int | None:
    """The smallest sliding window the configuration names, used or not; None where it names none."""
    config = getattr(module, "config", None)
    configs = [config, getattr(config, "text_config", None)]
    windows = [getattr(one, "sliding_window", None) for one in configs if one is not None]
    return min((window for window in windows if isinstance(window, int)), default=None)


def _body_of(module: torch.nn.Module) -> Any:
    body = getattr(module, "base_model", None)
    return body if isinstance(body, torch.nn.Module) and body is not module else None


def _head_of(module: torch.nn.Module) -> Any:
    finder = getattr(module, "get_output_embeddings", None)
    return finder() if callable(finder) else None


def _rows(tensor: torch.Tensor, at: list[int] | None) -> torch.Tensor:
    """The rows of a tensor, in that order, repeated where asked for; a view where all are the same one."""
    if at is None:
        return tensor
    if len(set(at)) == 1:
        return tensor[at[0] : at[0] + 1].expand(len(at), *tensor.shape[1:])
    return tensor.index_select(0, torch.tensor(at, device=tensor.device))


def _cache(before: State | None, at: list[int] | None, *, keep: bool) -> Any:
    """A cache for transformers that holds `before`. Nothing is copied before the layer that needs it runs."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class ContinuedLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        """Earlier keys and values with the new ones behind them; kept only where something will continue from them."""

        keys: Any
        values: Any

        def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            keys = torch.cat([_rows(self.keys, at), key_states], dim=-2)
            values = torch.cat([_rows(self.values, at), value_states], dim=-2)
            if keep:
                self.keys, self.values = keys, values
            return keys, values

    cache = DynamicCache()
    for keys, values in before.layers if before is not None else ():
        layer = ContinuedLayer()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
