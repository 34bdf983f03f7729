"""The study's printed numbers: as whole numbers of pairs where they can be, and beside its own models only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.checkpoint_text import published_lines
from pytest_biasaudit.report.page import render_page
from pytest_biasaudit.report.published import Beside, BesideTable, beside_published, printed
from pytest_biasaudit.stats.interval import Interval

COUNTS = {  # pairs in which the stereotype is preferred, of all scored, that give table 1's percentages
    ("BERT Base", ""): ((150, 262), (321, 515), (66, 105)),
    ("BERT Base", "int8"): ((150, 262), (320, 515), (49, 105)),
    ("BERT Large", ""): ((146, 262), (311, 515), (71, 105)),
    ("BERT Large", "int8"): ((132, 262), (325, 515), (58, 105)),
    ("DistilBERT", ""): ((134, 262), (242, 515), (61, 105)),
    ("RoBERTa Base", ""): ((157, 261), (328, 516), (64, 105)),
    ("RoBERTa Base", "int8"): ((140, 261), (302, 516), (52, 105)),
    ("RoBERTa Large", ""): ((157, 261), (331, 516), (65, 105)),
    ("RoBERTa Large", "int8"): ((150, 261), (327, 516), (63, 105)),
    ("DistilRoBERTa", ""): ((138, 261), (310, 516), (67, 105)),
}
CROWS = {"gender": (57.25, 262), "race-color": (62.33, 516), "religion": (62.86, 105)}
DEV = {"gender": (60.0, 255), "race": (57.0, 962), "religion": (59.0, 79)}
DYNAMIC: tuple[dict[str, object], ...] = ({"quantize": "torch-dynamic", "dtype": "qint8", "lm_head": True},)
DATA = DataFacts(title="CrowS-Pairs", source="crows.csv", url="", licence="", sha256="ab" * 32)
BERT = "google-bert/bert-base-uncased"


@pytest.mark.parametrize(
    "row", [row for row in printed().rows if row.table == 1], ids=lambda row: row.model + row.recipe
)
def test_every_percentage_of_table_1_is_a_whole_number_of_pairs(row: Any) -> None:
    counted = [round(100 * stereo / scored, 2) for stereo, scored in COUNTS[row.model, row.recipe]]
    assert counted == [row.scores[axis] for axis in CROWS]


AXES = {1: {"gender", "religion", "race-color"}, 4: {"gender", "religion", "race", "lms"}}
TESTS = {
    7: {"sent-weat6", "sent-weat6b", "sent-weat7", "sent-weat7b", "sent-weat8", "sent-weat8b"},
    8: {
        "sent-angry_black_woman_stereotype", "sent-angry_black_woman_stereotype_b", "sent-weat3", "sent-weat3b",
        "sent-weat4", "sent-weat5", "sent-weat5b",
    },
    9: {"sent-religion1", "sent-religion1b", "sent-religion2", "sent-religion2b"},
}  # fmt: skip
MEANS = {  # the last column of tables 7, 8 and 9: mean |d| of the row, as printed
    ("BERT Base", ""): (0.620, 0.620, 0.492),
    ("BERT Base", "int8"): (0.462, 0.735, 0.397),
    ("BERT Large", ""): (0.332, 0.517, 0.186),
    ("BERT Large", "int8"): (0.846, 0.295, 0.397),
    ("DistilBERT", ""): (0.138, 0.544, 0.274),
    ("RoBERTa Base", ""): (0.940, 0.307, 0.127),
    ("RoBERTa Base", "int8"): (0.533, 0.295, 0.298),
    ("RoBERTa Large", ""): (0.628, 0.432, 0.387),
    ("RoBERTa Large", "int8"): (0.300, 0.312, 0.179),
    ("DistilRoBERTa", ""): (0.999, 0.381, 0.232),
}


def test_all_rows_of_the_tables_are_there_with_every_score() -> None:
    tables = [row.table for row in printed().rows]
    assert {table: tables.count(table) for table in set(tables)} == {
        **{1: 10, 2: 6, 3: 6, 4: 10, 5: 6, 6: 6},
        **{7: 10, 8: 10, 9: 10},
    }
    for row in printed().rows:
        assert set(row.scores) == ({**AXES, **TESTS}.get(row.table) or AXES[4])
        if row.table in TESTS:
            assert all(-2 < value < 2 for value in row.scores.values())
        else:
            assert all(40 < value < 100 for value in row.scores.values())
        assert set(row.scores) <= set(printed().benchmarks[row.kind].items)


@pytest.mark.parametrize(
    "row", [row for row in printed().rows if row.table in TESTS], ids=lambda row: f"{row.table}-{row.model}{row.recipe}"
)
def test_every_row_of_effects_has_the_mean_magnitude_that_is_printed_beside_it(row: Any) -> None:
    mean = sum(map(abs, row.scores.values())) / len(row.scores)
    # Each effect is rounded to 0.001, and so is the mean: together they may be one unit apart, and no more.
    assert mean == pytest.approx(MEANS[row.model, row.recipe][row.table - 7], abs=0.00101)


def test_rows_that_the_study_prints_twice_are_marked_where_they_are_out_of_place() -> None:
    rows = {(row.table, row.model, row.recipe): row for row in printed().rows if row.table in TESTS}
    again = {
        (8, "BERT Large", "int8"): (8, "RoBERTa Base", "int8"),
        (9, "BERT Large", "int8"): (9, "BERT Base", "int8"),
    }
    for place, original in again.items():
        assert rows[place].scores == rows[original].scores
        assert "here again, so it is not usable" in rows[place].caution
        assert rows[original].caution == ""
    marked = {place for place, row in rows.items() if "here again" in row.caution}
    assert marked == set(again)


def test_the_crossed_tables_are_of_the_steps_that_the_best_ones_name() -> None:
    steps = {(row.table, row.model): row.step for row in printed().rows if row.table in (2, 3, 5, 6)}
    for _, model in steps:
        assert steps[5, model] == steps[2, model]
        assert steps[6, model] == steps[3, model]


def estimate(metric: str, value: float, part: str, items: int) -> Estimate:
    return Estimate(
        metric=metric, attribute="axis" if part else "", groups=(part,) if part else (), value=value,
        interval=Interval(low=value - 6, high=value + 6, level=0.95, method="by hand"), p=None, p_adjusted=None,
        n=items - 1, people=0, templates=items, missing=1, by_group=(), reason="",
    )  # fmt: skip


def model_of(source: str, **changes: Any) -> ModelIdentity:
    return ModelIdentity(name=changes.pop("name", "bert"), source=source, weights_sha256=source, **changes)


def crows(sample: ModuleType, model: ModelIdentity, **changes: Any) -> AuditRecord:
    """Table 1's first row, measured."""
    found = [estimate("stereotype_score", value, axis, items) for axis, (value, items) in CROWS.items()]
    return _record(sample, "crows-pairs", model, found, **changes)


