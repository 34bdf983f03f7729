"""Fills the tables of docs/explanation/bias-removed.md: how often the limits of a share of a bias removed are right.

    python tests/numeric/removed_coverage.py [--repeats 400] [--workers 2]

Every figure comes from the package's own functions on drawn answers, with fixed seeds.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pytest_biasaudit.metrics.metric import GroupCells, Measured
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.metrics.removed import bias_removed
from pytest_biasaudit.stats.gaps import expected_by_chance, gaps, mean_absolute, share_removed

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "bias-removed.md"
SHARES = (0.0, 0.3, 0.9, -0.5)
"""Removed, in truth."""
NAMES, TEMPLATE_BY_GROUP, REST = 0.35, 0.15, 0.5
"""Shares of the variance of one answer."""
PARENT = 1.5
"""The parent's gap, in standard deviations of one answer."""
STUDY = (0.83, 0.64, 0.50, 0.57, 0.37, 0.34, 0.30, 0.17, -0.17, -0.38)
"""Gaps like those the pruning study found before pruning, in ten of its variations."""
Tables = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Design:
    """Who is asked what, by two models whose answers go together."""

    people: int
    templates: int
    missing: float
    together: float
    """Correlation of child and parent in everything that varies."""


DESIGNS = [
    Design(people, templates, missing, together)
    for people in (16, 32)
    for templates in (3, 10)
    for missing in (0.0, 0.2)
    for together in (0.0, 0.8, 0.95)
]


@dataclass(frozen=True)
class Held:
    """What came of the repeats of one cell, as shares of them."""

    said: float
    """Had an interval: the parent's bias was told from 0."""
    too_low: float
    """The truth lies under the interval: more is said to be removed than was."""
    too_high: float
    passed: float
    """The low end is 0.3 or more."""

    @property
    def right(self) -> float:
        """Repeats in which nothing wrong was said."""
        return 1.0 - self.too_low - self.too_high

    @property
    def right_where_said(self) -> float:
        return 1.0 - (self.too_low + self.too_high) / self.said if self.said else math.nan


def two_models(design: Design, gap: tuple[float, float], rng: np.random.Generator) -> Tables:
    """(child, parent), each (reference, group)."""
    together = design.together

    def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        one, other = rng.normal(size=shape), rng.normal(size=shape)
        return one, together * one + math.sqrt(1 - together**2) * other

    made: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    templates = pair(1, design.templates)
    for side in (0, 1):
        people, by_group = pair(design.people, 1), pair(1, design.templates)
        rest = pair(design.people, design.templates)
        gone = rng.random((design.people, design.templates)) < design.missing
        for model in (0, 1):
            table = math.sqrt(NAMES) * people[model] + math.sqrt(TEMPLATE_BY_GROUP) * by_group[model]
            table = table + math.sqrt(REST) * rest[model] + 0.5 * templates[model] + side * gap[model]
            made[model].append(np.where(gone, np.nan, table))
    return (made[0][0], made[0][1]), (made[1][0], made[1][1])


def cells(table: np.ndarray) -> GroupCells:
    there = (~np.isnan(table)).astype(float)
    return GroupCells(
        group="g", values=table, selected=table, asked=np.ones(table.shape), answered=there,
        refused=1.0 - there, implausible=np.zeros(table.shape),
    )  # fmt: skip


def measured(tables: Tables, of: str) -> Measured:
    child, parent = ([cells(table) for table in pair] for pair in tables)
    return bias_removed(child[0], child[1], level=0.95, seed=0, before=parent, of=METRICS[of])


def covered(design: Design, removed: float, *, of: str = "smd", repeats: int, seed: int) -> Held:
    """The metric `bias_removed` on drawn answers."""
    rng = np.random.default_rng(seed)
    found = [measured(two_models(design, ((1 - removed) * PARENT, PARENT), rng), of).interval for _ in range(repeats)]
    ends = [(one.low, one.high) for one in found if one is not None]
    return _held(ends, removed, repeats)


