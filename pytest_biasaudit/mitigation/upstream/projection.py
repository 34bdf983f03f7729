"""Directions that tell groups apart, found in sentence vectors and taken out of the last hidden state. Imports torch.

SentenceDebias takes out the one along which sentences and their swapped counterparts differ most; INLP takes out, one
after another, those by which a linear classifier tells the groups' sentences apart. Both act on every token, for as long as
the module lives: it stays while a classifier is taught on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.data.counterfactual_augmentation import pairs_of
from pytest_biasaudit.mitigation.data.swap import WordPairs
from pytest_biasaudit.mitigation.upstream.derived import M, derived
from pytest_biasaudit.mitigation.upstream.last_state import last_state
from pytest_biasaudit.mitigation.upstream.sentences import Sentences, sentences_of
from pytest_biasaudit.models.transformer import TransformerModel
from pytest_biasaudit.models.without_directions import put_around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Text = str | Path | Sequence[str] | None
BATCH = 32
HELD = 0.3
"""Share of the sentences that INLP's classifiers are not taught on, and told apart in."""
RANK = 1e-8
"""A direction whose part outside those found already is shorter than this adds nothing."""


def sentence_debias(
    model: M,
    *,
    text: Text = None,
    pairs: str | WordPairs | Sequence[Sequence[str]] = "gender",
    components: int = 1,
    name: str | None = None,
    seed: int | None = None,
) -> M:
    """The last hidden state of every token without its share along the directions of the groups: h - (h.v)/(v.v) v.

    v are the first principal components of the vectors of sentences and of their swapped counterparts (mean of the last
    hidden state over tokens, of length one), each less its pair's mean.

    text        sentences to swap words in, see `sentences_of`; None: our own frames
    pairs       the list of word pairs, as for counterfactual data augmentation
    components  principal components that are taken out; 1 in the source
    seed        not used; every intervention takes one

    Raises RecipeError: fewer pairs of sentences than components and one more, sentences that do not differ, a module whose
    last hidden state comes from no single part; DataError: see `sentences_of`.
    Source: Liang et al. 2020 (ACL), with the first component and the pooling of Meade et al. 2022 (ACL).
    """
    words = pairs_of(pairs)
    sentences = sentences_of(text, words)
    if components < 1 or len(sentences.pairs) <= components:
        raise RecipeError(
            f"upstream = 'sentence_debias': components = {components} with {len(sentences.pairs)} pairs of sentences; there "
            "must be 1 component or more, and more pairs than components"
        )
    both = _vectors(model, [one for pair in sentences.pairs for one in pair])
    one, other = both[0::2], both[1::2]
    found, shares = principal_directions(one, other, components)

    def change(module: torch.nn.Module) -> Mapping[str, object]:
        part = _take_out(module, found, method="sentence_debias")
        return {
            "part": part,
            "directions": components,
            "variance_explained": [float(share) for share in shares],
            "pairs": len(sentences.pairs),
        }

    settings = {**_said(sentences, words), "components": components}
    return derived(model, change, method="sentence_debias", settings=settings, seed=None, name=name)


def inlp(
    model: M,
    *,
    text: Text = None,
    pairs: str | WordPairs | Sequence[Sequence[str]] = "gender",
    classifiers: int = 80,
    name: str | None = None,
    seed: int,
) -> M:
    """The last hidden state of every token in the joint null space of linear classifiers of the groups.

    Sentences are of three classes: with words of the first side of the pairs, of the second side, or of neither; each
    sentence with a listed word is there with its counterpart. One linear support vector machine after another is taught to
    tell their vectors apart, each on what the ones before leave, and its weights' directions are taken out too.

    text         sentences, see `sentences_of`; None: our own frames
    classifiers  how many; 80 in Meade et al. 2022, 10 of them for GPT-2. Fewer where nothing is left to tell apart by
    seed         decides which sentences are held back to see how well a classifier does, and scikit-learn's own draws

    Raises RecipeError where scikit-learn is not installed, for too few sentences, and as `sentence_debias` does.
    Source: Ravfogel et al. 2020 (ACL), with the classes and LinearSVC of Meade et al. 2022 (ACL).
    """
    words = pairs_of(pairs)
    sentences = sentences_of(text, words)
    if classifiers < 1:
        raise RecipeError(f"upstream = 'inlp': classifiers = {classifiers}; there must be 1 or more")
    said, classes = _classes(sentences, words)
    if min(np.bincount(classes, minlength=2)) < 2 or len(set(classes.tolist())) < 2:
        raise RecipeError("upstream = 'inlp': each class needs at least 2 sentences; give more text")
    found, accuracies = null_space(_vectors(model, said), classes, classifiers=classifiers, seed=seed)

    def change(module: torch.nn.Module) -> Mapping[str, object]:
        part = _take_out(module, found, method="inlp")
        return {
            "part": part,
            "directions": len(found),
            "classifiers": len(accuracies),
            "accuracy_first": accuracies[0],
            "accuracy_last": accuracies[-1],
            "sentences": len(said),
        }

    settings = {**_said(sentences, words), "classifiers": classifiers}
    return derived(model, change, method="inlp", settings=settings, seed=seed, name=name)


