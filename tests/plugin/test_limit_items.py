"""Limits as test items: their ids, how pytest's own options pick them, and what other reporters see of them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

FAIR = ["repairs.bias.toml::quotes[fair]::gap", "repairs.bias.toml::quotes[fair]::answers"]
BIASED = ["repairs.bias.toml::quotes[biased]::gap", "repairs.bias.toml::quotes[biased]::answers"]


def collected(project: Project, *args: str) -> list[str]:
    """Ids of the items that would run."""
    return [line for line in project.run("--collect-only", "-q", *args).outlines if "::" in line]


@pytest.fixture
def two_models(project: Project) -> Project:
    project.models(fair="scripted:fair", biased="scripted:biased")
    return project


def test_an_item_is_named_by_file_audit_model_and_limit(two_models: Project) -> None:
    assert collected(two_models) == FAIR + BIASED


@pytest.mark.parametrize(
    ("picked", "expected"),
    [
        (["-k", "gap"], [FAIR[0], BIASED[0]]),
        (["-k", "quotes and biased"], BIASED),
        (["-m", "biasaudit"], FAIR + BIASED),
        (["-m", "not biasaudit"], []),
        (["--biasaudit-model=biased"], BIASED),
        (["--biasaudit-model=biased", "--biasaudit-model=fair"], BIASED + FAIR),
        ([FAIR[1]], [FAIR[1]]),
        (["repairs.bias.toml::quotes"], FAIR + BIASED),
        (["repairs.bias.toml"], FAIR + BIASED),
    ],
)
def test_items_are_picked_like_any_other(two_models: Project, picked: list[str], expected: list[str]) -> None:
    assert collected(two_models, *picked) == expected


def test_last_failed_runs_only_what_failed(two_models: Project) -> None:
    two_models.run().assert_outcomes(passed=3, failed=1)
    two_models.run("--lf").assert_outcomes(failed=1)
    two_models.models(fair="scripted:fair", biased="scripted:fair")
    two_models.run("--lf").assert_outcomes(passed=1)
    two_models.run("--lf").assert_outcomes(passed=4)


def test_the_id_that_is_printed_can_be_typed(two_models: Project) -> None:
    result = two_models.run("-rA", "-v")
    for line in [f"FAILED {BIASED[0]} - *", f"PASSED {FAIR[0]}", f"{BIASED[1]} PASSED*"]:
        result.stdout.fnmatch_lines([line.replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*::gap]*")


def test_all_limits_of_a_model_are_asked_before_the_next_is_loaded(two_models: Project) -> None:
    two_models.context(('id = "repairs"', 'id = "sales"'), name="sales.bias.toml")
    models = [line.partition("[")[2].partition("]")[0] for line in collected(two_models)]
    assert models == ["fair"] * 4 + ["biased"] * 4


def test_collecting_loads_no_model_and_leaves_nothing_behind(project: Project) -> None:
    project.write(
        "conftest.py",
        "import atexit, sys\n"
        "HEAVY = {'torch', 'transformers', 'numpy', 'scipy', 'matplotlib', 'jinja2', 'rich', 'jsonschema'}\n"
        "atexit.register(lambda: print('LOADED', sorted(HEAVY & set(sys.modules))))\n"
        "def loaded(spec):\n    raise RuntimeError('a model was loaded')\n"
        "def pytest_biasaudit_models():\n    return {'scripted': loaded}\n",
    )
    result = project.run_apart("--collect-only", "-q", "-p", "no:cacheprovider")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["2 tests collected*", "*LOADED [[]]"])
    assert not (project.folder / ".biasaudit").exists()


def test_junitxml_holds_verdict_and_estimate_as_properties(two_models: Project) -> None:
    two_models.models(fair="scripted:fair", biased="scripted:biased", nobody="scripted:refusing")
    two_models.run("--junitxml=junit.xml", "--biasaudit-json=evidence.json")
    cases = {
        f"{case.get('classname')}::{case.get('name')}": {
            prop.attrib["name"]: prop.attrib["value"] for prop in case.iter("property")
        }
        for case in ElementTree.parse(two_models.folder / "junit.xml").iter("testcase")
    }
    assert set(FAIR + BIASED) < set(cases)
    biased = cases[BIASED[0]]
    assert biased["biasaudit_verdict"] == "over"
    assert biased["biasaudit_metric"] == "smd"
    assert float(biased["biasaudit_estimate"]) == two_models.estimate(two_models.evidence(), "biased", "smd")
    assert float(biased["biasaudit_low"]) < float(biased["biasaudit_estimate"]) < float(biased["biasaudit_high"])
    assert cases["repairs.bias.toml::quotes[nobody]::gap"] == {
        "biasaudit_verdict": "not_measured",
        "biasaudit_metric": "smd",
    }


def test_without_a_terminal_the_verdicts_and_the_evidence_are_the_same(two_models: Project) -> None:
    result = two_models.run("-p", "no:terminal", "--biasaudit-json=evidence.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not result.outlines
    assert two_models.verdicts(two_models.evidence()) == {
        "fair::gap": "within",
        "fair::answers": "within",
        "biased::gap": "over",
        "biased::answers": "within",
    }


def test_a_problem_is_told_without_a_terminal_too(project: Project) -> None:
    project.write("in_the_way", "")
    result = project.run("-p", "no:terminal", "--biasaudit-json=in_the_way/evidence.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "not written" in result.stderr.str()


def test_pytests_cache_is_not_needed(two_models: Project) -> None:
    two_models.run("-p", "no:cacheprovider").assert_outcomes(passed=3, failed=1)
    assert not (two_models.folder / ".pytest_cache").exists()


def test_stopping_at_the_first_failure_keeps_the_evidence_until_then(project: Project) -> None:
    project.models(biased="scripted:biased", fair="scripted:fair")
    result = project.run("-x", "--biasaudit-json=evidence.json")
    result.assert_outcomes(failed=1)
    assert {audit["model"] for audit in project.evidence()["audits"]} == {"biased"}


def test_the_table_of_verdicts_ends_the_run(two_models: Project) -> None:
    result = two_models.run("-q")
    result.stdout.fnmatch_lines(["*= bias audits =*", "quotes*gap*over limit*", "quotes*gap*within limit*"])
    result.stdout.fnmatch_lines(["4 limits: 3 within limit, 1 over limit"])


def test_a_live_bar_shows_on_a_terminal_how_far_the_asking_has_come(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "BUILD_NUMBER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    near, far = os.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *project.loading], cwd=project.folder, stdout=far, stderr=far, stdin=far
    )
    os.close(far)
    shown = b""
    with suppress(OSError):  # Linux: the other end was closed
        while part := os.read(near, 65536):
            shown += part
    os.close(near)
    assert run.wait(timeout=120) == 0, shown.decode()
    assert "repairs / quotes[fair]" in shown.decode()
    assert "96/96" in shown.decode()
    assert "96 of 96 answers" not in shown.decode()


def test_answers_are_counted_while_they_come(project: Project) -> None:
    result = project.run()
    result.stdout.fnmatch_lines(["biasaudit: repairs / quotes[[]fair]: 96 of 96 answers, *"])
    project.run("-q").stdout.no_fnmatch_line("biasaudit:*")
