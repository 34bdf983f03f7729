"""Every back end on tiny models of three architectures: what it must leave alone, report, and survive."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import Made, apply_recipe
from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.compression.quantization.methods import METHODS
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.storage import stored_bytes, stored_tensors, weight_count
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.protocol import Passage, Question
from pytest_biasaudit.models.rows_meet import rows_meet
from tests.tiny_masked_models import tiny_masked
from tests.tiny_models import byte_tokenizer, tiny

STEPS: dict[str, tuple[str, dict[str, Any], float]] = {
    # name: (package, step, largest difference of a logit from the parent's, as a share of the logits' spread)
    "int8-dynamic": ("torchao", {"quantize": "int8-dynamic"}, 0.05),
    "int8-weight-only": ("torchao", {"quantize": "int8-weight-only"}, 0.05),
    "float8-weight-only": ("torchao", {"quantize": "float8-weight-only"}, 0.2),
    "nf4": ("bitsandbytes", {"quantize": "nf4"}, 0.5),
    "nf4-double": ("bitsandbytes", {"quantize": "nf4", "double_quant": True}, 0.5),
    "bnb-int8": ("bitsandbytes", {"quantize": "bnb-int8"}, 0.05),
    "hqq-4": ("hqq", {"quantize": "hqq", "bits": 4, "group_size": 16}, 0.5),
    "hqq-8": ("hqq", {"quantize": "hqq", "bits": 8, "group_size": 16}, 0.05),
    "quanto-8": ("optimum.quanto", {"quantize": "quanto", "bits": 8}, 0.05),
    "quanto-4": ("optimum.quanto", {"quantize": "quanto", "bits": 4}, 0.5),
}
BUILDS: dict[str, Callable[[], Any]] = {
    "llama": lambda: tiny("llama"),
    "gpt2": lambda: tiny("gpt2"),
    "bert": tiny_masked,
}
IN_THE_BODY = {"llama": 14, "gpt2": 8, "bert": 12}
IDS = torch.tensor([[5, 9, 77, 110, 31, 8, 64]])
TEXTS = ["a text", "another, rather longer than the first"]


def quantised(name: str, model: Any, **settings: object) -> tuple[Made, dict[str, Any]]:
    package, step, _ = STEPS[name]
    pytest.importorskip(package, reason=f"the package {package} is not installed (tox run -e compression)")
    made = apply_recipe(model, [read_step({**step, **settings})])
    facts: Any = made.facts[f"1 quantize {step['quantize']}"]
    return made, dict(facts)


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits.float()
    return found


def saved_bytes(model: Any) -> int:
    """Bytes of all plain tensors that a back end's own state dict consists of; each place in memory once."""
    places: dict[int, int] = {}

    def add(value: Any) -> None:
        if hasattr(value, "__tensor_flatten__"):
            for name in value.__tensor_flatten__()[0]:
                add(getattr(value, name))
        elif isinstance(value, torch.Tensor):
            places[value.data_ptr()] = max(places.get(value.data_ptr(), 0), value.nbytes)

    state = model.state_dict()
    for value in state.values():
        add(value)
    return sum(places.values())


@pytest.mark.parametrize("architecture", BUILDS)
@pytest.mark.parametrize("name", STEPS)
def test_a_body_is_quantised_and_all_else_left_alone(name: str, architecture: str) -> None:
    parent, model = BUILDS[architecture](), BUILDS[architecture]()
    made, facts = quantised(name, model)
    assert facts["modules_changed"] == IN_THE_BODY[architecture]
    assert facts["modules_skipped"] == []
    assert facts["lm_head"] == "left as it was"
    kept = dict(made.module.named_parameters())
    for title, before in parent.named_parameters():
        if re.search(r"embed|wte|wpe|[nN]orm\b|\bln_|^cls\.", title):
            assert torch.equal(kept[title], before), title
    spread = float(logits_of(parent).std())
    apart = (logits_of(made.module) - logits_of(parent)).abs().mean() / spread
    assert 0 < apart < STEPS[name][2]


@pytest.mark.parametrize("architecture", BUILDS)
@pytest.mark.parametrize("name", STEPS)
def test_bytes_are_those_of_the_back_ends_own_state(name: str, architecture: str) -> None:
    made, facts = quantised(name, BUILDS[architecture]())
    found = list(stored_tensors(made.module))
    assert facts["stored_bytes"] == stored_bytes(made.module) == sum(one.bytes for one in found)
    # Beside its numbers a state dict holds words about them (hqq's and NF4's settings): under 200 bytes a layer.
    extra = saved_bytes(made.module) - facts["stored_bytes"]
    assert 0 <= extra <= 200 * facts["modules_changed"]
    packed = [one for one in found if one.quantised]
    assert len(packed) == facts["modules_changed"]
    assert sum(one.numel for one in packed) == facts["weights_changed"]
    assert all(one.bits_per_weight >= facts["bits"] for one in packed)
    plain = {name for name, _ in BUILDS[architecture]().named_parameters()}
    assert {one.name for one in packed} <= plain
    assert weight_count(made.module) == weight_count(BUILDS[architecture]())


