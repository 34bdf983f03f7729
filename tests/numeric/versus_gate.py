"""How often the paired gate errs, and what it takes to pass it: a child against its parent, with the truth known.

    python -m tests.numeric.versus_gate

writes the tables of `docs/explanation/paired-gate.md`. Worlds are drawn anew in every repeat: people, templates and pairs
are samples. Every verdict comes from the package's own measuring and judging.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate, GroupCells, Measured
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.clustered import paired_increase
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.recovery import recovery_of_items
from pytest_biasaudit.stats.versus import increase_of_magnitude
from pytest_biasaudit.verdict.judge import verdict_of
from pytest_biasaudit.verdict.verdict import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "paired-gate.md"

PARENT = {"names": 0.3, "templates": 0.5, "between": 0.15, "rest": 0.8}
"""Standard deviations of the parent's answers: people, templates, template by group, single answers."""
CHANGE = {"names": 0.15, "between": 0.1, "rest": 0.3}
"""Of the child's change from its parent."""
PARENT_SD = math.sqrt(sum(sd**2 for sd in PARENT.values()))
CHILD_SD = math.sqrt(PARENT_SD**2 + sum(sd**2 for sd in CHANGE.values()))
GAP = 0.3
"""The parent's own gap, in each metric's unit."""


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """A design of a counterfactual audit."""

    metric: str
    people: int
    """In each group."""
    templates: int
    bound: float
    """`max_increase`."""


def verdict(measured: Measured, *, metric: str, bound: float, sampled: int, of_pairs: bool) -> Verdict:
    """What the gate makes of it."""
    estimate = Estimate(
        metric=metric,
        attribute="",
        groups=(),
        value=measured.value,
        interval=measured.interval,
        p=None,
        p_adjusted=None,
        n=1,
        people=1,
        templates=sampled,
        missing=0,
        by_group=(),
        reason=measured.reason,
        versus="parent",
        shows="increase",
        sampled="pairs" if of_pairs else "",
    )
    limit = Limit(id="l", metric=metric, attributes=(), versus="parent", max_increase=bound)
    return verdict_of(estimate, limit, METRICS[metric])[0]


def crossed(design: Crossed, increase: float, *, repeats: int, seed: int) -> Counter[Verdict]:
    """Verdicts on a child whose bias is truly so much further from 0 than its parent's."""
    rng = np.random.default_rng(seed)
    rates = design.metric == "rate_difference"
    parent_gap, child_gap = GAP, GAP + increase
    if rates:  # the reference group is selected half the time
        parent_gap, child_gap = PARENT_SD * float(ndtri(0.5 + GAP)), CHILD_SD * float(ndtri(0.5 + GAP + increase))
    elif design.metric == "smd":
        parent_gap, child_gap = PARENT_SD * GAP, CHILD_SD * (GAP + increase)
    found: Counter[Verdict] = Counter()
    for _ in range(repeats):
        shared = rng.normal(0.0, PARENT["templates"], design.templates)
        sides = []
        for gap, later in ((0.0, 0.0), (parent_gap, child_gap)):
            parent = gap + shared + _parts(rng, design, PARENT)
            child = parent - gap + later + _parts(rng, design, CHANGE)
            sides.append((_table(parent, rates=rates), _table(child, rates=rates)))
        (reference, reference_child), (group, group_child) = sides
        measured = increase_of_magnitude(
            reference_child, group_child, reference, group, metric=design.metric, level=0.95
        )
        found[
            verdict(measured, metric=design.metric, bound=design.bound, sampled=design.templates, of_pairs=False)
        ] += 1
    return found


