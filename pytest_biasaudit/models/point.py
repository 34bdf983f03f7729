"""Where a model stands in a sweep: which declared model, which of its revisions, which recipe. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """One point of a sweep over models, revisions and recipes. The tables of checkpoints are made from these."""

    model: str
    """The declared model that was swept."""
    revision: str | None = None
    """As the sweep names it: a training checkpoint; None where the sweep has no revisions."""
    recipe: str = ""
    """As the sweep names it; empty: the uncompressed parent."""
    place: int = 0
    """Its number in the sweep, in declared order, from 0."""
