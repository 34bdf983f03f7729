"""A child made elsewhere: loaded from its own files, and held against its declared parent like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit import Auditor, Settings
from pytest_biasaudit.artefacts import Artefacts
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.settings import Extensions
from tests.declared_project import declared
from tests.tiny_models import byte_tokenizer, tiny

CONTEXT = declared(
    """
[[audit]]
id = "first"
kind = "counterfactual"
prompt = "Ask {first} about {thing}?"
[audit.slots]
thing = ["tea", "rain", "maps"]
[audit.people]
attribute = "gender"
source = "us-names"
groups = ["men", "women"]
per_group = 3
[audit.outcome]
kind = "yes-no"
[[audit.limit]]
id = "change"
metric = "mean_difference"
versus = "parent"
max_increase = 0.5
"""
)
TABLE = """
[models.teacher]
source = "teacher"
[models.student]
source = "student"
parent = "teacher"
[models.eight]
parent = "student"
recipe = [{ quantize = "rtn" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seed in (("teacher", 0), ("student", 1)):
        tiny("llama", seed).save_pretrained(tmp_path / name)
        byte_tokenizer().save_pretrained(tmp_path / name)
    (tmp_path / "biasaudit.toml").write_text(TABLE)
    (tmp_path / "tiny.bias.toml").write_text(CONTEXT)
    return tmp_path


def audited(folder: Path) -> Auditor:
    return Auditor(Settings(root=folder, cache=None), read_models(folder))


@pytest.mark.parametrize("first", ["student", "teacher"])
def test_it_is_its_own_artefact_and_names_its_parent(folder: Path, first: str) -> None:
    """Whichever is loaded first."""
    with audited(folder) as auditor:
        auditor.load(first)
        student, teacher = auditor.load("student").identity, auditor.load("teacher").identity
    assert (student.parent, student.parent_digest, student.recipe) == ("teacher", teacher.digest, ())
    assert (student.source, student.name) == ("student", "student")
    assert student.weights_sha256 != teacher.weights_sha256
    assert teacher.parent is None


def test_a_limit_against_the_parent_is_measured(folder: Path) -> None:
    with audited(folder) as auditor:
        change = auditor.run(folder / "tiny.bias.toml", model="student").judgement("change").estimate
        values = [
            auditor.run(folder / "tiny.bias.toml", model=name).estimate("mean_difference").value
            for name in ("student", "teacher")
        ]
    assert change is not None
    assert values[0] is not None
    assert values[1] is not None
    assert change.value == pytest.approx(abs(values[0]) - abs(values[1]), abs=1e-12)


def test_a_child_of_a_ready_made_child_is_made_from_it(folder: Path) -> None:
    with audited(folder) as auditor:
        eight, student = auditor.load("eight").identity, auditor.load("student").identity
    assert (eight.parent, eight.parent_digest) == ("student", student.digest)


def test_its_parent_must_be_there(folder: Path) -> None:
    (folder / "teacher" / "model.safetensors").unlink()
    with audited(folder) as auditor, pytest.raises(ModelError, match="teacher"):
        auditor.load("student")


def test_of_a_back_end_that_cannot_be_told_it_is_an_error() -> None:
    class Plain:
        """A model of a hook's back end."""

        def __init__(self, spec: ModelSpec) -> None:
            self.identity = ModelIdentity(name=spec.name, source="plain:", weights_sha256=spec.name)

    specs = {
        name: ModelSpec(
            name=name, source="plain:x", revision=None, dtype="float32", parent=parent, recipe=(), where="here"
        )
        for name, parent in (("base", None), ("child", "base"))
    }
    backend: Any = Plain
    artefacts = Artefacts(Settings(cache=None), specs, Extensions(backends={"plain": backend}))
    assert artefacts.load("base").identity.parent is None
    with pytest.raises(ModelError, match=r"parent = 'base' is declared, and the Plain of its back end neither says so"):
        artefacts.load("child")
