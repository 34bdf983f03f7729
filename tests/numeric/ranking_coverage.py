"""Fills the tables of docs/explanation/ranking-and-toxicity.md: how often the intervals of ranking figures hold the truth.

    python tests/numeric/ranking_coverage.py [--repeats 1000]

Every figure comes from the package's own functions on drawn tables, with fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.stats.auc import Area, Ranked
from pytest_biasaudit.tables.tally import Attribute, Tally

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "ranking-and-toxicity.md"
LEVEL = 0.95
Floats = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Held:
    """What came of the repeats of one cell, as shares of them."""

    covered: float
    too_low: float
    """The truth lies under the interval."""
    too_high: float
    """The truth lies over it."""
    width: float
    """Mean."""
    said: float = 1.0
    """Repeats with an interval."""


def held(ends: Sequence[tuple[float, float]], truth: float, *, repeats: int) -> Held:
    """Count. No interval may be of zero width."""
    low, high = np.array(ends).T
    assert (low < high).all()
    under, over = float((truth < low).mean()), float((truth > high).mean())
    return Held(1 - under - over, under, over, float((high - low).mean()), len(ends) / repeats)


# Scores of one group's positives and negatives.


def normal(shift: float) -> Callable[[Rng, int, int], tuple[Floats, Floats]]:
    """Two normal distributions."""
    return lambda rng, m, n: (rng.normal(shift, 1, m), rng.normal(0, 1, n))


def spread(shift: float) -> Callable[[Rng, int, int], tuple[Floats, Floats]]:
    """Positives twice as spread as negatives."""
    return lambda rng, m, n: (rng.normal(shift, 2, m), rng.normal(0, 1, n))


def rounded(shift: float) -> Callable[[Rng, int, int], tuple[Floats, Floats]]:
    """Whole numbers: many ties."""
    return lambda rng, m, n: (np.round(rng.normal(shift, 1, m)), np.round(rng.normal(0, 1, n)))


def mistaken(share: float) -> Callable[[Rng, int, int], tuple[Floats, Floats]]:
    """Nearly perfect, but for a share of positives that score below nearly everyone."""

    def draw(rng: Rng, m: int, n: int) -> tuple[Floats, Floats]:
        return np.where(rng.random(m) < share, rng.normal(-1, 1, m), rng.normal(4, 1, m)), rng.normal(0, 1, n)

    return draw


WORLDS = {
    "normal, 0": normal(0),
    "normal, 1": normal(1),
    "normal, 2": normal(2),
    "normal, 3": normal(3),
    "twice the spread, 1": spread(1),
    "twice the spread, 3": spread(3),
    "whole numbers, 1": rounded(1),
    "whole numbers, 2.5": rounded(2.5),
    "1 in 5 mistaken": mistaken(0.2),
    "1 in 20 mistaken": mistaken(0.05),
}
SIZES = ((5, 5), (10, 10), (20, 20), (50, 50), (5, 50), (10, 200), (200, 10), (50, 200))


def true_area(world: str) -> float:
    """By calculus: P(positive > negative) + P(equal) / 2."""
    from scipy.special import ndtr

    kind, shift = world.rsplit(", ", 1) if ", " in world else (world, "0")
    d = float(shift)
    if kind == "whole numbers":
        at = np.arange(-12, 16)

        def rounds_to(mean: float) -> Floats:
            return np.asarray(ndtr(at + 0.5 - mean) - ndtr(at - 0.5 - mean))

        below = np.concatenate([[0.0], np.cumsum(rounds_to(0.0))[:-1]])
        return float(rounds_to(d) @ (below + rounds_to(0.0) / 2))
    if kind.endswith("mistaken"):
        share = 1 / int(kind.split()[2])
        return float(share * ndtr(-1 / np.sqrt(2)) + (1 - share) * ndtr(4 / np.sqrt(2)))
    return float(ndtr(d / np.sqrt(5 if kind == "twice the spread" else 2)))


def area_of(positives: Floats, negatives: Floats, cluster: NDArray[np.int64] | None = None) -> Area:
    """The area between two lots of scores."""
    score = np.concatenate([positives, negatives])
    positive = np.arange(len(score)) < len(positives)
    ranked = Ranked(score, positive, np.ones(len(score), dtype=np.int64), cluster)
    return ranked.area(ranked.side(None, positive=True), ranked.side(None, positive=False))


def areas(world: str, size: tuple[int, int], *, repeats: int, seed: int) -> Held:
    """Subgroup, BPSN and BNSP AUC, and (less 0.5) both AEG: all are this interval."""
    rng = np.random.default_rng(seed)
    ends = [area_of(*WORLDS[world](rng, *size)).interval(LEVEL) for _ in range(repeats)]
    return held(ends, true_area(world), repeats=repeats)


def clustered_areas(clusters: int, rows: int, within: float, shift: float, *, repeats: int, seed: int) -> Held:
    """Half of each cluster's rows positive; a share `within` of the variance of a score is its cluster's."""
    from scipy.special import ndtr

    rng = np.random.default_rng(seed)
    ends = []
    half = rows // 2
    at = np.repeat(np.arange(clusters), half)
    for _ in range(repeats):
        # Positives' and negatives' parts of a cluster differ: else what they share cancels within it.
        effects = rng.normal(0, np.sqrt(within), (2, clusters))
        scores = effects[:, at] + rng.normal(0, np.sqrt(1 - within), (2, len(at)))
        ends.append(area_of(scores[0] + shift, scores[1], np.concatenate([at, at])).interval(LEVEL))
    # Pairs from one cluster are as far apart as pairs from two: both parts are independent.
    return held(ends, float(ndtr(shift / np.sqrt(2))), repeats=repeats)


def measured(name: str, tally: Tally, *, seed: int = 0, minimum: int = 2) -> tuple[Compared, ...]:
    """A figure of the one attribute "group"."""
    of_table = METRICS[name].of_table
    assert of_table is not None
    return of_table(tally, attributes=("group",), label=None, level=LEVEL, seed=seed, minimum=minimum)


def tally_of(
    members: NDArray[np.bool_],
    truth: NDArray[np.int64],
    *,
    prediction: NDArray[np.int64] | None = None,
    score: Floats | None = None,
    count: NDArray[np.int64] | None = None,
    cluster: NDArray[np.int64] | None = None,
) -> Tally:
    """A tally of one attribute whose groups are numbered."""
    groups = tuple(f"g{at}" for at in range(members.shape[1]))
    overlapping = bool((members.sum(axis=1) > 1).any())
    return Tally(
        attributes=(Attribute(name="group", groups=groups, overlapping=overlapping),),
        labels=("no", "yes"),
        positive="yes",
        members=(members,),
        truth=truth,
        prediction=prediction,
        score=score,
        count=np.ones(len(truth), dtype=np.int64) if count is None else count,
        cluster=cluster,
    )


RATES = {
    "2 alike, 0.1": (0.1, 0.1),
    "2, 0.02 and 0.2": (0.02, 0.2),
    "5 alike, 0.02": (0.02,) * 5,
    "5 alike, 0.5": (0.5,) * 5,
    "5, one at 0.6": (0.1, 0.1, 0.1, 0.1, 0.6),
    "5, all apart": (0.02, 0.1, 0.3, 0.5, 0.9),
    "20 alike, 0.1": (0.1,) * 20,
    "20, half at 0.4": (0.1,) * 10 + (0.4,) * 10,
}


def equality_differences(rates: Sequence[float], rows: int, *, overlap: bool = False, repeats: int, seed: int) -> Held:
    """FPED of groups of `rows` negatives each, with ten times as many rows of no group at a rate of 0.1.

    overlap  every row of a group is of the next group too: there a group's rate is the mean of two
    """
    rng = np.random.default_rng(seed)
    groups = len(rates)
    lots = [*rates, 0.1]
    sizes = [rows] * groups + [10 * rows]
    inside = np.zeros((groups + 1, groups), dtype=bool)
    inside[np.arange(groups), np.arange(groups)] = True
    if overlap:
        inside[np.arange(groups), (np.arange(groups) + 1) % groups] = True
    true_rates = inside.T @ np.array(lots) / inside.sum(axis=0)
    overall = float(np.average(lots, weights=sizes))
    truth = float(np.abs(overall - true_rates).sum())
    members = np.repeat(inside, 2, axis=0)
    prediction = np.tile(np.array([1, 0]), groups + 1)
    ends = []
    for repeat in range(repeats):
        wrong = rng.binomial(sizes, lots)
        count = np.column_stack([wrong, np.array(sizes) - wrong]).ravel()
        tally = tally_of(members, np.zeros(len(count), dtype=np.int64), prediction=prediction, count=count)
        (one,) = measured("fped", tally, seed=repeat)
        assert one.measured.interval is not None
        ends.append((one.measured.interval.low, one.measured.interval.high))
    return held(ends, truth, repeats=repeats)


PROMISES = {
    "honest, 0.5": (2.0, 2.0, 0.0),
    "honest, rare": (0.5, 9.5, 0.0),
    "honest, sure": (0.3, 0.3, 0.0),
    "group 0.15 too high": (2.0, 3.0, 0.15),
    "group 0.05 too high, rare": (0.5, 12.0, 0.05),
}


def calibration_gaps(promise: tuple[float, float, float], sizes: tuple[int, int], *, repeats: int, seed: int) -> Held:
    """True chances from a beta distribution; the group's scores are too high by a fixed amount."""
    a, b, shift = promise
    rng = np.random.default_rng(seed)
    members = np.repeat(np.eye(2, dtype=bool), sizes, axis=0)
    ends = []
    truth = None
    for _ in range(repeats):
        chance = rng.beta(a, b, sum(sizes)) * (1.0 - shift)
        happened = (rng.random(len(chance)) < chance).astype(np.int64)
        (one,) = measured("calibration_gap", tally_of(members, happened, score=chance + shift * members[:, 1]))
        truth = shift
        assert one.measured.interval is not None
        ends.append((one.measured.interval.low, one.measured.interval.high))
    assert truth is not None
    return held(ends, truth, repeats=repeats)


