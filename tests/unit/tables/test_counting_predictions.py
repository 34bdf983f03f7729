"""From rows to a tally: what is one cell, in which order groups and labels stand, and that no row is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, CorpusAudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.tables.answers import Answers
from pytest_biasaudit.tables.counting import count_predictions, tally_of
from pytest_biasaudit.tables.source import TableFile, locate
from pytest_biasaudit.tables.table import Table, read_table
from pytest_biasaudit.tables.tally import Tally
from pytest_biasaudit.tables.terms import term_column

COLUMNS = Columns(label="y", prediction="p", groups=(("sex", "g"),))
ROWS = """\
g,y,p,s,c
women,1,1,0.9,ann
men,1,0,0.2,bob
women,0,1,0.7,ann
women,1,1,0.9,ann
,1,1,0.6,cid
men,,0,,bob
men,0,,0.1,dan
women,1,1,0.9,eve
"""


def table(folder: Path, text: str = ROWS) -> TableFile:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return locate("t.csv", beside=folder, sha256=None, offline=True)


def audit(columns: Columns = COLUMNS, **more: object) -> ClassifierAudit:
    return ClassifierAudit(id="a", kind="classifier", limits=(), data="t", sha256=None, columns=columns, **more)  # type: ignore[arg-type]


def cells(tally: Tally) -> dict[tuple[str | None, str | None, str | None], int]:
    """Rows by the first attribute's group, the label and the prediction."""
    names = [*tally.labels, None]
    found: dict[tuple[str | None, str | None, str | None], int] = {}
    assert tally.prediction is not None
    for row, count in enumerate(tally.count):
        inside = [g for g, there in zip(tally.attributes[0].groups, tally.members[0][row], strict=True) if there]
        key = (inside[0] if inside else None, names[tally.truth[row]], names[tally.prediction[row]])
        found[key] = found.get(key, 0) + int(count)
    return found


def test_rows_that_are_alike_are_one_cell_and_blank_cells_are_rows_too(tmp_path: Path) -> None:
    tally = count_predictions(table(tmp_path), audit())
    assert cells(tally) == {
        ("women", "1", "1"): 3,
        ("women", "0", "1"): 1,
        ("men", "1", "0"): 1,
        ("men", None, "0"): 1,
        ("men", "0", None): 1,
        (None, "1", "1"): 1,
    }
    assert tally.rows == 8
    assert len(tally.count) == 6


def test_the_largest_group_is_the_reference_and_equal_ones_stand_by_name(tmp_path: Path) -> None:
    text = "g,y,p\n" + "".join(f"{group},1,1\n" for group in ("d", "b", "c", "a", "c", "d", "c"))
    assert count_predictions(table(tmp_path, text), audit()).attributes[0].groups == ("c", "d", "a", "b")


def test_the_declared_order_comes_first_also_where_no_row_is_of_the_group(tmp_path: Path) -> None:
    declared = audit(groups_order=(("sex", ("men", "divers")),))
    tally = count_predictions(table(tmp_path), declared)
    assert tally.attributes[0].groups == ("men", "divers", "women")
    assert not tally.members[0][:, 1].any()
    titles, inside = tally.groups(["sex"])
    assert titles == ("men", "divers", "women")
    assert (inside * tally.count[:, None]).sum(axis=0).tolist() == [3, 0, 4]


def test_left_out_groups_are_counted_last_and_compared_with_nobody(tmp_path: Path) -> None:
    tally = count_predictions(table(tmp_path), audit(leave_out=(("sex", (("women", "too few"),)),)))
    assert tally.attributes[0].groups == ("men", "women")
    assert tally.attributes[0].left_out == (("women", "too few"),)
    assert tally.groups(["sex"])[0] == ("men",)
    assert tally.rows == 8


