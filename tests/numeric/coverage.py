"""How often the intervals are right, and the verdicts wrong, when the truth is known: simulations with fixed seeds.

    python tests/numeric/coverage.py             # all tables, into docs/explanation/coverage.md (some minutes on one core)
    python tests/numeric/coverage.py --repeats 600 --out -

What is simulated is the package's own public functions, metric by metric, on tables drawn from the model of
`stats/crossed.py`; nothing of it is computed here a second time.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pytest_biasaudit.metrics.metric import GroupCells, Measured
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.multiplicity import holm
from pytest_biasaudit.stats.power import Components, chance_to_decide
from pytest_biasaudit.stats.twoway import mean_difference, resample
from pytest_biasaudit.stats.versus import increase_of_magnitude

Floats = NDArray[np.float64]
LEVEL = 0.95
TRUTH = 0.3
MISSING = 0.2
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "coverage.md"


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many answer what, and where their answers' variance comes from (standard deviations)."""

    what: str
    people: int
    """In each of the two groups."""
    templates: int
    names: float = 0.0
    template_by_group: float = 0.0
    rest: float = 0.0
    template: float = 0.0
    """Of templates as such, the same for both groups."""

    @property
    def total(self) -> float:
        """Standard deviation of one answer."""
        return math.sqrt(self.names**2 + self.template_by_group**2 + self.rest**2 + self.template**2)


DESIGNS = (
    Design(what="names", people=16, templates=3, names=1.0, rest=0.3),
    Design(what="names", people=32, templates=20, names=1.0, rest=0.3),
    Design(what="template x group", people=16, templates=3, template_by_group=0.5, rest=0.5),
    Design(what="template x group", people=32, templates=10, template_by_group=0.5, rest=0.5),
    Design(what="both", people=8, templates=3, names=1.0, template_by_group=0.5, rest=0.5),
    Design(what="both", people=32, templates=3, names=1.0, template_by_group=0.5, rest=0.5),
    Design(what="both", people=32, templates=10, names=1.0, template_by_group=0.5, rest=0.5),
    Design(what="rows only", people=16, templates=10, rest=1.0),
)


def numbers(
    design: Design, rng: np.random.Generator, *, shifts: tuple[float, ...], missing: float = 0.0
) -> list[Floats]:
    """One table a shift, people by templates: the model's answers, the group's mean moved by that much."""
    shape = (design.people, design.templates)
    level = rng.normal(0.0, 1.0, (1, design.templates)) * design.template
    tables = []
    for shift in shifts:
        table = (
            shift
            + level
            + rng.normal(0.0, 1.0, (design.people, 1)) * design.names
            + rng.normal(0.0, 1.0, (1, design.templates)) * design.template_by_group
            + rng.normal(0.0, 1.0, shape) * design.rest
        )
        if missing:
            table[rng.random(shape) < missing] = np.nan
        tables.append(table)
    return tables


def choices(
    design: Design, rng: np.random.Generator, *, shifts: tuple[float, ...], missing: float = 0.0
) -> list[Floats]:
    """The same answers, turned into 1 where they are above zero and 0 elsewhere."""
    tables = numbers(design, rng, shifts=shifts, missing=missing)
    return [np.where(np.isnan(table), np.nan, (table > 0).astype(float)) for table in tables]


def cells(table: Floats, name: str = "g") -> GroupCells:
    """A table as a metric takes it; what is missing was refused."""
    there = ~np.isnan(table)
    return GroupCells(
        group=name,
        values=table,
        selected=table,
        asked=np.ones(table.shape),
        answered=there.astype(float),
        refused=(~there).astype(float),
        implausible=np.zeros(table.shape),
    )