def principal_directions(one: Floats, other: Floats, components: int) -> tuple[Floats, Floats]:
    """(components, width) orthonormal, and the share of the variance along each.

    one, other  (pairs, width) vectors of sentences and of their counterparts; each is taken less its pair's mean

    Raises RecipeError where the pairs differ along fewer directions.
    """
    half = (one - other) / 2  # less the pair's mean: + this and - this, so their mean is nought
    _, lengths, directions = np.linalg.svd(half, full_matrices=False)
    if len(lengths) < components or not lengths[components - 1] > RANK:
        raise RecipeError(
            f"the sentences and their counterparts differ along fewer than {components} directions; the model reads them alike"
        )
    return directions[:components], (lengths**2 / (lengths**2).sum())[:components]


def null_space(
    vectors: Floats, classes: NDArray[np.int64], *, classifiers: int, seed: int
) -> tuple[Floats, list[float]]:
    """(count, width) orthonormal directions to take out, and each classifier's accuracy on what is held back.

    Raises RecipeError where scikit-learn is not installed.
    """
    try:
        from sklearn.svm import LinearSVC
    except ImportError as fault:
        raise RecipeError(
            "upstream = 'inlp' needs scikit-learn (pip install scikit-learn), which is not installed"
        ) from fault

    order = np.random.default_rng(seed).permutation(len(vectors))
    held, taught = order[: int(HELD * len(order))], order[int(HELD * len(order)) :]
    basis: Floats = np.zeros((0, vectors.shape[1]))
    accuracies: list[float] = []
    for _ in range(classifiers):
        left = vectors - (vectors @ basis.T) @ basis
        if len(set(classes[taught].tolist())) < 2 or not np.abs(left[taught]).max() > RANK:
            break
        machine: Any = LinearSVC(dual=False, random_state=seed % 2**32)
        machine.fit(left[taught], classes[taught])
        if len(held):
            accuracies.append(float(machine.score(left[held], classes[held])))
        else:
            accuracies.append(float(machine.score(left[taught], classes[taught])))
        wider = _with_rows(basis, machine.coef_)
        if len(wider) == len(basis):
            break
        basis = wider
    return basis, accuracies


def _with_rows(basis: Floats, rows: Floats) -> Floats:
    """An orthonormal basis of what the basis and the rows span."""
    for row in rows:
        length = np.linalg.norm(row)
        if not length > 0:
            continue
        left = row / length
        for _ in range(2):  # once more takes off what rounding left
            left = left - (left @ basis.T) @ basis
        rest = np.linalg.norm(left)
        if rest > 1e-6:
            basis = np.vstack([basis, left / rest])
    return basis


def _classes(sentences: Sentences, words: WordPairs) -> tuple[list[str], NDArray[np.int64]]:
    """Sentences with words of one side only, their counterparts, and those with none; 0 first side, 1 second, 2 none."""
    said: list[str] = []
    classes: list[int] = []
    for pair in sentences.pairs:
        side = words.side(pair[0])
        if side is None:
            continue
        said += pair
        classes += [side, 1 - side]
    said += sentences.neutral
    classes += [2] * len(sentences.neutral)
    return said, np.array(classes, dtype=np.int64)


def _vectors(model: TransformerModel, texts: Sequence[str]) -> Floats:
    found = dict(model.embed(texts, pooling="mean", batch_size=BATCH))
    vectors = np.array([found[place] for place in range(len(texts))], dtype=np.float64)
    if not np.isfinite(vectors).all():
        raise RecipeError(f"{model.identity.name}: its sentence vectors hold numbers that are not finite")
    return vectors


def _take_out(module: torch.nn.Module, directions: Floats, *, method: str) -> str:
    part = last_state(module, method=method)
    if not len(directions):
        raise RecipeError(f"upstream = {method!r}: no direction was found to take out")
    put_around(module, part, torch.from_numpy(np.ascontiguousarray(directions)))
    return part


def _said(sentences: Sentences, words: WordPairs) -> dict[str, object]:
    return {"text": sentences.source, "text_sha256": sentences.sha256, "pairs": words.name}
