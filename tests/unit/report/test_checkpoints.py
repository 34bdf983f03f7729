"""Tables of checkpoints: the compression study's own tables 2, 3, 5 and 6 come out of points with its printed scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.checkpoint_text import checkpoint_lines
from pytest_biasaudit.report.checkpoints import CheckpointTable, Chosen, checkpoint_tables, steps_of
from pytest_biasaudit.report.pareto import pareto_panels
from pytest_biasaudit.report.study_section import study_parts
from pytest_biasaudit.stats.interval import Interval

AXES = ("gender", "race", "religion")
Scores = tuple[float, float, float, float]
"""LM score, then the stereotype scores of the three axes."""
PYTHIA: dict[str, dict[tuple[str, int], Scores]] = {
    # The study's tables 2, 3, 5 and 6: two steps of each size, uncompressed and int8.
    "70m": {
        ("", 21000): (89.2, 59.8, 58.4, 58.6),
        ("int8", 21000): (87.7, 55.4, 56.8, 58.8),
        ("", 29000): (88.4, 58.9, 55.4, 58.0),
        ("int8", 29000): (87.7, 57.5, 54.8, 58.0),
    },
    "410m": {
        ("", 114000): (91.6, 65.2, 60.7, 64.5),
        ("int8", 114000): (88.7, 63.3, 57.8, 60.9),
        ("", 50000): (91.5, 67.2, 60.5, 63.3),
        ("int8", 50000): (90.5, 64.2, 58.4, 63.6),
    },
}


def estimate(metric: str, value: float | None, part: str = "", **changes: Any) -> Estimate:
    """One printed score."""
    interval = None if value is None else Interval(low=value - 3, high=value + 3, level=0.95, method="by hand")
    made = Estimate(
        metric=metric, attribute="axis" if part else "", groups=(part,) if part else (), value=value, interval=interval,
        p=None, p_adjusted=None, n=255, people=0, templates=255, missing=0, by_group=(), reason="",
    )  # fmt: skip
    return replace(made, **changes)


def identity(name: str, point: SweepPoint | None, parent: ModelIdentity | None = None) -> ModelIdentity:
    """A model that does not exist."""
    return ModelIdentity(
        name=name,
        source="x",
        weights_sha256=name,
        parent=parent.name if parent else None,
        parent_digest=parent.digest if parent else None,
        point=point,
    )


def record(
    sample: ModuleType, model: ModelIdentity, estimates: Sequence[Estimate], kind: str = "stereoset"
) -> AuditRecord:
    """One model's benchmark."""
    settings = (("task", "intrasentence"), ("axes", None), ("minimum", 2))
    audit = BenchmarkAudit(id=kind, kind=kind, limits=(), data="x", sha256=None, settings=settings)
    return AuditRecord(
        context=sample.context("study", "The compression study", [audit]), audit=audit, model=model, prompt_format="raw",
        seed=7, batch_size=32, outcomes=(), estimates=tuple(estimates), judgements=(), facts=(),
    )  # fmt: skip


def evidence_of(sample: ModuleType, records: Sequence[AuditRecord]) -> Evidence:
    """A run of these, models in order of name as evidence keeps them."""
    models = sorted({one.model.name: one.model for one in records}.items())
    return Evidence(
        run=sample.run_info(), contexts=(records[0].context,), models=tuple(one for _, one in models),
        audits=tuple(records), sha256="", file="evidence.json",
    )  # fmt: skip


def scored(sample: ModuleType, model: ModelIdentity, scores: Scores, **changes: Any) -> AuditRecord:
    """A point with these scores; `changes` are those of its LM score."""
    skill, *biases = scores
    found = [estimate("ss", value, axis) for axis, value in zip(AXES, biases, strict=True)]
    found.append(estimate("ss", sum(biases) / 3))
    return record(sample, model, [*found, estimate("lms", skill, **changes)])


def swept(sample: ModuleType, sizes: dict[str, dict[tuple[str, int], Scores]] = PYTHIA) -> Evidence:
    """Points with these scores, as a sweep over models, then steps, then recipes leaves them."""
    records, place = [], 0
    for size, points in sizes.items():
        parents: dict[int, ModelIdentity] = {}
        for recipe, step in sorted(points, key=lambda one: (one[1], one[0])):
            point = SweepPoint(model=size, revision=f"step{step}", recipe=recipe, place=place)
            place += 1
            name = f"{size}@step{step}" + (f"+{recipe}" if recipe else "")
            model = identity(name, point, parents.get(step) if recipe else None)
            if not recipe:
                parents[step] = model
            records.append(scored(sample, model, points[recipe, step]))
    return evidence_of(sample, records)