@pytest.mark.parametrize("name", STEPS)
def test_real_sparsity_is_read_through_the_packing(name: str) -> None:
    model = tiny("llama")
    weight = model.model.layers[0].mlp.up_proj.weight
    weight.data[:, :16] = 0
    made, _ = quantised(name, model)
    found = {one.name: one.sparsity for one in stored_tensors(made.module)}["model.layers.0.mlp.up_proj.weight"]
    assert found is not None
    if name.startswith(("int8", "bnb", "quanto-8", "nf4")):  # a grid that has zero on it
        assert 0.5 <= found < 0.65


@pytest.mark.parametrize("name", STEPS)
def test_a_tied_head_may_be_quantised_and_the_embedding_keeps_its_weights(name: str) -> None:
    parent = tiny("gpt2")
    made, facts = quantised(name, tiny("gpt2"), lm_head=True)
    assert facts["modules_changed"] == 9
    assert facts["lm_head"] == "quantised; it was tied to the input embedding, which keeps its weights"
    module: Any = made.module
    assert torch.equal(module.transformer.wte.weight, parent.transformer.wte.weight)
    assert any(one.name == "lm_head.weight" and one.quantised for one in stored_tensors(module))
    assert module.config.tie_word_embeddings is False


@pytest.mark.parametrize("name", STEPS)
def test_a_head_of_its_own_may_be_quantised(name: str) -> None:
    made, facts = quantised(name, tiny("llama"), lm_head=True)
    assert (facts["modules_changed"], facts["lm_head"]) == (15, "quantised")
    assert torch.isfinite(logits_of(made.module)).all()


