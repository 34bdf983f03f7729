"""How much more would decide it: the next step of an inconclusive verdict. Plain arithmetic on the judged scale."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.verdict.scale import OnScale

HOPELESS = 400.0
"""Times as much data beyond which naming a number would mislead: the estimate lies at the limit."""


def times_needed(scaled: OnScale) -> float | None:
    """How many times as many people and templates would decide, if the estimate stays where it is.

    The variance of an estimate over crossed people and templates falls as both grow, so half the width of its interval
    falls with the square root of their common factor k. Needed is the k at which the interval's end toward the limit
    (the far end when the estimate keeps the limit, the near one when it does not) just reaches it:

        k = ((end - value) / (bound - value))^2

    None when no number would do: the estimate lies at the limit, or its interval has no finite end there.
    """
    if scaled.low is None or scaled.high is None:
        return None
    room = abs(scaled.bound - scaled.value)
    # A distance folded at its ideal shows too short a near side, so the longer of the two sides is taken.
    reach = max(scaled.high - scaled.value, scaled.value - scaled.low)
    if not (room > 0 and math.isfinite(reach)) or reach > math.sqrt(HOPELESS) * room:
        return None
    return (reach / room) ** 2


def what_would_decide(
    estimate: Estimate, scaled: OnScale, *, logs: bool = False, rows_of: Callable[[str], str] | None = None
) -> str:
    """One sentence: about how many people a group or templates would decide it, or that no number would.

    logs     the estimate's standard error is one of the logarithm
    rows_of  it is of a labelled table, where rows count; makes a harmless line of a group's name
    """
    times = times_needed(scaled)
    if rows_of is not None:
        return _of_rows(estimate, scaled, times, rows_of)
    if estimate.sampled:
        return _of_items(estimate, scaled, times)
    side = "keeps" if scaled.value_holds else "lies beyond"
    smallest = min((group.people for group in estimate.by_group if group.people), default=0)
    if times is None or not smallest or not estimate.templates:
        return (
            "no number of people or templates would decide it soon: the estimate lies too near the limit; "
            "change the model or the prompt, or ask the owner of the limit"
        )
    people, templates = _one_or_the_other(estimate, scaled, smallest, logs=logs)
    stays = f"the estimate {side} the limit; if it stays there, about"
    now = f"(now {smallest} over {estimate.templates})"
    if people is not None and templates is not None:
        return f"{stays} {people} people a group, or {templates} templates, would decide it {now}"
    if people is not None:
        return f"{stays} {people} people a group would decide it {now}; more templates alone would not"
    if templates is not None:
        return f"{stays} {templates} templates would decide it {now}; more people alone would not"
    times = max(times, 1.05)
    both = f"{math.ceil(smallest * times)} people a group over {math.ceil(estimate.templates * times)} templates"
    return f"{stays} {both} would decide it {now}"


def _of_items(estimate: Estimate, scaled: OnScale, times: float | None) -> str:
    """The same for a benchmark, whose variance falls with the number of what was sampled."""
    if times is None or not estimate.templates:
        return (
            f"no number of {estimate.sampled} would decide it soon: the estimate lies too near the limit; "
            "change the model, or ask the owner of the limit"
        )
    side = "keeps" if scaled.value_holds else "lies beyond"
    needed = math.ceil(estimate.templates * max(times, 1.05))
    return (
        f"the estimate {side} the limit; if it stays there, about {needed:,} {estimate.sampled} would decide it "
        f"(now {estimate.templates:,}): use more axes or a larger set"
    )


def _of_rows(estimate: Estimate, scaled: OnScale, times: float | None, clean: Callable[[str], str]) -> str:
    """The same for a labelled table: rows of the smaller group, or of both where those alone would not do.

    The variance of a comparison of rates is the sum of p (1 - p) / n over the two groups; needed is a k-th of it (a rate of 0
    or 1, or one that is not known, counts as 1/2). With the larger group as it is, the smaller needs
    n = p (1 - p) / (variance / k - the larger's share), as long as that is above 0.
    """
    side = "keeps" if scaled.value_holds else "lies beyond"
    groups = sorted((group for group in estimate.by_group if group.n), key=lambda group: group.n)
    what = "rows" if estimate.sampled in ("", "rows") else f"rows, in as many times more {estimate.sampled},"
    if times is None:
        return (
            "no number of rows would decide it soon: the estimate lies too near the limit; change the model or the data, or "
            "ask the owner of the limit"
        )
    stays = f"the estimate {side} the limit; if it stays there, about"
    times = max(times, 1.05)
    of_label = f' for label "{clean(estimate.label)}"' if estimate.label else ""
    if len(groups) != 2:
        return f"{stays} {math.ceil(times * max(estimate.n, 1)):,} {what} would decide it (now {estimate.n:,})"
    small, large = groups
    spread = [_spread(group.rate) for group in (small, large)]
    left = (spread[0] / small.n + spread[1] / large.n) / times - spread[1] / large.n
    name = clean(small.group)
    if left > 0 and spread[0] / left / small.n <= HOPELESS:
        needed = math.ceil(spread[0] / left)
        return f"{stays} {needed:,} {what} of {name}{of_label} would decide it (now {small.n:,})"
    return (
        f"{stays} {math.ceil(small.n * times):,} {what} of {name} and {math.ceil(large.n * times):,} of "
        f"{clean(large.group)}{of_label} would decide it (now {small.n:,} and {large.n:,})"
    )


def _spread(rate: float | None) -> float:
    """Variance p (1 - p) of a single row; of a rate at its end or not known, the largest it can be."""
    return rate * (1 - rate) if rate is not None and 0 < rate < 1 else 0.25


def _one_or_the_other(
    estimate: Estimate, scaled: OnScale, smallest: int, *, logs: bool
) -> tuple[int | None, int | None]:
    """People a group at the templates there are, and templates at the people there are; None for what cannot decide.

    The components say how the variance is shared out; the estimate's own standard error says how large it is, so that
    the same reckoning serves a standardised difference or a log ratio.
    """
    if estimate.components is None or estimate.standard_error is None or estimate.interval is None:
        return None, None
    from pytest_biasaudit.stats.power import Components, people_to_decide, standard_error, templates_to_decide

    if logs and not (scaled.value > 0 and scaled.bound > 0):
        return None, None
    room = abs(math.log(scaled.bound / scaled.value)) if logs else abs(scaled.bound - scaled.value)
    names, between, rest = estimate.components
    shares = Components(names=names, template_by_group=between, rest=rest)
    now = standard_error(shares, people=(smallest, smallest), templates=estimate.templates)
    if not now > 0 or not room > 0:
        return None, None
    parts = shares.times(estimate.standard_error / now)
    level = estimate.interval.level
    people = people_to_decide(parts, distance=room, templates=estimate.templates, now=smallest, level=level)
    templates = templates_to_decide(parts, distance=room, people=smallest, now=estimate.templates, level=level)
    return people, templates
