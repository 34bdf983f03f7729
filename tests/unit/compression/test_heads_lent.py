"""Masks and edits are lent: what comes back, when nothing was masked, and weights that cannot be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.compression.structure.edits import edited
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_architectures import logits_of, tiny
from tests.tiny_models import byte_tokenizer


def test_a_model_under_audit_is_refused_while_it_is_masked_and_taken_after() -> None:
    live = wrap_live("base", tiny("llama", vocab_size=300), byte_tokenizer())
    with masked(live.module, heads=[(0, 0)]):
        logits_of(live.module)
        with pytest.raises(ModelError, match="hooks"):
            live.refuse_if_changed()
    with edited(live.module, heads=[(0, 0)]), pytest.raises(ModelError, match="weights have changed"):
        live.refuse_if_changed()
    live.refuse_if_changed()


def interrupted(how: Any, model: Any, inside: list[torch.Tensor]) -> None:
    with how(model, heads=[(0, 0)]):
        inside.append(logits_of(model))
        raise KeyboardInterrupt


@pytest.mark.parametrize("how", [masked, edited])
def test_what_is_lent_comes_back_when_something_is_raised(how: Any) -> None:
    model = tiny("llama").train()
    model.model.layers[1].eval()  # modes are given back part by part
    modes = [part.training for part in model.modules()]
    before, base = tensors_sha256(model), logits_of(model)
    inside: list[torch.Tensor] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(how, model, inside)
    assert not torch.equal(inside[0], base)
    assert tensors_sha256(model) == before
    assert hooks_of(model) == ()
    assert [part.training for part in model.modules()] == modes


def with_another_weight(model: Any) -> None:
    projection = model.model.layers[0].self_attn.o_proj
    projection.weight = torch.nn.Parameter(projection.weight.detach().clone())


def with_another_layer(model: Any) -> None:
    model.model.layers[0].self_attn.o_proj = torch.nn.Identity()


def without_the_layer(model: Any) -> None:
    del model.model.layers[0].self_attn.o_proj


def in_half_precision(model: Any) -> None:
    model.model.layers[0].self_attn.o_proj.half()  # the same parameter, with other data


@pytest.mark.parametrize("change", [with_another_weight, with_another_layer, without_the_layer, in_half_precision])
def test_what_was_replaced_meanwhile_cannot_be_put_back_and_all_else_is(change: Any) -> None:
    model = tiny("llama")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def changed() -> None:
        with edited(model, heads=[(0, 0), (1, 1), (2, 2)], neurons=[(0, 3)]):
            change(model)

    with pytest.raises(RecipeError, match=r"layers\.0\.self_attn\.o_proj: its weight was replaced while"):
        changed()
    for name, tensor in model.state_dict().items():
        if name != "model.layers.0.self_attn.o_proj.weight":
            assert torch.equal(tensor, before[name]), name


def test_weights_made_in_inference_mode_can_be_edited() -> None:
    with torch.inference_mode():
        model = tiny("llama")
    base = logits_of(model)
    with edited(model, heads=[(0, 0)]):
        assert not torch.equal(logits_of(model), base)
    assert torch.equal(logits_of(model), base)
    assert apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 0]]})]).facts["1 prune heads"]


def sharing(**settings: Any) -> Any:
    """Layers 0 and 2 compute with one and the same weight."""
    model = tiny("llama", **settings)
    model.model.layers[2].self_attn.o_proj.weight = model.model.layers[0].self_attn.o_proj.weight
    return model


def test_a_weight_of_two_layers_is_masked_in_the_one_that_is_named() -> None:
    model = sharing()
    apart = sharing()
    apart.model.layers[2].self_attn.o_proj.weight = torch.nn.Parameter(
        apart.model.layers[0].self_attn.o_proj.weight.detach().clone()
    )
    with edited(apart, heads=[(0, 1)]):
        wanted = logits_of(apart)
    with masked(model, heads=[(0, 1)]):
        assert torch.equal(logits_of(model), wanted)
    with pytest.raises(RecipeError, match=r"its weight is the weight of model\.layers\.2.*mask it instead$"):
        with_edit(model)
    made = apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 1]]})])
    assert torch.equal(logits_of(made.module), wanted)
    assert made.facts["1 prune heads"]["modules_masked"] == 1
    assert any("the weight of model.layers.2.self_attn.o_proj too: it is masked" in note for note in made.notes)


def test_a_child_with_a_mask_is_not_saved_as_one_without(tmp_path: Path) -> None:
    parent = wrap_live("base", sharing(vocab_size=300), byte_tokenizer())
    child = child_of(parent, [read_step({"prune": "heads", "heads": [[0, 1]]})], name="child")
    with pytest.raises(ModelError, match=r"child: it cannot be saved: .*hold heads or neurons at zero"):
        save(child, tmp_path / "child")
    assert not list(tmp_path.iterdir())


def with_edit(model: Any) -> None:
    with edited(model, heads=[(0, 1)]):
        pass


def test_weights_that_are_not_in_memory_are_not_edited() -> None:
    structure = structure_of(tiny("llama"))
    structure.module.to("meta")
    with pytest.raises(RecipeError, match="no plain float weight"):
        with_edit(structure)


def with_mask(target: Any, *asked: Any) -> torch.Tensor | None:
    with masked(target, heads=[(1, 1)]):
        return logits_of(asked[0]) if asked else None


def test_a_mask_that_nothing_ran_through_is_said_and_not_taken_for_a_head_without_effect() -> None:
    model = tiny("llama")
    with pytest.raises(RecipeError, match=r"layers\.1\.self_attn\.o_proj: its mask was never used"):
        with_mask(model)
    assert hooks_of(model) == ()


def test_compiled_code_that_sees_no_hooks_is_said() -> None:
    """torch.compile looks at hooks when it compiles and not after: masks set later have no effect."""
    model, expected = tiny("llama"), tiny("llama")
    structure = structure_of(model)
    with masked(expected, heads=[(1, 1)]):
        wanted = logits_of(expected)
    model.compile(backend="eager")
    logits_of(model)
    with pytest.raises(RecipeError, match=r"its mask was never used: .* as torch\.compile does"):
        with_mask(structure, model)
    torch.compiler.reset()
    found = with_mask(structure, model)  # compiled with the hooks there
    assert found is not None
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
