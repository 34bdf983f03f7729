"""A classifier on a model with directions taken out, with the same answers and without the part that takes them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.upstream.folded import folded
from pytest_biasaudit.mitigation.upstream.projection import sentence_debias
from pytest_biasaudit.models.load import load_source
from pytest_biasaudit.models.without_directions import WithoutDirections
from pytest_biasaudit.training.finetune import FineTuning, finetune
from tests.rows_by_hand import table_of
from tests.upstream_models import tiny_causal, tiny_encoder, tiny_masked

TEXTS = ["The man left", "A boy crossed the square"]
TABLE = table_of([("ab"[at % 2], "men", TEXTS[at % 2]) for at in range(16)])
QUICK = FineTuning(epochs=1, batch_size=8)


def answers(model: Any) -> torch.Tensor:
    return torch.tensor([row for _, row in sorted(model.classify(TEXTS, batch_size=2))])


@pytest.mark.parametrize(
    ("make", "settings"), [(tiny_encoder, FineTuning(frozen=True)), (tiny_encoder, QUICK), (tiny_causal, QUICK)]
)
def test_a_folded_classifier_answers_alike_without_the_part(make: Any, settings: FineTuning) -> None:
    twice = sentence_debias(sentence_debias(make()), pairs=[["person", "stranger"]])
    taught = finetune(twice, TABLE, settings=settings, seed=1)
    plain = folded(taught)
    assert torch.allclose(answers(plain), answers(taught), atol=1e-5)
    assert not any(isinstance(part, WithoutDirections) for part in plain.module.modules())
    assert sum(isinstance(part, WithoutDirections) for part in taught.module.modules()) == 2
    assert plain.identity.parent_digest == taught.identity.digest


def test_a_folded_classifier_is_saved_and_comes_back(minilm: Any, tmp_path: Path) -> None:
    taught = finetune(
        sentence_debias(minilm, text=[*TEXTS, "He sat."]), TABLE, settings=FineTuning(frozen=True), seed=1
    )
    back = load_source("back", str(save(folded(taught), tmp_path / "saved")), beside=tmp_path, cache=None)
    assert torch.allclose(answers(back), answers(taught), atol=1e-4)


def test_a_head_that_is_not_linear_in_the_hidden_state_is_refused() -> None:
    with pytest.raises(RecipeError, match="something that is not linear stands between"):
        folded(finetune(sentence_debias(tiny_masked()), TABLE, settings=QUICK, seed=1))  # BERT's pooler
    with pytest.raises(RecipeError, match="is no one linear layer"):
        folded(finetune(sentence_debias(tiny_masked("roberta")), TABLE, settings=QUICK, seed=1))
    with pytest.raises(RecipeError, match="has no part that takes directions out"):
        folded(finetune(tiny_encoder(), TABLE, settings=QUICK, seed=1))
