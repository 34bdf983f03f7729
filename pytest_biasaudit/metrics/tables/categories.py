"""How many of each category a classifier chooses, or scores above the middle, in the form of New York City's Local Law 144.

Every category and every intersection is a row, however small; nothing is left out in silence. It is the form alone: an audit
under that law is made by an independent auditor, and this is none. Imports numpy; knows tallies.

Source: 6 RCNY 5-300 and 5-301. Selection rate: chosen, over all of the category. Scoring rate: those who score above the
median of the whole sample, over all of the category. Impact ratio: the category's rate over the highest category's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.tables.alike import alike
from pytest_biasaudit.tables.tally import CROSSED, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rate = Literal["selection", "scoring"]
SMALL_SHARE = 0.02
"""Below this share of the sample a category may be left out of the ratios, with a reason given: it is marked, not dropped."""


@dataclass(frozen=True, kw_only=True)
class Category:
    """One category of people: one row of the form."""

    name: str
    """A group, or several joined by "*"."""
    number: int
    """Rows of the category for which a prediction (a score) came: what the rate is over."""
    unanswered: int
    """Its rows for which none came."""
    chosen: int
    """Of `number`: predicted positive; or scored above the median."""
    share: float
    """All rows of the category, over all rows of the table: 0 to 1."""
    rate: float | None
    """`chosen` over `number`; None where `number` is 0."""
    impact_ratio: float | None
    """`rate` over the highest rate of the form; None where there is none to compare with, or it was left out."""
    small: bool
    """`share` is above 0 and below `SMALL_SHARE`."""
    left_out: str
    """The owner's reason for keeping it out of the ratios; "" where it is in them."""
    reason: str
    """Why rate or ratio is None; "" where both are there."""


@dataclass(frozen=True, kw_only=True)
class Categories:
    """One form: an attribute, or several crossed, and one kind of rate."""

    attributes: tuple[str, ...]
    of: Rate
    label: str
    """The label that counts as chosen."""
    rows: tuple[Category, ...]
    """In the order of the groups, every intersection; those without a row of the table too."""
    unknown: int
    """Rows of the table whose category is not known, or that are of none."""
    total: int
    """Rows of the table."""
    median: float | None
    """Of "scoring": the score that half of the whole sample lies above; None of "selection"."""
    overlapping: bool
    """A row may be of several categories: numbers need not add up to the total."""

    @property
    def lowest(self) -> float | None:
        """The lowest impact ratio; None where there is none."""
        ratios = [row.impact_ratio for row in self.rows if row.impact_ratio is not None]
        return min(ratios) if len(ratios) > 1 else None


def all_categories(tally: Tally) -> tuple[Categories, ...]:
    """Every form the table can fill: each attribute and each pair of them, by selection, and by score where there is one.

    Attributes told by terms in a text are not crossed: they say what a text is about, not who somebody is. Empty where no
    positive label is declared: then nobody is chosen.
    """
    if tally.positive is None:
        return ()
    people = [attribute.name for attribute in tally.attributes if not attribute.overlapping]
    ways = [(attribute.name,) for attribute in tally.attributes] + list(combinations(people, 2))
    kinds: list[Rate] = []
    if tally.prediction is not None:
        kinds.append("selection")
    if tally.score is not None:
        kinds.append("scoring")
    return tuple(categories(tally, way, of=kind) for kind in kinds for way in ways)


