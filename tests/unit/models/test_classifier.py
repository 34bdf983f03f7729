"""Sequence classifiers as models: strict loading, labels, log-probabilities, saving, compressing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_biasaudit.compression.child import child_of
from pytest_biasaudit.compression.recipe import read_step
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import ModelError
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.models.kind import kind_of
from pytest_biasaudit.models.load import load_source, wrap_live
from pytest_biasaudit.models.mean_pooled import MeanPooledClassifier
from pytest_biasaudit.models.protocol import Classifies, Embeds, LanguageModel
from tests.labelled_rows import live_classifier, tiny_classifier
from tests.tiny_masked_models import ARCHITECTURES, tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

TEXTS = ["the old cat sat on a mat", "she", "quick dog and he", "the gardener", "a cat , a dog and the old gardener ."]


def saved(module: Any, folder: Path) -> Path:
    module.save_pretrained(folder)
    wordpiece_tokenizer().save_pretrained(folder)
    return folder


def loaded(folder: Path, kind: Any = None) -> Any:
    return load_source("m", str(folder), beside=folder.parent, cache=None, kind=kind)


def answers(model: TransformerClassifier, texts: list[str], batch_size: int = 3) -> list[tuple[float, ...]]:
    found = dict(model.classify(texts, batch_size=batch_size))
    return [found[at] for at in range(len(texts))]


def test_log_probabilities_are_the_softmax_of_transformers_own_logits_text_by_text() -> None:
    model = live_classifier(("no", "perhaps", "yes"))
    tokenizer = wordpiece_tokenizer()
    for text, found in zip(TEXTS, answers(model, TEXTS), strict=True):
        with torch.no_grad():
            expected = model.module(**tokenizer(text, return_tensors="pt")).logits.double().log_softmax(-1)[0]
        assert found == pytest.approx(expected.tolist(), abs=1e-5)
        assert math.fsum(map(math.exp, found)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_batch_a_text_stands_in_does_not_matter(batch_size: int) -> None:
    model = live_classifier()
    alone = answers(model, TEXTS, 1)
    for found, expected in zip(answers(model, TEXTS, batch_size), alone, strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_classifier_classifies_and_embeds_and_is_no_language_model() -> None:
    model = live_classifier()
    assert isinstance(model, Classifies)
    assert isinstance(model, Embeds)
    assert not isinstance(model, LanguageModel)
    assert model.labels == ("no", "yes")


@pytest.mark.parametrize("padding", [None, -1])
def test_a_causal_classifier_that_names_no_padding_answers_alike_in_every_batch(padding: int | None) -> None:
    from transformers import AutoModelForSequenceClassification

    config = tiny("llama").config
    config.id2label, config.label2id, config.pad_token_id = {0: "no", 1: "yes"}, {"no": 0, "yes": 1}, padding
    build: Any = AutoModelForSequenceClassification.from_config
    model: Any = wrap_live("m", build(config).eval(), byte_tokenizer())
    texts = ["ab", "a longer text", "a"]
    alone, together = (dict(model.classify(texts, batch_size=size)) for size in (1, 3))
    for at in range(3):
        assert together[at] == pytest.approx(alone[at], abs=1e-6)


def test_a_causal_classifier_reads_its_last_token() -> None:
    from transformers import AutoModelForSequenceClassification

    config = tiny("llama").config
    config.id2label, config.label2id = {0: "no", 1: "yes"}, {"no": 0, "yes": 1}
    torch.manual_seed(3)
    build: Any = AutoModelForSequenceClassification.from_config
    module = build(config).eval()
    model = wrap_live("m", module, byte_tokenizer())
    assert isinstance(model, TransformerClassifier)
    for text, found in zip(["ab", "a longer text"], answers(model, ["ab", "a longer text"]), strict=True):
        ids = torch.tensor([byte_tokenizer()(text)["input_ids"]])
        hidden = module.model(input_ids=ids).last_hidden_state[0, -1]
        expected = module.score(hidden).double().log_softmax(-1)
        assert found == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_our_mean_pooled_head_is_a_linear_layer_on_the_mean_of_the_tokens(architecture: str, tmp_path: Path) -> None:
    config = tiny_masked(architecture).config
    config.id2label, config.label2id = {0: "a", 1: "b", 2: "c"}, {"a": 0, "b": 1, "c": 2}
    torch.manual_seed(4)
    module: Any = MeanPooledClassifier(config)
    model = wrap_live("m", module.eval(), wordpiece_tokenizer())
    assert isinstance(model, TransformerClassifier)
    for text, found in zip(TEXTS[:3], answers(model, TEXTS[:3]), strict=True):
        ids = torch.tensor([wordpiece_tokenizer()(text)["input_ids"]])
        with torch.no_grad():
            hidden = module.body(input_ids=ids).last_hidden_state[0].mean(0)
            expected = module.classifier(hidden).double().log_softmax(-1)
        assert found == pytest.approx(expected.tolist(), abs=1e-5)
    back = loaded(save(model, tmp_path / "saved"))
    assert isinstance(back, TransformerClassifier)
    assert type(back.module) is MeanPooledClassifier
    assert answers(back, TEXTS) == answers(model, TEXTS)


# -- loading --------------------------------------------------------------------------------------------------------------


def test_a_saved_classifier_comes_back_as_it_was(tmp_path: Path) -> None:
    model = live_classifier(("no", "yes"))
    back = loaded(save(model, tmp_path / "saved"))
    assert isinstance(back, TransformerClassifier)
    assert back.labels == model.labels
    assert answers(back, TEXTS) == answers(model, TEXTS)


def test_labels_that_are_named_make_a_classifier_and_stand_ins_an_encoder(tmp_path: Path) -> None:
    named = saved(tiny_classifier(("no", "yes")), tmp_path / "named")
    unnamed = saved(tiny_classifier(("LABEL_0", "LABEL_1")), tmp_path / "unnamed")
    assert type(loaded(named)) is TransformerClassifier
    assert type(loaded(named, "encoder")) is EncoderModel
    assert type(loaded(unnamed)) is EncoderModel
    declared = loaded(unnamed, "classifier")
    assert type(declared) is TransformerClassifier
    assert declared.labels == ("LABEL_0", "LABEL_1")
    again = loaded(save(declared, tmp_path / "again"), "classifier")
    assert again.labels == ("LABEL_0", "LABEL_1")


def test_a_head_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved(tiny_classifier(), tmp_path / "m")
    state = {key: value for key, value in load_file(folder / "model.safetensors").items() if key != "classifier.weight"}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are missing \(classifier\.weight\); they would be random numbers"):
        loaded(folder, "classifier")


def test_a_file_of_another_kind_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    folder = saved(tiny_masked(), tmp_path / "masked")
    with pytest.raises(
        ModelError, match=r"the file holds a BertForMaskedLM, which has no classifier head; fine-tune it"
    ):
        loaded(folder, "classifier")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"problem_type": "multi_label_classification"}, r"a text may have several labels, and an audit needs one"),
        ({"problem_type": "regression"}, r"2 outputs of a regression, and no probability of a label"),
        ({"id2label": {0: "toxic"}, "label2id": {"toxic": 0}}, r"1 output, and no probability of a label"),
        ({"id2label": {0: "a", 1: " a"}, "label2id": {"a": 0}}, r"names one label twice, or none: 'a', 'a'"),
    ],
)
def test_outputs_that_are_no_probability_of_one_label_are_refused(
    settings: dict[str, Any], told: str, tmp_path: Path
) -> None:
    folder = saved(tiny_classifier(), tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    settings = {key: {str(k): v for k, v in one.items()} if key == "id2label" else one for key, one in settings.items()}
    (folder / "config.json").write_text(json.dumps({**config, **settings}))
    with pytest.raises(ModelError, match=told):
        loaded(folder, "classifier")


def test_a_classifier_of_several_labels_a_text_is_not_taken_for_one_of_its_own_accord() -> None:
    from transformers import BertConfig

    named: Any = BertConfig
    several = named(
        architectures=["BertForSequenceClassification"],
        id2label={0: "toxic", 1: "insult"},
        problem_type="multi_label_classification",
    )
    assert kind_of(several) == "encoder"


# -- what cannot be answered ------------------------------------------------------------------------------------------------


def test_a_model_with_nan_in_its_weights_gives_nan_and_raises_nothing() -> None:
    module = tiny_classifier()
    with torch.no_grad():
        module.classifier.weight[0, 0] = math.nan
    model = wrap_live("broken", module, wordpiece_tokenizer())
    assert isinstance(model, TransformerClassifier)
    assert all(math.isnan(value) for found in answers(model, TEXTS) for value in found)


def test_a_long_text_is_read_up_to_the_models_positions_and_the_model_says_so() -> None:
    model = live_classifier()
    long = "cat " * 200
    assert model.longest == 64
    assert model.cut([long, "cat"]) == (True, False)
    short = "cat " * 62  # with [CLS] and [SEP] 64 tokens
    assert model.cut([short]) == (False,)
    assert answers(model, [long]) == answers(model, [short])
    assert model.reading_facts() == (("texts are cut at", "64 tokens"),)


# -- compressing ------------------------------------------------------------------------------------------------------------


def test_an_eight_bit_child_of_a_classifier_is_a_classifier_close_to_its_parent(tmp_path: Path) -> None:
    parent = live_classifier()
    child = child_of(parent, [read_step({"quantize": "rtn", "bits": 8})], name="int8")
    assert isinstance(child, TransformerClassifier)
    assert child.labels == parent.labels
    assert child.identity.parent == "tiny"
    assert child.identity.parent_digest == parent.identity.digest
    mine, theirs = answers(child, TEXTS), answers(parent, TEXTS)
    assert mine != theirs
    for one, other in zip(mine, theirs, strict=True):
        assert one == pytest.approx(other, abs=0.2)
    back = loaded(save(child, tmp_path / "child"))
    assert answers(back, TEXTS) == mine
