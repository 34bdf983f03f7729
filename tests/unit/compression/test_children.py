"""Recipes applied to tiny models, against torch's own pruning and a plain derivation of rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.utils.prune

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.linear import linear_weights
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.method import Method
from pytest_biasaudit.compression.quantization.round_to_nearest import round_to_nearest
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_models import byte_tokenizer, tiny


def test_rounding_by_hand() -> None:
    # Row 1: largest 7 on level 7, so the step is 1. Row 2: largest 14, step 2: 5 / 2 = 2.5 rounds to even, 2, that is 4.
    matrix = torch.tensor([[7.0, 2.4, -1.6], [14.0, 5.0, -3.1]])
    assert round_to_nearest(matrix, bits=4).tolist() == [[7.0, 2.0, -2.0], [14.0, 4.0, -4.0]]


def test_groups_have_their_own_grid_and_zeros_stay() -> None:
    matrix = torch.tensor([[127.0, 1.2, 0.0, 0.0]])
    assert round_to_nearest(matrix, bits=8, group_size=2).tolist() == [[127.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("bits", [4, 8])
def test_rounding_agrees_with_torch_fake_quantisation(bits: int) -> None:
    matrix = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    top = 2 ** (bits - 1) - 1
    scale = matrix.abs().amax(1) / top
    theirs = torch.fake_quantize_per_channel_affine(matrix, scale, torch.zeros(6, dtype=torch.int32), 0, -top - 1, top)
    torch.testing.assert_close(round_to_nearest(matrix, bits=bits), theirs, rtol=0, atol=1e-6)


def test_magnitude_pruning_agrees_with_torchs_own() -> None:
    ours, theirs = tiny("llama"), tiny("llama")
    achieved = apply_recipe(ours, [read_step({"prune": "magnitude", "sparsity": 0.3})]).facts
    for _, weight, _ in linear_weights(theirs, lm_head=False):
        rule: Any = torch.nn.utils.prune.L1Unstructured(0.3)
        mask = rule.compute_mask(weight, torch.ones_like(weight))
        weight.data *= mask
    for (name, one, _), (_, other, _) in zip(
        linear_weights(ours, lm_head=False), linear_weights(theirs, lm_head=False), strict=True
    ):
        assert torch.equal(one, other), name
    result = achieved["1 prune magnitude"]
    assert isinstance(result, dict)
    assert result["sparsity"] == pytest.approx(0.3, abs=1e-3)
    assert result["modules_changed"] == 14  # seven linears in each of two layers; the head is left out


def test_the_parent_is_not_touched_and_the_child_says_where_it_comes_from() -> None:
    parent = wrap_live("base", tiny("llama"), byte_tokenizer())
    before = tensors_sha256(parent.module)
    child = child_of(parent, [read_step({"quantize": "rtn", "bits": 4})], name="int4")
    assert tensors_sha256(parent.module) == before
    assert child.identity.parent == "base"
    assert child.identity.parent_digest == parent.identity.digest
    assert child.identity.recipe == ({"quantize": "rtn", "bits": 4, "lm_head": False, "symmetric": True},)
    assert child.identity.weights_sha256 == tensors_sha256(child.module) != before
    assert child.identity.digest != parent.identity.digest


def test_an_empty_recipe_is_a_faithful_copy() -> None:
    parent = wrap_live("base", tiny("llama"), byte_tokenizer())
    child = child_of(parent, [], name="copy")
    assert tensors_sha256(child.module) == tensors_sha256(parent.module)
    assert child.module is not parent.module


def test_gpt2_keeps_its_weights_the_other_way_round_and_is_rounded_by_output() -> None:
    model = tiny("gpt2")
    weight = model.transformer.h[0].attn.c_attn.weight
    expected = round_to_nearest(weight.data.T.clone(), bits=4).T
    apply_recipe(model, [read_step({"quantize": "rtn", "bits": 4})])
    torch.testing.assert_close(weight.data, expected)


def test_a_tied_head_is_left_alone_unless_asked_for() -> None:
    model = tiny("gpt2")
    embedding = model.transformer.wte.weight.data.clone()
    apply_recipe(model, [read_step({"quantize": "rtn", "bits": 4})])
    assert torch.equal(model.transformer.wte.weight.data, embedding)


def test_a_group_size_that_does_not_divide_is_refused_with_the_layer() -> None:
    with pytest.raises(RecipeError, match=r"group_size = 7 does not divide the 32 inputs of model\.layers"):
        apply_recipe(tiny("llama"), [read_step({"quantize": "rtn", "group_size": 7})])


def test_a_model_without_linear_layers_is_refused() -> None:
    with pytest.raises(RecipeError, match="has no linear layer"):
        apply_recipe(torch.nn.Embedding(3, 3), [read_step({"quantize": "rtn"})])


def test_a_cast_changes_the_dtype_in_the_identity() -> None:
    child = child_of(wrap_live("base", tiny("llama"), byte_tokenizer()), [read_step({"quantize": "bf16"})], name="bf16")
    assert child.identity.dtype == "bfloat16"
    assert {p.dtype for p in child.module.parameters()} == {torch.bfloat16}


def test_a_hooks_method_is_applied_by_what_it_brings() -> None:
    def silence(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
        for parameter in module.parameters():
            parameter.data.zero_()
        return Applied(module=module, facts={"silent": True}, notes=("It says nothing.",))

    method = Method(action="prune", name="everything", does="sets all weights to zero", settings={}, apply=silence)
    model = tiny("llama")
    step = read_step({"prune": "everything"}, [method])
    made = apply_recipe(model, [step], methods=[method])
    assert made.module is model
    assert made.facts == {"1 prune everything": {"silent": True}}
    assert made.notes == ("It says nothing.",)
    assert not any(parameter.any() for parameter in model.parameters())
