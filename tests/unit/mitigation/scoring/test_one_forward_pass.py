from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.errors import DataError, ModelError, RecipeError
from pytest_biasaudit.mitigation.scores import Cell
from pytest_biasaudit.mitigation.scoring.eager import eager_attention
from pytest_biasaudit.mitigation.scoring.forward import FROM_A_PASS, forward_scores
from pytest_biasaudit.mitigation.scoring.magnitude import magnitude_scores
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests.scored_samples import causal, drawn_prompts, scored
from tests.tiny_architectures import tiny

ONE = Cell(variation="c/a/w1", group="black", half=0)
OTHER = Cell(variation="c/a/w1", group="white", half=0)


@contextmanager
def counted_passes(module: Any) -> Iterator[list[tuple[int, ...]]]:
    """The shape of the ids of every pass over the body."""
    shapes: list[tuple[int, ...]] = []
    handle = module.base_model.register_forward_pre_hook(
        lambda _part, _args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    try:
        yield shapes
    finally:
        handle.remove()


def test_everything_comes_from_one_pass_without_the_head() -> None:
    module = tiny("llama")
    heads_run: list[int] = []
    model, prompts = causal(module), drawn_prompts(count=10)
    handle = module.lm_head.register_forward_hook(lambda _part, given, _gave: heads_run.append(given[0].shape[1]))
    with counted_passes(module) as shapes:
        found = forward_scores(model, prompts, wanted=FROM_A_PASS, batch_size=4)
    handle.remove()
    assert set(found) == set(FROM_A_PASS)
    # Heads and neurons are proved on five tokens first; no prompt here has five.
    assert all(len(prompt.tokens) != 5 for prompt in prompts)
    rows = [rows for rows, tokens in shapes if tokens != 5]
    assert (sum(rows), max(rows)) == (10, 4)
    assert set(heads_run) <= {5}


def test_repeats_of_one_answer_cost_nothing_and_count() -> None:
    module = tiny("llama")
    one, other = drawn_prompts(count=2)
    prompts = [one, other, *[one] * 4]
    prompts = [scored(list(p.tokens), name=list(p.name), answer=p.answer, cell=ONE) for p in prompts]
    with counted_passes(module) as shapes:
        found = forward_scores(causal(module), prompts, wanted=FROM_A_PASS, batch_size=10)
    assert shapes[-1][0] == 2
    alone = forward_scores(causal(module), prompts[:1], wanted=FROM_A_PASS, batch_size=1)
    second = forward_scores(causal(module), prompts[1:2], wanted=FROM_A_PASS, batch_size=1)
    tables = [one["heads", "attention"] for one in (found, alone, second)]
    all_six, first, last = (table.scores("0", [ONE]) for table in tables)
    np.testing.assert_allclose(all_six, (5 * first + last) / 6, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neo", "falcon", "bloom"])
def test_the_model_is_as_it_was(architecture: str) -> None:
    module = tiny(architecture).train()
    model = causal(module)
    before = (tensors_sha256(module), hooks_of(module), module.config._attn_implementation, module.training)
    logits = copy.deepcopy(module).eval()(torch.tensor([[5, 6, 7]])).logits
    forward_scores(model, drawn_prompts(), wanted=FROM_A_PASS, batch_size=4)
    assert (tensors_sha256(module), hooks_of(module), module.config._attn_implementation, module.training) == before
    assert torch.equal(module.eval()(torch.tensor([[5, 6, 7]])).logits, logits)
    model.refuse_if_changed()


def test_the_model_is_as_it_was_after_an_exception() -> None:
    module = tiny("llama")
    model = causal(module)
    before = (hooks_of(module), module.config._attn_implementation)
    assert before[1] != "eager"

    inside: list[str] = []

    def breaks(_part: Any, given: tuple[torch.Tensor], _gave: Any) -> None:
        if given[0].shape[1] != 5:  # the structure is proved on five tokens, before anything is set
            inside.append(module.config._attn_implementation)
            raise KeyboardInterrupt

    handle = module.model.layers[2].mlp.register_forward_hook(breaks)
    with pytest.raises(KeyboardInterrupt):
        forward_scores(model, drawn_prompts(), wanted=FROM_A_PASS, batch_size=4)
    handle.remove()
    assert inside == ["eager"]
    assert (hooks_of(module), module.config._attn_implementation) == before


def test_the_way_of_attention_comes_back_in_every_configuration() -> None:
    inner = SimpleNamespace(_attn_implementation_internal="sdpa", sub_configs={})
    none = SimpleNamespace(_attn_implementation_internal=None, sub_configs={})
    outer = SimpleNamespace(
        _attn_implementation_internal="flash_attention_2",
        sub_configs={"text": None, "vision": None},
        text=inner,
        vision=none,
    )
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    module.config = outer  # type: ignore[assignment]

    def ways() -> list[object]:
        return [one._attn_implementation_internal for one in (outer, inner, none)]

    def fails_inside() -> None:
        with eager_attention(module):
            assert ways() == ["eager", "eager", None]
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails_inside()
    assert ways() == ["flash_attention_2", "sdpa", None]


def test_attention_does_not_depend_on_the_way_the_model_came_with() -> None:
    prompts = drawn_prompts()
    tables = []
    for way in ("sdpa", "eager"):
        module = tiny("llama")
        module.set_attn_implementation(way)
        tables.append(forward_scores(causal(module), prompts, wanted=FROM_A_PASS[:1], batch_size=4))
    one, other = (table["heads", "attention"] for table in tables)
    for cell in one.cells:
        np.testing.assert_array_equal(one.scores("1", [cell]), other.scores("1", [cell]))


def test_empty_answers_are_left_out_and_not_counted_as_nought() -> None:
    full = scored([5, 6, 7, 8, 9], name=[1], answer=3, cell=ONE)
    empty = scored([5, 6, 7], name=[1], answer=3, cell=ONE)
    model = causal(tiny("llama"))
    wanted = FROM_A_PASS[:1]
    both = forward_scores(model, [full, empty], wanted=wanted, batch_size=2)["heads", "attention"]
    alone = forward_scores(model, [full], wanted=wanted, batch_size=2)["heads", "attention"]
    np.testing.assert_allclose(both.scores("0", [ONE]), alone.scores("0", [ONE]), rtol=1e-5)
    assert both.counts == {ONE: 1}  # type: ignore[attr-defined]
    assert both.notes == ("1 of 2 prompts left out: no answer with a token",)  # type: ignore[attr-defined]
    assert alone.notes == ()  # type: ignore[attr-defined]


def test_a_cell_of_empty_answers_has_no_attention_of_generated_tokens() -> None:
    prompts = [
        scored([5, 6, 7, 8], name=[1], answer=3, cell=ONE),
        scored([5, 6, 7], name=[1], answer=3, cell=OTHER),
    ]
    model = causal(tiny("llama"))
    with pytest.raises(DataError, match=r"c/a/w1, white, half 0: no answer with a token; try 'prompt'"):
        forward_scores(model, prompts, wanted=FROM_A_PASS[:1], batch_size=2)
    with pytest.raises(DataError, match=r"tokens = 'answer'.*\n.*c/a/w1, white"):
        forward_scores(model, prompts, wanted=FROM_A_PASS[1:], tokens="answer", batch_size=2)
    found = forward_scores(model, prompts, wanted=FROM_A_PASS, attention="prompt", batch_size=2)
    assert found["heads", "attention"].cells == (ONE, OTHER)


def test_a_prompt_that_ends_with_the_name_has_nothing_behind_it() -> None:
    prompts = [scored([5, 6, 7, 8], name=[2], answer=3, cell=ONE)]
    with pytest.raises(DataError, match=r"no token between name and answer; try 'generated'"):
        forward_scores(causal(tiny("llama")), prompts, wanted=FROM_A_PASS[:1], attention="prompt", batch_size=1)


def test_no_prompt_is_an_error() -> None:
    with pytest.raises(DataError, match="there is no prompt to score"):
        forward_scores(causal(tiny("llama")), [], wanted=FROM_A_PASS, batch_size=1)


@pytest.mark.parametrize("wanted", [[("weights", "snip")], [("heads", "wanda")], []])
def test_what_no_pass_gives_is_refused(wanted: Any) -> None:
    with pytest.raises(
        RecipeError, match="a forward pass gives attention of heads, wanda of neurons, wanda of weights"
    ):
        forward_scores(causal(tiny("llama")), drawn_prompts(), wanted=wanted, batch_size=1)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        forward_scores(causal(tiny("llama")), drawn_prompts(), wanted=FROM_A_PASS, batch_size=0)


def test_a_model_without_attention_is_refused_by_name() -> None:
    with pytest.raises(RecipeError, match="MambaForCausalLM: it has no attention"):
        forward_scores(causal(tiny("mamba")), drawn_prompts(), wanted=FROM_A_PASS[:1], batch_size=2)


def test_an_attention_that_keeps_its_weights_to_itself_is_refused() -> None:
    module = tiny("llama")
    for layer in module.model.layers:
        layer.self_attn.register_forward_hook(lambda _part, _args, given: (given[0], None))
    before = module.config._attn_implementation
    with pytest.raises(RecipeError, match=r"layers 0, 1, 2 of 3 gave no attention weights .* use method 'attribution'"):
        forward_scores(causal(module), drawn_prompts(), wanted=FROM_A_PASS[:1], batch_size=2)
    assert module.config._attn_implementation == before


def test_a_tensor_that_only_has_the_shape_of_attention_is_not_taken_for_it() -> None:
    module = tiny("llama")
    layer = module.model.layers[1].self_attn
    layer.register_forward_hook(lambda _part, _args, given: (given[0], torch.ones(2, 4, *given[0].shape[1:2] * 2)))
    prompts = [scored([5, 6, 7, 8, at], name=[1], answer=3, cell=ONE) for at in (9, 10)]
    with pytest.raises(RecipeError, match="layer 1 of 3 gave no attention weights"):
        forward_scores(causal(module), prompts, wanted=FROM_A_PASS[:1], batch_size=2)


def test_a_broken_model_gives_no_scores() -> None:
    for wanted in FROM_A_PASS:
        module = tiny("llama")
        with torch.no_grad():
            module.model.embed_tokens.weight[60:] = float("nan")  # not of the tokens that the structure is proved on
        with pytest.raises(ModelError, match="the model is broken"):
            forward_scores(causal(module), drawn_prompts(), wanted=[wanted], batch_size=4)


def test_experts_in_one_weight_leave_the_rest_to_be_scored() -> None:
    found = forward_scores(causal(tiny("mixtral")), drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4)
    assert all("experts" not in place for place in found["weights", "wanda"].sizes)
    with pytest.raises(RecipeError, match="experts kept in one three-dimensional weight"):
        forward_scores(causal(tiny("mixtral")), drawn_prompts(), wanted=[("neurons", "wanda")], batch_size=4)


def test_quantised_weights_are_refused() -> None:
    module = tiny("llama")
    model = causal(module)
    layer = module.model.layers[1].mlp.down_proj
    layer.weight = torch.nn.Parameter((layer.weight * 9).to(torch.int8), requires_grad=False)
    for ask in (
        lambda: forward_scores(model, drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4),
        lambda: magnitude_scores(model, unit="weights"),
    ):
        with pytest.raises(RecipeError, match=r"model.layers.1.mlp.down_proj is quantised \(Parameter\), so scores"):
            ask()


def test_wanda_shares_inputs_that_are_one_tensor() -> None:
    found = forward_scores(causal(tiny("llama")), drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4)
    table: Any = found["weights", "wanda"]
    at = "model.layers.1"
    assert {table.inputs[f"{at}.self_attn.{one}_proj"] for one in "qkv"} == {f"{at}.self_attn.q_proj"}
    assert {table.inputs[f"{at}.mlp.{one}_proj"] for one in ("gate", "up")} == {f"{at}.mlp.gate_proj"}
    assert all(len(one) == 4 * 3 for one in table.squares.values())


def _input_norms(module: Any) -> Callable[[str], Any]:
    found = forward_scores(causal(module), drawn_prompts(), wanted=FROM_A_PASS[2:], batch_size=4)
    table: Any = found["weights", "wanda"]
    return lambda place: table.input_norms(place, table.cells)


def test_a_layer_that_runs_twice_in_a_pass_has_the_squares_of_both_inputs() -> None:
    twice, copied = tiny("llama"), tiny("llama")
    twice.model.layers[1] = twice.model.layers[0]
    copied.model.layers[1].load_state_dict(copied.model.layers[0].state_dict())
    shared, apart = (_input_norms(module) for module in (twice, copied))
    for place in ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj"):
        both = [apart(f"model.layers.{layer}.{place}") ** 2 for layer in (0, 1)]
        assert np.allclose(shared(f"model.layers.0.{place}") ** 2, sum(both), rtol=1e-4)


def test_wanda_reads_the_weights_as_they_are_when_asked() -> None:
    module = tiny("gpt2")
    table = forward_scores(causal(module), drawn_prompts(), wanted=[("weights", "wanda")], batch_size=4)[
        "weights", "wanda"
    ]
    place = "transformer.h.0.mlp.c_fc"
    before = table.scores(place, table.cells)
    assert before.shape == table.sizes[place] == (48, 32)
    with torch.no_grad():
        module.get_submodule(place).weight[3, 5] = 0.0  # kept as (inputs, outputs)
    after = table.scores(place, table.cells)
    assert after[5, 3] == 0 < before[5, 3]
    assert (after != before).sum() == 1


@pytest.mark.parametrize("unit", ["heads", "neurons", "weights"])
def test_magnitudes_are_the_same_for_every_cell(unit: Any) -> None:
    table = magnitude_scores(causal(tiny("llama")), unit=unit, cells=[OTHER, ONE, ONE])
    assert (table.unit, table.method, table.signed, table.cells) == (unit, "magnitude", False, (ONE, OTHER))
    place = next(iter(table.sizes))
    known, unknown = table.scores(place, [ONE]), table.scores(place, [Cell(variation="x", group="y", half=1)])
    np.testing.assert_array_equal(known, unknown)
    assert known.shape == table.sizes[place]
    with pytest.raises(ValueError, match="no cell"):
        table.scores(place, [])
    with pytest.raises(KeyError):
        table.scores("99", [ONE])


def test_asking_scores_of_no_cell_or_an_unknown_one_fails() -> None:
    found = forward_scores(causal(tiny("llama")), drawn_prompts(), wanted=FROM_A_PASS, batch_size=4)
    for table in found.values():
        place = next(iter(table.sizes))
        with pytest.raises(ValueError, match="no cell"):
            table.scores(place, [])
        with pytest.raises(KeyError):
            table.scores(place, [Cell(variation="x", group="y", half=1)])
        with pytest.raises(KeyError):
            table.scores("nowhere", table.cells)


def test_half_precision_models_are_scored_in_single() -> None:
    module = tiny("llama")
    prompts = drawn_prompts()
    exact = forward_scores(causal(module), prompts, wanted=FROM_A_PASS, batch_size=4)
    rough = forward_scores(causal(copy.deepcopy(module).bfloat16()), prompts, wanted=FROM_A_PASS, batch_size=4)
    for key, table in exact.items():
        place = next(iter(table.sizes))
        assert rough[key].scores(place, table.cells).dtype == np.float32
        np.testing.assert_allclose(
            rough[key].scores(place, table.cells), table.scores(place, table.cells), rtol=0.1, atol=1e-3
        )
