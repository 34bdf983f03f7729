"""Fills the tables of docs/explanation/gaps-of-classifiers.md: how often intervals of a classifier's gaps are right.

    python tests/numeric/gap_coverage.py [--repeats 2000]

Tables of predictions are drawn with known rates, counted and measured by the package's own metrics, with fixed seeds. Two
shares alone are counted exactly: every pair of counts, weighed with its chance.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Compared, Estimate
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables.change import change_of
from pytest_biasaudit.stats.two_proportions import Between, Shares, difference, ratio
from pytest_biasaudit.tables.tally import Attribute, Tally
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from pytest_biasaudit.verdict.verdict import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "gaps-of-classifiers.md"
CELLS = (5, 10, 20, 50)
RATES = (0.02, 0.1, 0.5, 0.9, 0.98)
LEVEL = 0.95
OWN = for_kind(METRICS, "classifier")
LABELS = ("no", "yes")
GAPS = (
    "tpr_gap",
    "fpr_gap",
    "accuracy_gap",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "impact_ratio",
)
"""Under limits of one context, for false alarms."""


@dataclass(frozen=True)
class Held:
    """What came of one design, as shares of the repeats that had an interval."""

    too_low: float
    """The whole interval lies under the truth."""
    too_high: float

    @property
    def right(self) -> float:
        return 1.0 - self.too_low - self.too_high


# --- Two shares, exactly


def exactly(
    n0: int, n1: int, which: Callable[..., Between], *, level: float = LEVEL
) -> Iterator[tuple[float, float, Held]]:
    """(rate, rate, what holds) for every pair of `RATES` in cells of n0 and n1 rows."""
    x0, x1 = (grid.ravel() for grid in np.meshgrid(np.arange(n0 + 1.0), np.arange(n1 + 1.0), indexing="ij"))
    found = which(Shares.of(x0, n0), Shares.of(x1, n1), level=level)
    for p0, p1 in itertools.product(RATES, RATES):
        chance = np.outer(binomial(n0, p0), binomial(n1, p1)).ravel()
        truth = p1 - p0 if which is difference else p1 / p0
        yield p0, p1, Held(float(chance[found.high < truth].sum()), float(chance[found.low > truth].sum()))


def binomial(n: int, p: float) -> np.ndarray:
    return np.array([math.comb(n, x) * p**x * (1.0 - p) ** (n - x) for x in range(n + 1)])


# --- Whole tables


@dataclass(frozen=True)
class World:
    """True rates of a binary classifier, group by group."""

    title: str
    tpr: tuple[float, ...]
    fpr: tuple[float, ...]
    positives: int
    """Rows of each group that are truly positive, and as many again that are not."""
    clusters: int = 0
    """Clusters over which each group's rows are spread; 0: rows stand alone."""


def drawn(world: World, rng: np.random.Generator) -> Tally:
    """A table of predictions with exactly these numbers of rows, counted."""
    cells = []
    effects = rng.normal(size=world.clusters) if world.clusters else np.zeros(1)
    for group, rates in enumerate(zip(world.fpr, world.tpr, strict=True)):
        for truth, rate in enumerate(rates):
            if not world.clusters:
                hits = rng.binomial(world.positives, rate)
                cells += [(group, truth, 1, hits, 0), (group, truth, 0, world.positives - hits, 0)]
                continue
            rows = np.bincount(rng.integers(0, world.clusters, world.positives), minlength=world.clusters)
            found = rng.binomial(rows, within(rate, effects))
            for cluster, (some, of) in enumerate(zip(found.tolist(), rows.tolist(), strict=True)):
                cells += [(group, truth, 1, some, cluster), (group, truth, 0, of - some, cluster)]
    return tally_of(cells, groups=len(world.tpr), labels=LABELS, positive="yes", clustered=world.clusters > 0)


def within(rate: float, effects: np.ndarray, *, spread: float = 0.6) -> np.ndarray:
    """The clusters' own rates whose mean over clusters is `rate` (probit: scaled so that the mean is kept)."""
    from scipy.special import ndtr, ndtri

    return np.asarray(ndtr(float(ndtri(rate)) * math.sqrt(1.0 + spread**2) + spread * effects))


def tally_of(
    cells: Sequence[tuple[int, int, int, int, int]],
    *,
    groups: int,
    labels: tuple[str, ...],
    positive: str | None,
    clustered: bool = False,
) -> Tally:
    """Cells of (group, truth, prediction, count, cluster)."""
    table = np.array([cell for cell in cells if cell[3] > 0], dtype=np.int64)
    return Tally(
        attributes=(Attribute(name="group", groups=tuple(f"g{place}" for place in range(groups))),),
        labels=labels,
        positive=positive,
        members=(table[:, :1] == np.arange(groups),),
        truth=table[:, 1],
        prediction=table[:, 2],
        count=table[:, 3],
        cluster=table[:, 4] if clustered else None,
    )


