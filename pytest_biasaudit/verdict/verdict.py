"""Is it allowed: the four verdicts and what a verdict says. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate


class Verdict(StrEnum):
    """Only `within` is green."""

    WITHIN = "within"
    OVER = "over"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A limit, the estimates it was held against, and what came of it."""

    limit: Limit
    verdict: Verdict
    message: str
    """The finding, several lines, fit for a failed test."""
    estimate: Estimate | None
    """The worst of the comparisons: the one that decides."""
    compared: tuple[Estimate, ...]
    """All comparisons of the limit: every group against the reference."""
    p: float | None = None
    """Against the limit, of the deciding comparison."""
    p_adjusted: float | None = None
    """Holm over the context's `lower` limits; None under other rules."""
