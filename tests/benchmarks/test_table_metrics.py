"""What the figures of a table of predictions cost: 1,000,000 rows, 28 labels, 2 groups, 2,000 resamples, in under 5 seconds.

Counting the rows and every rate metric, with its intervals, are in the time. Run: tox run -e bench.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables import rates
from pytest_biasaudit.metrics.tables.measure import measure_table
from pytest_biasaudit.stats.root_mean_square import DRAWS
from pytest_biasaudit.tables.counting import count_predictions
from pytest_biasaudit.tables.source import locate
from pytest_biasaudit.tables.tally import Tally

pytestmark = pytest.mark.benchmarks

ROWS, LABELS, GROUPS = 1_000_000, 28, 2
SECONDS = 5.0


class Counted:
    """What was collected of a table."""

    obstacle = ""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally


def test_a_million_predictions_are_counted_and_measured_in_five_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    label = rng.integers(0, LABELS, ROWS)
    predicted = np.where(rng.random(ROWS) < 0.7, label, rng.integers(0, LABELS, ROWS))
    names = np.array([f"label {at:02}" for at in range(LABELS)])
    pl.DataFrame(
        {
            "label": names[label],
            "predicted": names[predicted],
            "group": np.array(["a", "b"])[rng.integers(0, GROUPS, ROWS)],
        }
    ).write_parquet(tmp_path / "table.parquet")
    audit = ClassifierAudit(
        id="a",
        kind="classifier",
        limits=(),
        data="table.parquet",
        sha256=None,
        columns=Columns(label="label", prediction="predicted", groups=(("group", "group"),)),
    )
    own = {one.name: for_kind(METRICS, "classifier")[one.name] for one in rates.METRICS}
    assert DRAWS == 2_000
    began = time.perf_counter()
    tally = count_predictions(locate("table.parquet", beside=tmp_path, sha256=None, offline=True), audit)
    counted = time.perf_counter()
    estimates = measure_table(audit, Counted(tally), metrics=own, seed=0)
    ended = time.perf_counter()
    assert {one.metric for one in estimates} == set(own)
    assert all(one.interval is not None for one in estimates), [one.reason for one in estimates if one.interval is None]
    with capsys.disabled():
        print(f"\ncounting {counted - began:.2f} s, {len(estimates)} estimates {ended - counted:.2f} s")
    assert ended - began < SECONDS
