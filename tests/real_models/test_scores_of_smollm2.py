"""Scores of the real small model against transformers' own attention and plain sums, prompt by prompt in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.mitigation.scored_prompt import ScoredPrompt
from pytest_biasaudit.mitigation.scoring.forward import FROM_A_PASS, forward_scores
from pytest_biasaudit.models.causal import CausalModel
from tests.numeric.recompute_forward_scores import attention_to_names, by_library
from tests.study_prompts import purchase_prompts

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def prompts(smollm2: CausalModel) -> list[ScoredPrompt]:
    return purchase_prompts(smollm2, variations=1, every=13)  # five people


def test_the_name_and_the_answer_stand_where_they_are_read(smollm2: CausalModel, prompts: list[ScoredPrompt]) -> None:
    decode = smollm2.tokenizer.decode
    assert len(prompts) == 5
    for prompt in prompts:
        assert decode([prompt.tokens[at] for at in prompt.name]).strip() == prompt.outcome.prompt.person.first
        assert decode(prompt.tokens[prompt.answer :]) == prompt.outcome.text
        assert prompt.text.startswith("<|im_start|>")
        assert list(prompt.tokens) == smollm2.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]


def test_all_heads_and_linear_layers_score_as_plain_sums_say(smollm2: CausalModel, prompts: list[ScoredPrompt]) -> None:
    module: Any = smollm2.module
    found = forward_scores(smollm2, prompts, wanted=FROM_A_PASS, batch_size=3)
    kept = [by_library(module, prompt.tokens) for prompt in prompts]
    by_tokens = {prompt.tokens: one for prompt, one in zip(prompts, kept, strict=True)}

    heads = found["heads", "attention"]
    expected = attention_to_names(prompts, "generated", lambda tokens: by_tokens[tuple(tokens)])
    ours = [heads.scores(str(layer), heads.cells) for layer in range(30)]
    assert np.shape(ours) == (30, 9)
    np.testing.assert_allclose(ours, expected, rtol=2e-3, atol=1e-6)

    weights, neurons = found["weights", "wanda"], found["neurons", "wanda"]
    assert len(weights.sizes) == 210
    for name in weights.sizes:
        rows = np.sqrt(sum((one[0][name] ** 2).sum(0) for one in kept) / len(kept))
        matrix = module.get_submodule(name).weight.detach().double().numpy()
        np.testing.assert_allclose(weights.scores(name, weights.cells), np.abs(matrix) * rows, rtol=2e-3, atol=1e-6)
    for layer in range(30):
        name = f"model.layers.{layer}.mlp.down_proj"
        norms = np.sqrt((module.get_submodule(name).weight.detach().double().numpy() ** 2).sum(0))
        means = sum(np.abs(one[0][name]).mean(0) for one in kept) / len(kept)
        np.testing.assert_allclose(neurons.scores(str(layer), neurons.cells), means * norms, rtol=2e-3, atol=1e-6)
    smollm2.refuse_if_changed()
