"""Rows drawn so that a rate of co-occurrence becomes what is asked, and a sweep of it from 0 to 1. Imports numpy at use.

The rate is a share of hits among base rows: of a group's rows among a label's ("group"), or of a label's among those of a
group or with a term in the text ("label"). All other rows stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.data.changed import resampled
from pytest_biasaudit.mitigation.data.strata import (
    chosen_attribute,
    drawing,
    first_drawn,
    groups_of,
    known,
    one_of,
)
from pytest_biasaudit.prompts.benchmarks.data import refuse
from pytest_biasaudit.tables.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_biasaudit.mitigation.data.strata import Places

    Flags = NDArray[np.bool_]

ShareOf = Literal["group", "label"]
How = Literal["resample", "remove"]
SWEEP = tuple(step / 10 for step in range(11))
"""0, 0.1, ..., 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Base:
    """Rows whose share of hits is set."""

    name: str
    """For messages and for the draw: the label, or the group."""
    hits: Places
    misses: Places


def target_rate(
    table: Table,
    *,
    rate: float,
    share: ShareOf = "group",
    attribute: str | None = None,
    group: str | None = None,
    label: str | None = None,
    terms: Sequence[str] | None = None,
    how: How = "resample",
    seed: int,
) -> Table:
    """Rows drawn so that a share is `rate` within one row.

    rate       0 to 1
    share      "group": the share of the group among the rows of a label, P(group | label), of each label when none is
               named; "label": the share of the label among the rows of the group, P(label | group)
    attribute  a declared one, or several crossed ("race*sex"); None: the table's only one. Not with `terms`
    group      a group of the attribute
    label      for "label": None is the table's positive label
    terms      tell the group by the text instead: rows with any of these whole words, in any case
    how        "resample": as many rows as there were, round(rate x rows) of them hits; where there are too few of either
               kind, all of them and more drawn with replacement. "remove": rows of the kind that there is too much of go,
               drawn without replacement, as few as bring the share nearest
    seed       the same seed takes rows in the same order at every rate: the rows of a lower rate's hits are among those
               of a higher one's

    Raises DataError with every fault: a rate that cannot be reached (no row to draw from, no row left), an unknown label,
    group or attribute.
    """
    bases, settings, counted = _bases(table, share, attribute, group, label, terms)
    places = _drawn(table, bases, rate=rate, how=how, seed=seed)
    return resampled(
        table,
        places,
        method="target_rate",
        settings={**settings, "rate": rate, "how": how},
        seed=seed,
        attribute=counted,
    )


def sweep(
    table: Table,
    *,
    rates: Sequence[float] = SWEEP,
    share: ShareOf = "group",
    attribute: str | None = None,
    group: str | None = None,
    label: str | None = None,
    terms: Sequence[str] | None = None,
    how: How = "resample",
    seed: int,
) -> tuple[Table, ...]:
    """The table at each of these rates; see `target_rate`. With one seed, tables of neighbouring rates share most rows."""
    return tuple(
        target_rate(
            table,
            rate=rate,
            share=share,
            attribute=attribute,
            group=group,
            label=label,
            terms=terms,
            how=how,
            seed=seed,
        )
        for rate in rates
    )


def counts_at(hits: int, misses: int, rate: float, how: How) -> tuple[int, int]:
    """Hits and misses after. "resample": their sum stays. "remove": neither grows.

    The share is `rate` within half a row: |hits - rate x rows| is at most 1/2.
    """
    rows = hits + misses
    if how == "resample":
        wanted = math.floor(rate * rows + 0.5)
        return wanted, rows - wanted
    if hits > rate * rows:  # so rate < 1
        return hits - math.floor((hits - rate * rows) / (1 - rate) + 0.5), misses
    if hits < rate * rows:  # so rate > 0
        return hits, misses - math.floor((rate * rows - hits) / rate + 0.5)
    return hits, misses


