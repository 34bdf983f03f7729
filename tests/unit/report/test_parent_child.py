"""A child beside its parent: what the rows and the page must say of a hand-made family."""

from __future__ import annotations

import hashlib
import html
import json
import re
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import child_section, rows
from pytest_biasaudit.report.lineage import in_reading_order
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.paired_changes import AuditChange
from pytest_biasaudit.report.parent_child import ParentChild, parents_and_children
from pytest_biasaudit.verdict.verdict import Verdict


@pytest.fixture(scope="module")
def family(sample: ModuleType) -> list[AuditRecord]:
    found: list[AuditRecord] = sample.family_records()
    return found


def pair_of(sample: ModuleType, records: list[AuditRecord]) -> ParentChild:
    (pair,) = pairs_of(sample.evidence(records))
    return pair


def pairs_of(evidence: Evidence) -> tuple[ParentChild, ...]:
    ordered = in_reading_order(evidence.audits, evidence.models)
    return parents_and_children(evidence.models, ordered, rows.anchors(ordered))


def audit_of(pair: ParentChild, name: str) -> AuditChange:
    return next(one for one in pair.audits if one.audit == name)


def with_achieved(records: list[AuditRecord], **achieved: Any) -> list[AuditRecord]:
    """Every child's measurements replaced."""
    return [replace(one, model=replace(one.model, achieved=achieved)) if one.model.parent else one for one in records]


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def section(page: str) -> str:
    start = page.index('<section id="parent-and-child"')
    return page[start : page.index('<section id="reading"')]


def test_a_child_is_tied_to_its_parent_by_digest_and_not_by_name(sample: ModuleType, family: list[AuditRecord]) -> None:
    pair = pair_of(sample, family)
    assert (pair.parent.name, pair.child.name) == ("base", "student")
    renamed = [
        replace(one, model=replace(one.model, parent_digest=sample.digest("another"))) if one.model.parent else one
        for one in family
    ]
    assert pairs_of(sample.evidence(renamed)) == ()


def test_a_run_without_a_parent_has_no_section(sample: ModuleType, family: list[AuditRecord]) -> None:
    page = render_page(sample.evidence(family[:1]))
    assert 'id="parent-and-child"' not in page
    assert 'href="#parent-and-child"' not in page
    assert "Parent and child" not in page


def test_digests_stand_side_by_side_short_with_the_whole_one_behind(
    sample: ModuleType, family: list[AuditRecord]
) -> None:
    pair = pair_of(sample, family)
    facts = {one.name: one for one in pair.identity}
    weights = facts["Weights"]
    assert (weights.parent, weights.parent_title) == (sample.digest("weights")[:16], sample.digest("weights"))
    assert (weights.child_title, weights.remark) == (sample.digest("student"), "")
    assert facts["Tokenizer"].remark == "the same"
    assert facts["Digest of the whole"].child_title == pair.child.digest
    assert f'title="{sample.digest("student")}"' in render_page(sample.evidence(family))


def test_the_recipe_has_a_digest_and_so_has_each_file_it_used(sample: ModuleType, family: list[AuditRecord]) -> None:
    pair = pair_of(sample, family)
    # By hand: the steps as the record has them, as JSON with sorted keys.
    steps = [
        {"distill": "logits", "text": "text.txt", "text_sha256": sample.digest("training text")},
        {"quantize": "rtn", "bits": 4, "group_size": 32},
    ]
    del steps[0]["text"]  # where the file lies is no part of the digest
    expected = hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()
    assert pair.made_by == (("Recipe", expected), ("Step 1, text", sample.digest("training text")))
    assert pair.parent.recipe_sha256 == ""
    assert pair.recipe == ("distill logits, text text.txt", "quantize rtn, bits 4, group_size 32")


def test_what_was_achieved_stands_beside_the_parent(sample: ModuleType, family: list[AuditRecord]) -> None:
    facts = {one.name: (one.parent, one.child, one.remark) for one in pair_of(sample, family).achieved}
    assert facts["Size, MB"] == ("538", "269", "0.5 times the parent's")
    assert facts["Perplexity on a held text"] == ("38.9", "48.6", "1.25 times the parent's")  # 48.6 / 38.9 = 1.249
    assert facts["Bits a weight, changed parts"] == ("–", "32", "32.5 over all tensors")  # noqa: RUF001
    assert facts["Zeros, changed parts"][1] == "14.1 %"
    assert facts["Modules changed"][1] == "30 of 30 q_proj, 30 of 30 k_proj"
    assert facts["Modules left as they were"][1] == "1 of 1 lm_head"
    assert "Modules taken out" not in facts


