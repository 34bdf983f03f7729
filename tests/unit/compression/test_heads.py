"""Heads removed: the right head's contribution, checked against attention computed anew and torch's own pruning."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.utils.prune

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.structure.edits import edited
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_architectures import BOTH, STATE_SPACE, logits_of, tiny, tokens_for
from tests.tiny_models import byte_tokenizer

PLACES: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    # the module whose eager attention is used, its attention in layer 1, and that attention's output projection
    "llama": ("llama", lambda m: m.model.layers[1].self_attn, lambda m: m.model.layers[1].self_attn.o_proj),
    "gpt2": ("gpt2", lambda m: m.transformer.h[1].attn, lambda m: m.transformer.h[1].attn.c_proj),
    "bert": (
        "bert",
        lambda m: m.bert.encoder.layer[1].attention.self,
        lambda m: m.bert.encoder.layer[1].attention.output.dense,
    ),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("head", [0, 2, 3])
def test_an_ablated_head_is_one_whose_own_sum_of_values_is_nothing(
    name: str, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attention function itself is changed: after softmax times values, this head's rows are set to zero."""
    model = tiny(name, attn_implementation="eager")
    room, attention, _ = PLACES[name]
    with edited(model, heads=[(1, head)]):
        ours = logits_of(model)
    code = importlib.import_module(f"transformers.models.{room}.modeling_{room}")
    theirs: Any = code.eager_attention_forward
    target, calls = attention(model), []

    def without_head(module: torch.nn.Module, *given: Any, **named: Any) -> Any:
        out, weights = theirs(module, *given, **named)  # (rows, tokens, heads, width)
        if module is target:
            calls.append(out.shape)
            out = out.clone()
            out[:, :, head] = 0
        return out, weights

    monkeypatch.setattr(code, "eager_attention_forward", without_head)
    anew = logits_of(model)
    assert calls == [(2, 7, 4, 8)]
    torch.testing.assert_close(ours, anew, rtol=0, atol=1e-6)


def test_ablating_agrees_with_torchs_own_pruning_of_the_output_projection() -> None:
    ours, theirs = tiny("llama"), tiny("llama")
    projection = PLACES["llama"][2](theirs)
    mask = torch.ones_like(projection.weight)
    mask[:, 3 * 8 : 4 * 8] = 0  # head 3 of width 8
    prune: Any = torch.nn.utils.prune
    prune.custom_from_mask(projection, "weight", mask)
    with masked(ours, heads=[(1, 3)]):
        assert torch.equal(logits_of(ours), logits_of(theirs))


def test_gpt2_keeps_inputs_in_rows() -> None:
    model = tiny("gpt2")
    apply_recipe(model, [read_step({"prune": "heads", "heads": [[1, 2]]})])
    weight = PLACES["gpt2"][2](model).weight
    assert bool((weight[16:24] == 0).all())
    assert int((weight == 0).sum()) == 8 * 32


def test_a_key_and_value_head_is_its_query_heads_together() -> None:
    """Grouped queries: value head 1 serves query heads 2 and 3. Its rows at zero are those two heads ablated."""
    ours, theirs = tiny("llama"), tiny("llama")
    with torch.no_grad():
        theirs.model.layers[1].self_attn.v_proj.weight[8:16] = 0
    with masked(ours, heads=[(1, 2), (1, 3)]):
        assert torch.equal(logits_of(ours), logits_of(theirs))