def stereoset(
    sample: ModuleType, model: ModelIdentity, *, axes: tuple[str, ...] | None = None, **changes: Any
) -> AuditRecord:
    found = [estimate("ss", value, axis, items) for axis, (value, items) in DEV.items()]
    found.append(estimate("lms", 84.0, "", 2106))
    return _record(sample, "stereoset", model, found, axes=axes, **changes)


def _record(
    sample: ModuleType,
    kind: str,
    model: ModelIdentity,
    found: Sequence[Estimate],
    *,
    axes: tuple[str, ...] | None = None,
    **changes: Any,
) -> AuditRecord:
    settings = (("task", "intrasentence"), ("axes", axes), ("minimum", 2))
    audit = BenchmarkAudit(id=kind, kind=kind, limits=(), data="x", sha256=None, settings=settings)
    made = AuditRecord(
        context=sample.context("study", "The compression study", [audit]), audit=audit, model=model, prompt_format="raw",
        seed=7, batch_size=32, outcomes=(), estimates=tuple(found), judgements=(), facts=(("score", "bias-bench"),),
        data=DATA,
    )  # fmt: skip
    return replace(made, **changes)


def evidence_of(sample: ModuleType, *records: AuditRecord) -> Evidence:
    return Evidence(
        run=sample.run_info(), contexts=(records[0].context,), models=tuple(one.model for one in records),
        audits=tuple(records), sha256="", file="evidence.json",
    )  # fmt: skip


def only(sample: ModuleType, *records: AuditRecord) -> BesideTable:
    (table,) = beside_published(evidence_of(sample, *records))
    return table


def by_figure(rows: Sequence[Beside]) -> dict[str, float]:
    return {row.figure: row.published for row in rows}