def categories(tally: Tally, attributes: Sequence[str], *, of: Rate) -> Categories:
    """The form for these attributes crossed.

    Raises StatisticsError where no positive label is declared, or where there are no predictions, or no scores.
    """
    label = tally.positive
    if label is None:
        raise StatisticsError("no positive label is declared, so nobody is chosen; give `positive` in [audit.columns]")
    median = None
    if of == "scoring":
        if tally.score is None:
            raise StatisticsError("the table has no scores; name their column in [audit.columns] score")
        heard, chosen, median = above_median(tally.score, tally.count)
    else:
        if tally.prediction is None:
            raise StatisticsError("nothing is predicted in this table")
        heard = tally.prediction >= 0
        chosen = tally.prediction == (tally.labels.index(label) if label in tally.labels else -2)
    # Rows that differ in nothing else are one cell: a table of scores has nearly as many cells as rows.
    tally = alike(replace(tally, prediction=np.where(heard, chosen.astype(np.int64), -1)), attributes)
    assert tally.prediction is not None
    heard, chosen, count = tally.prediction >= 0, tally.prediction == 1, tally.count
    names, reasons, inside = _every_category(tally, attributes)
    sizes = np.array([[int(count[of_it & which].sum()) for which in (heard, heard & chosen)] for of_it in inside.T])
    everyone = [int(count[of_it].sum()) for of_it in inside.T]
    rates = [int(picked) / int(number) if number else None for number, picked in sizes]
    compared = [rate for rate, reason in zip(rates, reasons, strict=True) if rate is not None and not reason]
    highest = max(compared, default=0.0)
    total = tally.rows
    rows = []
    for name, reason, rate, size, rows_of_it in zip(names, reasons, rates, sizes, everyone, strict=True):
        why = _why(rate, highest, of)
        share = rows_of_it / total if total else 0.0
        rows.append(
            Category(
                name=name,
                number=int(size[0]),
                unanswered=rows_of_it - int(size[0]),
                chosen=int(size[1]),
                share=share,
                rate=rate,
                impact_ratio=None if why or reason or rate is None else rate / highest,
                small=0.0 < share < SMALL_SHARE,
                left_out=reason,
                reason=why,
            )
        )
    return Categories(
        attributes=tuple(attributes),
        of=of,
        label=label,
        rows=tuple(rows),
        unknown=int(count[~inside.any(axis=1)].sum()),
        total=total,
        median=median,
        overlapping=any(tally.attribute(name).overlapping for name in attributes),
    )


def above_median(
    score: NDArray[np.float64], count: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float | None]:
    """Which cells have a score, which of them lie above the median of all rows that have one, and that median.

    The median of an even number of rows is the mean of the two in the middle. None where no row has a score.
    """
    heard = np.isfinite(score) & (count > 0)
    if not heard.any():
        return heard, heard, None
    order = np.argsort(score[heard], kind="stable")
    values, upto = score[heard][order], np.cumsum(count[heard][order])
    rows = int(upto[-1])
    low, high = np.searchsorted(upto, [(rows - 1) // 2, rows // 2], side="right")
    median = float(values[low] + (values[high] - values[low]) / 2.0)
    return heard, heard & (np.where(heard, score, -np.inf) > median), median


def _every_category(tally: Tally, attributes: Sequence[str]) -> tuple[list[str], list[str], NDArray[np.bool_]]:
    """Names, the owner's reasons for leaving out, and which cells are of each: left-out groups are here too."""
    chosen = [tally.attribute(name) for name in attributes]
    tables = [tally.members[tally.attributes.index(one)] for one in chosen]
    names, reasons, inside = [], [], []
    for places in product(*(range(len(one.groups)) for one in chosen)):
        groups = [one.groups[at] for one, at in zip(chosen, places, strict=True)]
        names.append(CROSSED.join(groups))
        said = [dict(one.left_out).get(group, "") for one, group in zip(chosen, groups, strict=True)]
        reasons.append("; ".join(reason for reason in said if reason))
        inside.append(np.logical_and.reduce([table[:, at] for table, at in zip(tables, places, strict=True)]))
    return names, reasons, np.stack(inside, axis=1)


def _why(rate: float | None, highest: float, of: Rate) -> str:
    if rate is None:
        return f"no row of it has a {'prediction' if of == 'selection' else 'score'}"
    if highest == 0.0:
        return "nobody of any category was chosen" if of == "selection" else "nobody scores above the median"
    return ""
