"""The signed difference between two groups, as the model answers it: which way signed scores are held. Plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from statistics import fmean, variance

from pytest_biasaudit.outcomes.outcome import Outcome


def mean_gap(variations: Iterable[Sequence[Outcome]], *, attribute: str, groups: tuple[str, str]) -> float | None:
    """Mean over variations of the standardised difference, group minus reference.

    variations  the outcomes of each
    groups      (reference, group)

    In standard deviations (the root of the mean of both groups' variances), so that a variation in dollars counts as much
    as one in cents. A variation in which either group has no value, or no answer differs from another, adds nothing.
    None where no variation is left. Only its sign is used for choosing.
    """
    found = [gap for outcomes in variations if (gap := _gap(outcomes, attribute, groups)) is not None]
    return fmean(found) if found else None


def _gap(outcomes: Sequence[Outcome], attribute: str, groups: tuple[str, str]) -> float | None:
    values: dict[str, list[float]] = {group: [] for group in groups}
    for one in outcomes:
        group, value = one.prompt.person.group(attribute), one.reading.value
        if group in values and one.reading.status == "ok" and value is not None and isfinite(value):
            values[group].append(value)
    reference, group_values = (values[group] for group in groups)
    if not reference or not group_values:
        return None
    difference = fmean(group_values) - fmean(reference)
    spread = sqrt(fmean(variance(some) if len(some) > 1 else 0.0 for some in (reference, group_values)))
    if spread:
        return difference / spread
    return difference and (1.0 if difference > 0 else -1.0)
