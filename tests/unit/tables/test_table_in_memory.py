"""A table that interventions change: its digest, what its columns hold, and how it is written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.table import Table, read_table

COLUMNS = Columns(text="cv", label="hired", groups=(("gender", "g"),))
FRAME = pl.DataFrame({"cv": ["Cook", None, "She cooks"], "hired": ["1", "0", None], "g": ["m", "w", "w"]})


def table(frame: pl.DataFrame = FRAME) -> Table:
    return Table(frame=frame, columns=COLUMNS, source="t.csv")


def test_columns_are_given_by_their_use() -> None:
    assert table().rows == 3
    assert table().texts.to_list() == ["Cook", None, "She cooks"]
    assert table().labels.to_list() == ["1", "0", None]
    assert table().groups("gender").to_list() == ["m", "w", "w"]
    assert table().weights is None
    weighted = table(FRAME.with_columns(pl.Series("weight", ["0.5", "1", "2"])))
    assert weighted.weights is not None
    assert weighted.weights.to_list() == [0.5, 1.0, 2.0]


def test_what_is_not_declared_is_refused() -> None:
    with pytest.raises(DataError, match="no attribute 'race' is a column of this table; there are gender"):
        table().groups("race")
    with pytest.raises(DataError, match="no column is declared for text"):
        _ = Table(frame=FRAME, columns=Columns(label="hired"), source="t").texts


def test_the_digest_is_that_of_the_plain_bytes() -> None:
    """By hand: rows; the length and name of a column, its kind, which are null (one bit each), lengths, bytes."""
    import hashlib

    plain = b"2\n" + b"1 a\n" + b"text\n" + b"\x40" + (1).to_bytes(8, "little") + bytes(8) + b"x"
    assert table(pl.DataFrame({"a": ["x", None]})).digest == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        FRAME.reverse(),
        FRAME.head(2),
        FRAME.rename({"g": "G"}),
        FRAME.select("hired", "cv", "g"),
        FRAME.with_columns(pl.col("cv").fill_null("")),
        FRAME.with_columns(pl.Series("cv", ["Coo", None, "kShe cooks"])),
        FRAME.with_columns(pl.Series("hired", [1, 0, None])),
        FRAME.with_columns(pl.lit(1.0).alias("weight")),
    ],
)
def test_another_row_order_name_value_or_kind_is_another_digest(other: pl.DataFrame) -> None:
    assert table(other).digest != table().digest


def test_how_polars_keeps_a_column_does_not_change_the_digest() -> None:
    split = pl.concat([FRAME.head(1), FRAME.tail(2)], rechunk=False)
    assert table(split).digest == table().digest
    assert table(FRAME.with_columns(pl.col("g").cast(pl.Categorical))).digest == table().digest
    numbers = pl.DataFrame({"a": [1, 2]})
    assert table(numbers.cast(pl.Int8)).digest == table(numbers).digest
    lists = pl.DataFrame({"a": [[1], [2, 3]]})
    assert table(lists).digest == table(lists).digest != table(lists.reverse()).digest


def test_a_digest_of_many_rows_is_the_same_in_parts() -> None:
    many = pl.DataFrame({"t": [f"row {n}" for n in range(70_000)], "n": [None, *(float(n) for n in range(69_999))]})
    assert table(many).digest == table(pl.concat([many.head(66_000), many.tail(4_000)], rechunk=False)).digest
    assert table(many).digest != table(many.head(69_999)).digest


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_what_is_written_is_read_again(ending: str, tmp_path: Path) -> None:
    path = table().write(tmp_path / f"out{ending}")
    again = read_table(path, COLUMNS)
    assert again.frame.rows() == FRAME.rows()
    assert again.source == f"out{ending}"
    assert again.changes == ()


def test_every_column_is_kept_and_only_declared_ones_are_trimmed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("cv,hired,g,note\n Cook , 1 ,m, n\n,,, \n")
    frame = read_table(tmp_path / "t.csv", COLUMNS).frame
    assert frame.rows() == [(" Cook ", "1", "m", " n"), (None, None, None, " ")]


def test_numbers_of_json_and_parquet_become_the_text_an_audit_sees(tmp_path: Path) -> None:
    frame = pl.DataFrame({"cv": ["a", "b"], "hired": [1.0, 0.5], "g": [True, False], "n": [7, 8]})
    for ending in (".jsonl", ".parquet"):
        Table(frame=frame, columns=COLUMNS, source="t").write(tmp_path / f"t{ending}")
        read = read_table(tmp_path / f"t{ending}", COLUMNS)
        assert read.labels.to_list() == ["1", "0.5"]
        assert read.groups("gender").to_list() == ["true", "false"]
        assert read.frame["n"].to_list() == [7, 8]


def test_a_table_cannot_be_written_as_what_cannot_hold_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv, \.jsonl or \.parquet"):
        table().write(tmp_path / "out.xlsx")
    with pytest.raises(DataError, match="column tags holds lists"):
        table(FRAME.with_columns(pl.Series("tags", [["a"], [], ["b"]]))).write(tmp_path / "out.csv")
