"""A sweep's points as test items: their ids everywhere pytest shows or takes them, which files they are in, their place kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

SWEEP = """
[models.runs]
source = "scripted:{revision}"

[sweep]
models = ["runs"]
revisions = ["fair", "biased", "worse"]
"""
GAP, ANSWERS = ([f"repairs.bias.toml::quotes[runs@{one}]::{limit}" for one in ("fair", "biased", "worse")]
                for limit in ("gap", "answers"))  # fmt: skip
ALL = [item for pair in zip(GAP, ANSWERS, strict=True) for item in pair]


def collected(project: Project, *args: str) -> list[str]:
    """Ids of the items that would run."""
    return [line for line in project.run("--collect-only", "-q", *args).outlines if "::" in line]


@pytest.fixture
def swept(project: Project) -> Project:
    """Three revisions of one scripted model."""
    project.write("biasaudit.toml", SWEEP)
    return project


def test_each_point_is_a_model_of_the_items(swept: Project) -> None:
    assert collected(swept) == ALL


@pytest.mark.parametrize(
    ("picked", "expected"),
    [
        (["--biasaudit-model=runs@biased"], ALL[2:4]),
        (["-k", "biased and gap"], [GAP[1]]),
        ([GAP[2]], [GAP[2]]),
        (["-k", "runs"], ALL),
    ],
)
def test_points_are_picked_like_other_models(swept: Project, picked: Sequence[str], expected: Sequence[str]) -> None:
    assert collected(swept, *picked) == list(expected)


def test_names_of_points_pass_through_verdicts_junit_last_failed_and_the_evidence(swept: Project) -> None:
    swept.run("--junitxml=junit.xml", "--biasaudit-json=evidence.json").assert_outcomes(passed=4, failed=2)
    cases = {
        f"{c.get('classname')}::{c.get('name')}" for c in ElementTree.parse(swept.folder / "junit.xml").iter("testcase")
    }
    assert set(ALL) <= cases
    swept.run("--lf").assert_outcomes(failed=2)
    evidence = swept.evidence()
    points = {model["name"]: model["point"] for model in evidence["models"]}
    assert points == {
        f"runs@{revision}": {"model": "runs", "revision": revision, "recipe": "", "place": at}
        for at, revision in enumerate(("fair", "biased", "worse"))
    }


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_points_run_under_xdist(swept: Project, dist: str) -> None:
    pytest.importorskip("xdist")
    swept.run_apart("-n", "2", "--dist", dist, "--biasaudit-json=evidence.json").assert_outcomes(passed=4, failed=2)
    assert {model["name"]: model["point"]["place"] for model in swept.evidence()["models"]} == {
        "runs@fair": 0,
        "runs@biased": 1,
        "runs@worse": 2,
    }


def test_points_are_items_of_the_named_contexts_only_and_declared_models_of_all(swept: Project) -> None:
    swept.context(('id = "repairs"', 'id = "sales"'), name="other/sales.bias.toml")
    swept.write("other/people.csv", (swept.folder / "people.csv").read_text(encoding="utf-8"))
    named = SWEEP.replace("[sweep]", '[sweep]\ncontexts = ["repairs.bias.toml"]')
    swept.write("biasaudit.toml", named + '[models.steady]\nsource = "scripted:fair"\n')
    assert {item.rpartition("::")[0] for item in collected(swept)} == {
        *(f"repairs.bias.toml::quotes[runs@{revision}]" for revision in ("fair", "biased", "worse")),
        "repairs.bias.toml::quotes[steady]",
        "other/sales.bias.toml::quotes[steady]",
    }


def test_a_context_that_no_model_is_left_for_is_an_error_and_not_an_empty_file(swept: Project) -> None:
    swept.context(('id = "repairs"', 'id = "sales"'), name="sales.bias.toml")
    swept.write("biasaudit.toml", SWEEP.replace("[sweep]", '[sweep]\ncontexts = ["repairs.bias.toml"]'))
    result = swept.run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*sales.bias.toml: every declared model is a point of the sweep*"])
    assert collected(swept, "--biasaudit-model=runs@fair") == ALL[:2]


def test_a_broken_sweep_stops_the_run_with_its_faults(swept: Project) -> None:
    swept.write("biasaudit.toml", SWEEP.replace('"runs"]', '"run"]'))
    result = swept.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*[[]sweep]: models = 'run': no such model; declared are 'runs'*"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("runs", "runs: is swept, and no model by itself; there are runs@fair, runs@biased, runs@worse*"),
        ("runs@fare", "no such model is declared; there are *; did you mean 'runs@fair'?"),
    ],
)
def test_a_name_that_is_no_model_is_answered_with_points(swept: Project, asked: str, said: str) -> None:
    result = swept.run("--collect-only", "-q", f"--biasaudit-model={asked}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--biasaudit-model={said}" if said.startswith("runs:") else f"*{said}"])


def test_of_very_many_points_some_are_named_and_the_rest_is_counted(swept: Project) -> None:
    many = ", ".join(f'"step{at}"' for at in range(300))
    swept.write("biasaudit.toml", SWEEP.replace('"fair", "biased", "worse"', many))
    result = swept.run("--collect-only", "-q", "--biasaudit-model=else")
    result.stderr.fnmatch_lines(["*there are runs@step0, *, runs@step19 and 280 more"])


def test_a_limit_against_no_model_is_answered_with_those_that_a_limit_can_name(swept: Project) -> None:
    swept.write("biasaudit.toml", SWEEP + '[models.steady]\nsource = "scripted:fair"\n')
    swept.context(("max = 1.2", 'versus = "stead"\nmax_increase = 0.1'))
    result = swept.run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*is no declared model; valid: parent, steady; did you mean 'steady'?"])


def test_a_model_asked_for_in_python_has_its_place_in_the_evidence_and_a_live_one_of_that_name_has_not(
    swept: Project,
) -> None:
    swept.write(
        "test_python.py",
        "from pytest_biasaudit import ScriptedModel\n\n"
        "def test_declared(biasaudit):\n"
        '    biasaudit.run("repairs.bias.toml", model="runs@fair")\n\n'
        "def test_live(biasaudit):\n"
        '    live = ScriptedModel(lambda question: "900", name="runs@worse")\n'
        '    biasaudit.run("repairs.bias.toml", model=live)\n',
    )
    swept.run("test_python.py", "--biasaudit-json=evidence.json").assert_outcomes(passed=2)
    points = {model["name"]: model["point"] for model in swept.evidence()["models"]}
    assert json.dumps(points["runs@fair"]) == '{"model": "runs", "revision": "fair", "recipe": "", "place": 0}'
    assert points["runs@worse"] is None
