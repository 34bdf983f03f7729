"""Every printed estimate once more, from the formulas and in other words. Needs numpy and scipy; imports nothing of ours.

Written to check the package, so it goes another way wherever there is one: people and templates are fitted by a regression
on dummies in place of sweeping, resampled medians repeat the values in place of weighing them, distances and roots come
from scipy. What must be the same is only what a reader of `docs/` is told: the formulas, and the order of random draws.

Tables are (people, templates) arrays, NaN where there is no answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Table = np.ndarray
Ends = tuple[float, float]
Answer = tuple[float | None, Ends | None]
"""A value and the ends of its interval."""

CELLS_AT_ONCE = 1_000_000


def trimmed(reference: Table, group: Table) -> tuple[Table, Table]:
    """Templates that both groups answered, and people with an answer to one of those."""
    columns = [
        t for t in range(reference.shape[1]) if not np.isnan(reference[:, t]).all() and not np.isnan(group[:, t]).all()
    ]
    kept = []
    for table in (reference[:, columns], group[:, columns]):
        kept.append(table[[not np.isnan(row).all() for row in table]] if columns else table[:0])
    return kept[0], kept[1]


def mean_over_templates(table: Table) -> float:
    return float(np.mean([np.nanmean(column) for column in table.T]))


class Fit:
    """One group's table: template means, and what people and single answers contribute to the variance of its mean."""

    def __init__(self, table: Table) -> None:
        self.people, self.templates = table.shape
        rows = [(i, t, table[i, t]) for i in range(self.people) for t in range(self.templates)]
        rows = [row for row in rows if not math.isnan(row[2])]
        self.count = len(rows)
        self.asked = np.array([np.count_nonzero(~np.isnan(column)) for column in table.T])
        self.means = np.array([np.nanmean(column) for column in table.T])
        self.mean = float(self.means.mean())
        pull = [
            sum((y - self.means[t]) / (self.asked[t] * self.templates) for i, t, y in rows if i == person)
            for person in range(self.people)
        ]
        self.names = self.people / (self.people - 1) * sum(one**2 for one in pull) if self.people > 1 else 0.0
        # y - its template's mean, on a dummy a person and a dummy a template
        design = np.zeros((self.count, self.people + self.templates))
        for row, (i, t, _) in enumerate(rows):
            design[row, i] = design[row, self.people + t] = 1.0
        target = np.array([y - self.means[t] for _, t, y in rows])
        solution, _, rank, _ = np.linalg.lstsq(design, target, rcond=1e-10)
        left = target - design @ solution
        self.cells_df = self.count - int(rank)
        self.cells = 0.0
        if self.templates > 1 and self.cells_df > 0:
            self.cells = float(left @ left) / self.cells_df * float(np.sum(1 / self.asked)) / self.templates**2
        else:
            self.cells_df = 0
        connected = int(rank) == self.people + self.templates - 1
        self.effects = self.means + solution[self.people :] if connected else None


class Contrast:
    """The group's mean minus a multiple of the reference group's, its variance and degrees of freedom."""

    def __init__(self, reference: Fit, group: Fit, *, step: float = 1.0, times: float = 1.0) -> None:
        r, g, many = reference, group, reference.templates
        self.r, self.g, self.step = r, g, step
        self.value = step * float(np.mean(g.means - times * r.means))
        self.group_mean = g.mean
        names_r, names_g, cells_r, cells_g = r.names * times**2, g.names, r.cells * times**2, g.cells
        names = names_r + names_g
        names_square = names_r**2 / (r.people - 1) + names_g**2 / (g.people - 1)
        self.between, other_df = 0.0, math.inf
        if many == 1:
            self.variance, square = names, names_square
            cells_r = cells_g = 0.0
        else:
            gaps = g.means - times * r.means
            if r.effects is not None and g.effects is not None:
                gaps = g.effects - times * r.effects
            self.between = step**2 * float(np.var(gaps, ddof=1)) / many
            self.variance = max(names + self.between - cells_r - cells_g, names, self.between)
            between_square = self.between**2 / (many - 1)
            if math.isclose(self.variance, names, rel_tol=1e-9):
                square = names_square
            elif math.isclose(self.variance, self.between, rel_tol=1e-9):
                square = between_square
            else:
                square = names_square + between_square
                square += cells_r**2 / r.cells_df if r.cells_df else 0.0
                square += cells_g**2 / g.cells_df if g.cells_df else 0.0
            if names > 0 and self.between > 0:
                other_df = (names + self.between) / (names_square / names + self.between / (many - 1))
        self.names, self.cells = (names_r, names_g), (cells_r, cells_g)
        self.df = min(self.variance**2 / square, other_df) if square > 0 else min(r.people, g.people) - 1.0

    def still(self, largest: float) -> bool:
        """Nothing varied, but for rounding."""
        return self.variance <= (1e-12 * largest) ** 2


