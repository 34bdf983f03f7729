"""Recipes on masked language models and encoders: the same layers of the body change, and the head only where asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.apply import apply_recipe
from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.linear import linear_weights
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.models.masked import MaskedModel
from tests.tiny_models import byte_tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
OWN: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
}
# Six linear layers in each of two blocks. ALBERT's two are one, and it and ELECTRA widen their small embedding.
IN_THE_BODY = {"bert": 12, "roberta": 12, "distilbert": 12, "albert": 7, "electra": 13}
STEPS = [
    {"quantize": "rtn", "bits": 8},
    {"quantize": "rtn", "bits": 4, "group_size": 8},
    {"prune": "magnitude", "sparsity": 0.5},
    {"quantize": "bf16"},
    {"quantize": "fp16"},
]


def masked(architecture: str = "bert") -> Any:
    from transformers import AutoConfig, AutoModelForMaskedLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **{**SIZES, **OWN.get(architecture, {})})
    build: Any = AutoModelForMaskedLM.from_config
    return build(config).eval()


def tokenizer() -> Any:
    found = byte_tokenizer()
    found.add_special_tokens({"mask_token": "<mask>"})
    return found


@pytest.mark.parametrize("architecture", IN_THE_BODY)
def test_the_linear_layers_of_the_body_are_found_and_those_of_the_head_only_where_asked(architecture: str) -> None:
    module = masked(architecture)
    inside = f"{module.base_model_prefix}."
    names = [name for name, _, _ in linear_weights(module, lm_head=False)]
    assert len(names) == IN_THE_BODY[architecture]
    assert all(name.startswith(inside) for name in names)
    more = [name for name, _, _ in linear_weights(module, lm_head=True) if name not in names]
    assert len(more) == 2  # the transform, and the layer that gives the logits
    assert not any(name.startswith(inside) for name in more)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: " ".join(map(str, step.values())))
def test_a_masked_model_and_its_body_come_out_alike(step: dict[str, Any]) -> None:
    whole, body = masked(), masked().bert
    apply_recipe(whole, [read_step(step)])
    apply_recipe(body, [read_step(step)])
    assert tensors_sha256(whole.bert) == tensors_sha256(body) != tensors_sha256(masked().bert)


def test_head_and_input_embedding_are_left_alone_unless_asked_for() -> None:
    before, after = masked(), masked()
    apply_recipe(after, [read_step({"prune": "magnitude", "sparsity": 0.5})])
    assert torch.equal(before.bert.embeddings.word_embeddings.weight, after.bert.embeddings.word_embeddings.weight)
    assert torch.equal(before.cls.predictions.transform.dense.weight, after.cls.predictions.transform.dense.weight)
    asked = masked()
    apply_recipe(asked, [read_step({"prune": "magnitude", "sparsity": 0.5, "lm_head": True})])
    transform = asked.cls.predictions.transform.dense.weight
    assert int((transform == 0).sum()) == transform.numel() // 2


@pytest.mark.parametrize("step", STEPS, ids=lambda step: " ".join(map(str, step.values())))
def test_a_child_is_of_its_parents_kind_and_still_gives_vectors(step: dict[str, Any]) -> None:
    for module, kind in ((masked(), MaskedModel), (masked().bert, EncoderModel)):
        parent = wrap_live("base", module, tokenizer())
        child = child_of(parent, [read_step(step)], name="child")
        assert type(child) is kind
        assert child.parent is parent
        assert child.identity.lacks == parent.identity.lacks
        assert child.identity.digest != parent.identity.digest
        for _, vector in child.embed(["a text", "another"], pooling="mean", batch_size=2):
            assert vector is not None
            assert sum(value**2 for value in vector) == pytest.approx(1.0, abs=1e-5)
