"""The part of the recomputation that is about SEAT and WEAT: effects of association, their mean, and whether sets hold together.

Words are left out one by one in so many words: every figure is computed anew without them. Imports nothing of ours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from recompute_clusters import NONE, Figure, quantile, share, two_sided, wilson  # type: ignore[import-not-found]  # beside the script
from recompute_recovery import recovery  # type: ignore[import-not-found]  # beside the script
from scipy import stats

Item = Mapping[str, Any]
Items = Sequence[Item]
Ends = tuple[float, float]

CONTROL = "control"
ALIKE = 1e-9
FEWEST_WORDS = 3
FEWEST_ATTRIBUTES = 2
LEAST_CHANGE = 1e-3
SPREAD_OF_DRAWS = 5.0
"""Standard errors that a p from drawn partitions may lie off one from all partitions."""


class Test:
    """One test of one model: cosines of target stimuli to attribute words ("A:word"), and how many stimuli these have."""

    def __init__(self, items: Items, keys: Sequence[str] | None = None) -> None:
        self.items = list(items)
        self.keys = list(keys if keys is not None else items[0]["scores"]) if items else []
        numbers = items[0]["slots"]["counts"].split() if items else []
        self.stimuli = dict(zip(items[0]["scores"] if items else (), map(int, numbers), strict=True))
        self.words = list(dict.fromkeys(one["template"] for one in self.items))
        self.side = {one["template"]: one["slots"]["set"] for one in self.items}

    def count(self, letter: str) -> int:
        """Different words of a set."""
        if letter in "XY":
            return sum(side == letter for side in self.side.values())
        return sum(key.startswith(f"{letter}:") for key in self.keys)

    def scores(self, *, without: str | None = None) -> list[float]:
        """s(w, A, B) of every target stimulus, perhaps without one attribute word."""
        found = []
        for one in self.items:
            mean = {}
            for letter in "AB":
                kept = [key for key in self.keys if key.startswith(f"{letter}:") and key != without]
                weights = [self.stimuli[key] for key in kept]
                mean[letter] = float(np.average([one["scores"][key] for key in kept], weights=weights))
            found.append(mean["A"] - mean["B"])
        return found

    def split(self, scores: Sequence[float], *, without: str | None = None) -> tuple[list[float], list[float]]:
        """The scores of X and of Y, perhaps without the stimuli of one word."""
        kept = [(one, s) for one, s in zip(self.items, scores, strict=True) if one["template"] != without]
        x, y = ([s for one, s in kept if one["slots"]["set"] == letter] for letter in "XY")
        return x, y

    def undefined(self) -> bool:
        return not all(map(self.count, "XYAB")) or np.ptp(self.scores()) <= ALIKE

    def bare(self) -> bool:
        """Has an effect, and too few words for an interval of it."""
        few = min(map(self.count, "XY")) < FEWEST_WORDS or min(map(self.count, "AB")) < FEWEST_ATTRIBUTES
        return few or max(map(np.ptp, self.split(self.scores()))) <= ALIKE

    def widest(self) -> float:
        x, y = self.split(self.scores())
        return (len(x) + len(y)) / math.sqrt(len(x) * len(y))

    def shrunk(self, ddof: int) -> float:
        return math.sqrt(1 - ddof / len(self.items))

    def effect(self, ddof: int) -> float:
        x, y = self.split(self.scores())
        return float((np.mean(x) - np.mean(y)) / np.std([*x, *y], ddof=ddof))


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Of scores with being in X."""
    found = float(np.corrcoef([*x, *y], [1.0] * len(x) + [0.0] * len(y))[0, 1])
    return min(1 - 1e-12, max(1e-12 - 1, found))


def leaving_out(test: Test) -> np.ndarray:
    """(1 + words, 1 + attribute words) correlations, nothing left out at [0, 0]."""
    return np.array(
        [
            [
                correlation(*test.split(scores, without=word))
                for scores in (test.scores(without=key) for key in (None, *test.keys))
            ]
            for word in (None, *test.words)
        ]
    )


