"""What is scored: a prompt with the model's own answer, in tokens, and where in it the person's name stands."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.outcomes.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class ScoredPrompt:
    """One prompt and answer. Several repeats of one prompt with different answers are several of these."""

    cell: Cell
    outcome: Outcome
    """Its prompt, and what the model answered."""
    text: str
    """As it is put to the model: rendered prompt, prefill, answer."""
    tokens: tuple[int, ...]
    """Of `text`."""
    answer: int
    """Position of the answer's first token; equal to the number of tokens where the answer is empty."""
    name: tuple[int, ...]
    """Positions of all tokens in which a letter of the person's name stands, before `answer`; never empty."""