SHIFTS = {
    "2 alike": (0.0, 0.0),
    "2 apart": (0.0, 0.8),
    "5 alike": (0.0,) * 5,
    "5, one apart": (0.0, 0.0, 0.0, 0.0, -0.8),
}


def scoring_ratios(shifts: Sequence[float], rows: int, *, repeats: int, seed: int) -> Held:
    """Normal scores, groups of one size; the truth is by shares above the median of them all together."""
    from scipy.optimize import brentq
    from scipy.special import ndtr

    rng = np.random.default_rng(seed)
    means = np.array(shifts)
    middle = float(brentq(lambda at: float(ndtr(means - at).mean()) - 0.5, -9, 9))
    above = ndtr(means - middle)
    members = np.repeat(np.eye(len(means), dtype=bool), rows, axis=0)
    ends = []
    for _ in range(repeats):
        score = rng.normal(np.repeat(means, rows), 1.0)
        (one,) = measured("scoring_rate_ratio", tally_of(members, np.zeros(len(score), dtype=np.int64), score=score))
        if one.measured.interval is not None:
            ends.append((one.measured.interval.low, one.measured.interval.high))
    return held(ends, float(above.min() / above.max()), repeats=repeats)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _figures(one: Held) -> tuple[str, str, str, str]:
    return f"{one.covered:.3f}", f"{one.too_low:.3f}", f"{one.too_high:.3f}", f"{one.width:.2f}"


