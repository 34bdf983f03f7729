"""How far the error rates of groups lie from the rate over all rows, added up over the groups.

Uses numpy and `stats.sum_of_gaps`; knows tallies.

    FPED = sum_t |FPR - FPR_t|,   FNED = sum_t |FNR - FNR_t|

FPR and FNR are over all rows, those of group t and those of no group included. Source: Dixon, Li, Sorensen, Thain and Vasserman
2018 ("false positive equality difference"). Later papers call the first sum FPRD.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.tables.alike import alike
from pytest_biasaudit.metrics.tables.scored_rows import NEGATIVE, POSITIVE, Side, figure, predicted_rows, unmeasured
from pytest_biasaudit.stats.sum_of_gaps import count_hits, sum_of_gaps
from pytest_biasaudit.tables.tally import Tally

METHOD = "signs and simulated errors"
SHOWN = 5
"""Groups that a reason names, at most."""


def fped(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """One sum over all groups, for each label that is looked at: of rows that are not of it, how many were given it."""
    return tuple(
        _equality_difference(tally, attributes, one, level, seed, minimum, positive=False)
        for one in tally.looked_at(label)
    )


def fned(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """One sum over all groups, for each label that is looked at: of rows that are of it, how many were not given it."""
    return tuple(
        _equality_difference(tally, attributes, one, level, seed, minimum, positive=True)
        for one in tally.looked_at(label)
    )


def _equality_difference(
    tally: Tally, attributes: Sequence[str], label: str, level: float, seed: int, minimum: int, *, positive: bool
) -> Compared:
    tally = alike(tally, attributes)
    rows, reason = predicted_rows(tally, attributes, label=label)
    if rows is None or tally.prediction is None:
        return unmeasured(reason, label=label)
    if len(rows.titles) < 2:
        return unmeasured("a sum over groups needs 2 or more of them", label=label)
    side = Side(whose="subgroup", positive=positive)
    groups = range(len(rows.titles))
    lacking = [reason for at in groups if (reason := rows.lacking(at, (side,), minimum))]
    if lacking:
        # A sum without some of its terms is smaller, so it would pass the more easily the less is known.
        said = "; ".join(lacking[:SHOWN]) + (f"; and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else "")
        by_group = tuple(rows.summary(at, (side,), None) for at in groups)
        return unmeasured(
            f"{len(lacking)} of {len(rows.titles)} groups cannot be measured, and the sum is over all of them: {said} "
            "(leave_out takes a group out of the sum, with a reason)",
            label=label,
            by_group=by_group,
        )
    used = np.flatnonzero(rows.status == (POSITIVE if positive else NEGATIVE))
    wrong = (tally.prediction[used] == tally.labels.index(label)) != positive
    hits = count_hits(
        wrong, rows.inside[used], tally.count[used], None if tally.cluster is None else tally.cluster[used]
    )
    found = sum_of_gaps(hits, level=level, seed=seed)
    lowest, highest = int(np.argmin(hits.rates)), int(np.argmax(hits.rates))
    return Compared(
        groups=(rows.titles[lowest], rows.titles[highest]),
        label=label,
        measured=figure(found.value, (found.low, found.high), level=level, method=METHOD, rows=rows, p=found.p),
        by_group=tuple(rows.summary(at, (side,), float(hits.rates[at])) for at in groups),
    )
