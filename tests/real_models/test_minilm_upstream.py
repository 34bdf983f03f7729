"""Interventions on the real small models: what leans one way before leans less after, in seconds."""

from __future__ import annotations

import pytest

from pytest_biasaudit.mitigation.upstream.projection import sentence_debias
from pytest_biasaudit.mitigation.upstream.pronouns import upstream_bias
from pytest_biasaudit.mitigation.upstream.weights import weight_noise
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.identity import tensors_sha256

pytestmark = pytest.mark.real_model
LABELS = ("nurse", "receptionist", "carpenter", "engineer")


def test_sentence_debias_halves_what_minilm_leans_to(minilm: EncoderModel) -> None:
    digest = minilm.tensors_sha256
    child = sentence_debias(minilm)
    before, after = (upstream_bias(model, LABELS) for model in (minilm, child))
    leans = [[abs(one.value or 0.0) for one in found.labels] for found in (before, after)]
    assert sum(leans[1]) < 0.6 * sum(leans[0])
    assert (before.of("nurse").value or 0.0) > 0 > (before.of("carpenter").value or 0.0)
    assert tensors_sha256(minilm.module) == digest


def test_minilm_with_noise_is_another_encoder(minilm: EncoderModel) -> None:
    child = weight_noise(minilm, sigma=0.1, unit="tensor", seed=1)
    vectors = [dict(model.embed(["A nurse called."], pooling="mean", batch_size=1))[0] for model in (minilm, child)]
    assert vectors[0] is not None
    assert vectors[1] is not None
    assert 0.2 < sum(a * b for a, b in zip(*vectors, strict=True)) < 0.999


def test_smollm2_leans_to_she_beside_nurse_and_to_he_beside_carpenter(smollm2: CausalModel) -> None:
    found = upstream_bias(smollm2, ("nurse", "carpenter"))
    nurse, carpenter = found.of("nurse").interval, found.of("carpenter").interval
    assert nurse is not None
    assert carpenter is not None
    assert nurse.low > 0 > carpenter.high
