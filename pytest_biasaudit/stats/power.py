"""How much is enough: what a design of people and templates can detect, and how many would decide. Uses numpy and scipy.

The variance of a difference of two groups' means over n_A and n_B people and T templates is

    SE^2 = names (1/n_A + 1/n_B) + 2 b / T + rest (1/n_A + 1/n_B) / T

with `names` the variance of people within a group, `b` that of template x group in each group, `rest` that of single
answers. The three come from a table, or are assumed before there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr, stdtrit

from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.stats.crossed import contrast, shared, t_quantile
from pytest_biasaudit.stats.proportion import NAMES_SHARE, TEMPLATES_SHARE

MOST = 100_000
"""People or templates beyond which naming a number would mislead."""


@dataclass(frozen=True, kw_only=True)
class Components:
    """Where the variance of single answers comes from, in the square of the outcome's unit."""

    names: float
    template_by_group: float
    rest: float
    source: str = ""
    """"assumed", or "estimated"; for people."""

    def times(self, factor: float) -> Components:
        """The components of the outcome times that factor."""
        return Components(
            names=self.names * factor**2,
            template_by_group=self.template_by_group * factor**2,
            rest=self.rest * factor**2,
            source=self.source,
        )


def assumed(*, sd: float = 1.0, names: float = NAMES_SHARE, template_by_group: float = TEMPLATES_SHARE) -> Components:
    """Components by shares of a row variance of sd^2, when nothing has been measured; print them where they are used.

    For an SMD `sd` is 1; for a rate p it is sqrt(p (1 - p)), 0.5 at most. What is not people's or template x group's is the
    rest's. Raises StatisticsError for shares below 0 or above 1 together.
    """
    if names < 0 or template_by_group < 0 or names + template_by_group > 1 or not sd > 0:
        raise StatisticsError(
            f"shares lie between 0 and 1 together and sd above 0, got {names}, {template_by_group}, {sd}"
        )
    rest = 1.0 - names - template_by_group
    return Components(names=names, template_by_group=template_by_group, rest=rest, source="assumed").times(sd)


def components(reference: NDArray[np.float64], group: NDArray[np.float64]) -> Components:
    """Components by the method of moments from two groups' tables, (people, templates) with NaN where there is no answer.

    Raises StatisticsError where they cannot be told apart: under 2 people a group or 2 templates.
    """
    both = shared(reference, group)
    if not both.comparable or both.reason or both.reference.shape[1] < 2:
        raise StatisticsError(
            f"variance components need 2 people a group and 2 templates: {both.reason or 'there is one template'}"
        )
    parts = contrast(both.reference, both.group)
    templates = parts.template_count
    people = [1.0 / n for n in parts.people]
    rest = sum(parts.cells) * templates / sum(people)
    between = max(0.0, (parts.templates - sum(parts.cells)) * templates / 2.0)
    return Components(names=parts.names_variance, template_by_group=between, rest=rest, source="estimated")


def standard_error(parts: Components, *, people: tuple[int, int], templates: int) -> float:
    """Of the difference of two groups' means in a complete design. Raises StatisticsError for an empty one."""
    if min(people) < 1 or templates < 1:
        raise StatisticsError(f"a design has people in both groups and templates, got {people} and {templates}")
    share = 1.0 / people[0] + 1.0 / people[1]
    return math.sqrt(parts.names * share + 2.0 * parts.template_by_group / templates + parts.rest * share / templates)


def degrees_of_freedom(parts: Components, *, people: tuple[int, int], templates: int) -> float:
    """What the crossed interval's degrees of freedom come to, at the expected mean squares."""
    if min(people) < 2:
        raise StatisticsError(f"an interval needs 2 people in each group, got {people[0]} and {people[1]}")
    by_group = [(parts.names + parts.rest / templates) / n for n in people]
    cells = [parts.rest / (n * templates) for n in people]
    spread = sum(part**2 / (n - 1) for part, n in zip(by_group, people, strict=True))
    if templates == 1:
        return sum(by_group) ** 2 / spread if spread > 0 else float(min(people) - 1)
    between = 2.0 * parts.template_by_group / templates + sum(cells)
    names_df = sum(by_group) ** 2 / spread if spread > 0 else math.inf
    if sum(by_group) + between <= 0:
        return float(min(min(people), templates) - 1)
    linear = (sum(by_group) + between) / (sum(by_group) / names_df + between / (templates - 1))
    total = max(sum(by_group) + between - sum(cells), sum(by_group), between)
    spread += between**2 / (templates - 1)
    spread += sum(part**2 / ((n - 1) * (templates - 1)) for part, n in zip(cells, people, strict=True))
    return min(total**2 / spread, linear)


def chance_to_decide(
    parts: Components, *, distance: float, people: tuple[int, int], templates: int, level: float = 0.95
) -> float:
    """How often an interval would keep clear, on the right side, of a value that lies `distance` from the truth.

    The interval's half width varies from sample to sample with people's, templates' and cells' mean squares, which are
    independent and follow chi-squares: the chance is averaged over 2,000 draws of those, always the same.
    """
    return _chance(
        _half_widths(parts, people=people, templates=templates, level=level), parts, distance, people, templates
    )