def _bases(
    table: Table,
    share: ShareOf,
    attribute: str | None,
    group: str | None,
    label: str | None,
    terms: Sequence[str] | None,
) -> tuple[list[_Base], dict[str, object], str | None]:
    """What is drawn from, the settings that say so, and the attribute that rows are counted by."""
    import numpy as np

    if share not in ("group", "label"):
        raise DataError(table.source, [f"share = {share!r}; it must be 'group' or 'label'"])
    labels = known(table.labels)
    there = sorted(set(labels.drop_nulls().to_list()))
    settings: dict[str, object] = {"share": share}
    counted: str | None = None
    if terms is not None:
        if attribute is not None or group is not None:
            raise DataError(table.source, ["terms and a group are both given; the group is told by one of them"])
        member, told, named = *_with_terms(table, terms), ", ".join(terms)
        settings["terms"] = tuple(terms)
    else:
        counted = chosen_attribute(table, attribute)
        groups = groups_of(table, counted)
        named = one_of(
            sorted(set(groups.drop_nulls().to_list())), group, what=f"group of {counted!r}", source=table.source
        )
        member, told = (groups == named).fill_null(False).to_numpy(), groups.is_not_null().to_numpy()
        settings |= {"attribute": counted, "group": named}
    if share == "label":
        wanted = one_of(
            there, label if label is not None else table.columns.positive, what="label", source=table.source
        )
        settings["label"] = wanted
        hit = (labels == wanted).fill_null(False).to_numpy()
        base = member & labels.is_not_null().to_numpy()
        return (
            [_Base(name=named, hits=np.flatnonzero(base & hit), misses=np.flatnonzero(base & ~hit))],
            settings,
            counted,
        )
    chosen = there if label is None else [one_of(there, label, what="label", source=table.source)]
    settings["label"] = label
    found = []
    for one in chosen:
        base = (labels == one).fill_null(False).to_numpy() & told
        found.append(_Base(name=one, hits=np.flatnonzero(base & member), misses=np.flatnonzero(base & ~member)))
    return found, settings, counted


def _with_terms(table: Table, terms: Sequence[str]) -> tuple[Flags, Flags]:
    """Which rows have any of the terms, and which have a text at all."""
    import polars as pl

    from pytest_biasaudit.tables.terms import has_any

    if not terms:
        raise DataError(table.source, ["no terms are given"])
    texts = table.texts
    found = pl.DataFrame({"text": texts}).select(has_any(pl.col("text"), tuple(terms)).fill_null(False))
    return found.to_series().to_numpy(), texts.is_not_null().to_numpy()


def _drawn(table: Table, bases: Sequence[_Base], *, rate: float, how: How, seed: int) -> Places:
    import numpy as np

    if how not in ("resample", "remove"):
        raise DataError(table.source, [f"how = {how!r}; it must be 'resample' or 'remove'"])
    if not 0 <= rate <= 1:
        raise DataError(table.source, [f"rate = {rate}; it must be a share from 0 to 1"])
    stays = np.ones(table.rows, dtype=bool)
    drawn: list[Places] = []
    faults = []
    for base in bases:
        hits, misses = counts_at(len(base.hits), len(base.misses), rate, how)
        fault = _unreachable(base, hits, misses, rate)
        if fault:
            faults.append(fault)
            continue
        for places, count, kind in ((base.hits, hits, "hits"), (base.misses, misses, "misses")):
            stays[places] = False
            if len(places):
                drawn.append(first_drawn(places, count, drawing(seed, base.name, kind)))
    refuse(table.source, faults)
    return np.concatenate([np.flatnonzero(stays), *drawn])


def _unreachable(base: _Base, hits: int, misses: int, rate: float) -> str:
    there: Mapping[str, int] = {"of the kind asked for": len(base.hits), "of the other kind": len(base.misses)}
    said = " and ".join(f"{count} {kind}" for kind, count in there.items())
    if (hits and not len(base.hits)) or (misses and not len(base.misses)):
        return f"the rate {rate} cannot be reached in {base.name!r}: it has {said}, and none is made up"
    if not hits + misses:
        return f"the rate {rate} cannot be reached in {base.name!r}: it has {said}, and no row would be left"
    return ""
