"""Verdicts as assertions: raise the finding. Usable without pytest; imports statistics only when a change is judged.

A result is anything with `record`, `metrics`, `judgements` and `estimate` (see `Audited`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_biasaudit.context.declaration import BenchmarkAudit, CounterfactualAudit, Limit, TabularAudit
from pytest_biasaudit.errors import BiasAuditError
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.records.unlike import AskedAs, unlike
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.mitigation.generalising.rows import Level


class BiasLimitExceeded(AssertionError):
    """A limit is broken. The text is the finding."""


class Inconclusive(AssertionError):
    """The data do not say whether a limit is kept. The text is the finding, with what would decide it."""


class NotMeasured(AssertionError):
    """There is nothing to judge: no answers, no interval, no limit. The text says why."""


class InconclusiveWarning(UserWarning):
    """An inconclusive verdict that the user asked to be told of and not stopped by."""


class NotComparable(BiasAuditError, ValueError):
    """Two results that do not answer the same questions."""


class Judged(Protocol):
    """What was judged, whatever it was."""

    @property
    def verdict(self) -> Verdict:
        """What came of it."""
        ...

    @property
    def message(self) -> str:
        """The finding."""
        ...


class Run(Protocol):
    """How the run that a result comes from takes its findings."""

    @property
    def observe(self) -> bool:
        """Whether the run only observes: then nothing is raised."""
        ...

    @property
    def inconclusive(self) -> Literal["fail", "warn", "skip"]:
        """What an inconclusive verdict does, where the assertion does not say."""
        ...


class Audited(Protocol):
    """What an audit's result must offer to be asserted on."""

    @property
    def record(self) -> AuditRecord:
        """What was asked, what came back, and by which model."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The registry the audit was measured with."""
        ...

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """One a limit of the audit."""
        ...

    @property
    def observe(self) -> bool:
        """Whether the run only observes: then nothing is raised."""
        ...

    @property
    def inconclusive(self) -> Literal["fail", "warn", "skip"]:
        """What an inconclusive verdict does, where the assertion does not say."""
        ...

    def estimate(self, metric: str, attribute: str | None = None, group: str | None = None) -> Estimate:
        """The estimate of that metric; the worst of its groups where none is named."""
        ...


RAISED: Mapping[Verdict, type[AssertionError]] = {
    Verdict.OVER: BiasLimitExceeded,
    Verdict.NOT_MEASURED: NotMeasured,
    Verdict.INCONCLUSIVE: Inconclusive,
}
"""From the worst: what is raised when several limits are not kept."""


def assert_within_limits(result: Audited, *, inconclusive: Literal["fail", "warn", "skip"] | None = None) -> None:
    """Raise unless every limit of the audit is kept.

    inconclusive  "fail" raises; "warn" warns and goes on; "skip" skips the test (unittest and pytest), when nothing
                  worse is there; None does what the run's --biasaudit-inconclusive says

    A result of a run that only observes (--biasaudit-observe) raises nothing.
    Raises the worst there is: BiasLimitExceeded, then NotMeasured, then Inconclusive; the text holds the findings of
    all limits that are not kept. An audit without limits raises NotMeasured: nothing was judged, so nothing passed.
    """
    __tracebackhide__ = True
    if not result.judgements:
        place = f"{result.record.context.id} / {result.record.audit.id}[{result.record.model.name}]"
        raise NotMeasured(
            f"{place}: not measured\n"
            f"  because    the audit declares no limit, so nothing was judged\n"
            f"  next       declare [[audit.limit]] in {result.record.context.path.name}"
        )
    raise_worst(result.judgements, of=result, inconclusive=inconclusive)


