"""Which cells of the design a choice may rest on: by variation, by half of the names, by group. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.errors import DataError

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.scores import Cell


def by_variation(cells: Iterable[Cell]) -> dict[str, tuple[Cell, ...]]:
    """Cells of each variation, sorted: for sets of its own for each."""
    found: dict[str, list[Cell]] = {}
    for cell in sorted(cells):
        found.setdefault(cell.variation, []).append(cell)
    return {variation: tuple(own) for variation, own in found.items()}


def of_variations(cells: Iterable[Cell], variations: Collection[str]) -> tuple[Cell, ...]:
    """Cells of these variations ("CONTEXT/AUDIT/TEMPLATE"), sorted."""
    return tuple(sorted(cell for cell in cells if cell.variation in variations))


def of_half(cells: Iterable[Cell], half: Literal[0, 1]) -> tuple[Cell, ...]:
    """Cells of one half of the names, sorted."""
    return tuple(sorted(cell for cell in cells if cell.half == half))


def of_group(cells: Iterable[Cell], group: str) -> tuple[Cell, ...]:
    """Cells of one group, sorted."""
    return tuple(sorted(cell for cell in cells if cell.group == group))


def of_both(
    cells: Sequence[Cell], *, reference: str, group: str, what: str
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """Cells of the reference group, and of the group.

    Raises DataError where one has none, or both are one group: nothing tells them apart then.
    what  names the scores in the message
    """
    there = sorted({cell.group for cell in cells})
    shown = ", ".join(map(repr, there)) or "no group at all"
    faults = [f"no cell of group {name!r}: the scores have {shown}" for name in (reference, group) if name not in there]
    if reference == group:
        faults.append(f"reference and group are both {group!r}: two groups are needed")
    if faults:
        raise DataError(what, list(dict.fromkeys(faults)))
    return of_group(cells, reference), of_group(cells, group)
