"""How two models were not asked alike, in sentences; and silence where they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.unlike import AskedAs, unlike

PARENT = AskedAs(
    model=ModelIdentity(
        name="base", source="s", dtype="float32", tokenizer_sha256="t", libraries=(("torch", "2.13.0"), ("gguf", "1"))
    ),
    prompt_format="chat",
    batch_size=32,
    facts={"score": "sum", "opening": "BOS"},
)
CHILD = replace(PARENT, model=replace(PARENT.model, name="small"))


def test_models_asked_alike_have_nothing_to_say() -> None:
    assert unlike(CHILD, PARENT) == ()


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (replace(CHILD, model=replace(CHILD.model, dtype="bfloat16")),
         "small computes in bfloat16, base in float32: part of the difference is rounding"),
        (replace(CHILD, batch_size=8), "small was asked 8 at a time, base 32"),
        (replace(CHILD, prompt_format="raw"), "small was asked in raw text, base in its chat format"),
        (replace(CHILD, model=replace(CHILD.model, chat_template_sha256="x")), "the chat templates of small and base differ"),
        (replace(CHILD, model=replace(CHILD.model, tokenizer_sha256="u")), "the tokenizers of small and base differ"),
        (replace(CHILD, model=replace(CHILD.model, libraries=(("torch", "2.12.0"),))),
         "the answers of small come from torch 2.12.0, those of base from torch 2.13.0"),
        (replace(CHILD, facts={"score": "sum", "opening": "none"}), "opening is 'none' for small and 'BOS' for base"),
    ],
)  # fmt: skip
def test_each_difference_is_one_sentence(child: AskedAs, said: str) -> None:
    (sentence,) = unlike(child, PARENT)
    assert sentence.startswith(said)
