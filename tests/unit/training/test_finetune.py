"""Fine-tuning tiny models: what is taught, weighed, kept, gone on with and refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import TrainingError
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.identity import tensors_sha256
from pytest_biasaudit.models.load import load_source, wrap_live
from pytest_biasaudit.models.mean_pooled import MeanPooledClassifier
from pytest_biasaudit.models.transformer import TransformerModel
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.training.fine_tuning import FineTuning, fine_tuning
from pytest_biasaudit.training.finetune import finetune, taught
from pytest_biasaudit.training.rows import Deal, labelled
from tests.labelled_rows import table, tiny_rows
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer
from tests.tiny_models import byte_tokenizer, tiny

FAST = FineTuning(epochs=6, learning_rate=5e-3, batch_size=6, warmup=0.0)


class Killed(Exception):
    """What stands for a process that is killed."""


def masked() -> TransformerModel:
    return wrap_live("base", tiny_masked("bert"), wordpiece_tokenizer())


def encoder() -> TransformerModel:
    return wrap_live("base", tiny_masked("bert").bert, wordpiece_tokenizer())


def causal() -> TransformerModel:
    return wrap_live("base", tiny("llama"), byte_tokenizer())


def right(model: TransformerClassifier, rows: Table) -> float:
    found = dict(model.classify(rows.texts.to_list(), batch_size=8))
    said = [model.labels[int(np.argmax(found[at]))] for at in range(rows.rows)]
    return float(np.mean([one == other for one, other in zip(said, rows.labels.to_list(), strict=True)]))


# -- what is taught -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "settings", "architecture"),
    [
        (masked, {}, "BertForSequenceClassification"),
        (encoder, {}, "MeanPooledClassifier"),
        (encoder, {"pooling": "own"}, "BertForSequenceClassification"),
        (causal, {}, "LlamaForSequenceClassification"),
        (masked, {"layers": 1}, "BertForSequenceClassification"),
        (masked, {"embeddings": True}, "BertForSequenceClassification"),
        (encoder, {"lora": 4, "learning_rate": 2e-2}, "MeanPooledClassifier"),
    ],
)
def test_a_table_is_learnt_by_every_kind_of_model_and_the_base_stays(
    base: Callable[[], TransformerModel], settings: dict[str, Any], architecture: str
) -> None:
    if "lora" in settings:
        pytest.importorskip("peft", reason="adapters need peft")
    parent = base()
    before = tensors_sha256(parent.module)
    model = finetune(parent, tiny_rows(), settings=replace(FAST, **settings), seed=1)
    assert type(model.module).__name__ == architecture
    assert model.labels == ("cat", "dog")
    assert right(model, tiny_rows()) == 1.0
    assert tensors_sha256(parent.module) == before
    parent.refuse_if_changed()
    assert taught(model)["loss_last"] < taught(model)["loss_first"]
    assert not any("lora" in name for name, _ in model.module.named_modules())


@pytest.mark.parametrize(
    ("settings", "stays"),
    [
        ({"layers": 1}, ("embeddings", "layer.0.")),
        ({}, ("word_embeddings", "position_embeddings", "token_type_embeddings")),
        ({"frozen": True}, ("body.",)),
    ],
)
def test_what_is_not_to_be_taught_keeps_its_bits(settings: dict[str, Any], stays: tuple[str, ...]) -> None:
    parent = encoder()
    fast = FineTuning(**settings) if "frozen" in settings else replace(FAST, **settings)
    model = finetune(parent, tiny_rows(), settings=fast, seed=1)
    theirs = dict(parent.module.named_parameters())
    same: set[str] = set()
    other: set[str] = set()
    for name, mine in model.module.named_parameters():
        if name.startswith("body."):
            (same if torch.equal(mine, theirs[name.removeprefix("body.")]) else other).add(name)
    assert {name for name in same | other if any(one in name for one in stays)} <= same
    assert bool(other) is ("frozen" not in settings)


def test_the_seed_decides_the_weights() -> None:
    once = replace(FAST, epochs=2)
    found = [tensors_sha256(finetune(encoder(), tiny_rows(), settings=once, seed=seed).module) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_hooks_of_the_base_go_on_working_in_its_classifier() -> None:
    module = tiny_masked("bert").bert
    module.encoder.layer[1].register_forward_hook(lambda _part, _given, _out: torch.zeros_like(_out))
    model = finetune(wrap_live("hooked", module, wordpiece_tokenizer()), tiny_rows(), settings=FAST, seed=1)
    first, second = (dict(model.classify([text], batch_size=1))[0] for text in ("the old cat", "she and dog"))
    assert first == pytest.approx(second)  # all states are nought, so all texts are alike
    assert not model.identity.cacheable


# -- a frozen body ----------------------------------------------------------------------------------------------------------


def test_a_frozen_body_gets_the_head_that_scikit_learn_fits() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model", reason="the agreement needs scikit-learn")
    parent, rows = encoder(), table([(text, label, None) for text, label in _three()])
    penalty, weights = 0.01, np.arange(1, 13, dtype=float)
    rows = replace(rows, frame=rows.frame.with_columns(weight=pl.Series(weights)))
    model = finetune(parent, rows, settings=FineTuning(frozen=True, weight_decay=penalty), seed=1)
    texts = rows.texts.to_list()
    module: Any = parent.module
    vectors = []
    for text in texts:
        with torch.no_grad():
            hidden = module(**wordpiece_tokenizer()(text, return_tensors="pt")).last_hidden_state[0]
        vectors.append(hidden.mean(0).double().numpy())
    peer = sklearn.LogisticRegression(C=1 / (len(texts) * penalty), tol=1e-10, max_iter=10_000)
    peer.fit(np.array(vectors), rows.labels.to_list(), sample_weight=weights / weights.mean())
    expected = peer.predict_log_proba(np.array(vectors))
    found = dict(model.classify(texts, batch_size=4))
    assert tuple(peer.classes_) == model.labels
    for at, row in enumerate(expected):
        assert found[at] == pytest.approx(row.tolist(), abs=1e-3)
    assert taught(model)["converged"] is True


def _three() -> list[tuple[str, str]]:
    words = {"a": ("cat", "old cat", "the cat sat", "a cat"), "b": ("dog", "he dog", "dog and", "she"), "c": ("mat",)}
    found = [(text, label) for label, texts in words.items() for text in texts]
    return [*found, ("mat on a", "c"), ("gardener", "c"), ("the gardener", "c")]


def test_vectors_of_a_frozen_body_are_computed_once_for_many_heads(tmp_path: Path) -> None:
    parent, settings = encoder(), FineTuning(frozen=True)
    alone = finetune(parent, tiny_rows(), settings=settings, seed=1)
    finetune(parent, tiny_rows(12), settings=settings, home=tmp_path, seed=1)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    finetune(parent, tiny_rows(), settings=replace(settings, weight_decay=0.5), home=tmp_path, seed=1)
    (store,) = (tmp_path / "vectors").glob("*.npz")
    with np.load(store) as held:
        assert held["vectors"].shape == (6, 32)  # six different texts, in 12 rows as in 24
    kept = finetune(parent, tiny_rows(), settings=settings, home=tmp_path, seed=1)
    assert tensors_sha256(kept.module) == tensors_sha256(alone.module)
    store.write_bytes(b"broken")
    again = finetune(parent, tiny_rows(18), settings=settings, home=tmp_path, seed=1)
    assert right(again, tiny_rows()) == 1.0


# -- weights --------------------------------------------------------------------------------------------------------------------


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    rows = _three()
    doubled = table([(text, label, None) for text, label in [*rows, rows[0]]])
    weighted = table([(text, label, None) for text, label in rows], weight=[2.0] + [1.0] * 11)
    settings = FineTuning(frozen=True)
    texts = [text for text, _ in rows]
    one = dict(finetune(encoder(), doubled, settings=settings, seed=1).classify(texts, batch_size=4))
    other = dict(finetune(encoder(), weighted, settings=settings, seed=1).classify(texts, batch_size=4))
    for at in range(len(texts)):
        assert one[at] == pytest.approx(other[at], abs=1e-4)


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    rows = table([("a", "x", None)] * 6 + [("a", "y", None)] * 3 + [("a", "z", None)])
    found = labelled(rows, FineTuning(class_weights="balanced"))
    assert found.weight.tolist() == pytest.approx([10 / 18] * 6 + [10 / 9] * 3 + [10 / 3])
    assert found.weight.mean() == pytest.approx(1)


def test_labels_weigh_alike_where_rows_have_weights_too_as_in_scikit_learn() -> None:
    weighing = pytest.importorskip("sklearn.utils.class_weight", reason="the agreement needs scikit-learn")
    truth, weights = list("xxxxyyyz"), [1.0, 0.0, 3.0, 2.0, 1.0, 1.0, 0.5, 4.0]
    found = labelled(
        table([("a", label, None) for label in truth], weight=weights), FineTuning(class_weights="balanced")
    )
    totals = np.bincount(found.label, weights=found.weight)
    assert totals.tolist() == pytest.approx([8 / 3] * 3)  # 8 rows, 3 labels
    peer = weighing.compute_class_weight("balanced", classes=np.array(list("xyz")), y=truth, sample_weight=weights)
    expected = np.array(weights) * peer[found.label]
    assert found.weight == pytest.approx(expected / expected.mean())
    unweighed = table([("a", "x", None), ("a", "y", None), ("a", "x", None)], weight=[1.0, 0.0, 3.0])
    assert labelled(unweighed, FineTuning(class_weights="balanced")).weight.tolist() == pytest.approx([0.75, 0, 2.25])


def test_every_row_is_dealt_once_an_epoch_with_its_own_label_and_weight() -> None:
    rows = labelled(table([("t", "ab"[at % 2], None) for at in range(23)], weight=range(1, 24)), FineTuning())
    tokens = [[at + 1] * (at % 5 + 1) for at in range(23)]
    deal = Deal(tokens=tokens, rows=rows, batch_size=4, padding=0, seed=3, device=torch.device("cpu"))
    assert deal.steps == 6
    orders = []
    for epoch in range(2):
        seen = []
        for step in range(deal.steps):
            batch = deal.batch(epoch * deal.steps + step)
            for ids, real, label, weight in zip(*(batch[key] for key in batch), strict=True):
                at = int(ids[0]) - 1
                seen.append(at)
                assert ids[: int(real.sum())].tolist() == tokens[at]
                assert not ids[int(real.sum()) :].any()
                assert int(label) == at % 2
                assert float(weight) == pytest.approx((at + 1) / 12)
        assert sorted(seen) == list(range(23))
        orders.append(seen)
    assert orders[0] != orders[1]
    first = deal.batch(0)["input_ids"]
    assert torch.equal(deal.batch(0)["input_ids"], first)


# -- kept, and gone on with -----------------------------------------------------------------------------------------------------


@contextmanager
def killing(what: str, steps: int) -> Iterator[Callable[[int], None]]:
    """Kills the teaching when its tenth step is asked for."""
    taken = 0

    def step(count: int) -> None:
        nonlocal taken
        taken += count
        if taken == 10:
            raise Killed

    yield step


@pytest.mark.parametrize("lora", [None, 2])
def test_a_killed_training_goes_on_to_the_same_weights(lora: int | None, tmp_path: Path) -> None:
    if lora is not None:
        pytest.importorskip("peft", reason="adapters need peft")
    settings = replace(FAST, save_every=4, lora=lora)
    whole = finetune(encoder(), tiny_rows(), settings=settings, seed=1)
    with pytest.raises(Killed):
        finetune(encoder(), tiny_rows(), settings=settings, home=tmp_path, seed=1, watch=killing)
    torch.manual_seed(5)
    resumed = finetune(encoder(), tiny_rows(), settings=settings, home=tmp_path, seed=1)
    assert taught(resumed)["resumed_at_step"] == 8
    assert tensors_sha256(resumed.module) == tensors_sha256(whole.module)
    assert resumed.identity.digest == whole.identity.digest


def test_nothing_is_taught_twice_and_everything_that_decides_makes_another_classifier(tmp_path: Path) -> None:
    first = finetune(encoder(), tiny_rows(), settings=FAST, home=tmp_path, seed=1)
    again = finetune(encoder(), tiny_rows(), settings=replace(FAST, save_every=7), home=tmp_path, seed=1, name="other")
    assert taught(first)["recalled"] is False
    assert taught(again)["recalled"] is True
    assert again.identity.name == "other"
    assert again.identity.digest == first.identity.digest
    assert tensors_sha256(again.module) == tensors_sha256(first.module)
    others = [
        finetune(encoder(), tiny_rows(22), settings=FAST, home=tmp_path, seed=1),
        finetune(encoder(), tiny_rows(), settings=replace(FAST, epochs=5), home=tmp_path, seed=1),
        finetune(encoder(), tiny_rows(), settings=FAST, home=tmp_path, seed=2),
        finetune(masked(), tiny_rows(), settings=FAST, home=tmp_path, seed=1),
    ]
    assert not any(taught(model)["recalled"] for model in others)
    assert len({model.identity.digest for model in [first, *others]}) == 5
    assert not list(tmp_path.glob("finetune/*/checkpoint-*"))


def test_progress_comes_to_the_number_of_steps(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    taken: list[int] = []

    @contextmanager
    def watch(what: str, steps: int) -> Iterator[Callable[[int], None]]:
        told.append((what, steps))
        yield taken.append

    finetune(encoder(), tiny_rows(), settings=FAST, seed=1, watch=watch)
    assert told == [("fine-tuning base+finetune", 24)]  # 24 rows in sixes, six times
    assert sum(taken) == 24


def test_the_classifier_says_what_it_was_taught_on_and_how(tmp_path: Path) -> None:
    parent, rows = encoder(), tiny_rows()
    model = finetune(parent, rows, settings=replace(FAST, held_out=0.25), seed=1)
    identity = model.identity
    assert (identity.parent, identity.parent_digest) == ("base", parent.identity.digest)
    (step,) = identity.recipe
    assert step["finetune"] == "classifier"
    assert step["data_sha256"] == rows.digest
    assert (step["epochs"], step["seed"], step["pooling"], step["max_length"]) == (6, 1, "mean", 256)
    assert taught(model)["rows_taught"] == 18
    assert taught(model)["held_out"]["rows"] == 6
    assert taught(model)["labels"] == ["cat: 9", "dog: 9"]
    renamed = finetune(parent, replace(rows, source="elsewhere.csv"), settings=replace(FAST, held_out=0.25), seed=1)
    assert renamed.identity.digest == identity.digest  # a file's name decides nothing
    back = load_source("back", str(save(model, tmp_path / "saved")), beside=tmp_path, cache=None)
    assert isinstance(back, TransformerClassifier)
    assert back.identity.recipe == identity.recipe
    assert (back.labels, back.longest) == (model.labels, 64)
    texts = rows.texts.to_list()
    assert dict(back.classify(texts, batch_size=4)) == dict(model.classify(texts, batch_size=4))


def test_a_text_is_cut_in_teaching_and_ever_after(tmp_path: Path) -> None:
    rows = table([("cat " * 30, "cat", None), ("dog " * 3, "dog", None)] * 4)
    model = finetune(masked(), rows, settings=replace(FAST, max_length=10), seed=1)
    assert taught(model)["texts_cut"] == 4
    assert model.longest == 10
    back: Any = load_source("back", str(save(model, tmp_path / "saved")), beside=tmp_path, cache=None)
    assert back.longest == 10
    assert masked().tokenizer.model_max_length > 10


# -- refused --------------------------------------------------------------------------------------------------------------------


def test_rows_without_text_or_label_are_counted_and_not_taught() -> None:
    rows = table(
        [("a cat", "cat", None), (None, "dog", None), (" ", "dog", None), ("she dog", "dog", None), ("he", None, None)]
    )
    model = finetune(encoder(), rows, settings=FineTuning(frozen=True), seed=1)
    assert taught(model)["rows_taught"] == 2
    assert taught(model)["rows_left_out"] == 3


def test_every_label_is_taught_where_rows_are_held_out_and_some_have_no_text() -> None:
    rows = [("old cat", "cat", None), ("the dog", "dog", None)] * 6 + [(None, "mat", None), ("mat", "mat", None)]
    for seed in range(4):
        model = finetune(encoder(), table(rows), settings=FineTuning(frozen=True, held_out=0.5), seed=seed)
        assert model.labels == ("cat", "dog", "mat")
        assert "mat: 1" in taught(model)["labels"]
        assert (taught(model)["rows_taught"], taught(model)["rows_left_out"]) == (7, 1)
        assert taught(model)["held_out"]["rows"] == 6


def test_rows_held_out_need_no_weight_and_a_wrong_weight_is_told_by_its_row_of_the_table() -> None:
    rows = [("old cat", "cat", None), ("the dog", "dog", None)] * 2
    settings = FineTuning(frozen=True, held_out=0.25)
    for seed in range(4):  # whichever row is held out, one of weight 0 among them
        model = finetune(encoder(), table(rows, weight=[0.0, 0.0, 1.0, 1.0]), settings=settings, seed=seed)
        assert taught(model)["held_out"]["rows"] == 1
        with pytest.raises(TrainingError, match=r"1 row weights are no numbers from 0 \(row 4: -1\)"):
            finetune(encoder(), table(rows, weight=[1.0, 1.0, 1.0, -1.0]), settings=settings, seed=seed)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            table([("a", "x", None), ("b", "x", None)]),
            r"rows\.csv: only the label 'x' in 2 rows; a classifier is taught on two",
        ),
        (table([(None, "x", None)]), r"no row with a text and a label in 1 rows"),
        (
            table([("a", "x", None), ("b", "y", None)], weight=[1.0, -2.0]),
            r"1 row weights are no numbers from 0 \(row 2: -2\)",
        ),
        (table([("a", "x", None), ("b", "y", None)], weight=[math.nan, None]), r"2 row weights are no numbers"),
        (table([("a", "x", None), ("b", "y", None)], weight=[0.0, 0.0]), r"every row's weight is 0"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused(rows: Table, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        finetune(encoder(), rows, settings=FAST, seed=1)


def test_a_causal_model_is_padded_with_its_tokenizers_token_and_refused_without_one() -> None:
    module, tokenizer = tiny("llama"), byte_tokenizer()
    module.config.pad_token_id = -1
    model = finetune(wrap_live("base", module, tokenizer), tiny_rows(), settings=FAST, seed=1)
    config: Any = model.module.config
    assert config.pad_token_id == tokenizer.pad_token_id
    tokenizer.pad_token = tokenizer.eos_token = None
    with pytest.raises(
        TrainingError, match=r"base: neither configuration nor tokenizer names a padding or end-of-text"
    ):
        finetune(wrap_live("base", module, tokenizer), tiny_rows(), settings=FAST, seed=1)


def test_a_loss_that_is_no_number_is_refused() -> None:
    module = tiny_masked("bert").bert
    with torch.no_grad():
        module.embeddings.word_embeddings.weight.fill_(math.nan)
    broken = wrap_live("broken", module, wordpiece_tokenizer())
    with pytest.raises(
        TrainingError, match=r"the loss is no number; choose a learning_rate below 0\.005; it was so before"
    ):
        finetune(broken, tiny_rows(), settings=FAST, seed=1)
    with pytest.raises(TrainingError, match=r"frozen: the loss is no number"):
        finetune(broken, tiny_rows(), settings=FineTuning(frozen=True), seed=1)


def test_one_step_alone_does_not_tell_whether_anything_was_learnt() -> None:
    one = replace(FAST, epochs=1, batch_size=24)
    model = finetune(encoder(), tiny_rows(), settings=one, seed=1)
    assert taught(model)["steps_taken"] == 1
    assert model.identity.achieved["notes"] == []


def test_what_has_no_such_head_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"pooling = 'mean' is for encoders"):
        finetune(causal(), tiny_rows(), settings=replace(FAST, pooling="mean"), seed=1)
    with pytest.raises(TrainingError, match=r"layers = 9: BertModel has 2"):
        finetune(encoder(), tiny_rows(), settings=replace(FAST, layers=9), seed=1)
    roberta = wrap_live("base", tiny_masked("roberta"), wordpiece_tokenizer())
    with pytest.raises(TrainingError, match=r"the head of a RobertaForSequenceClassification has several parts"):
        finetune(roberta, tiny_rows(), settings=FineTuning(frozen=True, pooling="own"), seed=1)
    linear = wrap_live("linear", torch.nn.Linear(2, 2), wordpiece_tokenizer())
    with pytest.raises(TrainingError, match=r"only a model of transformers can be fine-tuned; this is a Linear"):
        finetune(linear, tiny_rows(), settings=FAST, seed=1)


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "mpnet", "modernbert", "electra"])
def test_encoders_of_other_families_are_fine_tuned_too(architecture: str) -> None:
    base = wrap_live("base", tiny_masked(architecture), wordpiece_tokenizer())
    for settings in (replace(FAST, epochs=1), FineTuning(frozen=True)):
        model = finetune(base, tiny_rows(), settings=settings, seed=1)
        assert len(dict(model.classify(["the cat"], batch_size=1))[0]) == 2


def test_a_classifiers_body_gets_a_new_head_for_other_labels() -> None:
    first = finetune(encoder(), tiny_rows(), settings=FAST, seed=1)
    rows = tiny_rows()
    renamed = replace(rows, frame=rows.frame.with_columns(pl.col("label").replace({"cat": "tame", "dog": "wild"})))
    second = finetune(first, renamed, settings=FAST, seed=1)
    assert type(second.module) is MeanPooledClassifier
    assert second.labels == ("tame", "wild")
    assert first.labels == ("cat", "dog")
    assert right(second, renamed) == 1.0


# -- settings -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"epochs": 0}, r"epochs = 0: must be a whole number from 1"),
        ({"epochs": True}, r"epochs = True"),
        ({"learning_rate": 0}, r"learning_rate = 0: must be a number above 0"),
        ({"learning_rate": math.nan}, r"learning_rate = nan"),
        ({"held_out": 1.0}, r"held_out = 1\.0: must be a share of the rows"),
        ({"pooling": "max"}, r"pooling = 'max': must be 'own' or 'mean', or left out"),
        ({"frozen": True, "epochs": 3}, r"epochs has no meaning with frozen = True"),
        ({"frozen": True, "lora": 3}, r"lora has no meaning with frozen = True"),
        ({"layers": 1, "lora": 3}, r"layers and lora are both given"),
        ({"lora": 3, "embeddings": True}, r"embeddings = True has no meaning"),
        ({"frozen": 1}, r"frozen = 1: must be true or false"),
        ({"epoch": 3}, r"no setting 'epoch'; there are .*; did you mean 'epochs'\?"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        fine_tuning(settings)


def test_all_faults_of_the_settings_are_told_at_once() -> None:
    with pytest.raises(TrainingError, match=r"epochs = 0.*warmup = 2"):
        FineTuning(epochs=0, warmup=2)
