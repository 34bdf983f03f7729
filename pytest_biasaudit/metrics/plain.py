"""A metric's value alone, without its interval: for resampling, which asks for it thousands of times. Imports numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pytest_biasaudit.metrics.metric import GroupCells, Metric
from pytest_biasaudit.metrics.order import earth_movers_distance, placements
from pytest_biasaudit.stats.crossed import shared, template_mean


def plain_value(metric: Metric, reference: GroupCells, group: GroupCells, *, seed: int) -> float | None:
    """The value, or None where it is not defined. A metric given by a hook is asked for all it computes."""
    known = _PLAIN.get(metric.name)
    if known is None:
        if metric.compare is None:
            return None
        return metric.compare(reference, group, level=0.95, seed=seed).value
    value = known(reference, group)
    return value if value is not None and math.isfinite(value) else None


def _mean_ratio(reference: GroupCells, group: GroupCells) -> float | None:
    both = shared(reference.values, group.values)
    if not both.comparable:
        return None
    below, above = template_mean(both.reference), template_mean(both.group)
    return above / below if below > 0 and above > 0 else None


def _median_difference(reference: GroupCells, group: GroupCells) -> float | None:
    both = shared(reference.values, group.values)
    if not both.comparable:
        return None
    return float(np.nanmedian(both.group) - np.nanmedian(both.reference))


def _mann_whitney(reference: GroupCells, group: GroupCells) -> float | None:
    both = shared(reference.values, group.values)
    return template_mean(placements(both.reference, both.group)[1]) if both.comparable else None


def _wasserstein(reference: GroupCells, group: GroupCells) -> float | None:
    both = shared(reference.values, group.values)
    if not both.comparable:
        return None
    r, g = both.reference, both.group
    return earth_movers_distance(r[~np.isnan(r)], g[~np.isnan(g)])


def _rates(reference: GroupCells, group: GroupCells) -> tuple[float, float] | None:
    both = shared(reference.selected, group.selected)
    return (template_mean(both.reference), template_mean(both.group)) if both.comparable else None


def _impact_ratio(reference: GroupCells, group: GroupCells) -> float | None:
    rates = _rates(reference, group)
    return min(rates) / max(rates) if rates is not None and max(rates) > 0 else None


def _odds_ratio(reference: GroupCells, group: GroupCells) -> float | None:
    rates = _rates(reference, group)
    if rates is None or rates[0] <= 0 or rates[1] >= 1 or rates[1] <= 0 or rates[0] >= 1:
        return None
    return rates[1] * (1.0 - rates[0]) / ((1.0 - rates[1]) * rates[0])


_PLAIN: dict[str, Callable[[GroupCells, GroupCells], float | None]] = {
    "mean_ratio": _mean_ratio,
    "median_difference": _median_difference,
    "mann_whitney": _mann_whitney,
    "wasserstein": _wasserstein,
    "impact_ratio": _impact_ratio,
    "odds_ratio": _odds_ratio,
}
