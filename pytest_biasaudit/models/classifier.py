"""A transformer that gives a text one label of several, as the rest of the package asks it. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.kind import labels_of, pads, unclassifying
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.rows_meet import rows_meet
from pytest_biasaudit.models.transformer import TransformerModel, padded, positions_of
from pytest_biasaudit.models.without_gradients import without_gradients

NO_LENGTH = 10**9
"""From here on a tokenizer's `model_max_length` means that it knows none."""
CHARACTERS_A_TOKEN = 64
"""No tokenizer takes so many characters a token over a whole text; one of fewer tokens is read to its end."""
_AT_ONCE = 4096
"""Texts that are tokenised at once."""


def read_tokens(
    tokenizer: Any, texts: Sequence[str], *, longest: int | None
) -> tuple[list[list[int]], tuple[bool, ...]]:
    """Token ids of each text, special ones included, as far as they are read; and whether the text has more.

    longest  tokens of a text that are read; None: all

    Of a text with very many characters only the beginning is tokenised, up to a blank far behind the last token read: a
    cell of ten megabytes would take minutes.
    """
    found: list[list[int]] = []
    cut: list[bool] = []
    for begin in range(0, len(texts), _AT_ONCE):
        some = [_beginning(text, longest) for text in texts[begin : begin + _AT_ONCE]]
        whole = tokenizer(some, padding=False, truncation=False, verbose=False)["input_ids"]
        if longest is None:
            found.extend(whole)
            cut.extend([False] * len(some))
            continue
        for at, tokens in enumerate(whole):
            if len(tokens) <= longest and len(some[at]) < len(
                texts[begin + at]
            ):  # a beginning of few tokens: all of it
                tokens = tokenizer(texts[begin + at], padding=False, truncation=False, verbose=False)["input_ids"]
            cut.append(len(tokens) > longest)
            if len(tokens) > longest:  # the tokenizer knows which special tokens stay at the end
                tokens = tokenizer(some[at], padding=False, truncation=True, max_length=longest, verbose=False)[
                    "input_ids"
                ]
            found.append(tokens)
    return found, tuple(cut)


def _beginning(text: str, longest: int | None) -> str:
    """The text up to the last blank among the characters that may be read (to the last of them, in one endless word)."""
    most = None if longest is None else longest * CHARACTERS_A_TOKEN
    if most is None or len(text) <= most:
        return text
    blank = max(text.rfind(" ", 0, most), text.rfind("\n", 0, most))
    return text[: blank if blank > most // 2 else most]


class TransformerClassifier(TransformerModel):
    """A sequence classifier of transformers with its tokenizer. Implements `Classifies` and `Embeds`.

    module     called with token ids and attention_mask; gives an output with `.logits` of shape (rows, labels)
    tokenizer  its `model_max_length`, or the module's positions where those are fewer, is where a text is cut

    The labels are those that the configuration's `id2label` names. Raises ModelError where it names none twice or fewer
    than two, and for outputs that are no probabilities of one label (several labels a text, regression).
    """

    def __init__(
        self,
        module: torch.nn.Module,
        tokenizer: Any,
        identity: ModelIdentity,
        *,
        parent: TransformerModel | None = None,
    ) -> None:
        super().__init__(module, tokenizer, identity, parent=parent)
        why = unclassifying(getattr(module, "config", None))
        if why:
            raise ModelError(f"{identity.name}: it is no classifier: {why}")
        self._labels = labels_of(module.config)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it knows, in the order of its logits."""
        return self._labels

    @property
    def longest(self) -> int | None:
        """Tokens of a text that are read, special ones included; None: all."""
        told = getattr(self.tokenizer, "model_max_length", None)
        known = [most for most in (told, positions_of(self.module)) if most is not None and most < NO_LENGTH]
        return min(known, default=None)

    def classify(self, texts: Sequence[str], *, batch_size: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Each text's index and ln P(label | text) for each of `labels`, batch by batch, texts of a length together.

        What stands beyond `longest` tokens is not read, see `cut`. NaN where the logits hold NaN, for a text without a
        token, and where the logits are infinite.
        """
        found = read_tokens(self.tokenizer, texts, longest=self.longest)[0]
        order = sorted((at for at, tokens in enumerate(found) if tokens), key=lambda at: len(found[at]))
        nothing = (math.nan,) * len(self._labels)
        yield from ((at, nothing) for at, tokens in enumerate(found) if not tokens)
        if rows_meet(self.module) or not pads(getattr(self.module, "config", None)):
            batch_size = 1
        with self._borrowed():
            for begin in range(0, len(order), batch_size):
                rows = order[begin : begin + batch_size]
                for row, values in zip(rows, self._logprobs([found[row] for row in rows]).tolist(), strict=True):
                    yield row, tuple(values)

    def reading_facts(self) -> tuple[tuple[str, str], ...]:
        """Where a text is cut."""
        return (("texts are cut at", "no length" if self.longest is None else f"{self.longest} tokens"),)

    def cut(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """For each text, whether it has more tokens than are read."""
        return read_tokens(self.tokenizer, texts, longest=self.longest)[1]

    # -- inside -----------------------------------------------------------------------------------------------------

    def _logprobs(self, rows: list[list[int]]) -> torch.Tensor:
        """(rows, labels) float64 log-probabilities."""
        ids, real = padded(self.module, rows)
        with without_gradients(self.module):
            logits = self.module(input_ids=ids, attention_mask=real).logits
            if logits.shape != (len(rows), len(self._labels)):
                raise ModelError(
                    f"{self.identity.name}: it gave logits of shape {tuple(logits.shape)} for {len(rows)} texts, and has "
                    f"{len(self._labels)} labels"
                )
            found: torch.Tensor = logits.cpu().double().log_softmax(-1)
            return found
