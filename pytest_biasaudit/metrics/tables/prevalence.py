"""How big, of a corpus: how often a label goes with a group, beside the reference. Imports numpy and stats.

A row counts where its group is known and it has a label. A row that is of two groups, by terms, counts in both, and the
interval knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_biasaudit.metrics.metric import Compared, Measured, nothing
from pytest_biasaudit.metrics.tables.known_rows import KnownRows, figure, known_rows, no_label
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.linked_shares import Pair, difference, pair, ratio
from pytest_biasaudit.stats.log_odds import PRIOR_ROWS, log_odds_interval
from pytest_biasaudit.stats.two_proportions import MIDP, MIDP_CLUSTERED
from pytest_biasaudit.tables.tally import Tally


def prevalence_gap(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(label | group) - P(label | reference), label by label and group by group. `seed` is not used.

    Interval from the two shares' own limits (Zou and Donner 2008); p is Fisher's mid-p where rows are independent.
    """

    def gap(both: Pair, _rows: KnownRows, _label: str) -> Measured:
        return figure(difference(both, level=level), level=level, clusters=both.first.clustered)

    return tuple(_against_reference(tally, attributes, label, minimum, gap))


def cooccurrence_rate_ratio(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """P(label | group) over P(label | reference), label by label and group by group. `seed` is not used.

    Not defined where no row of the reference has the label; the reason then gives the end that there is.
    """

    def of_rates(both: Pair, rows: KnownRows, label: str) -> Measured:
        if both.second.hits == 0:
            if both.first.hits == 0:
                return nothing(
                    f"no row of either group has the label {label!r}: a ratio of two rates of 0 is not defined"
                )
            return nothing(
                f"no row of {rows.titles[0]!r} has the label {label!r}, so the ratio is infinite; the lower end of its "
                f"{level:.0%} interval is {ratio(both, level=level).low:.3g}. prevalence_gap is defined"
            )
        return figure(ratio(both, level=level), level=level, clusters=both.first.clustered)

    return tuple(_against_reference(tally, attributes, label, minimum, of_rates))


def log_odds(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Monroe, Colaresi and Quinn's log odds of the label, group less reference, shrunk by a prior of one row.

    The prior shares `PRIOR_ROWS` rows over the labels as all labelled rows of known group are. Not defined for a label that
    no such row has, or that all of them have: the prior then knows one answer only. `seed` is not used.
    """

    def shrunk(both: Pair, rows: KnownRows, label: str) -> Measured:
        whole = rows.share(rows.has(label), rows.known)
        if whole.hits in (0, whole.n):
            some = "no" if whole.hits == 0 else "every"
            return nothing(f"{some} row has the label {label!r}: the odds are not defined")
        found = log_odds_interval(both, prior=PRIOR_ROWS * whole.rate, prior_rows=PRIOR_ROWS, level=level)
        clusters = both.first.clustered
        return Measured(
            value=found.value,
            interval=Interval(low=found.low, high=found.high, level=level, method=MIDP_CLUSTERED if clusters else MIDP),
            p=difference(both, level=level).p,
        )

    return tuple(_against_reference(tally, attributes, label, minimum, shrunk))


def _against_reference(
    tally: Tally,
    attributes: Sequence[str],
    label: str | None,
    minimum: int,
    measure: Callable[[Pair, KnownRows, str], Measured],
) -> Iterator[Compared]:
    """Each label and each group against the reference, or the reason why not."""
    lacking = no_label(tally)
    yield from lacking
    if lacking:
        return
    rows = known_rows(tally, attributes)
    for name in tally.looked_at(label):
        hit = rows.has(name)
        reference = rows.inside[:, 0] & rows.labelled
        for at in range(1, len(rows.titles)):
            group = rows.inside[:, at] & rows.labelled
            reason = rows.too_few(reference, f"of {rows.titles[0]!r} with a label", minimum) or rows.too_few(
                group, f"of {rows.titles[at]!r} with a label", minimum
            )
            if reason:
                rates: tuple[float | None, float | None] = (None, None)
                measured = nothing(reason)
            else:
                both = pair((hit, hit), (group, reference), tally.count, tally.cluster)
                rates = (both.second.rate, both.first.rate)
                measured = measure(both, rows, name)
            yield Compared(
                groups=(rows.titles[0], rows.titles[at]),
                label=name,
                measured=measured,
                by_group=(rows.summary(0, reference, rates[0]), rows.summary(at, group, rates[1])),
            )
