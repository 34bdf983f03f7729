"""Evidence and report of a run: written when asked for, and never missing in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_biasaudit.records.evidence import read_evidence

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


def test_evidence_and_report_are_written_and_their_places_told(project: Project) -> None:
    result = project.run("--biasaudit-json=out/evidence.json", "--biasaudit-html=out/report.html")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["report: *out/report.html", "evidence: *out/evidence.json"])
    evidence = read_evidence(project.folder / "out" / "evidence.json")
    assert [audit.audit.id for audit in evidence.audits] == ["quotes"]
    page = (project.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "Quotes for bicycle repairs" in page


def test_evidence_tells_how_the_run_was_made(project: Project) -> None:
    evidence = project.audited("--biasaudit-seed=3", "--biasaudit-inconclusive=skip")
    run = evidence["run"]
    assert (run["seed"], run["observe"], run["inconclusive"]) == (3, False, "skip")
    assert "--biasaudit-seed=3" in run["command"]
    audit = evidence["audits"][0]
    assert len(audit["outcomes"]) == audit["asked"] == 2 * 8 * 6
    assert {outcome["groups"]["region"] for outcome in audit["outcomes"]} == {"north", "south"}


def test_files_start_where_pytest_was_called_and_the_cache_at_the_root(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("pytest.ini", "[pytest]\n")
    below = project.folder / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    project.run("..", "--biasaudit-json=evidence.json").assert_outcomes(passed=2)
    assert (below / "evidence.json").exists()
    assert (project.folder / ".biasaudit" / "journal.sqlite").exists()


@pytest.mark.parametrize("option", ["--biasaudit-json=evidence.json", "--biasaudit-html=report.html"])
def test_asked_for_and_nothing_audited_fails_and_says_so(project: Project, option: str) -> None:
    project.write("test_plain.py", "def test_plain(): pass\n")
    result = project.run("test_plain.py", option)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["error: no audit was run*"])


def test_an_ini_file_asks_for_a_report_only_where_something_is_audited(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nbiasaudit_json = evidence.json\n")
    project.write("test_plain.py", "def test_plain(): pass\n")
    result = project.run("test_plain.py")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*= bias audits =*")
    project.run("-k", "plain").assert_outcomes(passed=1, deselected=2)
    assert not (project.folder / "evidence.json").exists()
    project.run().assert_outcomes(passed=3)
    assert len(project.evidence()["audits"]) == 1


def test_collecting_only_writes_nothing_and_fails_nothing(project: Project) -> None:
    result = project.run("--collect-only", "--biasaudit-json=evidence.json")
    assert result.ret == pytest.ExitCode.OK
    assert not (project.folder / "evidence.json").exists()


@pytest.mark.parametrize("option", ["--biasaudit-json=in_the_way/file", "--biasaudit-html=in_the_way/file"])
def test_a_place_that_cannot_be_written_is_an_error_of_the_run(project: Project, option: str) -> None:
    project.write("in_the_way", "")
    result = project.run(option)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["error: evidence or report not written: *in_the_way*"])


def test_old_evidence_is_replaced(project: Project) -> None:
    project.write("evidence.json", "{}")
    assert project.audited()["schema"] == 1


def test_audits_of_several_files_and_models_stand_in_one_evidence_file(project: Project) -> None:
    project.context(('id = "repairs"', 'id = "sales"'), name="sales.bias.toml")
    project.models(fair="scripted:fair", biased="scripted:biased")
    evidence = project.audited()
    assert sorted((audit["context"], audit["model"]) for audit in evidence["audits"]) == [
        ("repairs", "biased"),
        ("repairs", "fair"),
        ("sales", "biased"),
        ("sales", "fair"),
    ]
    assert [context["id"] for context in evidence["contexts"]] == ["repairs", "sales"]


def test_what_a_test_run_says_of_the_journal_is_a_note_at_the_end(project: Project) -> None:
    project.write(".biasaudit/journal.sqlite", "this is no database, and longer than a header of one hundred bytes" * 3)
    result = project.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["note: the answer journal * could not be trusted*"])
