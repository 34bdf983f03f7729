"""How sure: the interval that stands beside every estimate. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Two-sided interval, in the unit of the estimate it belongs to. Never of zero width."""

    low: float
    high: float
    level: float
    """Intended coverage, between 0 and 1."""
    method: str
    """For people: "crossed t (names and templates)"."""
