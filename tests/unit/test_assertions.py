"""Assertions: what raises, what is in the text, and that an empty result does not pass."""

from __future__ import annotations

import unittest
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pytest_biasaudit.assertions import (
    BiasLimitExceeded,
    Inconclusive,
    InconclusiveWarning,
    NotComparable,
    NotMeasured,
    assert_no_worse_than,
    assert_within_limits,
    worst,
)
from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, Limit, OutcomeSpec, People
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.prompt import Person, Prompt
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from pytest_biasaudit.verdict.verdict import Judgement

LIMIT = Limit(id="race-smd", metric="smd", attributes=("race",), max=0.2)


def an_estimate(
    value: float | None, reach: float = 0.05, *, metric: str = "smd", versus: str | None = None
) -> Estimate:
    return Estimate(
        metric=metric,
        attribute="race",
        groups=("white", "black"),
        value=value,
        interval=None if value is None else Interval(low=value - reach, high=value + reach, level=0.95, method="t"),
        p=None,
        p_adjusted=None,
        n=10,
        people=4,
        templates=8,
        missing=0,
        by_group=(),
        versus=versus,
        shows="value" if versus is None else "increase",
    )


def outcomes_of(gap: float, *, people: int = 8, templates: int = 8, seed: int = 1) -> tuple[Outcome, ...]:
    """Offers about two groups, `gap` dollars apart on average, from a seeded generator."""
    rng = np.random.default_rng(seed)
    return tuple(
        Outcome(
            prompt=Prompt(
                id=f"t{t}/{race}-{i}",
                template=f"t{t}",
                slots=(),
                person=Person(first=f"{race}{i}", last="", groups=(("race", race),)),
                person_id=f"{race}-{i}",
                text=f"Offer {t} for {race}{i}?",
                system=None,
                prefill="",
            ),
            repeat=0,
            prompt_sha256="0" * 64,
            text="",
            reading=Reading(status="ok", value=float(100 + t + gap * (race == "black") + rng.normal())),
        )
        for race in ("white", "black")
        for i in range(people)
        for t in range(templates)
    )


def a_record(outcomes: Sequence[Outcome] = (), *, model: str = "base", limits: tuple[Limit, ...] = ()) -> AuditRecord:
    audit = CounterfactualAudit(
        id="offers",
        kind="counterfactual",
        wordings=("{person}",),
        system=None,
        prefill="",
        slots=(),
        people=People(attributes=("race",), source="made", groups=(("white", "black"),), per_group=8),
        outcome=OutcomeSpec(kind="number", unit="USD"),
        limits=limits,
    )
    context = Context(
        id="second-hand",
        title="",
        process="",
        use="",
        affected=(),
        harms=(),
        oversight="",
        response="",
        owner="",
        jurisdictions=(),
        language="en",
        audits=(audit,),
        path=Path("second_hand.bias.toml"),
        sha256="a" * 64,
    )
    return AuditRecord(
        context=context,
        audit=audit,
        model=ModelIdentity(name=model, source="scripted"),
        prompt_format="raw",
        seed=7,
        batch_size=8,
        outcomes=tuple(outcomes),
        estimates=(),
        judgements=(),
    )


@dataclass(frozen=True)
class Result:
    """A result as `audit.py` gives it, made by hand."""

    record: AuditRecord
    judgements: tuple[Judgement, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)
    observe: bool = False
    inconclusive: Literal["fail", "warn", "skip"] = "fail"

    def estimate(self, metric: str, attribute: str | None = None, group: str | None = None) -> Estimate:
        """Not asked for here."""
        raise AssertionError((metric, attribute, group))


def judged(*values: float | None, reach: float = 0.05) -> Result:
    """A result with a limit for every value."""
    where = Where(context="second-hand", audit="offers", model="base", file="second_hand.bias.toml")
    held = [(replace(LIMIT, id=f"limit-{n}"), [an_estimate(value, reach)]) for n, value in enumerate(values)]
    return Result(record=a_record(), judgements=judge_limits(held, metrics=METRICS, where=where))


def test_a_result_within_all_its_limits_passes() -> None:
    assert_within_limits(judged(0.0, 0.1))


