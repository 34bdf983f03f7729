"""How sure, about a share among some rows beside the share among all: their difference and the logarithm of their ratio.

The some are among the all, so the two go together. Two intervals look at that in two ways, and each covers too little where
the other does not: with the correlation of the two shares, too little where one group is nearly everybody; through the share
among the rest of the rows and the share that the some are of all, too little where that share is near 0 or 1. What is given is
the wider at either end. Cells of 5 to 2,000 and rates of .02 to .98 counted, nominally 95 % then cover 93 % or more.

Plain arithmetic on shares; knows nothing of metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pytest_biasaudit.stats.linked_shares import Found, Pair, Share, difference, ratio


@dataclass(frozen=True, kw_only=True)
class PartOfWhole:
    """A share among some rows, the part, and what it is held beside."""

    with_whole: Pair
    """First the share among the part, then among all rows."""
    with_rest: Pair
    """First the share among the part, then among the rows that are not of it."""
    part: Share
    """What share the part is of all rows."""


def gap(both: PartOfWhole, *, level: float) -> Found:
    """The share among the part less that among all. p is of part and rest being alike.

    With d the difference to the rest and r the part's share of all rows, it is (1 - r) d, and its second interval is

        (1 - r) d -+ sqrt((1 - r)^2 (d - d')^2 + d^2 (r - r')^2)      d', r' the limits on that side
    """
    one, rest = difference(both.with_whole, level=level), difference(both.with_rest, level=level)
    low_r, high_r = both.part.limits(level)
    r, d = both.part.rate, rest.value
    shrinks, grows = d * (high_r - r), d * (r - low_r)
    if d < 0.0:
        shrinks, grows = -grows, -shrinks
    low = one.value - math.hypot((1.0 - r) * (d - rest.low), shrinks)
    high = one.value + math.hypot((1.0 - r) * (rest.high - d), grows)
    return replace(
        one, low=max(-1.0, min(one.low, low)), high=min(1.0, max(one.high, high)), p=rest.p, error=None, df=None
    )


def log_ratio(both: PartOfWhole, *, level: float) -> Found:
    """Logarithm of the share among the part over that among all, which is above 0. p is of part and rest being alike.

    With psi the ratio of the rest's share to the part's, it is -ln q, q = r + (1 - r) psi, and its second interval that of
    q, from those of psi and r as in `gap`. Minus infinity, with no lower end, where the part's share is 0.
    """
    one = ratio(both.with_whole, level=level)
    low, high = one.low, one.high
    if both.with_rest.first.hits:
        psi = ratio(replace(both.with_rest, first=both.with_rest.second, second=both.with_rest.first), level=level)
        low_r, high_r = both.part.limits(level)
        r = both.part.rate
        q = r + (1.0 - r) * psi.value
        # q rises with r where psi is below 1, and falls where it is above.
        toward_low, toward_high = (r - low_r, high_r - r) if psi.value < 1.0 else (high_r - r, r - low_r)
        fall = math.hypot((1.0 - r) * (psi.value - psi.low), (1.0 - psi.value) * toward_low)
        rise = math.hypot((1.0 - r) * (psi.high - psi.value), (1.0 - psi.value) * toward_high)
        low = min(low, 1.0 / (q + rise))
        high = max(high, 1.0 / (q - fall) if q > fall else math.inf)
    value, low, high = (math.log(one) if one > 0.0 else -math.inf for one in (one.value, low, high))
    p = difference(both.with_rest, level=level).p
    return Found(value=value, low=low, high=high, p=p, error=None, df=None)