def test_labels_stand_by_number_or_by_name(tmp_path: Path) -> None:
    assert count_predictions(table(tmp_path, "g,y,p\na,10,2\na,9,10\n"), audit()).labels == ("2", "9", "10")
    assert count_predictions(table(tmp_path, "g,y,p\na,10,x\na,9,10\n"), audit()).labels == ("10", "9", "x")
    assert count_predictions(table(tmp_path, "g,y,p\na,nan,2\na,9,2\n"), audit()).labels == ("2", "9", "nan")


def test_a_predicted_label_that_no_row_has_is_a_label(tmp_path: Path) -> None:
    tally = count_predictions(table(tmp_path, "g,y,p\na,nurse,nurse\nb,nurse,surgeon\n"), audit())
    assert tally.labels == ("nurse", "surgeon")
    assert cells(tally)["b", "nurse", "surgeon"] == 1


def test_one_class_and_no_label_at_all_are_counted_as_what_they_are(tmp_path: Path) -> None:
    columns = replace(COLUMNS, positive="1")
    tally = count_predictions(table(tmp_path, "g,y,p\na,1,1\nb,1,1\n"), audit(columns))
    assert (tally.labels, tally.positive) == (("1",), "1")
    tally = count_predictions(table(tmp_path, "g,y,p\na,,1\nb,,1\n"), audit())
    assert (tally.truth == -1).all()
    assert tally.rows == 2


def test_a_column_of_scores_that_are_all_missing_is_all_nan(tmp_path: Path) -> None:
    columns = replace(COLUMNS, score="s", positive="1")
    tally = count_predictions(table(tmp_path, "g,y,p,s\na,1,1,NaN\nb,0,1,\n"), audit(columns))
    assert tally.score is not None
    assert np.isnan(tally.score).all()


def test_scores_and_clusters_are_kept_apart(tmp_path: Path) -> None:
    columns = replace(COLUMNS, score="s", positive="1", cluster="c")
    tally = count_predictions(table(tmp_path), audit(columns))
    assert tally.cluster is not None
    assert tally.score is not None
    assert tally.rows == 8
    assert len(tally.count) == 7  # the two rows of ann that are alike are one cell, that of eve is another
    assert len(set(tally.cluster.tolist())) == 5
    assert np.isnan(tally.score).sum() == 1


def test_a_threshold_predicts_the_positive_label_from_it_on(tmp_path: Path) -> None:
    columns = Columns(label="y", score="s", positive="1", groups=(("sex", "g"),))
    tally = count_predictions(table(tmp_path), audit(columns, threshold=0.7))
    assert cells(tally) == {
        ("women", "1", "1"): 3,
        ("women", "0", "1"): 1,
        ("men", "1", "0"): 1,
        ("men", None, None): 1,
        ("men", "0", "0"): 1,
        (None, "1", "0"): 1,
    }


def test_the_equal_error_threshold_makes_errors_equal(tmp_path: Path) -> None:
    """Of scores 0.1 to 1.0 the five lowest are negative but for one, the five highest positive but for one."""
    truth = [0, 0, 0, 0, 1, 0, 1, 1, 1, 1]
    text = "g,y,s\n" + "".join(f"{'ab'[i % 2]},{y},{(i + 1) / 10}\n" for i, y in enumerate(truth))
    columns = Columns(label="y", score="s", positive="1", groups=(("sex", "g"),))
    tally = count_predictions(table(tmp_path, text), audit(columns, threshold="equal-error"))
    counted = cells(tally)
    wrong = [sum(n for (_, y, p), n in counted.items() if (y, p) == pair) for pair in (("0", "1"), ("1", "0"))]
    assert wrong == [1, 1]


def test_no_equal_error_threshold_is_guessed_for_one_class(tmp_path: Path) -> None:
    columns = Columns(label="y", score="s", positive="1", groups=(("sex", "g"),))
    tally = count_predictions(table(tmp_path, "g,y,s\na,1,.5\nb,1,.7\n"), audit(columns, threshold="equal-error"))
    assert tally.prediction is not None
    assert (tally.prediction == -1).all()


