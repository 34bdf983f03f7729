"""How sure, about one share over all answers: Wilson's interval with the number of answers that people and templates
leave. Uses numpy; knows no metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import NAMES_ONLY
from pytest_biasaudit.stats.proportion import effective_n, wilson


@dataclass(frozen=True, kw_only=True)
class OverallShare:
    """A share with what it is worth in independent answers."""

    rate: float
    n: float
    """Effective number of answers."""
    df: float
    """Of the variance behind `n`; infinite where none was seen and `n` is an assumption."""
    people: int
    templates: int

    @property
    def method(self) -> str:
        """For people."""
        kind = "Wilson, effective number of answers (names and templates)"
        return kind if self.templates > 1 else f"{NAMES_ONLY.split(' (')[0]}: Wilson, effective number of answers"

    def limits(self, *, level: float) -> tuple[float, float]:
        """Wilson's limits, with t in place of z where the variance was estimated."""
        return wilson(self.rate, self.n, level=level, df=self.df)


def overall_share(counted: Sequence[NDArray[np.float64]], out_of: Sequence[NDArray[np.float64]]) -> OverallShare:
    """Share of `counted` in `out_of`, each a (people, templates) table a group; templates in the same columns.

    The variance is that of a ratio of totals over crossed people and templates: people's part within groups, templates'
    part, less the part of single cells that is in both.

    Raises StatisticsError where nothing is counted out of: there is no share.
    """
    top, bottom = np.vstack(list(counted)), np.vstack(list(out_of))
    total = float(bottom.sum())
    if not total > 0:
        raise StatisticsError("a share needs something to be out of")
    rate = min(1.0, max(0.0, float(top.sum()) / total))
    found = crossed_influence((top - rate * bottom) / total, out_of)
    n_effective = effective_n(rate, found.variance, cells=found.cells, people=found.people, templates=found.templates)
    seen = 0.0 < rate < 1.0 and found.variance > 0.0 and found.spread > 0.0
    df = found.df if seen else math.inf
    return OverallShare(rate=rate, n=n_effective, df=df, people=found.people, templates=found.templates)


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Variance of a statistic that is the sum of what single cells contribute, over crossed people and templates."""

    variance: float
    spread: float
    """Sum of each leading part squared over its degrees of freedom."""
    people: int
    templates: int
    cells: int

    @property
    def df(self) -> float:
        """Satterthwaite's, at least 1; infinite where no part was seen."""
        return max(1.0, self.variance**2 / self.spread) if self.spread > 0.0 else math.inf


def crossed_influence(influence: NDArray[np.float64], out_of: Sequence[NDArray[np.float64]]) -> Crossed:
    """The variance of a sum over (people, templates), the tables of all groups one under the other in `influence`.

    out_of  a table a group: cells above 0 count, all others have no influence
    """
    bottom = np.vstack(list(out_of))
    of_people, spread, start = 0.0, 0.0, 0
    used_people = 0
    for table in out_of:
        block = influence[start : start + len(table)]
        start += len(table)
        asked = table.sum(axis=1) > 0
        n = int(asked.sum())
        used_people += n
        if n > 1:
            sums = block[asked].sum(axis=1)
            part = n / (n - 1) * float(((sums - sums.mean()) ** 2).sum())
            of_people += part
            spread += part**2 / (n - 1)
    columns = bottom.sum(axis=0) > 0
    templates = int(columns.sum())
    cells = int((bottom > 0).sum())
    of_templates = 0.0
    if templates > 1:
        of_templates = templates / (templates - 1) * float((influence[:, columns].sum(axis=0) ** 2).sum())
        spread += of_templates**2 / (templates - 1)
    single = float((influence**2).sum()) if templates > 1 else 0.0
    variance = max(of_people + of_templates - single, of_people, of_templates)
    return Crossed(variance=variance, spread=spread, people=used_people, templates=templates, cells=cells)
