"""Where children come from: a declared parent that nobody holds is used up, one that somebody holds is copied."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit.artefacts import Artefacts
from pytest_biasaudit.compression import child as child_room
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.models.load import load_source, wrap_live
from pytest_biasaudit.models.perplexity import bundled_text
from pytest_biasaudit.settings import Extensions, Settings
from tests.tiny_models import byte_tokenizer, tiny

INT8 = [read_step({"quantize": "rtn", "bits": 8})]
TABLE = """
[models.base]
source = "base"

[models.other]
source = "other"

[models.sparse]
parent = "base"
recipe = [{ prune = "magnitude", sparsity = 0.5 }]

[models.both]
parent = "sparse"
recipe = [{ quantize = "bf16" }]
"""


def artefacts(root: Path, table: str = TABLE) -> Artefacts:
    for number, name in enumerate(("base", "other")):
        if not (root / name).exists():
            save(wrap_live(name, tiny(seed=number), byte_tokenizer()), root / name)
            (root / name / "biasaudit-record.json").unlink()
    (root / "biasaudit.toml").write_text(table)
    return Artefacts(Settings(root=root), read_models(root), Extensions())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How each child was made: from a fresh load, or of a copy."""
    found: list[str] = []
    for name in ("child_from", "child_of"):
        whole = getattr(child_room, name)

        def told(*args: Any, name: str, _whole: Any = whole, _how: str = name, **settings: Any) -> Any:
            found.append(_how)
            return _whole(*args, name=name, **settings)

        monkeypatch.setattr(child_room, name, told)
    return found


def test_a_declared_parent_that_nobody_holds_is_used_up(tmp_path: Path, made: list[str]) -> None:
    models = artefacts(tmp_path)
    child = models.derive("base", INT8)
    assert made == ["child_from"]
    assert child.parent is None
    assert child.identity.name == "base+rtn-8"
    assert child.identity.parent_digest == models.load("base").identity.digest == models.digest_of("base")


def test_one_that_was_loaded_before_and_let_go_of_is_used_up_too(tmp_path: Path, made: list[str]) -> None:
    models = artefacts(tmp_path)
    models.load("base")
    models.derive("base", INT8)
    models.load("other")
    models.derive("base", INT8)
    assert made == ["child_from", "child_from"]


def test_one_that_somebody_holds_is_copied_and_given_back_as_it_was(tmp_path: Path, made: list[str]) -> None:
    models = artefacts(tmp_path)
    held: Any = models.load("base")
    child = models.derive("base", INT8)
    assert made == ["child_of"]
    held.refuse_if_changed()
    assert child.parent is held
    assert models.load("base") is held


def test_no_other_declared_model_is_held_while_a_child_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = artefacts(tmp_path)
    other = weakref.ref(models.load("other"))
    held: list[bool] = []
    whole = child_room.child_from

    def told(*args: Any, **settings: Any) -> Any:
        gc.collect()
        held.append(other() is not None)
        return whole(*args, **settings)

    monkeypatch.setattr(child_room, "child_from", told)
    models.derive("base", INT8)
    models.load("sparse")
    assert held == [False, False]


def test_an_unknown_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'bases' is declared; there are base, other, sparse, both"):
        artefacts(tmp_path).derive("bases", INT8)


def test_a_chain_is_made_one_step_after_the_other_and_each_link_is_measured(tmp_path: Path) -> None:
    models = artefacts(tmp_path)
    both = models.load("both").identity
    sparse = models.load("sparse").identity
    assert both.parent_digest == sparse.digest
    assert both.achieved["parent_perplexity"] == sparse.achieved["perplexity"]
    assert both.achieved["parent_size_mb"] == sparse.achieved["size_mb"]


def test_a_model_names_the_text_that_it_and_its_children_are_asked(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Bread needs flour, water, salt and time.\n")
    models = artefacts(tmp_path, TABLE.replace('source = "base"', 'source = "base"\nheld_text = "own.txt"'))
    own: Any = models.load("both").identity.achieved
    assert own["held_text_tokens"] == 40
    assert own["held_text_sha256"] != bundled_text().sha256
    assert models.derive("base", INT8).identity.achieved["held_text_sha256"] == own["held_text_sha256"]
    other = models.derive("other", INT8).identity.achieved
    assert other["held_text_sha256"] == bundled_text().sha256


def test_a_held_text_that_is_not_there_is_named_with_its_table(tmp_path: Path) -> None:
    models = artefacts(tmp_path, TABLE.replace('source = "base"', 'source = "base"\nheld_text = "none.txt"'))
    with pytest.raises(ModelError, match=r"biasaudit\.toml \[models\.base\]: held_text: cannot be read"):
        models.load("sparse")


def test_a_child_made_elsewhere_is_measured_beside_its_parent(tmp_path: Path) -> None:
    table = TABLE + '\n[models.found]\nsource = "other"\nparent = "base"\n'
    models = artefacts(tmp_path, table)
    found: Any = models.load("found").identity
    assert found.parent_digest == models.load("base").identity.digest
    assert found.achieved["size_mb"] == found.achieved["parent_size_mb"] > 0
    other = load_source("other", "other", beside=tmp_path, cache=None)
    assert found.achieved["perplexity"] == bundled_text().predicted_by(other).value
    assert found.achieved["parent_perplexity"] != found.achieved["perplexity"]
    assert "steps" not in found.achieved


def test_a_saved_child_is_held_against_the_parent_it_was_made_from_and_against_no_other(tmp_path: Path) -> None:
    models = artefacts(tmp_path)
    child = models.load("sparse")
    save(child, tmp_path / "saved")
    declared = (
        TABLE
        + '\n[models.right]\nsource = "saved"\nparent = "base"\n\n[models.wrong]\nsource = "saved"\nparent = "other"\n'
    )
    models = artefacts(tmp_path, declared)
    right = models.load("right").identity
    assert right.parent_digest == child.identity.parent_digest
    assert right.recipe == child.identity.recipe
    assert json.dumps(right.achieved["tensors"]) == json.dumps(child.identity.achieved["tensors"])
    with pytest.raises(ModelError, match=r"wrong: parent = 'other' is declared, .* it was made from 'base'"):
        models.load("wrong")
