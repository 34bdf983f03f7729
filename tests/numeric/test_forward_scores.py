"""Attention, Wanda and magnitude against plain re-derivations, over eleven architectures: grouped queries, biases, Conv1D."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import pytest

from pytest_biasaudit.mitigation.scoring.forward import FROM_A_PASS, forward_scores
from pytest_biasaudit.mitigation.scoring.magnitude import magnitude_scores
from tests.numeric.recompute_forward_scores import (
    attention_to_names,
    by_hand,
    by_library,
    wanda_of_units,
    wanda_of_weight,
)
from tests.scored_samples import causal, drawn_prompts
from tests.tiny_architectures import tiny

DOWN = {
    "llama": "model.layers.{}.mlp.down_proj",
    "mistral": "model.layers.{}.mlp.down_proj",
    "qwen2": "model.layers.{}.mlp.down_proj",
    "qwen3": "model.layers.{}.mlp.down_proj",
    "gemma2": "model.layers.{}.mlp.down_proj",
    "phi3": "model.layers.{}.mlp.down_proj",
    "phi": "model.layers.{}.mlp.fc2",
    "starcoder2": "model.layers.{}.mlp.c_proj",
    "gpt2": "transformer.h.{}.mlp.c_proj",
    "gpt_neox": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    "opt": "model.decoder.layers.{}.fc2",
}
"""Which layer reads the hidden units. Grouped queries: the first six and starcoder2; biases: qwen2, phi, starcoder2 and on."""
OUT = {
    "llama": "model.layers.{}.self_attn.o_proj",
    "gpt2": "transformer.h.{}.attn.c_proj",
    "opt": "model.decoder.layers.{}.self_attn.out_proj",
}
LAYERS, HEADS = 3, 4


def matrix(module: Any, name: str) -> Any:
    """(outputs, inputs) of a linear layer."""
    part = module.get_submodule(name)
    weight = part.weight.detach().double().numpy()
    return weight.T if type(part).__name__ == "Conv1D" else weight


def in_blocks(module: Any) -> list[str]:
    """Every linear layer but the head, by the head's own name."""
    kinds = ("Linear", "Conv1D")
    heads = ("lm_head", "embed_out")
    return [name for name, part in module.named_modules() if type(part).__name__ in kinds and name not in heads]


@pytest.mark.parametrize("architecture", DOWN)
def test_one_pass_gives_what_plain_loops_give(architecture: str) -> None:
    module = tiny(architecture)
    prompts = drawn_prompts()
    found = forward_scores(causal(module), prompts, wanted=FROM_A_PASS, batch_size=4)
    looked = forward_scores(causal(module), prompts, wanted=[("heads", "attention")], attention="prompt", batch_size=4)
    run = partial(by_library, module)
    inputs = [run(prompt.tokens)[0] for prompt in prompts]

    heads = found["heads", "attention"]
    assert heads.sizes == {str(layer): (HEADS,) for layer in range(LAYERS)}
    for table, variant in ((heads, "generated"), (looked["heads", "attention"], "prompt")):
        for cell in table.cells:
            own = [prompt for prompt in prompts if prompt.cell == cell]
            expected = attention_to_names(own, variant, run)
            for layer in range(LAYERS):
                np.testing.assert_allclose(table.scores(str(layer), [cell]), expected[layer], rtol=2e-5, atol=1e-7)

    weights, neurons = found["weights", "wanda"], found["neurons", "wanda"]
    assert set(weights.sizes) == set(in_blocks(module))
    for cell in weights.cells:
        own_inputs = [one for one, prompt in zip(inputs, prompts, strict=True) if prompt.cell == cell]
        for name in weights.sizes:
            expected_weights = wanda_of_weight(matrix(module, name), [one[name] for one in own_inputs])
            np.testing.assert_allclose(weights.scores(name, [cell]), expected_weights, rtol=2e-5, atol=1e-7)
        for layer in range(LAYERS):
            down = DOWN[architecture].format(layer)
            units = wanda_of_units(matrix(module, down), [one[down] for one in own_inputs])
            np.testing.assert_allclose(neurons.scores(str(layer), [cell]), units, rtol=2e-5, atol=1e-7)


def test_cells_are_pooled_prompt_by_prompt() -> None:
    module = tiny("llama")
    prompts = drawn_prompts(count=9)  # three in one cell, two in each other: a mean of means would be another number
    found = forward_scores(causal(module), prompts, wanted=FROM_A_PASS, batch_size=3)
    run = partial(by_library, module)
    inputs = [run(prompt.tokens)[0] for prompt in prompts]
    cells = found["weights", "wanda"].cells
    name = DOWN["llama"].format(1)
    np.testing.assert_allclose(
        found["weights", "wanda"].scores(name, cells),
        wanda_of_weight(matrix(module, name), [one[name] for one in inputs]),
        rtol=2e-5,
    )
    np.testing.assert_allclose(
        found["heads", "attention"].scores("2", cells), attention_to_names(prompts, "generated", run)[2], rtol=2e-5
    )
    np.testing.assert_allclose(
        found["neurons", "wanda"].scores("1", cells),
        wanda_of_units(matrix(module, name), [one[name] for one in inputs]),
        rtol=2e-5,
    )


