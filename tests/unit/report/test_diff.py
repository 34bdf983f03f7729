"""What `diff` says changed: against evidence that was edited by hand, so that what must be said is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.diff import diff_of
from pytest_biasaudit.report.diff_text import diff_lines
from pytest_biasaudit.report.item_changes import item_changes
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.verdict import Verdict

FEW = 24
"""Answers kept of each audit, one wording and all people: checking evidence against its schema takes its time."""


def records_of(sample: ModuleType) -> list[AuditRecord]:
    return [replace(one, outcomes=one.outcomes[:FEW]) for one in sample.records()]


@pytest.fixture(scope="module")
def before(sample: ModuleType) -> Evidence:
    found: Evidence = sample.evidence(records_of(sample))
    return found


def edited(
    sample: ModuleType, edit: Callable[[AuditRecord], AuditRecord | None], *, model: str = "base", audit: str = "offers"
) -> Evidence:
    """The sample with one record edited, or left out."""
    made = []
    for record in records_of(sample):
        if (record.model.name, record.audit.id) == (model, audit):
            kept = edit(record)
            made += [kept] if kept is not None else []
        else:
            made.append(record)
    found: Evidence = sample.evidence(made)
    return found


def with_verdict(at: int, verdict: Verdict) -> Callable[[AuditRecord], AuditRecord]:
    def edit(record: AuditRecord) -> AuditRecord:
        judgements = list(record.judgements)
        judgements[at] = replace(judgements[at], verdict=verdict)
        return replace(record, judgements=tuple(judgements))

    return edit


def estimate(value: float | None, low: float = 0.0, high: float = 0.0, **settings: Any) -> Estimate:
    interval = None if low == high else Interval(low=low, high=high, level=0.95, method="by hand")
    basics: dict[str, Any] = {
        "metric": "smd",
        "attribute": "race",
        "groups": ("white", "black"),
        "value": value,
        "interval": interval,
        "p": None,
        "p_adjusted": None,
        "n": 10,
        "people": 5,
        "templates": 2,
        "missing": 0,
        "by_group": (),
    }
    return Estimate(**{**basics, **settings})


def with_estimates(*estimates: Estimate) -> Callable[[AuditRecord], AuditRecord]:
    return lambda record: replace(record, estimates=estimates, judgements=())


def answered(outcome: Outcome, value: float | None, text: str = "", status: str = "ok") -> Outcome:
    return replace(outcome, text=text, reading=Reading(status=status, value=value))  # type: ignore[arg-type]


def text_of(*args: Any, **settings: Any) -> str:
    return "\n".join(diff_lines(*args, **settings))


def test_a_file_against_itself_changed_nothing(before: Evidence) -> None:
    found = diff_of(before, before)
    assert not found.worse
    assert not found.estimates
    assert not found.frame
    assert all(not items.changes and items.same == items.compared == FEW for _, items in found.items)
    assert "15 as before" in text_of(found)


@pytest.mark.parametrize(
    ("at", "verdict", "word"),
    [(1, Verdict.OVER, "worse"), (1, Verdict.INCONCLUSIVE, "worse"), (1, Verdict.NOT_MEASURED, "worse")],
)
def test_a_verdict_that_was_within_and_is_not_got_worse(
    sample: ModuleType, before: Evidence, at: int, verdict: Verdict, word: str
) -> None:
    found = diff_of(before, edited(sample, with_verdict(at, verdict)))
    first, *others = found.verdicts
    assert (first.limit, first.worse, first.verdict_changed) == ("race-gap", True, True)
    assert not any(one.verdict_changed for one in others)
    assert found.worse
    (line,) = [line for line in diff_lines(found, width=200) if line.startswith(word)]
    assert line == "worse   second-hand-offers / offers [base] / race-gap"


def test_a_verdict_that_was_over_and_is_within_got_better_and_nothing_is_worse(
    sample: ModuleType, before: Evidence
) -> None:
    worse = edited(sample, with_verdict(1, Verdict.OVER))
    found = diff_of(worse, before)
    assert not found.worse
    assert "0 worse, 1 better, 14 as before" in text_of(found)


def test_worse_verdicts_come_before_better_ones_and_the_graver_change_first(sample: ModuleType) -> None:
    def was(record: AuditRecord) -> AuditRecord:
        return with_verdict(2, Verdict.INCONCLUSIVE)(with_verdict(0, Verdict.OVER)(record))

    def now(record: AuditRecord) -> AuditRecord:
        return with_verdict(2, Verdict.OVER)(with_verdict(1, Verdict.OVER)(with_verdict(0, Verdict.WITHIN)(record)))

    found = diff_of(edited(sample, was), edited(sample, now))
    assert [one.limit for one in found.verdicts[:3]] == ["race-gap", "answer-rate", "race-smd"]
    assert [one.worse for one in found.verdicts[:3]] == [True, True, False]


def test_a_limit_that_is_no_longer_judged_counts_as_worse_and_a_new_one_does_not(
    sample: ModuleType, before: Evidence
) -> None:
    fewer = edited(sample, lambda record: replace(record, judgements=record.judgements[:1]))
    lost = diff_of(before, fewer)
    assert lost.worse
    assert "2 no longer judged" in text_of(lost, width=200)
    gained = diff_of(fewer, before)
    assert not gained.worse
    assert "2 judged only after" in text_of(gained, width=200)


def test_an_audit_that_was_not_run_again_counts_as_worse(sample: ModuleType, before: Evidence) -> None:
    found = diff_of(before, edited(sample, lambda record: None))
    assert found.worse
    said = text_of(found)
    assert "NO LONGER JUDGED" in said
    assert "second-hand-offers / offers [base] / race-smd" in said


def test_a_limit_that_was_loosened_is_said_though_its_verdict_is_the_same(sample: ModuleType, before: Evidence) -> None:
    def loosened(record: AuditRecord) -> AuditRecord:
        first, *rest = record.judgements
        return replace(record, judgements=(replace(first, limit=replace(first.limit, max=0.9)), *rest))

    found = diff_of(before, edited(sample, loosened))
    assert found.verdicts[0].terms_changed
    assert not found.worse
    said = text_of(found, width=200)
    assert "terms   second-hand-offers / offers [base] / race-smd" in said
    assert "was smd, race at most 0.2 sd either way" in said
    assert "is smd, race at most 0.9 sd either way" in said
    assert "1 held to other terms" in said


def test_estimates_moved_beyond_their_intervals_when_each_lies_outside_the_others(sample: ModuleType) -> None:
    was = edited(
        sample,
        with_estimates(
            estimate(0.10, 0.05, 0.15),
            estimate(0.10, 0.05, 0.15, attribute="gender"),
            estimate(0.10, 0.05, 0.15, metric="mean_difference"),
            estimate(0.10, metric="answer_rate", attribute="", groups=()),
            estimate(0.10, 0.05, 0.15, metric="rate_difference"),
        ),
    )
    now = edited(
        sample,
        with_estimates(
            estimate(-0.20, -0.30, -0.10),  # 0.30 away, 3 times the longer half
            estimate(0.30, 0.25, 0.35, attribute="gender"),  # 0.20 away, 4 times
            estimate(0.12, 0.02, 0.22, metric="mean_difference"),  # inside
            estimate(0.90, metric="answer_rate", attribute="", groups=()),  # nothing to tell by
            estimate(0.10, 0.05, 0.15, metric="rate_difference"),  # the same
        ),
    )
    found = diff_of(was, now, audits=["offers"], models=["base"])
    assert [one.was.attribute for one in found.estimates] == ["gender", "race"]
    assert [one.size for one in found.estimates] == pytest.approx([4.0, 3.0])
    assert [one.toward for one in found.estimates] == ["further from the ideal"] * 2
    counts = found.estimate_counts
    assert (counts.beyond, counts.within, counts.unsure, counts.same, counts.lost) == (2, 1, 1, 1, 0)


def test_an_estimate_that_lost_its_value_is_said_before_all_others(sample: ModuleType) -> None:
    was = edited(sample, with_estimates(estimate(0.1, 0.0, 0.2), estimate(0.1, 0.05, 0.2, attribute="gender")))
    now = edited(
        sample,
        with_estimates(estimate(None, reason="no answer could be read"), estimate(9.0, 8.0, 10.0, attribute="gender")),
    )
    first, second = diff_of(was, now, audits=["offers"], models=["base"]).estimates
    assert (first.now.value, second.now.value) == (None, 9.0)
    assert first.size == math.inf
    said = text_of(diff_of(was, now, audits=["offers"], models=["base"]), width=200)
    assert "is     no value (no answer could be read)" in said


def test_a_ratio_and_its_inverse_are_as_far_from_the_ideal(sample: ModuleType) -> None:
    was = edited(sample, with_estimates(estimate(0.5, 0.45, 0.55, metric="odds_ratio")))
    for value, toward in ((2.5, "further from the ideal"), (1.6, "closer to the ideal")):
        now = edited(sample, with_estimates(estimate(value, value - 0.01, value + 0.01, metric="odds_ratio")))
        (one,) = diff_of(was, now, audits=["offers"], models=["base"]).estimates
        assert one.toward == toward


def test_answers_that_changed_come_status_first_then_choice_then_value_the_largest_first(sample: ModuleType) -> None:
    record = sample.records()[1]
    assert record.audit.id == "shortlist"
    some = record.outcomes[:6]
    yes, no = (("Yes", 0.8), ("No", 0.2)), (("Yes", 0.3), ("No", 0.7))
    was = replace(record, outcomes=tuple(replace(answered(one, 0.8, "Yes"), options=yes) for one in some))
    now = replace(
        record,
        outcomes=(
            replace(answered(some[0], 0.7, "Yes"), options=yes),  # value, 0.1
            replace(answered(some[1], 0.3, "No"), options=no),  # choice, 0.5
            answered(some[2], None, "I will not say.", "refused"),  # status
            replace(answered(some[3], 0.1, "No"), options=no),  # choice, 0.7
            replace(answered(some[4], 0.8, "Yes"), options=yes),  # the same
            replace(answered(some[5], 0.6, "Yes"), options=yes),  # value, 0.2
        ),
    )
    found = item_changes(was, now)
    assert [one.kind for one in found.changes] == ["status", "choice", "choice", "value", "value"]
    assert [one.size for one in found.changes[1:]] == pytest.approx([0.7, 0.5, 0.2, 0.1])
    assert (found.compared, found.status, found.choice, found.value, found.same) == (6, 1, 2, 2, 1)
    assert found.largest == pytest.approx(0.7)


def test_answers_are_matched_by_question_person_and_repeat_in_whatever_order_they_stand(sample: ModuleType) -> None:
    record = sample.records()[0]
    again = tuple(replace(one, repeat=1, text="another") for one in record.outcomes)
    both = replace(record, outcomes=(*record.outcomes, *again))
    shuffled = replace(record, outcomes=tuple(reversed(both.outcomes)))
    assert item_changes(both, shuffled).same == 2 * 192
    assert item_changes(both, record).only_before == 192


def test_an_answer_worded_otherwise_and_read_alike_is_counted_and_not_listed(sample: ModuleType) -> None:
    record = sample.records()[0]
    first = record.outcomes[0]
    now = replace(record, outcomes=(replace(first, text=first.text + " Or so."), *record.outcomes[1:]))
    found = item_changes(record, now)
    assert (found.worded, found.changes) == (1, ())


def test_a_benchmarks_item_changes_its_choice_when_its_score_crosses_nought(sample: ModuleType) -> None:
    record = sample.benchmark_records()[0]
    first, second, *rest = record.outcomes
    was = replace(record, outcomes=(answered(first, 0.2), answered(second, 5.0), *rest))
    now = replace(record, outcomes=(answered(first, -0.2), answered(second, 1.0), *rest))
    found = item_changes(was, now)
    assert [(one.id, one.kind) for one in found.changes] == [("gender-00", "choice"), ("gender-01", "value")]


def test_twenty_answers_of_an_audit_are_listed_and_all_on_request(sample: ModuleType, before: Evidence) -> None:
    def moved(record: AuditRecord) -> AuditRecord:
        return replace(
            record, outcomes=tuple(answered(one, float(at), f"{at}") for at, one in enumerate(record.outcomes))
        )

    found = diff_of(before, edited(sample, moved))
    short, whole = diff_lines(found, width=120), diff_lines(found, width=120, everything=True)
    assert sum(line.startswith("    is  ") for line in short) == 20
    assert any(line.startswith(f"  and {FEW - 20} more") for line in short)
    assert sum(line.startswith("    is  ") for line in whole) == FEW


def test_what_a_model_wrote_can_neither_break_a_line_nor_move_the_cursor(sample: ModuleType, before: Evidence) -> None:
    hostile = "\x1b[2J\u202egnihton\nFALSE LINE\r" + "Z\u0301\u0301\u0301\u0301\u0301\u0301\u0301" + "x" * 10_000

    def attacked(record: AuditRecord) -> AuditRecord:
        outcomes = [answered(one, None, hostile, "refused") for one in record.outcomes]
        outcomes = [replace(one, reading=replace(one.reading, reason=hostile)) for one in outcomes]
        return replace(record, outcomes=tuple(outcomes))

    lines = diff_lines(diff_of(before, edited(sample, attacked)), width=100)
    said = "\n".join(lines)
    assert all(letter not in said for letter in ("\x1b", "\u202e", "\r"))
    assert "\u0301" * 5 not in said
    assert not any(line.startswith("FALSE") for line in lines)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("width", [40, 60, 100, 240])
def test_no_line_is_longer_than_the_terminal_is_wide(sample: ModuleType, width: int) -> None:
    evidence = sample.evidence([*records_of(sample), *sample.benchmark_records()])
    found = diff_of(evidence, evidence, models=["base=int8"])
    lines = diff_lines(found, width=width, everything=True)
    assert max(map(len, lines)) <= width
    assert lines == diff_lines(diff_of(evidence, evidence, models=["base=int8"]), width=width, everything=True)
    assert not {"nan", "inf", "None"} & set(" ".join(lines).replace(",", " ").split())


def test_a_terminal_without_unicode_gets_ascii(sample: ModuleType) -> None:
    evidence = sample.evidence(records_of(sample))
    lines = diff_lines(diff_of(evidence, evidence, models=["base=int8"]), unicode=False)
    assert all(line.isascii() for line in lines)
    assert any("x over limit" in line for line in lines)


def test_two_models_of_one_file_are_told_apart_by_their_recipe_and_digests(before: Evidence) -> None:
    found = diff_of(before, before, models=["base=int8"])
    changed = {(one.about, one.name): (one.was, one.now) for one in found.frame}
    base, child = before.models
    assert changed["model base = int8", "weights"] == (base.weights_sha256, child.weights_sha256)
    assert changed["model base = int8", "recipe"] == ("–", "quantize rtn, bits 8, group_size 32")  # noqa: RUF001
    assert {one.about for one in found.frame} == {"model base = int8"}


def test_what_differs_around_the_answers_is_named(sample: ModuleType, before: Evidence) -> None:
    def other(record: AuditRecord) -> AuditRecord:
        return replace(
            record,
            batch_size=8,
            seed=8,
            model=replace(record.model, tokenizer_sha256=sample.digest("another"), libraries=(("torch", "2.14.0"),)),
            context=replace(record.context, sha256=sample.digest("another file")),
        )

    found = diff_of(before, sample.evidence([other(one) for one in records_of(sample)]))
    changed = {(one.about, one.name): (one.was, one.now) for one in found.frame}
    assert changed["offers [base]", "batch size"] == ("32", "8")
    assert changed["offers [base]", "seed"] == ("7", "8")
    assert changed["model base", "library torch"] == ("2.13.0", "2.14.0")
    assert changed["model base", "tokenizer"] == (sample.digest("tokenizer"), sample.digest("another"))
    assert changed["context second-hand-offers", "file"][1] == sample.digest("another file")


def test_other_data_of_a_benchmark_are_named(sample: ModuleType) -> None:
    records = sample.benchmark_records()
    newer = [replace(one, data=replace(one.data, sha256=sample.digest("newer"))) for one in records]
    found = diff_of(sample.evidence(records), sample.evidence(newer))
    assert ("crows [base]", "data", sample.digest("pairs"), sample.digest("newer")) in {
        (one.about, one.name, one.was, one.now) for one in found.frame
    }


def test_questions_put_in_another_text_are_counted(sample: ModuleType, before: Evidence) -> None:
    def reworded(record: AuditRecord) -> AuditRecord:
        first, *rest = record.outcomes
        return replace(record, outcomes=(replace(first, prompt_sha256=sample.digest("other")), *rest))

    assert "1 were asked in another text" in text_of(diff_of(before, edited(sample, reworded)), width=300)


def test_one_audit_is_kept_to_by_its_id_or_with_its_context(before: Evidence) -> None:
    for name in ("offers", "second-hand-offers/offers"):
        assert {place.audit for place, _ in diff_of(before, before, audits=[name]).items} == {"offers"}


def test_a_model_whose_name_holds_an_equals_sign_can_be_named(sample: ModuleType) -> None:
    _, child = sample.models()
    odd = replace(child, name="bits=8")
    records = [replace(one, model=odd) if one.model.name == "int8" else one for one in records_of(sample)]
    evidence = sample.evidence(records)
    for text, pair in (("base=bits=8", ("base", "bits=8")), ("bits=8", ("bits=8", "bits=8"))):
        places = [place for place, _ in diff_of(evidence, evidence, models=[text]).items]
        assert {(one.before, one.after) for one in places} == {pair}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"audits": ["offer"]}, "--audit 'offer': neither side has it; there are .*second-hand-offers/offers"),
        ({"models": ["int4"]}, "--model 'int4': there is no such pair; before has base, int8"),
        ({"models": ["base=int4"]}, "--model 'base=int4'"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(before: Evidence, settings: Any, said: str) -> None:
    with pytest.raises(EvidenceError, match=said):
        diff_of(before, before, **settings)


def test_files_that_share_no_audit_are_an_error_and_no_clean_bill(sample: ModuleType) -> None:
    offers, shortlist, *_ = records_of(sample)
    with pytest.raises(EvidenceError, match=r"nothing can be compared(.|\n)*offers\[base\](.|\n)*shortlist\[base\]"):
        diff_of(sample.evidence([offers]), sample.evidence([shortlist]))
