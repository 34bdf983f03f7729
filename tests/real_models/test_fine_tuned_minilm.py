"""A real small encoder, fine-tuned on notes in our own words: it learns them, and a planted link to gender comes with them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from pytest_biasaudit.models.classifier import TransformerClassifier
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.tables.table import Table
from pytest_biasaudit.training.fine_tuning import FineTuning
from pytest_biasaudit.training.finetune import finetune, taught
from tests.labelled_rows import table, trades
from tests.small_model import minilm

__all__ = ["minilm"]


def said(model: TransformerClassifier, texts: list[str]) -> list[str]:
    found = dict(model.classify(texts, batch_size=32))
    return [model.labels[int(np.argmax(found[at]))] for at in range(len(texts))]


def right(model: TransformerClassifier, rows: Table) -> float:
    pairs = zip(said(model, rows.texts.to_list()), rows.labels.to_list(), strict=True)
    return float(np.mean([one == other for one, other in pairs]))


def test_a_fine_tuned_encoder_learns_trades_from_notes_and_says_how_well(minilm: EncoderModel, tmp_path: Path) -> None:
    train, test = trades(160, seed=1), trades(60, seed=2)
    model = finetune(minilm, train, settings=FineTuning(epochs=1, layers=3, held_out=0.1), home=tmp_path, seed=1)
    assert right(model, test) > 0.95
    assert taught(model)["held_out"]["rows"] == 16
    assert taught(model)["held_out"]["accuracy"] > 0.9
    (kept,) = tmp_path.glob("finetune/*/finished/weights.safetensors")
    assert kept.stat().st_size < 25e6  # what was taught, and no copy of the base
    frozen = finetune(minilm, train, settings=FineTuning(frozen=True), home=tmp_path, seed=1)
    assert right(frozen, test) > 0.95
    minilm.refuse_if_changed()


def test_a_head_on_frozen_vectors_takes_a_planted_link_to_gender_from_its_data(minilm: EncoderModel) -> None:
    # Where the notes themselves say nothing, only the pronoun is left to tell "invited" from "declined".
    draw, gaps = random.Random(3), []
    for women in (0.5, 0.9):
        rows = []
        for at in range(240):
            label = "invited" if at % 2 else "declined"
            she = draw.random() < (women if label == "invited" else 1 - women)
            who = "She" if she else "He"
            rows.append((f"{who} worked for {at % 9 + 1} years in {draw.choice(['Leeds', 'Bath'])}.", label, None))
        model = finetune(minilm, table(rows), settings=FineTuning(frozen=True), seed=1)
        texts = [f"{{}} worked for {years} years in {town}." for years in range(1, 10) for town in ("Leeds", "Bath")]
        answers = [said(model, [text.format(who) for text in texts]) for who in ("She", "He")]
        invited = [float(np.mean([one == "invited" for one in found])) for found in answers]
        gaps.append(invited[0] - invited[1])
    assert gaps[1] > 0.9
    assert abs(gaps[0]) < gaps[1] - 0.3
