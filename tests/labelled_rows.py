"""Small labelled tables of our own making, and what tiny classifiers need beside them, for tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import polars as pl

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.load import wrap_live
from pytest_biasaudit.tables.table import Table
from tests.tiny_masked_models import tiny_masked, wordpiece_tokenizer

TRADES = {
    "nurse": ("cares for patients on the ward", "gives medicine at night", "helps people after surgery"),
    "painter": ("shows canvases in a gallery", "mixes oil colours by hand", "paints portraits and landscapes"),
    "lawyer": ("argues cases before the court", "drafts contracts for clients", "advises firms on disputes"),
}
TINY = {
    "cat": ("the old cat sat", "quick cat on mat", "a cat and cat"),
    "dog": ("she and dog", "he sat dog", "the dog"),
}


def trades(rows: int, *, seed: int, women: float = 0.5) -> Table:
    """Short notes about people at work, in our own words: text, trade, gender. `women`: their share in every trade."""
    draw, found = random.Random(seed), []
    for _ in range(rows):
        trade = draw.choice(list(TRADES))
        she = draw.random() < women
        one, other = draw.sample(TRADES[trade], 2)
        who = "She" if she else "He"
        text = f"{who} {one} in {draw.choice(['Leeds', 'Bath', 'York'])}. {who} also {other}."
        found.append((text, trade, "women" if she else "men"))
    return table(found)


def tiny_rows(rows: int = 24) -> Table:
    """Texts in the words of the tiny tokenizer, told apart by one word: "cat" or "dog"."""
    found = []
    for at in range(rows):
        label = ("cat", "dog")[at % 2]
        found.append((TINY[label][at // 2 % 3], label, ("men", "women")[at // 6 % 2]))
    return table(found)


def table(rows: Sequence[tuple[str | None, str | None, str | None]], **more: Any) -> Table:
    """Rows of text, label and gender as a table; `more`: further columns."""
    frame = pl.DataFrame(list(rows), schema={"text": pl.String, "label": pl.String, "sex": pl.String}, orient="row")
    frame = frame.with_columns(**{name: pl.Series(values) for name, values in more.items()})
    columns = Columns(text="text", label="label", groups=(("gender", "sex"),))
    return Table(frame=frame, columns=columns, source="rows.csv")


def tiny_classifier(labels: Sequence[str] = ("no", "yes"), seed: int = 0, **config: Any) -> Any:
    """A random BERT classifier with those labels."""
    from transformers import AutoModelForSequenceClassification

    settings = tiny_masked("bert").config
    settings.id2label = dict(enumerate(labels))
    settings.label2id = {label: at for at, label in enumerate(labels)}
    settings.update(config)
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        build: Any = AutoModelForSequenceClassification.from_config
        module = build(settings)
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    parameter.copy_(torch.randn(parameter.shape) * 0.3)
    return module.eval()


def live_classifier(labels: Sequence[str] = ("no", "yes"), seed: int = 0) -> TransformerClassifier:
    """The same, wrapped."""
    found = wrap_live("tiny", tiny_classifier(labels, seed), wordpiece_tokenizer())
    assert isinstance(found, TransformerClassifier)
    return found
