"""Does it carry: rows of a study of generalisation held against what they must at least remove, with the finding's text.

Pure: nothing here asks or measures. Every row must hold by itself; a claim that all of several hold is wrong at most as often as
one of them (intersection-union), so nothing is adjusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow
from pytest_biasaudit.verdict.finding import WORDS, figure, one_line
from pytest_biasaudit.verdict.judge import SEVERITY
from pytest_biasaudit.verdict.verdict import Verdict

CarryRule = Literal["upper", "point"]
FOUND_ON = {
    "names": "the other half of the names",
    "leave-one-out": "the other variations of the context",
    "cross-context": "another context",
    "pooled": "all other contexts together",
}


@dataclass(frozen=True, kw_only=True)
class Least:
    """What a row must come to, each at least."""

    removed: float
    inlier_ratio: float
    answer_rate: float
    rule: CarryRule

    def __post_init__(self) -> None:
        """Raises ValueError for a bound that is no number, or that no figure could come to: NaN would decide nothing."""
        for name, low, bound in (
            ("min_removed", -math.inf, self.removed),
            ("min_inlier_ratio", 0.0, self.inlier_ratio),
            ("min_answer_rate", 0.0, self.answer_rate),
        ):
            if not (math.isfinite(bound) and low <= bound <= 1.0):
                valid = "a number, at most 1 (all of the bias)" if low < 0 else "0 to 1"
                raise ValueError(f"{name} = {bound!r}: valid is {valid}")


@dataclass(frozen=True, kw_only=True)
class CarryJudgement:
    """One row, and what came of it."""

    row: TransferRow
    verdict: Verdict
    message: str


def judge_rows(result: Generalisation, rows: Sequence[TransferRow], least: Least) -> tuple[CarryJudgement, ...]:
    """One judgement a row.

    A row that was evaluated on the prompts its set was found on is not measured, whatever its figures: it is no evidence of
    carrying. Nor is a row whose sets are all empty: nothing was removed that could carry.
    """
    return tuple(_judged(result, row, least) for row in rows)


def verdict_of_figure(found: Figure, least: float, rule: CarryRule) -> Verdict:
    """Whether a figure is at least so much: the whole interval (rule "upper"), or the value ("point").

    Without an interval it is not measured under either: a share of a gap that was never told from none, or one that a model
    which answers everyone alike has removed, has a value and says nothing.
    """
    if found.value is None or found.interval is None:
        return Verdict.NOT_MEASURED
    if rule == "point":
        return Verdict.WITHIN if found.value >= least else Verdict.OVER
    if found.interval.low >= least:
        return Verdict.WITHIN
    return Verdict.OVER if found.interval.high < least else Verdict.INCONCLUSIVE


def _judged(result: Generalisation, row: TransferRow, least: Least) -> CarryJudgement:
    held = (
        ("removed", row.removed, least.removed),
        ("inlier ratio", row.inlier_ratio, least.inlier_ratio),
        ("answer rate", row.answer_rate, least.answer_rate),
    )
    found = [verdict_of_figure(one, bound, least.rule) for _, one, bound in held]
    no_evidence = row.same_prompts or not row.components
    verdict = Verdict.NOT_MEASURED if no_evidence else max(found, key=SEVERITY.index)
    lines = list(_lines(result, row, verdict, held, found, least))
    return CarryJudgement(row=row, verdict=verdict, message="\n".join(lines))


def _lines(
    result: Generalisation,
    row: TransferRow,
    verdict: Verdict,
    held: Sequence[tuple[str, Figure, float]],
    found: Sequence[Verdict],
    least: Least,
) -> Iterator[str]:
    source = ", ".join(row.found_in)
    rule = "" if row.rule in ("", "own") else f", {row.rule}"
    head = f"{result.study} / {row.unit} by {row.method}{rule}[{result.model.name}] / {row.level}: {source} -> {row.evaluated_in}"
    yield f"{one_line(head)}: {WORDS[verdict]}"
    for (name, one, bound), said in zip(held, found, strict=True):
        mark = "" if said is Verdict.WITHIN else f" - {WORDS[said]}"
        yield _line(name, f"{_told(one, bound)}; must be at least {figure(bound)}{mark}")
    if row.same_prompts:
        yield _line("because", "the set was found on the very prompts it is evaluated on: no evidence that it carries")
    elif not row.components:
        yield _line("because", "no component was found, so nothing was removed: no evidence that anything carries")
    if least.rule == "point":
        yield _line("rule", "point: the estimate decides, and no error is controlled")
    groups = f"{row.attribute}, {row.groups[1]} against {row.groups[0]}"
    yield _line("bias", f"{_told(row.bias_before)} before, {_told(row.bias)} after: mean |{row.metric}|, {groups}")
    if row.chance is not None:
        yield _line("by chance", f"{figure(row.chance)} where the groups do not differ at all")
    yield _line(
        "found on",
        f"{FOUND_ON.get(row.level, row.level)}: {source}; {row.components:,.4g} {row.unit} ({row.share:.2%})",
    )
    yield _line("tested on", f"{row.evaluated_in}: {row.variations} variations, {row.people} people")
    beside = [
        f"{chosen} {_told(one.removed)}"
        for chosen in ("random", "magnitude")
        for one in result.select(
            level=row.level,
            unit=row.unit,
            evaluated_in=row.evaluated_in,
            found_in=row.found_in,
            chosen=chosen,
            rule=row.rule,
            method=row.method,
        )
    ]
    if beside:
        yield _line("baselines", f"removed by as many components: {'; '.join(beside)}")
    yield _line(
        "no license",
        f"what holds in {source} does not hold in {row.evaluated_in} by that, nor in any context that is not in this table",
    )
    yield _line("next", _next(verdict, row))


def _told(one: Figure, beside: float | None = None) -> str:
    if one.value is None:
        return f"none ({one_line(one.reason) or 'no value'})"
    if one.interval is None:
        return f"{figure(one.value, beside=beside)} without an interval ({one_line(one.reason) or 'no reason given'})"
    low, high = figure(one.interval.low, beside=beside), figure(one.interval.high, beside=beside)
    return f"{figure(one.value, beside=beside)} ({one.interval.level:.4g} interval {low} to {high})"


def _next(verdict: Verdict, row: TransferRow) -> str:
    if verdict is Verdict.OVER:
        return f"look for components in {row.evaluated_in} itself, and hold them to variations and names left out there"
    if verdict is Verdict.INCONCLUSIVE:
        return "more people or variations in the contexts: the interval is too wide to decide"
    if verdict is Verdict.NOT_MEASURED:
        return "see the reason; a row that cannot be measured is no evidence that anything carries"
    return "nothing"


def _line(label: str, text: str) -> str:
    return f"  {label:<12} {text}"