def contrast(reference: Table, group: Table, *, step: float = 1.0) -> Contrast:
    found = Contrast(Fit(reference), Fit(group), step=step)
    if found.still(float(np.nanmax(np.abs(np.concatenate([reference.ravel(), group.ravel()]))))):
        found.variance, found.df = 0.0, min(len(reference), len(group)) - 1.0
    return found


def t_times(level: float, df: float) -> float:
    return float(stats.t.ppf(0.5 + level / 2, df))


def wilson(rate: float, n: float, times: float) -> Ends:
    """Roots p of (rate - p)^2 = times^2 p (1 - p) / n."""
    roots = np.roots([1 + times**2 / n, -(2 * rate + times**2 / n), rate**2])
    low, high = sorted(float(root.real) for root in roots)
    return (0.0 if rate == 0 else max(0.0, low)), (1.0 if rate == 1 else min(1.0, high))


def assumed_n(cells: int, people: int, templates: int) -> float:
    return max(1.0, cells / (1 + 0.10 * (templates - 1) + 0.05 * (people - 1)))


def n_worth(rate: float, variance: float, *, cells: int, people: int, templates: int) -> float:
    if rate in (0.0, 1.0) or variance <= 0:
        return assumed_n(cells, people, templates)
    return max(1.0, min(float(cells), rate * (1 - rate) / variance))


def unseen(parts: Contrast, level: float) -> float:
    """What shares of cells that were not asked could differ, where none of those asked does; both groups together."""
    z = float(stats.norm.ppf(0.5 + level / 2))
    shares = [wilson(0.0, assumed_n(fit.count, fit.people, fit.templates), z)[1] for fit in (parts.r, parts.g)]
    return math.sqrt(shares[0] ** 2 + shares[1] ** 2)


def t_answer(
    value: float,
    parts: Contrast,
    *,
    variance: float,
    scale: float,
    level: float,
    logs: bool = False,
    clip: Ends = (-math.inf, math.inf),
) -> Answer:
    """Value and t interval; with a variance of nothing the bound on cells that were not asked."""
    reach = t_times(level, parts.df) * math.sqrt(variance) if parts.variance > 0 else unseen(parts, level) * scale
    if not reach > 0:
        return value, None
    low, high = value - reach, value + reach
    if logs:
        low, high = value * math.exp(-reach), value * math.exp(reach)
    return value, (max(clip[0], low), min(clip[1], high))


def variance_of_rows(table: Table) -> float:
    rows = table[~np.isnan(table)]
    return float(np.var(rows, ddof=1)) if len(rows) > 1 and len(set(rows.tolist())) > 1 else 0.0


def mean_difference(reference: Table, group: Table, *, level: float) -> Answer:
    value = mean_over_templates(group) - mean_over_templates(reference)
    if min(len(reference), len(group)) < 2:
        return value, None
    s = math.sqrt((variance_of_rows(reference) + variance_of_rows(group)) / 2)
    parts = contrast(reference, group)
    return t_answer(value, parts, variance=parts.variance, scale=max(s, abs(value)), level=level)


def freedom(parts: Contrast, s: float) -> float:
    """Of a standard deviation of rows that share people: between people less 2 and rows less 2, by the people's share."""
    of_people = max(0.0, sum(parts.names) - sum(parts.cells)) / (1 / parts.r.people + 1 / parts.g.people)
    share = min(1.0, of_people / s**2)
    people, rows = parts.r.people + parts.g.people - 2, parts.r.count + parts.g.count - 2
    return float(1 / (share**2 / people + (1 - share) ** 2 / rows))


def standardised(reference: Table, group: Table, s: float, level: float) -> Answer:
    difference = mean_over_templates(group) - mean_over_templates(reference)
    if s == 0:
        return (0.0 if difference == 0 else None), None
    value = difference / s
    if min(len(reference), len(group)) < 2:
        return value, None
    parts = contrast(reference, group)
    variance = parts.variance / s**2 + value**2 / (2 * freedom(parts, s))
    return t_answer(value, parts, variance=variance, scale=max(1.0, abs(value)), level=level)


def smd(reference: Table, group: Table, *, level: float) -> Answer:
    s = math.sqrt((variance_of_rows(reference) + variance_of_rows(group)) / 2)
    return standardised(reference, group, s, level)


def smd_pooled(reference: Table, group: Table, *, level: float) -> Answer:
    weights = [np.count_nonzero(~np.isnan(table)) - 1 for table in (reference, group)]
    squares = weights[0] * variance_of_rows(reference) + weights[1] * variance_of_rows(group)
    return standardised(reference, group, math.sqrt(squares / sum(weights)) if sum(weights) else 0.0, level)


def mean_ratio(reference: Table, group: Table, *, level: float) -> Answer:
    below, above = mean_over_templates(reference), mean_over_templates(group)
    if below <= 0 or above <= 0:
        return None, None
    value = above / below
    if min(len(reference), len(group)) < 2:
        return value, None
    parts = contrast(reference / below, group / above)
    s = math.sqrt((variance_of_rows(reference / below) + variance_of_rows(group / below)) / 2)
    scale = max(s, abs(math.log(value)))
    return t_answer(value, parts, variance=parts.variance, scale=scale, level=level, logs=True)


