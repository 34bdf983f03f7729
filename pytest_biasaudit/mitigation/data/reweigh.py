"""Weights that make labels and groups independent, and change no row. Imports polars at use."""

from __future__ import annotations

from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.changed import changed
from pytest_biasaudit.mitigation.data.strata import strata_of
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.table import WEIGHT, Table


def reweigh(table: Table, *, attribute: str | None = None, seed: int | None = None) -> Table:
    """Each row's weight in the column "weight": w(y, g) = P(y) P(g) / P(y, g), over rows with a label y and a group g.

    The weights of those rows sum to their number, and weighted, every label has the same share of every group. Rows
    without a label or a group weigh 1.

    attribute  a declared one, or several crossed ("race*sex"); None: the table's only one
    seed       not used; every intervention takes one

    Raises DataError: no such attribute, one group only, a label that lacks a group (no weight makes up for rows that are
    not there), and a table that has weights already.
    Source: Kamiran and Calders 2012 (Knowledge and Information Systems 33), section 3.2, "reweighing".
    """
    import numpy as np
    import polars as pl

    if WEIGHT in table.frame.columns:
        raise DataError(table.source, [f"there is a column {WEIGHT!r} already; rename or drop it before reweighing"])
    strata = strata_of(table, attribute)
    if len(strata.groups) < 2:
        raise DataError(
            table.source,
            [f"all rows are of one group of {strata.attribute!r} ({strata.groups[0]!r}); there is no other"],
        )
    refuse(
        table.source,
        [
            f"label {label!r} has no row of {listed(lacking)} of {strata.attribute!r}: weights cannot make up for rows "
            "that are not there"
            for label in strata.labels
            if (lacking := [group for group in strata.groups if not strata.count(label, group)])
        ],
    )
    of_label = {label: sum(strata.count(label, group) for group in strata.groups) for label in strata.labels}
    of_group = {group: sum(strata.count(label, group) for label in strata.labels) for group in strata.groups}
    weights = np.ones(table.rows)
    for (label, group), places in strata.places.items():
        weights[places] = of_label[label] * of_group[group] / (strata.rows * len(places))
    outside = table.rows - strata.rows
    return changed(
        table,
        table.frame.with_columns(pl.Series(WEIGHT, weights)),
        method="reweigh",
        settings={"attribute": strata.attribute},
        seed=None,
        attribute=strata.attribute,
        weighted=table.rows,
        note=f"{outside} rows without a label or a group weigh 1" if outside else "",
    )
