"""SEAT on real models, against a plain re-derivation; and random weights, which are not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.metrics.benchmarks.measure import measure_benchmark
from pytest_biasaudit.metrics.benchmarks.seat import METRICS
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.causal import CausalModel
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.protocol import Model
from pytest_biasaudit.outcomes.asking import Asker
from pytest_biasaudit.outcomes.benchmarks.seat import collect
from pytest_biasaudit.outcomes.collect import Collected
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.prompts.benchmarks import seat
from pytest_biasaudit.prompts.benchmarks.association_tests import AssociationTest
from pytest_biasaudit.prompts.benchmarks.data import bundled

pytestmark = pytest.mark.real_model


@contextmanager
def unwatched(_what: str, _count: int) -> Iterator[Callable[[int], None]]:
    yield lambda _done: None


def audit(pooling: str, tests: tuple[str, ...] | None) -> BenchmarkAudit:
    return BenchmarkAudit(
        id="a", kind="seat", limits=(), data=None, sha256=None,
        settings=(("tests", tests), ("axes", None), ("pooling", pooling), ("ddof", 1), ("permutations", 9_999),
                  ("p", "one-sided"), ("minimum", 8)),
    )  # fmt: skip


def asked(
    model: Model, declared: BenchmarkAudit
) -> tuple[tuple[AssociationTest, ...], Collected, dict[tuple[str, str], Estimate]]:
    items = seat.read(bundled(str(seat.OWN), origin=seat.ORIGIN), declared)
    asker = Asker(model, journal=Journal.open(None), batch_size=32, watch=unwatched, what="seat")
    collected = collect(items, declared, asker, seed=0)
    found = measure_benchmark(declared, collected, metrics={one.name: one for one in METRICS}, seed=0)
    return items, collected, {(one.metric, "".join(one.groups)): one for one in found}


def plain_scores(model: Any, test: AssociationTest, pooling: str) -> dict[str, float]:
    """s(w, A, B) of every target sentence, as SEAT takes them: one sentence at a time, no padding, in loops."""
    vectors = {}
    with torch.no_grad():
        for text in test.texts:
            output = model.module(**model.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            hidden = output.hidden_states[-1][0].to(torch.float64)
            pooled = hidden.mean(0) if pooling == "mean" else hidden[0]
            vectors[text] = (pooled / pooled.norm()).numpy()
    found = {}
    for stimulus in (*test.X.stimuli, *test.Y.stimuli):
        near = [
            float(np.mean([vectors[stimulus.text] @ vectors[one.text] for one in side.stimuli]))
            for side in (test.A, test.B)
        ]
        found[stimulus.text] = near[0] - near[1]
    return found


def plain_effect(test: AssociationTest, scores: dict[str, float]) -> float:
    x, y = ([scores[one.text] for one in side.stimuli] for side in (test.X, test.Y))
    return float((np.mean(x) - np.mean(y)) / np.std([*x, *y], ddof=1))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_seat_on_minilm_is_the_plain_re_derivation(minilm: EncoderModel, pooling: str) -> None:
    items, collected, found = asked(minilm, audit(pooling, ("gender-occupations", "age-ability")))
    for test in items:
        if not test.measured:
            continue
        scores = plain_scores(minilm, test, pooling)
        ours = {one.prompt.text: one.reading.value for one in collected.outcomes if one.prompt.id.startswith(test.name)}
        assert ours == pytest.approx(scores, abs=1e-5)
        assert found["effect_size", test.name].value == pytest.approx(plain_effect(test, scores), abs=1e-4)


def test_seat_on_smollm2_is_the_plain_re_derivation(smollm2: CausalModel) -> None:
    items, collected, found = asked(smollm2, audit("mean", ("age-ability",)))
    (test,) = [one for one in items if one.measured]
    scores = plain_scores(smollm2, test, "mean")
    ours = {one.prompt.text: one.reading.value for one in collected.outcomes}
    assert ours == pytest.approx(scores, abs=1e-5)
    assert found["effect_size", test.name].value == pytest.approx(plain_effect(test, scores), abs=2e-3)


def test_minilm_is_measured_on_every_test_of_our_own(minilm: EncoderModel) -> None:
    _, _, found = asked(minilm, audit("mean", None))
    assert all(one.usable and one.interval is not None for one in found.values())
    value, interval = found["coherence", ""].value, found["mean_abs_effect", ""].interval
    assert value is not None
    assert value > 80.0
    assert interval is not None
    assert interval.low > 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_random_weights_are_at_chance_and_not_measured(minilm: EncoderModel, seed: int) -> None:
    torch.manual_seed(seed)
    module = type(minilm.module)(minilm.module.config).eval()
    _, _, found = asked(wrap_live("random", module, minilm.tokenizer), audit("mean", None))
    coherence = found["coherence", ""].interval
    assert coherence is not None
    assert coherence.low < 55.0
    for one in found.values():
        assert one.usable == (one.metric == "coherence")
        assert one.usable or "too little meaning" in one.reason