def only(evidence: Evidence) -> CheckpointTable:
    (table,) = checkpoint_tables(evidence)
    return table


def figures(row: Chosen) -> list[float | None]:
    """LM score first, as the study prints it."""
    *axes, _all, skill = [cell.score for cell in row.cells]
    return [skill, *axes]


@pytest.mark.parametrize(
    ("size", "recipe", "at", "step", "printed"),
    [
        ("410m", "uncompressed", "its best", 114000, (91.6, 65.2, 60.7, 64.5)),
        ("410m", "int8", "its best", 50000, (90.5, 64.2, 58.4, 63.6)),
        ("410m", "int8", "best of uncompressed", 114000, (88.7, 63.3, 57.8, 60.9)),
        ("410m", "uncompressed", "best of int8", 50000, (91.5, 67.2, 60.5, 63.3)),
        ("70m", "uncompressed", "its best", 21000, (89.2, 59.8, 58.4, 58.6)),
    ],
)
def test_the_studys_tables_come_out_of_its_points(
    sample: ModuleType, size: str, recipe: str, at: str, step: int, printed: Scores
) -> None:
    rows = {(row.model, row.recipe, row.at): row for row in only(swept(sample)).rows}
    row = rows[size, recipe, at]
    assert row.revision == f"step{step}"
    assert figures(row) == list(printed)


def test_of_equal_steps_the_first_is_called_the_best_and_their_number_is_said(sample: ModuleType) -> None:
    # int8 of 70M has LM score 87.7 at both steps, to the digit that is printed; the study's table has the later.
    rows = [row for row in only(swept(sample)).rows if row.model == "70m"]
    assert [(row.recipe, row.at, row.revision) for row in rows] == [
        ("uncompressed", "its best", "step21000"),
        ("int8", "best of both (1st of 2 equal)", "step21000"),
    ]


def test_a_childs_change_is_against_the_uncompressed_model_of_the_same_step(sample: ModuleType) -> None:
    rows = {(row.recipe, row.at): row for row in only(swept(sample)).rows if row.model == "410m"}
    changes = [cell.change for cell in rows["int8", "its best"].cells]
    # By hand: |64.2 - 50| - |67.2 - 50| and so on, at 50K; the LM score itself.
    assert changes == pytest.approx([-3.0, -2.1, 0.3, -1.6, -1.0])
    assert all(cell.change is None for cell in rows["uncompressed", "best of int8"].cells)


@pytest.mark.parametrize(
    ("revisions", "steps"),
    [
        (("step1000", "step7", "step30"), [7, 30, 1000]),
        (("v2-step30", "v2-step4"), [4, 30]),
        (("stage1-step1000-tokens4B", "stage1-step9000-tokens38B"), [4, 38]),
        # A last number that falls where the others rise is no step of one training.
        (("phase1-100", "phase2-50"), []),
        (("v1.1", "v1.2", "v2.0"), []),
        (("step100", "step0100"), []),
        # Names of other forms: a branch among steps, digests of commits.
        (("step1000", "main"), []),
        (("main", "base"), []),
        (("3f2a9c1", "a07bd4e"), []),
    ],
)
def test_steps_are_the_last_numbers_where_the_names_give_an_order(revisions: Sequence[str], steps: list[int]) -> None:
    assert list(steps_of(revisions).values()) == steps


def test_checkpoints_stand_in_the_order_of_their_steps(sample: ModuleType) -> None:
    scores = {("", step): (80.0 + step / 1000, 60.0, 60.0, 60.0) for step in (9000, 10000, 2000)}
    (series,) = only(swept(sample, {"m": scores})).series
    assert [one.step for one in series.checkpoints] == [2000, 9000, 10000]


def renamed(evidence: Evidence, revisions: dict[str, str]) -> Evidence:
    """The same points under other revisions."""
    audits = []
    for one in evidence.audits:
        assert one.model.point is not None
        point = replace(one.model.point, revision=revisions[one.model.point.revision or ""])
        audits.append(replace(one, model=replace(one.model, point=point)))
    return replace(evidence, audits=tuple(audits))


def test_checkpoints_named_by_commits_stay_as_they_are_declared(sample: ModuleType) -> None:
    scores = {("", step): (80.0 + step, 60.0, 60.0, 60.0) for step in (1, 2)}
    evidence = renamed(swept(sample, {"m": scores}), {"step1": "9f2a9c81", "step2": "a07bd4e2"})
    (series,) = only(evidence).series
    assert [(one.revision, one.step) for one in series.checkpoints] == [("9f2a9c81", None), ("a07bd4e2", None)]


