"""One cell by hand: shares and odds of a table of ten rows, gaps and accuracy of known predictions, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, PlanError
from pytest_biasaudit.mitigation.study.cell import (
    groups_of,
    labels_of,
    measured_cell,
    prevalences,
    tally_of_answers,
)
from pytest_biasaudit.mitigation.study.run import redrawn
from pytest_biasaudit.settings import Settings
from pytest_biasaudit.studying import read_tables, study
from pytest_biasaudit.tables.answers import Answers
from pytest_biasaudit.tables.table import Table, read_table
from tests.word_workshop import COLUMNS, PLANTED, Words, WordWorkshop, a_plan, write_tables

HEAD = "said,work,sex"


def a_table(folder: Path, rows: list[tuple[str, str, str]], name: str = "t.csv", *, more: str = "") -> Table:
    lines = [HEAD + more, *(",".join(row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_table(folder / name, COLUMNS)


def test_shares_and_odds_are_those_of_the_rows(tmp_path: Path) -> None:
    rows = [("x", "baker", "w")] * 1 + [("x", "baker", "m")] * 3 + [("x", "dyer", "w")] * 5 + [("x", "dyer", "")] * 2
    found = prevalences(a_table(tmp_path, rows), "sex", [("baker", "w"), ("dyer", "w"), ("tailor", "w")])
    baker, dyer, tailor = found
    assert (baker.share, baker.rows) == (0.25, 4)
    assert baker.log_odds == pytest.approx(math.log(1.5 / 3.5))
    assert (dyer.share, dyer.rows) == (1.0, 5), "rows of no known group are in no share"
    assert dyer.log_odds == pytest.approx(math.log(5.5 / 0.5))
    assert baker.overall == dyer.overall == pytest.approx(6 / 9)
    assert (tailor.share, tailor.log_odds, tailor.rows) == (None, None, 0)


def test_weights_count_in_a_share(tmp_path: Path) -> None:
    rows = [("x", "baker", "w", "3"), ("x", "baker", "m", "1"), ("x", "dyer", "m", "2")]
    table = a_table(tmp_path, rows, more=",weight")  # type: ignore[arg-type]  # a column more
    (found,) = prevalences(table, "sex", [("baker", "w")])
    assert found.share == pytest.approx(0.75)
    assert found.overall == pytest.approx(0.5)


def test_a_cell_s_gaps_and_accuracy_are_those_of_its_predictions(tmp_path: Path) -> None:
    """Baker: of 10 women 4 right, of 10 men 9; dyer: all right but one woman's row without an answer."""
    rows = [("x", label, sex) for label in ("baker", "dyer") for sex in "wm" for _ in range(10)]
    test = a_table(tmp_path, rows)
    said = [0] * 4 + [1] * 6 + [0] * 9 + [1] * 1 + [1] * 9 + [-1] + [1] * 10
    answers = Answers(labels=("baker", "dyer"), prediction=np.array(said), score=None)
    plan = a_plan(tmp_path, minimum=5)
    tally = tally_of_answers(plan, test, answers, reference="m", groups=("w",))
    cell = measured_cell(
        plan, tally, test, test, reference="m", groups=("w",), labels=("baker", "dyer"), upstream="none", data="none",
        seed=0, pretrained=True, scores={("baker", "w"): 0.2},
    )  # fmt: skip
    baker, dyer = cell.units
    assert baker.gap.value == pytest.approx(0.4 - 0.9)
    assert baker.gap.interval is not None
    assert (baker.upstream, dyer.upstream) == (0.2, None)
    assert dyer.gap.value is not None
    assert cell.rms.value == pytest.approx(math.sqrt((0.5**2 + dyer.gap.value**2) / 2))
    assert cell.accuracy.value is not None
    assert cell.accuracy.value == pytest.approx(32 / 39), "of the rows with an answer"
    assert tally.rows == 40


