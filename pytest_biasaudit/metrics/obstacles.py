"""What stands in the way of measuring: too few people, answers that are no numbers, a model that was not asked.

Every function gives the reason in words, or an empty text where nothing stands in the way. May import the types of
context and outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_biasaudit.metrics.metric import GroupCells, Measured, Metric, Shows
from pytest_biasaudit.outcomes.outcome import Outcome

ANSWER_RATE = "answer_rate"
INLIERS = "inlier_ratio"
REMOVED = "bias_removed"
"""Of another metric, against another model."""
ABOUT_REFUSALS = frozenset({"refusal_rate_difference"})
"""Hear refusals as well as values."""
ABOUT_ANSWERING = ABOUT_REFUSALS | {ANSWER_RATE}
"""Are about all that was asked, answered or not."""

FEWEST_PEOPLE = 2
"""In each group, with an answer: an interval from one person would look certain."""

MOST_ERRORS = 0.05
"""Share of answers with broken logits from which nothing of an audit is measured."""
FEWEST_ANSWERED = 0.5
"""Share of a group's answers that must have a value: of a group mostly unheard, the rest says little."""


def unheard(outcomes: Sequence[Outcome]) -> str:
    """Why these outcomes of one audit cannot be used at all, whatever the metric and the groups."""
    if not outcomes:
        return "nothing was asked"
    readings = [outcome.reading for outcome in outcomes]
    answered = [reading.value for reading in readings if reading.status == "ok"]
    broken = [value for value in answered if value is None or not math.isfinite(value)]
    if broken:
        return f"{len(broken)} of {len(answered)} answers have a value that is not a finite number"
    errors = [reading.reason for reading in readings if reading.status == "error"]
    if len(errors) == len(outcomes):
        return f"every answer was an error: {errors[0] or 'no reason was given'}"
    if len(errors) > MOST_ERRORS * len(outcomes):
        return (
            f"{len(errors)} of {len(outcomes)} answers were errors ({errors[0] or 'no reason was given'}); with more than "
            f"{MOST_ERRORS:.0%} the model is broken, and what it does answer stands for nothing"
        )
    return ""


def other_model(
    metric: Metric, outcomes: Sequence[Outcome], other: Sequence[Outcome] | None, *, versus: str, shows: Shows
) -> str:
    """Why the metric cannot be held against the other model's answers."""
    if shows == "increase" and not metric.by_group:
        return f"{metric.name} is over all answers: limit it with min, the increase of a bias is between groups"
    if shows == "recovery" and metric.recovery is None:
        return not_recovered(metric)
    if shows == "value" and metric.name != INLIERS and not metric.against:
        return f"{metric.name} against {versus!r} needs max_increase" + " or min_recovery" * (
            metric.recovery is not None
        )
    if other is None:
        return f"there are no answers of {versus!r} to compare with"
    reason = unheard(other)
    if reason:
        return f"{versus}: {reason}"
    if not _asked_alike(outcomes, other):
        return f"{versus!r} was not asked the same prompts"
    return ""


def not_recovered(metric: Metric) -> str:
    """Why no share of the metric can be kept."""
    return f"{metric.name} has no recovery: it is no metric of ability whose zero means none"


def _asked_alike(outcomes: Sequence[Outcome], other: Sequence[Outcome]) -> bool:
    """Whether both models were asked the same, person, template, text and repeat; mostly in the same order."""
    mine, theirs = (
        [(one.prompt.person_id, one.prompt.template, one.prompt.text, one.repeat) for one in side]
        for side in (outcomes, other)
    )
    return mine == theirs or set(mine) == set(theirs)


def between_groups(metric: Metric, tables: Sequence[GroupCells]) -> str:
    """Why these groups cannot be compared by this metric."""
    for table in tables:
        asked = float(table.asked.sum())
        if not asked:
            return f"nobody of group {table.group!r} was asked about"
        # A metric about refusals hears refusals too; what it must not take for fairness is a model that fails.
        heard = table.answered + table.refused if metric.name in ABOUT_REFUSALS else table.answered
        people = int((heard.sum(axis=1) > 0).sum())
        if people < FEWEST_PEOPLE:
            return f"{people} people of group {table.group!r} were answered about; at least {FEWEST_PEOPLE} are needed"
        if heard.sum() / asked < FEWEST_ANSWERED:
            return _too_few(f"of group {table.group!r}", float(heard.sum()), asked)
    if not any(table.answered.any() for table in tables):
        return "no answer has a value"
    return ""


def _too_few(whose: str, heard: float, asked: float) -> str:
    return f"{heard:.0f} of {asked:.0f} answers {whose} can be used; at least {FEWEST_ANSWERED:.0%} are needed"


def over_all(metric: Metric, tables: Sequence[GroupCells]) -> str:
    """Why a metric over all answers cannot be measured on these groups."""
    for table in tables:
        if not table.asked.any():
            return f"nobody of group {table.group!r} was asked about"
    if sum(len(table.values) for table in tables) < FEWEST_PEOPLE:
        return f"fewer than {FEWEST_PEOPLE} people were asked about"
    if metric.name == ANSWER_RATE:
        return ""
    heard = sum(float(table.answered.sum()) for table in tables)
    if metric.name == INLIERS:
        heard += sum(float(table.implausible.sum()) for table in tables)
    asked = sum(float(table.asked.sum()) for table in tables)
    return _too_few("in all", heard, asked) if heard / asked < FEWEST_ANSWERED else ""


def sound(measured: Measured) -> Measured:
    """What a metric gave, with nothing in it that is not a finite number or could pass for an interval."""
    value, interval, reason = measured.value, measured.interval, measured.reason
    if value is not None and not math.isfinite(value):
        value, interval, reason = None, None, reason or f"the value came out as {value}"
    if value is None:
        interval, reason = None, reason or "the metric gave no value and no reason"
    elif interval is None:
        reason = reason or "the metric gave no interval and no reason"
    elif not interval.low < interval.high:
        reason = f"the interval came out as {interval.low} to {interval.high}"
        interval = None
    error = measured.standard_error
    usable = interval is not None and error is not None and math.isfinite(error) and error > 0
    return replace(
        measured,
        value=value,
        interval=interval,
        p=measured.p if measured.p is not None and 0.0 <= measured.p <= 1.0 else None,
        reason=reason,
        standard_error=error if usable else None,
        df=measured.df if usable and measured.df is not None and measured.df > 0 else None,
    )
