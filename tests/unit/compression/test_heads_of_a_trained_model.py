"""Heads and neurons of SmolLM2: thirty layers, nine query heads on three of keys and values, trained weights."""

from __future__ import annotations

import pytest
import torch

from pytest_biasaudit.compression.structure.edits import edited
from pytest_biasaudit.compression.structure.finding import structure_of
from pytest_biasaudit.compression.structure.masks import masked
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.models.causal import CausalModel

pytestmark = pytest.mark.real_model


def logits(model: CausalModel) -> torch.Tensor:
    tokens = model.tokenizer("The nurse said that the engineer had left the house", return_tensors="pt")
    with torch.inference_mode():
        found: torch.Tensor = model.module(**tokens).logits
    return found


def test_a_mask_is_an_edit_to_the_bit_on_trained_weights(smollm2: CausalModel) -> None:
    structure = structure_of(smollm2.module)
    assert list(structure.heads) == list(structure.neurons) == list(range(30))
    assert {(place.count, place.width) for place in structure.heads.values()} == {(9, 64)}
    assert {place.count for place in structure.neurons.values()} == {1536}
    base = logits(smollm2)
    chosen = (
        ({"heads": [(12, 4)]}, 1.0),
        ({"heads": [(12, 4)], "mode": "uniform"}, 0.05),
        ({"heads": [(0, 0), (12, 4), (29, 8)], "neurons": [(3, 17), (29, 1535)]}, 1.0),
        ({"neurons": [(10, unit) for unit in range(0, 1536, 8)]}, 0.05),
    )
    for asked, effect in chosen:
        with masked(structure, **asked):
            by_hook = logits(smollm2)
        with edited(structure, **asked):
            by_weight = logits(smollm2)
        assert torch.equal(by_hook, by_weight), asked
        assert float((by_hook - base).abs().max()) > effect, asked
    assert torch.equal(logits(smollm2), base)
    smollm2.refuse_if_changed()


def test_layers_that_are_not_there_are_named(smollm2: CausalModel) -> None:
    with pytest.raises(RecipeError, match="layer 30: the model has layers 0 to 29"):
        structure_of(smollm2.module).cuts(heads=[(30, 0)])
