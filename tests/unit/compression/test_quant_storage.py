"""What weights take up: by hand for plain ones, shared ones counted once, and casts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.storage import stored_bytes, stored_tensors, weight_count
from pytest_biasaudit.errors import RecipeError
from tests.tiny_models import tiny


def cast(model: Any, method: str) -> Any:
    return apply_recipe(model, [read_step({"quantize": method})])


def test_plain_tensors_by_hand() -> None:
    layer = torch.nn.Linear(4, 3)
    layer.weight.data[0] = 0
    layer.bias.data.fill_(1)
    layer.register_buffer("seen", torch.zeros(2, dtype=torch.int64))
    layer.register_buffer("passing", torch.zeros(9), persistent=False)
    found = {one.name: one for one in stored_tensors(layer)}
    assert list(found) == ["weight", "bias", "seen"]  # what would not be saved takes no room
    assert (found["weight"].bytes, found["weight"].numel, found["weight"].bits_per_weight) == (48, 12, 32.0)
    assert (found["weight"].dtype, found["weight"].shape, found["weight"].quantised) == ("float32", (3, 4), False)
    assert found["weight"].sparsity == pytest.approx(4 / 12)
    assert found["bias"].sparsity == 0
    assert stored_bytes(layer) == 48 + 12 + 16
    assert weight_count(layer) == 15


def test_a_tied_head_counts_once() -> None:
    model = tiny("gpt2")
    assert model.lm_head.weight is model.transformer.wte.weight
    assert stored_bytes(model) == sum(parameter.nbytes for parameter in model.parameters())
    assert weight_count(model) == sum(parameter.numel() for parameter in model.parameters())
    names = [one.name for one in stored_tensors(model)]
    assert "lm_head.weight" not in names
    assert "transformer.wte.weight" in names


def test_zeros_are_not_counted_where_nobody_asks_for_them() -> None:
    assert all(one.sparsity is None for one in stored_tensors(tiny("llama"), sparsity=False))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor, torch.quantize_per_channel")
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_per_channel_packed_weights_are_counted_with_a_scale_and_a_zero_point_a_row() -> None:
    from torch.ao.quantization import per_channel_dynamic_qconfig
    from torch.ao.quantization import quantize_dynamic as untyped

    call: Any = untyped
    layer = torch.nn.Linear(8, 3)
    layer.weight.data.zero_()
    layer.weight.data[0, 0] = 1
    packed = call(torch.nn.Sequential(layer), {"0": per_channel_dynamic_qconfig})[0]
    found = {one.name: one for one in stored_tensors(packed)}
    assert found["weight"].bytes == 24 + 3 * 16
    assert found["weight"].sparsity == pytest.approx(23 / 24)
    assert found["bias"].bytes == 12
    assert weight_count(packed) == 27


@pytest.mark.parametrize(("method", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_a_cast_is_torchs_own_and_halves_the_bytes(method: str, dtype: torch.dtype) -> None:
    model, before = tiny("llama"), {name: tensor.clone() for name, tensor in tiny("llama").state_dict().items()}
    halved = stored_bytes(model) / 2
    facts: Any = cast(model, method).facts[f"1 quantize {method}"]
    assert facts["stored_bytes"] == stored_bytes(model) == halved
    assert facts["bits"] == 16
    assert facts["weights_changed"] == weight_count(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name].to(dtype)), name


@pytest.mark.parametrize(("method", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_a_cast_answers_as_the_model_loaded_in_that_format(tmp_path: Path, method: str, dtype: torch.dtype) -> None:
    # The frequencies of rotary positions are no weights: rounded to the format, far positions are read as others.
    from transformers import LlamaForCausalLM

    model = tiny("llama")
    model.save_pretrained(tmp_path)
    loaded: Any = LlamaForCausalLM.from_pretrained(tmp_path, dtype=dtype)
    cast(model, method)
    assert {name: one.dtype for name, one in model.named_buffers()} == {
        name: one.dtype for name, one in loaded.named_buffers()
    }
    ids = torch.arange(3, 120)[None]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, loaded.eval()(ids).logits)


def test_a_cast_that_changes_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="every weight is bfloat16 already; the child would be its parent"):
        cast(tiny("llama").bfloat16(), "bf16")


def test_weights_that_float16_cannot_hold_are_counted_and_said() -> None:
    model = tiny("llama")
    model.lm_head.weight.data[0, :3] = 70_000.0
    made = cast(model, "fp16")
    assert made.facts["1 quantize fp16"]["saturated"] == 3
    assert "3 weights are larger than float16 can hold and became infinite: this child is broken." in made.notes
