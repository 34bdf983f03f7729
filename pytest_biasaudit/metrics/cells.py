"""Which answers stand beside which: outcomes laid out as people by templates, one table a group.

May import numpy and the types of context, prompts and outcomes; knows no metric and no verdict.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.metric import GroupCells, GroupSummary
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Person

IMPLAUSIBLE = "implausible"
"""A reading whose reason begins so was parsed and lay outside the declared plausible range."""

EVERYONE = "everyone"
"""The one group there is where no attribute tells people apart."""


def crossed_groups(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of all groups, the reference first: ("white", "black"), or "white*women" and so on where attributes cross.

    groups  for each attribute its groups, the reference first; none at all gives the one group of everyone
    """
    if not groups:
        return (EVERYONE,)
    return tuple("*".join(names) for names in itertools.product(*groups))


def groups_present(
    outcomes: Iterable[Outcome], *, attributes: Sequence[str], declared: Sequence[Sequence[str]] = ()
) -> tuple[tuple[str, ...], ...]:
    """For each attribute its groups: as declared, or, where none were, as the outcomes first show them.

    A declared group stays although no outcome has it, so that what is missing is said and does not vanish.
    """
    known = dict.fromkeys([outcome.prompt.person.groups for outcome in outcomes])
    found: list[tuple[str, ...]] = []
    for position, attribute in enumerate(attributes):
        named = tuple(declared[position]) if position < len(declared) else ()
        seen = (dict(groups).get(attribute) for groups in known)
        found.append(named or tuple(dict.fromkeys(group for group in seen if group is not None)))
    return tuple(found)


def cells_of(
    outcomes: Sequence[Outcome], *, attributes: Sequence[str], groups: Sequence[Sequence[str]] = ()
) -> tuple[GroupCells, ...]:
    """One table a group, the reference group first.

    attributes  tell the groups apart; several cross into intersections ("white*women"); one of several crossed ones
                gives its margin: everyone of that group; none gives one table of everyone
    groups      for each attribute its groups in the declared order; empty for an attribute: as the outcomes show them.
                A group without outcomes has a table without rows

    Rows are people and columns templates, both sorted by id: the order in which answers came changes nothing,
    resampling included. All tables have the same columns. A cell without an answered repeat is NaN in `values` and
    `selected`.

    Raises StatisticsError when one prompt and repeat comes twice: its answer would count double.
    """
    return tuple(table for table, _ in _tables(outcomes, attributes, groups))


def cells_and_summaries(
    outcomes: Sequence[Outcome], *, attributes: Sequence[str], groups: Sequence[Sequence[str]] = ()
) -> tuple[tuple[GroupCells, ...], tuple[GroupSummary, ...]]:
    """`cells_of` and `summaries_of` in one going."""
    tables = _tables(outcomes, attributes, groups)
    return tuple(table for table, _ in tables), tuple(_summary(table, errors) for table, errors in tables)


def group_of(person: Person, attributes: Sequence[str]) -> str | None:
    """The person's group, "white*women" where attributes cross; None where the list does not say."""
    if not attributes:
        return EVERYONE
    known = dict(person.groups)
    parts = [known.get(attribute) for attribute in attributes]
    return None if None in parts else "*".join(part for part in parts if part is not None)


def summaries_of(
    outcomes: Sequence[Outcome], *, attributes: Sequence[str], groups: Sequence[Sequence[str]] = ()
) -> tuple[GroupSummary, ...]:
    """Each group in figures, in the order of `cells_of`.

    Counts are of answers. Mean, standard deviation (ddof 1), median and rate are over cells, a person and a template
    each, repeats averaged first: the same figures the metrics compare.
    """
    return cells_and_summaries(outcomes, attributes=attributes, groups=groups)[1]


