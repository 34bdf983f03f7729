"""The compression study's tables: its own printed scores and the differences of their distances, and what else may come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.cli import main
from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.benchmarks.measure import measure_benchmark
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.benchmarks.item_outcome import item_outcome
from pytest_biasaudit.outcomes.collect import Collected
from pytest_biasaudit.outcomes.outcome import Outcome, Status
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.records.evidence import Evidence, write_evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.study_columns import Cell
from pytest_biasaudit.report.study_tables import StudyTable, study_tables
from pytest_biasaudit.report.study_text import change_text, study_lines
from pytest_biasaudit.stats.interval import Interval

AXES = ("gender", "race", "religion")
CROWS = {  # table 1 of the study; BERT Base is what the others are compared with
    "bert-base": (57.25, 62.33, 62.86),
    "int8": (57.25, 62.14, 46.67),
    "cda": (56.11, 56.70, 60.00),
    "bert-large": (55.73, 60.39, 67.62),
}
STEREOSET = {  # table 4, the LM score last
    "bert-base": (60.28, 57.03, 59.70, 84.17),
    "int8": (56.99, 54.67, 56.83, 81.23),
    "dropout": (60.66, 57.07, 59.13, 83.04),
    "distilbert": (51.55, 50.63, 49.87, 53.87),
}


def identity(name: str, parent: ModelIdentity | None = None) -> ModelIdentity:
    """A model that does not exist."""
    return ModelIdentity(
        name=name,
        source="x",
        weights_sha256=name,
        parent=parent.name if parent else None,
        parent_digest=parent.digest if parent else None,
    )


def estimate(metric: str, value: float | None, part: str = "", *, split: str = "axis", **changes: Any) -> Estimate:
    """One printed score."""
    made = Estimate(
        metric=metric,
        attribute=split if part else "",
        groups=(part,) if part else (),
        value=value,
        interval=None if value is None else Interval(low=value - 5, high=value + 5, level=0.95, method="by hand"),
        p=None,
        p_adjusted=None,
        n=262,
        people=0,
        templates=262,
        missing=0,
        by_group=(),
        reason="" if value is not None else "no item has scores",
    )
    return replace(made, **changes)


def audit_of(kind: str) -> BenchmarkAudit:
    """An audit of that kind, called as the kind is."""
    settings = (("task", "intrasentence"), ("axes", None), ("minimum", 2))
    return BenchmarkAudit(id=kind, kind=kind, limits=(), data="x", sha256=None, settings=settings)


def record(
    sample: ModuleType, kind: str, model: ModelIdentity, estimates: Sequence[Estimate], **changes: Any
) -> AuditRecord:
    """One model's benchmark."""
    audits = [audit_of(kind)]
    made = AuditRecord(
        context=sample.context("study", "The compression study", audits),
        audit=audits[0],
        model=model,
        prompt_format="raw",
        seed=7,
        batch_size=32,
        outcomes=(),
        estimates=tuple(estimates),
        judgements=(),
        facts=(("score", "bias-bench"),),
    )
    return replace(made, **changes)


def evidence_of(sample: ModuleType, records: Sequence[AuditRecord]) -> Evidence:
    """A run of these."""
    return Evidence(
        run=sample.run_info(),
        contexts=(records[0].context,),
        models=tuple(dict.fromkeys(one.model for one in records)),
        audits=tuple(records),
        sha256="",
        file="evidence.json",
    )


def crows(sample: ModuleType, table: Mapping[str, Sequence[float]] = CROWS) -> Evidence:
    """Table 1 as evidence: "int8" is made from "bert-base", the others stand alone."""
    base = identity("bert-base")
    models = {name: identity(name, base if name == "int8" else None) for name in table} | {"bert-base": base}
    return evidence_of(
        sample,
        [
            record(
                sample,
                "crows-pairs",
                models[name],
                [estimate("stereotype_score", value, axis) for axis, value in zip(AXES, values, strict=True)],
            )
            for name, values in table.items()
        ],
    )


