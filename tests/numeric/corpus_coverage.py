"""How often the intervals of a corpus's figures hold the truth: counted over every table that can come, not sampled.

Run: python -m tests.numeric.corpus_coverage
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from scipy.stats import binom

from pytest_biasaudit.metrics.metric import Measured
from pytest_biasaudit.metrics.tables.corpus import METRICS
from tests.corpus_tables import corpus_tally

BY_NAME = {metric.name: metric for metric in METRICS}
LEVEL = 0.95
SIZES = ((5, 5), (5, 20), (20, 5), (20, 20), (50, 5), (5, 50), (50, 20))
RATES = ((0.02, 0.02), (0.02, 0.2), (0.05, 0.5), (0.5, 0.05), (0.3, 0.3), (0.5, 0.2), (0.95, 0.95), (0.98, 0.6))
AGAINST_REFERENCE = ("prevalence_gap", "cooccurrence_rate_ratio", "log_odds")
OF_EACH_GROUP = ("share_gap", "pmi")
SPLITS = ((10, 0.5), (10, 0.2), (24, 0.5), (24, 0.85))
"""Rows in all, and the share of the second group: the sizes of the groups then come by chance too."""

Table = tuple[int, int, int, int]
"""Rows of the reference, of the group; with the label among each."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How one interval does where the truth is known."""

    metric: str
    cell: str
    measured: float
    """Chance of there being a value at all."""
    covers: float
    """Chance that the interval holds the truth, where there is one."""
    wrong: float
    """Chance of an interval that does not hold it, of all tables."""
    alarms: float
    """Chance of p at or under 1 - level."""


@cache
def of_table(name: str, table: Table) -> Measured:
    """The figure of the group."""
    n_r, n_g, hits_r, hits_g = table
    tally = corpus_tally(
        [("men", "1", hits_r), ("men", "0", n_r - hits_r), ("women", "1", hits_g), ("women", "0", n_g - hits_g)]
    )
    metric = BY_NAME[name]
    assert metric.of_table is not None
    found = metric.of_table(tally, attributes=("gender",), label=None, level=LEVEL, seed=0, minimum=1)
    return found[-1].measured


def coverage(
    name: str,
    cell: str,
    truth: float,
    tables: Iterator[tuple[Table, float]],
    *,
    keep: Callable[[Table], bool] | None = None,
) -> Coverage:
    """What the interval does over tables with their chances."""
    whole = there = holds = alarms = 0.0
    for table, chance in tables:
        if chance < 1e-9:
            continue
        whole += chance
        one = of_table(name, table)
        if one.value is None or one.interval is None:
            continue
        there += chance
        assert one.interval.low < one.interval.high
        holds += chance * (one.interval.low - 1e-9 <= truth <= one.interval.high + 1e-9)
        alarms += chance * (one.p is not None and one.p <= 1 - LEVEL)
    return Coverage(
        metric=name,
        cell=cell,
        measured=there / whole,
        covers=holds / there if there else math.nan,
        wrong=(there - holds) / whole,
        alarms=alarms / whole,
    )


def sizes_given(n_r: int, n_g: int, rate_r: float, rate_g: float) -> Iterator[tuple[Table, float]]:
    """Every table of groups of these sizes."""
    for hits_r, hits_g in product(range(n_r + 1), range(n_g + 1)):
        yield (n_r, n_g, hits_r, hits_g), float(binom.pmf(hits_r, n_r, rate_r) * binom.pmf(hits_g, n_g, rate_g))


def sizes_by_chance(n: int, share: float, rate_r: float, rate_g: float) -> Iterator[tuple[Table, float]]:
    """Every table of so many rows, each of the second group by chance."""
    for n_g in range(n + 1):
        chance = float(binom.pmf(n_g, n, share))
        for table, more in sizes_given(n - n_g, n_g, rate_r, rate_g):
            yield table, chance * more


def logit(rate: float) -> float:
    """Log odds."""
    return math.log(rate / (1.0 - rate))


def against_reference(sizes: tuple[tuple[int, int], ...] = SIZES) -> Iterator[Coverage]:
    """The figures that compare with a reference."""
    for (n_r, n_g), (r, g) in product(sizes, RATES):
        truths = {"prevalence_gap": g - r, "cooccurrence_rate_ratio": g / r, "log_odds": logit(g) - logit(r)}
        for name in AGAINST_REFERENCE:
            yield coverage(name, f"{n_r} and {n_g} rows, rates {r} and {g}", truths[name], sizes_given(n_r, n_g, r, g))


def of_each_group(splits: tuple[tuple[int, float], ...] = SPLITS) -> Iterator[Coverage]:
    """The figures of one group beside all rows."""
    for (n, share), (r, g) in product(splits, RATES):
        rate = (1 - share) * r + share * g
        truths = {"share_gap": share * g / rate - share, "pmi": math.log(g / rate)}
        for name in OF_EACH_GROUP:
            cell = f"{n} rows, {share:.0%} of the group, rates {r} and {g}"
            yield coverage(name, cell, truths[name], sizes_by_chance(n, share, r, g))


def main() -> None:
    """Prints the lowest and the mean coverage of each figure."""
    found = [*against_reference(), *of_each_group()]
    print(f"{'figure':26}{'cells':>6}{'least':>8}{'mean':>8}{'most wrong':>12}")
    for name in (*AGAINST_REFERENCE, *OF_EACH_GROUP):
        mine = [one for one in found if one.metric == name]
        often = [one for one in mine if one.measured >= 0.5]
        print(
            f"{name:26}{len(mine):6}{min(one.covers for one in often):8.3f}"
            f"{sum(one.covers for one in often) / len(often):8.3f}{max(one.wrong for one in mine):12.3f}"
        )


if __name__ == "__main__":
    main()
