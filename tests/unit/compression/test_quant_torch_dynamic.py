"""torch's dynamic quantisation, as the compression study called it: the same module, its sizes, its trap, its damage."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import Made, apply_recipe
from pytest_biasaudit.compression.copying import copy_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.storage import stored_bytes, stored_tensors
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.protocol import Passage
from tests.tiny_models import byte_tokenizer, tiny

IDS = torch.tensor([[5, 9, 77, 120, 31]])
SENTENCES = (
    "The old harbour was quiet when the boats came back with the evening tide.",
    "She opened the letter and read it twice before she answered.",
    "Water boils at a lower temperature in the mountains than at the coast.",
)


def dynamic(model: Any, **settings: object) -> tuple[Made, dict[str, Any]]:
    made = apply_recipe(model, [read_step({"quantize": "torch-dynamic", **settings})])
    facts: Any = made.facts["1 quantize torch-dynamic"]
    return made, dict(facts)


def theirs(model: Any, dtype: torch.dtype = torch.qint8) -> Any:
    """The study's call, word for word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization: Any = torch.quantization
        return quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=dtype)


@pytest.mark.parametrize("dtype", ["qint8", "float16"])
def test_it_is_the_studys_call(dtype: str) -> None:
    made, _ = dynamic(tiny("llama"), dtype=dtype)
    with torch.no_grad():
        ours, expected = made.module(IDS).logits, theirs(tiny("llama"), getattr(torch, dtype))(IDS).logits
    assert torch.equal(ours, expected)
    assert tensors_sha256(made.module) == tensors_sha256(theirs(tiny("llama"), getattr(torch, dtype)))


def test_without_the_head_only_the_head_stays() -> None:
    made, facts = dynamic(tiny("llama"), lm_head=False)
    kept = [name for name, part in made.module.named_modules() if type(part) is torch.nn.Linear]
    assert kept == ["lm_head"]
    assert facts["modules_changed"] == 14
    assert facts["linear_layers"] == 15
    assert facts["lm_head"] == "left as it was"


def test_its_caution_is_told_wherever_it_is_used() -> None:
    made, _ = dynamic(tiny("llama"))
    assert any("Choose int8-dynamic or int8-weight-only" in note for note in made.notes)


def test_of_gpt2_it_changes_the_head_alone_and_says_so() -> None:
    model = tiny("gpt2")
    embedding = model.transformer.wte.weight.data.clone()
    made, facts = dynamic(model)
    assert facts["modules_changed"] == 1
    assert facts["modules_skipped_count"] == 8
    assert facts["modules_skipped"][0] == "transformer.h.0.attn.c_attn: Conv1D is not a torch.nn.Linear"
    assert "torch-dynamic quantised 1 of 9 linear layers (lm_head)" in made.notes[-1]
    assert torch.equal(model.transformer.wte.weight.data, embedding)


def test_of_gpt2_without_its_head_it_changes_nothing_and_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"no layer could be quantised .*Conv1D.* the child would be its parent"):
        dynamic(tiny("gpt2"), lm_head=False)


def test_a_half_precision_model_is_refused_with_a_layer() -> None:
    with pytest.raises(
        RecipeError, match=r"float32 weights on the CPU; model\.layers\.0\.self_attn\.q_proj is bfloat16"
    ):
        dynamic(tiny("llama").bfloat16())


def test_a_second_quantisation_is_refused() -> None:
    made, _ = dynamic(tiny("llama"))
    with pytest.raises(RecipeError, match="has no linear layer to change"):
        apply_recipe(made.module, [read_step({"quantize": "rtn", "lm_head": True})])
    with pytest.raises(RecipeError, match=r"bf16.*is quantised already \(qint8\); put this step before"):
        apply_recipe(made.module, [read_step({"quantize": "bf16"})])


