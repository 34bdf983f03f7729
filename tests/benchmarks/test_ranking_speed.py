"""How long the areas of fifty overlapping groups of a million scores take. Run alone: figures of a busy machine say nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.tables.tally import Attribute, Tally

pytestmark = pytest.mark.benchmarks
ROWS, GROUPS = 1_000_000, 50


@pytest.mark.parametrize("metric", ["subgroup_auc", "bpsn_auc", "bnsp_auc", "positive_aeg", "negative_aeg", "fped"])
def test_fifty_groups_of_a_million_scores_take_seconds(metric: str) -> None:
    rng = np.random.default_rng(0)
    table = Tally(
        attributes=(Attribute(name="term", groups=tuple(f"t{at}" for at in range(GROUPS)), overlapping=True),),
        labels=("fine", "toxic"),
        positive="toxic",
        members=(rng.random((ROWS, GROUPS)) < 0.1,),
        truth=(rng.random(ROWS) < 0.3).astype(np.int64),
        prediction=(rng.random(ROWS) < 0.3).astype(np.int64),
        score=rng.random(ROWS),
        count=np.ones(ROWS, dtype=np.int64),
    )
    of_table = METRICS[metric].of_table
    assert of_table is not None
    started = time.perf_counter()
    found = of_table(table, attributes=("term",), label=None, level=0.95, seed=0, minimum=10)
    seconds = time.perf_counter() - started
    print(f"{metric}: {ROWS:,} scores, {GROUPS} groups in {seconds:.2f} s")
    assert len(found) == (1 if metric == "fped" else GROUPS)
    assert seconds < 5.0
