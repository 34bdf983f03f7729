"""Every architecture: heads and neurons are where two ways find them, a mask is an edit, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.structure.edits import edited
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.compression.structure.places import Structure
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests.tiny_architectures import ARCHITECTURES, EXPERTS, logits_of, tiny

NOT_UNIFORM = {
    "olmo2": "normalised together",  # one norm over all heads' queries
    "bloom": "not uniform",  # ALiBi
    "mpt": "not uniform",  # ALiBi
    "deberta-v2": "not uniform",  # the keys meet the positions' queries too
    "t5": "not uniform",  # relative position bias
}
SHAPES = {  # (layers with heads, heads of the first, width), (layers with neurons, neurons of the first), by hand
    "llama": ((3, 4, 8), (3, 48)),
    "qwen3": ((3, 4, 16), (3, 48)),  # four heads of 16 in a model 32 wide
    "gemma2": ((3, 4, 16), (3, 48)),
    "gpt2": ((3, 4, 8), (3, 48)),
    "falcon": ((3, 4, 8), (3, 128)),  # four times the hidden size
    "mpt": ((3, 4, 8), (3, 128)),
    "albert": ((1, 4, 8), (1, 48)),  # one layer, run three times
    "t5": ((7, 4, 16), (5, 48)),  # 3 encoder layers, 2 of the decoder, twice
    "bart": ((7, 4, 8), (5, 48)),
}


@pytest.fixture(scope="module", params=[*ARCHITECTURES, *EXPERTS])
def found(request: pytest.FixtureRequest) -> tuple[str, Any, Structure, torch.Tensor]:
    model = tiny(request.param)
    return request.param, model, structure_of(model), logits_of(model)


def changed_entries(before: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """Which entries of which tensor differ, bit by bit."""
    now = model.state_dict()
    return {name: now[name] != old for name, old in before.items() if not torch.equal(now[name], old)}


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_two_ways_of_finding_heads_agree(found: tuple[str, Any, Structure, torch.Tensor]) -> None:
    name, _, structure, _ = found
    assert "heads" not in structure.refusals
    if name in SHAPES:
        layers, heads, width = SHAPES[name][0]
        assert list(structure.heads) == list(range(layers))
        assert (structure.heads[0].count, structure.heads[0].width) == (heads, width)


def test_two_ways_of_finding_neurons_agree_except_where_they_are_experts(
    found: tuple[str, Any, Structure, torch.Tensor],
) -> None:
    name, _, structure, _ = found
    if name in EXPERTS:
        with pytest.raises(RecipeError, match=r"experts kept in one three-dimensional weight \(model\.layers\.0\.mlp"):
            structure.cuts(neurons=[(0, 0)])
        return
    assert "neurons" not in structure.refusals
    if name in SHAPES:
        layers, neurons = SHAPES[name][1]
        assert list(structure.neurons) == list(range(layers))
        assert structure.neurons[0].count == neurons


def test_masking_any_head_is_zeroing_its_weights_to_the_bit_and_has_an_effect(
    found: tuple[str, Any, Structure, torch.Tensor],
) -> None:
    _, model, structure, base = found
    before = tensors_sha256(model)
    for layer, place in structure.heads.items():
        for head in range(place.count):
            with masked(structure, heads=[(layer, head)]):
                by_hook = logits_of(model)
            with edited(structure, heads=[(layer, head)]):
                by_weight = logits_of(model)
            assert torch.equal(by_hook, by_weight), (layer, head)
            assert float((by_hook - base).abs().max()) > 1e-3, (layer, head)
    assert tensors_sha256(model) == before
    assert torch.equal(logits_of(model), base)
    assert hooks_of(model) == ()


def test_masking_neurons_of_any_layer_is_zeroing_their_weights_to_the_bit_and_has_an_effect(
    found: tuple[str, Any, Structure, torch.Tensor],
) -> None:
    name, model, structure, base = found
    if name in EXPERTS:
        assert not structure.neurons
        return
    before = tensors_sha256(model)
    for layer, place in structure.neurons.items():
        chosen = [(layer, 0), (layer, 5), (layer, place.count - 1)]
        with masked(structure, neurons=chosen):
            by_hook = logits_of(model)
        with edited(structure, neurons=chosen):
            by_weight = logits_of(model)
        assert torch.equal(by_hook, by_weight), layer
        assert float((by_hook - base).abs().max()) > 1e-4, layer
    assert tensors_sha256(model) == before


def test_heads_and_neurons_together_are_the_same_masked_and_edited(
    found: tuple[str, Any, Structure, torch.Tensor],
) -> None:
    _, model, structure, _ = found
    last = max(structure.heads)
    heads = [(0, 1), (last, 0), (last, 1)] if last else [(0, 0), (0, 1)]
    neurons = [(0, 3)] if structure.neurons else []
    with masked(structure, heads=heads, neurons=neurons):
        by_hook = logits_of(model)
    with edited(structure, heads=heads, neurons=neurons):
        assert torch.equal(logits_of(model), by_hook)


def test_only_the_columns_of_that_head_change(found: tuple[str, Any, Structure, torch.Tensor]) -> None:
    _, model, structure, _ = found
    layer = max(structure.heads)
    place = structure.heads[layer]
    head, before = place.count - 1, state(model)
    with edited(structure, heads=[(layer, head)]):
        changed = changed_entries(before, model)
        assert list(changed) == [f"{place.name}.weight"]
        inputs = place.count * place.width
        mask = changed[f"{place.name}.weight"]
        # A square weight cannot tell its sides apart by shape: GPT-2's Conv1D alone keeps inputs first.
        by_input = mask if type(model.get_submodule(place.name)).__name__ == "Conv1D" else mask.T
        assert by_input.shape[0] == inputs
        whole = by_input.all(1)
        assert torch.equal(whole, by_input.any(1))
        assert whole.nonzero().flatten().tolist() == list(range(head * place.width, (head + 1) * place.width))
    assert not changed_entries(before, model)


def test_without_a_query_attention_is_uniform_or_the_mode_is_refused_with_the_reason(
    found: tuple[str, Any, Structure, torch.Tensor],
) -> None:
    name, model, structure, base = found
    layer, head = max(structure.heads), 1
    if name in NOT_UNIFORM:
        with pytest.raises(RecipeError, match=NOT_UNIFORM[name]), masked(structure, heads=[(0, 1)], mode="uniform"):
            pass
        return
    with masked(structure, heads=[(layer, head)], mode="uniform"):
        by_hook = logits_of(model)
    before = state(model)
    with edited(structure, heads=[(layer, head)], mode="uniform"):
        assert torch.equal(logits_of(model), by_hook)
        assert len(changed_entries(before, model)) in (1, 2)  # a weight, and its bias where it has one
    assert not changed_entries(before, model)
    assert float((by_hook - base).abs().max()) > 1e-5
    assert torch.equal(logits_of(model), base)


@pytest.mark.parametrize("name", [name for name in [*ARCHITECTURES, *EXPERTS] if name not in NOT_UNIFORM])
def test_the_attention_that_the_model_reports_is_one_over_what_it_may_see(name: str) -> None:
    """Read off `output_attentions`, of a model built with eager attention: Falcon's is wrong under any other."""
    model = tiny(name, attn_implementation="eager")
    structure = structure_of(model)
    tokens = torch.tensor([[5, 17, 29, 31, 53, 71, 83]])
    asked = {"input_ids": tokens, "output_attentions": True}
    if model.config.is_encoder_decoder:
        asked["decoder_input_ids"] = tokens
    with torch.inference_mode():
        before = model(**asked)
        with edited(structure, heads=[(0, 2)], mode="uniform"):
            after = model(**asked)
    kind = "encoder_attentions" if model.config.is_encoder_decoder else "attentions"
    was, now = getattr(before, kind)[0][0], getattr(after, kind)[0][0]
    visible = was[2] > 0
    assert int(visible.sum()) > len(visible)  # not the diagonal alone
    expected = visible / visible.sum(-1, keepdim=True)
    torch.testing.assert_close(now[2], expected.to(now.dtype), rtol=0, atol=1e-6)
    assert float((was[2] - expected).abs().max()) > 0.01  # it was not so before
    for other in (0, 1, 3):
        assert torch.equal(was[other], now[other])