def stereoset(sample: ModuleType, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Evidence:
    """Table 4 as evidence, with the mean of the three domains for the score of all."""
    records = []
    for name, (*scores, lms) in STEREOSET.items():
        changed = (changes or {}).get(name, {})
        overall = sum(scores) / 3
        found = [replace(estimate("ss", value, axis), **changed) for axis, value in zip(AXES, scores, strict=True)]
        found += [replace(estimate("ss", overall), **changed), estimate("lms", lms)]
        records.append(record(sample, "stereoset", identity(name), found))
    return evidence_of(sample, records)


def only(evidence: Evidence, baseline: str | None = None) -> StudyTable:
    """The one table."""
    (table,) = study_tables(evidence, baseline=baseline)
    return table


def cells(table: StudyTable, model: str) -> dict[str, Cell]:
    """A model's cells by column."""
    (row,) = [row for row in table.rows if row.model == model]
    return {column.title: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def change(table: StudyTable, model: str) -> dict[str, float | None]:
    """A model's changes by column, to the two decimals that the study prints."""
    return {
        title: None if cell.change is None else round(cell.change, 2) for title, cell in cells(table, model).items()
    }


def test_changes_of_table_1_are_differences_of_the_distances_from_fifty(sample: ModuleType) -> None:
    table = only(crows(sample), baseline="bert-base")
    assert [column.title for column in table.columns][:3] == list(AXES)
    shown = {model: {axis: change(table, model)[axis] for axis in AXES} for model in CROWS if model != "bert-base"}
    # By hand: 12.33 - 12.14 = 0.19; 46.67 is 3.33 away where 62.86 is 12.86 away; and so on.
    assert shown == {
        "int8": {"gender": 0.0, "race": -0.19, "religion": -9.53},
        "cda": {"gender": -1.14, "race": -5.63, "religion": -2.86},
        "bert-large": {"gender": -1.52, "race": -1.94, "religion": 4.76},
    }


def test_changes_of_table_4_are_of_the_distance_for_bias_and_of_the_score_for_the_lm_score(sample: ModuleType) -> None:
    table = only(stereoset(sample), baseline="bert-base")
    assert change(table, "int8")["LM score"] == -2.94
    assert change(table, "int8")["gender"] == -3.29
    assert change(table, "dropout") | {"all": 0} == {
        "gender": 0.38, "race": 0.04, "religion": -0.57, "all": 0, "LM score": -1.13,
    }  # fmt: skip
    # 49.87 lies 0.13 under fifty, and 59.70 lies 9.70 above.
    assert change(table, "distilbert")["religion"] == -9.57


def test_a_child_is_compared_with_its_parent_and_others_with_nothing_unless_a_baseline_is_named(
    sample: ModuleType,
) -> None:
    rows = {row.model: row.baseline for row in only(crows(sample)).rows}
    assert rows == {"bert-base": "", "int8": "bert-base", "cda": "", "bert-large": ""}
    rows = {row.model: row.baseline for row in only(crows(sample), baseline="cda").rows}
    assert rows == {"bert-base": "cda", "int8": "cda", "cda": "", "bert-large": "cda"}


def test_a_baseline_that_this_audit_was_not_put_to_is_named_with_those_that_lack_it(sample: ModuleType) -> None:
    evidence = crows(sample)
    orphaned = replace(evidence, audits=evidence.audits[1:])
    assert [row.absent for row in only(orphaned).rows] == ["bert-base", "", ""]
    assert "int8: no change, because this audit was not put to bert-base" in study_lines(study_tables(orphaned))


def test_a_baseline_that_no_benchmark_was_put_to_is_refused_with_those_there_are(sample: ModuleType) -> None:
    with pytest.raises(
        EvidenceError, match=r"no benchmark of a model 'gpt'; there are bert-base, int8, cda, bert-large"
    ):
        study_tables(crows(sample), baseline="gpt")


def test_evidence_without_a_benchmark_is_refused(sample: ModuleType) -> None:
    with pytest.raises(EvidenceError, match="no benchmark was audited"):
        study_tables(sample.evidence(sample.records()))


def test_tau_c_is_of_the_lm_score_and_the_bias_over_models_and_counts_them(sample: ModuleType) -> None:
    of_score, of_distance = only(stereoset(sample)).associations
    # LM 84.17 83.04 81.23 53.87; the mean of the three: 59.00 58.95 56.16 50.68: no pair the other way round.
    assert of_score.found.tau == pytest.approx(2 * 6 / (16 * 3 / 4))
    assert of_score.found.n == 4
    assert of_score.found.p == pytest.approx(1 / 24)
    assert of_distance.second.startswith("|")
    assert of_distance.found.tau == of_score.found.tau


def test_a_model_that_stands_for_nothing_is_left_out_of_tau_c_and_named(sample: ModuleType) -> None:
    guessing = {"distilbert": {"usable": False, "reason": "LM score 53.9 is near chance (50)"}}
    table = only(stereoset(sample, guessing))
    (first, _) = table.associations
    assert (first.found.n, first.left_out) == (3, ("distilbert",))
    assert not cells(table, "distilbert")["gender"].sound
    text = "\n".join(study_lines([table], width=200))
    assert "[1] LM score 53.9 is near chance (50)" in text
    assert "51.55†[1]" in text
    assert "(3 models; left out: distilbert)" in text


TOO_SURE = "the p takes models for independent, which children of one parent and checkpoints of one training are not"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, False), ({"parent": "base"}, True), ({"point": SweepPoint(model="m", revision="step1")}, True)],
)
def test_a_p_over_models_that_are_related_is_said_to_be_too_sure(
    sample: ModuleType, changes: dict[str, Any], said: bool
) -> None:
    evidence = stereoset(sample)
    *others, last = evidence.audits
    related = replace(evidence, audits=(*others, replace(last, model=replace(last.model, **changes))))
    assert (TOO_SURE in study_lines(study_tables(related), width=200)) == said
    two = replace(related, audits=related.audits[-2:])
    assert TOO_SURE not in study_lines(study_tables(two), width=200)  # no p, and nothing to be too sure of


