"""The part of the recomputation that is about what stands beside a comparison: recoveries, and how far groups moved."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from recompute_clusters import (  # type: ignore[import-not-found]  # beside the script
    ENOUGH,
    NONE,
    Clusters,
    Figure,
    quantile,
    wilson,
)
from recompute_formulas import (  # type: ignore[import-not-found]  # beside the script
    Answer,
    Table,
    assumed_n,
    contrast,
    mean_over_templates,
    t_times,
)
from recompute_formulas import wilson as wilson_of_z
from recompute_rates import overall_share  # type: ignore[import-not-found]  # beside the script
from scipy import stats

Limits = tuple[float, float, float]


def limits_of(values: Sequence[float], weights: Sequence[float], names: Sequence[str], *, level: float) -> Limits:
    """A weighted share with Wilson's limits for the independent items that clusters leave; items of no weight are out."""
    rows = [(v, w, k) for v, w, k in zip(values, weights, names, strict=True) if w > 0]
    total = math.fsum(w for _, w, _ in rows)
    by: dict[str, list[tuple[float, float]]] = {}
    for value, weight, name in rows:
        by.setdefault(name, []).append((value, weight / total))
    mean = min(1.0, max(0.0, math.fsum(w * v for own in by.values() for v, w in own)))
    worth = 1 / math.fsum(w**2 for own in by.values() for _, w in own)
    heavy = {name: math.fsum(w for _, w in own) for name, own in by.items()}
    most = worth * math.fsum(w**2 for w in heavy.values())
    spread = mean * (1 - mean) / worth
    lowest = 1.0
    if any(v not in (0.0, 1.0) for own in by.values() for v, _ in own):
        lowest = min(1.0, math.fsum((w * (v - mean)) ** 2 for own in by.values() for v, w in own) / spread)
    seen = most
    if spread > 0 and len(by) > 1:
        pulls = {name: math.fsum(w * (v - mean) for v, w in own) for name, own in by.items()}
        variance = math.fsum(pulls[name] ** 2 / (1 - heavy[name]) for name in by)
        seen = min(most, max(lowest, variance * (1 - 1 / worth) / spread))
    plain = Counter(round(math.fsum(v for v, _ in own) / len(own), 12) for own in by.values())
    trust = min(1.0, (len(by) - plain.most_common(1)[0][1]) / min(ENOUGH, len(by) / 2))
    design = trust * seen + (1 - trust) * most
    df = math.inf
    if len(by) < len(rows):
        alike = min(1.0, max(0.0, (design - 1) / (most - 1))) if most > 1 + 1e-9 else 0.0
        parts = [(1 - alike) * math.fsum(w**2 for _, w in own) + alike * heavy[name] ** 2 for name, own in by.items()]
        df = max(1.0, math.fsum(parts) ** 2 / math.fsum(part**2 for part in parts) - 1)
    return (mean, *wilson(mean, worth / design, level=level, df=df))


def recovery(
    now: Sequence[float], then: Sequence[float], names: Sequence[str], *, level: float, macro: bool = False
) -> Figure:
    """The mean of `now` over that of `then`; no figure without items, or where `then` has no hit."""
    if not now or not any(then):
        return NONE
    sizes = Counter(names)
    weights = [1 / (len(sizes) * sizes[name]) if macro else 1 / len(now) for name in names]
    kept = limits_of(
        [min(a, b) / b if b else 0.0 for a, b in zip(now, then, strict=True)],
        [w * b for w, b in zip(weights, then, strict=True)],
        names,
        level=level,
    )
    lacking = [w * (1 - b) for w, b in zip(weights, then, strict=True)]
    gained = None
    if sum(lacking) > 0:
        shares = [max(a - b, 0.0) / (1 - b) if b < 1 else 0.0 for a, b in zip(now, then, strict=True)]
        gained = limits_of(shares, lacking, names, level=level)
    had = limits_of(then, weights, names, level=level)
    value = math.fsum(w * a for w, a in zip(weights, now, strict=True)) / had[0]
    pulls: dict[str, float] = {}
    for a, b, w, name in zip(now, then, weights, names, strict=True):
        pulls[name] = pulls.get(name, 0.0) + w * (a - value * b) / had[0]
    straight = 0.0
    if len(pulls) > 1:
        shape = Clusters(then, names, macro=macro)
        variance = math.fsum(pull**2 / (1 - shape.weight[name]) for name, pull in pulls.items())
        straight = quantile(level, shape.freedom(1.0)) * math.sqrt(variance)
    low, high = ends(value, kept, gained, had, straight)
    return Figure(value=value, low=low, high=high, used=len(now), clusters=len(sizes))