def _chance(
    widths: NDArray[np.float64] | None, parts: Components, distance: float, people: tuple[int, int], templates: int
) -> float:
    error = standard_error(parts, people=people, templates=templates)
    if error <= 0:
        return 1.0 if distance > 0 else 0.0
    if widths is None:
        raise StatisticsError("half widths are needed where there is an error")
    return float(np.mean(ndtr((abs(distance) - widths) / error)))


_DRAWS = 2_000


def _half_widths(
    parts: Components, *, people: tuple[int, int], templates: int, level: float
) -> NDArray[np.float64] | None:
    """Half widths of the crossed interval in as many complete tables; None where nothing varies.

    The draws are even quantiles, shuffled with a fixed seed: the same design always gives the same, and a larger one no more.
    """
    if standard_error(parts, people=people, templates=templates) <= 0:
        return None
    if min(people) < 2:
        raise StatisticsError(f"an interval needs 2 people in each group, got {people[0]} and {people[1]}")
    generator = np.random.default_rng(0)
    even = (np.arange(_DRAWS) + 0.5) / _DRAWS

    def drawn(expected: float, df: int) -> NDArray[np.float64]:
        quantiles = generator.permutation(even)
        return np.asarray(expected * 2.0 * gammaincinv(df / 2.0, quantiles) / df)

    names = [drawn((parts.names + parts.rest / templates) / n, n - 1) for n in people]
    of_people = names[0] + names[1]
    spread = sum(part**2 / (n - 1) for part, n in zip(names, people, strict=True))
    if templates == 1:
        variance, df = of_people, of_people**2 / spread
    else:
        noise = [parts.rest / (n * templates) for n in people]
        cells = [drawn(part, (n - 1) * (templates - 1)) for part, n in zip(noise, people, strict=True)]
        between = drawn(2.0 * parts.template_by_group / templates + sum(noise), templates - 1)
        full = of_people + between - cells[0] - cells[1]
        variance = np.maximum(np.maximum(full, of_people), between)
        all_spread = spread + between**2 / (templates - 1)
        all_spread = all_spread + sum(
            part**2 / ((n - 1) * (templates - 1)) for part, n in zip(cells, people, strict=True)
        )
        all_spread = np.where(variance == of_people, spread, all_spread)
        all_spread = np.where(variance == between, between**2 / (templates - 1), all_spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            names_df = of_people**2 / spread
            linear = (of_people + between) / (of_people / names_df + between / (templates - 1))
            df = np.fmin(variance**2 / all_spread, linear)
    return np.asarray(stdtrit(df, 0.5 + level / 2.0) * np.sqrt(variance))


def detectable(
    parts: Components, *, people: tuple[int, int], templates: int, power: float = 0.8, level: float = 0.95
) -> float:
    """The smallest true distance from the limit that the design decides with that chance; in the components' unit.

    Raises StatisticsError for a power outside (0, 1), or at or under what chance alone gives.
    """
    if not (1.0 - level) / 2.0 < power < 1.0:
        raise StatisticsError(f"power lies between {(1.0 - level) / 2.0:g} and 1, got {power!r}")
    error = standard_error(parts, people=people, templates=templates)
    widths = _half_widths(parts, people=people, templates=templates, level=level)
    low, high = 0.0, error
    while _chance(widths, parts, high, people, templates) < power:
        low, high = high, 2.0 * high
        if high > 1e6 * max(error, 1e-300):
            raise StatisticsError("no distance is decided with that power by so small a design")
    for _ in range(80):
        middle = 0.5 * (low + high)
        reached = _chance(widths, parts, middle, people, templates) >= power
        low, high = (low, middle) if reached else (middle, high)
    return high


def people_to_decide(
    parts: Components, *, distance: float, templates: int, now: int = 2, level: float = 0.95
) -> int | None:
    """People a group at which an interval's half width falls to `distance`, the estimate staying where it is.

    distance  between estimate and limit, in the components' unit
    now       people there are; never fewer are named

    None when no number does: the templates alone leave more than that, or the estimate lies at the limit.
    """
    return _smallest(lambda n: _reach(parts, people=n, templates=templates, level=level), distance, start=max(2, now))


def templates_to_decide(
    parts: Components, *, distance: float, people: int, now: int = 2, level: float = 0.95
) -> int | None:
    """Templates at which an interval's half width falls to `distance`, with `people` in each group; None as above."""
    if people < 2:
        return None
    return _smallest(lambda t: _reach(parts, people=people, templates=t, level=level), distance, start=max(2, now))


def _reach(parts: Components, *, people: int, templates: int, level: float) -> float:
    pair = (people, people)
    error = standard_error(parts, people=pair, templates=templates)
    return t_quantile(level, degrees_of_freedom(parts, people=pair, templates=templates)) * error


def _smallest(reach: Callable[[int], float], distance: float, *, start: int) -> int | None:
    distance = abs(distance)
    if not distance > 0 or not math.isfinite(distance):
        return None
    low, high = start, start
    while reach(high) > distance:
        if high >= MOST:
            return None
        low, high = high, min(MOST, high * 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reach(middle) <= distance else (middle, high)
    return low if reach(low) <= distance else high
