"""A corpus counted: what stands in the cells, by hand, whatever the file's format; the same in parts; and what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest

from pytest_biasaudit.context.declaration import Columns
from pytest_biasaudit.corpus.counts import added
from pytest_biasaudit.corpus.one_file import count_file
from pytest_biasaudit.corpus.parts import as_table, parts_of
from pytest_biasaudit.corpus.scan import scan_corpus
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.tally import Tally
from tests.corpus_tables import GENDER, corpus_audit, table_file, written

ROWS = (
    ("1", "yes", "men", "He mends roofs."),
    ("2", "yes", "men", "Mr Ott paints, and he sings."),
    ("3", "no", "women", "She drives a tram."),
    ("4", "no", "women", "The theory is hers; he read it."),
    ("5", "yes", "women", "Their shed is red."),
    ("6", "", "women", "Her goat eats hay."),
    ("7", "no", "", "A shelter for sheep."),
    ("8", "no", "men", "  "),
    ("9", "", "", ""),
)
HEAD = ("nr", "hired", "sex", "cv")
COLUMNS = Columns(text="cv", label="hired", groups=(("gender", "sex"),))


def file_of(folder: Path, kind: str) -> Path:
    """ROWS as a file of that kind."""
    path = folder / f"train.{kind}"
    if kind == "csv":
        lines = [",".join(f'"{cell}"' for cell in row) for row in (HEAD, *ROWS)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(HEAD, row, strict=True))) + "\n" for row in ROWS), encoding="utf-8")
    else:
        pl.DataFrame(ROWS, schema=list(HEAD), orient="row").write_parquet(path)
    return path


def cells_of(tally: Tally, attribute: str = "gender") -> dict[tuple[tuple[str, ...], str], int]:
    """Rows by groups and label, "" where none is known."""
    at = tally.attributes.index(tally.attribute(attribute))
    groups = tally.attributes[at].groups
    found: dict[tuple[tuple[str, ...], str], int] = {}
    for inside, truth, count in zip(tally.members[at], tally.truth, tally.count, strict=True):
        mine = tuple(sorted(group for group, there in zip(groups, inside, strict=True) if there))
        key = (mine, tally.labels[truth] if truth >= 0 else "")
        found[key] = found.get(key, 0) + int(count)
    return found


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_counted_by_column_and_label_whatever_the_format(tmp_path: Path, kind: str) -> None:
    tally = scan_corpus(table_file(file_of(tmp_path, kind)), corpus_audit(COLUMNS))
    assert tally.labels == ("no", "yes")
    assert cells_of(tally) == {
        (("men",), "yes"): 2,
        (("men",), "no"): 1,
        (("women",), "no"): 2,
        (("women",), "yes"): 1,
        (("women",), ""): 1,
        ((), "no"): 1,
        ((), ""): 1,
    }
    assert tally.rows == 9
    assert tally.prediction is None
    # Rows 6 and 9 have no label, row 8 no text; row 7 has no group besides.
    assert tally.blank == 3
    assert tally.incomplete == 4


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_are_counted_by_the_terms_their_text_says(tmp_path: Path, kind: str) -> None:
    audit = corpus_audit(Columns(text="cv", label="hired"), terms=(("gender", GENDER),))
    tally = scan_corpus(table_file(file_of(tmp_path, kind)), audit)
    assert tally.attributes[0].overlapping
    # "theory", "shed", "sheep" and "shelter" say nobody; row 4 says both.
    assert cells_of(tally) == {
        (("men",), "yes"): 2,
        (("women",), "no"): 1,
        (("men", "women"), "no"): 1,
        ((), "yes"): 1,
        (("women",), ""): 1,
        ((), "no"): 2,
        ((), ""): 1,
    }
    # No column of groups is named, so nothing but text and label can be missing.
    assert (tally.blank, tally.incomplete) == (3, 3)


def test_columns_and_terms_are_counted_together(tmp_path: Path) -> None:
    audit = corpus_audit(COLUMNS, terms=(("pronoun", GENDER),))
    tally = scan_corpus(table_file(file_of(tmp_path, "csv")), audit)
    titles, inside = tally.groups(["gender", "pronoun"])
    rows = {title: int(tally.count[inside[:, at]].sum()) for at, title in enumerate(titles)}
    assert rows == {"women*men": 1, "women*women": 3, "men*men": 2, "men*women": 0}


def test_a_corpus_without_labels_lacks_none(tmp_path: Path) -> None:
    audit = corpus_audit(Columns(text="cv"), terms=(("gender", GENDER),))
    tally = scan_corpus(table_file(file_of(tmp_path, "csv")), audit)
    assert tally.labels == ()
    assert (tally.blank, tally.incomplete) == (2, 2)  # rows 8 and 9


def test_clusters_keep_their_rows_together(tmp_path: Path) -> None:
    file = written(tmp_path, "hired,sex,author\n1,a,ann\n1,a,ann\n0,a,bob\n0,b,bob\n")
    tally = scan_corpus(file, corpus_audit(Columns(label="hired", groups=(("gender", "sex"),), cluster="author")))
    assert tally.cluster is not None
    assert sorted(zip(tally.cluster.tolist(), tally.truth.tolist(), tally.count.tolist(), strict=True)) == [
        (0, 1, 2),
        (1, 0, 1),
        (1, 0, 1),
    ]


def test_progress_adds_up_to_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_biasaudit.corpus.scan.SHOWN_FROM", 0)
    file = table_file(file_of(tmp_path, "csv"))
    steps: list[int] = []
    scan_corpus(file, corpus_audit(COLUMNS), progress=steps.append)
    assert sum(steps) == file.bytes
    assert all(step > 0 for step in steps)


def wild_csv(folder: Path, *, seed: int, rows: int = 400) -> Path:
    """A CSV whose cells hold quotes, commas, line breaks and nothing, and which has blank lines at its end."""
    draw = random.Random(seed)
    bits = ["he", "She", "a, b", 'said ""so""', "one\ntwo", "\r\n\r\n", "sheet", "", "é"]
    lines = ["hired,sex,cv"]
    for _ in range(rows):
        text = " ".join(draw.choice(bits) for _ in range(draw.randrange(6)))
        lines.append(f'{draw.choice(["yes", "no", ""])},{draw.choice(["men", "women", ""])},"{text}"')
    path = folder / "wild.csv"
    path.write_text("\n".join(lines) + "\n\n\n", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("size", [1, 37, 500, 10**9])
def test_parts_of_a_csv_add_up_to_the_whole_whatever_its_cells_hold(tmp_path: Path, size: int) -> None:
    file = table_file(wild_csv(tmp_path, seed=size, rows=60 if size < 100 else 400))
    check_parts(tmp_path, file, size)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("size", [1, 150])
def test_parts_of_other_formats_add_up_to_the_whole(tmp_path: Path, kind: str, size: int) -> None:
    check_parts(tmp_path, table_file(file_of(tmp_path, kind)), size)


def check_parts(folder: Path, file, size: int) -> None:  # type: ignore[no-untyped-def]
    """The parts' counts are those of the file, rows and words."""
    audit = corpus_audit(COLUMNS, terms=(("pronoun", GENDER),), words=(("work", ("a", "one", "mends")),), window=2)
    parts = parts_of(file, size=size)
    assert len(parts) > 1 or size > 10**6
    several = []
    for part in parts:
        with as_table(file, part) as table:
            several.append(count_file(table, audit, part=part))
    together, whole = added(several), count_file(file, audit)
    keys = [name for name in whole.cells.columns if name not in ("count", " textless", " ragged")]
    sums = together.cells.group_by(keys).agg(pl.col("count", " textless").sum()).sort(keys)
    assert sums.equals(whole.cells.select(*keys, "count", " textless").sort(keys))
    assert together.near == whole.near
    assert together.incomplete(audit) == whole.incomplete(audit)


