"""How much more would decide it: the next step of an inconclusive verdict. Plain arithmetic on the judged scale."""

from __future__ import annotations

import math

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
    if not (room > 0 and math.isfinite(reach)):
        return None
    times = (reach / room) ** 2
    return times if times <= HOPELESS else None


def what_would_decide(estimate: Estimate, scaled: OnScale) -> str:
    """One sentence: about how many people a group and templates would decide it, or that no number would."""
    times = times_needed(scaled)
    side = "keeps" if scaled.value_holds else "lies beyond"
    if times is None:
        return (
            "no number of people or templates would decide it soon: the estimate lies at the limit; "
            "change the model or the prompt, or ask the owner of the limit"
        )
    times = max(times, 1.05)
    smallest = min((group.people for group in estimate.by_group if group.people), default=0)
    if not smallest or not estimate.templates:
        return f"the estimate {side} the limit; about {times:.1f} times as many people and templates would decide it"
    people, templates = math.ceil(smallest * times), math.ceil(estimate.templates * times)
    return (
        f"the estimate {side} the limit; if it stays there, about {people} people a group over {templates} templates "
        f"would decide it (now {smallest} over {estimate.templates})"
    )
