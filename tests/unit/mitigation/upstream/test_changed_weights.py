"""Weights drawn anew, and weights with noise; the parent stays as it is, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.upstream.methods import INTERVENTIONS, intervention
from pytest_biasaudit.mitigation.upstream.weights import random_initialisation, weight_noise
from pytest_biasaudit.models.identity import config_sha256, tensors_sha256
from tests.upstream_models import tiny_causal, tiny_encoder, tiny_masked


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in model.module.named_parameters()}


def test_noise_has_the_declared_standard_deviation() -> None:
    parent = tiny_causal()
    before, child = weights(parent), weight_noise(parent, sigma=0.05, seed=3)
    noise = torch.cat([(one.detach() - before[name]).flatten() for name, one in child.module.named_parameters()])
    # the standard error of a standard deviation of n draws is sigma / sqrt(2 n)
    assert abs(float(noise.double().std()) - 0.05) < 5 * 0.05 / (2 * noise.numel()) ** 0.5
    assert abs(float(noise.double().mean())) < 5 * 0.05 / noise.numel() ** 0.5
    assert child.identity.achieved["noise_sd"] == pytest.approx(0.05, rel=0.02)


def test_noise_by_tensor_is_a_share_of_the_tensors_own_spread() -> None:
    parent = tiny_masked()
    before, child = weights(parent), weight_noise(parent, sigma=0.2, unit="tensor", seed=3)
    for name, one in child.module.named_parameters():
        own = float(before[name].std(unbiased=False))
        noise = one.detach() - before[name]
        if noise.numel() > 500:
            assert float(noise.std()) == pytest.approx(0.2 * own, rel=0.15), name
        elif own == 0:
            assert torch.equal(one, before[name])


def test_the_seed_decides_the_noise() -> None:
    parent = tiny_encoder()
    one, again, other = (weight_noise(parent, sigma=0.01, seed=seed) for seed in (1, 1, 2))
    assert one.tensors_sha256 == again.tensors_sha256 != other.tensors_sha256
    assert one.identity.digest == again.identity.digest != other.identity.digest


def test_a_tied_head_is_drawn_once_and_stays_tied() -> None:
    parent = tiny_causal(tie_word_embeddings=True)
    child: Any = weight_noise(parent, sigma=0.1, seed=1).module
    assert child.get_output_embeddings().weight is child.get_input_embeddings().weight


def test_random_weights_are_others_under_the_same_configuration() -> None:
    parent = tiny_masked()
    before = weights(parent)
    child = random_initialisation(parent, seed=5)
    assert config_sha256(child.module) == config_sha256(parent.module)
    assert [name for name, _ in child.module.named_parameters()] == list(before)
    moved = [name for name, one in child.module.named_parameters() if not torch.equal(one, before[name])]
    assert all(name in moved for name, one in before.items() if one.ndim > 1)
    spread = float(child.module.state_dict()["bert.embeddings.word_embeddings.weight"].std())
    assert spread == pytest.approx(0.02, rel=0.1)  # as BERT's configuration has it
    assert random_initialisation(parent, seed=5).tensors_sha256 == child.tensors_sha256
    assert random_initialisation(parent, seed=6).tensors_sha256 != child.tensors_sha256


def test_an_encoder_without_pooler_keeps_its_form() -> None:
    parent = tiny_encoder()
    child = random_initialisation(parent, seed=5)
    assert set(child.module.state_dict()) == set(parent.module.state_dict())


@pytest.mark.parametrize("name", ["random_initialisation", "weight_noise", "sentence_debias"])
def test_the_parent_stays_as_it_is_and_is_named(name: str) -> None:
    parent = tiny_encoder()
    digest, training = parent.tensors_sha256, parent.module.training
    drawn = torch.random.get_rng_state()
    child = INTERVENTIONS[name].apply(parent, {}, 4)
    assert tensors_sha256(parent.module) == digest
    assert parent.module.training is training
    assert torch.equal(torch.random.get_rng_state(), drawn)
    parent.refuse_if_changed()
    identity = child.identity
    assert (identity.parent, identity.parent_digest) == ("tiny", parent.identity.digest)
    assert identity.recipe[0]["upstream"] == name
    assert identity.weights_sha256 == child.tensors_sha256 != digest
    assert identity.digest != parent.identity.digest
    assert type(child) is type(parent)


def test_noise_of_no_size_or_unit_is_refused() -> None:
    with pytest.raises(RecipeError, match="must be above 0"):
        weight_noise(tiny_encoder(), sigma=0.0, seed=1)
    with pytest.raises(DataError, match=r"sigma = -1; valid: above 0"):
        INTERVENTIONS["weight_noise"].apply(tiny_encoder(), {"sigma": -1}, 1)
    with pytest.raises(DataError, match="did you mean 'weight_noise'"):
        intervention("weight_noises")


def test_noise_that_makes_weights_infinite_is_refused() -> None:
    parent = tiny_encoder()
    parent.module.half()
    half = type(parent)(parent.module, parent.tokenizer, parent.identity)
    with pytest.raises(RecipeError, match="numbers that are not finite"):
        weight_noise(half, sigma=1e6, seed=1)


def test_what_was_added_to_an_architecture_cannot_be_drawn_anew() -> None:
    with pytest.raises(RecipeError, match="initialise before other interventions"):
        random_initialisation(INTERVENTIONS["sentence_debias"].apply(tiny_encoder(), {}, 1), seed=1)


@pytest.mark.parametrize("make", [tiny_masked, tiny_causal])
def test_norms_and_biases_are_put_back_to_where_training_begins(make: Any) -> None:
    taught = make()
    with torch.no_grad():
        for one in taught.module.parameters():
            one.add_(0.25)  # as if all had been learnt, constants too
    taught = type(taught)(taught.module, taught.tokenizer, taught.identity)
    child = random_initialisation(taught, seed=5)
    before = weights(taught)
    for name, one in child.module.named_parameters():
        assert not torch.equal(one, before[name]), name
        if one.ndim == 1:
            assert set(one.tolist()) == ({1.0} if "norm" in name.lower() and name.endswith("weight") else {0.0}), name