@pytest.mark.parametrize("source", [BERT, "bert-base-uncased"])
def test_one_of_the_studys_models_has_the_published_score_beside_its_own(sample: ModuleType, source: str) -> None:
    rows = only(sample, crows(sample, model_of(source))).rows
    assert by_figure(rows) == {"gender": 57.25, "race-color": 62.33, "religion": 62.86}
    assert {row.where for row in rows} == {"table 1, BERT Base"}


@pytest.mark.parametrize(
    "source", ["google-bert/bert-base-cased", "./bert-base-uncased", "live:BertForMaskedLM", "me/bert-base-uncased"]
)
def test_no_other_model_has(sample: ModuleType, source: str) -> None:
    assert beside_published(evidence_of(sample, crows(sample, model_of(source)))) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": (("score", "nangia"),)},
        {"data": replace(DATA, source="bundled:biasaudit-pairs")},
        {"data": None},
    ],
)
def test_neither_has_another_score_nor_our_own_data(sample: ModuleType, changes: dict[str, Any]) -> None:
    assert beside_published(evidence_of(sample, crows(sample, model_of(BERT), **changes))) == ()


def test_a_part_of_the_data_has_nothing_beside_it(sample: ModuleType) -> None:
    record = crows(sample, model_of(BERT))
    few = [replace(one, n=40) if one.groups == ("gender",) else one for one in record.estimates]
    table = only(sample, replace(record, estimates=tuple(few)))
    assert set(by_figure(table.rows)) == {"race-color", "religion"}
    assert (
        "crows-pairs asks 41 items of gender and the published data have 262, so nothing stands beside that score"
        in table.notes
    )


def test_the_studys_int8_is_found_by_its_call_and_no_other_int8(sample: ModuleType) -> None:
    base = model_of(BERT)

    def child(name: str, recipe: tuple[dict[str, object], ...]) -> ModelIdentity:
        return model_of(BERT, name=name, parent="bert", parent_digest=base.digest, recipe=recipe)

    half = ({**DYNAMIC[0], "dtype": "float16"},)
    headless = ({**DYNAMIC[0], "lm_head": False},)
    models = [
        base, child("dynamic", DYNAMIC), child("rtn", ({"quantize": "rtn", "bits": 8},)), child("half", half),
        child("headless", headless), child("copy", ()),
    ]  # fmt: skip
    table = only(sample, *(crows(sample, one) for one in models))
    assert {(row.model, row.figure): row.published for row in table.rows if row.model != "bert"} == {
        ("dynamic", "gender"): 57.25,
        ("dynamic", "race-color"): 62.14,
        ("dynamic", "religion"): 46.67,
    }
    unprinted = [note for note in table.notes if note.startswith("nothing is printed for")]
    assert [note.split(":")[0].split()[-1] for note in unprinted] == ["rtn", "half", "headless", "copy"]


SEAT = ("sent-weat6", "sent-weat3", "sent-religion1")


def seat(sample: ModuleType, model: ModelIdentity, *, items: int | None = None, **changes: Any) -> AuditRecord:
    """Three tests, one of each of the study's tables."""
    asked = printed().benchmarks["seat"].items
    found = [
        replace(estimate("effect_size", 0.5, test, items or asked.get(test, 100)), attribute="test")
        for test in (*SEAT, "sent-weat1")
    ]
    facts = {"facts": (("score", "difference of mean cosines"), ("pooling", "mean"), ("ddof", "1")), **changes}
    return _record(sample, "seat", model, [*found, estimate("mean_abs_effect", 0.4, "", 800)], **facts)


def test_effects_of_all_three_tables_stand_beside_their_tests_and_no_other_figure_does(sample: ModuleType) -> None:
    rows = only(sample, seat(sample, model_of(BERT))).rows
    assert by_figure(rows) == {"sent-weat6": 0.931, "sent-weat3": 0.778, "sent-religion1": 0.744}
    assert [row.where for row in rows] == ["table 7, BERT Base", "table 8, BERT Base", "table 9, BERT Base"]


@pytest.mark.parametrize(
    "facts", [(("pooling", "cls"), ("ddof", "1")), (("pooling", "mean"), ("ddof", "0")), (("pooling", "mean"),)]
)
def test_effects_of_other_vectors_or_another_deviation_are_not_the_studys(
    sample: ModuleType, facts: tuple[tuple[str, str], ...]
) -> None:
    assert beside_published(evidence_of(sample, seat(sample, model_of(BERT), facts=facts))) == ()


