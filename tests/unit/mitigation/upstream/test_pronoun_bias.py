"""Which group's pronouns a model leans to beside each label: figures worked out by hand from rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
from scipy.stats import t

from pytest_biasaudit.errors import DataError, ModelError
from pytest_biasaudit.mitigation.upstream.pronouns import own_frames, upstream_bias
from pytest_biasaudit.models.protocol import Passage
from tests.rule_models import Masked, Scorer, Vectors

FRAMES = ("{word} is a {label}.", "{word} works as a {label}.")


def test_a_causal_model_is_scored_against_the_sentence_that_says_nothing() -> None:
    def rule(passage: Passage) -> float:
        said = passage.text
        value = -10.0 if said.startswith("She") else -8.0  # the prior: he is likelier anywhere
        if "nurse" in said:
            value += 1.5 if said.startswith("She") else -0.5
            value += 0.25 if "works" in said and said.startswith("She") else 0.0
        return value

    found = upstream_bias(Scorer(rule), ["nurse", "pilot"], frames=FRAMES)
    nurse = found.of("nurse")
    assert (found.score, found.unit) == ("sentence log-likelihood bias", "nats")
    # s(she) - s(he): 1.5 + 0.5 in the first frame, a quarter more in the second; mean 2.125, sd 0.25 / sqrt(2)
    assert nurse.value == pytest.approx(2.125)
    reach = float(t.ppf(0.975, 1)) * 0.25 / math.sqrt(2) / math.sqrt(2)
    assert nurse.interval is not None
    assert (nurse.interval.low, nurse.interval.high) == pytest.approx((2.125 - reach, 2.125 + reach))
    assert nurse.frames == 2
    assert found.of("pilot").value == pytest.approx(0.0, abs=1e-12)
    assert found.of("pilot").interval is None
    assert "no width" in found.of("pilot").reason


def test_a_masked_model_is_scored_against_the_masked_label() -> None:
    def rule(seen: tuple[str, ...], piece: str) -> float:
        prior = -1.0 if piece == "He" else -3.0
        return prior + (2.0 if "nurse" in seen and piece == "She" else 0.0)

    found = upstream_bias(Masked(rule), ["nurse", "pilot"], frames=FRAMES)
    assert found.score == "log-probability bias"
    assert found.of("nurse").value == pytest.approx(2.0)
    assert found.of("pilot").value == pytest.approx(0.0)


class Leaning(Vectors):
    """Sentences with "she" or "nurse" point one way, those with "he" or "pilot" the other."""

    def embed(self, texts: Sequence[str], **_: object) -> Iterator[tuple[int, tuple[float, ...] | None]]:
        for at, text in enumerate(texts):
            words = set(text.lower().replace(".", "").split())
            yield at, (0.6, 0.8) if words & {"she", "nurse"} else (0.6, -0.8) if words & {"he", "pilot"} else (1.0, 0.0)


def test_an_encoder_is_given_another_score_under_another_name() -> None:
    found = upstream_bias(Leaning(), ["nurse", "pilot", "cook"], frames=FRAMES)
    assert (found.score, found.unit) == ("embedding association", "cosine")
    # cos(she, nurse) = 1, cos(he, nurse) = .36 - .64 = -.28
    assert found.of("nurse").value == pytest.approx(1.28)
    assert found.of("pilot").value == pytest.approx(-1.28)
    assert found.of("cook").value == pytest.approx(0.0)
    assert "no probability" in dict(found.facts)["score"]


def test_a_broken_model_has_no_figure_and_the_reason_is_said() -> None:
    found = upstream_bias(Scorer(lambda _: math.nan), ["nurse"], frames=FRAMES)
    assert found.of("nurse").value is None
    assert found.of("nurse").reason == "no frame has a score"


def test_own_frames_are_whole_sentences() -> None:
    frames = own_frames()
    assert len(frames) >= 8
    assert all(frame.count("{word}") == frame.count("{label}") == 1 for frame in frames)


def test_what_cannot_be_asked_is_said() -> None:
    scorer = Scorer(lambda _: 0.0)
    for labels, frames, said in (
        ([], None, "no label"),
        (["nurse", "nurse"], None, "asked about twice"),
        (["{x}"], None, "has braces"),
        (["nurse"], ["She is a {label}"], "once each"),
        (["nurse"], [], "no frame"),
    ):
        with pytest.raises(DataError, match=said):
            upstream_bias(scorer, labels, frames=frames)
    with pytest.raises(DataError, match="no label 'cook'"):
        upstream_bias(scorer, ["nurse"]).of("cook")


def test_a_model_that_only_answers_has_no_upstream_score() -> None:
    class Bare:
        identity = Vectors.identity

    with pytest.raises(ModelError, match="neither probabilities of words nor vectors"):
        upstream_bias(Bare(), ["nurse"])