def test_a_label_with_too_few_rows_has_no_gap_and_says_so(tmp_path: Path) -> None:
    rows = [
        ("x", label, sex) for label in ("baker", "dyer") for sex in "wm" for _ in range(3 if label == "dyer" else 12)
    ]
    test = a_table(tmp_path, rows)
    answers = Answers(labels=("baker", "dyer"), prediction=np.zeros(30, dtype=np.int64), score=None)
    plan = a_plan(tmp_path)
    tally = tally_of_answers(plan, test, answers, reference="m", groups=("w",))
    cell = measured_cell(
        plan, tally, test, test, reference="m", groups=("w",), labels=("baker", "dyer"), upstream="none", data="none",
        seed=0, pretrained=True, scores={},
    )  # fmt: skip
    assert cell.units[1].gap.value is None
    assert cell.units[1].gap.reason
    assert cell.rms.value == pytest.approx(0.0)
    assert "dyer, w" in cell.rms.reason


def test_the_largest_group_is_the_reference_unless_the_plan_says(tmp_path: Path) -> None:
    table = a_table(tmp_path, [("x", "baker", "w")] * 3 + [("x", "dyer", "m")] * 2 + [("x", "dyer", "d")])
    assert groups_of(a_plan(tmp_path, groups=()), table, table) == ("w", ("m", "d"))
    assert groups_of(a_plan(tmp_path, groups=("m", "w")), table, table) == ("m", ("w",))
    with pytest.raises(DataError, match=r"no row of t\.csv is of group 'x'"):
        groups_of(a_plan(tmp_path, groups=("m", "x")), table, table)
    one = a_table(tmp_path, [("x", "baker", "w"), ("x", "dyer", "w")], "one.csv")
    with pytest.raises(DataError, match=r"has 1 \(w\)"):
        groups_of(a_plan(tmp_path, groups=()), one, one)


def test_a_label_that_nobody_can_learn_is_refused(tmp_path: Path) -> None:
    train = a_table(tmp_path, [("x", "baker", "w"), ("x", "dyer", "m")], "train.csv")
    test = a_table(tmp_path, [("x", "baker", "w"), ("x", "tailor", "m")], "test.csv")
    with pytest.raises(DataError, match=r"label 'tailor' of test.csv is in no row of train.csv"):
        labels_of(a_plan(tmp_path), train, test)
    assert labels_of(a_plan(tmp_path), train, train) == ("baker", "dyer")


def test_rows_drawn_anew_keep_every_label_and_group(tmp_path: Path) -> None:
    write_tables(tmp_path)
    table = read_table(tmp_path / "train.csv", COLUMNS)
    drawn = redrawn(table, "sex", 1)
    units = [(label, "w") for label in PLANTED]
    assert prevalences(drawn, "sex", units) == prevalences(table, "sex", units)
    assert set(drawn.texts) < set(table.texts)
    assert redrawn(table, "sex", 1).digest == drawn.digest != redrawn(table, "sex", 2).digest


def test_a_study_whose_held_out_rows_are_all_learnt_from_is_refused(tmp_path: Path) -> None:
    write_tables(tmp_path)
    (tmp_path / "test.csv").write_bytes((tmp_path / "train.csv").read_bytes())
    with pytest.raises(PlanError, match="nothing is held out"):
        read_tables(a_plan(tmp_path), seed=0, offline=True)


def test_the_plant_is_found_and_the_levers_on_data_shrink_it(tmp_path: Path) -> None:
    write_tables(tmp_path, train=80, test=60)
    result = study(a_plan(tmp_path, seeds=5), Words(), settings=Settings(root=tmp_path), workshop=WordWorkshop())
    base = {row.label: row for row in result.units if (row.upstream, row.data) == ("none", "none")}
    gaps = [base[label].gap.value for label in sorted(PLANTED, key=PLANTED.__getitem__)]
    assert [base[label].prevalence for label in PLANTED] == pytest.approx(list(PLANTED.values()))
    assert gaps == sorted(gaps, key=lambda gap: gap or 0.0)
    assert gaps[0] is not None
    assert gaps[-1] is not None
    assert gaps[0] < -0.3 < 0.3 < gaps[-1]
    for lever in ("down-sample", "scrub where=both"):
        row = result.lever(data=lever)
        assert row.helped == "helped"
        assert row.change.interval is not None
        assert row.change.interval.high < 0
    assert result.cell(seed=0).data == "none"
    with pytest.raises(KeyError, match=r"there are upstream 'none', 'noise sigma=0\.5'"):
        result.lever(upstream="wind")
