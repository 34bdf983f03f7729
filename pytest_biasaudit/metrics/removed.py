"""How big, of a bias that was worked on: the share of it that is gone. Imports numpy and stats.

The arithmetic is in `stats.removed`; here it is said what of an answer counts, and when no share can be said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.metrics.means import pooled_sd, row_sd
from pytest_biasaudit.metrics.measured import named
from pytest_biasaudit.metrics.metric import GroupCells, Measured, Metric, nothing
from pytest_biasaudit.stats.crossed import template_mean
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.stats.moved import few_changes_reach
from pytest_biasaudit.stats.removed import Pair, linearised, share_removed
from pytest_biasaudit.stats.versus import LINEAR, answered_by_both

Floats = NDArray[np.float64]

ABOUT_REFUSING = "refusal_rate_difference"
RATES = ("rate_difference", ABOUT_REFUSING)
STANDARDISED = ("smd", "smd_pooled")
SAME_TO_ALL = (
    "every answer of the child is the same: nothing bounds what was not asked, and a model that answers everyone alike is "
    "mostly a broken one"
)


def bias_removed(
    reference: GroupCells,
    group: GroupCells,
    *,
    level: float,
    seed: int,
    before: Sequence[GroupCells] = (),
    of: Metric | None = None,
) -> Measured:
    """1 - |child| / |parent| of a metric, on the cells that both answered. `seed` is not used.

    reference, group  the child's tables
    before            the parent's, reference group first: the same people in the rows and templates in the columns
    of                which metric, one of `stats.versus.LINEAR`

    p is that of nothing removed: child and parent equally far from 0. Where the parent's own value cannot be told from 0 at
    this level the share is shown and not usable, and so it is where the child answers everyone alike: one number or
    one choice. A child that refuses nobody may answer well, and has the bound on cells not asked.

    Raises StatisticsError where the tables do not have the same shape.
    """
    if len(before) != 2 or of is None:
        return nothing("a share of a bias is removed since another model answered: it needs versus")
    if of.name not in LINEAR:
        return nothing(f"no share of {of.name} has an interval; of must be one of {', '.join(LINEAR)}")
    of_child, of_parent = answered_by_both((reference, group), (before[0], before[1]), name=of.name)
    for both in (of_child, of_parent):
        if not both.comparable:
            return nothing(both.reason)
    child, parent = (of_child.reference, of_child.group), (of_parent.reference, of_parent.group)
    c, p = (template_mean(pair[1]) - template_mean(pair[0]) for pair in (child, parent))
    scale, few = max(row_sd(*child), abs(c)), 0.0
    if of.name in STANDARDISED:
        deviations = [(row_sd if of.name == "smd" else pooled_sd)(*pair) for pair in (child, parent)]
        for s, difference, which in zip(deviations, (c, p), ("the child", "the parent"), strict=True):
            if s == 0.0 and difference != 0.0:
                return nothing(f"answers of {which} do not vary within groups: its {of.name} is not defined")
        if deviations[1] == 0.0:
            return nothing(f"every answer of the parent is the same: there is no {of.name} of it to remove")
        p /= deviations[1]
        if deviations[0] == 0.0:
            return _not_usable(1.0 if p != 0.0 else None, SAME_TO_ALL)
        c /= deviations[0]
        scale = max(1.0, abs(c))
    if not (math.isfinite(c) and math.isfinite(p)):
        return nothing("the answers are too large to compute with: the result is not a finite number")
    if p == 0.0:
        return nothing(f"the parent's {of.name} is 0: there is no bias of which a share could be removed")
    value = 1.0 - abs(c) / abs(p)
    if of.name != ABOUT_REFUSING and _one_answer_to_all(child):
        return _not_usable(value, SAME_TO_ALL)
    if of_child.reason:
        return _not_usable(value, of_child.reason)
    if of.name in STANDARDISED:
        child = linearised(child, weights=_weights(child, of.name), s=deviations[0], d=c)
        parent = linearised(parent, weights=_weights(parent, of.name), s=deviations[1], d=p)
    elif of.name in RATES:
        scale = 1.0
        few = _few_changes(child, parent, level=level)
    found = share_removed(child, parent, values=(c, p), level=level, scale=scale, few=few)
    if found.low is None or found.high is None:
        low, high = found.parent
        return _not_usable(
            value,
            f"the parent's own {of.name} is {p:.3g}, {level * 100:g} % interval {low:.3g} to {high:.3g}: it cannot be told "
            "from 0, so no share of it can be said to be removed; limit the rise with max_increase, or ask more people "
            "and templates",
        )
    return Measured(
        value=value,
        interval=Interval(low=found.low, high=found.high, level=level, method=named(found.parts, by="paired, Fieller")),
        p=found.p,
    )


def _one_answer_to_all(child: Pair) -> bool:
    rows = np.concatenate([table[~np.isnan(table)] for table in child])
    return bool(rows.min() == rows.max())


def _not_usable(value: float | None, reason: str) -> Measured:
    return Measured(value=value, interval=None, reason=reason, usable=False)


def _weights(pair: Pair, name: str) -> tuple[float, float]:
    """What each group's variance counts for in the squared standard deviation."""
    if name == "smd":
        return 0.5, 0.5
    rows = [int((~np.isnan(table)).sum()) - 1 for table in pair]
    return rows[0] / sum(rows), rows[1] / sum(rows)


def _few_changes(child: Pair, parent: Pair, *, level: float) -> float:
    """How far a difference of rates reaches at least where few cells changed, of both groups."""
    reaches = []
    for now, then in zip(child, parent, strict=True):
        changed = now - then
        people, templates = changed.shape
        reaches.append(few_changes_reach(changed, people=people, templates=templates, level=level))
    return math.hypot(*reaches)
