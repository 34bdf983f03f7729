"""How big, of a corpus: who and what it is made up of, and how much of it is not there. Imports numpy and stats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import Compared, nothing
from pytest_biasaudit.metrics.tables.known_rows import figure_of_share, known_rows, no_label, rows_summary
from pytest_biasaudit.stats.linked_shares import Share
from pytest_biasaudit.tables.tally import Tally


def group_share(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(group), group by group, the reference too. `seed` is not used; with `label`, over the rows of that label.

    A group with no row has a share of 0 only where the data could have shown it: it is not measured.
    """
    rows = known_rows(tally, attributes)
    of = rows.grouped if label is None else rows.grouped & rows.has(label)
    compared = []
    for at, title in enumerate(rows.titles):
        mine = rows.inside[:, at]
        reason = rows.too_few(of, "whose group is known", minimum) or rows.too_few(mine & of, f"of {title!r}", 1)
        share = None if reason else rows.share(mine, of)
        compared.append(
            Compared(
                groups=(title,),
                label=label or "",
                measured=nothing(reason) if share is None else figure_of_share(share, level=level),
                by_group=(rows.summary(at, of, None if share is None else share.rate),),
            )
        )
    return tuple(compared)


def label_imbalance(
    tally: Tally, *, attributes: Sequence[str] = (), label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(label) - 1/k, label by label. `attributes` and `seed` are not used. Not defined where there is one label only."""
    lacking = no_label(tally)
    if lacking:
        return lacking
    rows = known_rows(tally, ())
    compared = []
    for name in tally.looked_at(label):
        reason = rows.too_few(rows.labelled, "with a label", minimum)
        if not reason and len(tally.labels) < 2:
            reason = f"every row has the label {name!r}: there is no other to be balanced with"
        share = None if reason else rows.share(rows.has(name), rows.labelled)
        measured = (
            nothing(reason) if share is None else figure_of_share(share, level=level, less=1.0 / len(tally.labels))
        )
        compared.append(
            Compared(
                groups=(),
                label=name,
                measured=measured,
                by_group=(
                    rows_summary(
                        "all rows",
                        n=int(tally.count[rows.labelled].sum()),
                        asked=tally.rows,
                        without=int(tally.count[~rows.labelled].sum()),
                        units=rows.units(rows.labelled),
                        rate=None if share is None else share.rate,
                    ),
                ),
            )
        )
    return tuple(compared)


def missing_share(
    tally: Tally, *, attributes: Sequence[str] = (), label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Share of rows that lack text, label or a group. `attributes`, `label` and `seed` are not used.

    Where rows come in clusters, those of one are taken to be all alike: the tally says which rows lack a label or a group,
    and of the texts only how many are missing.
    """
    rows = known_rows(tally, ())
    everything = np.ones(len(tally.count), dtype=bool)
    reason = rows.too_few(everything, "in the table", minimum)
    units, n = rows.units(everything), tally.rows
    lacking = tally.incomplete if tally.incomplete is not None else tally.blank
    if reason:
        measured = nothing(reason)
    else:
        share = all_alike(tally, everything, hits=lacking, n=n, units=units)
        measured = figure_of_share(share, level=level)
    summary = rows_summary("all rows", n=n, asked=n, without=lacking, units=units, rate=None if reason else lacking / n)
    return (Compared(groups=(), measured=measured, by_group=(summary,)),)


def all_alike(tally: Tally, of: NDArray[np.bool_], *, hits: int, n: int, units: int) -> Share:
    """A share of rows of which the tally does not say which are hit: the rows of a cluster are taken to be all alike.

    With cluster sizes m the rows are then worth (sum m)^2 / sum(m^2) independent ones.
    """
    if tally.cluster is None:
        return Share(hits=hits, n=n, units=n, worth=float(n))
    size = np.bincount(tally.cluster[of], weights=tally.count[of])
    worth = float(size.sum() ** 2 / (size**2).sum())
    return Share(hits=hits, n=n, units=units, worth=worth, df=max(1.0, worth - 1.0))