def _held(ends: Sequence[tuple[float, float]], truth: float, repeats: int) -> Held:
    return Held(
        said=len(ends) / repeats,
        too_low=sum(low > truth + 1e-12 for low, _ in ends) / repeats,
        too_high=sum(high < truth - 1e-12 for _, high in ends) / repeats,
        passed=sum(low >= 0.3 for low, _ in ends) / repeats,
    )


def same_twice(noise: float, *, repeats: int, seed: int) -> tuple[float, float, float]:
    """The same model at another batch size: median value, median width, and how often the interval leaves out 0."""
    rng = np.random.default_rng(seed)
    design = Design(16, 10, 0.0, 1.0)
    values, widths, outside = [], [], 0
    for _ in range(repeats):
        parent = two_models(design, (PARENT, PARENT), rng)[1]
        child = tuple(side + noise * rng.normal(size=side.shape) for side in parent)
        found = measured(((child[0], child[1]), parent), "smd")
        if found.interval is None or found.value is None:
            continue
        values.append(abs(found.value))
        widths.append(found.interval.high - found.interval.low)
        outside += not found.interval.low <= 0.0 <= found.interval.high
    return float(np.median(values)), float(np.median(widths)), outside / repeats


@dataclass(frozen=True)
class Several:
    """Variations each by itself: who is asked, and which gaps there are before."""

    people: int
    variations: int
    kind: str

    @property
    def gaps(self) -> np.ndarray:
        """True gaps before, in standard deviations."""
        if self.kind == "none":
            return np.zeros(self.variations)
        if self.kind == "all 0.6":
            return np.full(self.variations, 0.6)
        if self.kind == "a third 1.2":
            return np.array([1.2] * max(1, self.variations // 3) + [0.0] * self.variations)[: self.variations]
        return np.array(STUDY[: self.variations])


SEVERAL = [
    Several(people, variations, kind)
    for people, variations in ((16, 10), (32, 3), (32, 10))
    for kind in ("none", "the study's", "all 0.6", "a third 1.2")
]


@dataclass(frozen=True)
class OverSeveral:
    """What came of the mean of absolute gaps, as shares of the repeats."""

    found: float
    chance: float
    bias: Held
    removed: Held


def over_several(several: Several, removed: float, *, together: float = 0.8, repeats: int, seed: int) -> OverSeveral:
    """`stats.gaps` on drawn answers; `bias` is about the gaps before."""
    rng = np.random.default_rng(seed)
    before = several.gaps
    had = float(np.abs(before).mean())
    bias, share, means, chances = [], [], [], []
    for repeat in range(repeats):
        own, other, common = (_answers(several, rng) for _ in range(3))
        made = []
        for mine, gap in ((own, (1 - removed) * before), (other, before)):
            last = [math.sqrt(together) * c + math.sqrt(1 - together) * m + side * gap
                    for side, c, m in zip((0, 1), common, mine, strict=True)]  # fmt: skip
            made.append(gaps(last[0], last[1], scale="row", minimum=10, level=0.95))
        means.append(float(np.abs(made[1].values).mean()))
        chances.append(expected_by_chance(last[0], last[1], scale="row", seed=repeat))
        bias.append(mean_absolute(made[1], level=0.95, seed=repeat))
        ends = share_removed(made[0], made[1], level=0.95, seed=repeat)
        if ends is not None:
            share.append(ends)
    truth = removed if had else 1.0
    return OverSeveral(
        found=float(np.mean(means)),
        chance=float(np.mean(chances)),
        bias=_held(bias, had, repeats),
        removed=_held(share, truth, repeats),
    )


def _answers(several: Several, rng: np.random.Generator) -> list[np.ndarray]:
    """Both groups without a gap; people hold 30 % of the variance."""
    made = []
    for _ in range(2):
        people, rest = rng.normal(size=(several.people, 1)), rng.normal(size=(several.people, several.variations))
        made.append(math.sqrt(0.3) * people + math.sqrt(0.7) * rest)
    return made


def _cell(job: tuple[int, float], *, of: str, repeats: int) -> Held:
    return covered(DESIGNS[job[0]], job[1], of=of, repeats=repeats, seed=9000 + 10 * job[0] + SHARES.index(job[1]))


def _several(job: tuple[int, float], *, repeats: int) -> OverSeveral:
    return over_several(SEVERAL[job[0]], job[1], repeats=repeats, seed=9500 + 10 * job[0] + SHARES.index(job[1]))


def tables(*, repeats: int, workers: int) -> Iterator[tuple[str, list[str]]]:
    """The page's tables by name, each with its rows."""
    with ProcessPoolExecutor(workers) as pool:
        power: list[Held] = []
        every = range(len(DESIGNS))
        for of, chosen, many in (("smd", every, repeats), ("mean_difference", every[1::3], repeats // 2)):
            jobs = [(at, share) for at in chosen for share in SHARES]
            found = list(pool.map(partial(_cell, of=of, repeats=many), jobs))
            power = power or found
            rows = []
            for place, at in enumerate(chosen):
                own = found[place * len(SHARES) : (place + 1) * len(SHARES)]
                said = float(np.mean([held.said for held in own]))
                where = 1 - float(np.mean([held.too_low + held.too_high for held in own])) / said
                held = " | ".join(f"{held.right:.3f}" for held in own)
                rows.append(
                    f"| {_design(DESIGNS[at])} | {DESIGNS[at].together:g} | {held} | {said:.2f} | {where:.3f} |"
                )
            yield of, rows
        yield (
            "passes",
            [
                f"| {_design(one)} | "
                + " | ".join(f"{power[at * len(SHARES) + k].passed:.3f}" for k in range(3))
                + " |"
                for at, one in enumerate(DESIGNS)
                if one.together == 0.8
            ],
        )
        rows = []
        for noise in (0.0, 0.001, 0.05):
            value, width, outside = same_twice(noise, repeats=max(20, repeats // 2), seed=9900)
            rows.append(f"| {noise:g} | {value:.2g} | {width:.2g} | {outside:.3f} |")
        yield "twice", rows
        jobs = [(at, share) for at, one in enumerate(SEVERAL) for share in SHARES if one.kind != "none" or not share]
        several = dict(zip(jobs, pool.map(partial(_several, repeats=repeats // 2), jobs), strict=True))
    bias, shares = [], []
    for at, one_of in enumerate(SEVERAL):
        whole = several[at, 0.0]
        name = f"{one_of.people} | {one_of.variations} | {one_of.kind}"
        figures = f"{float(np.abs(one_of.gaps).mean()):.2f} | {whole.found:.2f} | {whole.chance:.2f}"
        bias.append(f"| {name} | {figures} | {whole.bias.too_low:.3f} | {whole.bias.too_high:.3f} |")
        if one_of.kind == "none":
            shares.append(f"| {name} | {whole.removed.said:.3f} | | | | |")
            continue
        own = [several[at, share].removed for share in SHARES]
        held = " | ".join(f"{one.right:.3f}" for one in own)
        shares.append(f"| {name} | {float(np.mean([one.said for one in own])):.2f} | {held} |")
    yield "variations", bias
    yield "variations-removed", shares


def _design(one: Design) -> str:
    return f"{one.people} | {one.templates} | {'20 % missing' if one.missing else 'all'}"


def filled(text: str, name: str, rows: Sequence[str]) -> str:
    """The page with the rows of one table in place of those it had: those between its marks, under the head."""
    start, end = f"<!-- rows: {name} -->", "<!-- end -->"
    before, _, rest = text.partition(start)
    head_and_rows, _, after = rest.partition(end)
    head = head_and_rows.strip().splitlines()[:2]
    return before + start + "\n" + "\n".join([*head, *rows]) + "\n" + end + after


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    for name, rows in tables(repeats=given.repeats, workers=given.workers):
        print(name, *rows, sep="\n", file=sys.stderr, flush=True)
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), name, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