def attention_of(model: Any, tokens: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        return [layer[0] for layer in model(input_ids=tokens, output_attentions=True).attentions]


def test_a_uniform_head_looks_at_all_it_may_see_alike_by_hand() -> None:
    tokens = torch.tensor([[5, 17, 29, 31, 53, 71]])
    causal = torch.tensor([[1 / (row + 1) if column <= row else 0 for column in range(6)] for row in range(6)])
    near = torch.tensor(  # a window of four: from the fifth token on, the first are out of sight
        [[1 / min(row + 1, 4) if row - 4 < column <= row else 0 for column in range(6)] for row in range(6)]
    )
    everything = torch.full((6, 6), 1 / 6)
    for name, expected in (("llama", causal), ("mistral", near), ("gpt2", causal), ("bert", everything)):
        model = tiny(name, attn_implementation="eager")
        with masked(model, heads=[(2, 1)], mode="uniform"):
            weights = attention_of(model, tokens)
        torch.testing.assert_close(weights[2][1], expected, rtol=0, atol=1e-6, msg=name)
        assert float((weights[2][0] - expected).abs().max()) > 0.01, name


def test_the_queries_bias_goes_too_or_the_head_would_not_be_uniform() -> None:
    model = tiny("qwen2", attn_implementation="eager")
    tokens = torch.tensor([[5, 17, 29, 31, 53, 71]])
    projection = model.model.layers[0].self_attn.q_proj
    with torch.no_grad():
        projection.bias.normal_()
    before = projection.bias.clone()
    with edited(model, heads=[(0, 1)], mode="uniform"):
        assert projection.bias[8:16].tolist() == [0.0] * 8
        assert torch.equal(projection.bias[:8], before[:8])
        assert torch.equal(projection.bias[16:], before[16:])
        assert float(attention_of(model, tokens)[0][1][5].max()) == pytest.approx(1 / 6, abs=1e-6)
    assert torch.equal(projection.bias, before)
    with torch.no_grad():  # the rows alone, as the study's code has it: with a bias, not uniform
        projection.weight[8:16] = 0
    assert float(attention_of(model, tokens)[0][1][5].max()) > 0.2


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (
            {"new_decoder_architecture": True, "num_kv_heads": 2},
            range(5 * 8, 6 * 8),
        ),  # [q0 q1 k v][q2 q3 k v]: q3 is 5th
        ({"new_decoder_architecture": False, "multi_query": True}, range(3 * 8, 4 * 8)),  # [q0 q1 q2 q3 k v]
        (
            {"new_decoder_architecture": False, "multi_query": False, "num_kv_heads": 4},
            range(9 * 8, 10 * 8),
        ),  # [q0 k0 v0] ... [q3 k3 v3]
    ],
)
def test_falcons_three_orders_of_queries(settings: dict[str, Any], rows: range) -> None:
    structure = structure_of(tiny("falcon", **settings))
    (cut,) = structure.cuts(heads=[(1, 3)], mode="uniform")
    assert (cut.side, cut.units) == ("output", tuple(rows))


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_a_child_saved_and_loaded_keeps_its_zeros_and_its_answers(name: str, tmp_path: Path) -> None:
    model = tiny(name)
    apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 1], [2, 3]]})])
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert torch.equal(logits_of(again), logits_of(model))
    for key, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key


def test_what_was_achieved_is_said() -> None:
    made = apply_recipe(tiny("llama"), [read_step({"prune": "heads", "heads": [[0, 1], [0, 2], [2, 3]]})])
    assert made.facts["1 prune heads"] == {
        "heads_removed": 3,
        "heads_in_all": 12,  # three layers of four
        "share": 0.25,
        "layers_changed": 2,
        "modules_changed": 2,
        "weights_zeroed": 3 * 8 * 32,
        "weights_changed": 3 * 8 * 32,
        "modules_masked": 0,
        "mode": "ablate",
        "head_width": 8,
    }
    assert made.notes == ()


def test_uniform_heads_are_said_to_write_still() -> None:
    made = apply_recipe(tiny("gpt2"), [read_step({"prune": "heads", "heads": [[0, 1]], "mode": "uniform"})])
    assert made.facts["1 prune heads"]["weights_zeroed"] == 8 * 32 + 8  # with the bias
    assert any("still write" in note for note in made.notes)


def test_shared_layers_are_said_to_lose_a_head_at_every_depth() -> None:
    model = tiny("albert")
    made = apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 1]]})])
    assert made.facts["1 prune heads"]["runs_of_a_layer"] == 3
    assert any("up to 3 depths" in note for note in made.notes)