def assert_no_worse_than(
    after: Audited,
    before: Audited,
    *,
    metric: str,
    max_increase: float | None = None,
    min_recovery: float | None = None,
    attribute: str | Sequence[str] | None = None,
    level: float = 0.95,
    inconclusive: Literal["fail", "warn", "skip"] | None = None,
) -> None:
    """Raise unless one model's bias exceeds another's by `max_increase` at most, or its ability is kept by `min_recovery`.

    after, before  results of one audit by two models, say a compressed child and its parent
    metric         with `max_increase` one that tells how fair: what rises is its distance from the ideal; with
                   `min_recovery` one that tells how able: what is kept is its ratio to the other model's
    attribute      "race", "race*gender" or a sequence; all the audit's attributes crossed when none is given

    A non-inferiority test on the same questions: kept only when the upper end of the interval of the paired change is at
    or under `max_increase`, for every group against the reference, or the lower end of the recovery's at or above
    `min_recovery`.

    Raises ValueError unless exactly one of the two bounds is given; NotComparable when the two were not asked the same, or of a
    labelled table;
    BiasLimitExceeded, Inconclusive or NotMeasured otherwise.
    """
    __tracebackhide__ = True
    from pytest_biasaudit.verdict.finding import Where
    from pytest_biasaudit.verdict.judge import judge_limits

    first, second = before.record, after.record
    if isinstance(second.audit, TabularAudit):
        raise NotComparable(
            f"{second.context.id}/{second.audit.id} is an audit of a table: no answer to a row is kept in a result, so two of "
            f"them cannot be paired; declare a limit with versus = {first.model.name!r} and max_increase in the context, or ask "
            "with assert_reduces_gap whether a gap is smaller"
        )
    _refuse_different_questions(first, second)
    if metric not in after.metrics:
        raise ValueError(f"no metric {metric!r} is registered; there are {', '.join(sorted(after.metrics))}")
    _refuse_bounds(after.metrics[metric], max_increase, min_recovery)
    limit = Limit(
        id=f"no-worse-{metric}",
        metric=metric,
        attributes=_attributes(second, after.metrics[metric], attribute),
        versus=first.model.name,
        max_increase=max_increase,
        min_recovery=min_recovery,
        level=level,
    )
    if isinstance(second.audit, BenchmarkAudit):
        from pytest_biasaudit.metrics.benchmarks.measure import Part, estimates_of_part

        estimates = estimates_of_part(
            Part.of(limit), second.audit, second, after.metrics[metric], seed=second.seed, other=first
        )
    else:
        from pytest_biasaudit.metrics.measure import estimates_for

        assert isinstance(second.audit, CounterfactualAudit)
        estimates = estimates_for(
            limit, second.outcomes, second.audit, after.metrics[metric], seed=second.seed, parent=first.outcomes
        )
    remarks = unlike(AskedAs.of(second), AskedAs.of(first))
    estimates = tuple(replace(one, remarks=remarks) for one in estimates)
    where = replace(Where.of(second.context, second.audit, model=second.model.name, seed=second.seed), declared=False)
    raise_worst(
        judge_limits([(limit, estimates)], metrics=after.metrics, where=where), of=after, inconclusive=inconclusive
    )


def assert_generalises(
    result: Generalisation,
    *,
    min_removed: float = 0.3,
    level: Level = "cross-context",
    unit: str | None = None,
    evaluated_in: str | None = None,
    combined: str | None = None,
    min_inlier_ratio: float = 0.8,
    min_answer_rate: float = 0.9,
    rule: Literal["upper", "point"] = "upper",
    inconclusive: Literal["fail", "warn", "skip"] | None = None,
) -> None:
    """Raise unless removing the components that were found takes bias away where they were not found.

    result        of `biasaudit.generalise` or `Auditor.generalise`
    min_removed   share of the bias that every row must at least remove: 1 is all, 0 nothing
    level         what is asked of the components: "names", "leave-one-out", "cross-context" or "pooled"
    unit, evaluated_in, combined  only rows of that unit, evaluated context, or rule of combining ("frequency"); None: all
    min_inlier_ratio, min_answer_rate  what every row must keep, so that a broken model does not look fair
    rule          "upper": the whole interval of each figure must lie at or above its bound; "point": the value

    All rows must hold: one context into which nothing carries fails. A run that only observes raises nothing.

    Raises ValueError for a level at which sets meet their own prompts ("prompt", "context"), since that is no evidence of
    carrying, for a bound that is no number or out of range, and for a unit, context or rule that the study does not have;
    NotMeasured where it has no row of what is asked for; BiasLimitExceeded, Inconclusive or NotMeasured otherwise, with the
    finding of every row that fails.
    """
    __tracebackhide__ = True
    from pytest_biasaudit.verdict.carries import FOUND_ON, Least, judge_rows

    if level not in FOUND_ON:
        why = "is evaluated on the prompts its sets were found on, which is no evidence that anything carries"
        reason = why if level in ("prompt", "context") else "is none at which components are held to other prompts"
        raise ValueError(f"level {level!r} {reason}; valid are {', '.join(map(repr, FOUND_ON))}")
    if rule not in ("upper", "point"):
        raise ValueError(f"rule {rule!r}: valid are 'upper' and 'point'")
    least = Least(removed=min_removed, inlier_ratio=min_inlier_ratio, answer_rate=min_answer_rate, rule=rule)
    _refuse_unknown(result, unit=unit, evaluated_in=evaluated_in, rule=combined)
    rows = result.select(level=level, unit=unit, evaluated_in=evaluated_in, chosen="scored", rule=combined)
    if not rows:
        raise NotMeasured(
            f"{result.study}[{result.model.name}]: not measured\n"
            f"  because      {_no_row(result, level=level, unit=unit, evaluated_in=evaluated_in, combined=combined)}\n"
            f"  next         declare the level, and the contexts it needs, in {result.plan_file}"
        )
    raise_worst(judge_rows(result, rows, least), of=result, inconclusive=inconclusive)