def test_a_llama_computed_by_hand_gives_the_same() -> None:
    module = tiny("llama")
    prompts = drawn_prompts(count=4)
    run = partial(by_hand, module)
    found = forward_scores(causal(module), prompts, wanted=FROM_A_PASS, batch_size=2)
    looked = forward_scores(causal(module), prompts, wanted=FROM_A_PASS[:1], attention="prompt", batch_size=2)
    cells = found["heads", "attention"].cells
    variants: tuple[tuple[Any, str], ...] = (
        (found["heads", "attention"], "generated"),
        (looked["heads", "attention"], "prompt"),
    )
    for table, variant in variants:
        expected = attention_to_names(prompts, variant, run)
        for layer in range(LAYERS):
            np.testing.assert_allclose(table.scores(str(layer), cells), expected[layer], rtol=2e-5)
    inputs = [run(prompt.tokens)[0] for prompt in prompts]
    assert set(found["weights", "wanda"].sizes) == set(inputs[0])
    for name in found["weights", "wanda"].sizes:
        expected_weights = wanda_of_weight(matrix(module, name), [one[name] for one in inputs])
        np.testing.assert_allclose(found["weights", "wanda"].scores(name, cells), expected_weights, rtol=5e-5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_answer_tokens_alone_may_count(architecture: str) -> None:
    module = tiny(architecture)
    prompts = drawn_prompts()
    found = forward_scores(causal(module), prompts, wanted=FROM_A_PASS[1:], tokens="answer", batch_size=4)
    inputs = [by_library(module, prompt.tokens)[0] for prompt in prompts]
    cells = found["weights", "wanda"].cells
    for name in found["weights", "wanda"].sizes:
        rows = [one[name][prompt.answer :] for one, prompt in zip(inputs, prompts, strict=True)]
        expected = wanda_of_weight(matrix(module, name), rows)
        np.testing.assert_allclose(found["weights", "wanda"].scores(name, cells), expected, rtol=2e-5, atol=1e-7)
    down = DOWN[architecture].format(0)
    rows = [one[down][prompt.answer :] for one, prompt in zip(inputs, prompts, strict=True)]
    units = wanda_of_units(matrix(module, down), rows)
    np.testing.assert_allclose(found["neurons", "wanda"].scores("0", cells), units, rtol=2e-5)


@pytest.mark.parametrize("architecture", DOWN)
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_and_padding_do_not_matter(architecture: str, batch_size: int) -> None:
    model = causal(tiny(architecture))
    prompts = drawn_prompts(count=8, seed=3)
    attentions: tuple[Literal["generated", "prompt"], ...] = ("generated", "prompt")
    for attention in attentions:
        alone = forward_scores(model, prompts, wanted=FROM_A_PASS, attention=attention, batch_size=1)
        many = forward_scores(model, prompts[::-1], wanted=FROM_A_PASS, attention=attention, batch_size=batch_size)
        for key, table in alone.items():
            for place in table.sizes:
                for cell in table.cells:
                    np.testing.assert_allclose(
                        many[key].scores(place, [cell]), table.scores(place, [cell]), rtol=1e-5, atol=1e-7
                    )


@pytest.mark.parametrize("architecture", OUT)
def test_magnitudes_are_norms_of_what_reads_a_component(architecture: str) -> None:
    module = tiny(architecture)
    model = causal(module)
    cells = tuple(prompt.cell for prompt in drawn_prompts())
    for layer in range(LAYERS):
        out, down = matrix(module, OUT[architecture].format(layer)), matrix(module, DOWN[architecture].format(layer))
        width = out.shape[1] // HEADS
        heads = [
            sum(float(one) ** 2 for one in out[:, h * width : (h + 1) * width].ravel()) ** 0.5 for h in range(HEADS)
        ]
        units = [sum(float(one) ** 2 for one in down[:, unit]) ** 0.5 for unit in range(down.shape[1])]
        np.testing.assert_allclose(magnitude_scores(model, unit="heads").scores(str(layer), cells), heads, rtol=1e-6)
        np.testing.assert_allclose(magnitude_scores(model, unit="neurons").scores(str(layer), cells), units, rtol=1e-6)
    weights = magnitude_scores(model, unit="weights")
    for name in in_blocks(module):
        np.testing.assert_array_equal(weights.scores(name, cells[:1]), np.abs(matrix(module, name)).astype(np.float32))
