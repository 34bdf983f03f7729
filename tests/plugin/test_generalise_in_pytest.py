"""A study of generalisation in a test: its table kept as evidence, shown, drawn, and asserted on; in one process and in two."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.planted_component import planted_contexts, planted_model

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

pytestmark = pytest.mark.slow
PLAN = """\
schema = 1
[study]
id = "planted"
contexts = ["sale.bias.toml", "care.bias.toml"]
model = "base"
levels = ["leave-one-out", "cross-context"]
combine = ["frequency"]
perplexity = false
[[study.components]]
unit = "heads"
method = "attribution"
k = 1
"""
TEST = """\
import pytest
from pytest_biasaudit import assert_generalises


def test_within_the_context(biasaudit):
    result = biasaudit.generalise("study.toml")
    assert_generalises(result, level="leave-one-out", evaluated_in="sale", min_removed=0.5)


def test_in_another_context(biasaudit):
    assert_generalises(biasaudit.generalise("study.toml"), evaluated_in="care")
"""
needs_xdist = pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")


@pytest.fixture(scope="session")
def planted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted model, saved as a model is."""
    folder = tmp_path_factory.mktemp("planted") / "model"
    module, tokenizer, _ = planted_model("head")
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def study(planted_folder: Path, project: Project) -> Project:
    """A project with two contexts, a plan and a test; its model is the planted one."""
    planted_contexts(project.folder)
    (project.folder / "repairs.bias.toml").unlink()
    (project.folder / "conftest.py").unlink()
    project.write("study.toml", PLAN)
    project.write("test_study.py", TEST)
    project.models(base=str(planted_folder))
    return project


def test_what_carries_passes_and_what_does_not_is_the_finding(study: Project) -> None:
    run = study.run_apart("test_study.py", "--biasaudit-json=evidence.json", "--biasaudit-html=report.html")
    run.assert_outcomes(passed=1, failed=1)
    text = run.stdout.str()
    assert "planted / heads by attribution, frequency[base] / cross-context: sale -> care:" in text
    assert "what holds in sale does not hold in care by that" in text
    assert "planted [base]: how far removing components carries" in text
    (kept,) = study.evidence()["transfer"]
    assert {row["level"] for row in kept["rows"]} == {"none", "leave-one-out", "cross-context"}
    assert [context["id"] for context in study.evidence()["contexts"]] == ["care", "sale"]
    assert "What this result does not license" in (study.folder / "report.html").read_text(encoding="utf-8")


@needs_xdist
def test_two_processes_keep_one_table(study: Project) -> None:
    study.run_apart("test_study.py", "--biasaudit-json=one.json")
    run = study.run_apart("test_study.py", "-n2", "--biasaudit-json=evidence.json")
    run.assert_outcomes(passed=1, failed=1)
    assert study.evidence()["transfer"] == study.evidence("one.json")["transfer"]


def test_a_run_that_observes_fails_nothing_and_keeps_the_table(study: Project) -> None:
    run = study.run_apart("test_study.py", "--biasaudit-observe", "--biasaudit-json=evidence.json")
    run.assert_outcomes(passed=2)
    assert study.evidence()["transfer"]


def test_a_plan_that_is_not_there_is_told(study: Project) -> None:
    study.write("test_study.py", 'def test_it(biasaudit):\n    biasaudit.generalise("other.toml")\n')
    run = study.run_apart("test_study.py")
    run.assert_outcomes(failed=1)
    assert "other.toml: 1 fault" in run.stdout.str()
    assert "there is no such file" in run.stdout.str()