def test_a_child_has_another_digest_and_the_parent_is_as_it_was() -> None:
    parent = wrap_live("base", tiny("llama", vocab_size=300), byte_tokenizer())
    before = tensors_sha256(parent.module)
    child = child_of(parent, [read_step({"prune": "heads", "heads": [[1, 2]]})], name="without")
    assert tensors_sha256(parent.module) == before != child.identity.weights_sha256
    assert child.identity.recipe == ({"prune": "heads", "heads": [[1, 2]], "mode": "ablate"},)


def test_the_cache_of_keys_and_values_is_no_matter() -> None:
    model, asked = tiny("llama"), tokens_for(tiny("llama"))["input_ids"]
    settings: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "attention_mask": torch.ones_like(asked)}
    with masked(model, heads=[(0, 1), (2, 2)]):
        by_hook = model.generate(asked, **settings)
        without_cache = model.generate(asked, use_cache=False, **settings)
    with edited(model, heads=[(0, 1), (2, 2)]):
        assert torch.equal(model.generate(asked, **settings), by_hook)
    assert torch.equal(by_hook, without_cache)


@pytest.mark.parametrize(
    ("name", "pairs", "said"),
    [
        ("llama", [(3, 0)], "layer 3: the model has layers 0 to 2"),
        ("llama", [(0, 4)], "head 4 of layer 0: it has heads 0 to 3"),
        ("llama", [(1, 1), (0, 2), (1, 1)], "head 1 of layer 1 is named twice"),
        ("llama", [(9, 0), (1, 7)], "layer 9: the model has layers 0 to 2; head 7 of layer 1"),
        ("llama", [(True, 0)], r"\(True, 0\) is not a pair"),
        ("llama", [(0, -1)], r"\(0, -1\) is not a pair"),
        ("llama", [(0, 1, 2)], r"\(0, 1, 2\) is not a pair"),
        ("llama", [], "nothing to remove"),
        ("albert", [(1, 0)], "layer 1: the model has layer 0 only"),
        ("bart", [(7, 0)], r"layers 0 to 6 \(0 to 2 the encoder's, from 3 the decoder's attention to itself, from 5"),
        ("bart", [(5, 2)], "head 2 of layer 5: it has heads 0 to 1"),
    ],
)
def test_heads_that_are_not_there_are_named_with_what_there_is(name: str, pairs: Any, said: str) -> None:
    model = tiny(name)
    with pytest.raises(RecipeError, match=said), masked(model, heads=pairs):
        pass
    assert hooks_of(model) == ()


def test_many_faults_are_counted_not_listed() -> None:
    with pytest.raises(RecipeError, match=r"head 13 of layer 0.*; and 90 more$"):
        structure_of(tiny("llama")).cuts(heads=[(0, head) for head in range(4, 104)])


def test_a_model_without_attention_is_refused_with_the_reason() -> None:
    (name,) = STATE_SPACE
    with pytest.raises(RecipeError, match="heads of MambaForCausalLM: it has no attention in its layers"):
        apply_recipe(tiny(name), [read_step({"prune": "heads", "heads": [[0, 0]]})])


def test_layers_without_attention_keep_their_number() -> None:
    model = tiny("lfm2", num_hidden_layers=4, num_key_value_heads=2, layer_types=["conv", "full_attention"] * 2)
    structure = structure_of(model)
    assert list(structure.heads) == [1, 3]
    assert list(structure.neurons) == [0, 1, 2, 3]
    with pytest.raises(RecipeError, match="layer 0: the model has attention in layers 1, 3"):
        structure.cuts(heads=[(0, 0)])