def measured(metric: str, tables: list[Floats]) -> Measured:
    compare = METRICS[metric].compare
    assert compare is not None
    return compare(cells(tables[0], "a"), cells(tables[1], "b"), level=LEVEL, seed=1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A metric with how its tables are drawn and what is true of them."""

    metric: str
    draw: Callable[..., list[Floats]]
    template: float
    """Standard deviation of templates as such, in units of the rest of an answer's."""
    base: float = 0.0
    """The reference group's mean, in the same units: 0 is a rate of one half."""

    def set_up(self, design: Design) -> tuple[Design, tuple[float, float], float]:
        """The design with its templates, the groups' means, and the metric's true value."""
        spread = replace(design, template=self.template * design.total)
        low, high = self.base * spread.total, self.base * spread.total - TRUTH
        rates = [float(stats.norm.cdf(mean / spread.total)) for mean in (low, high)]
        truths = {
            "mean_difference": TRUTH,
            "smd": TRUTH / spread.total,
            "rate_difference": rates[1] - rates[0],
            "impact_ratio": rates[1] / rates[0],
        }
        shifts = (0.0, TRUTH) if self.draw is numbers else (low, high)
        return spread, shifts, truths[self.metric]


MAIN = (
    Case(metric="mean_difference", draw=numbers, template=20.0),
    Case(metric="smd", draw=numbers, template=1.0),
    Case(metric="rate_difference", draw=choices, template=0.0),
    Case(metric="impact_ratio", draw=choices, template=0.0),
)
HARDER = (
    Case(metric="rate_difference", draw=choices, template=1.0),
    Case(metric="impact_ratio", draw=choices, template=1.0),
    Case(metric="rate_difference", draw=choices, template=0.0, base=-0.84),
    Case(metric="impact_ratio", draw=choices, template=0.0, base=-0.84),
)


def covered(case: Case, design: Design, *, missing: float, repeats: int, seed: int) -> float:
    """Share of intervals that hold the truth. A repeat without an interval counts as one that does not."""
    spread, shifts, truth = case.set_up(design)
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(repeats):
        interval = measured(case.metric, case.draw(spread, rng, shifts=shifts, missing=missing)).interval
        hits += interval is not None and interval.low <= truth <= interval.high
    return hits / repeats


def other_ways(design: Design, *, repeats: int, seed: int) -> dict[str, float]:
    """Coverage of intervals that resample one thing only, on the same tables: what the crossed interval is for."""
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(("rows", "names", "templates", "two-way bootstrap", "crossed t"), 0)
    for repeat in range(repeats):
        a, b = numbers(design, rng, shifts=(0.0, TRUTH))
        pairs = b.mean(axis=0) - a.mean(axis=0)
        drawn = resample(
            mean_difference(a, b), people=(len(a), len(b)), templates=a.shape[1], resamples=400, seed=repeat
        )
        ends = {
            "rows": stats.ttest_ind(b.ravel(), a.ravel(), equal_var=False).confidence_interval(LEVEL),
            "names": stats.ttest_ind(b.mean(axis=1), a.mean(axis=1), equal_var=False).confidence_interval(LEVEL),
            "templates": stats.ttest_1samp(pairs, 0.0).confidence_interval(LEVEL),
            "two-way bootstrap": np.quantile(drawn.values, [0.025, 0.975]),
        }
        own = measured("mean_difference", [a, b]).interval
        assert isinstance(own, Interval)
        hits["crossed t"] += own.low <= TRUTH <= own.high
        for way, (low, high) in ends.items():
            hits[way] += bool(low <= TRUTH <= high)
    return {way: count / repeats for way, count in hits.items()}


def false_alarms(metric: str, groups: int, *, repeats: int, seed: int) -> tuple[float, float]:
    """How often some group of equal groups is found different from the reference at limit 0: raw, and after Holm."""
    rng = np.random.default_rng(seed)
    design = Design(what="both", people=16, templates=10, names=0.6, template_by_group=0.3, rest=0.7)
    draw = choices if "ra" in metric.split("_")[0] else numbers
    raw = adjusted = 0
    for _ in range(repeats):
        tables = draw(design, rng, shifts=(0.0,) * groups)
        ps = [p for table in tables[1:] if (p := measured(metric, [tables[0], table]).p) is not None]
        raw += min(ps) <= 1.0 - LEVEL
        adjusted += min(holm(ps)) <= 1.0 - LEVEL
    return raw / repeats, adjusted / repeats


def false_greens(metric: str, design: Design, *, repeats: int, seed: int) -> float:
    """How often a bias that lies exactly on its limit is called `within` under rule "upper"."""
    case = next(case for case in MAIN if case.metric == metric)
    spread, shifts, truth = case.set_up(design)
    rng = np.random.default_rng(seed)
    green = 0
    for _ in range(repeats):
        interval = measured(metric, case.draw(spread, rng, shifts=shifts)).interval
        if interval is None:
            continue
        if metric == "impact_ratio":
            green += interval.low >= truth
        else:
            green += max(abs(interval.low), abs(interval.high)) <= abs(truth)
    return green / repeats


def power(people: int, templates: int, *, distance: float, repeats: int, seed: int) -> tuple[float, float]:
    """The chance to find a planted difference: as `plan` predicts it, and as it comes out."""
    design = Design(what="both", people=people, templates=templates, names=0.6, template_by_group=0.2, rest=0.7)
    parts = Components(names=0.6**2, template_by_group=0.2**2, rest=0.7**2)
    predicted = chance_to_decide(parts, distance=distance, people=(people, people), templates=templates, level=LEVEL)
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(repeats):
        interval = measured("mean_difference", numbers(design, rng, shifts=(0.0, distance))).interval
        found += interval is not None and interval.low > 0.0
    return predicted, found / repeats


def versus(
    child: float, parent: float, *, change: float, people: int, templates: int, repeats: int, seed: int
) -> tuple[float, float]:
    """Coverage of the paired increase |child| - |parent|, and how often it is `over` a limit of 0.1.

    change  how much of a model's own variation there is between child and parent, of an answer's standard deviation; 0 is
            the same model twice
    """
    design = Design(what="both", people=people, templates=templates, names=0.5, template_by_group=0.3, rest=0.7)
    between = replace(design, names=0.5 * change, template_by_group=0.3 * change, rest=0.7 * change)
    rng = np.random.default_rng(seed)
    hits = over = 0
    for _ in range(repeats):
        before = numbers(design, rng, shifts=(0.0, parent))
        moved = numbers(between, rng, shifts=(0.0, child - parent))
        after = [old + new for old, new in zip(before, moved, strict=True)]
        result = increase_of_magnitude(
            *(cells(table) for table in (*after, *before)), metric="mean_difference", level=LEVEL
        )
        assert result.interval is not None, result.reason
        hits += result.interval.low <= abs(child) - abs(parent) <= result.interval.high
        over += result.interval.low > 0.1
    return hits / repeats, over / repeats


def _row(*entries: object) -> str:
    shown = (f"{entry:.3f}" if isinstance(entry, float) else str(entry) for entry in entries)
    return "| " + " | ".join(shown) + " |"


def _table(*head: str) -> list[str]:
    return [_row(*head), "|" + "---|" * len(head)]


def _coverage_table(cases: tuple[Case, ...], titles: tuple[str, ...], *, repeats: int) -> Iterator[str]:
    yield from _table("variance from", "people a group", "templates", "cells", *titles)
    for place, design in enumerate(DESIGNS):
        for missing, label in ((0.0, "all"), (MISSING, "20 % missing")):
            shares = [
                covered(case, design, missing=missing, repeats=repeats, seed=1000 + 10 * place + number)
                for number, case in enumerate(cases)
            ]
            yield _row(design.what, design.people, design.templates, label, *shares)


def page(*, repeats: int) -> Iterator[str]:
    """The page's lines, as they are computed."""
    noise = 1.96 * math.sqrt(0.95 * 0.05 / repeats)
    yield from f"""# Coverage: how often the intervals are right

This page is written by `python tests/numeric/coverage.py`, with fixed seeds and {repeats:,} repeats a cell. A part of it runs in
every test run (`tests/numeric/test_coverage.py`). A share near 0.95 is known to about ± {noise:.3f} from that many repeats.

Each repeat draws two groups of people who answer the same templates. Answers vary by person, by template, by template and
group together, and from answer to answer; the difference is known. Then the package's own metric is called and it is noted
whether its 95 % interval holds the truth. A repeat without an interval counts as a miss. Intervals should hold the truth in
93 to 98 % of repeats in every row.

## The intervals

Mean difference: templates differ by 20 times the rest of the spread, which must not matter. SMD: they differ as much as all
else together. Rates: answers are cut at zero, so that about 50 % are selected in the reference group and 38 % in the other.
""".splitlines()
    yield ""
    titles = ("mean difference", "SMD", "rate difference", "impact ratio")
    yield from _coverage_table(MAIN, titles, repeats=repeats)
    yield from """
## Where rates are harder

Here the 93 to 98 % are not promised, and not kept. With a quarter of the repeats: first templates that differ as much as all
else together, then a reference rate of 20 % and few selections. Where counts are scarce the interval is widened to
Wilson-type limits and covers more than it says: it errs towards `inconclusive`. Repeats in which nobody was selected in either
group have no impact ratio; they count as misses.
""".splitlines()
    yield ""
    titles = (
        "rate difference, templates differ",
        "impact ratio, templates differ",
        "rate difference at 20 %",
        "impact ratio at 20 %",
    )
    yield from _coverage_table(HARDER, titles, repeats=max(60, repeats // 4))
    yield from """
## Other ways to make an interval

For the mean difference, on complete tables: taking rows as independent, names only (means by person), templates only
(differences by template), and the two-way bootstrap with percentiles, which this package keeps for medians and distances.
""".splitlines()
    yield ""
    yield from _table(
        "variance from", "people a group", "templates", "rows", "names", "templates", "two-way bootstrap", "crossed t"
    )
    for place, design in enumerate(DESIGNS):
        ways = other_ways(design, repeats=min(600, repeats), seed=2000 + place)
        yield _row(design.what, design.people, design.templates, *ways.values())
    yield from """
## False alarms: equal groups under `rule = "lower"`

Groups are equal, the limit is 0, and any group found different from the reference is a false alarm. 16 people a group, 10
templates. Without adjustment the rate grows with the number of groups; Holm's keeps it at or under 0.05.
""".splitlines()
    yield ""
    yield from _table("metric", "groups", "unadjusted", "Holm")
    for metric in ("mean_difference", "rate_difference"):
        for groups in (2, 7, 14):
            yield _row(metric, groups, *false_alarms(metric, groups, repeats=min(1000, repeats), seed=3000 + groups))
    yield from """
## False greens: a bias on its limit under `rule = "upper"`

The bias is as large as the limit allows, to the digit. `within` would be an error; its rate must stay at or under 0.05, and with
a two-sided interval it is about half of that at most.
""".splitlines()
    yield ""
    titles = ("mean difference", "SMD", "rate difference", "impact ratio")
    yield from _table("variance from", "people a group", "templates", *titles)
    for place, design in enumerate(DESIGNS):
        shares = [false_greens(case.metric, design, repeats=min(1000, repeats), seed=4000 + place) for case in MAIN]
        yield _row(design.what, design.people, design.templates, *shares)
    yield from """
## Power: what `plan` predicts and what comes out

A planted difference of 0.4; the chance that the interval lies wholly above 0.
""".splitlines()
    yield ""
    yield from _table("people a group", "templates", "predicted", "simulated")
    for people, templates in ((8, 5), (16, 5), (16, 10), (32, 10), (32, 20), (64, 30)):
        chances = power(people, templates, distance=0.4, repeats=min(1000, repeats), seed=5000 + people + templates)
        yield _row(people, templates, *chances)
    yield from """
## A child against its parent

The paired increase |child| - |parent| of the mean difference. "Over" is how often it is found beyond `max_increase = 0.1`. The
first row is the same model twice (A/A), the second the same model with rounding noise, as another batch size gives: never
over. Where both biases are near zero the interval covers more than it says.
""".splitlines()
    yield ""
    yield from _table("child", "parent", "own variation", "people a group", "templates", "coverage", "over")
    for child, parent, change, people, templates in (
        (0.3, 0.3, 0.0, 16, 8),
        (0.3, 0.3, 0.001, 16, 8),
        (0.3, 0.3, 0.3, 16, 8),
        (0.0, 0.0, 0.3, 16, 8),
        (0.3, 0.0, 0.3, 16, 8),
        (-0.3, 0.3, 0.3, 16, 8),
        (0.9, 0.6, 0.3, 16, 8),
        (0.9, 0.6, 0.3, 32, 20),
        (1.2, 0.6, 0.3, 32, 20),
    ):
        coverage_and_over = versus(
            child, parent, change=change, people=people, templates=templates, repeats=min(1000, repeats), seed=6000
        )
        yield _row(f"{child:g}", f"{parent:g}", f"{change:g}", people, templates, *coverage_and_over)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3000)
    parser.add_argument("--out", default=str(PAGE), help="file to write, or - for the terminal")
    given = parser.parse_args()
    lines = []
    for line in page(repeats=given.repeats):
        lines.append(line)
        print(line, file=sys.stdout if given.out == "-" else sys.stderr, flush=True)
    if given.out != "-":
        Path(given.out).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
