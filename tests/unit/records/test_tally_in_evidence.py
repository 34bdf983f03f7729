"""A counted table in the evidence: out and back, nothing of the rows themselves, and every fault named with its place."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.records.codec import audit_to_plain, context_to_plain
from pytest_biasaudit.records.decode import audit_from_plain, context_from_plain
from pytest_biasaudit.records.evidence import assemble, check, encoded, evidence_from_plain
from pytest_biasaudit.records.older import completed
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.records.tally import tally_from_plain, tally_to_plain
from pytest_biasaudit.tables.itself import table_itself
from pytest_biasaudit.tables.tally import Attribute, Tally
from tests.hand_tally import binary_tally, classifier_audit, classifier_tally, corpus_audit, corpus_tally, table_context
from tests.hand_tally import table_limit as limit

ITSELF = table_itself("held_out.csv", "d" * 64).identity


def same(one: object, other: object) -> bool:
    """Equality of tallies: arrays by value, NaN where NaN is."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, Tally) and isinstance(other, Tally):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(Tally))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def through_json(tally: Tally) -> Tally:
    return tally_from_plain(json.loads(json.dumps(tally_to_plain(tally), allow_nan=False)))


def record_of(audit: Any, tally: Tally | None, **more: Any) -> AuditRecord:
    settings: dict[str, Any] = {"outcomes": (), "estimates": (), "judgements": (), **more}
    return AuditRecord(
        context=table_context(audit), audit=audit, model=ITSELF, prompt_format="raw", seed=0, batch_size=1,
        tally=tally, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("make", [classifier_tally, binary_tally, corpus_tally])
def test_a_tally_comes_back_as_it_was(make: Any) -> None:
    assert same(through_json(make()), make())


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    cells = draw(st.integers(0, 8))
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    attributes, members = [], []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        groups = draw(st.lists(names, min_size=1, max_size=4, unique=True))
        overlapping = draw(st.booleans())
        inside = np.zeros((cells, len(groups)), dtype=bool)
        for cell in range(cells):
            most = len(groups) if overlapping else 1
            inside[cell, draw(st.lists(st.integers(0, len(groups) - 1), max_size=most, unique=True))] = True
        left_out = tuple((group, draw(names)) for group in groups[1:] if draw(st.booleans()))
        attributes.append(Attribute(name=name, groups=tuple(groups), overlapping=overlapping, left_out=left_out))
        members.append(inside)

    def column(low: int, high: int) -> Any:
        return np.array(draw(st.lists(st.integers(low, high), min_size=cells, max_size=cells)), dtype=np.int64)

    scores = st.lists(st.floats(0, 1) | st.just(math.nan), min_size=cells, max_size=cells)
    return Tally(
        attributes=tuple(attributes),
        labels=tuple(labels),
        positive=draw(st.sampled_from([None, *labels])),
        members=tuple(members),
        truth=column(-1, len(labels) - 1),
        prediction=draw(st.just(None) | st.builds(lambda: column(-1, len(labels) - 1))),
        count=column(1, 10**9),
        score=draw(st.none() | scores.map(lambda some: np.array(some, dtype=float))),
        cluster=draw(st.just(None) | st.builds(lambda: column(0, 5))),
        earlier=draw(st.just(None) | st.builds(lambda: column(-1, len(labels) - 1))),
        blank=draw(st.integers(0, 9)),
        incomplete=draw(st.none() | st.integers(0, 9)),
    )


@given(tallies())
def test_any_tally_comes_back_as_it_was_and_fits_the_schema(tally: Tally) -> None:
    assert same(through_json(tally), tally)


def test_where_no_cell_has_two_groups_a_cell_is_one_number_else_a_list() -> None:
    assert tally_to_plain(classifier_tally())["members"] == [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, -1]]
    corpus: Any = tally_to_plain(corpus_tally())
    assert corpus["members"][0][5:9] == [[1], [0, 1], [0, 1], []]