def test_a_run_that_only_observes_fails_nothing() -> None:
    assert_within_limits(replace(judged(0.9, None), observe=True))


def test_an_assertion_does_with_an_open_question_what_the_run_says_unless_it_says_itself() -> None:
    result = replace(judged(0.2, reach=0.5), inconclusive="warn")
    with pytest.warns(InconclusiveWarning):
        assert_within_limits(result)
    with pytest.raises(Inconclusive):
        assert_within_limits(result, inconclusive="fail")


def test_a_result_over_a_limit_raises_the_finding() -> None:
    with pytest.raises(BiasLimitExceeded, match=r"second-hand / offers\[base\] / limit-1: over limit"):
        assert_within_limits(judged(0.0, 0.5))


def test_a_result_without_limits_does_not_pass() -> None:
    with pytest.raises(NotMeasured, match="declares no limit"):
        assert_within_limits(Result(record=a_record()))


def test_an_open_limit_raises_inconclusive_or_as_the_user_says() -> None:
    result = judged(0.0, 0.19)
    with pytest.raises(Inconclusive, match="limit-1: inconclusive"):
        assert_within_limits(result)
    with pytest.warns(InconclusiveWarning, match="limit-1: inconclusive"):
        assert_within_limits(result, inconclusive="warn")
    with pytest.raises(unittest.SkipTest, match="limit-1: inconclusive"):
        assert_within_limits(result, inconclusive="skip")
    with pytest.raises(ValueError, match="pass"):
        assert_within_limits(result, inconclusive="pass")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("inconclusive", ["fail", "warn", "skip"])
def test_the_worst_is_raised_and_every_open_limit_is_in_its_text(inconclusive: str) -> None:
    result = judged(0.19, None, 0.5, 0.0)
    with pytest.raises(BiasLimitExceeded) as raised:
        assert_within_limits(result, inconclusive=inconclusive)  # type: ignore[arg-type]
    headlines = [line for line in str(raised.value).splitlines() if not line.startswith(" ") and line]
    assert [line.split(" / ")[-1] for line in headlines] == [
        "limit-2: over limit",
        "limit-1: not measured",
        "limit-0: inconclusive",
    ]


def test_what_was_not_measured_is_worse_than_inconclusive() -> None:
    with pytest.raises(NotMeasured):
        assert_within_limits(judged(0.19, None), inconclusive="skip")


def test_every_verdict_is_an_assertion_error() -> None:
    for error in (BiasLimitExceeded, Inconclusive, NotMeasured):
        assert issubclass(error, AssertionError)


def test_a_model_is_no_worse_than_itself() -> None:
    record = a_record(outcomes_of(0.5))
    assert_no_worse_than(
        Result(record=replace(record, model=ModelIdentity(name="child", source="s"))),
        Result(record=record),
        metric="mean_difference",
        attribute="race",
        max_increase=1.0,
    )


def test_a_child_with_a_wider_gap_is_worse_than_its_parent() -> None:
    parent, child = Result(record=a_record(outcomes_of(0.0))), Result(record=a_record(outcomes_of(5.0), model="int8"))
    with pytest.raises(BiasLimitExceeded, match=r"offers\[int8\] / no-worse-smd: over limit") as raised:
        assert_no_worse_than(child, parent, metric="smd", attribute="race", max_increase=0.5)
    assert "increase of |smd| against base at most 0.5 sd   asserted in the test" in str(raised.value)
    assert_no_worse_than(parent, child, metric="smd", attribute="race", max_increase=0.5)


def silenced(outcomes: Sequence[Outcome], every: int) -> tuple[Outcome, ...]:
    """Every so many answers refused."""
    return tuple(
        replace(one, reading=Reading(status="refused", value=None)) if at % every == 0 else one
        for at, one in enumerate(outcomes)
    )


def test_a_child_that_answers_less_has_not_kept_what_its_parent_can_do() -> None:
    full = outcomes_of(0.0, people=16, templates=16)
    parent, same = Result(record=a_record(full)), Result(record=a_record(full, model="int8"))
    assert_no_worse_than(same, parent, metric="answer_rate", min_recovery=0.9)
    fewer = Result(record=a_record(silenced(full, 3), model="int8"))
    with pytest.raises(BiasLimitExceeded, match=r"recovery of answer_rate against base at least 0\.9") as raised:
        assert_no_worse_than(fewer, parent, metric="answer_rate", min_recovery=0.9)
    assert "moved      white -0.3" in str(raised.value)