def test_effects_of_shorter_or_longer_sets_have_nothing_beside_them(sample: ModuleType) -> None:
    for items in (60, 1000):
        assert beside_published(evidence_of(sample, seat(sample, model_of(BERT), items=items))) == ()


def test_the_studys_int8_of_a_child_is_not_the_studys(sample: ModuleType) -> None:
    base = model_of(BERT)
    recipe = ({"prune": "magnitude", "sparsity": 0.5},)
    pruned = model_of(BERT, name="pruned", parent="bert", parent_digest=base.digest, recipe=recipe)
    both = model_of(BERT, name="both", parent="pruned", parent_digest=pruned.digest, recipe=DYNAMIC)
    table = only(sample, *(crows(sample, one) for one in (base, pruned, both)))
    assert {row.model for row in table.rows} == {"bert"}
    assert any(note.startswith("nothing is printed for both: ") for note in table.notes)
    orphan = only(sample, *(crows(sample, one) for one in (base, both)))
    assert {row.model for row in orphan.rows} == {"bert"}
    assert (
        "nothing is printed for both: its parent pruned is not in the evidence, so what it was made from is not known"
        in orphan.notes
    )


def test_a_model_loaded_in_half_precision_is_not_the_studys(sample: ModuleType) -> None:
    half = model_of(BERT, name="half", dtype="bfloat16")
    table = only(sample, crows(sample, model_of(BERT, dtype="float32")), crows(sample, half))
    assert {row.model for row in table.rows} == {"bert"}
    assert "nothing is printed for half: it is in bfloat16, and the study's models are in float32" in table.notes


def test_a_step_that_the_study_does_not_print_is_not_said_to_be_another_compression(sample: ModuleType) -> None:
    source = "EleutherAI/pythia-70m-deduped"

    def at(revision: str, **changes: Any) -> ModelIdentity:
        point = SweepPoint(model="p", revision=revision)
        return model_of(source, name=f"p@{revision}{'+int8' if changes else ''}", point=point, **changes)

    models = []
    for step in ("step21000", "step1000"):
        parent = at(step)
        models += [parent, at(step, parent=parent.name, parent_digest=parent.digest, recipe=DYNAMIC)]
    table = only(sample, *(stereoset(sample, one) for one in models))
    assert {row.model for row in table.rows} == {"p@step21000", "p@step21000+int8"}
    assert not any("nothing is printed" in note for note in table.notes)


def test_a_checkpoint_is_found_by_its_step(sample: ModuleType) -> None:
    source = "EleutherAI/pythia-70m-deduped"

    def at(revision: str | None) -> AuditRecord:
        point = None if revision is None else SweepPoint(model="p", revision=revision)
        return stereoset(sample, model_of(source, name=f"p@{revision}", point=point))

    rows = only(sample, *(at(revision) for revision in ("step21000", "step29000", "step1000", None))).rows
    assert {(row.model, row.figure): (row.published, row.where) for row in rows if row.figure == "LM score"} == {
        ("p@step21000", "LM score"): (89.2, "table 2, Pythia 70M, step 21,000"),
        ("p@step29000", "LM score"): (88.4, "table 6, Pythia 70M, step 29,000"),
    }


def test_the_lm_score_of_some_domains_is_not_the_studys(sample: ModuleType) -> None:
    record = stereoset(sample, model_of(BERT), axes=("gender", "race", "religion"))
    assert set(by_figure(only(sample, record).rows)) == {"gender", "race", "religion"}


def test_what_is_doubtful_is_said(sample: ModuleType) -> None:
    table = only(sample, stereoset(sample, model_of("distilbert/distilbert-base-uncased")))
    assert any("dev.json" in note for note in table.notes)
    assert any("extracted from the PDF by machine" in note for note in table.notes)
    assert {row.caution for row in table.rows} == {
        "the study's DistilBERT looks like a network without trained weights (LM score 53.87, chance is 50)"
    }
    text = "\n".join(published_lines([table], width=100))
    assert "53.87[1]" in text
    assert "[1] the study's DistilBERT looks like" in text


def test_the_column_stands_in_the_report(sample: ModuleType) -> None:
    page = render_page(evidence_of(sample, crows(sample, model_of(BERT))))
    assert "Beside what Gonçalves and Strubell 2023 printed for the same models" in page
    assert ">Published<" in page.replace("<bdi>", "").replace("</bdi>", "")
