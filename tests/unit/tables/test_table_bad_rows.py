"""Tables that cannot be counted honestly: each is refused with its file, the line or row, the column, and what is valid."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.counting import count_predictions
from pytest_biasaudit.tables.source import locate
from pytest_biasaudit.tables.table import read_table
from pytest_biasaudit.tables.tally import Tally

COLUMNS = Columns(label="y", prediction="p", groups=(("sex", "g"),))
HEAD = b"id,g,y,p\n"
GOOD = b"1,men,1,1\n2,women,0,0\n"


def audit(columns: Columns = COLUMNS, **more: object) -> ClassifierAudit:
    return ClassifierAudit(id="a", kind="classifier", limits=(), data="t", sha256=None, columns=columns, **more)  # type: ignore[arg-type]


def count(folder: Path, content: bytes, *, name: str = "t.csv", columns: Columns = COLUMNS, **more: object) -> Tally:
    (folder / name).write_bytes(content)
    file = locate(name, beside=folder, sha256=None, offline=True)
    return count_predictions(file, audit(columns, **more))


def refusal(folder: Path, content: bytes, *, name: str = "t.csv", columns: Columns = COLUMNS, **more: object) -> str:
    with pytest.raises(DataError) as caught:
        count(folder, content, name=name, columns=columns, **more)
    said = str(caught.value)
    assert said.startswith(f"{name}: ")
    return said


# -- columns ---------------------------------------------------------------------------------------------------------


def test_missing_columns_are_all_named_with_the_nearest_spelling(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        b"id,sex,label,predicted\n1,a,1,1\n",
        columns=Columns(label="lable", prediction="predictd", groups=(("sex", "sex"),)),
    )
    assert "no column 'lable', which label names; did you mean 'label'?" in said
    assert "no column 'predictd', which prediction names; did you mean 'predicted'?" in said
    assert "the file has id, sex, label, predicted" in said


@pytest.mark.parametrize(("sign", "title"), [(b";", "semicolons"), (b"\t", "tabs")])
def test_another_separator_is_recognised(sign: bytes, title: str, tmp_path: Path) -> None:
    assert f"separated by {title}, and commas are needed" in refusal(tmp_path, (HEAD + GOOD).replace(b",", sign))


def test_a_wanted_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "column 'y', which label names, is there twice" in refusal(tmp_path, b"g,y,y,p\nmen,1,0,1\n")


def test_another_column_may_be_there_twice(tmp_path: Path) -> None:
    assert count(tmp_path, b"x,x,g,y,p\n1,2,men,1,1\n1,2,women,0,0\n").rows == 2


def test_a_key_that_no_json_line_has_is_a_missing_column(tmp_path: Path) -> None:
    line = b'{"g": "men", "y": 1, "q": 1}\n'
    assert "no column 'p', which prediction names" in refusal(tmp_path, line * 3, name="t.jsonl")


def test_a_key_that_only_a_late_json_line_has_is_a_column(tmp_path: Path) -> None:
    early, late = b'{"g": "men", "y": "1"}\n', b'{"g": "men", "y": "1", "p": "1"}\n'
    tally = count(tmp_path, early * 1500 + late, name="t.jsonl")
    assert tally.rows == 1501
    assert tally.prediction is not None
    assert tally.count[tally.prediction < 0].sum() == 1500


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_an_empty_file_is_said_to_be_empty(name: str, tmp_path: Path) -> None:
    assert "the file is empty" in refusal(tmp_path, b"", name=name)


@pytest.mark.parametrize("content", [HEAD, HEAD.strip(), HEAD + b"\n\n", HEAD.replace(b"\n", b"\r\n")])
def test_a_head_without_rows_is_no_table(content: bytes, tmp_path: Path) -> None:
    assert "there is no row in it" in refusal(tmp_path, content)


def test_a_parquet_file_without_rows_is_no_table(tmp_path: Path) -> None:
    pl.DataFrame(schema={"g": pl.String, "y": pl.String, "p": pl.String}).write_parquet(tmp_path / "t.parquet")
    assert "there is no row in it" in refusal(tmp_path, (tmp_path / "t.parquet").read_bytes(), name="t.parquet")


@pytest.mark.parametrize("content", [b"PAR1 and nothing more", b"id,g\n1,2\n"])
def test_what_is_no_parquet_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    assert "not readable as parquet" in refusal(tmp_path, content, name="t.parquet")


def test_invalid_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + GOOD * 500 + b"3,m\xe9n,1,1\n" + GOOD)
    assert "line 1002: byte 0xe9 is not UTF-8; save the file as UTF-8" in said
    said = refusal(
        tmp_path, b'{"g": "men", "y": 1, "p": 1}\n' * 9 + b'{"g": "m\xe9n", "y": 1, "p": 1}\n', name="t.jsonl"
    )
    assert "line 10: byte 0xe9 is not UTF-8" in said


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_of_the_head_is_recognised(encoding: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, "id,grüppe,y,p\n1,a,1,1\n".encode(encoding))
    assert "UTF-" in said
    assert "save" in said


def test_a_byte_order_mark_is_passed_over_in_a_csv_and_told_in_json_lines(tmp_path: Path) -> None:
    assert count(tmp_path, b"\xef\xbb\xbfg,y,p\nmen,1,1\nwomen,0,0\n").attribute("sex").groups == ("men", "women")
    said = refusal(tmp_path, b'\xef\xbb\xbf{"g": "men", "y": 1, "p": 1}\n', name="t.jsonl")
    assert "line 1: begins with a byte order mark" in said


# -- rows ------------------------------------------------------------------------------------------------------------


def test_rows_that_are_shorter_or_longer_than_the_head_are_named(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + GOOD + b"3,men,1\n4,men,1,1,1\n" + GOOD)
    assert "2 faults" in said
    assert "line 4: 3 cells, and the head has 4" in said
    assert "line 5: 5 cells, and the head has 4" in said


def test_a_longer_row_is_found_wherever_it_is_and_whatever_columns_are_read(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", groups=(("sex", "g"),))
    content = b"g,y,p,note\n" + b"men,1,1,x\nwomen,0,0,x\n" * 40_000 + b"men,1,1,a, comma\n" + b"men,1,1,x\n" * 5
    assert "line 80002: 5 cells, and the head has 4" in refusal(tmp_path, content, columns=columns)


def test_a_blank_line_between_rows_is_named_and_after_the_last_it_is_nothing(tmp_path: Path) -> None:
    assert "line 4: blank, and the head has 4 cells" in refusal(tmp_path, HEAD + GOOD + b"\n" + GOOD)
    for ends in (b"\n\n\n", b"\r\n\r\n"):
        assert count(tmp_path, HEAD + GOOD + ends).rows == 2


def test_a_comma_at_the_end_of_a_row_loses_nothing(tmp_path: Path) -> None:
    assert count(tmp_path, HEAD + b"1,men,1,1,\n2,women,0,0\n").count.tolist() == [1, 1]


def test_a_blank_last_cell_is_a_blank_cell_and_no_short_row(tmp_path: Path) -> None:
    tally = count(tmp_path, HEAD + GOOD + b"3,men,1,\n")
    assert tally.rows == 3
    assert tally.prediction is not None
    assert tally.count[tally.prediction < 0].sum() == 1


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + GOOD + b'3,"men,1,1\n' + GOOD)
    assert "line 4: a quote is opened and never closed" in said


def test_a_quote_in_the_middle_of_a_cell_loses_no_row(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", groups=(("sex", "g"),))
    said = refusal(tmp_path, b'g,y,p,t\nmen,1,1,5" pipe\nwomen,0,0,x\nmen,1,1,7" pipe\n', columns=columns)
    assert "line 2: a quote within a cell" in said


def test_quoted_cells_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    cell = b'"a, ""b""\nc\r\n"'
    tally = count(tmp_path, b"t,g,y,p\n" + (cell + b",men,1,1\n") * 300 + (cell + b",women,0,0\n") * 200)
    assert tally.rows == 500
    assert tally.count.tolist() in ([300, 200], [200, 300])


def test_a_line_number_counts_the_lines_within_quoted_cells(tmp_path: Path) -> None:
    said = refusal(tmp_path, b'g,y,p,t\nmen,1,1,"a\nb"\nwomen,0,0\n')
    assert "line 4: 3 cells, and the head has 4" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"g": "men", "y": 1, "p": \n', "not JSON"),
        (b"[1, 2]\n", "must be a JSON object, got list"),
        (b"7\n", "must be a JSON object, got int"),
        (b'{"g": "men", "y": 1, "p": NaN}\n', "NaN is no number of JSON; write null"),
        (b'{"g": "men", "y": 1, "p": 1e999}\n', "too large a number"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(line: bytes, told: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, b'{"g": "men", "y": 1, "p": 1}\n\n' + line, name="t.jsonl")
    assert "line 3: " in said
    assert told in said


def test_faults_are_listed_up_to_a_number_and_then_counted(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + b"1,men\n" * 50)
    assert said.count("2 cells, and the head has 4") == 20
    assert "and 30 more" in said


def test_a_cell_of_ten_megabytes_is_read_as_text_and_refused_as_a_label(tmp_path: Path) -> None:
    big = b"x" * 10_000_000
    text = Columns(label="y", prediction="p", groups=(("sex", "g"),), text="t")
    terms = (("word", (("long", ("x" * 20,)), ("short", ("brief",)))),)
    tally = count(tmp_path, b't,g,y,p\n"' + big + b'",men,1,1\nbrief,women,0,0\n', columns=text, terms=terms)
    assert tally.rows == 2
    said = refusal(tmp_path, b"g,y,p\nmen,1,1\nmen," + big + b",1\n")
    assert "row 2: column 'y' has a value of 10,000,000 characters" in said
    assert len(said) < 400


# -- values ----------------------------------------------------------------------------------------------------------


def test_numbers_and_texts_in_one_column_are_refused_with_their_lines(tmp_path: Path) -> None:
    content = b'{"g": "men", "y": 1, "p": 1}\n' * 3 + b'{"g": "women", "y": "no", "p": 1}\n'
    said = refusal(tmp_path, content, name="t.jsonl")
    assert "line 4: column 'y' holds a text, 'no', and a number in line 1" in said


def test_flags_among_texts_are_refused(tmp_path: Path) -> None:
    content = b'{"g": "men", "y": "yes", "p": "yes"}\n{"g": "men", "y": true, "p": "yes"}\n'
    assert "line 2: column 'y' holds a flag, True, and a text in line 1" in refusal(tmp_path, content, name="t.jsonl")


def test_texts_that_look_like_numbers_are_texts(tmp_path: Path) -> None:
    content = (
        b'{"g": "men", "y": "1", "p": "1"}\n{"g": "30-40", "y": "none", "p": "none"}\n{"g": "7", "y": "1", "p": "1"}\n'
    )
    assert count(tmp_path, content, name="t.jsonl").labels == ("1", "none")


def test_a_list_is_no_label(tmp_path: Path) -> None:
    said = refusal(tmp_path, b'{"g": "men", "y": ["a"], "p": "a"}\n', name="t.jsonl")
    assert "line 1: column 'y' must hold text or numbers" in said
    pl.DataFrame({"g": ["men"], "y": [["a"]], "p": ["a"]}).write_parquet(tmp_path / "t.parquet")
    said = refusal(tmp_path, (tmp_path / "t.parquet").read_bytes(), name="t.parquet")
    assert "column 'y', which label names, holds List" in said


def test_a_score_that_is_no_number_is_named_with_its_row(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", score="s", positive="1", groups=(("sex", "g"),))
    said = refusal(tmp_path, b"g,y,p,s\nmen,1,1,0.5\nmen,1,1,\nmen,0,1,high\nmen,0,1,NA\n", columns=columns)
    assert "row 3: column 's' must be a number or blank, got 'high'" in said
    assert "row 4: column 's' must be a number or blank, got 'NA'" in said


def test_an_infinite_score_is_refused(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", score="s", positive="1", groups=(("sex", "g"),))
    said = refusal(tmp_path, b"g,y,p,s\nmen,1,1,0.5\nmen,0,1,-inf\n", columns=columns)
    assert "row 2: column 's' must be a finite number or blank" in said


def test_ids_that_stand_twice_are_named_with_their_rows(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", id="id", groups=(("sex", "g"),))
    said = refusal(tmp_path, HEAD + GOOD + b"3,men,1,1\n2,men,1,1\n,men,1,1\n", columns=columns)
    assert "rows 2 and 4: column 'id' has '2' 2 times" in said
    assert "row 5: column 'id' is blank in 1 rows" in said
    assert count(tmp_path, HEAD + GOOD, columns=columns).rows == 2


def test_a_blank_cluster_is_refused(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", cluster="id", groups=(("sex", "g"),))
    assert "row 2: column 'id' is blank in 1 rows" in refusal(
        tmp_path, HEAD + b"1,men,1,1\n,men,0,0\n", columns=columns
    )


def test_a_protected_column_of_ten_thousand_values_is_refused(tmp_path: Path) -> None:
    content = HEAD + b"".join(b"%d,group %d,1,1\n" % (row, row) for row in range(10_000))
    said = refusal(tmp_path, content)
    assert "column 'g' has 10,000 different groups" in said
    assert "at most 200 can be audited" in said


def test_two_hundred_groups_are_counted(tmp_path: Path) -> None:
    content = HEAD + b"".join(b"%d,group %d,1,1\n" % (row, row % 200) for row in range(1000))
    assert len(count(tmp_path, content).attribute("sex").groups) == 200


def test_a_column_of_texts_is_no_column_of_labels(tmp_path: Path) -> None:
    content = HEAD + b"".join(b"%d,men,answer %d,1\n" % (row, row) for row in range(1001))
    assert "column 'y' has 1,001 different labels" in refusal(tmp_path, content)


def test_a_group_with_a_line_break_is_refused(tmp_path: Path) -> None:
    assert "row 1: column 'g' has 'a\\nb', which holds a line break" in refusal(tmp_path, HEAD + b'1,"a\nb",1,1\n')


def test_a_positive_label_that_no_row_has_is_refused(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", positive="Yes", groups=(("sex", "g"),))
    said = refusal(tmp_path, b"g,y,p\nmen,yes,yes\nwomen,no,no\n", columns=columns)
    assert (
        "positive is 'Yes', and no row of column 'y' has that label; there are 'no', 'yes'; did you mean 'yes'?" in said
    )


@pytest.mark.parametrize(("truth", "said"), [("1", "1.0"), ("yes", "Yes"), ("1e0", "1")])
def test_a_prediction_that_spells_a_label_in_another_way_is_refused(truth: str, said: str, tmp_path: Path) -> None:
    told = refusal(tmp_path, f"g,y,p\nmen,{truth},{said}\nwomen,0,0\n".encode())
    assert f"the prediction {said!r}, and the label is spelled {truth!r}" in told


def test_a_left_out_group_that_no_row_has_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + GOOD, leave_out=(("sex", (("woman", "few"),)),))
    assert "leave_out.sex names 'woman', a group no row has; did you mean 'women'?; there are 'men', 'women'" in said


def test_a_group_column_that_is_blank_in_every_row_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + b"1,,1,1\n2, ,0,0\n")
    assert "column 'g', which groups.sex names, is blank in every row" in said


def test_leaving_out_every_group_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, HEAD + GOOD, leave_out=(("sex", (("men", "a"), ("women", "b"))),))
    assert "leave_out.sex leaves out every group: 'men', 'women'" in said


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("No", "no"), ("2", "2.")])
def test_a_label_that_is_spelled_in_two_ways_is_refused(one: str, other: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, f"g,y,p\nmen,{one},{one}\nwomen,{other},{one}\n".encode())
    assert f"column 'y' spells one label in several ways, {one!r} and {other!r}" in said


def test_labels_that_are_numbers_with_parts_are_not_taken_for_one(tmp_path: Path) -> None:
    assert count(tmp_path, b"g,y,p\nmen,1.1,1.1\nwomen,1.10,1.10\n").labels == ("1.1", "1.10")


@pytest.mark.parametrize("content", [HEAD + GOOD, b"[\n" + b'{"g": "a", "y": 1, "p": 1}]\n', b"\n\0\0\n"])
def test_json_lines_without_an_object_are_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    line = 2 if content.startswith(b"\n") else 1
    assert f"line {line}: no JSON object; every line must be one" in refusal(tmp_path, content, name="t.jsonl")


def test_a_list_or_an_object_is_no_text(tmp_path: Path) -> None:
    columns = Columns(label="y", text="t", groups=(("sex", "g"),))
    said = refusal(
        tmp_path,
        b'{"g": "a", "y": 1, "t": "she"}\n{"g": "b", "y": 1, "t": {"body": "she"}}\n',
        name="t.jsonl",
        columns=columns,
        terms=(("said", (("women", ("she",)), ("men", ("he",)))),),
    )
    assert "line 2: column 't' must hold text or numbers, got {'body': 'she'}" in said


def test_a_span_of_time_is_no_group(tmp_path: Path) -> None:
    frame = pl.DataFrame({"y": ["1"], "p": ["1"], "g": [3]}).with_columns(pl.duration(days=pl.col("g")).alias("g"))
    frame.write_parquet(tmp_path / "made.parquet")
    said = refusal(tmp_path, (tmp_path / "made.parquet").read_bytes(), name="t.parquet")
    assert "column 'g', which groups.sex names, holds Duration" in said


def test_a_whole_decimal_of_parquet_is_written_without_a_fraction(tmp_path: Path) -> None:
    frame = pl.DataFrame({"y": ["1", "0", "0.50"], "p": ["1", "0", "0"], "g": ["a", "b", "a"]})
    frame.with_columns(pl.col("y").cast(pl.Decimal(8, 2))).write_parquet(tmp_path / "made.parquet")
    assert count(tmp_path, (tmp_path / "made.parquet").read_bytes(), name="t.parquet").labels == ("0", "0.50", "1")


def test_a_table_for_interventions_is_refused_for_the_same_faults(tmp_path: Path) -> None:
    for name, content, told in (
        ("a.csv", HEAD + GOOD + b"3,men,1\n", "line 4: 3 cells"),
        ("b.csv", HEAD, "there is no row"),
        ("c.csv", b"g,y\nmen,1\n", "no column 'p'"),
        ("d.csv", HEAD + b"1,m\xe9n,1,1\n", "line 2: byte 0xe9"),
        ("e.jsonl", b'{"g": "a", "y": 1, "p": 1}\n{"g": "a", "y": "b", "p": 1}\n', "line 2: column 'y' holds a text"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=told):
            read_table(tmp_path / name, COLUMNS)


def test_a_carriage_return_within_a_line_is_a_character_of_its_cell(tmp_path: Path) -> None:
    """A blank last cell has every line looked at again; beside quotes the return once counted as the end of a cell."""
    content = b'id,y,g,p\n\r,1,"a ""man""",1\nx\ry,0,"a ""man""",\n3,1,women,1\n'
    tally = count(tmp_path, content)
    assert tally.rows == 3
    assert tally.attributes[0].groups == ('a "man"', "women")
