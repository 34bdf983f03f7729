"""What a child model may answer without being odd: bounds for `inlier_ratio` from another model's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.metrics.metric import GroupCells

INLIER_QUANTILES = (0.05, 0.95)
"""Of the other model's values, between which a child's values count as inliers. An assumption: the pruning study's own
rule is not known."""


def redrawn(tables: Sequence[GroupCells], before: Sequence[GroupCells]) -> tuple[list[GroupCells], str]:
    """The child's tables with "plausible" redrawn: inside the parent's quantiles for the same template.

    The quantiles are of the parent's cell values of all groups together, template by template (linear interpolation);
    numbers the parent gave outside the plausible range are not among them. A template for which the parent has no value
    is left out. Second: why nothing is left, or nothing.
    """
    pooled = np.vstack([table.values for table in before])
    known = ~np.isnan(pooled).all(axis=0)
    if not known.any():
        return [], "the other model gave no value to draw bounds from"
    low, high = np.nanquantile(pooled[:, known], INLIER_QUANTILES, axis=0)
    tables_redrawn = []
    for table in tables:
        values = table.values[:, known]
        outside = (values < low) | (values > high)
        answered = table.answered[:, known]
        tables_redrawn.append(
            GroupCells(
                group=table.group,
                values=np.where(outside, np.nan, values),
                selected=table.selected[:, known],
                asked=table.asked[:, known],
                answered=np.where(outside, 0.0, answered),
                refused=table.refused[:, known],
                implausible=table.implausible[:, known] + np.where(outside, answered, 0.0),
            )
        )
    return tables_redrawn, ""