def test_tau_c_is_that_of_skill_and_bias_over_the_steps_of_one_series(sample: ModuleType) -> None:
    # Skill rises with each of five steps; gender rises with it, race falls, religion stays.
    steps = {("", at): (80.0 + at, 55.0 + at, 60.0 - at, 58.0) for at in range(1, 6)}
    found = {(one.column, one.of): one.found for one in only(swept(sample, {"m": steps})).trends}
    assert found["gender", "score"].tau == pytest.approx(1.0)
    assert found["gender", "score"].p == pytest.approx(1 / 120)  # one order of 5! is as high
    assert found["race", "score"].tau == pytest.approx(-1.0)
    assert found["race", "distance from 50"].tau == pytest.approx(-1.0)
    assert found["religion", "score"].tau is None
    assert "same" in found["religion", "score"].reason


def test_a_score_below_the_ideal_is_further_away_when_it_falls(sample: ModuleType) -> None:
    steps = {("", at): (80.0 + at, 45.0 - at, 60.0, 60.0) for at in range(1, 6)}
    found = {(one.column, one.of): one.found.tau for one in only(swept(sample, {"m": steps})).trends}
    assert (found["gender", "score"], found["gender", "distance from 50"]) == pytest.approx((-1.0, 1.0))


def test_a_skill_that_stands_for_nothing_makes_no_best_step_and_is_left_out_of_tau(sample: ModuleType) -> None:
    evidence = swept(sample, {"m": {("", at): (80.0 + at, 55.0 + at, 60.0, 60.0) for at in range(1, 6)}})
    last = evidence.audits[-1]
    unsound = [replace(one, usable=False, reason="too few") if one.metric == "lms" else one for one in last.estimates]
    table = only(replace(evidence, audits=(*evidence.audits[:-1], replace(last, estimates=tuple(unsound)))))
    assert table.rows[0].revision == "step4"
    assert {one.left_out for one in table.trends} == {("step5",)}
    assert {one.found.n for one in table.trends} == {4}


def test_a_step_that_was_not_audited_is_said_to_be_missing(sample: ModuleType) -> None:
    evidence = swept(sample, {"410m": PYTHIA["410m"]})
    kept = tuple(one for one in evidence.audits if one.model.name != "410m@step114000+int8")
    rows = {(row.recipe, row.at): row for row in only(replace(evidence, audits=kept)).rows}
    assert rows["int8", "best of uncompressed"].cells == ()
    assert rows["int8", "best of uncompressed"].absent == "step114000 was not audited"
    text = "\n".join(checkpoint_lines(checkpoint_tables(replace(evidence, audits=kept)), width=120))
    assert "] step114000 was not audited" in text


def test_a_step_that_one_series_lacks_is_said_beside_the_best(sample: ModuleType) -> None:
    evidence = swept(sample, {"410m": PYTHIA["410m"]})
    kept = replace(evidence, audits=tuple(one for one in evidence.audits if one.model.name != "410m@step50000+int8"))
    assert only(kept).notes == (
        "1 or more points of the sweep were not audited, and what is best here is so without them",
        "410m int8: not audited at step50000; its best step is of the others",
    )
    assert "not audited at step50000" in " ".join(checkpoint_lines(checkpoint_tables(kept), width=120))
    (part,) = study_parts(kept)
    assert "410m int8: not audited at step50000; its best step is of the others." in part.grids[0].notes


def test_a_checkpoint_that_nothing_of_was_audited_is_missed_by_its_place(sample: ModuleType) -> None:
    evidence = swept(
        sample, {"m": {(recipe, at): (80.0, 55.0, 60.0, 60.0) for recipe in ("", "int8") for at in (1, 2, 3)}}
    )
    assert only(evidence).notes == ()
    kept = tuple(one for one in evidence.audits if "@step2" not in one.model.name)
    assert [note.split(" were")[0] for note in only(replace(evidence, audits=kept)).notes] == [
        "2 or more points of the sweep"
    ]


def test_one_model_under_two_revisions_is_one_checkpoint_and_is_said(sample: ModuleType) -> None:
    evidence = swept(sample, {"m": {("", at): (80.0 + at, 55.0 + at, 60.0, 60.0) for at in range(1, 5)}})
    *others, last = evidence.audits
    again = replace(last.model, name="m@step5", point=SweepPoint(model="m", revision="step5", place=4))
    table = only(replace(evidence, audits=(*others, last, replace(last, model=again))))
    assert [(row.at, row.revision) for row in table.rows] == [("its best", "step4")]
    assert {(one.found.n, one.left_out) for one in table.trends} == {(4, ("step5",))}
    assert table.notes == ("m uncompressed: step5 is the same model as step4, weight by weight, and counts once",)