def test_a_score_that_is_no_number_is_null_and_reads_as_none_came() -> None:
    tally = replace(binary_tally(), score=np.full(80, math.nan))
    raw: Any = tally_to_plain(tally)
    assert raw["score"] == [None] * 80
    back = tally_from_plain(raw)
    assert back.score is not None
    assert np.isnan(back.score).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": [0]}, "truth: 1 cells, and `count` has 15"),
        ({"truth": [*[0] * 14, 3]}, "truth/14: 3 is not a position among 3 labels, or -1"),
        ({"prediction": [*[0] * 14, -2]}, "prediction/14: -2 is not a position among 3 labels, or -1"),
        ({"count": [*[1] * 14, -1]}, "count/14: -1 is not a whole number of 0 or more"),
        ({"count": [*[1] * 14, 1.5]}, "count/14: 1.5 is not a whole number"),
        ({"count": [*[1] * 14, True]}, "count/14: True is not a whole number"),
        ({"members": []}, "members: 0 columns for 1 attributes"),
        ({"members": [[*[0] * 14, 2]]}, "members/0/14: 2 is no position among 2 groups"),
        ({"members": [[*[0] * 14, [-1]]]}, "members/0/14: -1 is no position among 2 groups"),
        ({"score": [*[0.5] * 14, "0.5"]}, "score/14: '0.5' is no finite number or null"),
        ({"positive": "d"}, "positive: 'd' is no label; there are a, b, c"),
        ({"labels": ["a", "b", "a"]}, "labels: 'a' stands there twice"),
        (
            {"count": [*[1] * 14, 10**30]},
            "count: 1000000000000000000000000000014 rows in all, more than can be counted",
        ),
        ({"members": [[*[0] * 14, [0, 1]]]}, "members/0/14: [0, 1], and groups of 'sex' do not overlap"),
        (
            {"attributes": [{"name": "sex", "groups": ["men", "men"], "overlapping": False, "left_out": {"x": "few"}}]},
            "attributes/0/groups: 'men' stands there twice",
        ),
        (
            {
                "attributes": [
                    {"name": "sex", "groups": ["men", "women"], "overlapping": False, "left_out": {"x": "few"}}
                ]
            },
            "attributes/0/left_out: 'x' is no group",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_column_and_cell(change: dict[str, Any], said: str) -> None:
    raw = {**tally_to_plain(classifier_tally()), **change}
    with pytest.raises(EvidenceError, match=r"^/audits/0/tally/") as caught:
        tally_from_plain(raw, pointer="/audits/0/tally")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "audit",
    [
        classifier_audit(limit("tpr_gap", "sex", max=0.1, label="a"), threshold="equal-error", minimum=7),
        classifier_audit(groups_order=(("sex", ("women", "men")),), leave_out=(("sex", (("other", "3 rows"),)),)),
        corpus_audit(limit("prevalence_gap", "gender", max=0.2), limit("pmi", "gender", max=1.0, versus="before")),
        corpus_audit(before=None, words=(), window=10),
    ],
)
def test_a_declared_audit_comes_back_as_it_was(audit: Any) -> None:
    context = table_context(audit)
    raw = json.loads(json.dumps(context_to_plain(context)))
    assert context_from_plain(raw).audits == (audit,)


def test_a_record_comes_back_with_its_tally_and_those_it_was_compared_with(sample: Any) -> None:
    audit = corpus_audit()
    earlier = replace(corpus_tally(), blank=9)
    record = record_of(audit, corpus_tally(), tallies=(("before", earlier),))
    back = audit_from_plain(json.loads(json.dumps(audit_to_plain(record))), context=record.context, model=ITSELF)
    assert same(back.tally, record.tally)
    assert [name for name, _ in back.tallies] == ["before"]
    assert same(back.tallies[0][1], earlier)
    evidence = evidence_from_plain(
        assemble([audit_to_plain(record)], [record.context], [ITSELF], run=sample.run_info())
    )
    assert same(evidence.audits[0].tally, record.tally)


def test_a_million_cells_are_checked_where_they_are_read_and_not_by_the_schema(sample: Any) -> None:
    audit = classifier_audit()
    plain: Any = audit_to_plain(record_of(audit, classifier_tally()))
    column = [0] * 5_000
    plain["tally"] |= {"truth": column, "prediction": column, "count": [1] * 5_000, "members": [[0] * 4_999 + [7]]}
    whole = assemble([plain], [table_context(audit)], [ITSELF], run=sample.run_info())
    check(whole, name="evidence")
    with pytest.raises(EvidenceError, match="members/0/4999: 7 is no position among 2 groups"):
        evidence_from_plain(whole)


def test_the_first_cells_are_held_against_the_schema(sample: Any) -> None:
    audit = classifier_audit()
    plain: Any = audit_to_plain(record_of(audit, classifier_tally()))
    plain["tally"]["truth"][3] = "a"
    with pytest.raises(EvidenceError, match="/audits/0/tally/truth/3"):
        check(assemble([plain], [table_context(audit)], [ITSELF], run=sample.run_info()), name="evidence")


def test_evidence_of_before_there_were_tallies_reads_as_having_none(sample: Any) -> None:
    old: Any = json.loads(encoded(sample.plain()))
    for audit in old["audits"]:
        del audit["tally"], audit["tallies"]
        for one in (*audit["estimates"], *audit["verdicts"]):
            del one["label"]
    for context in old["contexts"]:
        for audit in context["audits"]:
            for one in audit["limits"]:
                del one["label"]
    completed(old)
    evidence = evidence_from_plain(old)
    assert all(record.tally is None and record.tallies == () for record in evidence.audits)
    assert {one.label for record in evidence.audits for one in record.estimates} == {""}


def test_what_another_process_compared_with_is_added_where_reports_are_merged(sample: Any) -> None:
    audit = corpus_audit()
    alone: Any = audit_to_plain(record_of(audit, corpus_tally()))
    beside: Any = audit_to_plain(record_of(audit, corpus_tally(), tallies=(("before", corpus_tally()),)))
    for reports in ([alone, beside], [beside, alone]):
        merged: Any = assemble(reports, [table_context(audit)], [ITSELF], run=sample.run_info())
        assert len(merged["audits"]) == 1
        assert list(merged["audits"][0]["tallies"]) == ["before"]
