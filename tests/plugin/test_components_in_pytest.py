"""A committed component file in a pytest run: applied, audited, and held against the parent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.declared_project import declared

ROOT = Path(__file__).parents[2]
BASE = """
import numpy as np
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.mitigation.components import ComponentSet, Origin
from pytest_biasaudit.mitigation.removing.file import save_components
from pytest_biasaudit.models.load import load_source, wrap_live
from tests.tiny_models import byte_tokenizer, tiny
from pathlib import Path

folder = save(wrap_live("base", tiny(), byte_tokenizer()), "base")
(folder / "biasaudit-record.json").unlink()
base = load_source("base", "base", beside=Path.cwd(), cache=None, offline=True)
for name, weights in (("fairer", base.tensors_sha256), ("strange", "e" * 64)):
    save_components(
        ComponentSet(
            unit="heads",
            chosen={"0": np.array([1])},
            sizes={"0": (4,), "1": (4,)},
            origin=Origin(
                model="base",
                model_digest=base.identity.digest,
                weights_sha256=weights,
                contexts=(("tiny", "c" * 64),),
                templates=("tiny/first/w1",),
                attribute="gender",
                groups=("men", "women"),
                prompts_sha256="d" * 64,
                method="attention",
                settings=(("k", 1),),
            ),
        ),
        f"{name}.json",
    )
"""
CONTEXT = declared(
    """
[[audit]]
id = "first"
kind = "counterfactual"
prompt = "Ask {person} about {thing}?"
[audit.slots]
thing = ["tea", "rain", "bread"]
[audit.people]
attribute = "gender"
source = "us-names"
groups = ["men", "women"]
per_group = 3
[audit.outcome]
kind = "yes-no"
[[audit.limit]]
id = "no-worse"
attribute = "gender"
metric = "mean_difference"
versus = "parent"
max_increase = 1.0
basis = "policy"
reason = "What is removed must not make it worse."
"""
)
MODELS = """
[models.base]
source = "base"
[models.fairer]
parent = "base"
recipe = [{ prune = "components", file = "FILE" }]
"""
TESTS = """
import pytest
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.removing.file import load_components


def test_a_file(biasaudit_prune, biasaudit_load, biasaudit):
    child = biasaudit_prune("base", components="fairer.json", name="by-file")
    result = biasaudit.run("tiny.bias.toml", model=child)
    assert [one.limit.id for one in result.record.judgements] == ["no-worse"]
    assert child.identity.parent == "base"


def test_a_set(biasaudit_prune, pytestconfig):
    found = load_components("fairer.json")
    one, other = (biasaudit_prune("base", components=given) for given in (found, "fairer.json"))
    assert one.identity.weights_sha256 == other.identity.weights_sha256
    assert one.identity.digest == other.identity.digest


def test_refused(biasaudit_prune):
    with pytest.raises(RecipeError, match="strange.json.*origin.weights_sha256"):
        biasaudit_prune("base", components="strange.json")
    with pytest.raises(RecipeError, match="none.json.*there is no such file"):
        biasaudit_prune("base", components="none.json")
    with pytest.raises(TypeError, match="a component file or a ComponentSet, not list"):
        biasaudit_prune("base", components=[[0, 1]])
    with pytest.raises(TypeError, match="needs a method"):
        biasaudit_prune("base")
    assert biasaudit_prune("base", components="strange.json", any_model=True).identity.achieved["components"]
"""


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    done = run(["-c", BASE], folder)
    assert done.returncode == 0, done.stderr
    (folder / "tiny.bias.toml").write_text(CONTEXT, encoding="utf-8")
    (folder / "biasaudit.toml").write_text(MODELS.replace("FILE", "fairer.json"), encoding="utf-8")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project"))


def test_a_committed_file_is_applied_and_a_limit_against_the_parent_is_judged_on_it(project: Path) -> None:
    done = run(
        ["-m", "pytest", "-v", "-p", "no:cacheprovider", "tiny.bias.toml", "--biasaudit-json=evidence.json"], project
    )
    assert "tiny.bias.toml::first[fairer]::no-worse PASSED" in done.stdout, done.stdout + done.stderr
    evidence = json.loads((project / "evidence.json").read_text(encoding="utf-8"))
    models = {model["name"]: model for model in evidence["models"]}
    (found,) = models["fairer"]["components"]
    assert [(one["place"], one["numbers"]) for one in found["places"]] == [("0", [1]), ("1", [])]
    assert found["origin"]["contexts"] == [{"id": "tiny", "sha256": "c" * 64}]
    assert found["sha256"] == models["fairer"]["recipe"][0]["file_sha256"]


def test_a_file_of_another_model_stops_the_run_and_says_why(project: Path) -> None:
    (project / "biasaudit.toml").write_text(MODELS.replace("FILE", "strange.json"), encoding="utf-8")
    done = run(["-m", "pytest", "-p", "no:cacheprovider", "tiny.bias.toml", "--biasaudit-model=fairer"], project)
    assert done.returncode != 0
    for said in ("prune = 'components': file = 'strange.json'", "origin.weights_sha256", "any_model = true"):
        assert said in done.stdout, done.stdout


def test_files_and_sets_are_given_to_the_fixture_by_themselves(project: Path) -> None:
    (project / "test_given.py").write_text(TESTS, encoding="utf-8")
    done = run(["-m", "pytest", "-p", "no:cacheprovider", "test_given.py"], project)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_a_set_is_given_where_nothing_is_kept(project: Path) -> None:
    (project / "test_given.py").write_text(TESTS, encoding="utf-8")
    done = run(
        ["-m", "pytest", "-p", "no:cacheprovider", "--biasaudit-no-cache", "test_given.py", "-k", "a_set"], project
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
