"""What a recipe did, measured: figures by hand on models of known sizes, and marks that were missed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.child import child_from, child_of
from pytest_biasaudit.compression.materials import Applied, Materials
from pytest_biasaudit.compression.method import Method, SettingRule
from pytest_biasaudit.compression.methods import METHODS
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.step import Step
from pytest_biasaudit.errors import ModelError, RecipeError
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.perplexity import HeldText, bundled_text
from pytest_biasaudit.records.codec import plain
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

# The tiny llama: 300 tokens, hidden 32, 2 layers, 4 heads of 8 with 2 key-value heads, MLP 48; its head is not tied.
LINEAR = 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 48)
EMBEDDINGS = 2 * 300 * 32
NORMS = 5 * 32
ALL = LINEAR + EMBEDDINGS + NORMS


def parent(architecture: str = "llama") -> Any:
    return wrap_live("base", tiny(architecture), byte_tokenizer())


def achieved(*recipe: dict[str, Any], architecture: str = "llama", methods: Any = METHODS) -> dict[str, Any]:
    steps = [read_step(step, methods) for step in recipe]
    found: dict[str, Any] = child_of(parent(architecture), steps, name="child", methods=methods).identity.achieved
    return found


def method(name: str, apply: Any, *, action: Any = "prune", settings: Any = None) -> Method:
    return Method(action=action, name=name, does="for a test", settings=settings or {}, apply=apply)


def test_sizes_bits_and_zeros_are_those_counted_by_hand() -> None:
    found = achieved({"prune": "magnitude", "sparsity": 0.5})
    assert found["size_mb"] == found["parent_size_mb"] == pytest.approx(4 * ALL / 1e6)
    assert found["bits_per_weight"] == found["bits_per_weight_overall"] == 32
    assert found["sparsity"] == pytest.approx(0.5)
    assert found["sparsity_overall"] == pytest.approx(0.5 * LINEAR / (LINEAR + EMBEDDINGS))
    assert found["modules_changed"] == [
        f"2 of 2 {kind}" for kind in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    ]
    assert found["modules_left"] == [
        "1 of 1 embed_tokens",
        "2 of 2 input_layernorm",
        "2 of 2 post_attention_layernorm",
        "1 of 1 norm",
        "1 of 1 lm_head",
    ]
    assert found["modules_gone"] == found["modules_new"] == found["modules_hooked"] == []
    assert found["steps"]["1 prune magnitude"]["modules_changed"] == 14


def test_a_cast_halves_the_bytes_and_changes_every_module() -> None:
    found = achieved({"quantize": "bf16"})
    assert found["size_mb"] == pytest.approx(2 * ALL / 1e6)
    assert found["parent_size_mb"] == pytest.approx(4 * ALL / 1e6)
    assert found["bits_per_weight"] == 16
    assert found["modules_left"] == []
    assert {row["stored"] for row in found["tensors"]} == {"bfloat16"}


def test_tensors_of_like_layers_are_one_row_and_together_they_are_the_model() -> None:
    rows = {row["name"]: row for row in achieved({"prune": "magnitude"})["tensors"]}
    query = rows["model.layers.*.self_attn.q_proj.weight"]
    assert query == {
        "name": "model.layers.*.self_attn.q_proj.weight",
        "count": 2,
        "stored": "float32",
        "weights": 2 * 32 * 32,
        "bytes": 4 * 2 * 32 * 32,
        "bits": 32.0,
        "sparsity": 0.5,
        "changed": True,
    }
    assert rows["model.embed_tokens.weight"]["changed"] is False
    assert sum(row["weights"] for row in rows.values()) == ALL
    assert sum(row["bytes"] for row in rows.values()) == 4 * ALL


def test_everything_is_plain_and_fits_the_evidence() -> None:
    found = achieved({"quantize": "rtn", "bits": 4}, {"prune": "magnitude", "sparsity": 0.3})
    assert json.loads(json.dumps(found, allow_nan=False)) == plain(found, where="achieved")


def test_perplexity_is_that_of_a_plain_forward_pass() -> None:
    model = parent()
    child = child_of(model, [read_step({"quantize": "rtn", "bits": 4})], name="int4")
    text = HeldText(name="own", text="A short text.\n\nAnd one more, of other words.", sha256="0" * 64)
    own = child_of(model, [read_step({"quantize": "rtn", "bits": 4})], name="int4", held_text=text)
    for made, key in ((model, "parent_perplexity"), (child, "perplexity")):
        total, count = 0.0, 0
        for part in text.text.split("\n\n"):
            ids = [1, *model.tokenizer(part, add_special_tokens=False)["input_ids"]]
            with torch.no_grad():
                logprobs = torch.log_softmax(made.module(torch.tensor([ids])).logits[0], -1)
            total += sum(float(logprobs[at, ids[at + 1]]) for at in range(len(ids) - 1))
            count += len(ids) - 1
        assert own.identity.achieved[key] == pytest.approx(math.exp(-total / count), rel=1e-5)
        assert own.identity.achieved["held_text_tokens"] == count
    assert own.identity.achieved["held_text_sha256"] == "0" * 64
    assert child.identity.achieved["held_text_sha256"] == bundled_text().sha256


def test_an_encoder_has_cosines_and_a_masked_model_pseudo_perplexity() -> None:
    whole = tiny_masked("bert")
    for module, measure in ((whole, "pseudo-perplexity"), (whole.bert, "cosine")):
        model = wrap_live("base", module, wordpiece_tokenizer())
        found: Any = child_of(model, [read_step({"quantize": "rtn", "bits": 4})], name="int4").identity.achieved
        assert found["measure"] == measure
        if measure == "cosine":
            assert found["perplexity"] is None
            assert 0.5 < found["cosine"] < 1
        else:
            assert found["perplexity"] > 1
            assert found["cosine"] is None


def test_an_empty_recipe_is_measured_too_and_is_its_parent() -> None:
    found = achieved()
    assert found["modules_changed"] == []
    assert found["perplexity"] == found["parent_perplexity"]
    assert found["size_mb"] == found["parent_size_mb"]
    assert found["sparsity"] is None


def test_steps_that_change_nothing_are_refused() -> None:
    def idle(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
        return Applied(module=module, facts={"modules_changed": 14})

    with pytest.raises(RecipeError, match="prune = 'idle': no weight was changed: the child would be its parent"):
        achieved({"prune": "idle"}, methods=[method("idle", idle)])


def test_a_cast_to_what_it_is_already_is_refused() -> None:
    half = child_of(parent(), [read_step({"quantize": "bf16"})], name="bf16")
    with pytest.raises(RecipeError, match="would be its parent"):
        child_of(half, [read_step({"quantize": "bf16"})], name="twice")


SPARSITY = {"sparsity": SettingRule(kind="number", default=0.5, valid="a share", low=0, high=1)}


def lazy(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
    """Prunes a tenth of each layer and says it did what it was asked to."""
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.Linear) and name != "lm_head":
            flat = part.weight.data.view(-1)
            flat[: flat.numel() // 10] = 0
    return Applied(module=module, facts={"sparsity": step.setting("sparsity")})


def test_a_method_that_prunes_less_than_it_was_asked_to_is_found_out() -> None:
    with pytest.raises(RecipeError, match=r"prune = 'lazy': (9\.9|10\.0)% of the weights .* 50\.0% were asked for"):
        achieved({"prune": "lazy"}, methods=[method("lazy", lazy, settings=SPARSITY)])


def test_rounding_to_whole_weights_is_no_missed_mark() -> None:
    assert achieved({"prune": "magnitude", "sparsity": 0.333})["sparsity"] == pytest.approx(0.333, abs=0.005)


def test_zeros_that_a_later_step_fills_again_are_a_note() -> None:
    def noise(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
        for parameter in module.parameters():
            parameter.data.add_(0.01)
        return Applied(module=module, facts={})

    methods = [*METHODS, method("noise", noise, action="distill")]
    found = achieved({"prune": "magnitude", "sparsity": 0.5}, {"distill": "noise"}, methods=methods)
    assert any("50.0% were asked for: later steps filled zeros again" in note for note in found["notes"])
    heads = {"prune": "heads", "heads": [[1, 2]]}
    filled = achieved(heads, {"distill": "noise"}, methods=methods)
    assert any(
        note.startswith("prune heads: 256 weights were set to zero") for note in filled["notes"]
    )  # 8 columns of 32
    assert not any("set to zero" in note for note in achieved(heads, {"quantize": "rtn"})["notes"])


def test_fewer_bits_than_promised_are_a_note() -> None:
    found = achieved({"quantize": "rtn", "bits": 4})
    assert found["notes"][0].startswith("quantize rtn: 4 bits a weight were asked for, 32 are stored (float32)")
    assert not any("bits a weight" in note for note in achieved({"quantize": "bf16"})["notes"])


def test_gpt2_under_torchs_dynamic_quantisation_is_its_parent_but_for_the_head_and_that_is_said() -> None:
    found = achieved({"quantize": "torch-dynamic"}, architecture="gpt2")
    assert found["modules_changed"] == ["1 of 1 lm_head"]
    assert any(
        note.startswith("Only 1 of 9 linear layers were changed (lm_head): the rest of the child is its parent.")
        for note in found["notes"]
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(value: float) -> None:
    def break_one(module: Any, step: Step, materials: Materials) -> Applied:
        module.model.layers[1].mlp.up_proj.weight.data[3, 5] = value
        return Applied(module=module, facts={})

    with pytest.raises(
        RecipeError, match=r"'break': 1 tensors of the child .* finite \(model\.layers\.1\.mlp\.up_proj\.weight\)"
    ):
        achieved({"prune": "break"}, methods=[method("break", break_one)])


def test_a_weight_too_large_for_its_format_is_refused() -> None:
    model = parent()
    model.module.model.norm.weight.data[0] = 1e30
    model = wrap_live("large", model.module, model.tokenizer)
    with pytest.raises(RecipeError, match=r"quantize = 'fp16': 1 tensors .* \(model\.norm\.weight\): too large"):
        child_of(model, [read_step({"quantize": "fp16"})], name="fp16")


def test_a_child_that_no_longer_predicts_text_is_said_loudly_and_first() -> None:
    def shout(module: Any, step: Step, materials: Materials) -> Applied:
        module.lm_head.weight.data.mul_(1000)
        return Applied(module=module, facts={}, notes=("A note of its own.",))

    found = achieved({"prune": "shout"}, methods=[method("shout", shout)])
    assert found["notes"][0].startswith("The child no longer predicts text: ")
    assert found["notes"][-1] == "A note of its own."


def test_a_child_whose_answers_are_no_numbers_has_no_perplexity_and_says_so() -> None:
    def overflow(module: Any, step: Step, materials: Materials) -> Applied:
        module.lm_head.weight.data.fill_(3e38)
        return Applied(module=module, facts={})

    found = achieved({"prune": "overflow"}, methods=[method("overflow", overflow)])
    assert found["perplexity"] is None
    assert found["parent_perplexity"] > 1
    assert found["notes"] == [
        "The child no longer predicts text: its perplexity on the held text is infinite, or no number."
    ]


def test_a_child_larger_than_its_parent_is_said() -> None:
    half = child_of(parent(), [read_step({"quantize": "bf16"})], name="bf16")

    def widen(module: torch.nn.Module, step: Step, materials: Materials) -> Applied:
        return Applied(module=module.float(), facts={})

    found: Any = child_of(
        half,
        [read_step({"quantize": "widen"}, [method("widen", widen, action="quantize")])],
        name="wide",
        methods=[method("widen", widen, action="quantize")],
    ).identity.achieved
    assert any(
        note.startswith("The child takes 0.139 MB, more than its parent's 0.0694 MB.") for note in found["notes"]
    )


def test_a_hook_alone_makes_a_child() -> None:
    def silence(module: Any, step: Step, materials: Materials) -> Applied:
        module.model.layers[0].mlp.register_forward_hook(lambda part, given, output: output * 0)
        return Applied(module=module, facts={})

    found = achieved({"prune": "silence"}, methods=[method("silence", silence)])
    assert found["modules_changed"] == []
    assert found["modules_hooked"] == ["1 of 1 mlp"]


def test_modules_taken_out_and_put_in_are_named() -> None:
    def swap(module: Any, step: Step, materials: Materials) -> Applied:
        del module.model.layers[1]
        module.model.layers[0].mlp.extra = torch.nn.Linear(2, 2)
        return Applied(module=module, facts={})

    found = achieved({"prune": "swap"}, methods=[method("swap", swap)])
    assert "1 of 2 q_proj" in found["modules_gone"]
    assert found["modules_new"] == ["1 of 1 extra"]


def test_a_method_that_reaches_into_the_parent_is_found_out() -> None:
    model = parent()

    def reach(module: Any, step: Step, materials: Materials) -> Applied:
        module.lm_head.weight.data.add_(1)
        model.module.lm_head.weight.data.add_(1)
        return Applied(module=module, facts={})

    bad = method("reach", reach)
    with pytest.raises(RecipeError, match=r"the recipe \(reach\) changed the parent it was to make a child of"):
        child_of(model, [read_step({"prune": "reach"}, [bad])], name="child", methods=[bad])


def test_a_parent_that_was_changed_since_it_was_loaded_makes_no_child() -> None:
    model = parent()
    model.module.lm_head.weight.data.add_(1)
    with pytest.raises(ModelError, match="its weights have changed"):
        child_of(model, [read_step({"quantize": "rtn"})], name="child")


def test_a_child_from_a_fresh_load_is_measured_as_one_from_a_copy() -> None:
    steps = [read_step({"quantize": "rtn", "bits": 8})]
    assert (
        child_from(parent(), steps, name="a").identity.achieved == child_of(parent(), steps, name="a").identity.achieved
    )


def test_a_tied_head_is_stored_once_and_counted_once(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    build: Any = LlamaForCausalLM
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "vocab_size": 300}
    config: Any = LlamaConfig(num_hidden_layers=1, tie_word_embeddings=True, **sizes)
    model = wrap_live("tied", build(config).eval(), byte_tokenizer())
    found: Any = child_of(model, [read_step({"prune": "magnitude", "sparsity": 0.5})], name="c").identity.achieved
    weights = 300 * 16 + 4 * 16 * 16 + 3 * 16 * 32 + 3 * 16
    assert found["size_mb"] == pytest.approx(4 * weights / 1e6)
    assert [row["name"] for row in found["tensors"]].count("lm_head.weight") == 0


@pytest.mark.parametrize("step", [{"quantize": "rtn"}, {"prune": "magnitude", "sparsity": 0.5}])
def test_experts_that_stayed_as_they_were_are_said(step: dict[str, Any]) -> None:
    from transformers import MixtralConfig, MixtralForCausalLM

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 4}
    module: Any = MixtralForCausalLM(MixtralConfig(**sizes, **heads))
    mixture = wrap_live("base", module.eval(), byte_tokenizer())
    notes: Any = child_of(mixture, [read_step(step)], name="child").identity.achieved["notes"]
    experts = 2 * 4 * 3 * 32 * 48
    assert any(f"{experts:,} weights, " in note and "experts" in note for note in notes), notes
    cast: Any = child_of(mixture, [read_step({"quantize": "bf16"})], name="half").identity.achieved["notes"]
    assert not any("experts" in note for note in cast)
    plain: Any = achieved(step)["notes"]
    assert not any("experts" in note for note in plain)