def test_what_was_not_measured_says_so(sample: ModuleType, family: list[AuditRecord]) -> None:
    pair = pair_of(sample, with_achieved(family))
    facts = {one.name: (one.parent, one.child) for one in pair.achieved}
    assert facts["Size, MB"] == ("not measured", "not measured")
    assert facts["Perplexity on a held text"] == ("not measured", "not measured")
    assert {child for _, child in facts.values()} == {"not measured"}
    assert (pair.notes, pair.tensors, pair.curves, pair.steps) == ((), (), (), ())
    assert "not measured" in words(section(render_page(sample.evidence(with_achieved(family)))))


def test_a_child_that_predicts_no_text_is_not_taken_for_one_that_was_not_asked(
    sample: ModuleType, family: list[AuditRecord]
) -> None:
    pair = pair_of(sample, with_achieved(family, measure="perplexity", perplexity=None, parent_perplexity=38.9))
    fact = next(one for one in pair.achieved if one.name == "Perplexity on a held text")
    assert (fact.parent, fact.child) == ("38.9", "none: infinite, or not to be had")


@pytest.mark.parametrize(
    "curve", [[], [[1, 2.0]], "falling", [[1], "x", [2, None], [True, 1.0]], {"1": 2.0}], ids=lambda curve: str(curve)
)
def test_a_step_without_a_curve_of_losses_has_no_picture(
    sample: ModuleType, family: list[AuditRecord], curve: object
) -> None:
    pair = pair_of(sample, with_achieved(family, steps={"1 distill logits": {"loss_curve": curve, "steps": 4}}))
    assert pair.curves == ()
    assert pair.steps == (("1 distill logits", (("steps", "4"),)),)


def test_notes_come_first_and_loud(sample: ModuleType, family: list[AuditRecord]) -> None:
    page = section(render_page(sample.evidence(family)))
    note, recipe, size = (page.index(one) for one in ("4 bits a weight were asked for", "Made from", "Size, MB"))
    assert note < recipe < size
    assert page.rindex('class="banner notes" role="note"', 0, note) > 0


def test_a_paired_change_stands_with_both_figures_its_noise_floor_and_its_verdict(
    sample: ModuleType, family: list[AuditRecord]
) -> None:
    offers = audit_of(pair_of(sample, family), "offers")
    row = offers.rows[0]
    assert offers.paired
    assert (row.metric, row.comparison) == ("Standardised mean difference", "black against white")
    assert (row.change.value, row.change.under) == ("+0.03 sd", "-0.02 to 0.08")
    assert (row.noise.value, row.noise.under) == ("0.001", "-0.04 to 0.05")
    assert row.within_noise  # 0.03 lies within -0.04 to 0.05, and 3 answers changed
    assert (row.verdict, row.bound) == (Verdict.WITHIN, "rise of at most 0.1 sd against parent")
    assert offers.noise == (
        "base was asked again, 16 at a time instead of 32: 3 of 192 answers came out otherwise, by 20 at most.",
    )


def test_a_share_that_is_kept_is_no_difference(sample: ModuleType, family: list[AuditRecord]) -> None:
    def kept(record: AuditRecord) -> AuditRecord:
        changes = [each for one in record.judgements for each in one.compared if each.versus]
        recovered = [replace(one, shows="recovery", value=0.93, noise=None) for one in changes]
        return replace(record, estimates=(*record.estimates, *recovered), judgements=())

    row = audit_of(pair_of(sample, [kept(one) for one in family]), "offers").rows[0]
    assert (row.change.value, row.noise.value, row.verdict) == ("0.93 kept", "not measured", None)