def pairs(count: int, increase: float, *, bound: float, churn: float, repeats: int, seed: int) -> Counter[Verdict]:
    """The same of a stereotype score (points from 50): the parent prefers 60 % of pairs, and `churn` of them turn round."""
    rng = np.random.default_rng(seed)
    up, down = (churn + increase / 100) / 2, (churn - increase / 100) / 2
    names = [str(at) for at in range(count)]
    found: Counter[Verdict] = Counter()
    for _ in range(repeats):
        draw = rng.random(count)
        # Four kinds of pairs: preferred by both, by the child alone, by the parent alone, by neither.
        earlier = (draw < 0.6).astype(float)
        now = np.where(earlier == 1.0, draw >= down, draw < 0.6 + up).astype(float)
        one = paired_increase(now.tolist(), earlier.tolist(), names, ideal=0.5, level=0.95)
        interval = Interval(low=100 * one.low, high=100 * one.high, level=0.95, method="t")
        measured = Measured(value=100 * one.value, interval=interval)
        found[verdict(measured, metric="stereotype_score", bound=bound, sampled=count, of_pairs=True)] += 1
    return found


def kept(count: int, recovery: float, *, bound: float, gained: float, repeats: int, seed: int) -> dict[str, float]:
    """How often a recovery of a parent with 90 % hits is found at least `bound`, and below it."""
    rng = np.random.default_rng(seed)
    had = 0.9
    lost = 1.0 + gained * (1.0 - had) / had - recovery
    names = [str(at) for at in range(count)]
    within = under = 0
    for _ in range(repeats):
        earlier = (rng.random(count) < had).astype(float)
        draw = rng.random(count)
        now = np.where(earlier == 1.0, draw >= lost, draw < gained).astype(float)
        found = recovery_of_items(now.tolist(), earlier.tolist(), names, level=0.95)
        within += found.low >= bound
        under += found.high < bound
    return {"within": within / repeats, "over": under / repeats}


def shares(found: Counter[Verdict]) -> tuple[float, float]:
    """How often within, and how often over."""
    total = sum(found.values())
    return found[Verdict.WITHIN] / total, found[Verdict.OVER] / total


def _parts(rng: np.random.Generator, design: Crossed, sd: dict[str, float]) -> np.ndarray:
    people, templates = design.people, design.templates
    return np.asarray(
        rng.normal(0.0, sd["names"], (people, 1))
        + rng.normal(0.0, sd["between"], (1, templates))
        + rng.normal(0.0, sd["rest"], (people, templates))
    )


def _table(latent: np.ndarray, *, rates: bool) -> GroupCells:
    chosen = (latent > 0).astype(float)
    ones = np.ones_like(latent)
    return GroupCells(
        group="g",
        values=ndtr(latent) if rates else latent,
        selected=chosen,
        asked=ones,
        answered=ones,
        refused=0 * ones,
        implausible=0 * ones,
    )


BOUNDS = {"mean_difference": 0.1, "smd": 0.1, "rate_difference": 0.05}
SIZES = ((8, 5), (16, 10), (32, 20), (64, 30))
LADDER = tuple((n, max(4, round(0.5 * n))) for n in (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128))
"""People a group and templates, half as many, tried one after the other for 80 %."""
COUNTS = (200, 500, 1500, 4000)


def enough_for_80(metric: str, increase: float, wanted: Verdict, *, repeats: int, seed: int) -> str:
    """The first size of the ladder whose chance of that verdict is 80 %."""
    for people, templates in LADDER:
        design = Crossed(metric=metric, people=people, templates=templates, bound=BOUNDS[metric])
        found = crossed(design, increase, repeats=repeats, seed=seed)
        if found[wanted] >= 0.8 * repeats:
            return f"{people} people a group x {templates} templates"
    return "more than the ladder has"