def test_the_digest_of_packed_weights_is_the_same_each_time_and_another_for_other_weights() -> None:
    one, again, other = (dynamic(tiny("llama", seed))[0].module for seed in (0, 0, 1))
    assert tensors_sha256(one) == tensors_sha256(one) == tensors_sha256(again) != tensors_sha256(other)
    slightly = tiny("llama")
    slightly.model.layers[1].mlp.down_proj.weight.data[3, 5] *= 3
    assert tensors_sha256(dynamic(slightly)[0].module) != tensors_sha256(one)


def test_layers_of_one_shape_are_all_in_the_digest() -> None:
    swapped = tiny("llama")
    one, other = swapped.model.layers[0].mlp, swapped.model.layers[1].mlp
    one.up_proj, other.up_proj = other.up_proj, one.up_proj
    assert tensors_sha256(dynamic(swapped)[0].module) != tensors_sha256(dynamic(tiny("llama"))[0].module)


def test_a_packed_model_is_asked_copied_and_wrapped_live_as_any_other() -> None:
    made, _ = dynamic(tiny("llama"))
    live = wrap_live("live", made.module, byte_tokenizer())
    assert live.identity.cacheable
    assert live.identity.parameters == wrap_live("base", tiny("llama"), byte_tokenizer()).identity.parameters
    twin = wrap_live("twin", copy_of(made.module), byte_tokenizer())
    assert twin.identity.weights_sha256 == live.identity.weights_sha256
    passages = [Passage(text="a text"), Passage(text="another, longer")]
    assert isinstance(live, CausalModel)
    assert isinstance(twin, CausalModel)
    assert dict(live.score_texts(passages, batch_size=2)) == dict(twin.score_texts(passages, batch_size=2))
    live.refuse_if_changed()


def test_stored_bytes_are_those_of_the_saved_state() -> None:
    made, facts = dynamic(tiny("llama"))
    file = io.BytesIO()
    torch.save(made.module.state_dict(), file)
    # A file has headers and names beside the numbers: a few hundred bytes for each of 20-odd tensors.
    assert facts["stored_bytes"] < file.tell() < facts["stored_bytes"] + 40_000
    kept = {one.name: one for one in stored_tensors(made.module)}
    first = kept["model.layers.0.self_attn.q_proj.weight"]
    assert (first.dtype, first.shape, first.bytes) == ("qint8", (32, 32), 32 * 32 + 16)
    assert first.quantised
    assert not kept["model.embed_tokens.weight"].quantised


@pytest.mark.slow
@pytest.mark.parametrize(("build", "before", "after"), [("BertModel", 438.0, 181.5), ("BertForMaskedLM", 438.1, 205.1)])
def test_the_studys_sizes_of_bert_base_are_reproduced(build: str, before: float, after: float) -> None:
    import transformers

    with torch.device("meta"):
        empty = getattr(transformers, build)(transformers.BertConfig())
    model = empty.to_empty(device="cpu")
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.fill_(0.01 * (index % 7 + 1))
    model.tie_weights()
    assert stored_bytes(model) / 1e6 == pytest.approx(before, rel=0.01)
    _, facts = dynamic(model)
    assert facts["stored_bytes"] / 1e6 == pytest.approx(after, rel=0.01)
    assert facts["modules_skipped_count"] == 0


@pytest.mark.real_model
@pytest.mark.slow
def test_it_visibly_damages_a_small_language_model(smollm2: CausalModel) -> None:
    made, _ = dynamic(copy_of(smollm2.module))
    child = CausalModel(made.module, smollm2.tokenizer, smollm2.identity)
    passages = [Passage(text=sentence) for sentence in SENTENCES]
    lost = []
    for index, score in child.score_texts(passages, batch_size=3):
        of_parent = dict(smollm2.score_texts([passages[index]], batch_size=1))[0]
        lost.append((of_parent.logprob - score.logprob) / score.tokens)
    assert sum(lost) / len(lost) > 0.5


def test_the_parents_module_is_never_touched() -> None:
    model = tiny("llama")
    before = copy.deepcopy(model.state_dict())
    dynamic(copy_of(model))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
