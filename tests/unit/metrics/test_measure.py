"""What is compared with what, and what stands in the way: with metrics so simple that only the laying out is tested."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import CounterfactualAudit, Limit, OutcomeSpec, People
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics.measure import (
    Wanted,
    companions,
    estimates_for,
    estimates_of,
    lower_comparisons,
    measure,
)
from pytest_biasaudit.metrics.metric import Estimate, GroupCells, Measured, Metric
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.stats.interval import Interval

Answer = Callable[..., Outcome]


def gap(reference: GroupCells, group: GroupCells, *, level: float, seed: int) -> Measured:
    """Difference of plain means, one to each side."""
    value = float(np.nanmean(group.values) - np.nanmean(reference.values))
    return Measured(value=value, interval=Interval(low=value - 1, high=value + 1, level=level, method=f"seed {seed}"))


def inside(groups: Sequence[GroupCells], *, level: float, seed: int) -> Measured:
    """Plausible numbers over numbers read."""
    good = sum(float(group.answered.sum()) for group in groups)
    odd = sum(float(group.implausible.sum()) for group in groups)
    value = good / (good + odd)
    return Measured(value=value, interval=Interval(low=value - 0.1, high=value + 0.1, level=level, method="fake"))


GAP = replace(METRICS["mean_difference"], compare=gap)
RATE = replace(METRICS["answer_rate"], overall=inside)
INLIERS = replace(METRICS["inlier_ratio"], overall=inside)
REFUSALS = replace(METRICS["refusal_rate_difference"], compare=gap)


def an_audit(
    *limits: Limit, groups: Sequence[Sequence[str]] = (("white", "black"),), kind: str = "number"
) -> CounterfactualAudit:
    attributes = ("race", "gender")[: len(groups)]
    return CounterfactualAudit(
        id="offers",
        kind="counterfactual",
        wordings=("{item} {person}",),
        system=None,
        prefill="",
        slots=(("item", ("car", "bike")),),
        people=People(
            attributes=attributes,
            source="made",
            groups=tuple(tuple(names) for names in groups),
            per_group=2,
        ),
        outcome=OutcomeSpec(kind=kind),  # type: ignore[arg-type]  # the tests name kinds in plain text
        limits=limits,
    )


LIMIT = Limit(id="gap", metric="mean_difference", attributes=("race",), max=5.0)


@pytest.fixture
def offers(answer: Answer) -> Callable[..., list[Outcome]]:
    """Offers of two people a group over two templates: people of a group get its base plus 0 and 2."""

    def make(**base: float) -> list[Outcome]:
        return [
            answer(f"{race}-{person}", template, base[race] + 2 * person, race=race)
            for race in base
            for person in range(2)
            for template in ("car", "bike")
        ]

    return make


Offers = Callable[..., list[Outcome]]


def one(
    audit: CounterfactualAudit, outcomes: Sequence[Outcome], metric: Metric = GAP, wanted: Limit | Wanted = LIMIT
) -> Estimate:
    (estimate,) = estimates_for(wanted, outcomes, audit, metric, seed=3)
    return estimate


def unmeasured(estimate: Estimate) -> str:
    """The reason; fails when there is a value or an interval."""
    assert estimate.value is None
    assert estimate.interval is None
    assert estimate.p is None
    assert estimate.reason
    return estimate.reason


def test_a_group_is_compared_with_the_reference(offers: Offers) -> None:
    estimate = one(an_audit(), offers(white=10, black=7))
    assert (estimate.metric, estimate.attribute, estimate.groups) == ("mean_difference", "race", ("white", "black"))
    assert estimate.value == -3
    assert estimate.interval == Interval(low=-4, high=-2, level=0.95, method="seed 3")
    assert (estimate.n, estimate.people, estimate.templates, estimate.missing) == (8, 4, 2, 0)
    assert [(group.group, group.mean) for group in estimate.by_group] == [("white", 11), ("black", 8)]


def test_each_group_is_compared_with_the_reference_and_not_with_others(offers: Offers) -> None:
    audit = an_audit(groups=[["white", "black", "asian"]])
    estimates = estimates_for(LIMIT, offers(white=10, black=7, asian=12), audit, GAP, seed=3)
    assert [(estimate.groups, estimate.value) for estimate in estimates] == [
        (("white", "black"), -3),
        (("white", "asian"), 2),
    ]


def test_the_declared_order_says_who_is_the_reference(offers: Offers) -> None:
    outcomes = offers(white=10, black=7)
    assert one(an_audit(groups=[["black", "white"]]), outcomes).value == 3
    assert one(an_audit(groups=[["black", "white"]]), outcomes[::-1]).value == 3


def test_intersections_are_compared_with_the_first_of_each_attribute(answer: Answer) -> None:
    audit = an_audit(groups=[["white", "black"], ["men", "women"]])
    outcomes = [
        answer(
            f"{race}-{gender}-{person}",
            template,
            10.0 * (race == "black") + (gender == "women"),
            race=race,
            gender=gender,
        )
        for race in ("white", "black")
        for gender in ("men", "women")
        for person in range(2)
        for template in ("car", "bike")
    ]
    crossed = estimates_for(replace(LIMIT, attributes=("race", "gender")), outcomes, audit, GAP, seed=3)
    assert [(estimate.attribute, estimate.groups, estimate.value) for estimate in crossed] == [
        ("race*gender", ("white*men", "white*women"), 1),
        ("race*gender", ("white*men", "black*men"), 10),
        ("race*gender", ("white*men", "black*women"), 11),
    ]
    margin = one(audit, outcomes, wanted=replace(LIMIT, attributes=("gender",)))
    assert (margin.groups, margin.value, margin.people) == (("men", "women"), 1, 8)


def test_refused_answers_are_counted_and_not_scored(offers: Offers, answer: Answer) -> None:
    outcomes = offers(white=10, black=7)
    outcomes[0] = answer("white-0", "car", "refused", race="white")
    estimate = one(an_audit(), outcomes)
    assert estimate.value == pytest.approx(8 - (10 + 12 + 12) / 3)
    assert (estimate.n, estimate.missing, estimate.by_group[0].refused) == (7, 1, 1)


def test_nothing_asked_is_not_measured() -> None:
    assert "nothing was asked" in unmeasured(one(an_audit(), []))


def test_a_missing_group_is_not_measured_and_named(offers: Offers) -> None:
    audit = an_audit(groups=[["white", "black", "asian"]])
    black, asian = estimates_for(LIMIT, offers(white=10, black=7), audit, GAP, seed=3)
    assert black.value == -3
    assert "'asian'" in unmeasured(asian)


def test_a_single_group_is_not_measured(offers: Offers) -> None:
    assert "at least 2 groups" in unmeasured(one(an_audit(groups=[["white"]]), offers(white=10)))


def test_one_person_in_a_group_is_not_measured(offers: Offers) -> None:
    outcomes = [outcome for outcome in offers(white=10, black=7) if outcome.prompt.person_id != "black-1"]
    assert "1 people of group 'black'" in unmeasured(one(an_audit(), outcomes))


def test_one_person_answered_about_is_not_measured(offers: Offers, answer: Answer) -> None:
    outcomes = [
        answer("black-1", outcome.prompt.template, "refused", race="black")
        if outcome.prompt.person_id == "black-1"
        else outcome
        for outcome in offers(white=10, black=7)
    ]
    assert "1 people of group 'black'" in unmeasured(one(an_audit(), outcomes))


@pytest.mark.parametrize("status", ["refused", "unparseable"])
def test_a_group_mostly_unheard_is_not_measured(answer: Answer, status: str) -> None:
    outcomes = [
        answer(f"{race}{person}", template, status if race == "black" and template != "t0" else 1.0, race=race)
        for race in ("white", "black")
        for person in range(3)
        for template in ("t0", "t1", "t2")
    ]
    assert "3 of 9 answers of group 'black'" in unmeasured(one(an_audit(), outcomes))


@pytest.mark.parametrize("metric", [GAP, REFUSALS])
def test_more_than_a_few_errors_are_a_broken_model_whatever_the_rest_says(answer: Answer, metric: Metric) -> None:
    outcomes = [
        answer(f"{race}{person}", template, "error" if (person, template) == (0, "t0") else 1.0, race=race)
        for race in ("white", "black")
        for person in range(3)
        for template in ("t0", "t1", "t2")
    ]
    assert "2 of 18 answers were errors" in unmeasured(one(an_audit(), outcomes, metric))


@pytest.mark.parametrize("status", ["refused", "unparseable", "error"])
@pytest.mark.parametrize("metric", [GAP, REFUSALS, INLIERS], ids=lambda metric: metric.name)
def test_without_a_single_answer_nothing_is_measured(answer: Answer, status: str, metric: Metric) -> None:
    outcomes = [
        answer(f"{race}{person}", template, status, race=race)
        for race in ("white", "black")
        for person in range(3)
        for template in ("car", "bike")
    ]
    unmeasured(one(an_audit(), outcomes, metric, Wanted(metric=metric.name, attributes=("race",))))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_value_that_is_no_number_stops_the_measuring(offers: Offers, answer: Answer, value: float | None) -> None:
    outcomes = offers(white=10, black=7)
    outcomes[3] = answer("white-1", "bike", value, race="white")
    for metric in (GAP, RATE, INLIERS, REFUSALS):
        reason = unmeasured(one(an_audit(), outcomes, metric, Wanted(metric=metric.name, attributes=("race",))))
        assert "1 of 8 answers have a value that is not a finite number" in reason


def test_a_metric_is_not_measured_on_a_kind_it_is_not_defined_for(offers: Offers) -> None:
    rates = replace(METRICS["rate_difference"], compare=gap)
    wanted = Wanted(metric="rate_difference", attributes=("race",))
    assert "not defined" in unmeasured(one(an_audit(), offers(white=10, black=7), rates, wanted))


@pytest.mark.parametrize(
    "measured",
    [
        Measured(value=math.nan, interval=None),
        Measured(value=math.inf, interval=Interval(low=0, high=1, level=0.95, method="m")),
        Measured(value=None, interval=Interval(low=0, high=1, level=0.95, method="m")),
    ],
)
def test_what_a_metric_cannot_say_has_a_reason(offers: Offers, measured: Measured) -> None:
    metric = replace(GAP, compare=lambda *_, **__: measured)
    unmeasured(one(an_audit(), offers(white=10, black=7), metric))


@pytest.mark.parametrize("ends", [(0.5, 0.5), (math.nan, 1.0), (0.0, math.nan), (1.0, 0.0)])
def test_an_interval_without_width_is_none(offers: Offers, ends: tuple[float, float]) -> None:
    interval = Interval(low=ends[0], high=ends[1], level=0.95, method="m")
    metric = replace(GAP, compare=lambda *_, **__: Measured(value=0.5, interval=interval, standard_error=0.0, df=3.0))
    estimate = one(an_audit(), offers(white=10, black=7), metric)
    assert (estimate.value, estimate.interval, estimate.standard_error, estimate.df) == (0.5, None, None, None)
    assert estimate.reason


def test_only_templates_answered_in_both_groups_are_counted(offers: Offers, answer: Answer) -> None:
    outcomes = [
        answer(outcome.prompt.person_id, "bike", "refused", race="black")
        if outcome.prompt.person_id.startswith("black") and outcome.prompt.template == "bike"
        else outcome
        for outcome in offers(white=10, black=7)
    ]
    assert one(an_audit(), outcomes).templates == 1


def test_answer_rate_is_measured_whatever_was_answered(offers: Offers, answer: Answer) -> None:
    outcomes = [answer(o.prompt.person_id, o.prompt.template, "refused", race="white") for o in offers(white=1)]
    asked = one(an_audit(), [*outcomes, *offers(black=2)], RATE, Wanted(metric="answer_rate"))
    assert asked.value is not None
    assert (asked.attribute, asked.groups, asked.people, asked.templates) == ("", (), 4, 2)
    assert (asked.n, asked.missing) == (4, 4)
    assert [group.group for group in asked.by_group] == ["white", "black"]


def test_a_rate_over_all_answers_misses_no_declared_group(offers: Offers) -> None:
    assert "'black'" in unmeasured(one(an_audit(), offers(white=1), RATE, Wanted(metric="answer_rate")))


def test_inliers_lie_within_the_parents_quantiles_for_the_same_template(answer: Answer) -> None:
    def of(values: Sequence[float], shift: float = 0.0) -> list[Outcome]:
        return [
            answer(f"{race}{i:02}", template, value + shift + add, race=race)
            for race in ("white", "black")
            for i, value in enumerate(values)
            for template, add in (("car", 1000.0), ("bike", 0.0))
        ]

    # Twice 0 .. 20: the 5 % and 95 % quantiles of 42 values are 1 and 19 (by hand: ranks 2.05 and 38.95).
    parent = of([float(i) for i in range(21)])
    limit = Limit(id="l", metric="inlier_ratio", attributes=(), versus="parent", min=0.5)
    same, shifted = (
        estimates_for(limit, child, an_audit(), INLIERS, seed=0, parent=parent)[0]
        for child in (parent, of([float(i) for i in range(21)], shift=9.5))
    )
    assert same.value == pytest.approx(19 / 21)
    assert shifted.value == pytest.approx(10 / 21)  # 9.5 to 18.5
    assert same.versus == "parent"
    assert (same.n, same.missing) == (84, 0)


def test_a_limit_against_another_model_needs_its_answers_to_the_same_prompts(offers: Offers) -> None:
    audit, outcomes = an_audit(), offers(white=10, black=7)
    limit = replace(LIMIT, max=None, max_increase=1.0, versus="parent")
    (none,) = estimates_for(limit, outcomes, audit, GAP, seed=0, parent=None)
    assert "no answers of 'parent'" in unmeasured(none)
    (empty,) = estimates_for(limit, outcomes, audit, GAP, seed=0, parent=[])
    assert "nothing was asked" in unmeasured(empty)
    (fewer,) = estimates_for(limit, outcomes, audit, GAP, seed=0, parent=outcomes[:-1])
    assert "not asked the same prompts" in unmeasured(fewer)
    reworded = [replace(o, prompt=replace(o.prompt, text=o.prompt.text + " Please.")) for o in outcomes]
    (other,) = estimates_for(limit, outcomes, audit, GAP, seed=0, parent=reworded)
    assert "not asked the same prompts" in unmeasured(other)


def test_only_changes_and_inliers_are_held_against_another_model(offers: Offers) -> None:
    outcomes = offers(white=10, black=7)
    (plain,) = estimates_for(replace(LIMIT, versus="base"), outcomes, an_audit(), GAP, seed=0, parent=outcomes)
    assert "needs max_increase" in unmeasured(plain)
    rising = Limit(id="l", metric="answer_rate", attributes=(), versus="base", max_increase=0.1)
    (rate,) = estimates_for(rising, outcomes, an_audit(), RATE, seed=0, parent=outcomes)
    assert "limit it with min" in unmeasured(rate)


def test_a_change_says_which_group_moved_and_not_only_the_gap(offers: Offers) -> None:
    limit = replace(LIMIT, max=None, max_increase=1.0, versus="parent")
    before, after = offers(white=10, black=10), offers(white=11, black=7)
    (found,) = estimates_for(limit, after, an_audit(), METRICS["mean_difference"], seed=0, parent=before)
    assert found.value == pytest.approx(4.0)
    assert [(one.group, one.n, one.unit) for one in found.moved] == [("white", 4, "outcome"), ("black", 4, "outcome")]
    assert [one.value for one in found.moved] == pytest.approx([1.0, -3.0])
    assert all(one.low is not None and one.low < one.value < one.high for one in found.moved)  # type: ignore[operator]


def test_a_recovery_is_of_what_both_models_were_asked(offers: Offers, answer: Answer) -> None:
    full = offers(white=10, black=7)
    fewer = [replace(one, reading=replace(one.reading, status="refused", value=None)) if at in (0, 5) else one
             for at, one in enumerate(full)]  # fmt: skip
    limit = Limit(id="kept", metric="answer_rate", attributes=(), versus="parent", min_recovery=0.9)
    (found,) = estimates_for(limit, fewer, an_audit(), METRICS["answer_rate"], seed=0, parent=full)
    assert found.value == pytest.approx(6 / 8)
    assert (found.shows, found.groups) == ("recovery", ())
    assert [(one.group, one.value) for one in found.moved] == [("white", -0.25), ("black", -0.25)]
    (none,) = estimates_for(limit, full, an_audit(), METRICS["answer_rate"], seed=0, parent=[
        replace(one, reading=replace(one.reading, status="refused", value=None)) for one in full
    ])  # fmt: skip
    assert "nothing to recover" in unmeasured(none)
    gap = Limit(id="kept", metric="mean_difference", attributes=("race",), versus="parent", min_recovery=0.9)
    (refused,) = estimates_for(gap, full, an_audit(), GAP, seed=0, parent=full)
    assert "has no recovery" in unmeasured(refused)


FAKES = {"mean_difference": GAP, "answer_rate": RATE, "refusal_rate_difference": REFUSALS, "inlier_ratio": INLIERS}


def test_measuring_gives_limits_and_companions_once_each(offers: Offers) -> None:
    strict = replace(LIMIT, id="strict", level=0.99)
    audit = an_audit(LIMIT, strict, replace(LIMIT, id="again", max=9.0))
    estimates = measure(audit, offers(white=10, black=7), metrics=FAKES, seed=3)
    assert [(e.metric, e.interval.level if e.interval else None) for e in estimates] == [
        ("mean_difference", 0.95),
        ("mean_difference", 0.99),
        ("refusal_rate_difference", 0.95),
        ("answer_rate", 0.95),
    ]
    assert estimates_of(LIMIT, estimates) == (estimates[0],)
    assert estimates_of(strict, estimates) == (estimates[1],)
    assert estimates_of(replace(LIMIT, level=0.9), estimates) == ()


def test_unmeasured_estimates_are_found_by_every_limit_on_them(offers: Offers) -> None:
    strict = replace(LIMIT, id="strict", level=0.99)
    audit = an_audit(LIMIT, strict, groups=[["white", "black", "asian"]])
    estimates = measure(audit, offers(white=10, black=7), metrics=FAKES, seed=3)
    for limit in (LIMIT, strict):
        black, asian = sorted(estimates_of(limit, estimates), key=lambda e: e.groups, reverse=False)[::-1]
        assert black.groups == ("white", "black")
        assert black.interval is not None
        assert black.interval.level == limit.level
        assert asian.groups == ("white", "asian")
        assert asian.value is None


def test_companions_go_by_each_attribute_and_their_crossing() -> None:
    audit = an_audit(groups=[["white", "black"], ["men", "women"]], kind="yes-no")
    asked = [(wanted.metric, wanted.attribute) for wanted in companions(audit, METRICS)]
    for metric in ("smd", "mean_difference", "rate_difference", "impact_ratio", "refusal_rate_difference"):
        for attribute in ("race", "gender", "race*gender"):
            assert (metric, attribute) in asked
    assert asked.count(("answer_rate", "")) == 1
    assert ("rate_difference", "race") not in [
        (wanted.metric, wanted.attribute) for wanted in companions(an_audit(), METRICS)
    ]


def test_an_unregistered_metric_stops_the_measuring(offers: Offers) -> None:
    audit = an_audit(replace(LIMIT, metric="fairness_score"))
    with pytest.raises(StatisticsError, match="fairness_score"):
        measure(audit, offers(white=10, black=7), metrics=FAKES, seed=3)


def test_the_family_of_an_audit_can_be_counted_before_anything_is_asked() -> None:
    lower = replace(LIMIT, rule="lower")
    audit = an_audit(
        LIMIT,
        lower,
        replace(lower, id="crossed", attributes=("race", "gender")),
        Limit(id="r", metric="answer_rate", attributes=(), min=0.9, rule="lower"),
        groups=[["white", "black", "asian"], []],
    )
    # 2 comparisons by race, 3 x 2 - 1 by the crossing, 1 over all answers
    assert lower_comparisons(audit, metrics=METRICS, listed={"gender": ["men", "women"]}) == 2 + 5 + 1
