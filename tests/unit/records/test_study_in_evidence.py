"""A study of levers in the evidence: there and back, drawn again from the file, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.study.levers import lever_rows, unit_rows
from pytest_biasaudit.mitigation.study.plan import Intervention
from pytest_biasaudit.mitigation.study.regression import regressions
from pytest_biasaudit.mitigation.study.result import StudyResult
from pytest_biasaudit.records.evidence import assemble, read_evidence, write_evidence
from pytest_biasaudit.records.provenance import run_info
from pytest_biasaudit.records.study import study_from_plain, study_to_plain
from pytest_biasaudit.report.lever_rows import grids
from pytest_biasaudit.report.lever_table import render_levers
from pytest_biasaudit.settings import Settings
from pytest_biasaudit.studying import study
from tests.levers_study_page import main as write_page
from tests.word_workshop import Words, WordWorkshop, a_plan, write_tables


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    folder = tmp_path_factory.mktemp("study")
    write_tables(folder)
    plan = a_plan(folder)
    rates = tuple(
        Intervention(method="target-rate", settings=(("label", "miller"), ("rate", rate))) for rate in (0.0, 1)
    )
    workshop = WordWorkshop(upstream_scores={"baker": -0.2, "miller": 0.3, "weaver": 0.1, "dyer": -0.1})
    given = a_plan(folder, data=(*plan.data, *rates))
    return study(given, Words(), settings=Settings(root=folder), workshop=workshop)


def evidence_of(*results: StudyResult) -> dict[str, Any]:
    return assemble([], [], [one.model for one in results], run=run_info(seed=0), study=map(study_to_plain, results))


def test_a_study_comes_back_as_it_was(result: StudyResult, tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.json", evidence_of(result, result))
    back = read_evidence(tmp_path / "e.json")
    assert back.study == (result,), "the same study, reported twice, stands once"
    assert render_levers(back.study, width=130, unicode=True) == render_levers([result], width=130, unicode=True)


def test_every_row_can_be_computed_again_from_the_cells(result: StudyResult) -> None:
    plain = json.loads(json.dumps(study_to_plain(result)))
    back = study_from_plain(plain, model=result.model)
    assert lever_rows(back.cells, level=back.level, majority=back.majority) == back.levers
    assert unit_rows(back.cells, level=back.level) == back.units
    assert regressions(back.cells, level=back.level) == back.regressions


def test_a_file_of_before_studies_of_levers_has_none(result: StudyResult, tmp_path: Path) -> None:
    older = evidence_of(result)
    del older["study"]
    older["models"] = []
    (tmp_path / "old.json").write_text(json.dumps(older), encoding="utf-8")
    assert read_evidence(tmp_path / "old.json").study == ()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("cells", 0, "data"), "wind", "/study/0/cells/0/data: the study has no lever 'wind'"),
        (("cells", 1, "seed"), 99, "/study/0/cells/1/seed: the study has no seed 99"),
        (("levers", 2, "upstream"), "wind", "/study/0/levers/2/upstream: the study has no lever"),
        (("model",), "other", "/study/0/model: 'other'"),
        (("levers", 0, "helped"), "maybe", "/study/0/levers/0/helped"),
        (("majority",), 2.0, "/study/0/majority"),
    ],
)
def test_what_does_not_fit_is_refused(
    result: StudyResult, tmp_path: Path, path: tuple[str | int, ...], value: object, said: str
) -> None:
    evidence = json.loads(json.dumps(evidence_of(result)))
    place: Any = evidence["study"][0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (tmp_path / "e.json").write_text(json.dumps(evidence), encoding="utf-8")
    with pytest.raises(EvidenceError) as caught:
        read_evidence(tmp_path / "e.json")
    assert said in str(caught.value)


def test_tables_are_drawn_with_words_for_what_is_missing(result: StudyResult) -> None:
    helped, labels, swept, explained = grids(result)
    assert [row[0].text for row in helped.rows] == ["none"] * 5 + ["noise sigma=0.5"] * 5
    assert helped.rows[0][-1].text == "-"
    assert {row[-1].text for row in helped.rows[1:]} <= {"helped", "hurt", "cannot tell"}
    assert [row[0].text for row in labels.rows] == ["baker", "weaver", "dyer", "miller"], "by share of the group"
    assert [row[2].text for row in swept.rows] == ["0.00", "1.00"] * 2
    assert len(explained.rows) == 4
    lines = render_levers([result], width=80, unicode=False)
    assert all(line.isascii() for line in lines)
    assert max(map(len, lines)) <= 80
    assert any("Published studies" in line for line in lines)


def test_the_page_of_the_documentation_is_drawn_from_evidence(result: StudyResult, tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.json", evidence_of(result))
    page = tmp_path / "page.md"
    write_page([str(tmp_path / "e.json"), "--page", str(page)])
    first = page.read_text(encoding="utf-8")
    page.write_text(first.replace("planted share", "known share"), encoding="utf-8")
    write_page([str(tmp_path / "e.json"), "--page", str(page)])
    again = page.read_text(encoding="utf-8")
    assert "known share" in again, "what stands outside the marks is kept"
    assert again.replace("known share", "planted share") == first
    assert "| none | down-sample |" in again
