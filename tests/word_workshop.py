"""A workshop for studies of levers that needs no torch: a classifier that counts words, on tables with a known plant.

It learns for real (naive Bayes with a word added everywhere), so that gaps follow the data; its numbers are no other
implementation's. A lever "noise" upstream shakes what it has learnt.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.mitigation.data.methods import INTERVENTIONS
from pytest_biasaudit.mitigation.study.plan import NONE, Intervention, StudyPlan, TableSource
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.tables.answers import Answers
from pytest_biasaudit.tables.table import Table

COLUMNS = Columns(label="work", text="said", groups=(("sex", "sex"),))
LABELS = ("baker", "miller", "weaver", "dyer")
PLANTED = {"baker": 0.1, "miller": 0.9, "weaver": 0.3, "dyer": 0.7}
CLUES = {"baker": "dough", "miller": "grain", "weaver": "loom", "dyer": "vat"}
IDENTITY = ModelIdentity(name="words", source="here", weights_sha256="0" * 64)


class Words:
    """A model that is only its identity."""

    identity = IDENTITY


def write_tables(folder: Path, *, train: int = 40, test: int = 20, seed: int = 1) -> None:
    """train.csv with the plant: so many rows a label, PLANTED of them women. test.csv: so many a label and sex."""
    draw = random.Random(seed)
    rows = [
        (label, "w" if at < round(share * train) else "m") for label, share in PLANTED.items() for at in range(train)
    ]
    held = [(label, sex) for label in PLANTED for sex in "mw" for _ in range(test)]
    for name, some in (("train", rows), ("test", held)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("said", "work", "sex"))
            for label, sex in some:
                clue = CLUES[label] if draw.random() < 0.5 else draw.choice(list(CLUES.values()))
                word = "she" if sex == "w" else "he"
                table.writerow((f"{word} knows the {clue} and {draw.randint(0, 10**6)}", label, sex))


def a_plan(folder: Path, **changes: Any) -> StudyPlan:
    """A plan on those tables."""
    given: dict[str, Any] = {
        "id": "words",
        "path": folder / "study.toml",
        "sha256": "1" * 64,
        "model": "words",
        "train": TableSource(source="train.csv"),
        "test": TableSource(source="test.csv"),
        "columns": COLUMNS,
        "attribute": "sex",
        "groups": ("m", "w"),
        "upstream": (Intervention(method=NONE), Intervention(method="noise", settings=(("sigma", 0.5),))),
        "data": (
            Intervention(method=NONE),
            Intervention(method="down-sample"),
            Intervention(method="scrub", where="both"),
        ),
        "seeds": 3,
        "seed": 0,
        "redraw": True,
    }
    return StudyPlan(**{**given, **changes})


@dataclass(kw_only=True)
class WordWorkshop:
    """Implements `run.Workshop`."""

    revision: str = "1"
    upstream_scores: Mapping[str, float] = field(default_factory=dict)
    trained: list[tuple[str, int]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    """Called before every training."""
    training: Mapping[str, object] = field(default_factory=lambda: {"smoothing": 1})
    score_words: str = "given by hand"

    @property
    def deciding(self) -> Mapping[str, object]:
        return {"model": IDENTITY.digest, "revision": self.revision, "training": dict(self.training)}

    def pretrained(self, lever: Intervention) -> bool:
        return lever.method != "forgotten"

    def changed(self, table: Table, lever: Intervention, seed: int) -> Table:
        if lever.method == NONE:
            return table
        settings = dict(lever.settings)
        if lever.method == "target-rate":
            settings |= {"attribute": "sex", "group": "w"}
        return INTERVENTIONS[lever.method.replace("-", "_")].apply(table, settings, seed)

    def base(self, lever: Intervention, seed: int) -> Any:
        return lever, seed

    def scores(
        self, base: Any, labels: tuple[str, ...], reference: str, groups: tuple[str, ...]
    ) -> dict[tuple[str, str], float]:
        return {
            (label, group): self.upstream_scores[label]
            for label in labels
            for group in groups
            if label in self.upstream_scores
        }

    def answers(self, base: Any, train: Table, test: Table, seed: int) -> Answers:
        self.before()
        lever, _ = base
        self.trained.append((lever.name, seed))
        texts, truth = train.texts.to_list(), train.labels.to_list()
        labels = tuple(sorted(set(truth)))
        weights = [1.0] * train.rows if train.weights is None else train.weights.to_list()
        words = sorted({word for text in texts for word in text.split() if not word.isdigit()})
        place = {word: at for at, word in enumerate(words)}
        counts = np.ones((len(labels), len(words)))
        prior = np.zeros(len(labels))
        for text, label, weight in zip(texts, truth, weights, strict=True):
            row = labels.index(label)
            prior[row] += weight
            for word in set(text.split()) & set(place):
                counts[row, place[word]] += weight
        learnt = np.log(counts / (prior[:, None] + 2.0))
        if lever.method == "noise":
            learnt = learnt + float(dict(lever.settings)["sigma"]) * np.random.default_rng(seed).normal(
                size=learnt.shape
            )
        said = []
        for text in test.texts.to_list():
            known = [place[word] for word in set(text.split()) if word in place]
            said.append(int((np.log(prior) + learnt[:, known].sum(1)).argmax()))
        return Answers(labels=labels, prediction=np.array(said, dtype=np.int64), score=None)
