"""How often the scores of a group lie above the middle of all scores, against the group that is above it most often.

Uses numpy and the ratio of extreme rates; knows tallies.

    scoring rate of g = rows of g that score above the median of the whole sample / rows of g with a score
    scoring rate ratio = lowest scoring rate / highest

The form of 6 RCNY 5-301 (New York City, Local Law 144) for scores; `categories` gives it category by category. The median is over
all rows with a score, those of no group and of left-out groups included, and a row that scores just that is not above it. The
interval is of shares above that score: the median is the sample's own, as the rule has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.tables.alike import alike
from pytest_biasaudit.metrics.tables.categories import above_median
from pytest_biasaudit.metrics.tables.scored_rows import scored_rows, unmeasured
from pytest_biasaudit.metrics.tables.spread import smallest_ratio
from pytest_biasaudit.tables.tally import Tally

NOT_ABOVE = "(not above the median)"


def scoring_rate_ratio(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """One comparison over all groups, (lowest, highest). No true label is needed."""
    rows, reason = scored_rows(tally, attributes, label=label, truth=False)
    if rows is None or tally.score is None:
        return (unmeasured(reason, label=label or ""),)
    heard, above, median = above_median(tally.score, tally.count)
    if not above.any():
        return (unmeasured(f"no row scores above the median of all, {median:g}", label=rows.label),)
    # To be above the median is to be chosen: the ratio of selection rates, with that for the prediction.
    labels = (NOT_ABOVE, rows.label)
    chosen = replace(
        tally, labels=labels, truth=np.full(len(above), -1), prediction=np.where(heard, above.astype(np.int64), -1)
    )
    return smallest_ratio(
        alike(chosen, attributes), attributes=attributes, label=rows.label, level=level, seed=seed, minimum=minimum
    )
