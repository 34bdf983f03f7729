"""How big, of a corpus: a group's share of one label beside its share of all. Imports numpy and stats.

Every group has such a figure, the reference too: nothing is compared with the reference here. A row counts where its group
is known and it has a label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.known_rows import KnownRows, figure, known_rows, no_label
from pytest_biasaudit.stats.linked_shares import pair
from pytest_biasaudit.stats.part_of_whole import PartOfWhole, log_ratio
from pytest_biasaudit.stats.part_of_whole import gap as part_gap
from pytest_biasaudit.tables.tally import Tally

HALF = 0.5
"""Rows added to each cell of the table of two by two where one cell is empty (Haldane 1956)."""


def share_gap(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(group | label) - P(group), label by label and group by group. `seed` is not used.

    The interval knows that the rows of the label are among all rows. p is of group and label being independent.
    """

    def gap(both: PartOfWhole) -> Measured:
        return figure(part_gap(both, level=level), level=level, clusters=both.part.clustered)

    return tuple(_of_each_group(tally, attributes, label, minimum, gap))


def pmi(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Logarithm of P(group, label) / (P(group) P(label)), in nats: of P(group | label) over P(group).

    Where no row has both, the value is that of the table with half a row more in each cell, and the lower end is minus
    infinity. p is of group and label being independent. `seed` is not used.
    """

    def information(both: PartOfWhole) -> Measured:
        found, reason = log_ratio(both, level=level), ""
        if both.with_whole.first.hits == 0:
            label_rows, group_rows, rows = both.part.hits, both.with_whole.second.hits, both.with_whole.second.n
            value = math.log(HALF * (rows + 4 * HALF) / ((group_rows + 2 * HALF) * (label_rows + 2 * HALF)))
            found = replace(found, value=min(value, found.high))
            reason = (
                "no row has both: the value is that of half a row more in each cell, and nothing bounds it from below"
            )
        return figure(found, level=level, clusters=both.part.clustered, reason=reason)

    return tuple(_of_each_group(tally, attributes, label, minimum, information))


def _of_each_group(
    tally: Tally,
    attributes: Sequence[str],
    label: str | None,
    minimum: int,
    measure: Callable[[PartOfWhole], Measured],
) -> Iterator[Compared]:
    lacking = no_label(tally)
    yield from lacking
    if lacking:
        return
    rows = known_rows(tally, attributes)
    for name in tally.looked_at(label):
        of_label = rows.has(name) & rows.known
        for at, title in enumerate(rows.titles):
            measured, rate = _measured(rows, name, at, minimum, measure)
            yield Compared(groups=(title,), label=name, measured=measured, by_group=(rows.summary(at, of_label, rate),))


def _measured(
    rows: KnownRows, label: str, at: int, minimum: int, measure: Callable[[PartOfWhole], Measured]
) -> tuple[Measured, float | None]:
    of_label, group = rows.has(label) & rows.known, rows.inside[:, at]
    reason = rows.too_few(of_label, f"with the label {label!r} and a group", minimum) or rows.too_few(
        group & rows.known, f"of {rows.titles[at]!r} with a label", minimum
    )
    if reason:
        return nothing(reason), None
    if not rows.tally.count[rows.known & ~of_label].sum():
        return nothing(f"every row has the label {label!r}: group and label cannot go together more or less"), None
    if not rows.tally.count[rows.known & ~group].sum():
        return nothing(f"every row is of {rows.titles[at]!r}: group and label cannot go together more or less"), None
    count, cluster = rows.tally.count, rows.tally.cluster
    rest = rows.known & ~of_label
    both = PartOfWhole(
        with_whole=pair((group, group), (of_label, rows.known), count, cluster),
        with_rest=pair((group, group), (of_label, rest), count, cluster),
        part=rows.share(of_label, rows.known),
    )
    return measure(both), both.with_whole.first.rate
