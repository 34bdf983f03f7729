"""SmolLM2 without heads, neurons and weights: every path gives it back bit for bit, also after an exception."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.components import ComponentSet, Unit
from pytest_biasaudit.mitigation.removing.asking import ModelTrial
from pytest_biasaudit.mitigation.removing.without import sizes_in, without
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.identity import hooks_of, tensors_sha256
from pytest_biasaudit.models.perplexity import HeldText

pytestmark = pytest.mark.real_model

TEXT = HeldText(
    name="short", text="The bridge was closed in the morning, and opened again before noon.", sha256="0" * 64
)
UNITS: tuple[Unit, ...] = ("heads", "neurons", "weights")


def a_set(unit: Unit, model: CausalModel, share: float) -> ComponentSet:
    """A share of every place, drawn."""
    draw = np.random.default_rng(7)
    sizes = sizes_in(model.module, unit)
    chosen = {}
    for place, size in sizes.items():
        count = int(np.prod(size))
        chosen[place] = np.flatnonzero(draw.random(count) < share).astype(np.int64)
    return ComponentSet(unit=unit, chosen={place: some for place, some in chosen.items() if len(some)}, sizes=sizes)


def test_its_places_are_what_its_configuration_says(smollm2: CausalModel) -> None:
    heads, neurons, weights = (sizes_in(smollm2.module, unit) for unit in UNITS)
    assert heads == {str(layer): (9,) for layer in range(30)}
    assert neurons == {str(layer): (1536,) for layer in range(30)}
    assert len(weights) == 7 * 30
    assert weights["model.layers.29.mlp.down_proj"] == (576, 1536)
    assert weights["model.layers.0.self_attn.k_proj"] == (192, 576)


def test_every_path_gives_it_back_bit_for_bit(smollm2: CausalModel) -> None:
    before = tensors_sha256(smollm2.module), hooks_of(smollm2.module)
    with ModelTrial(smollm2, held_text=TEXT) as trial:
        plain = trial.perplexity(None)
        for unit in UNITS:
            started = time.perf_counter()
            without_some = trial.perplexity(a_set(unit, smollm2, 0.02))
            print(f"{unit}: perplexity {plain:.1f} -> {without_some:.1f} in {time.perf_counter() - started:.2f} s")
            assert without_some != pytest.approx(plain, rel=1e-6)
        assert (tensors_sha256(smollm2.module), hooks_of(smollm2.module)) == before
        for unit in UNITS:
            with pytest.raises(KeyboardInterrupt), without(trial.structure, a_set(unit, smollm2, 0.02)):
                raise KeyboardInterrupt
            with pytest.raises(RecipeError, match=r"[0-9]"):
                trial.perplexity(strange(unit))
        assert (tensors_sha256(smollm2.module), hooks_of(smollm2.module)) == before


def strange(unit: Unit) -> ComponentSet:
    """Of a model of another depth."""
    place = {"heads": "30", "neurons": "30", "weights": "model.layers.30.mlp.up_proj"}[unit]
    return ComponentSet(unit=unit, chosen={place: np.array([0])}, sizes={})
