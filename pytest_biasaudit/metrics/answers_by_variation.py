"""Which answers stand beside which: outcomes of several variations as people by variations, two groups, two models.

May import numpy and the types of outcomes. Unlike `metrics.cells` a variation here may be of any audit: the columns are the
variations by name, and rows are the people of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.cells import IMPLAUSIBLE
from pytest_biasaudit.outcomes.outcome import Outcome

Floats = NDArray[np.float64]
Person = tuple[int, str]
"""Which group (0 the reference), and the person's id."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One model's answers about the people of one group: arrays of (people, variations)."""

    values: Floats
    """Mean over the answered repeats; NaN where none was."""
    asked: Floats
    answered: Floats
    """With a value."""
    read: Floats
    """With a number, plausible or not."""
    inliers: Floats
    """With a value within the bounds of the variation."""


def answers_of(
    sides: Sequence[Mapping[str, Sequence[Outcome]]],
    *,
    attribute: str,
    groups: tuple[str, str],
    selected: bool,
    quantiles: tuple[float, float],
) -> list[tuple[Answers, Answers]]:
    """For each model its answers about the reference group and the group; the same people in the same rows in all models.

    sides      outcomes by variation, a mapping a model, the same names in each; inliers lie between the `quantiles` of the last
               model's values, of both groups together and each answer counted
    selected   the answer is whether the favourable option was chosen, and not its value

    A person is known by id within a group; rows are in order of id, so that the order of answers changes nothing. Raises
    StatisticsError where a variation has more than one wording, one prompt and repeat comes twice, or `selected` is of answers
    that choose nothing.
    """
    names = list(sides[0])
    rows: tuple[dict[str, int], dict[str, int]] = ({}, {})
    kept: list[list[list[tuple[int, Outcome]]]] = []
    for side in sides:
        kept.append([_of_groups(name, side[name], attribute, groups) for name in names])
    for number in (0, 1):
        found = {one.prompt.person_id for side in kept for few in side for group, one in few if group == number}
        rows[number].update({person: row for row, person in enumerate(sorted(found))})
    bounds = [_bounds(few, quantiles) for few in kept[-1]]
    made = []
    for lists in kept:
        tables = [np.zeros((5, len(rows[number]), len(names))) for number in (0, 1)]
        for column, few in enumerate(lists):
            low, high = bounds[column]
            for number, one in few:
                at = tables[number][:, rows[number][one.prompt.person_id], column]
                reading = one.reading
                at[1] += 1.0
                if reading.status == "ok" and reading.value is not None:
                    if selected and reading.selected is None:
                        raise StatisticsError(
                            f"variation {names[column]!r}: the answer to {one.prompt.id!r} chose no option, so no rate of "
                            "choosing is defined; a rate is of outcomes of kind choice or yes-no"
                        )
                    at[0] += float(bool(reading.selected)) if selected else reading.value
                    at[2] += 1.0
                    at[3] += 1.0
                    at[4] += low <= reading.value <= high
                elif reading.reason.startswith(IMPLAUSIBLE):
                    at[3] += 1.0
        made.append((_answers(tables[0]), _answers(tables[1])))
    return made


def _of_groups(
    name: str, outcomes: Sequence[Outcome], attribute: str, groups: tuple[str, str]
) -> list[tuple[int, Outcome]]:
    """Those of the two groups, each with which it is, in order of repeat: sums then do not depend on the order they came."""
    number = {group: at for at, group in enumerate(groups)}
    few = []
    for one in outcomes:
        group = number.get(dict(one.prompt.person.groups).get(attribute, ""))
        if group is not None:
            few.append((group, one))
    wordings = {one.prompt.template for _, one in few}
    if len(wordings) > 1:
        raise StatisticsError(
            f"variation {name!r} has {len(wordings)} wordings ({', '.join(sorted(wordings)[:3])}); give each as a variation"
        )
    if len({(one.prompt.person_id, one.repeat, group) for group, one in few}) < len(few):
        raise StatisticsError(f"variation {name!r} has one person's answer to the same repeat twice")
    return sorted(few, key=lambda pair: pair[1].repeat) if any(one.repeat for _, one in few) else few


def _bounds(few: Sequence[tuple[int, Outcome]], quantiles: tuple[float, float]) -> tuple[float, float]:
    values = [one.reading.value for _, one in few if one.reading.status == "ok" and one.reading.value is not None]
    if not values:
        return np.nan, np.nan  # nothing lies between
    low, high = np.quantile(np.array(values), quantiles)
    return float(low), float(high)


def _answers(table: Floats) -> Answers:
    total, asked, answered, read, inliers = table
    values = np.full(total.shape, np.nan)
    np.divide(total, answered, out=values, where=answered > 0)
    return Answers(values=values, asked=asked, answered=answered, read=read, inliers=inliers)
