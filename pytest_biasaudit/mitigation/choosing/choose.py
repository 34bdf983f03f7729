"""One set of components from the scores of two groups. Imports numpy and the types of mitigation.

What k, p and q mean for which unit is said in `choosing.settings`. Places are gone through one by one: no more than two
arrays of scores are alive at a time, whatever the model's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.cells import of_both
from pytest_biasaudit.mitigation.choosing.places import capped, in_order
from pytest_biasaudit.mitigation.choosing.reading import (
    Ranked,
    any_cell,
    choosable,
    named,
    only_choosable,
    ranked_by,
    scores_at,
)
from pytest_biasaudit.mitigation.choosing.settings import DATA_FREE, Rule, Scope, Settings, complete, counts_of
from pytest_biasaudit.mitigation.choosing.top import Chosen, cut_over, highest, highest_at
from pytest_biasaudit.mitigation.components import ComponentSet, Indices, Mode, Origin
from pytest_biasaudit.mitigation.scores import Cell, Floats, ScoreTable


def choose(
    table: ScoreTable,
    *,
    reference: str,
    group: str,
    cells: Sequence[Cell] | None = None,
    k: int | None = None,
    p: float | None = None,
    q: float | None = None,
    rule: Rule | None = None,
    scope: Scope | None = None,
    mode: Mode = "ablate",
    gap: float | None = None,
    origin: Origin | None = None,
) -> ComponentSet:
    """The components that answer to the group and not to the reference group.

    cells   the choice rests on these alone, of both groups; None: all that were scored
    k       heads (default 40), neurons: how many, over the whole model unless scope is "layer"
    p       neurons, weights (default 0.15): share of each place, unless scope is "global"; floor(p n) of n
    q       of unsigned scores under rule "difference": what is taken off for the reference group. A count with k (heads:
            default 5), a share with p (default 0.15)
    rule    "difference", "sum" or "top"; None: "difference", and "top" for magnitude and random scores, which know no
            groups. See `settings.Rule`
    gap     signed scores only, and needed there: the measured difference, group minus reference; its sign is used. Fewer
            than k are chosen where fewer carry any of it
    origin  where the scores come from; its groups, method and settings are set here

    The set may be empty, where all that scores high for the group does so for the reference too: see `count`.
    Settings that are left out are filled in as `settings.complete` says. Ties go to what stands first.

    Raises RecipeError for settings out of range, all at once, and for mode "uniform" of anything but heads; DataError for
    scores that are NaN or infinite, for a group without cells, for one group only.
    Source: methods of the pruning study (set difference per matrix, published code; heads 40 / 5, unofficial; sum of both
    groups' attention, published code). The use of signed scores is ours.
    """
    if mode not in ("ablate", "uniform") or (mode == "uniform" and table.unit != "heads"):
        valid = (
            "'ablate' and 'uniform'" if table.unit == "heads" else f"'ablate' alone, for {table.unit} have no attention"
        )
        raise RecipeError(f"choosing {table.unit} by {table.method}: mode {mode!r}: valid is {valid}")
    settings = complete(
        Settings(k=k, p=p, q=q, rule=rule, scope=scope),
        unit=table.unit,
        method=table.method,
        signed=table.signed,
        sizes=table.sizes,
    )
    assert settings.rule is not None
    assert settings.scope is not None
    of_reference, of_group = _cells(table, cells, reference, group)
    ranked = ranked_by(table, settings.rule, of_reference, of_group, gap)

    amount = settings.k if settings.k is not None else settings.p
    assert amount is not None
    places = in_order(table.sizes)
    kept = _highest(table, places, ranked, amount, settings.scope)
    if settings.q is not None:
        less = _highest(table, places, lambda place: scores_at(table, place, of_reference), settings.q, settings.scope)
        pairs = ((place, one & ~other) for (place, one), (_, other) in zip(kept, less, strict=True))
    else:
        pairs = ((place, one) for place, one in kept)
    chosen = {place: numbers for place, found in pairs if len(numbers := _numbers(found))}
    return ComponentSet(
        unit=table.unit,
        mode=mode,
        chosen=chosen,
        sizes=dict(table.sizes),
        origin=None if origin is None else _with(origin, settings, table, (reference, group), gap),
    )


def choose_by(
    table: ScoreTable,
    settings: Settings,
    *,
    reference: str,
    group: str,
    cells: Sequence[Cell] | None = None,
    mode: Mode = "ablate",
    gap: float | None = None,
    origin: Origin | None = None,
) -> ComponentSet:
    """`choose`, with its settings in one: as a search tries them."""
    return choose(
        table,
        reference=reference,
        group=group,
        cells=cells,
        k=settings.k,
        p=settings.p,
        q=settings.q,
        rule=settings.rule,
        scope=settings.scope,
        mode=mode,
        gap=gap,
        origin=origin,
    )


def _cells(
    table: ScoreTable, cells: Sequence[Cell] | None, reference: str, group: str
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    if table.method in DATA_FREE:
        return (any_cell(table),), (any_cell(table),)
    lent = table.cells if cells is None else tuple(dict.fromkeys(cells))
    there = frozenset(table.cells)
    unknown = [f"{cell} was not scored" for cell in lent if cell not in there]
    if unknown:
        raise DataError(named(table), capped(unknown))
    return of_both(lent, reference=reference, group=group, what=named(table))


def _highest(
    table: ScoreTable, places: Sequence[str], ranked: Ranked, amount: float, scope: Scope
) -> Iterator[tuple[str, Chosen]]:
    """Place by place, which are the highest; never one that must not be chosen."""
    counts = counts_of(amount, table.sizes, scope)
    if scope == "layer":
        for place in places:
            yield place, _highest_there(ranked(place), counts[place])
        return
    count = min(counts[""], choosable(table, ranked)) if table.signed else counts[""]
    yield from highest_at(places, ranked, cut_over(places, ranked, count))


def _highest_there(figures: Floats, count: int) -> Chosen:
    # A function of its own, so that the scores are gone when the next are made.
    return only_choosable(figures, highest(figures, count))


def _numbers(found: Chosen) -> Indices:
    return np.flatnonzero(found).astype(np.int64, copy=False)


def _with(origin: Origin, settings: Settings, table: ScoreTable, groups: tuple[str, str], gap: float | None) -> Origin:
    written = dict(settings.written)
    if table.signed and gap is not None:
        written["gap"] = 1 if gap > 0 else -1
    return replace(origin, groups=groups, method=table.method, settings=tuple(sorted(written.items())))
