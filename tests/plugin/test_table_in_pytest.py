"""A context whose prompts stand in a table: asked, judged, kept and shown like any other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_biasaudit.context.declaration import CounterfactualAudit
from pytest_biasaudit.records.evidence import read_evidence
from tests.audit_tables import as_csv, rows

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

MODEL = """
from pytest_biasaudit import ScriptedModel


def answer(question):
    paid_less = any(name in question.text for name in ("Oak", "Pine", "Rowan"))
    return str(40 + len(question.text) % 7 - 20 * paid_less)


def backend(spec):
    return ScriptedModel(answer, name=spec.name, digest="table")


def pytest_biasaudit_models():
    return {"scripted": backend}
"""


@pytest.fixture
def with_table(project: Project) -> Project:
    project.write("conftest.py", MODEL)
    project.write("audit.csv", as_csv(rows()))
    project.context(
        ('prompt = "What should {person} pay for {repair}?"\n', ""),
        ("[audit.slots]\nrepair = [", '[audit.table]\nfile = "audit.csv"\nscenario = "sale"\n#'),
        (
            'attribute = "region"\nsource = "people.csv"\ngroups = ["north", "south"]\nper_group = 8',
            'attribute = "race"',
        ),
        ('attribute = "region"\nmetric', 'attribute = "race"\nmetric'),
        ('favourable = "lower"', 'favourable = "higher"'),
    )
    return project


def test_the_prompts_of_a_table_are_asked_and_judged(with_table: Project) -> None:
    result = with_table.run("--biasaudit-json=evidence.json", "--biasaudit-html=report.html")
    result.assert_outcomes(passed=1, failed=1)  # the gap is found, and all was answered
    evidence = with_table.evidence()
    audit = evidence["audits"][0]
    assert audit["asked"] == len(audit["outcomes"]) == 4 * 12
    assert {one["template"] for one in audit["outcomes"]} == {
        "sale/lamp/low", "sale/lamp/numeric", "sale/desk/low", "sale/desk/numeric",
    }  # fmt: skip
    assert audit["outcomes"][0]["slots"] == {"scenario": "sale", "variation": "lamp", "context_level": "low"}
    assert "What should Adam Alder be paid for a lamp?" in str(audit["prompts"])
    gap = with_table.estimate(evidence, "fair", "mean_difference")
    assert gap is not None
    assert -26 <= gap <= -14  # 20 less, and the lengths of the texts, which give 0 to 6


def test_the_evidence_names_the_table_by_its_digest_and_reads_back(with_table: Project) -> None:
    with_table.run("--biasaudit-json=evidence.json", "--biasaudit-html=report.html")
    digest = hashlib.sha256((with_table.folder / "audit.csv").read_bytes()).hexdigest()
    record = read_evidence(with_table.folder / "evidence.json").audits[0]
    assert record.data is not None
    assert (record.data.source, record.data.sha256) == ("audit.csv", digest)
    assert isinstance(record.audit, CounterfactualAudit)
    assert record.audit.table is not None
    assert record.audit.table.sha256 == digest
    page = (with_table.folder / "report.html").read_text(encoding="utf-8")
    assert digest in page
    assert "4 templates of audit.csv" in page


def test_a_faulty_table_fails_the_collection_with_its_line(with_table: Project) -> None:
    table = rows()
    table[10]["name_group"] = "blak_women"
    with_table.write("audit.csv", as_csv(table))
    result = with_table.run()
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*audit.csv*line 12: name_group 'blak_women' is unknown (did you mean 'black_women'?)*"]
    )


def test_a_changed_table_is_asked_again_and_the_same_one_is_not(with_table: Project) -> None:
    assert with_table.audited()["audits"][0]["asked"] == 48
    assert with_table.audited()["audits"][0]["asked"] == 0
    with_table.write("audit.csv", as_csv(rows(pronouns=True)))
    assert with_table.audited()["audits"][0]["asked"] == 48