def worst(estimates: Iterable[Estimate], metric: Metric) -> Estimate:
    """The estimate furthest from the metric's ideal, or least good where the metric has a better end.

    One without a value is worse than any other: it must not hide behind those that have one.
    Raises ValueError when there is none at all.
    """
    found = list(estimates)
    if not found:
        raise ValueError(f"no estimate of {metric.name} to choose from")
    return max(found, key=lambda estimate: _badness(estimate, metric))


def _badness(estimate: Estimate, metric: Metric) -> float:
    value = estimate.value
    if value is None:
        return float("inf")
    if estimate.shows != "value":
        return value if estimate.shows == "increase" else -value
    if metric.judged == "ratio":
        return max(value, 1.0 / value) if value > 0 else float("inf")
    return abs(value - metric.ideal)


def _refuse_unknown(result: Generalisation, **given: str | None) -> None:
    """Raises ValueError for a word that no row has: nothing would be selected, and nothing judged."""
    for name, value in given.items():
        known = dict.fromkeys(str(getattr(row, name)) for row in result.rows if row.level != "none")
        if value is not None and value not in known:
            shown = "combined" if name == "rule" else name
            raise ValueError(f"{shown} = {value!r}: the study has {', '.join(map(repr, known)) or 'no row'}")


def _no_row(result: Generalisation, *, level: Level, **given: str | None) -> str:
    """What was asked for and is not there, and what is."""
    there = [row for row in result.rows if row.level == level and row.chosen == "scored"]
    if there:
        asked = ", ".join(f"{name} = {value!r}" for name, value in given.items() if value is not None)
        rows = "; ".join(dict.fromkeys(f"{row.unit} in {row.evaluated_in}, rule {row.rule!r}" for row in there))
        return f"the study has no row of level {level!r} with {asked}; of that level it has {rows}"
    levels = ", ".join(dict.fromkeys(row.level for row in result.rows if row.level != "none")) or "none"
    return f"the study has no row of level {level!r}; it has {levels}"


def raise_worst(judgements: Sequence[Judged], *, of: Run, inconclusive: str | None) -> None:
    """Raise the worst of what was judged, with every finding that is not kept; nothing where the run only observes."""
    __tracebackhide__ = True
    inconclusive = of.inconclusive if inconclusive is None else inconclusive
    if inconclusive not in ("fail", "warn", "skip"):
        raise ValueError(f'inconclusive must be "fail", "warn" or "skip", got {inconclusive!r}')
    open_ones = [judgement for judgement in judgements if judgement.verdict is not Verdict.WITHIN]
    if not open_ones or of.observe:
        return
    verdict = next(verdict for verdict in RAISED if any(one.verdict is verdict for one in open_ones))
    text = "\n\n".join(one.message for order in RAISED for one in open_ones if one.verdict is order)
    if verdict is Verdict.INCONCLUSIVE and inconclusive == "warn":
        warnings.warn(text, InconclusiveWarning, stacklevel=3)
        return
    if verdict is Verdict.INCONCLUSIVE and inconclusive == "skip":
        from unittest import SkipTest

        raise SkipTest(text)
    raise RAISED[verdict](text)


