"""Removed components as rows: counts and shares by hand, what was found where, each group before and after."""

from __future__ import annotations

import statistics
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.mitigation.removed import RemovedComponents, RemovedPlace
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.mitigation_beside import MOST_ROWS, how_tested
from pytest_biasaudit.report.mitigation_charts import short_kinds
from pytest_biasaudit.report.mitigation_rows import mitigated, share_text, spots_of, title_of
from pytest_biasaudit.report.mitigation_section import ranges
from pytest_biasaudit.stats.interval import Interval


def heads(numbers: dict[int, tuple[int, ...]], *, layers: int = 4, size: int = 3) -> RemovedComponents:
    places = tuple(
        RemovedPlace(place=str(layer), size=(size,), count=len(numbers.get(layer, ())), numbers=numbers.get(layer, ()))
        for layer in range(layers)
    )
    return RemovedComponents(unit="heads", mode="ablate", sha256="", places=places, origin=None)


def pair(sample: ModuleType, components: RemovedComponents) -> Any:
    """The sample's run with its child as one that these were removed from."""
    records = sample.records()
    placed = [(record, f"anchor-{at}") for at, record in enumerate(records)]
    models = list({record.model.digest: record.model for record in records}.values())
    (found,) = mitigated(models, {models[1].digest: (components,)}, placed)
    return found


def test_places_are_told_apart_by_layer_and_kind(mitigation: ModuleType) -> None:
    spots = spots_of(mitigation.weights())
    assert [(one.layer, one.kind) for one in spots[:8]] == [
        *((0, kind) for kind in mitigation.KINDS),
        (1, "self_attn.q_proj"),
    ]
    assert spots[0].size == 576 * 576
    assert (spots[4].size, spots[4].kind) == (1536 * 576, "mlp.gate_proj")


def test_layers_come_in_the_order_of_their_numbers_and_not_of_their_letters() -> None:
    spots = spots_of(heads({10: (0,)}, layers=12))
    assert [one.layer for one in spots] == list(range(12))
    assert [one.layer for one in spots if one.count] == [10]