def test_conv1d_is_turned_exactly() -> None:
    made, facts = quantised("quanto-8", tiny("gpt2"))
    parent, module = tiny("gpt2"), made.module
    assert facts["conv1d_turned"] == 8
    weight: Any = module.get_submodule("transformer.h.0.mlp.c_fc").weight
    plain = parent.transformer.h[0].mlp.c_fc.weight.T
    scale = plain.abs().amax(1, keepdim=True) / 127
    torch.testing.assert_close(weight.dequantize(), torch.round(plain / scale) * scale, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", STEPS)
def test_the_digest_is_the_same_each_time_and_another_for_other_weights(name: str) -> None:
    one, again = (quantised(name, tiny("llama"))[0].module for _ in range(2))
    assert tensors_sha256(one) == tensors_sha256(one) == tensors_sha256(again)
    other = tiny("llama")
    other.model.layers[1].mlp.down_proj.weight.data[3] *= 2
    assert tensors_sha256(quantised(name, other)[0].module) != tensors_sha256(one)
    swapped = tiny("llama")
    first, second = swapped.model.layers[0].mlp, swapped.model.layers[1].mlp
    first.up_proj, second.up_proj = second.up_proj, first.up_proj
    assert tensors_sha256(quantised(name, swapped)[0].module) != tensors_sha256(one)


@pytest.mark.parametrize("name", STEPS)
def test_a_child_is_asked_in_every_way_and_asking_changes_nothing(name: str) -> None:
    made, _ = quantised(name, tiny("llama"))
    live = wrap_live("child", made.module, byte_tokenizer())
    assert isinstance(live, CausalModel)
    assert live.identity.cacheable
    assert not hooks_of(made.module)
    assert live.identity.parameters == sum(parameter.numel() for parameter in tiny("llama").parameters())
    questions = [Question(text=text) for text in TEXTS]
    scores = dict(live.score_options(questions, ["Yes", "No"], batch_size=2))
    assert all(value == value for one in scores.values() for value in one.logprobs)
    assert len(dict(live.generate(questions, max_new_tokens=3, temperature=0, seeds=[0, 0], batch_size=2))) == 2
    assert all(vector is not None for _, vector in live.embed(TEXTS, pooling="mean", batch_size=2))
    likelihoods = dict(live.score_texts([Passage(text=text) for text in TEXTS], batch_size=2))
    live.refuse_if_changed()
    # The plain way, a text at a time.
    for index, text in enumerate(TEXTS):
        ids = torch.tensor([[1, *byte_tokenizer()(text, add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            rows = torch.log_softmax(made.module(ids).logits[0].float(), -1)
        expected = sum(float(rows[at, token]) for at, token in enumerate(ids[0, 1:].tolist()))
        assert likelihoods[index].logprob == pytest.approx(expected, abs=2e-3 * len(text))


@pytest.mark.parametrize("name", STEPS)
def test_a_copy_answers_alike_and_is_its_own(name: str) -> None:
    made, _ = quantised(name, tiny("llama"))
    before = logits_of(made.module)
    twin = copy_of(made.module)
    assert torch.equal(logits_of(twin), before)
    assert tensors_sha256(twin) == tensors_sha256(made.module)
    with torch.no_grad():
        for parameter in twin.parameters():
            if type(parameter) is torch.nn.Parameter and parameter.is_floating_point():
                parameter.zero_()
    assert torch.equal(logits_of(made.module), before)


@pytest.mark.parametrize("name", STEPS)
def test_a_bfloat16_model_is_quantised_too(name: str) -> None:
    made, _ = quantised(name, tiny("llama").bfloat16())
    assert torch.isfinite(logits_of(made.module)).all()


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    "second",
    [{"quantize": "rtn"}, {"quantize": "bf16"}, {"prune": "magnitude"}, {"quantize": "quanto"}],
    ids=lambda step: next(iter(step.values())),
)
def test_what_is_quantised_is_not_changed_weight_by_weight_any_more(name: str, second: dict[str, Any]) -> None:
    pytest.importorskip("optimum.quanto", reason="the package optimum-quanto is not installed")
    made, _ = quantised(name, tiny("llama"))
    before = tensors_sha256(made.module)
    with pytest.raises(RecipeError, match=r"is quantised already|has no linear layer to change"):
        apply_recipe(made.module, [read_step(second)])
    assert tensors_sha256(made.module) == before


def test_rows_meet_in_llm_int8_with_a_threshold() -> None:
    assert rows_meet(quantised("bnb-int8", tiny("llama"))[0].module)
    assert not rows_meet(quantised("bnb-int8", tiny("llama"), threshold=0)[0].module)
    assert not rows_meet(quantised("int8-dynamic", tiny("llama"))[0].module)


def test_a_live_nf4_model_is_given_back_as_it_was_and_not_repacked_by_asking() -> None:
    made, _ = quantised("nf4", tiny("llama", seed=4))
    layer: Any = made.module.get_submodule("model.layers.0.mlp.up_proj")
    layer.support_avx512bf16_for_cpu = True  # as a user's own layer has it on such a processor
    live: Any = wrap_live("live", made.module, byte_tokenizer())
    list(live.score_texts([Passage(text="a text")], batch_size=1))
    live.refuse_if_changed()
    assert layer.support_avx512bf16_for_cpu is True


def test_quantos_own_hooks_belong_to_its_layers_and_any_other_hook_counts() -> None:
    quanto = pytest.importorskip("optimum.quanto", reason="the package optimum-quanto is not installed")
    model = tiny("llama")
    quanto.quantize(model, weights=quanto.qint8, activations=quanto.qint8)  # activations go through hooks
    quanto.freeze(model)
    layer = model.model.layers[0].mlp.up_proj
    assert layer._forward_hooks
    assert not hooks_of(model)
    assert wrap_live("live", model, byte_tokenizer()).identity.cacheable
    layer.register_forward_hook(lambda *given: None)
    assert [name for name, _, _ in hooks_of(model)] == ["model.layers.0.mlp.up_proj"]


def test_groups_that_do_not_fit_are_refused_before_anything_is_changed() -> None:
    pytest.importorskip("hqq", reason="the package hqq is not installed")
    model = tiny("llama")
    before = tensors_sha256(model)
    with pytest.raises(
        RecipeError, match=r"group_size = 64 does not divide the 32 inputs of model\.layers\.0\.self_attn"
    ):
        apply_recipe(model, [read_step({"quantize": "hqq"})])
    assert tensors_sha256(model) == before


def test_packed_int4_says_which_kernels_it_lacks() -> None:
    pytest.importorskip("torchao", reason="the package torchao is not installed")
    from pytest_biasaudit.compression.materials import Materials
    from pytest_biasaudit.compression.quantization.with_torchao import apply

    model = tiny("llama")
    with pytest.raises(RecipeError, match=r"int4-weight-only' cannot run here: torchao says .*mslk.* CUDA kernels"):
        apply(model, read_step({"quantize": "int4-weight-only", "group_size": 32}), Materials())


@pytest.mark.parametrize("name", STEPS)
def test_back_ends_talk_of_themselves_is_not_heard(name: str, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny("llama")  # transformers imports some back ends by itself, and what they say then is not ours
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        made, _ = quantised(name, model)
        logits_of(made.module)
    assert not caplog.records


def test_every_quantising_method_that_needs_a_package_is_tried_here() -> None:
    tried = {step["quantize"] for _, step, _ in STEPS.values()} | {"int4-weight-only"}
    assert {method.name for method in METHODS if method.needs} == tried
