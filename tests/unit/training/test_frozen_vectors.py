"""Vectors of a frozen body that are kept, and which of a causal model's tokens its head judges by."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.training.fine_tuning import FineTuning
from pytest_biasaudit.training.finetune import finetune, taught
from tests.labelled_rows import tiny_rows
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

FROZEN = FineTuning(frozen=True)


def taught_on(module: Any, tokenizer: Any, home: Path | None) -> str:
    """The digest of the weights of a frozen encoder's classifier."""
    model = finetune(wrap_live("base", module, tokenizer), tiny_rows(), settings=FROZEN, home=home, seed=1)
    return tensors_sha256(model.module)


def test_another_tokenizer_on_the_same_weights_reads_other_vectors(tmp_path: Path) -> None:
    from tokenizers import normalizers

    module: Any = tiny_masked("bert").bert
    other = wordpiece_tokenizer()
    other.backend_tokenizer.normalizer = normalizers.Replace("old", "quick")
    first = taught_on(module, wordpiece_tokenizer(), tmp_path)
    assert taught_on(module, other, tmp_path) == taught_on(module, other, None) != first


def test_the_same_weights_under_another_configuration_give_other_vectors(tmp_path: Path) -> None:
    from transformers import BertModel

    module: Any = tiny_masked("bert").bert
    settings = copy.deepcopy(module.config)
    settings.num_attention_heads = 2
    build: Any = BertModel
    other = build(settings, add_pooling_layer=False).eval()
    other.load_state_dict(module.state_dict())
    first = taught_on(module, wordpiece_tokenizer(), tmp_path)
    assert taught_on(other, wordpiece_tokenizer(), tmp_path) == taught_on(other, wordpiece_tokenizer(), None) != first


def test_heads_for_other_labels_share_the_vectors(tmp_path: Path) -> None:
    from dataclasses import replace

    import polars as pl

    rows = tiny_rows()
    base = wrap_live("base", tiny_masked("bert").bert, wordpiece_tokenizer())
    finetune(base, rows, settings=FROZEN, home=tmp_path, seed=1)
    renamed = replace(rows, frame=rows.frame.with_columns(pl.col("label").replace({"cat": "pet"})))
    finetune(base, renamed, settings=FROZEN, home=tmp_path, seed=2)
    assert len(list((tmp_path / "vectors").glob("*.npz"))) == 1


@pytest.mark.parametrize("damage", ["cut off", "another byte"])
def test_vectors_that_were_damaged_are_computed_anew(damage: str, tmp_path: Path) -> None:
    module: Any = tiny_masked("bert").bert
    whole = taught_on(module, wordpiece_tokenizer(), tmp_path)
    (store,) = (tmp_path / "vectors").glob("*.npz")
    content = bytearray(store.read_bytes())
    if damage == "cut off":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 255  # among the vectors; the archive's own checksum tells
    store.write_bytes(bytes(content))
    for kept in (tmp_path / "finetune").glob("*/finished/sealed.json"):
        kept.unlink()
    assert taught_on(module, wordpiece_tokenizer(), tmp_path) == whole
    with np.load(store) as held:
        assert held["vectors"].shape == (6, 32)


def test_a_frozen_body_is_not_read_through_a_random_pooler() -> None:
    base = wrap_live("base", tiny_masked("bert").bert, wordpiece_tokenizer())
    with pytest.raises(TrainingError, match="a new one of random weights would never be taught; leave pooling out"):
        finetune(base, tiny_rows(), settings=FineTuning(frozen=True, pooling="own"), seed=1)


def test_a_causal_head_is_fitted_on_the_token_that_its_classifier_reads() -> None:
    """The tokenizer sets the end-of-text token behind every text, and the padding, for want of one, is that token too."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_tokenizer()
    tokenizer.pad_token = None
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    module = tiny("llama")
    module.config.pad_token_id = None
    model = finetune(wrap_live("base", module, tokenizer), tiny_rows(), settings=FROZEN, seed=1)
    texts, truth = tiny_rows(6).texts.to_list(), tiny_rows(6).labels.to_list()
    found = dict(model.classify(texts, batch_size=4))
    loss = -np.mean([found[at][model.labels.index(label)] for at, label in enumerate(truth)])
    head: Any = model.module
    ridge = FROZEN.number("weight_decay") / 2 * float(torch.sum(head.score.weight.detach().double() ** 2))
    assert taught(model)["loss_last"] == pytest.approx(float(loss) + ridge, abs=1e-6)
