"""How far one group's answers moved from a parent to its child: the mean of paired changes, over people and templates.

Uses numpy and scipy.special; knows the types of metrics only. One side of the crossed design of `stats.crossed`: with
d[i,t] the child's answer less the parent's,

    Var = people's part + var_t(d_t) / T - the part of single answers, not below either leading part
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.stats.crossed import contrast, shared, t_quantile
from pytest_biasaudit.stats.proportion import effective_n, wilson
from pytest_biasaudit.stats.unvaried import unseen_share

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A mean change with its interval, in the unit of the answers; None for what cannot be had, with the reason."""

    value: float | None
    low: float | None
    high: float | None
    pairs: int
    """Cells answered by both models."""
    reason: str = ""


def mean_change(child: Floats, parent: Floats, *, level: float, shares: bool) -> Change:
    """The mean over templates of each template's mean change.

    child, parent  (people, templates) of one group, the same people and templates; NaN where there is no answer. A cell
                   counts where both have one
    shares         the answers are shares: a change is at most 1, and few changes are bounded as Wilson bounds few hits

    Where nothing changed the interval is the bound on cells not asked, each as far off as one row standard deviation (a
    whole 1 for shares). None in place of an interval for one person, or where no answer differs from another.
    """
    changes = child - parent
    pairs = int((~np.isnan(changes)).sum())
    both = shared(np.where(np.isnan(changes), np.nan, 0.0), changes)
    if not both.comparable:
        too_large = "too large" in both.reason
        return Change(
            value=None,
            low=None,
            high=None,
            pairs=pairs,
            reason=both.reason if too_large else "no answer of both models",
        )
    value = float(np.nanmean(both.group, axis=0).mean())
    if both.reason:
        return Change(value=value, low=None, high=None, pairs=pairs, reason="one person; an interval needs at least 2")
    # Against a table of zeros nothing but the group's own variance is left.
    parts = contrast(both.reference, both.group)
    people, templates = parts.people[1], parts.template_count
    if parts.variance <= 0.0:
        answered = parent[~np.isnan(changes)]
        scale = 1.0 if shares else float(np.std(answered, ddof=1)) if len(answered) > 1 else 0.0
        reach = unseen_share(pairs, people=people, templates=templates, level=level) * max(scale, abs(value))
    else:
        reach = t_quantile(level, parts.df) * math.sqrt(parts.variance)
        if shares:
            reach = max(reach, few_changes_reach(both.group, people=people, templates=templates, level=level))
    if not reach > 0.0:
        return Change(value=value, low=None, high=None, pairs=pairs, reason="every answer is the same")
    return Change(value=value, low=value - reach, high=value + reach, pairs=pairs)


def few_changes_reach(changes: Floats, *, people: int, templates: int, level: float) -> float:
    """Half a width for changes of zeros and ones that are few: what Wilson leaves above the share of changed cells."""
    cells = changes[~np.isnan(changes)]
    share = float((cells != float(np.median(cells))).mean())
    n = effective_n(0.0, 0.0, cells=len(cells), people=people, templates=templates)
    return wilson(share, n, level=level)[1] - share if share * n < 5.0 else 0.0