def ends(value: float, kept: Limits, gained: Limits | None, had: Limits, straight: float) -> tuple[float, float]:
    """Of what is kept plus what is gained, each with its own limits; no nearer than the straight line's."""
    share, share_low, share_high = had
    if gained is None or gained[0] == 0:
        gain = gain_low = 0.0
        gain_high = (1 - share_low) / share_low * (1.0 if gained is None else gained[2])
    else:
        gain = gained[0] * (1 - share) / share
        down = up = math.inf
        if gained[1] > 0 and share_high < 1:
            down = (
                math.log(gained[0] / gained[1]) ** 2
                + math.log((1 - share) / share / ((1 - share_high) / share_high)) ** 2
            )
        up = math.log(gained[2] / gained[0]) ** 2 + math.log((1 - share_low) / share_low / ((1 - share) / share)) ** 2
        gain_low, gain_high = gain * math.exp(-math.sqrt(down)), gain * math.exp(math.sqrt(up))
    lower = math.sqrt((kept[0] - kept[1]) ** 2 + (gain - gain_low) ** 2)
    upper = math.sqrt((kept[2] - kept[0]) ** 2 + (gain_high - gain) ** 2)
    return max(0.0, value - max(lower, straight)), value + max(upper, straight)


def crossed_recovery(now: Sequence[Table], then: Sequence[Table], *, level: float) -> Answer:
    """The same over people and templates, a table a group; a cell counts where both models have one."""
    here = [(~(np.isnan(a) | np.isnan(b))).astype(float) for a, b in zip(now, then, strict=True)]
    now = [np.where(both > 0, a, 0.0) for a, both in zip(now, here, strict=True)]
    then = [np.where(both > 0, b, 0.0) for b, both in zip(then, here, strict=True)]
    total = sum(float(b.sum()) for b in then)
    if total <= 0:
        return None, None

    def limits(counted: Sequence[Table], out_of: Sequence[Table]) -> Limits:
        rate, found = overall_share(counted, out_of, level=level)
        assert rate is not None
        assert found is not None
        return (rate, *found)

    kept = limits([np.minimum(a, b) for a, b in zip(now, then, strict=True)], then)
    gone = [both - b for both, b in zip(here, then, strict=True)]
    gained = None
    if sum(float(one.sum()) for one in gone) > 0:
        gained = limits([np.maximum(a - b, 0.0) for a, b in zip(now, then, strict=True)], gone)
    value = sum(float(a.sum()) for a in now) / total
    straight = straight_reach([(a - value * b) / total for a, b in zip(now, then, strict=True)], here, level)
    return value, ends(value, kept, gained, limits(then, here), straight)


def straight_reach(pulls: Sequence[Table], here: Sequence[Table], level: float) -> float:
    """Half a t interval of a sum over crossed people and templates."""
    of_people = square = 0.0
    for pull, both in zip(pulls, here, strict=True):
        sums = [float(row.sum()) for row, there in zip(pull, both, strict=True) if there.any()]
        if len(sums) > 1:
            part = len(sums) * float(np.var(sums, ddof=1))
            of_people += part
            square += part**2 / (len(sums) - 1)
    everyone, there = np.concatenate(list(pulls)), np.concatenate(list(here))
    columns = [t for t in range(there.shape[1]) if there[:, t].any()]
    of_templates = single = 0.0
    if len(columns) > 1:
        sums = [float(everyone[:, t].sum()) for t in columns]
        of_templates = len(columns) / (len(columns) - 1) * math.fsum(one**2 for one in sums)
        square += of_templates**2 / (len(columns) - 1)
        single = float((everyone**2).sum())
    variance = max(of_people + of_templates - single, of_people, of_templates)
    if variance <= 0:
        return 0.0
    df = max(1.0, variance**2 / square) if square > 0 else math.inf
    return float(t_times(level, df)) * math.sqrt(variance)


def group_change(now: Table, then: Table, *, level: float, shares: bool) -> Answer:
    """The mean over templates of one group's paired changes, with a t interval over people and templates."""
    changes = now - then
    there = ~np.isnan(changes)
    changes = changes[there.any(axis=1)][:, there.any(axis=0)]
    if not changes.size:
        return None, None
    value = mean_over_templates(changes)
    if len(changes) < 2:
        return value, None
    parts = contrast(np.where(np.isnan(changes), np.nan, 0.0), changes)
    cells = changes[~np.isnan(changes)]
    worth = assumed_n(len(cells), len(changes), changes.shape[1])
    z = float(stats.norm.ppf(0.5 + level / 2))
    if parts.variance <= 0:
        scale = 1.0 if shares else float(np.std(then[there], ddof=1)) if len(cells) > 1 else 0.0
        reach = wilson_of_z(0.0, worth, z)[1] * max(scale, abs(value))
    else:
        reach = t_times(level, parts.df) * math.sqrt(parts.variance)
        odd = float(np.mean(cells != np.median(cells)))
        if shares and odd * worth < 5:
            reach = max(reach, wilson_of_z(odd, worth, z)[1] - odd)
    return value, (value - reach, value + reach) if reach > 0 else None


def asked_again(
    outcomes: Sequence[Mapping[str, object]], changed: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """All answers of a second asking: the first ones, but where it came out otherwise."""
    second = {(one["id"], one["repeat"]): one for one in changed}
    return [second.get((one["id"], one["repeat"]), one) for one in outcomes]