def test_ids_that_stand_twice_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "nr,hired,sex\n1,1,a\n2,0,b\n1,0,b\n")
    audit = corpus_audit(Columns(id="nr", label="hired", groups=(("gender", "sex"),)))
    with pytest.raises(DataError, match=r"rows 1 and 3: column 'nr' has '1' 2 times"):
        scan_corpus(file, audit)


def test_a_positive_label_that_no_row_has_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "hired,sex\nyes,a\nno,b\n")
    audit = corpus_audit(Columns(label="hired", positive="Yes", groups=(("gender", "sex"),)))
    with pytest.raises(DataError, match="positive is 'Yes'"):
        scan_corpus(file, audit)


def test_a_row_with_too_many_cells_is_named_by_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "hired,sex\n1,a\n0,b,c\n")
    with pytest.raises(DataError, match="line 3"):
        scan_corpus(file, corpus_audit(Columns(label="hired", groups=(("gender", "sex"),))))


def test_a_cell_of_ten_megabytes_is_read_like_any_other(tmp_path: Path) -> None:
    long = "word " * 2_000_000
    file = written(tmp_path, f'hired,cv\n1,"{long} she"\n0,he\n')
    audit = corpus_audit(
        Columns(text="cv", label="hired"), terms=(("gender", GENDER),), words=(("filler", ("word",)),), window=1
    )
    tally = scan_corpus(file, audit)
    assert cells_of(tally) == {(("women",), "1"): 1, (("men",), "0"): 1}
    assert [(one.group, one.near_rows) for one in tally.near] == [("men", 0), ("women", 1)]
