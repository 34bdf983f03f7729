"""A table in two: rows to teach, and rows held out, alike in every label and group. Imports polars when called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pytest_biasaudit.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_biasaudit.tables.table import Table


T = TypeVar("T")


def split(table: Table, share: float, seed: int) -> tuple[Table, Table]:
    """(rows to teach, rows held out), each in the table's order; every row is in one of them.

    share  of the rows that are held out, 0 to 1
    seed   same table, share and seed, same rows

    The rows of each label are held out in its share, rounded down or up, and so are those of each of its cells (the label
    crossed with the groups of every attribute column; what is missing counts as a value of its own). The ups go to the
    largest remainders, so that the whole comes to the share rounded. Every label keeps a row to teach.

    Raises TrainingError for a share that is not between 0 and 1.
    """
    import numpy as np

    if not 0 <= share < 1:
        raise TrainingError(f"held_out = {share!r}: must be a share of the rows from 0 to below 1")
    places = _cells(table)
    draw = np.random.default_rng([seed % 2**63, 0x5917])
    labels = dict.fromkeys(cell[0] for cell in places)
    sizes = {label: sum(len(rows) for cell, rows in places.items() if cell[0] == label) for label in labels}
    # First how many of each label, then of each of its cells: neither strays from its share by a row.
    quotas = _shared(sizes, share, round(share * table.rows), draw)
    counts: dict[tuple[str | None, ...], int] = {}
    for label, quota in quotas.items():
        counts |= _shared({cell: len(rows) for cell, rows in places.items() if cell[0] == label}, share, quota, draw)
    held = np.zeros(table.rows, dtype=bool)
    for cell, rows in places.items():
        held[draw.permutation(rows)[: counts[cell]]] = True
    _keep_one_of_each_label(table, held, draw)
    return _part(table, ~held, share, seed, part="taught"), _part(table, held, share, seed, part="held out")


def _shared(sizes: dict[T, int], share: float, total: int, draw: np.random.Generator) -> dict[T, int]:
    """How many of each: its share rounded down, or up for those with the largest remainders, until they come to a total.

    Equal remainders fall by lot, or small tables would always hold out the same groups.
    """
    wanted = {key: share * size for key, size in sizes.items()}
    counts = {key: int(want) for key, want in wanted.items()}
    lots = dict(zip(sizes, draw.random(len(sizes)).tolist(), strict=True))
    order = sorted(sizes, key=lambda key: (counts[key] - wanted[key], lots[key]))
    for key in order[: max(0, total - sum(counts.values()))]:
        if counts[key] < wanted[key]:
            counts[key] += 1
    return counts


def _cells(table: Table) -> dict[tuple[str | None, ...], NDArray[np.int64]]:
    """Places of the rows of each label crossed with all groups, in the order in which cells first come."""
    import numpy as np

    columns = [table.labels, *(table.groups(name) for name, _ in table.columns.groups)]
    found: dict[tuple[str | None, ...], list[int]] = {}
    for place, cell in enumerate(zip(*(column.to_list() for column in columns), strict=True)):
        found.setdefault(cell, []).append(place)
    return {cell: np.array(rows, dtype=np.int64) for cell, rows in found.items()}


def _keep_one_of_each_label(table: Table, held: NDArray[np.bool_], draw: np.random.Generator) -> None:
    """Gives one row back where all of a label's would be held out: a label that is never taught is never learnt.

    Such a label's cells were all rounded up, so that none falls a whole row behind its share.
    """
    import numpy as np

    labels = np.array(["" if label is None else f"={label}" for label in table.labels.to_list()])
    for label in sorted(set(labels.tolist()) - {""}):
        rows = np.flatnonzero(labels == label)
        if held[rows].all():
            held[draw.choice(rows)] = False


def _part(table: Table, kept: NDArray[np.bool_], share: float, seed: int, *, part: str) -> Table:
    """One of the two tables, which says that it is one."""
    import polars as pl

    from pytest_biasaudit.tables.table import Change

    taken = replace(table, frame=table.frame.filter(pl.Series(kept)))
    change = Change(
        method="split",
        settings=(("share", share), ("part", part)),
        seed=seed,
        before=table.rows,
        after=taken.rows,
        removed=table.rows - taken.rows,
        digest_before=table.digest,
        digest_after=taken.digest,
    )
    return replace(taken, changes=(*table.changes, change))