def test_tau_c_of_two_models_is_said_to_be_undefined(sample: ModuleType) -> None:
    evidence = stereoset(sample)
    two = replace(evidence, audits=evidence.audits[:2])
    text = "\n".join(study_lines(study_tables(two), width=200))
    assert "not defined (2 models; a rank correlation needs at least 3)" in text


def test_a_benchmark_without_a_measured_skill_has_no_tau_c(sample: ModuleType) -> None:
    table = only(crows(sample))
    assert all(one.found.tau is None and len(one.left_out) == 4 for one in table.associations)


def test_a_figure_that_is_not_there_is_a_dash_with_its_reason(sample: ModuleType) -> None:
    evidence = stereoset(sample, {"int8": {"value": None, "interval": None, "reason": "no cluster has scores"}})
    table = only(evidence, baseline="bert-base")
    assert change(table, "int8")["gender"] is None
    assert "[1] no cluster has scores" in study_lines([table])


def test_effect_sizes_stand_by_test_with_stars_and_their_mean_beside(sample: ModuleType) -> None:
    sizes = {"bert-base": (0.931, -0.124, 0.528), "int8": (0.614, -0.496, 0.555)}
    records = []
    for name, (six, seven, mean) in sizes.items():
        found = [
            estimate("effect_size", six, "weat6", split="test", p=0.0004),
            estimate("effect_size", seven, "weat7", split="test", p=0.7),
            estimate("mean_abs_effect", mean),
        ]
        records.append(record(sample, "seat", identity(name), found))
    table = only(evidence_of(sample, records), baseline="bert-base")
    assert [column.title for column in table.columns][:2] == ["weat6", "weat7"]
    shown = cells(table, "int8")
    assert shown["weat6"].change == pytest.approx(0.614 - 0.931)
    assert shown["weat7"].change == pytest.approx(0.496 - 0.124)
    text = "\n".join(study_lines([table]))
    assert "0.614* ↓0.317" in text
    assert "-0.496 ↑0.372" in text


