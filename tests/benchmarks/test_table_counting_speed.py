"""How fast a table of predictions is counted: 1 million rows x 28 labels x 2 groups. Run: tox run -e bench

Beside it, as the unit of the comparison, a plain polars scan that groups the same columns and checks nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.tables.counting import count_predictions
from pytest_biasaudit.tables.source import locate
from pytest_biasaudit.tables.table import Table

pytestmark = pytest.mark.benchmarks

ROWS = 1_000_000
COLUMNS = Columns(label="y", prediction="p", groups=(("gender", "g"),))
AUDIT = ClassifierAudit(id="a", kind="classifier", limits=(), data="t", sha256=None, columns=COLUMNS)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_million_predictions_are_counted_in_two_seconds(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "y": draw.integers(28, size=ROWS).astype(str),
            "p": draw.integers(28, size=ROWS).astype(str),
            "g": draw.choice(["men", "women"], size=ROWS),
            "note": np.full(ROWS, "a cell that no audit reads, of some forty letters"),
        }
    )
    path = tmp_path / f"t{ending}"
    Table(frame=frame, columns=COLUMNS, source="t").write(path)
    file = locate(path.name, beside=tmp_path, sha256=None, offline=True)
    ours, plain = [], []
    for _ in range(3):
        start = time.perf_counter()
        tally = count_predictions(file, AUDIT)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        if ending == ".csv":
            scan = pl.scan_csv(path, infer_schema=False)
        elif ending == ".jsonl":
            scan = pl.scan_ndjson(path, schema=dict.fromkeys(["y", "p", "g"], pl.String))
        else:
            scan = pl.scan_parquet(path)
        cells = scan.group_by("y", "p", "g").len().collect(engine="streaming")
        plain.append(time.perf_counter() - start)
    with capsys.disabled():
        print(f"\n  {ending}: 1,000,000 rows x 28 labels x 2 groups: {min(ours):.2f} s   (at most 2 s)")
        print(f"  counted / plain scan: {min(ours) / min(plain):.1f}")
    assert tally.rows == ROWS
    assert len(tally.count) == cells.height
    assert min(ours) <= 2