def test_a_linear_layer_without_a_number_is_kept_and_stands_last() -> None:
    places = (
        RemovedPlace(place="project_out.weight", size=(2, 5), count=1),
        RemovedPlace(place="decoder.layers.1.fc1.weight", size=(4, 5), count=2),
    )
    spots = spots_of(RemovedComponents(unit="weights", mode="ablate", sha256="", places=places, origin=None))
    assert [(one.layer, one.kind, one.size, one.share) for one in spots] == [
        (1, "fc1", 20, 0.1),
        (None, "project_out", 10, 0.1),
    ]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.0001, "< 0.1 %"), (0.99999, "> 99.9 %"), (0.148148, "14.8 %"), (0.05, "5 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(share: float, text: str) -> None:
    assert share_text(share) == text


def test_the_set_is_counted_over_all_layers() -> None:
    assert title_of(heads({0: (0, 2), 3: (1,)})) == "3 of 12 heads (25 %)"


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([4], "4"), ([0, 1, 2, 5, 7, 8], "0 to 2, 5, 7 to 8"), ([3, 1, 2], "1 to 3")]
)
def test_runs_of_layers_are_written_as_runs(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


def test_kinds_are_shortened_only_while_they_stay_apart() -> None:
    assert short_kinds(["self_attn.q_proj", "mlp.up_proj"]) == {"self_attn.q_proj": "q", "mlp.up_proj": "up"}
    assert short_kinds(["attn.c_attn", "mlp.c_fc"]) == {"attn.c_attn": "c_attn", "mlp.c_fc": "c_fc"}
    assert short_kinds(["attn.dense", "mlp.dense"]) == {"attn.dense": "attn.dense", "mlp.dense": "mlp.dense"}


def test_the_facts_name_what_was_found_where_and_between_whom(sample: ModuleType, mitigation: ModuleType) -> None:
    facts = dict(pair(sample, mitigation.heads()).sets[0].facts)
    assert facts["Removed"] == "24 of 270 heads (8.9 %)"
    assert facts["Found by"] == "attribution, k 24, rule sum"
    assert facts["Between groups"] == "race: black against white"
    assert facts["Found in"].startswith("second-hand-offers (context file ")
    assert facts["Set, sha256"] == mitigation.digest("heads")
    assert facts["How"].startswith("ablate: a removed head writes nothing")


def test_uniform_heads_are_said_not_to_be_gone(sample: ModuleType, mitigation: ModuleType) -> None:
    assert "it is not gone" in dict(pair(sample, mitigation.heads(mode="uniform")).sets[0].facts)["How"]


def test_a_set_written_by_hand_says_that_nothing_is_known_of_its_origin(sample: ModuleType) -> None:
    found = pair(sample, heads({0: (1,)}))
    assert dict(found.sets[0].facts)["Found in"].startswith("not recorded")
    assert all("does not say where" in audit.tested_on for audit in found.audits)


def record_of(sample: ModuleType, audit: str) -> AuditRecord:
    found: AuditRecord = next(one for one in sample.records() if one.audit.id == audit)
    return found


@pytest.mark.parametrize(
    ("templates", "words", "same"),
    [
        (["w0.0"], "1 of the 8 wordings here", True),
        ([f"w{a}.{b}" for a in range(2) for b in range(4)], "Every wording here", True),
        (["w9.9"], "found in this context, on other wordings", False),
    ],
)
def test_an_audit_says_how_its_wordings_stand_to_those_of_the_search(
    sample: ModuleType, mitigation: ModuleType, templates: list[str], words: str, same: bool
) -> None:
    found = mitigation.origin(templates=tuple(f"second-hand-offers/offers/{one}" for one in templates))
    sentence, flagged = how_tested(record_of(sample, "offers"), [mitigation.heads(found=found)])
    assert words in sentence
    assert flagged is same
    assert ("no evidence" in sentence) is same


def test_another_version_of_the_context_file_is_said(sample: ModuleType, mitigation: ModuleType) -> None:
    found = mitigation.origin(templates=("second-hand-offers/offers/old",))
    found = replace(found, contexts=(("second-hand-offers", sample.digest("as it was last year")),))
    sentence, flagged = how_tested(record_of(sample, "offers"), [mitigation.heads(found=found)])
    assert "in this context (another version of its file), on other wordings" in sentence
    assert not flagged


def test_another_context_is_called_another(sample: ModuleType, mitigation: ModuleType) -> None:
    sentence, flagged = how_tested(record_of(sample, "shortlist"), [mitigation.heads()])
    assert sentence == "The components were found elsewhere, in second-hand-offers, and not in this context."
    assert not flagged


def test_a_random_set_is_a_baseline_and_no_finding(sample: ModuleType, mitigation: ModuleType) -> None:
    found = mitigation.origin(method="random", contexts=(), templates=(), settings=(("seed", 7),))
    sentence, flagged = how_tested(record_of(sample, "offers"), [mitigation.heads(found=found)])
    assert "without looking at any answer" in sentence
    assert not flagged
    facts = dict(pair(sample, mitigation.heads(found=found)).sets[0].facts)
    assert facts["Found in"].startswith("no context")


def test_each_group_has_mean_and_spread_before_and_after(sample: ModuleType, mitigation: ModuleType) -> None:
    found = pair(sample, mitigation.heads())
    audit = next(one for one in found.audits if one.audit == "offers")
    assert [one.group for one in audit.groups] == ["white", "black"]
    child = next(one for one in sample.records() if one.audit.id == "offers" and one.model.parent)
    values = [
        one.reading.value
        for one in child.outcomes
        if one.prompt.person.group("race") == "black" and one.reading.value is not None
    ]
    assert audit.groups[1].child.mean == pytest.approx(sum(values) / len(values))
    assert audit.groups[1].child.sd == pytest.approx(statistics.stdev(values))
    assert (audit.groups[1].child.n, audit.groups[1].child.asked) == (len(values), 96)


def test_a_crossed_audit_is_split_by_the_attribute_of_the_search(sample: ModuleType, mitigation: ModuleType) -> None:
    crossed = next(one for one in pair(sample, mitigation.heads()).audits if one.audit == "rating")
    assert [one.group for one in crossed.groups] == ["white", "black"]
    by_hand = next(one for one in pair(sample, heads({0: (1,)})).audits if one.audit == "rating")
    assert len(by_hand.groups) == 4


def test_a_group_without_answers_has_no_mean_and_says_so(sample: ModuleType, mitigation: ModuleType) -> None:
    records = [replace(one, outcomes=tuple(silent(each) for each in one.outcomes)) for one in sample.records()]
    models = list({record.model.digest: record.model for record in records}.values())
    placed = [(record, "a") for record in records]
    (found,) = mitigated(models, {models[1].digest: (mitigation.heads(),)}, placed)
    audit = found.audits[0]
    assert {(one.parent.n, one.parent.mean, one.parent.sd) for one in audit.groups} == {(0, None, None)}


def silent(outcome: Any) -> Any:
    return replace(outcome, reading=replace(outcome.reading, status="refused", value=None, selected=None))


def test_the_share_removed_stands_beside_the_metric_that_it_is_of(sample: ModuleType, mitigation: ModuleType) -> None:
    records = []
    for record in sample.records():
        if record.model.parent and record.audit.id == "offers":
            interval = Interval(low=-0.1, high=0.81, level=0.95, method="Fieller")
            (gap,) = (one for one in record.estimates if one.metric == "smd")
            gone = replace(gap, metric="bias_removed", of="smd", value=0.42, interval=interval, versus="base")
            record = replace(record, estimates=(*record.estimates, gone))
        records.append(record)
    models = list({record.model.digest: record.model for record in records}.values())
    (found,) = mitigated(models, {models[1].digest: (mitigation.heads(),)}, [(one, "a") for one in records])
    rows = {one.metric: one for audit in found.audits if audit.audit == "offers" for one in audit.bias}
    assert rows["Standardised mean difference"].removed.text == "0.42"
    assert rows["Standardised mean difference"].removed.under == ("-0.1 to 0.81",)
    others = [one.removed.text for name, one in rows.items() if name != "Standardised mean difference"]
    assert set(others) <= {"–"}  # noqa: RUF001


@pytest.mark.parametrize(("versus", "text"), [("parent", "0.42"), ("base", "0.42"), ("another", "–")])  # noqa: RUF001
def test_a_share_removed_since_another_model_is_not_shown_as_the_parents(
    sample: ModuleType, mitigation: ModuleType, versus: str, text: str
) -> None:
    records = []
    for record in sample.records():
        if record.model.parent and record.audit.id == "offers":
            (gap,) = (one for one in record.estimates if one.metric == "smd")
            gone = replace(gap, metric="bias_removed", of="smd", value=0.42, versus=versus)
            record = replace(record, estimates=(*record.estimates, gone))
        records.append(record)
    models = list({record.model.digest: record.model for record in records}.values())
    (found,) = mitigated(models, {models[1].digest: (mitigation.heads(),)}, [(one, "a") for one in records])
    (row,) = (
        one
        for audit in found.audits
        if audit.audit == "offers"
        for one in audit.bias
        if one.metric == "Standardised mean difference"
    )
    assert row.removed.text == text


def test_figures_of_bias_that_are_left_out_are_counted(sample: ModuleType, mitigation: ModuleType) -> None:
    records = []
    for record in sample.records():
        if record.audit.id == "offers":
            (gap,) = (one for one in record.estimates if one.metric == "smd")
            many = tuple(replace(gap, groups=("white", f"group {at}")) for at in range(MOST_ROWS + 5))
            record = replace(record, estimates=many)
        records.append(record)
    models = list({record.model.digest: record.model for record in records}.values())
    (found,) = mitigated(models, {models[1].digest: (mitigation.heads(),)}, [(one, "a") for one in records])
    (offers,) = (one for one in found.audits if one.audit == "offers")
    assert (len(offers.bias), offers.more) == (MOST_ROWS, 5)


def test_an_audit_that_asked_nothing_is_not_said_to_be_on_the_prompts_of_the_search(
    sample: ModuleType, mitigation: ModuleType
) -> None:
    silenced = replace(record_of(sample, "offers"), outcomes=())
    assert how_tested(silenced, [mitigation.heads()]) == ("Nothing was asked here.", False)


def test_a_child_without_its_parent_in_the_run_keeps_its_picture_and_says_what_is_missing(
    sample: ModuleType, mitigation: ModuleType
) -> None:
    records = [one for one in sample.records() if one.model.parent]
    child = records[0].model
    (found,) = mitigated([child], {child.digest: (mitigation.heads(),)}, [(one, "a") for one in records])
    assert found.parent == "base"
    assert found.audits == ()
    assert found.missing.startswith("No audit was put to both models")


def test_a_model_without_removed_components_has_no_rows(sample: ModuleType) -> None:
    records = sample.records()
    assert mitigated([one.model for one in records], {}, [(one, "a") for one in records]) == ()
