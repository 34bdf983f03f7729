"""A table as the page draws it: heads, and cells with quiet lines under them. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One cell of a table: what stands first, and what stands under it in quiet letters."""

    text: str
    under: tuple[str, ...] = ()
    judged: bool = True


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One table."""

    anchor: str
    caption: str
    heads: tuple[str, ...]
    words: int
    """How many columns at the left hold words; the rest hold figures."""
    rows: tuple[tuple[Shown, ...], ...]
    notes: tuple[str, ...]
