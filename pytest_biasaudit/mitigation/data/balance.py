"""Rows drawn so that groups are balanced within each label, or less balanced than they were. Imports numpy at use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.context.spelling import listed
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.changed import resampled
from pytest_biasaudit.mitigation.data.strata import Strata, drawing, first_drawn, strata_of
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.table import Table

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.data.strata import Places

OneGroup = Literal["refuse", "keep"]
"""What becomes of a label that lacks a group: it cannot be balanced."""


def down_sample(table: Table, *, attribute: str | None = None, one_group: OneGroup = "refuse", seed: int) -> Table:
    """Of each label as many rows of every group as its smallest group has, drawn without replacement.

    Rows without a label or a group stay as they are.

    attribute  a declared one, or several crossed ("race*sex"); None: the table's only one
    one_group  "refuse" a label that lacks a group, or "keep" its rows as they are and say so

    Raises DataError: no such attribute, fewer than two groups, and a label that lacks one.
    Source: re-balancing as in Steed et al. 2022 (ACL), by removal.
    """
    return _balanced(table, attribute, one_group, seed, method="down_sample", largest=False)


def up_sample(table: Table, *, attribute: str | None = None, one_group: OneGroup = "refuse", seed: int) -> Table:
    """Of each label as many rows of every group as its largest group has: all its own, and more drawn with replacement.

    Copies depend on each other: an audit of such a table needs a cluster column, or its intervals are too narrow.

    Arguments and errors as for `down_sample`. Source: re-balancing as in Steed et al. 2022 (ACL), by repetition.
    """
    return _balanced(table, attribute, one_group, seed, method="up_sample", largest=True)


def amplify(table: Table, *, attribute: str | None = None, above: float = 0.65, seed: int | None = None) -> Table:
    """A stress: where one group has more than that share of a label's rows, the label's other rows are removed.

    Nothing is drawn. Labels without such a majority, and rows without a label or a group, stay as they are.

    above  a share, at least 0.5 and below 1
    seed   not used; every intervention takes one

    Raises DataError: no such attribute, a share out of range, and no label with such a majority: nothing would change.
    """
    if not 0.5 <= above < 1:
        raise DataError(table.source, [f"above = {above}; it must be a share from 0.5 and below 1"])
    strata = strata_of(table, attribute)
    removed: list[Places] = []
    shares: dict[str, float] = {}
    for label in strata.labels:
        counts = {group: strata.count(label, group) for group in strata.groups}
        whole = sum(counts.values())
        most = max(counts, key=lambda group: counts[group])
        shares[label] = counts[most] / whole
        if shares[label] > above:
            removed += [strata.places[label, group] for group in strata.groups if group != most]
    majority = [label for label, share in shares.items() if share > above]
    if not any(len(one) for one in removed):
        label = max(shares, key=lambda one: shares[one])
        said = (
            "those that have it lack all others already"
            if majority
            else f"the largest is {shares[label]:.3g} ({label!r})"
        )
        raise DataError(
            table.source,
            [f"no label has a group of {strata.attribute!r} with more than {above} of its rows to amplify; {said}"],
        )
    kept = sorted(set(strata.labels) - set(majority))
    return resampled(
        table,
        _without(table, removed),
        method="amplify",
        settings={"attribute": strata.attribute, "above": above},
        seed=None,
        attribute=strata.attribute,
        note=f"no group has more than {above} of {listed(kept)}; those rows stay" if kept else "",
    )


def _balanced(
    table: Table, attribute: str | None, one_group: OneGroup, seed: int, *, method: str, largest: bool
) -> Table:
    import numpy as np

    strata = strata_of(table, attribute)
    lacking = refuse_lacking(table, strata, one_group)
    chosen: list[Places] = [_in_no_stratum(table, strata)]
    for label in strata.labels:
        counts = [strata.count(label, group) for group in strata.groups]
        wanted = max(counts) if largest else min(counts)
        for group in strata.groups:
            places = strata.places[label, group]
            if label in lacking:
                chosen.append(places)
            else:
                chosen.append(first_drawn(places, wanted, drawing(seed, label, group)))
    return resampled(
        table,
        np.concatenate(chosen),
        method=method,
        settings={"attribute": strata.attribute, "one_group": one_group},
        seed=seed,
        attribute=strata.attribute,
        note=f"not balanced, for lack of a group: {listed(lacking)}" if lacking else "",
    )


def refuse_lacking(table: Table, strata: Strata, one_group: OneGroup) -> list[str]:
    """Labels that lack a group, where they are kept. Raises DataError where they are not, or there is one group only."""
    if one_group not in ("refuse", "keep"):
        raise DataError(table.source, [f"one_group = {one_group!r}; it must be 'refuse' or 'keep'"])
    if len(strata.groups) < 2:
        raise DataError(
            table.source,
            [f"all rows are of one group of {strata.attribute!r} ({strata.groups[0]!r}); there is no other"],
        )
    faults = {
        label: [group for group in strata.groups if not strata.count(label, group)]
        for label in strata.labels
        if not all(strata.count(label, group) for group in strata.groups)
    }
    if one_group == "refuse":
        refuse(
            table.source,
            [
                f"label {label!r} has no row of {listed(groups)} of {strata.attribute!r}, so it cannot be balanced; add such "
                "rows, or give one_group = 'keep' to leave the label as it is"
                for label, groups in faults.items()
            ],
        )
    elif len(faults) == len(strata.labels):
        raise DataError(
            table.source, [f"every label lacks a group of {strata.attribute!r}; there is nothing to balance"]
        )
    return list(faults)


def _in_no_stratum(table: Table, strata: Strata) -> Places:
    return _without(table, list(strata.places.values()))


def _without(table: Table, gone: list[Places]) -> Places:
    import numpy as np

    stays = np.ones(table.rows, dtype=bool)
    for places in gone:
        stays[places] = False
    return np.flatnonzero(stays)
