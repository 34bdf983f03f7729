"""Heads and neurons on quantised weights, which no zeros can be written into: hooks, and masks that stay."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.structure.edits import edited
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masked_projection import MaskedProjection
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.errors import RecipeError
from tests.tiny_architectures import logits_of, tiny

SIZES = {"hidden_size": 64, "intermediate_size": 128}  # whole groups of 64 for 4-bit formats


def body(model: Any) -> list[tuple[str, Any]]:
    return [
        (name, part) for name, part in model.named_modules() if type(part) is torch.nn.Linear and "head" not in name
    ]


def replaced(model: Any, build: Callable[[Any], Any]) -> Any:
    for name, part in body(model):
        around, _, last = name.rpartition(".")
        setattr(model.get_submodule(around), last, build(part))
    return model


def torchao_int8(model: Any) -> Any:
    quantization = pytest.importorskip("torchao.quantization")
    quantization.quantize_(
        model, quantization.Int8WeightOnlyConfig(), filter_fn=lambda part, name: name in dict(body(model))
    )
    return model


def torchao_dynamic(model: Any) -> Any:
    quantization = pytest.importorskip("torchao.quantization")
    config = quantization.Int8DynamicActivationInt8WeightConfig()
    quantization.quantize_(model, config, filter_fn=lambda part, name: name in dict(body(model)))
    return model


def quanto_int8(model: Any) -> Any:
    quanto = pytest.importorskip("optimum.quanto")
    quanto.quantize(model, weights=quanto.qint8, exclude="lm_head")
    quanto.freeze(model)
    return model


def bitsandbytes_nf4(model: Any) -> Any:
    bitsandbytes = pytest.importorskip("bitsandbytes")

    def four_bit(part: Any) -> Any:
        new = bitsandbytes.nn.Linear4bit(part.in_features, part.out_features, bias=False, quant_type="nf4")
        new.weight = bitsandbytes.nn.Params4bit(part.weight.data, requires_grad=False, quant_type="nf4")
        return new

    return replaced(model, four_bit).to("cpu")


def hqq_4(model: Any) -> Any:
    hqq = pytest.importorskip("hqq.core.quantize")
    config = hqq.BaseQuantizeConfig(nbits=4, group_size=64, axis=1)
    return replaced(model, lambda part: hqq.HQQLinear(part, config, compute_dtype=torch.float32, device="cpu"))


def torch_dynamic(model: Any) -> Any:
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear})  # type: ignore[no-untyped-call]


STEPS = [
    ({"prune": "heads", "heads": [[1, 2], [0, 0]]}, {"heads": [(1, 2), (0, 0)]}),
    ({"prune": "heads", "heads": [[1, 2]], "mode": "uniform"}, {"heads": [(1, 2)], "mode": "uniform"}),
    ({"prune": "neurons", "neurons": [[0, 2], [2, 5]]}, {"neurons": [(0, 2), (2, 5)]}),
]


@pytest.fixture(
    scope="module", params=[torchao_int8, torchao_dynamic, quanto_int8, bitsandbytes_nf4, hqq_4, torch_dynamic]
)
def quantise(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return lambda: request.param(tiny("llama", **SIZES)).eval()  # what is new in it begins in training mode


@pytest.mark.filterwarnings("ignore")  # the back ends' own, of which there are many
@pytest.mark.parametrize(("step", "asked"), STEPS)
def test_a_mask_that_stays_is_the_hook_to_the_bit(quantise: Any, step: dict[str, Any], asked: dict[str, Any]) -> None:
    model = quantise()
    base, structure = logits_of(model), structure_of(model)
    with masked(structure, **asked):
        by_hook = logits_of(model)
    assert float((by_hook - base).abs().max()) > 1e-2
    assert torch.equal(logits_of(model), base)
    made = apply_recipe(model, [read_step(step)])
    assert torch.equal(logits_of(made.module), by_hook)
    facts = made.facts[f"1 prune {step['prune']}"]
    assert facts["modules_masked"] == facts["modules_changed"] == (2 if "mode" not in asked else 1)
    assert facts["weights_zeroed"] == 0
    assert any("it has no plain float weight: it is masked instead" in note for note in made.notes)


@pytest.mark.filterwarnings("ignore")
def test_masks_are_in_the_state_and_a_second_step_adds_to_them(quantise: Any) -> None:
    model = quantise()
    apply_recipe(model, [read_step({"prune": "heads", "heads": [[1, 2]]})])
    projection = model.model.layers[1].self_attn.o_proj
    assert isinstance(projection, MaskedProjection)
    assert projection.gone_inputs.nonzero().flatten().tolist() == list(range(32, 48))
    assert "model.layers.1.self_attn.o_proj.gone_inputs" in model.state_dict()
    apply_recipe(model, [read_step({"prune": "heads", "heads": [[1, 0], [1, 2]]})])
    assert model.model.layers[1].self_attn.o_proj is projection
    assert projection.gone_inputs.nonzero().flatten().tolist() == [*range(16), *range(32, 48)]
    with pytest.raises(RecipeError, match="zero or masked already"):
        apply_recipe(model, [read_step({"prune": "heads", "heads": [[1, 0]]})])


@pytest.mark.filterwarnings("ignore")
def test_an_edit_of_quantised_weights_is_refused_with_what_to_do(quantise: Any) -> None:
    with (
        pytest.raises(RecipeError, match=r"no plain float weight.*mask it instead, or remove heads and neurons before"),
        edited(quantise(), heads=[(1, 2)]),
    ):
        pass


def test_a_mask_around_plain_weights_is_their_edit() -> None:
    model = tiny("t5")
    structure = structure_of(model)
    (cut,) = structure.cuts(neurons=[(1, 4), (1, 7)])
    with edited(structure, neurons=[(1, 4), (1, 7)]):
        by_weight = logits_of(model)
    around, _, last = cut.name.rpartition(".")
    wrapped = MaskedProjection(model.get_submodule(cut.name))
    setattr(model.get_submodule(around), last, wrapped)  # T5 asks its down projection for its weight's dtype
    assert wrapped.cut(cut.side, cut.units) == 2
    assert torch.equal(logits_of(model), by_weight)
    assert torch.equal(logits_of(copy.deepcopy(model)), by_weight)
    assert structure_of(model).neurons[1].name == cut.name  # found again, by both ways
