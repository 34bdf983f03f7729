"""How big, of a labelled table: how much further from its ideal a figure is than in another model's answers, or other data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.metrics.metric import Compared, Metric, Shows, nothing

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.tables.counted import Counted
    from pytest_biasaudit.tables.tally import Tally


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
    shows: Shows = "increase",
) -> tuple[Compared, ...]:
    """The rise of |value - ideal| over the other's, or what is left of an ability, with its interval, one a comparison."""
    if other is None:
        return _none(f"{versus}: there are no answers to compare with")
    if other.obstacle:
        return _none(f"{versus}: {other.obstacle}")
    if other.tally is None:
        return _none(f"{versus}: nothing was counted")
    if counted.tally is not None and counted.tally.prediction is not None:
        return _of_predictions(
            metric,
            other.tally,
            versus,
            attributes=attributes,
            label=label,
            level=level,
            minimum=minimum,
            shows=shows,
        )
    if counted.tally is not None and metric.of_table is not None and shows == "increase":
        from pytest_biasaudit.metrics.tables.change_of_data import change_of_data

        return change_of_data(
            metric,
            counted.tally,
            other.tally,
            attributes=attributes,
            label=label,
            level=level,
            seed=seed,
            minimum=minimum,
        )
    return _none(f"{metric.name} against {versus!r}: a limit on earlier data is max_increase")


def _of_predictions(
    metric: Metric,
    paired: Tally,
    versus: str,
    *,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    minimum: int,
    shows: Shows,
) -> tuple[Compared, ...]:
    """Two classifiers' answers to the same rows: `paired` counts them by both."""
    from pytest_biasaudit.metrics.tables import paired_rates
    from pytest_biasaudit.metrics.tables.alike import alike

    if paired.prediction is None or paired.earlier is None:
        return _none(f"{versus}: its answers are not to the same rows")
    if shows == "recovery":
        if metric.recovery is None:
            return _none(f"{metric.name} has no recovery: limit accuracy with min_recovery")
        kept: tuple[Compared, ...] = paired_rates.recovered(alike(paired, ()), level=level, minimum=minimum)
        return kept
    if shows != "increase" or metric.name not in paired_rates.RATES:
        able = ", ".join(paired_rates.RATES)
        return _none(f"{metric.name} against {versus!r}: max_increase is for {able}; min_recovery for accuracy")
    return paired_rates.increase(
        metric, alike(paired, attributes), attributes=attributes, label=label, level=level, minimum=minimum
    )


def _none(reason: str) -> tuple[Compared, ...]:
    return (Compared(groups=(), measured=nothing(reason)),)