def _summary(table: GroupCells, errors: int) -> GroupSummary:
    values = table.values[np.isfinite(table.values)]
    selected = table.selected[~np.isnan(table.selected)]
    asked, answered, refused = (int(counts.sum()) for counts in (table.asked, table.answered, table.refused))
    return GroupSummary(
        group=table.group,
        n=answered,
        asked=asked,
        refused=refused,
        unparseable=asked - answered - refused - errors,
        errors=errors,
        people=table.values.shape[0],
        mean=float(np.mean(values)) if values.size else None,
        sd=float(np.std(values, ddof=1)) if values.size > 1 else None,
        median=float(np.median(values)) if values.size else None,
        rate=float(np.mean(selected)) if selected.size else None,
    )


def _tables(
    outcomes: Sequence[Outcome], attributes: Sequence[str], groups: Sequence[Sequence[str]]
) -> list[tuple[GroupCells, int]]:
    """Each group's table, with how many of its answers were errors."""
    _refuse_duplicates(outcomes)
    names = crossed_groups(groups_present(outcomes, attributes=attributes, declared=groups))
    members: dict[str | None, list[Outcome]] = {name: [] for name in names}
    elsewhere: list[Outcome] = []
    # One look at a person's groups serves everyone who has the same: an audit has few groups and many answers.
    place: dict[tuple[tuple[str, str], ...], list[Outcome]] = {}
    for outcome in outcomes:
        known = outcome.prompt.person.groups
        if known not in place:
            place[known] = members.get(group_of(outcome.prompt.person, attributes), elsewhere)
        place[known].append(outcome)
    kept = {outcome.prompt.template for group in members.values() for outcome in group}
    templates = {name: column for column, name in enumerate(sorted(kept))}
    return [_table(name, members[name], templates) for name in names]


def _refuse_duplicates(outcomes: Sequence[Outcome]) -> None:
    keys = [(outcome.prompt.person_id, outcome.prompt.template, outcome.repeat) for outcome in outcomes]
    if len(set(keys)) == len(keys):
        return
    seen: set[tuple[str, str, int]] = set()
    for key, outcome in zip(keys, outcomes, strict=True):
        if key in seen:
            raise StatisticsError(
                f"one outcome a person, template and repeat is needed; {outcome.prompt.id!r} repeat {outcome.repeat} "
                f"came twice (person {key[0]!r}, template {key[1]!r})"
            )
        seen.add(key)


def _table(group: str, outcomes: Sequence[Outcome], templates: dict[str, int]) -> tuple[GroupCells, int]:
    # In order of repeat, so that the sum's rounding does not depend on the order in which answers came.
    if any(outcome.repeat for outcome in outcomes):
        outcomes = sorted(outcomes, key=lambda outcome: outcome.repeat)
    people = {name: row for row, name in enumerate(sorted({outcome.prompt.person_id for outcome in outcomes}))}
    shape = (len(people), len(templates))
    cells = np.array(
        [people[one.prompt.person_id] * len(templates) + templates[one.prompt.template] for one in outcomes],
        dtype=np.intp,
    )
    status = np.array([one.reading.status for one in outcomes], dtype=str)
    ok = status == "ok"

    def counted(chosen: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        total = np.bincount(
            cells[chosen], weights=None if weights is None else weights[chosen], minlength=shape[0] * shape[1]
        )
        return np.asarray(total, dtype=np.float64).reshape(shape)

    values = np.array([np.nan if one.reading.value is None else one.reading.value for one in outcomes], dtype=float)
    selected = np.array(
        [np.nan if one.reading.selected is None else one.reading.selected for one in outcomes], dtype=float
    )
    unread = ~ok & (status != "refused")
    unread[unread] = [
        one.reading.reason.startswith(IMPLAUSIBLE) for one, odd in zip(outcomes, unread, strict=True) if odd
    ]
    judged = ok & ~np.isnan(selected)
    answered = counted(ok)
    table = GroupCells(
        group=group,
        values=_ratio(counted(ok, values), answered),
        selected=_ratio(counted(judged, selected), counted(judged)),
        asked=counted(np.ones(len(outcomes), dtype=bool)),
        answered=answered,
        refused=counted(status == "refused"),
        implausible=counted(unread),
    )
    return table, int((status == "error").sum())


def _ratio(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Total by count, NaN where the count is 0."""
    ratio = np.full(total.shape, np.nan)
    np.divide(total, count, out=ratio, where=count > 0)
    return ratio
