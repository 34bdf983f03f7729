"""Children of the back ends, saved and loaded: those that transformers loads come back bit for bit, the others say why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.load import load_source, wrap_live
from tests.tiny_models import byte_tokenizer

NEEDS = {
    "int8-weight-only": "torchao",
    "int8-dynamic": "torchao",
    "float8-weight-only": "torchao",
    "nf4": "bitsandbytes",
    "bnb-int8": "bitsandbytes",
    "hqq": "hqq",
    "quanto": "optimum.quanto",
}


def parent() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4}
    config: Any = LlamaConfig(
        vocab_size=300, num_hidden_layers=2, num_key_value_heads=2, tie_word_embeddings=True, **sizes
    )
    build: Any = LlamaForCausalLM
    return wrap_live("base", build(config).eval(), byte_tokenizer())


def child(recipe: dict[str, Any]) -> Any:
    pytest.importorskip(NEEDS[recipe["quantize"]])
    return child_of(parent(), [read_step(recipe)], name="child")


@pytest.mark.parametrize(
    "recipe",
    [
        {"quantize": "int8-weight-only"},
        {"quantize": "int8-dynamic"},
        {"quantize": "float8-weight-only"},
        {"quantize": "nf4"},
        {"quantize": "nf4", "double_quant": True},
        {"quantize": "bnb-int8"},
        {"quantize": "bnb-int8", "threshold": 0.5},
    ],
    ids=lambda recipe: " ".join(map(str, recipe.values())),
)
def test_a_packed_child_comes_back_bit_for_bit(tmp_path: Path, recipe: dict[str, Any]) -> None:
    made = child(recipe)
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        before = made.module(ids).logits
    folder = save(made, tmp_path / "child")
    assert not hasattr(made.module, "hf_quantizer")
    again = load_source("again", "child", beside=tmp_path, cache=None)
    with torch.no_grad():
        after = again.module(ids).logits  # type: ignore[union-attr]
    assert torch.equal(before, after)
    assert again.identity.recipe == made.identity.recipe
    assert again.identity.parent_digest == made.identity.parent_digest
    assert (folder / "model.safetensors").stat().st_size < 0.9 * made.identity.achieved["parent_size_mb"] * 1e6
    again.refuse_if_changed()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"quantize": "quanto", "bits": 8}, "does not load optimum-quanto's weights back"),
        ({"quantize": "quanto", "bits": 4}, "does not load optimum-quanto's weights back"),
        ({"quantize": "hqq", "bits": 8}, "does not load hqq's weights"),
    ],
    ids=lambda one: " ".join(map(str, one.values())) if isinstance(one, dict) else "",
)
def test_what_does_not_come_back_is_refused_in_a_sentence(tmp_path: Path, recipe: dict[str, Any], why: str) -> None:
    made = child(recipe)
    with pytest.raises(ModelError, match=f"child: it cannot be saved: .*{why}"):
        save(made, tmp_path / "child")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["int8-weight-only", "bnb-int8"])
def test_a_head_that_was_untied_to_be_quantised_comes_back_untied(tmp_path: Path, method: str) -> None:
    made = child({"quantize": method, "lm_head": True})
    save(made, tmp_path / "child")
    again: Any = load_source("again", "child", beside=tmp_path, cache=None)
    assert again.tensors_sha256 == made.tensors_sha256
    assert again.module.lm_head.weight.dtype != again.module.model.embed_tokens.weight.dtype or (
        again.module.lm_head.weight.data_ptr() != again.module.model.embed_tokens.weight.data_ptr()
    )
