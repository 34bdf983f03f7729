"""Models whose rows change each other's answers in a batch are asked one row at a time."""

from __future__ import annotations

from typing import Any

import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.masked_pass import MaskedPass, MaskedRow
from pytest_biasaudit.models.protocol import Passage, Question
from pytest_biasaudit.models.rows_meet import rows_meet
from tests.tiny_masked_models import tiny_masked
from tests.tiny_models import byte_tokenizer, tiny

TEXTS = ["a", "a much longer text than the others, to pad them", "two words", "a third, of middling length"]


def dynamic(model: Any, dtype: str = "qint8") -> Any:
    return apply_recipe(model, [read_step({"quantize": "torch-dynamic", "dtype": dtype})]).module


def test_rows_meet_where_activations_are_quantised_over_the_whole_call() -> None:
    model = dynamic(tiny("llama"))
    assert rows_meet(model)
    assert not rows_meet(tiny("llama"))
    assert not rows_meet(dynamic(tiny("llama"), "float16"))
    ids = torch.tensor([[5, 9, 77], [200, 3, 250]])
    with torch.no_grad():
        assert not torch.equal(model(ids).logits[0], model(ids[:1]).logits[0])  # the premise


def test_answers_do_not_depend_on_the_batch_size() -> None:
    live: Any = wrap_live("dynamic", dynamic(tiny("llama")), byte_tokenizer())
    passages = [Passage(text=text) for text in TEXTS]
    questions = [Question(text=text) for text in TEXTS]
    one, four = (
        (
            dict(live.score_texts(passages, batch_size=size)),
            dict(live.score_options(questions, ["Yes", "No", "Perhaps"], batch_size=size)),
            dict(live.embed(TEXTS, pooling="mean", batch_size=size)),
            dict(live.generate(questions, max_new_tokens=3, temperature=0.0, seeds=[0] * 4, batch_size=size)),
        )
        for size in (1, 4)
    )
    assert one == four


def test_a_masked_models_answers_do_not_depend_on_the_batch_size() -> None:
    model = MaskedPass(dynamic(tiny_masked()))
    assert model.alone
    rows = [MaskedRow(tokens=(2, *range(10, 10 + length), 3), position=1) for length in (3, 9, 3, 30)]
    for size in (1, 4):
        found: dict[int, torch.Tensor] = {}
        for at, some in model.logits(rows, batch_size=size):
            found |= dict(zip(at, some, strict=True))
        for index, row in enumerate(rows):
            with torch.no_grad():
                alone = model.module(torch.tensor([row.tokens])).logits[0, 1]
            assert torch.equal(found[index], alone)


def test_the_plain_model_still_shares_batches() -> None:
    live: Any = wrap_live("plain", tiny("llama"), byte_tokenizer())
    assert not live.tree_pass.alone
    assert live.tree_pass.shares