def measured(name: str, tally: Tally, *, minimum: int = 5, level: float = LEVEL, seed: int = 0) -> tuple[Compared, ...]:
    metric = OWN[name]
    assert metric.of_table is not None
    return metric.of_table(
        tally, attributes=("group",) if metric.by_group else (), label=None, level=level, seed=seed, minimum=minimum
    )


def truth_of(name: str, world: World) -> float:
    tpr, fpr = np.array(world.tpr), np.array(world.fpr)
    selection, right = (tpr + fpr) / 2, (tpr + 1 - fpr) / 2
    return float(
        {
            "tpr_gap": tpr[1] - tpr[0],
            "fpr_gap": fpr[1] - fpr[0],
            "fnr_gap": tpr[0] - tpr[1],
            "accuracy_gap": right[1] - right[0],
            "demographic_parity_difference": selection.max() - selection.min(),
            "equalized_odds_difference": max(np.ptp(tpr), np.ptp(fpr)),
            "impact_ratio": selection.min() / selection.max(),
            "accuracy": right.mean(),
            "balanced_accuracy": right.mean(),
            "worst_group_accuracy": right.min(),
            "worst_group_tpr": tpr.min(),
        }[name]
    )


def covered(name: str, world: World, *, repeats: int, seed: int) -> Held:
    rng, truth = np.random.default_rng(seed), truth_of(name, world)
    return held([measured(name, drawn(world, rng))[0] for _ in range(repeats)], truth)


def held(found: Sequence[Compared], truth: float) -> Held:
    ends = [one.measured.interval for one in found if one.measured.interval is not None]
    low, high = (np.array([getattr(one, end) for one in ends]) for end in ("low", "high"))
    return Held(float(np.mean(high < truth - 1e-12)), float(np.mean(low > truth + 1e-12)))


# --- Many labels


