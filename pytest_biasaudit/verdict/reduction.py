"""Does it help: a gap and an accuracy, after an intervention and before it, held against what must come of it.

Pure: figures in, one judgement out; nothing here asks or measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_biasaudit.metrics.over_variations import Figure
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.finding import WORDS, figure, one_line
from pytest_biasaudit.verdict.judge import SEVERITY
from pytest_biasaudit.verdict.verdict import Verdict

INDEPENDENT = "MOVER, as if the two were asked about different rows"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What must come of an intervention."""

    reduction: float
    """The gap is smaller by at least so much, in the unit of the gap."""
    loss: float
    """Accuracy falls by at most so much, in shares."""

    def __post_init__(self) -> None:
        """Raises ValueError for a bound that is no number or out of range: NaN would decide nothing."""
        for name, value in (("min_reduction", self.reduction), ("max_accuracy_loss", self.loss)):
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{name} = {value!r}: valid is 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What was found, before and after."""

    title: str
    """Which gap: "tpr_gap, women against men, label 'nurse'"."""
    place: str
    """Which audits of which models."""
    before: Figure
    after: Figure
    reduction: Figure
    """|before| - |after|: above 0 the gap shrank."""
    accuracy_before: Figure
    accuracy_after: Figure
    loss: Figure
    """Accuracy before less that after: above 0 some was lost."""
    how: str
    """Row by row or not, in words."""


@dataclass(frozen=True, kw_only=True)
class ReductionJudgement:
    """One claim, and what came of it."""

    verdict: Verdict
    message: str


def judge_reduction(found: Compared, bounds: Bounds) -> ReductionJudgement:
    """Both must hold with their whole interval: the reduction at or above its bound, the loss at or below its own.

    Each is judged at its own level: a claim that both hold is wrong at most as often as one of them (intersection-union).
    """
    parts = (_at_least(found.reduction, bounds.reduction), _at_most(found.loss, bounds.loss))
    verdict = max(parts, key=SEVERITY.index)
    return ReductionJudgement(verdict=verdict, message="\n".join(_lines(found, bounds, parts, verdict)))


def size_of(signed: Figure) -> Figure:
    """The figure without its sign, with the interval of that."""
    if signed.value is None or signed.interval is None:
        return Figure(value=None if signed.value is None else abs(signed.value), interval=None, reason=signed.reason)
    low, high = signed.interval.low, signed.interval.high
    least = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return Figure(
        value=abs(signed.value),
        interval=Interval(
            low=least, high=max(abs(low), abs(high)), level=signed.interval.level, method=signed.interval.method
        ),
        reason=signed.reason,
    )


def less(first: Figure, second: Figure) -> Figure:
    """The first less the second, as if they were independent.

    Answers to the same rows mostly rise and fall together, and then this interval is too wide, never too narrow.
    Source: Zou and Donner 2008 (Statistics in Medicine 27), MOVER for a difference.
    """
    for one in (first, second):
        if one.value is None:
            return Figure(value=None, interval=None, reason=one.reason or "no value")
    assert first.value is not None
    assert second.value is not None
    value = first.value - second.value
    if first.interval is None or second.interval is None:
        lacking = first if first.interval is None else second
        return Figure(value=value, interval=None, reason=lacking.reason or "no interval")
    a, b = first.interval, second.interval
    low = value - math.hypot(first.value - a.low, b.high - second.value)
    high = value + math.hypot(a.high - first.value, second.value - b.low)
    if not low < high:
        return Figure(value=value, interval=None, reason="the interval would have no width")
    return Figure(value=value, interval=Interval(low=low, high=high, level=a.level, method=INDEPENDENT))


def _at_least(found: Figure, bound: float) -> Verdict:
    if found.value is None or found.interval is None:
        return Verdict.NOT_MEASURED
    if found.interval.low >= bound:
        return Verdict.WITHIN
    return Verdict.OVER if found.interval.high < bound else Verdict.INCONCLUSIVE


def _at_most(found: Figure, bound: float) -> Verdict:
    if found.value is None or found.interval is None:
        return Verdict.NOT_MEASURED
    if found.interval.high <= bound:
        return Verdict.WITHIN
    return Verdict.OVER if found.interval.low > bound else Verdict.INCONCLUSIVE


def _lines(found: Compared, bounds: Bounds, parts: tuple[Verdict, Verdict], verdict: Verdict) -> Iterator[str]:
    yield f"{one_line(found.place)} / reduces {one_line(found.title)}: {WORDS[verdict]}"
    marks = ["" if one is Verdict.WITHIN else f" - {WORDS[one]}" for one in parts]
    yield _line(
        "reduction", f"{_told(found.reduction, bounds.reduction)}; at least {figure(bounds.reduction)}{marks[0]}"
    )
    yield _line("lost", f"{_told(found.loss, bounds.loss)} of accuracy; at most {figure(bounds.loss)}{marks[1]}")
    yield _line("gap", f"{_told(found.before)} before, {_told(found.after)} after")
    yield _line("accuracy", f"{_told(found.accuracy_before)} before, {_told(found.accuracy_after)} after")
    yield _line("paired", found.how)
    yield _line("next", _next(verdict, parts))


def _next(verdict: Verdict, parts: tuple[Verdict, Verdict]) -> str:
    if verdict is Verdict.WITHIN:
        return "nothing"
    if verdict is Verdict.NOT_MEASURED:
        return "see the reason; what cannot be measured is no evidence that anything helps"
    if verdict is Verdict.INCONCLUSIVE:
        return "more held-out rows of the smaller group, or a comparison row by row (a limit with versus): too wide to decide"
    return "another intervention" if parts[0] is Verdict.OVER else "the gap is smaller at a cost that was not allowed"


def _told(one: Figure, beside: float | None = None) -> str:
    if one.value is None:
        return f"none ({one_line(one.reason) or 'no value'})"
    if one.interval is None:
        return f"{figure(one.value, beside=beside)} without an interval ({one_line(one.reason) or 'no reason given'})"
    low, high = figure(one.interval.low, beside=beside), figure(one.interval.high, beside=beside)
    return f"{figure(one.value, beside=beside)} ({one.interval.level:.4g} interval {low} to {high})"


def _line(label: str, text: str) -> str:
    return f"  {label:<10} {text}"
