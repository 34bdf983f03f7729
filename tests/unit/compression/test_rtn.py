"""Round to nearest: the grids by hand and against torch's fake quantisation, and what the step does to a module."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.linear import linear_weights
from pytest_biasaudit.compression.quantization import round_to_nearest as rounding
from pytest_biasaudit.compression.quantization.round_to_nearest import round_in_place, round_to_nearest
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.errors import RecipeError
from tests.tiny_models import tiny


def random_matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(3))


def rtn(model: Any, **settings: object) -> dict[str, Any]:
    facts: Any = apply_recipe(model, [read_step({"quantize": "rtn", **settings})]).facts["1 quantize rtn"]
    return dict(facts)


def test_an_asymmetric_grid_by_hand() -> None:
    # Two bits: levels 0 to 3. Range -1 to 5, step 2; zero = round(1 / 2) = 0 (half to even).
    # -1 / 2 = -0.5 -> 0; 0; 3 / 2 = 1.5 -> 2, that is 4; 5 / 2 = 2.5 -> 2, that is 4.
    assert round_to_nearest(torch.tensor([[-1.0, 0.0, 3.0, 5.0]]), bits=2, symmetric=False).tolist() == [[0, 0, 4, 4]]
    # Range -3 to 3, step 2, zero = round(1.5) = 2: levels of -3: round(-1.5) + 2 = 0, that is -4; of 3: 2 + 2, cut to 3: 2.
    assert round_to_nearest(torch.tensor([[-3.0, 3.0]]), bits=2, symmetric=False).tolist() == [[-4, 2]]


def test_a_row_of_one_sign_reaches_to_zero_so_that_zero_is_on_its_grid() -> None:
    # Range 0 to 6 and not 4 to 6: step 2.
    assert round_to_nearest(torch.tensor([[4.0, 5.1, 6.0]]), bits=2, symmetric=False).tolist() == [[4, 6, 6]]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
def test_an_asymmetric_grid_agrees_with_torch_fake_quantisation(bits: int) -> None:
    matrix = random_matrix(6, 40)
    top = 2**bits - 1
    low, high = matrix.amin(1).clamp(max=0), matrix.amax(1).clamp(min=0)
    scale = (high - low) / top
    zero = (-low / scale).round().clamp(0, top).int()
    theirs = torch.fake_quantize_per_channel_affine(matrix, scale, zero, 0, 0, top)
    torch.testing.assert_close(round_to_nearest(matrix, bits=bits, symmetric=False), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_no_more_than_two_to_the_bits_values_a_stretch_and_pruned_weights_stay_pruned(
    bits: int, symmetric: bool
) -> None:
    matrix = random_matrix(4, 512)
    matrix[:, ::3] = 0
    rounded = round_to_nearest(matrix, bits=bits, group_size=256, symmetric=symmetric)
    for stretch in rounded.reshape(-1, 256):
        assert len(stretch.unique()) <= 2**bits
    assert not rounded[:, ::3].any()


@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_are_rounded_some_at_a_time_and_come_out_as_if_all_at_once(
    monkeypatch: pytest.MonkeyPatch, symmetric: bool
) -> None:
    whole = round_to_nearest(random_matrix(37, 24), bits=4, group_size=8, symmetric=symmetric)
    monkeypatch.setattr(rounding, "ROOM", 100)
    assert torch.equal(round_to_nearest(random_matrix(37, 24), bits=4, group_size=8, symmetric=symmetric), whole)


def test_what_changed_is_told_by_sums_of_squares() -> None:
    before = random_matrix(9, 16)
    after = before.clone()
    error, norm = round_in_place(after, bits=4)
    assert error == pytest.approx(float((after - before).double().square().sum()), rel=1e-5)
    assert norm == pytest.approx(float(before.double().square().sum()), rel=1e-5)


def test_facts_give_nominal_bits_and_bytes_as_packed_and_as_stored() -> None:
    model = tiny("llama")
    shapes = [tuple(weight.shape) for _, weight, _ in linear_weights(model, lm_head=False)]
    weights = sum(rows * columns for rows, columns in shapes)
    stored = sum(parameter.nbytes for parameter in model.parameters())
    found = rtn(model, bits=4, group_size=16, symmetric=False)
    assert found["bits"] == 4
    assert found["modules_changed"] == len(shapes)
    assert found["weights_changed"] == weights
    # Half a byte a weight; for each group of 16 two bytes of step and half a byte of zero point.
    assert found["packed_bytes"] == round(weights / 2 + weights / 16 * 2.5)
    assert found["stored_bytes"] == stored
    assert "stored dequantised" in found["format"]
    assert 0 < found["relative_error"] < 0.2


def test_the_module_is_changed_where_it_stands_without_a_second_copy() -> None:
    model = tiny("llama")
    places = {name: weight.data_ptr() for name, weight, _ in linear_weights(model, lm_head=False)}
    rtn(model, bits=8)
    assert {name: weight.data_ptr() for name, weight, _ in linear_weights(model, lm_head=False)} == places


def test_torch_has_its_threads_back_whatever_happens() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        rtn(tiny("llama"))
        assert torch.get_num_threads() == 2
        broken = tiny("llama")
        broken.model.layers[0].mlp.up_proj.weight.data.fill_(float("nan"))
        with pytest.raises(RecipeError):
            rtn(broken)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("symmetric", [True, False])
def test_conv1d_is_rounded_by_output_in_groups_of_inputs(symmetric: bool) -> None:
    model = tiny("gpt2")
    weight = model.transformer.h[1].mlp.c_proj.weight
    expected = round_to_nearest(weight.data.T.clone(), bits=3, group_size=16, symmetric=symmetric).T
    rtn(model, bits=3, group_size=16, symmetric=symmetric)
    assert torch.equal(weight.data, expected)


def test_a_tied_head_asked_for_is_untied_and_the_embedding_keeps_its_weights() -> None:
    model = tiny("gpt2")
    embedding = model.transformer.wte.weight.data.clone()
    found = rtn(model, bits=4, lm_head=True)
    assert found["lm_head"] == "quantised; it was tied to the input embedding, which keeps its weights"
    assert torch.equal(model.transformer.wte.weight.data, embedding)
    assert torch.equal(model.lm_head.weight.data, round_to_nearest(embedding, bits=4))
    assert model.config.tie_word_embeddings is False
    model.tie_weights()  # what saving and loading do
    assert not torch.equal(model.lm_head.weight.data, embedding)


def test_an_untied_head_is_saved_and_loaded_as_it_is(tmp_path: Any) -> None:
    from transformers import GPT2LMHeadModel

    model = tiny("gpt2")
    rtn(model, bits=4, lm_head=True)
    model.save_pretrained(tmp_path)
    again = GPT2LMHeadModel.from_pretrained(tmp_path)
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert torch.equal(again.transformer.wte.weight, model.transformer.wte.weight)


def test_a_head_of_its_own_is_quantised_where_asked_and_said_to_be() -> None:
    assert rtn(tiny("llama"), lm_head=True)["lm_head"] == "quantised"
    assert rtn(tiny("llama"))["lm_head"] == "left as it was"


def test_nothing_is_changed_before_a_group_size_is_refused() -> None:
    model = tiny("llama")  # inputs of 32 and of 48
    before = {name: weight.data.clone() for name, weight, _ in linear_weights(model, lm_head=True)}
    with pytest.raises(
        RecipeError, match=r"group_size = 32 does not divide the 48 inputs of model\.layers\.0\.mlp\.down_proj"
    ):
        rtn(model, group_size=32, lm_head=True)
    for name, weight, _ in linear_weights(model, lm_head=True):
        assert torch.equal(weight.data, before[name])


def test_weights_that_are_not_finite_are_refused_with_their_layer() -> None:
    model = tiny("llama")
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("inf")
    with pytest.raises(RecipeError, match=r"layers\.1\.mlp\.up_proj are not all finite"):
        rtn(model)


def test_two_layers_with_one_weight_are_rounded_once() -> None:
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False)
            self.other.weight = self.one.weight

    model = Twice()
    expected = round_to_nearest(model.one.weight.data.clone(), bits=4, symmetric=False)
    found = rtn(model, bits=4, symmetric=False)
    assert torch.equal(model.one.weight.data, expected)
    assert (found["modules_changed"], found["weights_changed"]) == (2, 64)


def test_a_bfloat16_model_is_rounded_in_float32_and_stays_bfloat16() -> None:
    model = tiny("llama").bfloat16()
    weight = model.model.layers[0].self_attn.q_proj.weight
    expected = round_to_nearest(weight.data.float(), bits=4).bfloat16()
    rtn(model, bits=4)
    assert torch.equal(weight.data, expected)