def test_models_whose_weights_have_no_digest_are_not_taken_for_one(sample: ModuleType) -> None:
    evidence = swept(sample, {"m": {("", at): (80.0 + at, 55.0, 60.0, 60.0) for at in range(1, 4)}})
    audits = [replace(one, model=replace(one.model, weights_sha256="")) for one in evidence.audits]
    assert len({one.model.digest for one in audits}) == 1
    assert only(replace(evidence, audits=tuple(audits))).notes == ()


def test_figures_that_differ_by_rounding_alone_are_equal(sample: ModuleType) -> None:
    # 100 / 3 and 200 / 3 are as far from 50; computed, they differ in the last bit.
    assert abs(100 / 3 - 50) != abs(200 / 3 - 50)
    third = {("", 1): (80.0, 100 / 3, 60.0, 60.0), ("", 2): (80.0 + 1e-13, 200 / 3, 60.0, 60.0)}
    table = only(swept(sample, {"m": {**third, ("", 3): (70.0, 60.0, 60.0, 60.0)}}))
    assert (table.rows[0].revision, table.rows[0].at) == ("step1", "its best (1st of 2 equal)")
    panel = pareto_panels(table)[0]
    assert {point.skill for point in panel.points} == {80.0, 70.0}
    assert len({point.distance for point in panel.points}) == 2


def test_a_child_without_changes_says_why(sample: ModuleType) -> None:
    evidence = swept(sample, {"410m": PYTHIA["410m"]})
    kept = replace(evidence, audits=tuple(one for one in evidence.audits if one.model.name != "410m@step50000"))
    text = " ".join(checkpoint_lines(checkpoint_tables(kept), width=200))
    assert "410m int8, step50000: no change, because this audit was not put to 410m@step50000" in text


def test_changes_without_answers_to_pair_are_marked(sample: ModuleType) -> None:
    text = "\n".join(checkpoint_lines(checkpoint_tables(swept(sample)), width=200))
    assert "no interval of the change: the evidence keeps no answers of both models to pair" in text


def test_where_no_step_is_the_best_the_reason_is_said(sample: ModuleType) -> None:
    evidence = swept(sample, {"m": {("", at): (80.0 + at, 55.0, 60.0, 60.0) for at in (1, 2)}})
    audits = []
    for one in evidence.audits:
        found = [replace(e, usable=False, reason="too few items") if e.metric == "lms" else e for e in one.estimates]
        audits.append(replace(one, estimates=tuple(found)))
    (row,) = only(replace(evidence, audits=tuple(audits))).rows
    assert row.absent == "no checkpoint has a sound LM score: too few items"


def test_models_of_no_sweep_are_in_no_table_of_checkpoints(sample: ModuleType) -> None:
    assert checkpoint_tables(sample.evidence(sample.benchmark_records())) == ()


def test_a_sweep_without_revisions_has_series_and_no_rows(sample: ModuleType) -> None:
    base = identity("m", SweepPoint(model="m"))
    child = identity("m+int8", SweepPoint(model="m", recipe="int8", place=1), base)
    table = only(evidence_of(sample, [scored(sample, base, (90, 60, 60, 60)), scored(sample, child, (89, 55, 55, 55))]))
    assert [(one.model, one.recipe, len(one.checkpoints)) for one in table.series] == [
        ("m", "uncompressed", 1),
        ("m", "int8", 1),
    ]
    assert not table.has_steps
    assert table.rows == ()
    assert table.trends == ()
    assert checkpoint_lines([table]) == []


def test_a_benchmark_without_a_skill_has_no_best_step_and_says_so(
    sample: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    unable = {name: metric for name, metric in METRICS.items() if not metric.utility}
    monkeypatch.setattr("pytest_biasaudit.report.study_columns.METRICS", unable)
    records = []
    for at, step in enumerate((1, 2)):
        model = identity(f"m@{step}", SweepPoint(model="m", revision=str(step), place=at))
        found = [estimate("effect_size", 0.5, "weat6", attribute="test"), estimate("mean_abs_effect", 0.5)]
        records.append(record(sample, model, found, kind="seat"))
    table = only(evidence_of(sample, records))
    assert table.skill is None
    assert "no best step: the benchmark has no figure of how able the model is" in checkpoint_lines([table])


def test_the_text_names_model_recipe_and_step_in_every_block_and_fits(sample: ModuleType) -> None:
    lines = checkpoint_lines(checkpoint_tables(swept(sample)), width=80)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("410m int8") for line in lines) >= 4  # two rows in two blocks
    assert any(line.startswith("best of int8: step50000") for line in lines)


def test_a_terminal_of_ascii_gets_no_other_character(sample: ModuleType) -> None:
    assert "\n".join(checkpoint_lines(checkpoint_tables(swept(sample)), unicode=False)).isascii()
