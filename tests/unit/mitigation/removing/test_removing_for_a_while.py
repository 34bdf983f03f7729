"""A model without components, for a while: what it answers then, and that it is as it was after, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Unit
from pytest_biasaudit.mitigation.removing import weights
from pytest_biasaudit.mitigation.removing.without import sizes_in, without
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests import tiny_architectures

LINEAR = {"llama": "model.layers.1.mlp.up_proj", "gpt2": "transformer.h.1.attn.c_attn"}


def chosen_of(unit: Unit, chosen: Mapping[str, list[int]], module: Any, mode: Mode = "ablate") -> ComponentSet:
    """A set as scoring would give it, with the sizes of this module."""
    return ComponentSet(
        unit=unit,
        mode=mode,
        chosen={place: np.array(numbers, dtype=np.int64) for place, numbers in chosen.items()},
        sizes=sizes_in(module, unit),
    )


def a_set(unit: Unit, module: Any, architecture: str) -> ComponentSet:
    places: dict[Unit, dict[str, list[int]]] = {
        "heads": {"0": [1], "1": [0, 2]},
        "neurons": {"0": [5], "1": [0, 7, 11]},
        "weights": {LINEAR[architecture]: [0, 3, 32, 101, 500]},
    }
    return chosen_of(unit, places[unit], module)


def go_without(module: Any, components: ComponentSet) -> None:
    with without(module, components):
        pass


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_the_answers_change_inside_and_the_model_is_as_it_was_after(architecture: str, unit: Unit) -> None:
    module = tiny_architectures.tiny(architecture)
    before, hooks = tensors_sha256(module), hooks_of(module)
    plain = tiny_architectures.logits_of(module)
    with without(module, a_set(unit, module, architecture)):
        assert not torch.equal(tiny_architectures.logits_of(module), plain)
    assert torch.equal(tiny_architectures.logits_of(module), plain)
    assert (tensors_sha256(module), hooks_of(module)) == (before, hooks)


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_the_model_is_as_it_was_after_an_exception_too(unit: Unit) -> None:
    module = tiny_architectures.tiny("llama")
    before, hooks = tensors_sha256(module), hooks_of(module)
    with pytest.raises(KeyboardInterrupt), without(module, a_set(unit, module, "llama")):
        raise KeyboardInterrupt
    assert (tensors_sha256(module), hooks_of(module)) == (before, hooks)


def test_entries_of_a_weight_are_counted_row_by_row_of_outputs_and_inputs() -> None:
    module = tiny_architectures.tiny("llama")
    weight = module.model.layers[1].mlp.up_proj.weight  # (outputs, inputs)
    outputs, inputs = weight.shape
    with without(module, chosen_of("weights", {LINEAR["llama"]: [0, inputs + 2, outputs * inputs - 1]}, module)):
        gone = (weight == 0).nonzero().tolist()
    assert gone == [[0, 0], [1, 2], [outputs - 1, inputs - 1]]


def test_a_conv1d_keeps_its_weight_the_other_way_round_and_its_entries_are_counted_alike() -> None:
    module = tiny_architectures.tiny("gpt2")
    weight = module.transformer.h[1].attn.c_attn.weight  # (inputs, outputs)
    inputs, outputs = weight.shape
    assert sizes_in(module, "weights")[LINEAR["gpt2"]] == (outputs, inputs)
    with without(module, chosen_of("weights", {LINEAR["gpt2"]: [0, inputs + 2]}, module)):
        gone = (weight == 0).nonzero().tolist()
    assert gone == [[0, 0], [2, 1]]


def test_what_was_minus_zero_is_minus_zero_again() -> None:
    module = tiny_architectures.tiny("llama")
    weight = module.model.layers[1].mlp.up_proj.weight
    with torch.no_grad():
        weight[0, 0] = -0.0
    with without(module, chosen_of("weights", {LINEAR["llama"]: [0, 1]}, module)):
        assert not torch.signbit(weight[0, 0])
    assert torch.signbit(weight[0, 0])


def test_the_structure_of_a_module_spares_the_search_and_gives_the_same() -> None:
    module = tiny_architectures.tiny("llama")
    heads = a_set("heads", module, "llama")
    with without(module, heads):
        searched = tiny_architectures.logits_of(module)
    with without(structure_of(module), heads):
        assert torch.equal(tiny_architectures.logits_of(module), searched)


def test_a_set_without_components_leaves_the_model_as_it_is() -> None:
    module = tiny_architectures.tiny("llama")
    with without(module, chosen_of("heads", {}, module)):
        assert not hooks_of(module)


def test_a_weight_that_was_replaced_meanwhile_is_said_and_all_others_are_back() -> None:
    module = tiny_architectures.tiny("llama")
    names = [LINEAR["llama"], "model.layers.0.mlp.up_proj"]
    kept = module.model.layers[0].mlp.up_proj.weight.detach().clone()
    chosen = chosen_of("weights", {name: [0, 1] for name in names}, module)
    layer = module.model.layers[1].mlp.up_proj
    other = torch.nn.Parameter(layer.weight.detach() + 1)
    said = r"model\.layers\.1\.mlp\.up_proj: its weight was replaced or changed"
    with pytest.raises(RecipeError, match=said), without(module, chosen):
        layer.weight = other
    assert torch.equal(module.model.layers[0].mlp.up_proj.weight, kept)


def test_a_weight_that_was_trained_meanwhile_is_said() -> None:
    module = tiny_architectures.tiny("llama")
    chosen = chosen_of("weights", {LINEAR["llama"]: [0]}, module)
    with pytest.raises(RecipeError, match="was replaced or changed"), without(module, chosen), torch.no_grad():
        module.model.layers[1].mlp.up_proj.weight[3, 3] += 1


def test_an_interruption_while_weights_are_looked_at_leaves_none_without_its_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = tiny_architectures.tiny("llama")
    names = ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"]
    components = chosen_of("weights", {name: [0, 5] for name in names}, module)
    before = tensors_sha256(module)

    def interrupted(_weight: object) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), without(module, components):
        monkeypatch.setattr(weights, "_sha256", interrupted)
    assert tensors_sha256(module) == before


def test_a_set_found_in_a_model_of_another_depth_or_width_is_refused() -> None:
    small = tiny_architectures.tiny("llama")
    deep = tiny_architectures.tiny("llama", num_hidden_layers=4)
    wide = tiny_architectures.tiny("llama", intermediate_size=64)
    for unit in ("heads", "neurons", "weights"):
        with pytest.raises(RecipeError, match=f"{unit}: .* model of other sizes .*it has .*3.* besides"):
            go_without(deep, a_set(unit, small, "llama"))
    with pytest.raises(RecipeError, match=r"neurons: .*: 0 is 64 and not \d+, 1 is 64"):
        go_without(wide, a_set("neurons", small, "llama"))
    with pytest.raises(RecipeError, match=r"weights: .*up_proj is 64 x 32 and not"):
        go_without(wide, a_set("weights", small, "llama"))


def test_a_set_that_knows_no_sizes_is_held_against_the_model_by_what_it_names() -> None:
    module = tiny_architectures.tiny("llama")
    bare = ComponentSet(unit="heads", chosen={"9": np.array([0])}, sizes={})
    with pytest.raises(RecipeError, match="layer 9: the model has layers 0 to 2"):
        go_without(module, bare)
    bare = ComponentSet(unit="weights", chosen={"model.layers.9.mlp.up_proj": np.array([0])}, sizes={})
    with pytest.raises(RecipeError, match=r"model\.layers\.9\.mlp\.up_proj: the model .* has no linear layer"):
        go_without(module, bare)
    bare = ComponentSet(unit="weights", chosen={LINEAR["llama"]: np.array([10**6])}, sizes={})
    with pytest.raises(RecipeError, match=r"entries 1000000 to 1000000 are named, and its weight \(\d+ x 32\) has"):
        go_without(module, bare)


def test_uniform_is_of_heads_only() -> None:
    module = tiny_architectures.tiny("llama")
    with pytest.raises(RecipeError, match="'uniform' is of heads only, and the set is of neurons"):
        go_without(module, chosen_of("neurons", {"0": [1]}, module, mode="uniform"))


def test_a_model_without_attention_is_refused_in_plain_words() -> None:
    module = tiny_architectures.tiny("mamba")
    bare = ComponentSet(unit="heads", chosen={"0": np.array([0])}, sizes={})
    with pytest.raises(RecipeError, match="heads of MambaForCausalLM: it has no attention"):
        go_without(module, bare)


def test_a_quantised_weight_is_refused_and_said_what_else_can_be_done() -> None:
    module = tiny_architectures.tiny("llama")
    chosen = ComponentSet(unit="weights", chosen={LINEAR["llama"]: np.array([0])}, sizes={})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize: Any = torch.ao.quantization.quantize_dynamic
        quantised = quantize(module, {torch.nn.Linear}, dtype=torch.qint8)
    with pytest.raises(RecipeError, match=r"no plain float weight .*; remove weights before the model is quantised"):
        go_without(quantised, chosen)


def test_a_weight_that_another_layer_computes_with_too_is_refused() -> None:
    module = tiny_architectures.tiny("llama")
    module.model.layers[0].mlp.up_proj.weight = module.model.layers[1].mlp.up_proj.weight
    chosen = ComponentSet(unit="weights", chosen={LINEAR["llama"]: np.array([0])}, sizes={})
    with pytest.raises(RecipeError, match=r"its weight is the weight of model\.layers\.0\.mlp\.up_proj too"):
        go_without(module, chosen)