def answers(scores: Sequence[tuple[float, float, float]]) -> tuple[Outcome, ...]:
    """StereoSet clusters of 12 terms in two domains."""
    return tuple(
        item_outcome(
            id=f"c{at}",
            cluster=f"t{at % 12}",
            slots=(("axis", "gender" if at % 12 < 6 else "race"), ("target", f"t{at % 12}")),
            text="three sentences",
            value=more - less,
            scores=(("stereotype", more), ("anti-stereotype", less), ("unrelated", unrelated)),
        )
        for at, (more, less, unrelated) in enumerate(scores)
    )


def measured(sample: ModuleType, model: ModelIdentity, outcomes: tuple[Outcome, ...]) -> AuditRecord:
    """A record with every figure measured from the outcomes."""
    collected = Collected(outcomes=outcomes, asked=len(outcomes), recalled=0)
    found = measure_benchmark(audit_of("stereoset"), collected, metrics=METRICS, seed=0)
    return record(sample, "stereoset", model, found, outcomes=outcomes)


@pytest.fixture(scope="module")
def compressed(sample: ModuleType) -> Evidence:
    """A parent that prefers the stereotype in three of four clusters, and a child that does in half and knows less."""
    base = identity("base")
    parent = answers([(0.9, 0.3, 0.1) if at // 12 % 4 else (0.3, 0.9, 0.1) for at in range(240)])
    child = answers(
        [(0.9, 0.3, 0.1) if at // 12 % 2 else (0.3, 0.9, 0.1 if at // 12 % 4 else 0.95) for at in range(240)]
    )
    return evidence_of(sample, [measured(sample, base, parent), measured(sample, identity("int4", base), child)])


def test_changes_measured_from_answers_have_paired_intervals_around_them(compressed: Evidence) -> None:
    table = only(compressed)
    assert [column.title for column in table.columns] == ["gender", "race", "all", "LM score"]
    for cell in cells(table, "int4").values():
        assert cell.change == pytest.approx(-25.0)
        assert cell.change is not None
        assert cell.change_interval is not None
        assert cell.change_interval.low < cell.change < cell.change_interval.high
    assert all(cell.change is None and cell.change_interval is None for cell in cells(table, "base").values())


def test_of_two_parents_of_the_same_weights_the_one_is_named_that_the_child_was_made_from(
    sample: ModuleType, compressed: Evidence
) -> None:
    base, child = compressed.audits
    twin = replace(base, model=replace(base.model, name="also-base"))
    assert twin.model.digest == base.model.digest
    rows = {row.model: row.baseline for row in only(evidence_of(sample, [twin, base, child])).rows}
    assert rows == {"also-base": "", "base": "", "int4": "base"}


def lacking(outcomes: Sequence[Outcome], count: int, status: Status = "error") -> tuple[Outcome, ...]:
    """With no score for the last of them."""
    unscored = replace(outcomes[0].reading, status=status, value=None, reason="no score")
    return tuple(
        replace(one, reading=unscored, scores=()) if at >= len(outcomes) - count else one
        for at, one in enumerate(outcomes)
    )


def child_of(evidence: Evidence, sample: ModuleType, outcomes: tuple[Outcome, ...], **changes: Any) -> Evidence:
    """The parent as it is, and a child with these outcomes."""
    parent, child = evidence.audits
    return evidence_of(sample, [parent, replace(measured(sample, child.model, outcomes), **changes)])


def test_a_change_is_of_the_items_that_both_models_have_scores_for_with_the_interval_of_just_that(
    compressed: Evidence, sample: ModuleType
) -> None:
    # By hand: every term has 20 clusters; the last of each has no score for the child. Of the other 19 the child prefers the
    # stereotype in 9 and its parent in 14: |9/19 - 1/2| - |14/19 - 1/2|. The parent's own score stays that of all 20.
    table = only(child_of(compressed, sample, lacking(compressed.audits[1].outcomes, 12)))
    assert cells(table, "base")["all"].score == pytest.approx(75.0)
    for name in ("gender", "race", "all"):
        cell = cells(table, "int4")[name]
        assert cell.score == pytest.approx(100 * 9 / 19)
        assert cell.change == pytest.approx(100 * (0.5 / 19 - 4.5 / 19))
        assert cell.change is not None
        assert cell.change_interval is not None
        assert cell.change_interval.low < cell.change < cell.change_interval.high
        assert "scored for both models" in cell.change_reason
    assert "47.37 ↓21.05[1]" in "\n".join(study_lines([table]))


def test_where_too_few_items_are_shared_the_change_has_a_note_and_no_interval(
    compressed: Evidence, sample: ModuleType
) -> None:
    table = only(child_of(compressed, sample, lacking(compressed.audits[1].outcomes, 36, "unparseable")))
    cell = cells(table, "int4")["all"]
    assert cell.sound
    # By hand: of 17 clusters a term the child prefers the stereotype in 8, its parent in 12.
    assert cell.change == pytest.approx(100 * (0.5 / 17 - 3.5 / 17))
    assert cell.change_interval is None
    assert cell.change_reason.startswith("no interval of the change: 204 of 240 items were scored for both models")


def test_models_asked_other_items_have_the_difference_of_their_scores_without_an_interval(
    compressed: Evidence, sample: ModuleType
) -> None:
    table = only(child_of(compressed, sample, compressed.audits[1].outcomes[:-48]))
    cell = cells(table, "int4")["all"]
    assert cell.change == pytest.approx(-25.0)  # half of 16 clusters a term, against 15 of 20
    assert cell.change_interval is None
    assert "[1] no interval of the change: 'base' was not asked the same items" in study_lines([table])


def test_a_change_against_a_model_near_chance_says_so_and_has_no_interval(sample: ModuleType) -> None:
    base = identity("base")
    guessing = answers([(0.9, 0.3, 0.4) if at // 12 % 2 else (0.3, 0.4, 0.9) for at in range(240)])
    able = answers([(0.9, 0.3, 0.1) if at // 12 % 2 else (0.3, 0.9, 0.1) for at in range(240)])
    table = only(
        evidence_of(sample, [measured(sample, base, guessing), measured(sample, identity("int4", base), able)])
    )
    cell = cells(table, "int4")["all"]
    assert cell.sound
    assert cell.change is not None
    assert cell.change_interval is None
    assert cell.change_reason.startswith("no interval of the change: base: ")


def test_evidence_without_answers_has_differences_and_says_why_they_have_no_interval(sample: ModuleType) -> None:
    text = "\n".join(study_lines([only(crows(sample))]))
    assert "no interval of the change: the evidence keeps no answers of both models to pair" in text


DATA = DataFacts(title="StereoSet", source="a.json", url="", licence="", sha256="aa" * 32)


def test_models_asked_items_of_other_data_stand_in_tables_apart_and_are_not_compared(
    compressed: Evidence, sample: ModuleType
) -> None:
    parent, child = compressed.audits
    records = [replace(parent, data=DATA), replace(child, data=replace(DATA, sha256="bb" * 32))]
    tables = study_tables(evidence_of(sample, records))
    assert [[row.model for row in table.rows] for table in tables] == [["base"], ["int4"]]
    assert [dict(table.settings)["data"] for table in tables] == ["sha256 " + "aa" * 32, "sha256 " + "bb" * 32]
    assert all(cell.change is None for cell in cells(tables[1], "int4").values())
    said = "int4: no change, because base was asked items of other data (sha256 bbbbbbbbbbbb here, sha256 aaaaaaaaaaaa there)"
    assert said in study_lines(tables, width=200)


def test_a_baseline_of_the_same_data_is_found_beside_one_of_other_data(
    compressed: Evidence, sample: ModuleType
) -> None:
    parent, child = compressed.audits
    elsewhere = replace(parent, data=replace(DATA, sha256="bb" * 32))
    tables = study_tables(evidence_of(sample, [elsewhere, replace(parent, data=DATA), replace(child, data=DATA)]))
    (row,) = [row for table in tables for row in table.rows if row.model == "int4"]
    assert (row.baseline, row.absent_reason) == ("base", "")
    assert all(cell.change == pytest.approx(-25.0) for cell in row.cells)


def test_models_scored_in_another_way_are_not_compared(compressed: Evidence, sample: ModuleType) -> None:
    parent, child = compressed.audits
    table = only(evidence_of(sample, [parent, replace(child, facts=(("score", "mean"),))]))
    assert all(cell.change is None for cell in cells(table, "int4").values())
    assert table.rows[1].absent_reason == "base was scored in another way (mean here, bias-bench there)"


def test_the_text_has_the_papers_form_and_says_what_its_arrows_mean(compressed: Evidence) -> None:
    lines = study_lines(study_tables(compressed))
    assert lines[0].startswith("StereoSet, study / stereoset: Stereotype score")
    assert lines[1] == "score: bias-bench"
    head = next(line for line in lines if line.startswith("model"))
    assert head.split() == ["model", "gender", "race", "all", "LM", "score"]
    child = lines[next(at for at, line in enumerate(lines) if line.startswith("int4"))]
    assert child.split() == ["int4", "50.00", "↓25.00", "50.00", "↓25.00", "50.00", "↓25.00", "75.00", "↓25.00"]
    text = "\n".join(lines)
    assert "vs base" in text
    assert "change of |score - 50| against the baseline; ↓ is toward no bias" in text
    assert "↑↓ of LM score: change of the score; ↓ is a loss" in text
    assert "95 % interval of the change" in text


def test_a_table_wider_than_the_terminal_goes_on_in_blocks_that_name_the_models_again(sample: ModuleType) -> None:
    found = [estimate("effect_size", 0.1 * at, f"sentence-test-{at}", split="test") for at in range(17)]
    evidence = evidence_of(sample, [record(sample, "seat", identity("base"), found)])
    lines = study_lines(study_tables(evidence), width=80)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("model") for line in lines) >= 3
    joined = " ".join(lines)
    assert all(f"sentence-test-{at} " in joined + " " for at in range(17))


def test_a_terminal_of_ascii_gets_no_other_character(compressed: Evidence) -> None:
    text = "\n".join(study_lines(study_tables(compressed), unicode=False))
    assert text.isascii()
    assert "50.00 v25.00" in text


@pytest.mark.parametrize(("value", "text"), [(0.0, "=0.00"), (-0.004, "=0.00"), (3.287, "↑3.29"), (-9.53, "↓9.53")])
def test_a_change_is_written_as_an_arrow_and_its_size(value: float, text: str) -> None:
    assert change_text(value, 2) == text


def test_the_command_prints_the_tables_of_an_evidence_file(
    sample: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_evidence(tmp_path / "evidence.json", sample.plain(sample.benchmark_records()))
    assert main(["tables", str(tmp_path / "evidence.json")]) == 0
    assert "CrowS-Pairs" in capsys.readouterr().out


def test_the_command_says_what_it_lacks(sample: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_evidence(tmp_path / "evidence.json", sample.plain(sample.records()))
    assert main(["tables", str(tmp_path / "evidence.json")]) == 2
    assert "evidence.json: no benchmark was audited" in capsys.readouterr().err