def _refuse_bounds(metric: Metric, max_increase: float | None, min_recovery: float | None) -> None:
    """Raises ValueError for no bound, for both, or for one that the metric cannot have."""
    given = {"max_increase": max_increase, "min_recovery": min_recovery}
    bound = {name: value for name, value in given.items() if value is not None}
    if len(bound) != 1:
        raise ValueError(f"give exactly one of max_increase and min_recovery, got {' and '.join(bound) or 'neither'}")
    from pytest_biasaudit.context.limits import bound_faults

    for name, value in bound.items():
        for fault in bound_faults(metric, name, value):
            raise ValueError(f"{name} = {value:g}: {fault}")


def _attributes(record: AuditRecord, metric: Metric, attribute: str | Sequence[str] | None) -> tuple[str, ...]:
    """In the order the audit declares them, so that one comparison has one name."""
    audit = record.audit
    if isinstance(audit, BenchmarkAudit):
        return _split(audit, metric, attribute)
    assert isinstance(audit, (CounterfactualAudit, TabularAudit))
    declared = audit.attributes if isinstance(audit, TabularAudit) else audit.people.attributes
    if not metric.by_group:
        return ()
    if attribute is None:
        return declared
    wanted = attribute.split("*") if isinstance(attribute, str) else list(attribute)
    unknown = [name for name in wanted if name not in declared]
    if unknown or not wanted:
        raise ValueError(f"audit {record.audit.id!r} tells people apart by {', '.join(declared)}, not by {attribute!r}")
    return tuple(name for name in declared if name in wanted)


def _split(audit: BenchmarkAudit, metric: Metric, attribute: str | Sequence[str] | None) -> tuple[str, ...]:
    """What a benchmark's figure is split by: as asked, else as the metric prefers."""
    wanted = (
        metric.split_by[0] if attribute is None else attribute if isinstance(attribute, str) else "*".join(attribute)
    )
    if wanted not in metric.split_by:
        ways = ", ".join(filter(None, metric.split_by)) or "nothing"
        raise ValueError(f"audit {audit.id!r} splits {metric.name} by {ways}, not by {attribute!r}")
    return (wanted,) if wanted else ()


def _refuse_different_questions(first: AuditRecord, second: AuditRecord) -> None:
    """Raises NotComparable unless both records are of one declared audit, asked about the same people."""
    audits = f"{first.context.id}/{first.audit.id} and {second.context.id}/{second.audit.id}"
    if (first.context.id, first.audit.id) != (second.context.id, second.audit.id):
        raise NotComparable(f"two results of one audit are needed, got {audits}; run the same audit on both models")
    if first.context.sha256 != second.context.sha256 or first.audit != second.audit:
        raise NotComparable(
            f"{second.context.path.name} changed between the two runs of {second.audit.id!r} "
            f"(sha256 {first.context.sha256[:12]} and {second.context.sha256[:12]}); run both again"
        )
    if first.data is not None and second.data is not None and first.data.sha256 != second.data.sha256:
        raise NotComparable(
            f"the data of {audits} changed between the two runs (sha256 {first.data.sha256[:12]} and "
            f"{second.data.sha256[:12]}); run both again"
        )
    missing = len(_questions(first.outcomes) ^ _questions(second.outcomes))
    if missing:
        raise NotComparable(
            f"{first.model.name} and {second.model.name} were not asked the same: {missing} prompts of {audits} are in "
            f"one result only; run both with the same seed (now {first.seed} and {second.seed})"
        )


def _questions(outcomes: Sequence[Outcome]) -> set[tuple[str, str | None, str, str, int]]:
    return {(one.prompt.id, one.prompt.system, one.prompt.text, one.prompt.prefill, one.repeat) for one in outcomes}
