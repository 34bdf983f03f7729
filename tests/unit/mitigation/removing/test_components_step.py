"""`prune = "components"`: a saved set removed for good, from the model that it was found in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit import save
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.materials import Materials
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Origin, Unit
from pytest_biasaudit.mitigation.removed import removed_from
from pytest_biasaudit.mitigation.removing.file import save_components, suffix_of
from pytest_biasaudit.mitigation.removing.without import sizes_in, without
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import file_sha256
from pytest_biasaudit.models.load import load_source, wrap_live
from pytest_biasaudit.models.perplexity import HeldText
from tests import tiny_architectures
from tests.tiny_models import byte_tokenizer

TEXT = HeldText(name="short", text="A lamp is on the table. It is old.", sha256="0" * 64)
PLACES: dict[Unit, dict[str, list[int]]] = {
    "heads": {"0": [1], "2": [0, 2]},
    "neurons": {"1": [0, 7]},
    "weights": {"model.layers.0.mlp.up_proj": [3, 9], "model.layers.2.self_attn.q_proj": list(range(900))},
}


def a_model(**settings: Any) -> CausalModel:
    module = tiny_architectures.tiny("llama", vocab_size=300, max_position_embeddings=256, **settings)
    live = wrap_live("tiny", module, byte_tokenizer())
    assert isinstance(live, CausalModel)
    return live


@pytest.fixture
def model() -> CausalModel:
    return a_model()


def a_set(unit: Unit, model: CausalModel, *, mode: Mode = "ablate", found: bool = True) -> ComponentSet:
    origin = Origin(
        model=model.identity.name,
        model_digest=model.identity.digest,
        weights_sha256=model.tensors_sha256,
        contexts=(("offers", "c" * 64),),
        templates=("offers/ask/w1",),
        attribute="race",
        groups=("white", "black"),
        prompts_sha256="d" * 64,
        method="wanda" if unit != "heads" else "attention",
        settings=(("k", 3),),
    )
    return ComponentSet(
        unit=unit,
        mode=mode,
        chosen={place: np.array(numbers) for place, numbers in PLACES[unit].items()},
        sizes=sizes_in(model.module, unit),
        origin=origin if found else None,
    )


def without_file(model: CausalModel, file: Path, **settings: Any) -> CausalModel:
    step = read_step({"prune": "components", "file": file.name, **settings})
    materials = Materials(tokenizer=model.tokenizer, root=file.parent)
    return child_of(model, [step], name="child", materials=materials, held_text=TEXT)


def logits(module: Any) -> torch.Tensor:
    return tiny_architectures.logits_of(module)


@pytest.mark.parametrize(
    ("unit", "mode"), [("heads", "ablate"), ("heads", "uniform"), ("neurons", "ablate"), ("weights", "ablate")]
)
def test_the_child_answers_as_its_parent_without_them_and_the_parent_is_as_it_was(
    unit: Unit, mode: Mode, model: CausalModel, tmp_path: Path
) -> None:
    gone = a_set(unit, model, mode=mode)
    file = save_components(gone, tmp_path / f"gone{suffix_of(gone)}")
    before = logits(model.module)
    child = without_file(model, file)
    with without(model, gone):
        wanted = logits(model.module)
    assert torch.allclose(logits(child.module), wanted, atol=1e-5)
    assert not torch.allclose(wanted, before, atol=1e-3)
    assert torch.equal(logits(model.module), before)
    model.refuse_if_changed()


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_the_record_says_what_was_removed_and_where_it_was_found(
    unit: Unit, model: CausalModel, tmp_path: Path
) -> None:
    gone = a_set(unit, model)
    file = save_components(gone, tmp_path / f"gone{suffix_of(gone)}")
    identity = without_file(model, file).identity
    assert identity.recipe[0]["file_sha256"] == file_sha256(file)
    (found,) = removed_from(identity.achieved)
    assert (found.unit, found.count, found.sha256, found.origin) == (unit, gone.count, file_sha256(file), gone.origin)
    assert {one.place: one.count for one in found.places if one.count} == {
        place: len(numbers) for place, numbers in PLACES[unit].items()
    }
    steps: Any = identity.achieved["steps"]
    facts = steps["1 prune components"]
    assert (facts[f"{unit}_removed"], facts[f"{unit}_in_all"]) == (gone.count, gone.total)
    assert facts["share"] == pytest.approx(gone.count / gone.total)
    notes: Any = identity.achieved["notes"]
    assert any("found in offers and nowhere else" in note for note in notes)


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_a_child_without_components_is_saved_and_loaded_again(unit: Unit, model: CausalModel, tmp_path: Path) -> None:
    gone = a_set(unit, model)
    child = without_file(model, save_components(gone, tmp_path / f"gone{suffix_of(gone)}"))
    folder = save(child, tmp_path / "child")
    back = load_source("child", str(folder), beside=tmp_path, cache=None, offline=True)
    assert isinstance(back, CausalModel)
    assert torch.equal(logits(back.module), logits(child.module))
    assert removed_from(back.identity.achieved) == removed_from(child.identity.achieved)
    assert back.identity.recipe == child.identity.recipe


def test_components_of_another_models_digest_are_refused_unless_that_is_said(
    model: CausalModel, tmp_path: Path
) -> None:
    other = a_model(seed=1)
    file = save_components(a_set("heads", other), tmp_path / "gone.json")
    with pytest.raises(RecipeError) as caught:
        without_file(model, file)
    for said in (
        "prune = 'components': file = 'gone.json'",
        "origin.weights_sha256",
        other.tensors_sha256,
        model.tensors_sha256,
        "any_model = true",
    ):
        assert said in str(caught.value)
    child = without_file(model, file, any_model=True)
    notes: Any = child.identity.achieved["notes"]
    assert any(other.tensors_sha256 in note and "Removed all the same: any_model = true" in note for note in notes)


def test_components_of_a_model_of_other_sizes_are_refused_even_then(model: CausalModel, tmp_path: Path) -> None:
    other = a_model(num_hidden_layers=4)
    file = save_components(a_set("heads", other), tmp_path / "gone.json")
    with pytest.raises(RecipeError, match=r"found in a model of other sizes than this one .*: it has no layer 3"):
        without_file(model, file, any_model=True)


def test_a_step_after_one_that_changes_weights_is_refused_and_said_where_it_belongs(
    model: CausalModel, tmp_path: Path
) -> None:
    file = save_components(a_set("heads", model), tmp_path / "gone.json")
    steps = [
        read_step({"prune": "magnitude", "sparsity": 0.1}),
        read_step({"prune": "components", "file": "gone.json"}),
    ]
    with pytest.raises(RecipeError, match="put this step before those that change weights"):
        child_of(
            model, steps, name="child", materials=Materials(tokenizer=model.tokenizer, root=tmp_path), held_text=TEXT
        )
    assert file.exists()


def test_a_file_written_by_hand_is_applied_and_said_to_be_of_no_known_origin(
    model: CausalModel, tmp_path: Path
) -> None:
    file = tmp_path / "hand.json"
    file.write_text('{"heads": [[0, 1], [2, 2]]}', encoding="utf-8")
    identity = without_file(model, file).identity
    (found,) = removed_from(identity.achieved)
    assert [(one.place, one.numbers) for one in found.places] == [("0", (1,)), ("1", ()), ("2", (2,))]
    notes: Any = identity.achieved["notes"]
    assert any("does not say in which model and context" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such file"),
        ("", "the file is empty"),
        ("{}", "lists neither heads nor neurons"),
        ('{"heads": [[9, 1]]}', "layer 9: the model has layers 0 to 2"),
        ('{"heads": [[0, 4]]}', "head 4 of layer 0: it has heads 0 to 3"),
        ('{"heads": []}', "the set has no heads: there is nothing to remove"),
        ('{"unit": "weights", "sizes": {"a": [1, 1]}}', 'unit = "weights"; valid in such a file: heads, neurons'),
    ],
)
def test_a_file_that_cannot_be_applied_is_refused_and_named(
    text: str | None, said: str, model: CausalModel, tmp_path: Path
) -> None:
    file = tmp_path / "gone.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        without_file(model, file)
    assert "gone.json" in str(caught.value) or "LlamaForCausalLM" in str(caught.value)
    assert said in str(caught.value)
    model.refuse_if_changed()


def test_components_that_are_gone_already_are_refused(model: CausalModel, tmp_path: Path) -> None:
    for unit in ("heads", "weights"):
        gone = a_set(unit, model, found=False)
        file = save_components(gone, tmp_path / f"gone{suffix_of(gone)}")
        step = read_step({"prune": "components", "file": file.name})
        materials = Materials(tokenizer=model.tokenizer, root=tmp_path)
        with pytest.raises(
            RecipeError, match=r"what is named is zero .*already \(\d+ (?:heads|weights)\); the child would be"
        ):
            child_of(model, [step, step], name="child", materials=materials, held_text=TEXT)


def test_weights_of_a_quantised_child_are_refused_and_heads_are_masked(model: CausalModel, tmp_path: Path) -> None:
    for unit in ("heads", "weights"):
        gone = a_set(unit, model, found=False)
        file = save_components(gone, tmp_path / f"gone{suffix_of(gone)}")
        steps = [read_step({"quantize": "torch-dynamic"}), read_step({"prune": "components", "file": file.name})]
        materials = Materials(tokenizer=model.tokenizer, root=tmp_path)
        if unit == "weights":
            with pytest.raises(
                RecipeError, match="remove weights before the model is quantised; heads and neurons can"
            ):
                child_of(model, steps, name="child", materials=materials, held_text=TEXT)
        else:
            child = child_of(model, steps, name="child", materials=materials, held_text=TEXT)
            assert removed_from(child.identity.achieved)[0].count == gone.count


def test_a_component_file_given_to_prune_heads_is_said_to_belong_to_another_step(
    model: CausalModel, tmp_path: Path
) -> None:
    save_components(a_set("heads", model), tmp_path / "gone.json")
    step = read_step({"prune": "heads", "components": "gone.json"})
    materials = Materials(tokenizer=model.tokenizer, root=tmp_path)
    with pytest.raises(RecipeError, match=r'it is applied by \{ prune = "components", file = "\.\.\." \}'):
        child_of(model, [step], name="child", materials=materials, held_text=TEXT)
