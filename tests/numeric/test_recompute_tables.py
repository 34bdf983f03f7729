"""Every printed figure of a labelled table follows from the counts in the evidence, by a script that shares no code with us."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_biasaudit.records.evidence import write_evidence
from pytest_biasaudit.tables.tally import Attribute, Tally
from tests import table_sample
from tests.hand_tally import binary_audit, classifier_audit, table_context, table_limit

SCRIPT = Path(__file__).with_name("recompute.py")


def recomputed(path: Path) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_sample_run_is_recomputed(tmp_path: Path) -> None:
    write_evidence(tmp_path / "evidence.json", table_sample.plain())
    assert "0 above 1e-09" in recomputed(tmp_path / "evidence.json")


def drawn(seed: int, *, scored: bool) -> Tally:
    """Three groups of two attributes, one of them told by terms, one left out; some truths and predictions missing."""
    draw = random.Random(seed)
    rows = 400
    sex = np.zeros((rows, 3), dtype=bool)
    term = np.zeros((rows, 2), dtype=bool)
    for row in range(rows):
        if draw.random() < 0.95:
            sex[row, draw.choice((0, 0, 1, 1, 2))] = True
        term[row] = [draw.random() < 0.5, draw.random() < 0.4]
    labels = ("no", "yes") if scored else ("a", "b", "c", "d")
    truth = np.array([draw.choice((*range(len(labels)),) * 8 + (-1,)) for _ in range(rows)])
    prediction = np.where(np.array([draw.random() < 0.6 for _ in range(rows)]), truth, 0)
    prediction = np.where(np.array([draw.random() < 0.03 for _ in range(rows)]), -1, prediction)
    score = None
    if scored:
        score = np.array([round(min(1, max(0, draw.gauss(0.4 + 0.2 * (one == 1), 0.2))), 2) for one in truth])
        score[:5] = np.nan
    return Tally(
        attributes=(
            Attribute(name="sex", groups=("men", "women", "other"), left_out=(("other", "few"),)),
            Attribute(name="term", groups=("this", "that"), overlapping=True),
        ),
        labels=labels,
        positive="yes" if scored else None,
        members=(sex, term),
        truth=truth,
        prediction=prediction,
        count=np.array([draw.choice((1, 1, 2)) for _ in range(rows)]),
        score=score,
    )


@pytest.mark.parametrize("seed", [0])
def test_tables_at_random_are_recomputed(tmp_path: Path, seed: int) -> None:
    many = classifier_audit(
        table_limit("tpr_gap", "sex*term", max=0.2), table_limit("equalized_odds_difference", "sex*term", max=0.2)
    )
    scored = binary_audit(table_limit("subgroup_auc", "term", min=0.5))
    context = table_context(many, scored)
    corpus = table_sample.records()[2]
    own = [
        table_sample.record_of(context, many, drawn(seed, scored=False)),
        table_sample.record_of(context, scored, drawn(seed, scored=True)),
        replace(corpus, context=replace(corpus.context, id="other", sha256="e" * 64)),
    ]
    write_evidence(tmp_path / "evidence.json", table_sample.plain(own))
    assert "0 above 1e-09" in recomputed(tmp_path / "evidence.json")