def test_layers_with_widths_of_their_own_are_found() -> None:
    """Gemma 4: layers that see everything have wider heads, and the configuration tells each layer's."""
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    model = tiny(
        "gemma4_text",
        layer_types=kinds,
        num_key_value_heads=2,
        head_dim=8,
        global_head_dim=16,
        num_kv_shared_layers=0,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=120,
    )
    structure = structure_of(model)
    assert [(place.count, place.width) for place in structure.heads.values()] == [(4, 8), (4, 8), (4, 16)]
    base = logits_of(model)
    for layer in (0, 2):
        with masked(structure, heads=[(layer, 3)]):
            by_hook = logits_of(model)
        with edited(structure, heads=[(layer, 3)]):
            assert torch.equal(logits_of(model), by_hook)
        assert not torch.equal(by_hook, base)


def test_attention_weights_of_another_form_show_nothing_of_heads() -> None:
    """PEGASUS-X gives a dictionary: of windows, and of tokens that see everything."""
    code: Any = importlib.import_module("transformers.models.pegasus_x")
    model = code.PegasusXForConditionalGeneration(code.PegasusXConfig(**BOTH["bart"], block_size=4)).eval()
    with pytest.raises(RecipeError, match="gives no attention weights by head"):
        apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 1]], "mode": "uniform"})])


def test_names_and_execution_that_disagree_are_refused_with_both_answers() -> None:
    model = tiny("llama")
    kind = type(model.model.layers[2].self_attn)
    model.model.layers[2].self_attn.__class__ = type("Mixer", (kind,), {})  # what its class is not called, it is not
    with pytest.raises(
        RecipeError,
        match=r"disagree.*by the names.*there is model\.layers\.2\.self_attn\.o_proj with 4 heads of 8; "
        r"by the order in which they run there is nothing else",
    ):
        structure_of(model).cuts(heads=[(0, 0)])


def test_a_width_that_the_configuration_contradicts_is_refused() -> None:
    model = tiny("llama")
    model.config.num_attention_heads, model.config.head_dim = 8, 4
    with pytest.raises(RecipeError, match=r"with 4 heads of 8.*with 8 heads of 4"):
        structure_of(model).cuts(heads=[(0, 0)])


def test_two_heads_that_write_one_slice_together_are_no_heads_to_remove() -> None:
    """Differential attention: two queries, one output. Both ways of finding agree there, and are wrong."""
    with pytest.raises(RecipeError, match="not one head after another"):
        structure_of(tiny("diffllama", num_key_value_heads=2)).cuts(heads=[(0, 0)])


def test_a_fused_projection_of_unknown_order_is_refused() -> None:
    model = tiny("codegen", n_inner=48, rotary_dim=4)
    with pytest.raises(RecipeError, match=r"not known for 'codegen': .*attn has qkv_proj, out_proj"):
        structure_of(model).cuts(heads=[(0, 0)])


def test_a_model_that_does_not_run_is_refused_and_not_believed() -> None:
    model = tiny("llama")
    model.model.layers[1].mlp.up_proj = torch.nn.Linear(7, 48)
    with pytest.raises(RecipeError, match="does not run on five tokens"):
        structure_of(model).cuts(heads=[(0, 0)])


def test_removing_what_is_removed_already_is_refused() -> None:
    model, step = tiny("llama"), read_step({"prune": "heads", "heads": [[1, 2]]})
    apply_recipe(model, [step])
    with pytest.raises(RecipeError, match="zero or masked already"):
        apply_recipe(model, [step])
    both = read_step({"prune": "heads", "heads": [[1, 2], [1, 3]]})
    assert apply_recipe(model, [both]).facts["1 prune heads"]["weights_changed"] == 8 * 32


def test_a_refused_mode_changes_nothing() -> None:
    model = tiny("olmo2")
    before = tensors_sha256(model)
    with pytest.raises(RecipeError, match="use mode = 'ablate'"):
        apply_recipe(model, [read_step({"prune": "heads", "heads": [[0, 1]], "mode": "uniform"})])
    assert tensors_sha256(model) == before
    assert hooks_of(model) == ()
    assert model.config._attn_implementation == "sdpa"