def test_only_the_first_children_of_a_run_have_pictures(
    sample: ModuleType, family: list[AuditRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_section, "DRAWN", 0)
    page = section(render_page(sample.evidence(family)))
    assert "<svg" not in page
    assert "No pictures here" in page


def test_a_change_that_nobody_measured_is_a_dash_and_never_a_difference_of_two_figures(
    sample: ModuleType, family: list[AuditRecord]
) -> None:
    def alone(record: AuditRecord) -> AuditRecord:
        return replace(
            record,
            estimates=tuple(one for one in record.estimates if one.versus is None),
            judgements=tuple(one for one in record.judgements if one.limit.shows == "value"),
        )

    records = [alone(one) for one in family]
    offers = audit_of(pair_of(sample, records), "offers")
    assert not offers.paired
    assert {(one.change.value, one.verdict) for one in offers.rows} == {("–", None)}  # noqa: RUF001
    said = words(section(render_page(sample.evidence(records))))
    assert "no change was measured pair by pair: that two intervals overlap does not show that nothing changed" in said


def test_who_gained_and_who_lost_stands_once_a_group(sample: ModuleType, family: list[AuditRecord]) -> None:
    offers = audit_of(pair_of(sample, family), "offers")
    assert [(one.group, one.change, one.interval, one.n) for one in offers.moved] == [
        ("white", "+1.5 USD", "-3 to 6", 96),
        ("black", "-12.2 USD", "-20 to -4.5", 96),
    ]


def test_what_was_not_asked_alike_is_said_once(sample: ModuleType, family: list[AuditRecord]) -> None:
    offers = audit_of(pair_of(sample, family), "offers")
    dtype, batch = offers.remarks
    assert dtype == "student computes in bfloat16, base in float32: part of the difference is rounding"
    assert batch.startswith("student was asked 16 at a time, base 32")


def test_the_answers_that_rose_and_fell_most_are_four_each_the_largest_first(
    sample: ModuleType, family: list[AuditRecord]
) -> None:
    def valued(record: AuditRecord, values: list[float]) -> AuditRecord:
        some: list[Outcome] = [
            replace(one, text=f"{value:g}", reading=Reading(status="ok", value=value))
            for one, value in zip(record.outcomes, values, strict=False)
        ]
        return replace(record, outcomes=tuple(some))

    now = [105.0, 90.0, 100.0, 130.0, 101.0, 60.0, 99.0, 110.0, 102.0]
    parent, child = (one for one in family if one.audit.id == "offers")
    offers = audit_of(pair_of(sample, [valued(parent, [100.0] * 9), valued(child, now)]), "offers")
    assert [one.change for one in offers.rose] == ["+30", "+10", "+5", "+2"]
    assert [one.change for one in offers.fell] == ["-40", "-10", "-1"]
    assert offers.rose[0].parent == "100: 100"
    assert offers.rose[0].child == "130: 130"
    assert offers.answers.startswith("9 answers on both sides, 8 with another value, 1 alike")


def test_a_benchmarks_sentences_are_not_quoted_again(sample: ModuleType, family: list[AuditRecord]) -> None:
    crows = audit_of(pair_of(sample, family), "crows")
    shown = [text for one in (*crows.rose, *crows.fell) for text in (one.question, one.parent, one.child)]
    assert crows.rose
    assert not any("says this of" in text for text in shown)


def test_an_audit_that_the_parent_was_not_put_to_says_so(sample: ModuleType, family: list[AuditRecord]) -> None:
    records = [one for one in family if (one.model.name, one.audit.id) != ("base", "crows")]
    crows = audit_of(pair_of(sample, records), "crows")
    assert crows.missing == "This audit was not put to base in this run."
    assert crows.missing in words(section(render_page(sample.evidence(records))))


def test_pictures_say_in_words_what_they_show(sample: ModuleType, family: list[AuditRecord]) -> None:
    page = section(render_page(sample.evidence(family)))
    said = html.unescape(page)
    assert "The loss was 5 at step 1, 2 at step 4, and lowest at step 4 with 2." in said
    assert "Answer rate, all answers: base 0.938 (interval 0.917 to 0.958), student" in said
    assert "From parent to child: offers, base to student, 1 of 2" in said
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_nothing_from_models_or_files_becomes_markup(sample: ModuleType, family: list[AuditRecord]) -> None:
    bad = "<script>alert(1)</script>\u202e"
    achieved = {
        "notes": [bad],
        "modules_changed": [bad],
        "tensors": [
            {"name": bad, "stored": bad, "count": 1, "weights": 1, "bytes": 4, "bits": 32.0, "sparsity": None,
             "changed": True},
        ],
        "steps": {bad: {bad: bad, "loss": [[1, 2.0], [2, 1.0]]}},
    }  # fmt: skip
    made = []
    for one in with_achieved(family, **achieved):
        model = replace(one.model, name=f"{one.model.name}{bad}", source=bad)
        if one.model.parent:
            model = replace(model, recipe=({"quantize": bad, f"{bad}_sha256": bad},), dtype=bad)
        estimates = tuple(
            replace(
                each,
                groups=tuple(f"{group}{bad}" for group in each.groups),
                reason=bad,
                remarks=(bad,) if each.versus else (),
                versus="parent" if each.versus else None,
            )
            for each in one.estimates
        )
        outcomes = tuple(replace(each, text=f"{bad}{each.text}") for each in one.outcomes)
        made.append(replace(one, model=model, estimates=estimates, outcomes=outcomes))
    parent = made[0].model
    tied = [
        replace(one, model=replace(one.model, parent_digest=parent.digest)) if one.model.parent else one for one in made
    ]
    page = section(render_page(sample.evidence(tied)))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_the_same_evidence_gives_the_same_section(sample: ModuleType, family: list[AuditRecord]) -> None:
    evidence = sample.evidence(family)
    assert section(render_page(evidence)) == section(render_page(evidence))
