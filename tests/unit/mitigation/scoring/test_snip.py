"""SNIP against torch's own derivatives by parameters, one prompt at a time."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pytest_biasaudit.compression.linear import linear_layers
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.errors import DataError, ModelError, RecipeError
from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scoring import snip
from pytest_biasaudit.mitigation.scoring.snip import snip_scores
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from tests.scored_samples import causal, drawn_prompts
from tests.tiny_architectures import tiny


def plainly(module: Any, prompts: list[ScoredPrompt]) -> dict[str, NDArray[np.float32]]:
    """|W| x mean over prompts of |dL/dW|, as (outputs, inputs), by Wei et al.'s words and torch's backward."""
    layers = {one.name: one for one in linear_layers(module, lm_head=False)}
    weights: dict[str, Any] = {name: one.layer.weight for name, one in layers.items()}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for prompt in prompts:
        ids = torch.tensor([prompt.tokens])
        labels = ids.clone()
        labels[:, : prompt.answer] = -100
        module.zero_grad()
        logits = module(input_ids=ids).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
        torch.autograd.backward(loss)
        for name, weight in weights.items():
            sums[name] += weight.grad.abs()
    module.zero_grad(set_to_none=True)
    found = {}
    for name, one in layers.items():
        scores = (weights[name].detach().abs() * sums[name] / len(prompts)).numpy()
        found[name] = scores.T if one.transposed else scores
    return found


ARCHITECTURES = ["llama", "qwen2", "gemma2", "gpt2", "gpt_neox", "gptj", "opt", "bloom", "phi", "phi3", "falcon", "mpt"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_snip_is_the_weight_times_the_mean_size_of_its_derivative(architecture: str) -> None:
    module = tiny(architecture)
    prompts = drawn_prompts()
    table = snip_scores(causal(module), prompts, unit="weights", batch_size=4)
    for cell in table.cells:
        expected = plainly(module, [prompt for prompt in prompts if prompt.cell == cell])
        assert set(expected) == set(table.sizes)
        for place, scores in expected.items():
            assert scores.shape == table.sizes[place]
            np.testing.assert_allclose(table.scores(place, [cell]), scores, rtol=1e-3, atol=1e-6 * scores.max())


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_a_units_snip_is_the_sum_over_its_column_of_the_down_projection(architecture: str) -> None:
    module = tiny(architecture)
    prompts = drawn_prompts()
    table = snip_scores(causal(module), prompts, unit="neurons", batch_size=4)
    expected = plainly(module, prompts)
    for layer, place in structure_of(module).of("neurons").items():
        np.testing.assert_allclose(
            table.scores(str(layer), table.cells), expected[place.name].sum(0), rtol=1e-3, atol=1e-7
        )
    assert table.sizes == {"0": (48,), "1": (48,), "2": (48,)}


def test_a_layer_that_runs_twice_in_a_pass_has_one_derivative() -> None:
    module = tiny("llama")
    module.model.layers[1] = module.model.layers[0]
    prompts = drawn_prompts()
    table = snip_scores(causal(module), prompts, unit="weights", batch_size=4)
    assert "model.layers.1.mlp.down_proj" not in table.sizes
    for cell in table.cells:
        for place, scores in plainly(module, [one for one in prompts if one.cell == cell]).items():
            assert np.allclose(table.scores(place, [cell]), scores, rtol=1e-4, atol=1e-7)


def test_a_layer_that_sees_some_tokens_cannot_tell_prompts_of_a_batch_apart() -> None:
    module = tiny("llama")
    expert: Any = module.model.layers[1].mlp

    def some(hidden: torch.Tensor) -> torch.Tensor:
        flat = hidden.flatten(0, 1)
        chosen = torch.arange(len(flat)) % 2 == 0
        made = torch.zeros_like(flat)
        made[chosen] = type(expert).forward(expert, flat[chosen])
        return made.view_as(hidden)

    expert.forward = some
    prompts = drawn_prompts()
    with pytest.raises(RecipeError, match=r"not one input a token .*; score with a batch size of 1"):
        snip_scores(causal(module), prompts, unit="weights", batch_size=4)
    table = snip_scores(causal(module), prompts, unit="weights", batch_size=1)
    for cell in table.cells:
        for place, scores in plainly(module, [one for one in prompts if one.cell == cell]).items():
            assert np.allclose(table.scores(place, [cell]), scores, rtol=1e-4, atol=1e-7)


def test_prompts_that_pull_in_opposite_directions_do_not_cancel() -> None:
    module = tiny("llama")
    prompts = drawn_prompts(count=4)
    whole = snip_scores(causal(module), prompts, unit="neurons", batch_size=4)
    one_by_one = [snip_scores(causal(module), [prompt], unit="neurons", batch_size=1) for prompt in prompts]
    expected = np.mean([table.scores("1", table.cells) for table in one_by_one], axis=0)
    np.testing.assert_allclose(whole.scores("1", whole.cells), expected, rtol=1e-4)


def test_a_prompt_twice_counts_twice() -> None:
    module = tiny("llama")
    one, other = drawn_prompts(count=2)
    other = ScoredPrompt(
        cell=one.cell, outcome=other.outcome, text="", tokens=other.tokens, answer=other.answer, name=other.name
    )
    model = causal(module)
    first, second, both = (
        snip_scores(model, some, unit="weights", batch_size=4) for some in ([one], [other], [one, one, other])
    )
    for place in both.sizes:
        expected = (2 * first.scores(place, [one.cell]) + second.scores(place, [one.cell])) / 3
        np.testing.assert_allclose(both.scores(place, [one.cell]), expected, rtol=1e-4, atol=1e-9)


def test_sums_that_memory_would_not_hold_are_kept_on_disk_as_long_as_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, prompts = causal(tiny("llama")), drawn_prompts()
    expected = snip_scores(model, prompts, unit="weights", batch_size=4)
    monkeypatch.setattr(snip, "IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table = snip_scores(model, prompts, unit="weights", batch_size=4)
    assert len(list(tmp_path.iterdir())) == 1
    for place in table.sizes:
        np.testing.assert_array_equal(table.scores(place, table.cells), expected.scores(place, table.cells))
    del table
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_prompts_without_an_answer_are_left_out_and_counted() -> None:
    model = causal(tiny("llama"))
    prompts = drawn_prompts(count=4)
    silent = ScoredPrompt(
        cell=prompts[0].cell,
        outcome=prompts[0].outcome,
        text="",
        tokens=prompts[0].tokens,
        answer=len(prompts[0].tokens),
        name=prompts[0].name,
    )
    table = snip_scores(model, [*prompts, silent], unit="neurons", batch_size=4)
    assert sum(table.counts.values()) == 4
    assert table.notes == ("1 of 5 prompts left out: no answer",)
    with pytest.raises(DataError, match="none of the 1 prompts has an answer"):
        snip_scores(model, [silent], unit="neurons", batch_size=4)


def test_the_model_is_as_it_was_and_no_parameter_has_a_gradient() -> None:
    module = tiny("llama").train()
    before, hooks = tensors_sha256(module), hooks_of(module)
    snip_scores(causal(module), drawn_prompts(), unit="weights", batch_size=4)
    assert (tensors_sha256(module), hooks_of(module)) == (before, hooks)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(part.training for part in module.modules())


@pytest.mark.parametrize("unit", ["weights", "neurons"])
def test_a_derivative_that_is_no_number_is_an_error(unit: Any) -> None:
    module = tiny("llama")

    def bend(_part: Any, _given: Any, out: torch.Tensor) -> torch.Tensor:
        return out + (out - out.detach()).abs().sqrt()  # adds 0, whose derivative is infinite

    module.model.layers[2].mlp.down_proj.register_forward_hook(bend)
    with pytest.raises(ModelError, match="derivative of the loss is not finite at"):
        snip_scores(causal(module), drawn_prompts(), unit=unit, batch_size=4)


def test_a_model_whose_weights_are_levels_is_refused() -> None:
    module = tiny("llama")
    down = module.model.layers[1].mlp.down_proj
    down.weight = torch.nn.Parameter(down.weight.detach().to(torch.int8), requires_grad=False)
    with pytest.raises(RecipeError, match="quantised"):
        snip_scores(causal(module), drawn_prompts(), unit="weights", batch_size=4)
