"""Pre-training that goes on: for models that predict tokens, and for no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.upstream import pretraining
from pytest_biasaudit.mitigation.upstream.methods import INTERVENTIONS
from pytest_biasaudit.mitigation.upstream.pretraining import cda_pretraining, dropout_pretraining
from pytest_biasaudit.mitigation.upstream.projection import sentence_debias
from pytest_biasaudit.models.identity import config_sha256, tensors_sha256
from tests.upstream_models import tiny_causal, tiny_encoder, tiny_masked

QUICK: dict[str, Any] = {"steps": 8, "batch_size": 8, "tokens": 16, "learning_rate": 5e-3}


@pytest.mark.parametrize("make", [tiny_causal, tiny_masked])
def test_what_is_not_taught_becomes_likelier_and_the_parent_stays(make: Any) -> None:
    parent = make()
    before = parent.tensors_sha256
    child = cda_pretraining(parent, **QUICK, seed=1)
    achieved = child.identity.achieved
    assert achieved["held_loss_after"] < achieved["held_loss_before"]
    assert tensors_sha256(parent.module) == before
    assert config_sha256(child.module) == parent.identity.config_sha256
    assert child.identity.recipe[0] == {
        "upstream": "cda_pretraining",
        "text": "bundled frames",
        "text_sha256": child.identity.recipe[0]["text_sha256"],
        "pairs": "gender",
        **QUICK,
        "seed": 1,
    }
    assert cda_pretraining(parent, **QUICK, seed=1).tensors_sha256 == child.tensors_sha256


def test_only_sentences_with_listed_words_and_their_counterparts_are_taught() -> None:
    text = ["The man left the bridge.", "A boy crossed the square.", "The person left.", "The visitor left."]
    child = cda_pretraining(tiny_causal(), text=text, **QUICK, seed=1)
    rows: Any = child.identity.achieved["rows"]
    assert rows["taught"] + rows["held"] == 4  # two sentences and their counterparts


def test_dropout_is_raised_while_it_is_taught_and_put_back_after() -> None:
    parent = tiny_masked(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    child = dropout_pretraining(parent, **QUICK, seed=1)
    assert child.identity.achieved["dropout_set"] == {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.15}
    assert config_sha256(child.module) == parent.identity.config_sha256
    shares = {part.p for part in child.module.modules() if isinstance(part, torch.nn.Dropout)}
    assert shares == {0.1}
    assert child.tensors_sha256 != parent.tensors_sha256


def test_an_architecture_with_one_kind_of_dropout_says_which() -> None:
    child = dropout_pretraining(tiny_causal(), **QUICK, seed=1)
    assert child.identity.achieved["dropout_set"] == {"attention_dropout": 0.05}


def test_dropout_of_albert_is_raised_as_that_of_causal_models() -> None:
    quick = {**QUICK, "steps": 1}
    child = dropout_pretraining(
        tiny_masked("albert", hidden_dropout_prob=0, attention_probs_dropout_prob=0), **quick, seed=1
    )
    assert set(child.identity.achieved["dropout_set"].values()) == {0.05}  # type: ignore[attr-defined]


def test_dropout_is_not_lowered() -> None:
    with pytest.raises(RecipeError, match=r"is 0\.3 already, and 0\.2 is asked"):
        dropout_pretraining(tiny_masked(hidden_dropout_prob=0.3), **QUICK, seed=1)


@pytest.mark.parametrize("name", ["cda_pretraining", "dropout_pretraining"])
def test_an_encoder_without_head_is_refused_with_what_works_instead(name: str) -> None:
    assert INTERVENTIONS[name].needs_head
    with pytest.raises(RecipeError) as caught:
        INTERVENTIONS[name].apply(tiny_encoder(), {}, 1)
    assert "tiny predicts no tokens" in str(caught.value)
    assert "the file holds a body alone" in str(caught.value)
    assert "sentence_debias" in str(caught.value)


def test_a_finished_training_is_gone_on_with_from_its_folder(tmp_path: Path) -> None:
    parent = tiny_causal()
    first = cda_pretraining(parent, **QUICK, home=tmp_path, seed=1)
    assert len(list(tmp_path.iterdir())) == 1
    again = cda_pretraining(parent, **QUICK, home=tmp_path, seed=1)
    assert again.tensors_sha256 == first.tensors_sha256


def test_rows_longer_than_the_model_reads_are_refused() -> None:
    with pytest.raises(RecipeError, match="tokens = 4096, and the model takes"):
        cda_pretraining(tiny_masked(), steps=1, tokens=4096, seed=1)


@pytest.mark.parametrize(("teach", "make"), [(cda_pretraining, tiny_causal), (dropout_pretraining, tiny_masked)])
def test_a_training_killed_in_the_middle_goes_on_to_the_same_weights(
    teach: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, rates = make(), {**QUICK, "steps": 54, "batch_size": 2}
    whole = teach(parent, **rates, seed=1)
    steps = 0

    def killed(module: torch.nn.Module, batch: Any) -> torch.Tensor:
        nonlocal steps
        steps += module.training
        if steps > 52:
            raise KeyboardInterrupt
        return loss(module, batch)

    loss = pretraining._loss
    with monkeypatch.context() as patch:
        patch.setattr(pretraining, "_loss", killed)
        with pytest.raises(KeyboardInterrupt):
            teach(parent, **rates, home=tmp_path, seed=1)
    resumed = teach(parent, **rates, home=tmp_path, seed=1)
    assert resumed.identity.achieved["resumed_at_step"] == 50
    assert resumed.tensors_sha256 == whole.tensors_sha256


def test_dropout_is_raised_before_directions_are_taken_out_and_not_after() -> None:
    with pytest.raises(RecipeError, match="pre-train before other interventions"):
        dropout_pretraining(sentence_debias(tiny_masked()), **QUICK, seed=1)
    after = sentence_debias(dropout_pretraining(tiny_masked(), **QUICK, seed=1))
    assert after.identity.achieved["directions"] == 1
