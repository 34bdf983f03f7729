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
    people = {outcome.prompt.person_id: outcome.prompt.person for outcome in outcomes}.values()
    found: list[tuple[str, ...]] = []
    for position, attribute in enumerate(attributes):
        named = tuple(declared[position]) if position < len(declared) else ()
        seen = (dict(person.groups).get(attribute) for person in people)
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
    _refuse_duplicates(outcomes)
    names = crossed_groups(groups_present(outcomes, attributes=attributes, declared=groups))
    members: dict[str, list[Outcome]] = {name: [] for name in names}
    for outcome in outcomes:
        name = group_of(outcome.prompt.person, attributes)
        if name in members:
            members[name].append(outcome)
    kept = [outcome for group in members.values() for outcome in group]
    templates = {name: column for column, name in enumerate(sorted({outcome.prompt.template for outcome in kept}))}
    return tuple(_table(name, members[name], templates) for name in names)


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
    summaries = []
    for table in cells_of(outcomes, attributes=attributes, groups=groups):
        own = [outcome for outcome in outcomes if group_of(outcome.prompt.person, attributes) == table.group]
        status = [outcome.reading.status for outcome in own]
        values = table.values[np.isfinite(table.values)]
        selected = table.selected[~np.isnan(table.selected)]
        summaries.append(
            GroupSummary(
                group=table.group,
                n=status.count("ok"),
                asked=len(own),
                refused=status.count("refused"),
                unparseable=status.count("unparseable"),
                errors=status.count("error"),
                people=table.values.shape[0],
                mean=float(np.mean(values)) if values.size else None,
                sd=float(np.std(values, ddof=1)) if values.size > 1 else None,
                median=float(np.median(values)) if values.size else None,
                rate=float(np.mean(selected)) if selected.size else None,
            )
        )
    return tuple(summaries)


def _refuse_duplicates(outcomes: Sequence[Outcome]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for outcome in outcomes:
        key = (outcome.prompt.person_id, outcome.prompt.template, outcome.repeat)
        if key in seen:
            raise StatisticsError(
                f"one outcome a person, template and repeat is needed; {outcome.prompt.id!r} repeat {outcome.repeat} "
                f"came twice (person {key[0]!r}, template {key[1]!r})"
            )
        seen.add(key)


def _table(group: str, outcomes: Sequence[Outcome], templates: dict[str, int]) -> GroupCells:
    people = {name: row for row, name in enumerate(sorted({outcome.prompt.person_id for outcome in outcomes}))}
    shape = (len(people), len(templates))
    counts = {name: np.zeros(shape) for name in ("asked", "ok", "refused", "implausible", "judged")}
    total, chosen = np.zeros(shape), np.zeros(shape)
    # In order of repeat, so that the sum's rounding does not depend on the order in which answers came.
    for outcome in sorted(outcomes, key=lambda outcome: outcome.repeat):
        cell = people[outcome.prompt.person_id], templates[outcome.prompt.template]
        reading = outcome.reading
        counts["asked"][cell] += 1
        if reading.status == "ok":
            counts["ok"][cell] += 1
            total[cell] += np.nan if reading.value is None else reading.value
            if reading.selected is not None:
                counts["judged"][cell] += 1
                chosen[cell] += reading.selected
        elif reading.status == "refused":
            counts["refused"][cell] += 1
        elif reading.reason.startswith(IMPLAUSIBLE):
            counts["implausible"][cell] += 1
    return GroupCells(
        group=group,
        values=_ratio(total, counts["ok"]),
        selected=_ratio(chosen, counts["judged"]),
        asked=counts["asked"],
        answered=counts["ok"],
        refused=counts["refused"],
        implausible=counts["implausible"],
    )


def _ratio(total: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Total by count, NaN where the count is 0."""
    ratio = np.full(total.shape, np.nan)
    np.divide(total, count, out=ratio, where=count > 0)
    return ratio