class Spread:
    """The variance of a figure over target and attribute words, from leaving out one of each and both."""

    def __init__(self, figures: np.ndarray, test: Test) -> None:
        rows = [[at for at, word in enumerate(test.words, 1) if test.side[word] == letter] for letter in "XY"]
        columns = [[at for at, key in enumerate(test.keys, 1) if key[0] == letter] for letter in "AB"]
        self.pull: dict[str, float] = {}
        totals, parts = [0.0, 0.0], []
        for place, sets in enumerate((rows, columns)):
            for members in sets:
                moved = [float(figures[at, 0] if place == 0 else figures[0, at]) for at in members]
                n, middle = len(moved), math.fsum(moved) / len(moved)
                pulls = [(one - middle) * math.sqrt((n - 1) / n) for one in moved]
                for at, pull in zip(members, pulls, strict=True):
                    word = test.words[at - 1] if place == 0 else test.keys[at - 1][2:]
                    self.pull[word] = self.pull.get(word, 0.0) + pull
                part = math.fsum(pull**2 for pull in pulls)
                totals[place] += part
                parts.append((part, n - 1))
        shared = 0.0
        for r, c in itertools.product(rows, columns):
            # What a pair of words brings beyond each by itself: the interaction's sum of squares, found by regression.
            block = [figures[i, j] - figures[i, 0] - figures[0, j] + figures[0, 0] for i in r for j in c]
            dummies = np.array([[i == k for k in r] + [j == k for k in c] for i in r for j in c], dtype=float)
            rest = np.array(block) - dummies @ np.linalg.lstsq(dummies, np.array(block), rcond=None)[0]
            shared += (1 - 1 / len(r)) * (1 - 1 / len(c)) * float(rest @ rest)
        self.variance = max(sum(totals) - shared, *totals)
        squares = math.fsum(part**2 / df for part, df in parts if df)
        self.df = sum(totals) ** 2 / squares if squares > 0 else float(min(df for _, df in parts if df))


class Effect:
    """d of one test without ddof, and its interval by artanh of the correlation and back."""

    def __init__(self, test: Test, *, level: float) -> None:
        table = np.arctanh(leaving_out(test))
        self.spread = Spread(table, test)
        self.value = test.effect(0)
        reach = quantile(level, self.spread.df) * math.sqrt(self.spread.variance)
        self.low, self.high = (math.tanh(float(table[0, 0]) + sign * reach) * test.widest() for sign in (-1, 1))

    def magnitude(self) -> Ends:
        """The interval of |d|."""
        if self.low <= 0 <= self.high:
            return 0.0, max(-self.low, self.high)
        return min(abs(self.low), abs(self.high)), max(abs(self.low), abs(self.high))


def tests_of(items: Items) -> dict[str, Test]:
    found: dict[str, list[Item]] = {}
    for one in items:
        own = found.setdefault(one["slots"]["test"], [])
        if one["status"] == "ok":
            own.append(one)
    return {name: Test(own) for name, own in found.items()}


def words_in(tests: Sequence[Test]) -> int:
    return len({word for test in tests for word in (*test.words, *(key[2:] for key in test.keys))})


def effect_size(items: Items, *, level: float, settings: Mapping[str, Any]) -> Figure:
    (test,) = tests_of(items).values()
    ddof = settings["ddof"]
    if test.undefined():
        return NONE
    if test.bare():
        return Figure(value=test.effect(ddof))
    found = Effect(test, level=level)
    p = enumerated_p(test, settings) if every(test) <= settings["permutations"] + 1 else None
    ends = [end * by for end in (found.low, found.high) for by in (1.0, test.shrunk(ddof))]
    return Figure(
        value=test.effect(ddof), low=min(ends), high=max(ends), p=p, used=len(test.items), clusters=words_in([test])
    )