def tables(repeats: int) -> Iterator[tuple[str, list[str]]]:
    """Every table of the page, by its name."""
    rows = [_row("scores, shift", "truth", *(f"{m} and {n}" for m, n in SIZES)), _row(*["---"] * (len(SIZES) + 2))]
    for place, world in enumerate(WORLDS):
        found = [areas(world, size, repeats=repeats, seed=100 * place + at) for at, size in enumerate(SIZES)]
        rows.append(_row(world, f"{true_area(world):.3f}", *(f"{one.covered:.3f}" for one in found)))
    yield "areas", rows
    head = ("covered", "truth below", "truth above", "mean width")
    rows = [_row("clusters of 10 rows", "share of variance", "shift", *head), _row(*["---"] * 7)]
    for place, (clusters, within, shift) in enumerate(
        (clusters, within, shift) for clusters in (5, 10, 20, 50) for within in (0.0, 0.5) for shift in (0.0, 2.0)
    ):
        one = clustered_areas(clusters, 10, within, shift, repeats=repeats, seed=3000 + place)
        rows.append(_row(clusters, within, shift, *_figures(one)))
    yield "clustered areas", rows
    rows = [_row("groups, false positive rate", "rows each", "overlapping", *head), _row(*["---"] * 7)]
    for place, (name, size, overlap) in enumerate(
        (name, size, overlap) for name in RATES for size in (5, 10, 50) for overlap in (False, True)
    ):
        if overlap and len(RATES[name]) < 3:
            continue
        one = equality_differences(RATES[name], size, overlap=overlap, repeats=repeats, seed=5000 + place)
        rows.append(_row(name, size, "yes" if overlap else "no", *_figures(one)))
    yield "equality differences", rows
    rows = [_row("scores", "rows", *head), _row(*["---"] * 6)]
    for place, (name, sizes) in enumerate(
        (name, sizes) for name in PROMISES for sizes in ((5, 5), (10, 10), (20, 20), (50, 50), (200, 10))
    ):
        one = calibration_gaps(PROMISES[name], sizes, repeats=repeats, seed=7000 + place)
        rows.append(_row(name, f"{sizes[0]} and {sizes[1]}", *_figures(one)))
    yield "calibration", rows
    rows = [_row("groups", "rows each", *head), _row(*["---"] * 6)]
    for place, (name, size) in enumerate((name, size) for name in SHIFTS for size in (5, 10, 20, 50)):
        one = scoring_ratios(SHIFTS[name], size, repeats=repeats, seed=9000 + place)
        rows.append(_row(name, size, *_figures(one)))
    yield "scoring", rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables into the page, between their marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--print", action="store_true", help="print the tables, and leave the page as it is")
    settings = parser.parse_args(arguments)
    text = "" if settings.print else PAGE.read_text(encoding="utf-8")
    for name, rows in tables(settings.repeats):
        table = "\n".join(rows)
        if settings.print:
            print(f"{name}\n{table}\n", flush=True)
            continue
        start, mark, rest = text.partition(f"<!-- rows: {name} -->")
        assert mark, f"the page has no table {name!r}"
        text = f"{start}{mark}\n{table}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    if not settings.print:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
