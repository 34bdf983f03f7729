"""How big, of a corpus: attribute words near the terms of one group beside another's. Imports numpy and stats.

Counted by rows: occurrences within one text are not independent. Where rows come in clusters, the rows of one are taken to
be all alike. Rows with terms of two groups are in both shares; such shares mostly rise and fall together, so the interval,
which takes them to be apart, is mostly too wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.known_rows import figure, known_rows, rows_summary
from pytest_biasaudit.metrics.tables.make_up import all_alike
from pytest_biasaudit.stats.linked_shares import Pair, Share, ratio
from pytest_biasaudit.stats.part_of_whole import PartOfWhole, log_ratio
from pytest_biasaudit.tables.tally import Tally


def word_rate_ratio(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(word near | row with a term of the group) over the reference's, list by list. `seed` is not used.

    The `label` of each comparison is the name of the list of words.
    """

    def of_rates(shares: Sequence[Share], at: int, words: str) -> Measured:
        both = Pair(first=shares[at], second=shares[0])
        if both.second.hits == 0:
            return nothing(f"no row of the reference has one of {words!r} near its terms: the ratio is not defined")
        return figure(ratio(both, level=level), level=level, clusters=both.first.clustered)

    return tuple(_by_list(tally, attributes, label, minimum, range_from=1, measure=of_rates))


def word_pmi(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Logarithm of P(word near | row with a term of the group) over the same for all groups, in nats, by list.

    Where no row of the group has a word near, the value is that of half a row more, and the lower end is minus infinity.
    `seed` is not used.
    """

    def information(shares: Sequence[Share], at: int, words: str) -> Measured:
        mine, whole = shares[at], _together(shares)
        if whole.hits == 0:
            return nothing(f"no row has one of {words!r} near a term: nothing goes together")
        rest = _together([share for place, share in enumerate(shares) if place != at])
        # The group's rows are among all: the covariance is the variance of its share times its part of all rows.
        spread = whole.rate * (1.0 - whole.rate) * whole.n
        rho = math.sqrt(mine.rate * (1.0 - mine.rate) * mine.n / spread) if spread > 0.0 else 0.0
        both = PartOfWhole(
            with_whole=Pair(first=mine, second=whole, correlation=rho),
            with_rest=Pair(first=mine, second=rest),
            part=Share(hits=mine.n, n=whole.n, units=whole.units, worth=whole.worth, df=whole.df),
        )
        found, reason = log_ratio(both, level=level), ""
        if mine.hits == 0:
            value = math.log(0.5 / (mine.n + 1.0)) - math.log(whole.rate)
            found = replace(found, value=min(value, found.high))
            reason = "no row has both: the value is that of half a row more, and nothing bounds it from below"
        return figure(found, level=level, clusters=mine.clustered, reason=reason)

    return tuple(_by_list(tally, attributes, label, minimum, range_from=0, measure=information))


def _by_list(
    tally: Tally,
    attributes: Sequence[str],
    label: str | None,
    minimum: int,
    *,
    range_from: int,
    measure: Callable[[Sequence[Share], int, str], Measured],
) -> Iterator[Compared]:
    """Each list of words and each group: against the reference, which is then no group of its own, or against all."""
    name = "*".join(attributes)
    here = [one for one in tally.near if one.attribute == name]
    lists = tuple(dict.fromkeys(one.words for one in here))
    if not lists:
        why = "groups are told by terms" if len(attributes) == 1 else "groups of one attribute are looked at"
        yield Compared(
            groups=(), measured=nothing(f"{name}: words near terms are counted where {why} and the audit names words")
        )
        return
    if label is not None:
        yield Compared(
            groups=(), label=label, measured=nothing("words near terms are counted over all labels together")
        )
        return
    rows = known_rows(tally, attributes)
    for words in lists:
        found = {one.group: one for one in here if one.words == words}
        near = [found[title] for title in rows.titles]
        units = [rows.units(rows.inside[:, at]) for at in range(len(near))]
        for at in range(range_from, len(near)):
            shown = (0, at) if range_from else (at,)
            reason = next(
                filter(
                    None,
                    (rows.too_few(rows.inside[:, i], f"with a term of {rows.titles[i]!r}", minimum) for i in shown),
                ),
                "",
            )
            if not reason and len(near) < 2:
                reason = "there is one group only"
            if reason:
                measured = nothing(reason)
            else:
                shares = [
                    all_alike(tally, rows.inside[:, i], hits=one.near_rows, n=one.rows, units=units[i])
                    for i, one in enumerate(near)
                    if one.rows
                ]
                place = sum(1 for one in near[:at] if one.rows)
                measured = measure(shares, place, words)
            yield Compared(
                groups=tuple(rows.titles[i] for i in shown),
                label=words,
                measured=measured,
                by_group=tuple(
                    rows_summary(
                        rows.titles[i],
                        n=near[i].rows,
                        asked=near[i].rows,
                        units=units[i],
                        rate=near[i].near_rows / near[i].rows if near[i].rows else None,
                    )
                    for i in shown
                ),
            )


def _together(shares: Sequence[Share]) -> Share:
    hits, n = sum(share.hits for share in shares), sum(share.n for share in shares)
    return Share(
        hits=hits,
        n=n,
        units=sum(share.units for share in shares),
        worth=sum(share.worth for share in shares),
        df=sum(share.df for share in shares),
    )