@dataclass(frozen=True)
class Labels:
    """True gaps of two groups over many labels; cells of a few sizes, larger for the reference."""

    title: str
    labels: int
    cell: int
    gap: float
    """Size of every true gap; signs alternate."""
    along: float = 0.0
    """Slope of the gap in the group's share of a label."""

    @property
    def rates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(rate of the reference, of the group, rows of the reference, of the group) by label."""
        places = np.arange(self.labels)
        share = np.linspace(0.2, 0.8, self.labels)
        rows = np.maximum(5, np.round(2 * self.cell * np.stack([1 - share, share]))).astype(int)
        base = 0.5 + 0.35 * np.cos(2.0 * places)
        gaps = self.gap * np.where(places % 2, 1.0, -1.0) + self.along * (rows[1] / rows.sum(axis=0) - 0.5)
        return np.clip(base - gaps / 2, 0.01, 0.99), np.clip(base + gaps / 2, 0.01, 0.99), rows[0], rows[1]


def labelled(design: Labels, rng: np.random.Generator) -> Tally:
    cells = []
    for group, (rates, rows) in enumerate(zip(design.rates[:2], design.rates[2:], strict=True)):
        for label, (rate, n) in enumerate(zip(rates, rows, strict=True)):
            hits = rng.binomial(n, rate)
            cells += [(group, label, label, hits, 0), (group, label, (label + 1) % design.labels, int(n) - hits, 0)]
    return tally_of(cells, groups=2, labels=tuple(f"l{at:02}" for at in range(design.labels)), positive=None)


def covered_over_labels(name: str, design: Labels, *, repeats: int, seed: int) -> Held:
    reference, group, n0, n1 = design.rates
    gaps = group - reference
    truth = math.sqrt(float((gaps**2).mean()))
    if name != "rms_tpr_gap":
        truth = float(np.corrcoef(gaps, n1 / (n0 + n1))[0, 1])
    rng = np.random.default_rng(seed)
    return held([measured(name, labelled(design, rng), seed=at)[0] for at in range(repeats)], truth)


# --- Two models


def covered_increase(
    c: tuple[float, float], p: tuple[float, float], rows: int, *, together: float, repeats: int, seed: int
) -> Held:
    """|gap| of a model with true positive rates c over that of one with p, the same rows answered by both."""

    class Both:
        def __init__(self, tally: Tally) -> None:
            self.tally, self.obstacle = tally, ""

    rng = np.random.default_rng(seed)
    found: list[Compared] = []
    for _ in range(repeats):
        cells: dict[tuple[int, int, int], int] = {}
        for group in (0, 1):
            u = rng.random(rows)
            v = np.where(rng.random(rows) < together, u, rng.random(rows))
            for mine, theirs in zip(u < c[group], v < p[group], strict=True):
                key = (group, int(mine), int(theirs))
                cells[key] = cells.get(key, 0) + 1
        table = np.array(list(cells))
        tally = Tally(
            attributes=(Attribute(name="group", groups=("g0", "g1")),),
            labels=LABELS,
            positive="yes",
            members=(table[:, :1] == np.arange(2),),
            truth=np.ones(len(table), dtype=np.int64),
            prediction=table[:, 1],
            count=np.array(list(cells.values())),
            earlier=table[:, 2],
        )
        both = Both(tally)
        found += change_of(
            OWN["tpr_gap"], both, both, "parent", attributes=("group",), label=None, level=LEVEL, seed=0, minimum=5
        )  # fmt: skip
    return held(found, abs(c[1] - c[0]) - abs(p[1] - p[0]))


# --- Verdicts


def red(names: Sequence[str], groups: int, rows: int, rate: float, *, repeats: int, seed: int) -> float:
    """How often any of these limits is over, all by `lower` at the ideal, where all groups are truly alike."""
    rng = np.random.default_rng(seed)
    world = World("alike", (rate,) * groups, (rate / 2,) * groups, rows)
    limits = [limit_on(name, rule="lower") for name in names]
    over = 0
    for _ in range(repeats):
        tally = drawn(world, rng)
        judged = judge_limits([(limit, estimates(limit, tally)) for limit in limits], metrics=OWN, where=WHERE)
        over += any(one.verdict is Verdict.OVER for one in judged)
    return over / repeats


def red_over_labels(groups: int, labels: int, cell: int, *, repeats: int, seed: int) -> float:
    """The same of `rms_tpr_gap` alone, over labels at which every group has one rate, .6."""
    rng, over = np.random.default_rng(seed), 0
    limit = limit_on("rms_tpr_gap")
    for _ in range(repeats):
        cells = []
        for group, label in itertools.product(range(groups), range(labels)):
            hits = int(rng.binomial(cell, 0.6))
            cells += [(group, label, label, hits, 0), (group, label, (label + 1) % labels, cell - hits, 0)]
        tally = tally_of(cells, groups=groups, labels=tuple(f"l{at:02}" for at in range(labels)), positive=None)
        (judged,) = judge_limits([(limit, estimates(limit, tally))], metrics=OWN, where=WHERE)
        over += judged.verdict is Verdict.OVER
    return over / repeats


WHERE = Where(context="c", audit="a", model="data", file="c.toml", kind="classifier")


def limit_on(name: str, *, rule: str = "lower", bound: float | None = None) -> Limit:
    metric = OWN[name]
    key = "min" if metric.direction.startswith("higher") else "max"
    settings = {key: metric.ideal if bound is None else bound, "rule": rule}
    return Limit(id=name, metric=name, attributes=("group",) if metric.by_group else (), **settings)  # type: ignore[arg-type]  # as read


def estimates(limit: Limit, tally: Tally, *, minimum: int = 5) -> tuple[Estimate, ...]:
    """As `measure_table` makes them of an audit."""
    from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
    from pytest_biasaudit.metrics.tables.measure import Asked, estimates_of_table

    class Counted:
        obstacle = ""

        def __init__(self) -> None:
            self.tally = tally

    audit = ClassifierAudit(
        id="a",
        kind="classifier",
        limits=(limit,),
        data="t.csv",
        sha256=None,
        columns=Columns(label="y"),
        minimum=minimum,
    )
    return estimates_of_table(Asked.of(limit), audit, Counted(), OWN[limit.metric], seed=0)


# --- The page

WORLDS = (
    World("alike, cells of 10", (0.9,) * 2, (0.1,) * 2, 10),
    World("alike, cells of 50", (0.5,) * 2, (0.1,) * 2, 50),
    World("apart, cells of 5", (0.9, 0.5), (0.1, 0.5), 5),
    World("apart, cells of 20", (0.98, 0.9), (0.02, 0.1), 20),
    World("apart, cells of 50", (0.5, 0.1), (0.1, 0.02), 50),
    World("7 alike, cells of 20", (0.8,) * 7, (0.2,) * 7, 20),
    World("7, one apart, cells of 50", (*(0.8,) * 6, 0.5), (*(0.2,) * 6, 0.4), 50),
    World("14 alike, cells of 50", (0.9,) * 14, (0.1,) * 14, 50),
    World("2, 40 clusters, cells of 200", (0.8, 0.7), (0.2, 0.3), 200, clusters=40),
    World("2, 10 clusters, cells of 100", (0.8, 0.7), (0.2, 0.3), 100, clusters=10),
)
OF_WORLDS = (
    "tpr_gap",
    "fpr_gap",
    "accuracy_gap",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "impact_ratio",
    "accuracy",
    "balanced_accuracy",
    "worst_group_accuracy",
    "worst_group_tpr",
)
MANY = (
    Labels("5 labels, cells of 20, no gap", 5, 20, 0.0),
    Labels("28 labels, cells of 10, no gap", 28, 10, 0.0),
    Labels("28 labels, cells of 50, no gap", 28, 50, 0.0),
    Labels("28 labels, cells of 50, gaps of .1", 28, 50, 0.1),
    Labels("28 labels, cells of 200, gaps of .2", 28, 200, 0.2),
    Labels("10 labels, cells of 10, gaps of .3", 10, 10, 0.3),
    Labels("28 labels, cells of 50, gaps that go with prevalence", 28, 50, 0.05, along=0.5),
    Labels("28 labels, cells of 500, gaps that go with prevalence", 28, 500, 0.05, along=0.5),
)
PAIRED = (
    ((0.8, 0.8), (0.8, 0.8), 50, 0.8),
    ((0.8, 0.6), (0.8, 0.7), 100, 0.8),
    ((0.9, 0.9), (0.9, 0.9), 10, 0.95),
    ((0.98, 0.9), (0.98, 0.98), 50, 0.9),
    ((0.5, 0.7), (0.7, 0.5), 50, 0.5),
)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def pages(repeats: int) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """(name, head, rows) of every table."""
    rows = []
    for which, title in ((difference, "difference"), (ratio, "ratio")):
        for cell in CELLS:
            every = [held for other in CELLS if other >= cell for _, _, held in exactly(cell, other, which)]
            tails = [max(one.too_low, one.too_high) for one in every]
            right = [one.right for one in every]
            shown = [percent(min(right)), percent(float(np.mean(right))), percent(max(tails))]
            rows.append([title, str(cell), *shown])
    yield "two-shares", ["of two shares", "smaller cell", "least coverage", "mean coverage", "largest tail"], rows
    rows = []
    for world in WORLDS:
        names = [name for name in OF_WORLDS if len(world.tpr) == 2 or not name.endswith("_gap")]
        for at, name in enumerate(names):
            found = covered(name, world, repeats=repeats, seed=100 + at)
            rows.append(
                [world.title, f"`{name}`", *(percent(one) for one in (found.right, found.too_low, found.too_high))]
            )
    yield "worlds", ["groups and cells", "metric", "coverage", "under the truth", "over the truth"], rows
    rows = []
    for design in MANY:
        for name in ("rms_tpr_gap", *(("tpr_gap_prevalence_correlation",) if design.along or design.gap else ())):
            found = covered_over_labels(name, design, repeats=max(200, repeats // 4), seed=300)
            rows.append(
                [design.title, f"`{name}`", *(percent(one) for one in (found.right, found.too_low, found.too_high))]
            )
    yield "labels", ["labels", "metric", "coverage", "under the truth", "over the truth"], rows
    rows = []
    for c, p, n, together in PAIRED:
        found = covered_increase(c, p, n, together=together, repeats=repeats, seed=500)
        rates = [f"{one[0]:g}, {one[1]:g}" for one in (c, p)]
        shown = [percent(one) for one in (found.right, found.too_low, found.too_high)]
        rows.append([*rates, str(n), f"{together:g}", *shown])
    yield "paired", ["rates, this", "rates, other", "cells", "rows answered alike", "coverage", "under", "over"], rows
    rows = []
    for groups, rows_each, rate in itertools.product((2, 7, 14), (10, 50), (0.1, 0.9)):
        for limited in (GAPS[:1], GAPS):
            share = red(limited, groups, rows_each, rate, repeats=max(200, repeats), seed=700)
            rows.append(
                [str(groups), str(rows_each), f"{rate:g}", "six" if len(limited) > 1 else "`tpr_gap`", percent(share)]
            )
    for groups, labels, cell in ((2, 28, 10), (7, 8, 10), (7, 5, 50)):
        share = red_over_labels(groups, labels, cell, repeats=max(200, repeats), seed=800)
        rows.append([str(groups), str(cell), "0.6", f"`rms_tpr_gap` over {labels} labels", percent(share)])
    yield "alarms", ["groups", "cells", "rate", "limits by `lower`", "red"], rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    given = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    for name, head, rows in pages(given.repeats):
        lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
        print(f"\n{name}\n" + "\n".join(lines), flush=True)
        before, mark, rest = text.partition(f"<!-- rows: {name} -->\n")
        if mark:
            text = before + mark + "\n".join(lines) + "\n" + rest[rest.index("<!-- end -->") :]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
