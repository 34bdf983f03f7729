"""The text of `plan`: what it costs, what it can show, and what it says when it cannot."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_biasaudit import starter
from pytest_biasaudit.cli import main
from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, Limit
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.planning.design import (
    PLANNED,
    assumed_spread,
    chance_beyond,
    comparisons_of,
    foresee,
    spreads_in,
    widest,
)
from pytest_biasaudit.planning.plan import plan_lines
from pytest_biasaudit.prompts.counterfactual import build_prompts
from pytest_biasaudit.records.codec import audit_to_plain
from pytest_biasaudit.records.evidence import assemble, write_evidence
from pytest_biasaudit.records.provenance import run_info
from pytest_biasaudit.records.record import AuditRecord

GROUPS = {"race": ("white", "black"), "gender": ("men", "women")}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """The starting context."""
    starter.write_starter(tmp_path, source="owner/model", table=True)
    return read_context(tmp_path / starter.CONTEXT)


def limited(context: Context, *limits: Limit) -> Context:
    return replace(context, audits=(replace(asking(context), limits=limits),))


def said(context: Context, *limits: Limit) -> str:
    return "\n".join(plan_lines(limited(context, *limits), power=0.8, evidence=None))


def limit(metric: str = "smd", **settings: object) -> Limit:
    bound = {} if {"min", "max_increase"} & set(settings) else {"max": 0.2}
    return Limit(**{"id": "x", "metric": metric, "attributes": ("race",), **bound, **settings})  # type: ignore[arg-type]  # any field


def test_the_cost_is_counted_by_hand(context: Context) -> None:
    text = said(context, limit())
    assert "320 prompts a model: 10 templates x (16 white (reference), 16 black)" in text  # 2 wordings x 5 items x 32
    assert "at most 3,200 generated tokens a model (320 answers of up to 10)" in text


def test_assumptions_stand_above_the_figures(context: Context) -> None:
    text = said(context, limit())
    assert text.index("are assumed: people 10%, template x group 5%, the rest 85%") < text.index("audit offers")


def test_a_metric_without_a_formula_or_without_groups_is_said_not_to_be_planned(context: Context) -> None:
    assert "not planned: no formula" in said(context, limit("wasserstein"))
    assert "not planned: it compares no groups" in said(context, limit("answer_rate", attributes=(), min=0.9))


def test_every_metric_that_compares_groups_is_planned_but_the_one_without_a_formula() -> None:
    asked = {
        name: metric for name, metric in METRICS.items() if metric.of_table is None
    }  # tables: see test_plan_tables
    alone = {name for name, metric in asked.items() if metric.by_group and not metric.against}
    assert alone - set(PLANNED) == {"wasserstein"}


def test_a_share_removed_is_said_not_to_be_planned(context: Context) -> None:
    assert "not planned: no formula" in said(context, limit("bias_removed", min=0.3, versus="parent", of="smd"))


def test_a_limit_in_the_outcomes_unit_has_no_place_before_the_spread_is_known(context: Context) -> None:
    text = said(context, limit("mean_difference", max=50.0))
    assert "sd of the answers; yours is in another unit" in text
    assert "found over" not in text


def test_one_template_is_inconclusive_at_best_unless_the_context_accepts_it(context: Context) -> None:
    audit = replace(asking(context), wordings=("What is fair for {person}?",), slots=(), limits=(limit(),))
    one = replace(context, audits=(audit,))
    assert "inconclusive at best" in "\n".join(plan_lines(one, power=0.8, evidence=None))
    accepted = replace(one, audits=(replace(audit, limits=(limit(accept_one_template=True),)),))
    assert "inconclusive at best" not in "\n".join(plan_lines(accepted, power=0.8, evidence=None))


def test_one_person_a_group_gives_no_interval(context: Context) -> None:
    audit = replace(asking(context), people=replace(asking(context).people, per_group=1), limits=(limit(),))
    text = "\n".join(plan_lines(replace(context, audits=(audit,)), power=0.8, evidence=None))
    assert "no interval from 1 people a group" in text


def test_people_of_a_margin_are_all_who_have_the_group(context: Context) -> None:
    audit = asking(context)
    crossed = replace(audit, people=replace(audit.people, attributes=("race", "gender"), per_group=8))
    assert comparisons_of(limit(), crossed, GROUPS) == (1, 16)
    assert comparisons_of(limit(attributes=("race", "gender")), crossed, GROUPS) == (3, 8)


def test_more_comparisons_make_a_fair_model_harder_to_find_within() -> None:
    spread = assumed_spread(METRICS["smd"])
    one, three = (
        foresee(limit(), METRICS["smd"], spread, people=16, templates=10, comparisons=n, family=0, power=0.8)
        for n in (1, 3)
    )
    assert three.enough > one.enough
    assert three.told_from_none == one.told_from_none


def test_a_lower_limit_in_a_large_family_needs_a_larger_gap() -> None:
    spread = assumed_spread(METRICS["smd"])
    alone, many = (
        foresee(
            limit(rule="lower"), METRICS["smd"], spread, people=16, templates=10, comparisons=1, family=n, power=0.8
        )
        for n in (1, 14)
    )
    assert (many.over_from or 0) > (alone.over_from or 0)


def test_an_impact_ratio_is_planned_as_a_logarithm_and_told_as_a_ratio() -> None:
    metric, declared = METRICS["impact_ratio"], limit("impact_ratio", min=0.8)
    spread = assumed_spread(metric)
    # at a rate of 1/2 the log ratio has the variance 0.25 / 0.5^2 = 1 an answer
    assert spread.parts.names + spread.parts.template_by_group + spread.parts.rest == pytest.approx(1.0)
    seen = foresee(declared, metric, spread, people=16, templates=10, comparisons=1, family=0, power=0.8)
    same = foresee(
        limit(max=-math.log(0.8)), METRICS["smd"], spread, people=16, templates=10, comparisons=1, family=0, power=0.8
    )
    assert seen.told_from_none == pytest.approx(math.exp(-same.told_from_none))
    assert 0 < (seen.over_from or 0) < 0.8


def test_rule_point_says_that_no_error_is_controlled(context: Context) -> None:
    assert "no error is controlled" in said(context, limit(rule="point"))


def test_the_chance_of_an_estimate_beyond_the_limit_is_the_normal_tail() -> None:
    spread = assumed_spread(METRICS["smd"])
    parts = spread.parts
    error = math.sqrt(parts.names * 2 / 16 + 2 * parts.template_by_group / 10 + parts.rest * 2 / 160)
    chance = chance_beyond(limit(max=1.959964 * error), METRICS["smd"], spread, people=16, templates=10)
    assert chance == pytest.approx(0.05, abs=1e-6)


def asking(context: Context) -> CounterfactualAudit:
    """The first audit, which asks about people."""
    audit = context.audits[0]
    assert isinstance(audit, CounterfactualAudit)
    return audit


def record(
    context: Context, audit: CounterfactualAudit, name: str, value: object, parent: str | None = None
) -> AuditRecord:
    outcomes = tuple(
        Outcome(
            prompt=prompt,
            repeat=0,
            prompt_sha256="",
            text="",
            reading=Reading(status="ok", value=value(number)),  # type: ignore[operator]  # a function of the number
        )
        for number, prompt in enumerate(build_prompts(context, audit, seed=0))
    )
    identity = ModelIdentity(name=name, source="", parent=parent)
    return AuditRecord(
        context=context,
        audit=audit,
        model=identity,
        prompt_format="chat",
        seed=0,
        batch_size=1,
        outcomes=outcomes,
        estimates=(),
        judgements=(),
    )


def noise(number: int) -> float:
    """Something uneven that needs no generator."""
    return math.sin(number * 12.9898) * 50


def test_the_spread_of_an_earlier_run_is_in_the_metrics_own_unit(context: Context) -> None:
    audit = asking(context)
    run = record(context, audit, "base", lambda n: 100 + noise(n))
    double = record(context, audit, "base", lambda n: 200 + 2 * noise(n))
    for metric, factor in (("mean_difference", 4.0), ("smd", 1.0), ("mean_ratio", 1.0)):
        (single,) = spreads_in(limit(metric), METRICS[metric], [run])
        (doubled,) = spreads_in(limit(metric), METRICS[metric], [double])
        assert doubled.parts.rest == pytest.approx(factor * single.parts.rest)
        assert single.source == "base, black against white"


def test_a_change_against_the_parent_is_planned_with_paired_answers(context: Context) -> None:
    audit = asking(context)
    base = record(context, audit, "base", lambda n: 100 + noise(n))
    child = record(context, audit, "int8", lambda n: 100 + noise(n) + 0.01 * noise(n + 7), parent="base")
    change = limit(versus="parent", max_increase=0.1)
    (paired,) = spreads_in(change, METRICS["smd"], [base, child])
    (alone,) = spreads_in(limit(), METRICS["smd"], [child])
    assert paired.parts.rest < alone.parts.rest / 100
    assert spreads_in(change, METRICS["smd"], [base]) == []


def test_answers_that_do_not_vary_give_no_spread_and_the_widest_is_taken(context: Context) -> None:
    audit = asking(context)
    still = record(context, audit, "still", lambda n: 5.0)
    calm = record(context, audit, "calm", lambda n: 5.0 + noise(n) / 10)
    wild = record(context, audit, "wild", lambda n: 5.0 + noise(n))
    found = spreads_in(limit("mean_difference"), METRICS["mean_difference"], [still, calm, wild])
    assert [spread.source.split(",")[0] for spread in found] == ["calm", "wild"]
    chosen = widest(found, people=16, templates=10)
    assert chosen is not None
    assert chosen.source.startswith("wild")


def test_plan_of_a_broken_context_is_our_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bias.toml").write_text("schema = 1\n")
    assert main(["plan", str(tmp_path / "a.bias.toml")]) == 2
    assert "a.bias.toml" in capsys.readouterr().err


def test_plan_from_an_earlier_run_uses_its_spread_and_says_so(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = asking(context)
    runs = [
        record(context, audit, "base", lambda n: 100 + noise(n)),
        record(context, audit, "int8", lambda n: 101 + noise(n), parent="base"),
    ]
    evidence = assemble(
        [audit_to_plain(run) for run in runs],
        [context],
        [run.model for run in runs],
        run=run_info(seed=0, argv=["pytest"], directory=tmp_path),
    )
    write_evidence(tmp_path / "evidence.json", evidence)
    assert main(["plan", str(context.path), "--from", str(tmp_path / "evidence.json")]) == 0
    text = capsys.readouterr().out
    assert "Spread as measured in evidence.json" in text
    assert "(measured on base, black against white)" in text or "(measured on int8, black against white)" in text


def test_evidence_of_another_context_is_refused(context: Context, tmp_path: Path) -> None:
    other = replace(context, id="another")
    run = record(other, asking(other), "base", lambda n: 100 + noise(n))
    evidence = assemble(
        [audit_to_plain(run)], [other], [run.model], run=run_info(seed=0, argv=["pytest"], directory=tmp_path)
    )
    write_evidence(tmp_path / "evidence.json", evidence)
    assert main(["plan", str(context.path), "--from", str(tmp_path / "evidence.json")]) == 2