def page(repeats: int) -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    yield from _head("metric", "people a group", "templates", "within (an error)", "over (an error)")
    for metric, bound in BOUNDS.items():
        for place, (people, templates) in enumerate(SIZES):
            design = Crossed(metric=metric, people=people, templates=templates, bound=bound)
            found = shares(crossed(design, bound, repeats=repeats, seed=100 + place))
            yield _row(f"{metric}, {bound:g}", people, templates, *found)
    yield ""
    yield from _head("benchmark", "pairs", "", "within (an error)", "over (an error)")
    for place, count in enumerate(COUNTS):
        found = shares(pairs(count, 5.0, bound=5.0, churn=0.1, repeats=repeats, seed=200 + place))
        yield _row("stereotype_score, 5 points", count, "", *found)
    for place, count in enumerate(COUNTS[:3]):
        one = kept(count, 0.95, bound=0.95, gained=0.2, repeats=repeats, seed=300 + place)
        yield _row("recovery of 0.95, `min_recovery = 0.95`", count, "", one["within"], one["over"])
    yield POWER
    yield from _head("metric", "people a group", "templates", "no rise: within", "twice the limit: over")
    for metric, bound in BOUNDS.items():
        for place, (people, templates) in enumerate(SIZES):
            design = Crossed(metric=metric, people=people, templates=templates, bound=bound)
            honest = shares(crossed(design, 0.0, repeats=repeats // 2, seed=400 + place))[0]
            worse = shares(crossed(design, 2 * bound, repeats=repeats // 2, seed=500 + place))[1]
            yield _row(f"{metric}, {bound:g}", people, templates, honest, worse)
    yield ""
    yield from _head("benchmark", "pairs", "", "no rise: within", "twice the limit: over")
    for place, count in enumerate(COUNTS):
        honest = shares(pairs(count, 0.0, bound=5.0, churn=0.1, repeats=repeats // 2, seed=600 + place))[0]
        worse = shares(pairs(count, 10.0, bound=5.0, churn=0.1, repeats=repeats // 2, seed=700 + place))[1]
        yield _row("stereotype_score, 5 points", count, "", honest, worse)
    yield ENOUGH
    yield from _head("metric", "a child no worse: within", "a child worse by twice the limit: over")
    for metric in BOUNDS:
        honest_at = enough_for_80(metric, 0.0, Verdict.WITHIN, repeats=repeats // 4, seed=800)
        worse_at = enough_for_80(metric, 2 * BOUNDS[metric], Verdict.OVER, repeats=repeats // 4, seed=900)
        yield f"| {metric}, {BOUNDS[metric]:g} | {honest_at} | {worse_at} |"
    steps = (100, 150, 200, 300, 400, 500, 700, 1000, 1500)
    at = []
    for increase, place in ((0.0, 0), (10.0, 1)):
        for count in steps:
            found = shares(pairs(count, increase, bound=5.0, churn=0.1, repeats=repeats // 4, seed=1000))
            if found[place] >= 0.8:
                at.append(f"{count} pairs")
                break
    yield f"| stereotype_score, 5 points | {at[0]} | {at[1]} |"


HEAD = f"""# What the paired gate can tell, and how often it errs

This page is written by `python -m tests.numeric.versus_gate`, with fixed seeds. A part of it runs in every test run
(`tests/numeric/test_versus_gate.py`).

A limit with `versus` and `max_increase` is `within` only where the whole interval of the paired increase lies at or under the
limit, and `over` only where it lies wholly above. Simulated are a parent and a child that answer the same questions. The
parent's answers vary by people ({PARENT["names"]:g}), templates ({PARENT["templates"]:g}), template by group
({PARENT["between"]:g}) and single answers ({PARENT["rest"]:g}), as standard deviations; the child's change from its parent
varies by {CHANGE["names"]:g}, {CHANGE["between"]:g} and {CHANGE["rest"]:g}. The parent has a gap of {GAP:g} of its own. In the
pair benchmark the parent prefers the stereotype in 60 % of pairs, and the child turns one pair in ten round.

## The child is worse by exactly the limit

Both verdicts are then wrong. A level of 95 % allows 0.05 in all, 0.025 on each side; the t interval's variance is estimated, so
that a side may come out a little above that. Each share is known to about 0.005.
"""
POWER = """
## Power

How often an honest child, no more biased than its parent, is found `within`; and how often a child is found `over` whose bias
rose by twice the limit.
"""
ENOUGH = """
## What gives 80 %

The first size tried that gives a chance of 0.8, templates half as many as people a group. Each number is known to the
next size of the ladder only. `python -m pytest_biasaudit plan` reckons it for your own context.
"""


def _head(*names: str) -> Iterator[str]:
    kept_names = [name for name in names if name]
    yield f"| {' | '.join(kept_names)} |"
    yield f"|{'---|' * len(kept_names)}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(f'{one:.3f}' if isinstance(one, float) else str(one) for one in cells if one != '')} |"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
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
