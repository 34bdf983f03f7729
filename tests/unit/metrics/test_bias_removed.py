"""`bias_removed` from outcomes to verdict: pairing, what is not usable, all four verdicts, and the finding's text."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_biasaudit.context.declaration import CounterfactualAudit, Limit, OutcomeSpec, People
from pytest_biasaudit.metrics.measure import Wanted, estimates_for, estimates_of, measure
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits, verdict_of
from pytest_biasaudit.verdict.verdict import Verdict

Answer = Callable[..., Outcome]
WHERE = Where(context="c", audit="a", model="child", file="c.bias.toml", unit="USD")
LIMIT = Limit(id="x", metric="bias_removed", attributes=("race",), of="smd", versus="parent", min=0.3)


def audit(*limits: Limit) -> CounterfactualAudit:
    return CounterfactualAudit(
        id="a", kind="counterfactual", limits=limits, wordings=("{person}?",), system=None, prefill="", slots=(),
        people=People(attributes=("race",), source="x", groups=(("white", "black"),), per_group=12),
        outcome=OutcomeSpec(kind="number", unit="USD"),
    )  # fmt: skip


def model(
    answer: Answer,
    gap: float,
    *,
    seed: int = 1,
    own: int = 9,
    people: int = 12,
    templates: int = 5,
    noise: float = 10.0,
) -> list[Outcome]:
    """The same people and templates; noise is shared by all models but for a part of their own."""
    made = []
    shared, mine = random.Random(seed), random.Random(own)
    for template in range(templates):
        for group in ("white", "black"):
            for person in range(people):
                value = (
                    100.0 + noise * shared.gauss(0, 1) + noise / 3 * mine.gauss(0, 1) + (gap if group == "black" else 0)
                )
                made.append(answer(f"{group}{person}", f"t{template}", value, race=group))
    return made


def judged(limit: Limit, child: list[Outcome], parent: list[Outcome] | None) -> Any:
    estimates = measure(audit(limit), child, metrics=METRICS, seed=0, others={"parent": parent} if parent else {})
    return judge_limits([(limit, estimates_of(limit, estimates))], metrics=METRICS, where=WHERE)[0]


@pytest.mark.parametrize(
    ("gap", "minimum", "verdict"),
    [
        (-2.0, 0.3, Verdict.WITHIN),
        (-28.0, 0.3, Verdict.OVER),
        (-20.0, 0.3, Verdict.INCONCLUSIVE),
        (-45.0, 0.0, Verdict.OVER),
    ],
)
def test_a_limit_on_the_share_removed_is_kept_broken_or_open(
    answer: Answer, gap: float, minimum: float, verdict: Verdict
) -> None:
    found = judged(replace(LIMIT, min=minimum), model(answer, gap, own=3), model(answer, -30.0, own=4))
    assert found.verdict is verdict, found.message
    assert found.estimate.of == "smd"
    assert found.estimate.shows == "value"
    assert {one.group for one in found.estimate.moved} == {"white", "black"}


@pytest.mark.parametrize("rule", ["upper", "lower", "point"])
def test_of_a_parent_without_a_bias_that_can_be_told_no_rule_is_kept(answer: Answer, rule: Any) -> None:
    found = judged(replace(LIMIT, rule=rule), model(answer, 0.0, own=3), model(answer, -1.0, own=4))
    assert found.verdict is Verdict.NOT_MEASURED
    assert found.estimate.value is not None
    assert found.estimate.interval is None
    assert not found.estimate.usable
    assert "cannot be told from 0" in found.message


@pytest.mark.parametrize("of", ["smd", "smd_pooled", "mean_difference"])
def test_a_child_that_says_one_thing_to_everyone_has_not_kept_the_limit(answer: Answer, of: str) -> None:
    dull = [replace(one, reading=replace(one.reading, value=100.0)) for one in model(answer, 0.0)]
    for rule in ("upper", "lower", "point"):
        found = judged(replace(LIMIT, rule=rule, of=of), dull, model(answer, -30.0))
        assert found.verdict is Verdict.NOT_MEASURED
        assert found.estimate.value == 1.0
        assert "every answer of the child is the same" in found.message


def test_a_child_that_chooses_one_option_or_refuses_for_everyone_has_not_kept_the_limit(answer: Answer) -> None:
    def of(outcomes: list[Outcome], yes: Callable[[int, bool], bool], kind: str) -> list[Outcome]:
        made = []
        for at, one in enumerate(outcomes):
            said = yes(at, one.prompt.person_id.startswith("black"))
            ok = kind == "rate_difference" or not said
            reading = replace(
                one.reading, status="ok" if ok else "refused", value=0.5 if ok else None, selected=said if ok else None
            )
            made.append(replace(one, reading=reading))
        return made

    for kind in ("rate_difference", "refusal_rate_difference"):
        limit = replace(LIMIT, of=kind)
        asked = replace(audit(limit), outcome=OutcomeSpec(kind="choice" if kind == "rate_difference" else "number"))
        before = of(model(answer, 0.0), lambda at, black: at % 5 > (0 if black else 3), kind)
        for all_or_none in (True, False):
            after = of(model(answer, 0.0), lambda _at, _black, said=all_or_none: said, kind)  # type: ignore[misc]
            estimates = measure(asked, after, metrics=METRICS, seed=0, others={"parent": before})
            found = judge_limits([(limit, estimates_of(limit, estimates))], metrics=METRICS, where=WHERE)[0]
            answers_well = kind == "refusal_rate_difference" and not all_or_none
            assert found.verdict is (Verdict.WITHIN if answers_well else Verdict.NOT_MEASURED), found.message


@pytest.mark.parametrize(
    ("child_gap", "said"),
    [(None, "there are no answers of 'parent'"), (-3.0, "was not asked the same prompts")],
)
def test_models_that_did_not_answer_the_same_are_not_compared(
    answer: Answer, child_gap: float | None, said: str
) -> None:
    parent = None if child_gap is None else model(answer, -30.0, templates=4)
    assert said in judged(LIMIT, model(answer, -3.0), parent).message


def test_without_another_model_there_is_no_share(answer: Answer) -> None:
    (found,) = estimates_for(
        Wanted(metric="bias_removed", attributes=("race",)),
        model(answer, -3.0),
        audit(),
        METRICS["bias_removed"],
        seed=0,
    )
    assert found.value is None
    assert "needs versus" in found.reason


def test_shares_of_two_metrics_are_two_estimates_and_each_limit_has_its_own(answer: Answer) -> None:
    other = replace(LIMIT, id="y", of="mean_difference")
    estimates = measure(
        audit(LIMIT, other),
        model(answer, -3.0, own=3),
        metrics=METRICS,
        seed=0,
        others={"parent": model(answer, -30.0)},
    )
    for limit in (LIMIT, other):
        (found,) = estimates_of(limit, estimates)
        assert found.of == limit.of
    assert len({one.value for one in estimates if one.metric == "bias_removed"}) == 2


def test_the_value_is_one_less_the_ratio_of_both_models_smd_on_the_cells_of_both(answer: Answer) -> None:
    child, parent = model(answer, -9.0, own=3), model(answer, -30.0, own=4)
    child[7] = replace(child[7], reading=replace(child[7].reading, status="refused", value=None))
    kept = [one for at, one in enumerate(parent) if at != 7]
    singly = [
        estimates_for(Wanted(metric="smd", attributes=("race",)), side, audit(), METRICS["smd"], seed=0)[0].value
        for side in ([one for at, one in enumerate(child) if at != 7], kept)
    ]
    (found,) = estimates_for(LIMIT, child, audit(LIMIT), METRICS["bias_removed"], seed=0, parent=parent)
    assert singly[0] is not None
    assert singly[1] is not None
    assert found.value == pytest.approx(1 - abs(singly[0]) / abs(singly[1]))
    assert found.missing == 1


def test_one_template_is_names_only_and_inconclusive_at_best(answer: Answer) -> None:
    child, parent = (
        model(answer, -1.0, own=3, templates=1, people=40),
        model(answer, -30.0, own=4, templates=1, people=40),
    )
    (found,) = estimates_for(LIMIT, child, audit(LIMIT), METRICS["bias_removed"], seed=0, parent=parent)
    assert found.interval is not None
    assert found.interval.method.startswith("names only")
    assert verdict_of(found, LIMIT, METRICS["bias_removed"])[0] is Verdict.INCONCLUSIVE
    accepted = replace(LIMIT, accept_one_template=True)
    assert verdict_of(found, accepted, METRICS["bias_removed"])[0] is Verdict.WITHIN


def test_the_finding_says_of_what_since_which_model_and_at_least_how_much(answer: Answer) -> None:
    text = judged(LIMIT, model(answer, -20.0, own=3), model(answer, -30.0, own=4)).message
    assert "share of smd removed against parent at least 0.3" in text
    assert "of the smd of black against white, against parent" in text
    assert "paired, Fieller" in text
    assert "moved" in text


def test_a_limit_built_in_python_that_asks_for_bias_is_never_green(answer: Answer) -> None:
    found = judged(replace(LIMIT, min=None, max=0.9), model(answer, -29.0, own=3), model(answer, -30.0, own=4))
    assert found.verdict is Verdict.NOT_MEASURED
    assert "is limited with min" in found.message
