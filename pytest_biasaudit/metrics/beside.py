"""What stands beside a comparison with another model: the noise floor, and what moved. Plain frozen data; imports nothing.

Neither decides a verdict. Both say how to read the figure they stand beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """What asking again changes by itself: the other model against itself, the same questions at another batch size."""

    value: float | None
    """The same figure as the estimate beside it, of the second asking against the first; None where it has none."""
    low: float | None
    high: float | None
    """Its interval; None where there is none."""
    batch_size: int
    """Of the second asking."""
    first_batch_size: int
    compared: int
    """Answers held against one another."""
    changed: int
    """Those that came out otherwise in anything that is read of them, the last digits of a likelihood included."""
    largest: float | None
    """The largest difference of two values of one answer, in their own unit; None where no answer has two."""
    level: float | None = None
    """Of the interval: the limit's; None where there is none."""
    reason: str = ""
    """Why there is no value; mostly empty."""

    def holds(self, value: float, *, nothing: float) -> bool:
        """Whether a figure is no more than asking again gave: it lies within the interval here, and answers did change.

        nothing  the figure of two models that answer alike: 0 for an increase, 1 for a recovery
        """
        if not self.changed or self.low is None or self.high is None:
            return math.isclose(value, nothing, abs_tol=1e-12)
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Moved:
    """How far one group's answers moved from the other model to this one, or a benchmark's figure on one part."""

    group: str
    """A group of people; of a benchmark the part: an axis, a test."""
    value: float | None
    """This model less the other, on the same questions: a mean of paired differences. Of a benchmark: how much further
    the figure lies from its ideal on this part."""
    low: float | None
    high: float | None
    """Its interval; None where there is none."""
    n: int
    """Answers of both models that it rests on, in pairs."""
    unit: str
    """"outcome": the outcome's own; "share", "probability", "percent", "sd"."""
    level: float | None = None
    """Of the interval: the limit's; None where there is none."""
    reason: str = ""
    """Why there is no value or no interval; mostly empty."""
