"""How sure, when nothing varied: a width for an estimate whose variance came out as exactly zero.

A model that ignores names answers every person alike. That is the best result there is, and no proof: a cell that
differs may be among those not asked. How many such cells there may be is bounded as for any share that was never seen.
Uses scipy.special through `proportion`.
"""

from __future__ import annotations

import math

from pytest_biasaudit.stats.crossed import Contrast
from pytest_biasaudit.stats.proportion import effective_n, wilson

UNVARIED = "nothing varied; Wilson bound on cells not asked"


def unseen_share(cells: int, *, people: int, templates: int, level: float) -> float:
    """Upper Wilson limit for the share of cells that would differ, when none of those seen does."""
    n = effective_n(0.0, 0.0, cells=cells, people=people, templates=templates)
    return wilson(0.0, n, level=level)[1]


def unvaried_reach(parts: Contrast, *, scale: float, level: float) -> float:
    """Half the width of an interval for a contrast of zero variance: unseen cells, each `scale` away from the rest.

    scale  in the estimate's unit: the row standard deviation, or the estimate itself where that is larger; 0 gives 0, and
           then there is no interval to be had
    """
    shares = [
        unseen_share(parts.cell_counts[side], people=parts.people[side], templates=parts.template_count, level=level)
        for side in (0, 1)
    ]
    return math.hypot(*shares) * scale