def test_below_a_threshold_of_several_labels_another_prediction_stays(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", score="s", positive="a", groups=(("sex", "g"),))
    text = "g,y,p,s\nm,a,a,.9\nm,b,a,.4\nm,c,b,.1\nm,c,b,.8\n"
    tally = count_predictions(table(tmp_path, text), audit(columns, threshold=0.5))
    assert tally.labels == ("a", "b", "c", "not a")
    assert cells(tally) == {
        ("m", "a", "a"): 1,
        ("m", "b", "not a"): 1,
        ("m", "c", "b"): 1,
        ("m", "c", "a"): 1,
    }


def test_terms_tell_groups_that_overlap_or_are_none(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", text="t")
    terms = (("gender", (("men", ("he",)), ("women", ("she",)))),)
    text = "t,y,p\nHe met her,1,1\nshe and he,1,0\nThe theme,0,0\n,0,0\nShe said,1,1\n"
    tally = count_predictions(table(tmp_path, text), audit(columns, terms=terms))
    assert tally.attributes[0].overlapping
    assert tally.attributes[0].groups == ("men", "women")
    assert (tally.members[0] * tally.count[:, None]).sum(axis=0).tolist() == [2, 2]
    assert tally.rows == 5
    none = ~tally.members[0].any(axis=1)
    assert tally.count[none].sum() == 2


def test_several_attributes_are_counted_together(tmp_path: Path) -> None:
    columns = Columns(label="y", prediction="p", groups=(("sex", "g"), ("age", "a")))
    text = "g,a,y,p\nm,old,1,1\nm,young,1,1\nw,old,1,0\nw,old,1,0\nw,,1,0\n"
    tally = count_predictions(table(tmp_path, text), audit(columns))
    titles, inside = tally.groups(["sex", "age"])
    assert titles == ("w*old", "w*young", "m*old", "m*young")
    assert (inside * tally.count[:, None]).sum(axis=0).tolist() == [2, 0, 1, 1]


# -- what a model said -----------------------------------------------------------------------------------------------


def answers(labels: tuple[str, ...], prediction: list[int], score: list[float] | None = None) -> Answers:
    return Answers(
        labels=labels,
        prediction=np.array(prediction, dtype=np.int64),
        score=None if score is None else np.array(score),
    )


TEXTS = "t,g,y\nx,m,1\nx,m,0\nx,w,1\n,w,0\n"
ASKED = Columns(label="y", text="t", groups=(("sex", "g"),))


def test_answers_stand_beside_the_rows_in_their_order(tmp_path: Path) -> None:
    said = answers(("0", "1", "2"), [1, 2, 0, -1])
    tally = count_predictions(table(tmp_path, TEXTS), audit(ASKED), answers=said)
    assert tally.labels == ("0", "1", "2")
    assert cells(tally) == {("m", "1", "1"): 1, ("m", "0", "2"): 1, ("w", "1", "0"): 1, ("w", "0", None): 1}


def test_answers_of_another_number_of_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answered 3 rows, and there are 4"):
        count_predictions(table(tmp_path, TEXTS), audit(ASKED), answers=answers(("0", "1"), [1, 1, 0]))


def test_a_threshold_is_applied_to_the_model_and_to_the_one_it_is_compared_with(tmp_path: Path) -> None:
    mine = answers(("0", "1"), [0, 0, 0, -1], [0.45, 0.2, 0.1, float("nan")])
    theirs = answers(("0", "1"), [1, 0, 1, 0], [0.9, 0.42, 0.8, 0.3])
    columns = replace(ASKED, positive="1")
    tally = count_predictions(table(tmp_path, TEXTS), audit(columns, threshold=0.4), answers=mine, earlier=theirs)
    assert tally.prediction is not None
    assert tally.earlier is not None
    names = [*tally.labels, None]
    pairs = sorted((names[a] or "", names[b] or "") for a, b in zip(tally.prediction, tally.earlier, strict=True))
    assert pairs == [("", "0"), ("0", "1"), ("0", "1"), ("1", "1")]


def test_a_positive_label_that_only_the_classifier_knows_is_no_fault(tmp_path: Path) -> None:
    columns = replace(ASKED, positive="1")
    text = "t,g,y\nx,m,0\nx,w,0\n"
    tally = count_predictions(table(tmp_path, text), audit(columns), answers=answers(("0", "1"), [0, 0]))
    assert tally.labels == ("0", "1")
    assert (tally.truth == 0).all()


# -- frames ----------------------------------------------------------------------------------------------------------


def test_a_corpus_has_no_predictions_and_may_have_no_labels() -> None:
    corpus = CorpusAudit(
        id="a",
        kind="corpus",
        limits=(),
        data="t",
        sha256=None,
        columns=Columns(text="t"),
        terms=(("gender", (("men", ("he",)), ("women", ("she",)))),),
    )
    frame = pl.DataFrame(
        {term_column("gender", "men"): [True, False, True], term_column("gender", "women"): [False, False, True]}
    )
    tally = tally_of(frame.lazy(), corpus)
    assert tally.prediction is None
    assert tally.labels == ()
    assert tally.rows == 3
    counted = tally_of(frame.with_columns(pl.Series("count", [5, 2, 1])), corpus)
    assert counted.rows == 8
    assert (counted.members[0] * counted.count[:, None]).sum(axis=0).tolist() == [6, 1]


def test_the_parts_of_a_sharded_table_are_one(tmp_path: Path) -> None:
    for name, text in (("a.csv", "g,y,p\nm,1,1\n\n"), ("b.csv", "p,y,g\n0,1,w\n0,1,w\n"), ("c.csv", "g,y,p\n")):
        (tmp_path / name).write_text(text)
    paths = tuple(tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    file = TableFile(source="hub:x@1", paths=paths, format="csv", sha256="0", bytes=0)
    assert cells(count_predictions(file, audit())) == {("m", "1", "1"): 1, ("w", "1", "0"): 2}


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_path_with_the_signs_of_a_pattern_is_one_path(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    frame = pl.DataFrame({"g": ["m", "w"], "y": ["1", "0"], "p": ["1", "1"]})
    path = Table(frame=frame, columns=COLUMNS, source="t").write(folder / f"t{{a}}[b]{ending}")
    assert count_predictions(locate(path.name, beside=folder, sha256=None, offline=True), audit()).rows == 2
    assert read_table(path, COLUMNS).rows == 2


def test_a_head_of_several_lines_is_the_head(tmp_path: Path) -> None:
    text = '"a\nb",g,y,p\n"1\n2",m,1,1\n,w,0,1\n'
    assert cells(count_predictions(table(tmp_path, text), audit())) == {("m", "1", "1"): 1, ("w", "0", "1"): 1}


def test_compas_by_race_has_the_published_numbers_of_defendants(shared_data: Path) -> None:
    """Angwin et al. 2016: 3,696 African-American and 2,454 Caucasian defendants in the two-year table."""
    name = "compas_two_years_min.csv"
    file = locate(name, beside=shared_data / "compas", sha256=None, offline=True)
    columns = Columns(label="two_year_recid", score="decile_score", positive="1", groups=(("race", "race"),), id="id")
    tally = count_predictions(file, audit(columns, threshold=5))
    titles, inside = tally.groups(["race"])
    rows = dict(zip(titles, (inside * tally.count[:, None]).sum(axis=0).tolist(), strict=True))
    assert (titles[0], rows["African-American"], rows["Caucasian"], tally.rows) == (
        "African-American",
        3696,
        2454,
        7214,
    )
    assert tally.prediction is not None
    wrong = (tally.truth == 0) & (tally.prediction == 1) & inside[:, titles.index("African-American")]
    right = (tally.truth == 0) & inside[:, titles.index("African-American")]
    assert tally.count[wrong].sum() / tally.count[right].sum() == pytest.approx(0.4485, abs=5e-5)
