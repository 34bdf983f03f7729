"""How many comparisons were made: p values adjusted for a family of them. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_biasaudit.errors import StatisticsError


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given.

    The k-th smallest of m is multiplied by m - k + 1, made no smaller than the one before, and kept at or under 1. Rejecting
    where the adjusted value is at or under alpha keeps the chance of any false rejection at or under alpha, however the tests
    depend on one another (Holm 1979). An empty family gives an empty list.

    Raises StatisticsError for a value that is not a probability: dropping it would shrink the family.
    """
    for place, p in enumerate(ps):
        if not (math.isfinite(p) and 0.0 <= p <= 1.0):
            raise StatisticsError(f"p values lie between 0 and 1, got {p!r} at place {place} of {len(ps)}")
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted
