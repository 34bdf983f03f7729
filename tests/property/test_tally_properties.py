"""Random tables: a tally is a cross table, whichever format the table is in, and no row is lost."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.tables.counting import count_predictions
from pytest_biasaudit.tables.source import locate
from pytest_biasaudit.tables.table import read_table
from pytest_biasaudit.tables.tally import Tally

COLUMNS = Columns(label="y", prediction="p", groups=(("sex", "g"), ("age", "a")))
AUDIT = ClassifierAudit(id="a", kind="classifier", limits=(), data="t", sha256=None, columns=COLUMNS)
WORD = st.sampled_from(["men", "women", 'say "x"', "a,b", "Größe", "0x1f", "no one", "'", "😀"])
LABEL = st.sampled_from(["one", "two", "three, four", None])
ROW = st.fixed_dictionaries({"t": st.text(max_size=12), "g": st.none() | WORD, "a": WORD, "y": LABEL, "p": LABEL})
TABLES = st.lists(ROW, min_size=1, max_size=40).filter(
    lambda rows: any(row["y"] or row["p"] for row in rows) and any(row["g"] for row in rows)
)
"""A table without any label, or with a group column that is blank throughout, is refused: see tests/unit/tables."""


def written(rows: list[dict[str, Any]], ending: str, folder: Path) -> Path:
    """The rows as a file, by pandas: another library than the one that reads them."""
    frame = pd.DataFrame(rows, dtype=object)
    path = folder / f"t{ending}"
    if ending == ".csv":
        frame.to_csv(path, index=False)
    elif ending == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        pl.DataFrame(rows, schema=dict.fromkeys(["t", "g", "a", "y", "p"], pl.String)).write_parquet(path)
    return path


def counted(path: Path) -> Tally:
    return count_predictions(locate(path.name, beside=path.parent, sha256=None, offline=True), AUDIT)


def as_table(tally: Tally) -> dict[tuple[str, ...], int]:
    """Rows by groups, label and prediction; "" where it is not known. Each combination is one cell."""
    labels = [*tally.labels, ""]
    assert tally.prediction is not None
    found: dict[tuple[str, ...], int] = {}
    for cell, count in enumerate(tally.count):
        groups = [
            "".join(group for group, there in zip(one.groups, member[cell], strict=True) if there)
            for one, member in zip(tally.attributes, tally.members, strict=True)
        ]
        key = (*groups, labels[tally.truth[cell]], labels[tally.prediction[cell]])
        assert key not in found
        found[key] = int(count)
    return found


@settings(max_examples=40, deadline=None)
@given(rows=TABLES, ending=st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_a_tally_is_the_cross_table_of_its_rows(rows: list[dict[str, Any]], ending: str) -> None:
    with TemporaryDirectory() as folder:
        tally = counted(written(rows, ending, Path(folder)))
    assert tally.rows == len(rows)
    cross = pd.DataFrame(rows, dtype=object)[["g", "a", "y", "p"]].fillna("").groupby(["g", "a", "y", "p"]).size()
    assert as_table(tally) == {key: int(count) for key, count in cross.items()}


@settings(max_examples=25, deadline=None)
@given(rows=TABLES)
def test_every_format_gives_the_same_tally(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        tallies = [counted(written(rows, ending, Path(folder))) for ending in (".csv", ".jsonl", ".parquet")]
    first = tallies[0]
    for other in tallies[1:]:
        assert other.attributes == first.attributes
        assert other.labels == first.labels
        assert as_table(other) == as_table(first)
        assert (other.count == first.count).all()


@settings(max_examples=25, deadline=None)
@given(rows=TABLES, ending=st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_a_table_that_is_written_and_read_again_keeps_its_rows(rows: list[dict[str, Any]], ending: str) -> None:
    with TemporaryDirectory() as folder:
        before = read_table(written(rows, ".parquet", Path(folder)), COLUMNS)
        after = read_table(before.write(Path(folder) / f"again{ending}"), COLUMNS)
    for name in ("g", "a", "y", "p"):
        assert after.frame[name].to_list() == before.frame[name].to_list()
    assert [text or "" for text in after.frame["t"]] == [text or "" for text in before.frame["t"]]


@settings(max_examples=25, deadline=None)
@given(rows=TABLES, data=st.data())
def test_another_order_of_rows_is_the_same_tally_and_another_digest(rows: list[dict[str, Any]], data: Any) -> None:
    shuffled = data.draw(st.permutations(rows))
    with TemporaryDirectory() as folder:
        path = written(rows, ".parquet", Path(folder))
        first, one = as_table(counted(path)), read_table(path, COLUMNS)
        path = written(shuffled, ".parquet", Path(folder))
        second, other = as_table(counted(path)), read_table(path, COLUMNS)
    assert first == second
    assert (one.digest == other.digest) == (one.frame.rows() == other.frame.rows())