def test_exactly_one_bound_is_given_and_one_the_metric_can_have() -> None:
    result = Result(record=a_record(outcomes_of(0.0)))
    for rise, kept, said in (
        (None, None, "exactly one of max_increase and min_recovery, got neither"),
        (0.1, 0.9, "got max_increase and min_recovery"),
        (None, 0.9, "smd: tells how fair"),
        (-0.1, None, "must be 0 or more"),
    ):
        with pytest.raises(ValueError, match=said):
            assert_no_worse_than(result, result, metric="smd", max_increase=rise, min_recovery=kept)


def test_models_that_were_not_asked_alike_are_compared_and_it_is_said() -> None:
    before, after = a_record(outcomes_of(0.0)), a_record(outcomes_of(5.0), model="int8")
    after = replace(after, batch_size=64, model=replace(after.model, dtype="bfloat16"))
    before = replace(before, model=replace(before.model, dtype="float32"))
    with pytest.raises(BiasLimitExceeded) as raised:
        assert_no_worse_than(Result(record=after), Result(record=before), metric="smd", max_increase=0.1)
    assert "unlike     int8 computes in bfloat16, base in float32: part of the difference is rounding" in str(
        raised.value
    )
    assert "unlike     int8 was asked 64 at a time, base 8" in str(raised.value)


def test_answers_to_other_questions_are_not_compared() -> None:
    before = a_record(outcomes_of(0.0))
    fewer = a_record(outcomes_of(0.0)[:-3], model="int8")
    with pytest.raises(NotComparable, match="3 prompts"):
        assert_no_worse_than(Result(record=fewer), Result(record=before), metric="smd", max_increase=0.1)
    other_file = replace(before, context=replace(before.context, sha256="b" * 64))
    with pytest.raises(ValueError, match="changed between"):
        assert_no_worse_than(Result(record=other_file), Result(record=before), metric="smd", max_increase=0.1)
    other_audit = replace(before, audit=replace(before.audit, id="loans"))
    with pytest.raises(NotComparable, match="one audit"):
        assert_no_worse_than(Result(record=other_audit), Result(record=before), metric="smd", max_increase=0.1)


def test_an_unknown_metric_or_attribute_is_the_callers_mistake() -> None:
    result = Result(record=a_record(outcomes_of(0.0)))
    with pytest.raises(ValueError, match="fairness_score"):
        assert_no_worse_than(result, result, metric="fairness_score", max_increase=0.1)
    with pytest.raises(ValueError, match="by race, not by 'gender'"):
        assert_no_worse_than(result, result, metric="smd", attribute="gender", max_increase=0.1)


def test_nothing_answered_is_never_no_worse() -> None:
    silent = tuple(replace(one, reading=Reading(status="refused", value=None)) for one in outcomes_of(0.0))
    for after, before in ((silent, outcomes_of(0.0)), (outcomes_of(0.0), silent), (silent, silent), ((), ())):
        with pytest.raises(NotMeasured):
            assert_no_worse_than(
                Result(record=a_record(after)), Result(record=a_record(before)), metric="smd", max_increase=9.0
            )


def test_the_worst_estimate_is_the_one_furthest_from_the_ideal() -> None:
    small, large, none = an_estimate(0.1), an_estimate(-0.4), an_estimate(None)
    assert worst([small, large], METRICS["smd"]) is large
    assert worst([small, none, large], METRICS["smd"]) is none
    halved, raised = an_estimate(0.5, metric="mean_ratio"), an_estimate(1.9, metric="mean_ratio")
    assert worst([halved, raised], METRICS["mean_ratio"]) is halved
    risen, fallen = an_estimate(0.1, versus="base"), an_estimate(-0.4, versus="base")
    assert worst([risen, fallen], METRICS["smd"]) is risen
    with pytest.raises(ValueError, match="no estimate"):
        worst([], METRICS["smd"])