def mean_abs_effect(items: Items, *, level: float, settings: Mapping[str, Any]) -> Figure:
    tests = list(tests_of([one for one in items if one["slots"]["axis"] != CONTROL]).values())
    ddof = settings["ddof"]
    if not tests or any(test.undefined() for test in tests):
        return NONE
    values = [abs(test.effect(ddof)) for test in tests]
    value = float(np.mean(values))
    if any(test.bare() for test in tests):
        return Figure(value=value)
    effects = [Effect(test, level=level) for test in tests]
    pulls = [{word: pull if one.value >= 0 else -pull for word, pull in one.spread.pull.items()} for one in effects]
    sure = [one.magnitude()[0] > 0 for one in effects]
    times = quantile(level, min(one.spread.df for one in effects))
    ends = []
    for shrunk in ([1.0] * len(tests), [test.shrunk(ddof) for test in tests]):
        middle = math.fsum(by * abs(one.value) for by, one in zip(shrunk, effects, strict=True)) / len(tests)
        down, up, lifted = [], [], 0.0
        for by, one in zip(shrunk, effects, strict=True):
            low, high = one.magnitude()
            down.append(by * (abs(one.value) - low))
            up.append(by * (high - abs(one.value)))
            # Noise raises a magnitude: by as much as the mean of a folded normal lies above that of the normal.
            error = (one.high - one.low) / 2 / times
            lifted += by * (float(stats.foldnorm.mean(low / error)) * error - low)
        ends.append(middle - together(down, pulls, sure) - (lifted / len(tests) if len(tests) > 1 else 0.0))
        ends.append(middle + together(up, pulls, sure))
    return Figure(
        value=value,
        low=max(0.0, min(ends)),
        high=min(float(np.mean([test.widest() for test in tests])), max(ends)),
        used=sum(len(test.items) for test in tests),
        clusters=words_in(tests),
    )


def together(reaches: Sequence[float], pulls: Sequence[Mapping[str, float]], sure: Sequence[bool]) -> float:
    """Reach of a mean: variances and covariances of its parts, whose correlations follow from the words they share."""

    def length(pull: Mapping[str, float]) -> float:
        return math.sqrt(math.fsum(one**2 for one in pull.values())) or 1.0

    total = 0.0
    for i, j in itertools.product(range(len(reaches)), repeat=2):
        agree = 1.0
        if i != j:
            common = pulls[i].keys() & pulls[j].keys()
            agree = math.fsum(pulls[i][word] * pulls[j][word] for word in common) / length(pulls[i]) / length(pulls[j])
            agree = agree if sure[i] and sure[j] else abs(agree)
        total += agree * reaches[i] * reaches[j]
    return math.sqrt(max(0.0, total)) / len(reaches)


def effect_rise(items: Items, others: Items, *, level: float, settings: Mapping[str, Any]) -> Figure:
    theirs = {one["id"]: one for one in others if one["status"] == "ok"}
    mine = [one for one in items if one["status"] == "ok" and one["id"] in theirs]
    if not mine or {one["slots"]["test"] for one in items} - {one["slots"]["test"] for one in mine}:
        return NONE  # the change of a mean is of all its tests, or none
    pairs = []
    for name, test in tests_of(mine).items():
        other = Test([theirs[one["id"]] for one in mine if one["slots"]["test"] == name])
        keys = [key for key in test.keys if key in other.keys]
        pairs.append((Test(test.items, keys), Test(other.items, keys)))
    ddof = settings["ddof"]
    if any(test.undefined() for pair in pairs for test in pair):
        return NONE
    changes = [abs(one.effect(ddof)) - abs(two.effect(ddof)) for one, two in pairs]
    if any(test.bare() for pair in pairs for test in pair):
        return Figure(value=float(np.mean(changes)))
    found = [risen(one, two, ddof=ddof, level=level) for one, two in pairs]
    value, doubtful = float(np.mean(changes)), [False] * len(found)
    pulls = [pull for _, _, pull, _ in found]
    return Figure(
        value=value,
        low=value - together([down for down, _, _, _ in found], pulls, doubtful),
        high=value + together([up for _, up, _, _ in found], pulls, doubtful),
        p=found[0][3] if len(found) == 1 else None,
        used=sum(len(test.items) for test, _ in pairs),
        clusters=words_in([test for test, _ in pairs]),
    )


def mean_rise(items: Items, others: Items, *, level: float, settings: Mapping[str, Any]) -> Figure:
    kept = [one for one in items if one["slots"]["axis"] != CONTROL]
    return effect_rise(kept, others, level=level, settings=settings)


