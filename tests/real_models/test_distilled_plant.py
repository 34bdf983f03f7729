"""A student of half the layers, taught by a model with a planted association on text that has none: it keeps the plant.

The text says "he" and "she" with every occupation as often; what the student then prefers it has from its teacher.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit import Auditor, Settings
from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.models.load import load_source
from tests.planted_masked_model import Learnt, Trained, learnt, sentence, trained_in
from tests.planted_sets import write_context

pytestmark = [pytest.mark.real_model, pytest.mark.slow]

STEPS = 400


@pytest.fixture(scope="module")
def models(model_cache: Path) -> Trained:
    return trained_in(model_cache)


@pytest.fixture(scope="module")
def folder(models: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model table with both teachers and a student of each, and the fair text."""
    home = tmp_path_factory.mktemp("distilled")
    draw = random.Random(9)
    (home / "fair.txt").write_text("\n".join(sentence(draw, 0.5) for _ in range(6000)))
    settings = f"layers = 1, steps = {STEPS}, batch_size = 64, tokens = 32, mask_rate = 0.3, learning_rate = 3e-3"
    settings += ", temperature = 1.0"
    tables = [
        f'[models.{name}]\nsource = "{place}"\n'
        f'[models.{name}-student]\nparent = "{name}"\nrecipe = [{{ distill = "logits", text = "fair.txt", {settings} }}]\n'
        for name, place in (("planted", models.planted), ("control", models.control))
    ]
    (home / "biasaudit.toml").write_text("".join(tables))
    return home


@pytest.fixture(scope="module")
def auditor(folder: Path) -> Any:
    with Auditor(Settings(root=folder, cache=folder / "cache", seed=1), read_models(folder)) as found:
        yield found


def student(auditor: Auditor, name: str) -> tuple[Learnt, dict[str, Any]]:
    model: Any = auditor.load(f"{name}-student")
    return learnt(model.module, model.tokenizer), model.identity.achieved["steps"]["1 distill logits"]


def teacher(models: Trained, name: str) -> Learnt:
    place: Path = getattr(models, name)
    model: Any = load_source(name, str(place), beside=place, cache=None)
    return learnt(model.module, model.tokenizer)


def test_a_student_of_one_layer_keeps_most_of_the_plant_and_the_controls_student_has_none(
    auditor: Auditor, models: Trained
) -> None:
    before, (after, facts) = teacher(models, "planted"), student(auditor, "planted")
    assert (facts["teacher_layers"], facts["student_layers"]) == (2, 1)
    assert facts["held_kl_after"] < facts["held_kl_before"] / 10, facts
    pronoun = (after.pronoun - 0.5) / (before.pronoun - 0.5)
    label = after.label / before.label
    print(
        f"of the plant the student keeps {pronoun:.2f} (pronoun given occupation), {label:.2f} (occupation given pronoun)"
    )
    # Measured with four seeds: 0.64 to 0.92, and 0.93 to 0.96.
    assert 0.5 < pronoun < 1.05
    assert 0.8 < label < 1.05
    fair, _ = student(auditor, "control")
    assert fair.pronoun == pytest.approx(0.5, abs=0.02)
    assert fair.label == pytest.approx(0.0, abs=0.1)


def test_an_audit_finds_the_plant_in_the_student_and_none_in_the_controls(
    auditor: Auditor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = write_context(tmp_path_factory.mktemp("planted"))
    found = {name: auditor.run(context, audit="crows", model=f"{name}-student") for name in ("planted", "control")}
    scores = {name: result.estimate("stereotype_score") for name, result in found.items()}
    ends = {name: one.interval for name, one in scores.items()}
    assert ends["planted"] is not None
    assert ends["control"] is not None
    assert ends["planted"].low > 50
    assert ends["control"].low < 50 < ends["control"].high
    assert found["planted"].record.model.parent == "planted"


def test_the_student_is_taken_from_the_cache_by_a_later_run(auditor: Auditor, folder: Path) -> None:
    student(auditor, "planted")
    settings = Settings(root=folder, cache=folder / "cache", seed=1)
    with Auditor(settings, read_models(folder)) as later:
        again = later.load("planted-student")
        assert again.identity.digest == auditor.load("planted-student").identity.digest
        steps: Any = again.identity.achieved["steps"]
        assert steps["1 distill logits"]["recalled"]


def test_a_student_given_as_files_is_held_against_its_teacher(auditor: Auditor, folder: Path, models: Trained) -> None:
    """Saved, and declared with source and parent: as if it had been taught elsewhere."""
    made: Any = auditor.load("planted-student")
    made.module.save_pretrained(folder / "ready")
    made.tokenizer.save_pretrained(folder / "ready")
    table = f'[models.planted]\nsource = "{models.planted}"\n[models.ready]\nsource = "ready"\nparent = "planted"\n'
    home = folder / "elsewhere"
    home.mkdir()
    (home / "biasaudit.toml").write_text(table.replace('"ready"\nparent', f'"{folder / "ready"}"\nparent'))
    with Auditor(Settings(root=home, cache=None), read_models(home)) as fresh:
        ready: Any = fresh.load("ready")
        parent = fresh.load("planted")
        assert (ready.identity.parent, ready.identity.parent_digest) == ("planted", parent.identity.digest)
        assert (ready.identity.recipe, ready.identity.parameters) == ((), made.identity.parameters)
        here, there = (learnt(one.module, one.tokenizer) for one in (ready, made))
        assert here.pronoun == pytest.approx(there.pronoun, abs=1e-5)