def mann_whitney(reference: Table, group: Table, *, level: float) -> Answer:
    placed_r, placed_g = np.full(reference.shape, np.nan), np.full(group.shape, np.nan)
    chances = []
    for t in range(reference.shape[1]):
        r, g = reference[:, t], group[:, t]
        others_r, others_g = r[~np.isnan(r)], g[~np.isnan(g)]
        u = stats.mannwhitneyu(others_g, others_r).statistic
        chances.append(u / (len(others_r) * len(others_g)))
        for table, placed, others in ((r, placed_r, others_g), (g, placed_g, others_r)):
            for i, y in enumerate(table):
                if not math.isnan(y):
                    placed[i, t] = stats.percentileofscore(others, y, kind="mean") / 100
    value = float(np.mean(chances))
    if min(len(reference), len(group)) < 2:
        return value, None
    parts = contrast(placed_r, placed_g, step=0.5)
    scale = max(0.5, abs(value - 0.5))
    return t_answer(value, parts, variance=parts.variance, scale=scale, level=level, clip=(0.0, 1.0))


def resampled(
    statistic: Callable[[np.ndarray, np.ndarray, np.ndarray], float],
    people: Sequence[int],
    templates: int,
    seed: int,
    times: int,
) -> tuple[np.ndarray, float, float]:
    """Values with people and templates drawn again, their standard deviation, and degrees of freedom.

    Draws: numpy's default generator; first both (as often as the interval's method says), then people alone (a quarter as
    often), then templates alone (likewise, where there are several); in lots of at most a million cells; in each lot
    multinomial counts of the reference people, of the group's people, of the templates, leaving out what stays as it was.
    """
    generator = np.random.default_rng(seed)
    counts = [people[0], people[1], templates]
    lot = max(1, CELLS_AT_ONCE // ((people[0] + people[1]) * templates))

    def run(again: Sequence[bool], times: int) -> np.ndarray:
        values = []
        for start in range(0, times, lot):
            size = min(lot, times - start)
            drawn = [
                generator.multinomial(n, [1.0 / n] * n, size=size) if draw else np.ones((size, n), dtype=int)
                for n, draw in zip(counts, again, strict=True)
            ]
            values += [statistic(drawn[0][k], drawn[1][k], drawn[2][k]) for k in range(size)]
        return np.array(values)

    def variance(values: np.ndarray) -> float:
        kept = values[np.isfinite(values)]
        return float(np.var(kept, ddof=1)) if len(kept) > 1 else 0.0

    both = run((True, True, True), times)
    of_people = variance(run((True, True, False), times // 4))
    of_templates = variance(run((False, False, True), times // 4)) if templates > 1 else 0.0
    fewest = min(people) - 1
    df = float(fewest)
    if of_people + of_templates > 0:
        share = of_people / fewest + (of_templates / (templates - 1) if templates > 1 else 0.0)
        df = (of_people + of_templates) / share
    return both, math.sqrt(variance(both)), df


def repeated(table: Table, people: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """The answers, each as often as its person times its template was drawn."""
    here = ~np.isnan(table)
    return np.repeat(table[here], np.outer(people, templates)[here].astype(int))


def median_difference(reference: Table, group: Table, *, level: float, seed: int, resamples: int) -> Answer:
    value = float(np.nanmedian(group) - np.nanmedian(reference))
    if min(len(reference), len(group)) < 2:
        return value, None

    def statistic(r: np.ndarray, g: np.ndarray, t: np.ndarray) -> float:
        of_g, of_r = repeated(group, g, t), repeated(reference, r, t)
        return float(np.median(of_g) - np.median(of_r)) if len(of_g) and len(of_r) else math.nan

    _, error, df = resampled(statistic, (len(reference), len(group)), reference.shape[1], seed, resamples)
    reach = t_times(level, df) * error
    return value, (value - reach, value + reach) if reach > 0 else None


def wasserstein(reference: Table, group: Table, *, level: float, seed: int, resamples: int) -> Answer:
    here_r, here_g = ~np.isnan(reference), ~np.isnan(group)
    value = float(stats.wasserstein_distance(reference[here_r], group[here_g]))
    if min(len(reference), len(group)) < 2:
        return value, None

    def statistic(r: np.ndarray, g: np.ndarray, t: np.ndarray) -> float:
        of_r, of_g = np.outer(r, t)[here_r], np.outer(g, t)[here_g]
        if not (of_r.sum() and of_g.sum()):
            return math.nan
        return float(stats.wasserstein_distance(reference[here_r], group[here_g], of_r, of_g))

    both, error, _ = resampled(statistic, (len(reference), len(group)), reference.shape[1], seed, resamples)
    if not error > 0:
        return value, None
    far = float(np.quantile(both[np.isfinite(both)], 0.5 + level / 2))
    low, high = max(0.0, 2 * value - far), max(far, value)
    return value, (low, high) if low < high else None