def risen(one: Test, two: Test, *, ddof: int, level: float) -> tuple[float, float, Mapping[str, float], float]:
    """How far down and up from |d| - |d'| one test may be; what the words pull; p of d = d'.

    Every point of the ellipse of (artanh r, artanh r') is looked at, half a degree apart.
    """
    raw = [leaving_out(test) for test in (one, two)]
    mine, theirs = (np.arctanh(table) for table in raw)
    less, more, now, then = (Spread(table, one) for table in (mine - theirs, mine + theirs, mine, theirs))
    # Covariance of difference and sum: what the two variances differ by, as far as a correlation allows.
    most = math.sqrt(less.variance * more.variance)
    between = max(-most, min(most, now.variance - then.variance))
    root = np.zeros((2, 2))
    if less.variance > 0:
        root[:, 0] = math.sqrt(less.variance), between / math.sqrt(less.variance)
    root[1, 1] = math.sqrt(max(0.0, more.variance - root[1, 0] ** 2))
    times = quantile(level, min(now.df, then.df))
    around = []
    for half_degree in range(721):
        angle = math.radians(half_degree / 2)
        u, v = times * (root @ [math.cos(angle), math.sin(angle)])
        c, p = float(mine[0, 0] + (u + v) / 2), float(theirs[0, 0] + (v - u) / 2)
        around.append(abs(math.tanh(c)) - abs(math.tanh(p)))
    value = abs(one.effect(ddof)) - abs(two.effect(ddof))
    ends = [end * one.widest() * by for end in (min(around), max(around)) for by in (1.0, one.shrunk(ddof))]
    least = LEAST_CHANGE
    same = all(
        abs(own["scores"][key] - other["scores"][key]) <= ALIKE
        for own, other in zip(one.items, two.items, strict=True)
        for key in one.keys
    )
    if same:
        least = max(least, wilson(0.0, len(one.words), level=level)[1])
    return (
        max(value - min(ends), least),
        max(max(ends) - value, least),
        Spread(np.abs(raw[0]) - np.abs(raw[1]), one).pull,
        two_sided(float(mine[0, 0] - theirs[0, 0]) / max(math.sqrt(less.variance), LEAST_CHANGE / 2), less.df),
    )


def coherence(items: Items, *, level: float) -> Figure:
    kept = [one for one in items if one["status"] == "ok"]
    hits = [float(one["scores"]["own"] - one["scores"]["other"] > ALIKE) for one in kept]
    return share(hits, [one["template"] for one in kept], level=level).times(100)


def coherence_kept(items: Items, others: Items, *, level: float) -> Figure:
    theirs = {one["id"]: one for one in others if one["status"] == "ok"}
    kept = [one for one in items if one["status"] == "ok" and one["id"] in theirs]
    now, then = (
        [float(one["scores"]["own"] - one["scores"]["other"] > ALIKE) for one in side]
        for side in (kept, [theirs[one["id"]] for one in kept])
    )
    return recovery(now, then, [one["template"] for one in kept], level=level)


# -- the permutation test ------------------------------------------------------------------------------------------------


def every(test: Test) -> int:
    return math.comb(len(test.words), test.count("X"))


def enumerated_p(test: Test, settings: Mapping[str, Any]) -> float:
    """Over all ways of dealing the words into sets of the same sizes, the one seen among them."""
    sums = dict.fromkeys(test.words, 0.0)
    counts = dict.fromkeys(test.words, 0)
    scores = test.scores()
    for one, score in zip(test.items, scores, strict=True):
        sums[one["template"]] += score - float(np.mean(scores))
        counts[one["template"]] += 1
    total, size = sum(sums.values()), sum(counts.values())

    def apart(chosen: Sequence[str]) -> float:
        mine, of_mine = sum(sums[word] for word in chosen), sum(counts[word] for word in chosen)
        return mine / of_mine - (total - mine) / (size - of_mine)

    own = [word for word in test.words if test.side[word] == "X"]
    seen, slack = apart(own), 1e-10 * max(abs(sums[word] / counts[word]) for word in test.words)
    dealt = [apart(chosen) for chosen in itertools.combinations(test.words, len(own))]
    above = sum(one >= seen - slack for one in dealt) / len(dealt)
    below = sum(one <= seen + slack for one in dealt) / len(dealt)
    return above if settings["p"] == "one-sided" else min(1.0, 2 * min(above, below))


def drawn_p(items: Items, settings: Mapping[str, Any]) -> tuple[float, float] | None:
    """A p that the package drew: what it is over all partitions, and how far off it may be; None where none is drawn."""
    (test,) = tests_of(items).values()
    if test.undefined() or test.bare() or every(test) <= settings["permutations"] + 1:
        return None
    p, draws = enumerated_p(test, settings), settings["permutations"]
    tail = p / 2 if settings["p"] == "two-sided" else p
    allowed = SPREAD_OF_DRAWS * math.sqrt(max(tail * (1 - tail), 1 / draws) / draws) + 1 / (draws + 1)
    return p, 2 * allowed if settings["p"] == "two-sided" else allowed
