"""SentenceDebias and INLP: the direction by hand, taken out of every token's last hidden state, and kept out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.errors import DataError, ModelError, RecipeError
from pytest_biasaudit.mitigation.data.word_pairs import GENDER
from pytest_biasaudit.mitigation.upstream.last_state import last_state
from pytest_biasaudit.mitigation.upstream.projection import inlp, null_space, principal_directions, sentence_debias
from pytest_biasaudit.mitigation.upstream.sentences import sentences_of
from pytest_biasaudit.models.without_directions import WithoutDirections
from tests.rows_by_hand import table_of
from tests.tiny_architectures import tiny
from tests.upstream_models import tiny_causal, tiny_encoder, tiny_masked

SENTENCES = ["The man left the bridge.", "He counted the boxes.", "A boy crossed the square.", "The person left."]


def hidden(model: Any, text: str = "The man walked along the river .") -> torch.Tensor:
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    body = getattr(model.module, "base_model", model.module)
    with torch.no_grad():
        found: torch.Tensor = body(input_ids=ids).last_hidden_state
    return found


def directions_of(model: Any) -> torch.Tensor:
    (part,) = [part for part in model.module.modules() if isinstance(part, WithoutDirections)]
    return part.directions


def test_the_direction_is_the_one_that_pairs_differ_along() -> None:
    # Pairs differ by 2 along x and by 1 along y in turn, so of the variance 4 + 4 of 4 + 4 + 1 lies along x.
    one = np.array([[1.0, 0, 5], [3.0, 0, 0], [0, 1.0, 2]])
    other = np.array([[-1.0, 0, 5], [1.0, 0, 0], [0, 0.0, 2]])
    found, shares = principal_directions(one, other, 1)
    assert np.abs(found) == pytest.approx(np.array([[1.0, 0, 0]]), abs=1e-12)
    assert shares == pytest.approx([8 / 9])
    both, _ = principal_directions(one, other, 2)
    assert np.abs(both[1]) == pytest.approx([0, 1, 0], abs=1e-12)
    with pytest.raises(RecipeError, match="fewer than 3 directions"):
        principal_directions(one, other, 3)


def test_the_direction_is_the_first_component_that_another_library_finds() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    parent = tiny_encoder()

    def vector(text: str) -> Any:
        own = hidden(parent, text)[0].double().mean(0).numpy()
        return own / np.linalg.norm(own)

    rows = []
    for pair in sentences_of(None, GENDER).pairs[:40]:
        one, other = map(vector, pair)
        rows += [one - (one + other) / 2, other - (one + other) / 2]
    expected = decomposition.PCA(1).fit(np.array(rows)).components_[0]
    child = sentence_debias(parent, text=[one for one, _ in sentences_of(None, GENDER).pairs[:40]])
    assert abs(float(directions_of(child)[0].double().numpy() @ expected)) == pytest.approx(1, abs=1e-6)


def test_the_projection_is_h_less_its_share_along_v() -> None:
    v = torch.tensor([[3.0, 4.0]]) / 5
    part = WithoutDirections(torch.nn.Identity(), v)
    h = torch.tensor([[[2.0, 1.0], [3.0, 4.0], [-4.0, 3.0]]])
    # h.v = 2, 5, 0
    expected = torch.tensor([[[2 - 2 * 0.6, 1 - 2 * 0.8], [0.0, 0.0], [-4.0, 3.0]]])
    assert torch.allclose(part(h), expected, atol=1e-6)


@pytest.mark.parametrize("make", [tiny_causal, tiny_masked, tiny_encoder])
def test_no_token_of_the_child_has_anything_left_along_the_direction(make: Any) -> None:
    parent = make()
    child = sentence_debias(parent)
    v = directions_of(child)
    before, after = hidden(parent), hidden(child)
    assert float((before @ v.T).abs().max()) > 0.01
    assert float((after @ v.T).abs().max()) < 1e-5
    assert torch.allclose(after, before - (before @ v.T) @ v, atol=1e-5)
    assert child.identity.achieved["directions"] == 1


def test_a_masked_models_words_are_told_from_what_is_left() -> None:
    parent = tiny_masked()
    child = sentence_debias(parent)
    ids = torch.tensor([parent.tokenizer("the man left")["input_ids"]])
    module: Any = parent.module
    v = directions_of(child)
    with torch.no_grad():
        state = hidden(parent, "the man left")
        assert torch.allclose(child.module(input_ids=ids).logits, module.cls(state - (state @ v.T) @ v), atol=1e-4)


@pytest.mark.parametrize(
    "architecture", ["gpt2", "gpt_neox", "opt", "qwen2", "gemma2", "bert", "roberta", "distilbert", "electra", "albert"]
)
def test_the_part_that_gives_the_last_hidden_state_is_found(architecture: str) -> None:
    module = tiny(architecture)
    name = last_state(module, method="sentence_debias")
    assert (
        module.get_submodule(name).__class__.__name__.endswith("Norm")
        or "norm" in name.lower()
        or name.endswith("ln_f")
    )
    assert not any(part._forward_hooks for part in module.modules())


def test_sentences_may_be_given_and_their_digest_is_in_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "sentences.txt"
    file.write_text("\n".join(SENTENCES), encoding="utf-8")
    parent = tiny_encoder()
    from_list, from_file = sentence_debias(parent, text=SENTENCES), sentence_debias(parent, text=file)
    assert torch.equal(directions_of(from_list), directions_of(from_file))
    assert from_file.identity.recipe[0]["text"] == "sentences.txt"
    assert from_file.identity.recipe[0]["text_sha256"] == from_list.identity.recipe[0]["text_sha256"]
    assert from_list.identity.achieved["pairs"] == 3


def test_text_that_says_nothing_of_the_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 1 sentences has a word"):
        sentence_debias(tiny_encoder(), text=["The person left."])
    with pytest.raises(DataError, match="cannot be read"):
        sentence_debias(tiny_encoder(), text=tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="not UTF-8"):
        sentence_debias(tiny_encoder(), text=tmp_path / "latin.txt")
    with pytest.raises(RecipeError, match="more pairs than components"):
        sentence_debias(tiny_encoder(), text=SENTENCES, components=3)


def test_the_direction_stays_out_while_a_classifier_is_taught(tmp_path: Path) -> None:
    from pytest_biasaudit.training.finetune import FineTuning, finetune

    child = sentence_debias(tiny_encoder())
    table = table_of(
        [("a" if at % 2 else "b", "men", "The man left" if at % 2 else "A boy crossed") for at in range(24)]
    )
    made = finetune(child, table, settings=FineTuning(epochs=1, batch_size=8), seed=1)
    (part,) = [part for part in made.module.modules() if isinstance(part, WithoutDirections)]
    assert torch.equal(part.directions.cpu(), directions_of(child))
    body: Any = made.module.base_model
    with torch.no_grad():
        state = body(input_ids=torch.tensor([[2, 9, 10, 3]])).last_hidden_state
    assert float((state @ part.directions.T).abs().max()) < 1e-5
    with pytest.raises(ModelError, match="takes directions out of the last hidden state"):
        save(made, tmp_path / "classifier")
    frozen = finetune(child, table, settings=FineTuning(frozen=True), home=tmp_path / "kept", seed=1)
    recalled = finetune(child, table, settings=FineTuning(frozen=True), home=tmp_path / "kept", seed=1)
    assert recalled.tensors_sha256 == frozen.tensors_sha256
    assert any(isinstance(one, WithoutDirections) for one in recalled.module.modules())


def test_a_model_without_its_direction_is_not_saved_as_if_it_were_whole(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="takes directions out of the last hidden state"):
        save(sentence_debias(tiny_encoder()), tmp_path / "child")
    assert not (tmp_path / "child").exists()


def test_the_null_space_holds_nothing_that_tells_the_classes_apart() -> None:
    pytest.importorskip("sklearn")
    draws = np.random.default_rng(1)
    classes = np.arange(300) % 2
    vectors = draws.normal(size=(300, 6))
    vectors[:, 2] += 4 * classes  # the classes differ along one axis alone
    found, accuracies = null_space(vectors, classes, classifiers=4, seed=1)
    assert np.abs(found[0][2]) > 0.9
    assert found @ found.T == pytest.approx(np.eye(len(found)), abs=1e-9)
    assert accuracies[0] > 0.95
    assert accuracies[-1] < 0.65
    left = vectors - (vectors @ found.T) @ found
    assert np.abs(left @ found.T).max() < 1e-9


def test_the_null_space_is_that_of_all_classifiers_together() -> None:
    svm = pytest.importorskip("sklearn.svm")
    draws = np.random.default_rng(2)
    classes = np.arange(240) % 3
    vectors = draws.normal(size=(240, 9)) + np.eye(9)[classes]
    found, _ = null_space(vectors, classes, classifiers=2, seed=4)
    taught = np.random.default_rng(4).permutation(240)[72:]  # three of ten are held back
    rows, left = np.zeros((0, 9)), np.eye(9)
    for _ in range(2):
        machine = svm.LinearSVC(dual=False, random_state=4).fit(vectors[taught] @ left, classes[taught])
        rows = np.vstack([rows, machine.coef_])
        left = np.eye(9) - np.linalg.pinv(rows, rcond=1e-6) @ rows
    assert np.eye(9) - found.T @ found == pytest.approx(left, abs=1e-4)


def test_directions_run_out_where_all_are_taken_out() -> None:
    pytest.importorskip("sklearn")
    draws = np.random.default_rng(1)
    found, accuracies = null_space(draws.normal(size=(60, 3)), np.arange(60) % 2, classifiers=20, seed=1)
    assert len(found) <= 3
    assert len(accuracies) <= 4


def test_inlp_takes_out_what_its_classifiers_use() -> None:
    pytest.importorskip("sklearn")
    parent = tiny_encoder()
    child = inlp(parent, classifiers=2, seed=1)
    v = directions_of(child)
    assert 2 <= len(v) <= 6  # three classes, so at most three directions a classifier
    assert float((hidden(child) @ v.T).abs().max()) < 1e-4
    assert float(v.norm(dim=1).sub(1).abs().max()) < 1e-5
    assert child.tensors_sha256 == inlp(parent, classifiers=2, seed=1).tensors_sha256
    with pytest.raises(RecipeError, match="1 or more"):
        inlp(parent, classifiers=0, seed=1)


def test_one_intervention_can_follow_another() -> None:
    first = sentence_debias(tiny_encoder())
    second = sentence_debias(first, pairs=[["person", "stranger"]])
    parts = [part for part in second.module.modules() if isinstance(part, WithoutDirections)]
    assert len(parts) == 2
    assert float((hidden(second) @ parts[0].directions.T).abs().max()) < 1e-5
    assert second.identity.parent == first.identity.name
