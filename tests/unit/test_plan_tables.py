"""`check` and `plan` of audits of labelled tables: what the table is, what its rows can show, and what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.planning.plan import plan_lines
from pytest_biasaudit.planning.preview import check_lines

HEAD = """
schema = 1
[context]
id = "screening"
title = "Screening"
process = "A classifier proposes."
use = "Daily."
affected = ["applicants"]
harms = ["fewer women are put forward"]
oversight = "A recruiter decides."
response = "Switched off."
owner = "people-team"
jurisdictions = ["EU"]
language = "en"
"""
PREDICTIONS = """
[[audit]]
id = "hired"
kind = "classifier"
data = "held_out.csv"
[audit.columns]
label = "label"
prediction = "said"
positive = "1"
groups = { sex = "sex" }
[[audit.limit]]
attribute = "sex"
metric = "tpr_gap"
max = MAX
[[audit.limit]]
metric = "accuracy"
min = 0.5
"""


def context_of(folder: Path, *, women: int, maximum: float = 0.5, audit: str = PREDICTIONS) -> Path:
    """A table of 400 men and some women, half of each with the label."""
    rows = [f"{at % 2},{at % 2},{'man' if at < 400 else 'woman'}" for at in range(400 + women)]
    (folder / "held_out.csv").write_text("label,said,sex\n" + "\n".join(rows) + "\n")
    path = folder / "screening.bias.toml"
    path.write_text(HEAD + audit.replace("MAX", str(maximum)))
    return path


def planned(path: Path) -> list[str]:
    return [line.strip() for line in plan_lines(read_context(path), power=0.8, evidence=None)]


def test_check_names_the_table_and_the_limits_and_says_that_no_model_is_asked(tmp_path: Path) -> None:
    lines = [line.strip() for line in check_lines(read_context(context_of(tmp_path, women=100)))]
    assert "audit hired (classifier; predictions are read from column said, no model is asked)" in lines
    assert any(line.startswith("data       held_out.csv: csv, ") for line in lines)
    assert any(line.endswith("(not declared: put it in sha256 to pin the data)") for line in lines)
    assert "sex-tpr_gap: tpr_gap by sex: at most 0.5 either way; rule upper, level 0.95" in lines


def test_plan_says_how_small_a_limit_the_smallest_cell_can_keep(tmp_path: Path) -> None:
    # Wilson at one half has half-width z/(2 sqrt(n + z^2)): .0680 of 200 men, .1337 of 50 women, together .1500.
    # Its standard error .1500 / 1.96 = .07653, times the quantile of .9, 1.2816: a limit of .248 is kept 8 times of 10.
    lines = planned(context_of(tmp_path, women=100))
    assert "rows       500" in lines
    assert "sex        400 man (reference), 100 woman; 0 of no known group" in lines
    (cell,) = [line for line in lines if line.startswith("smallest cell")]
    assert cell.startswith('smallest cell: label "1", woman, 50 rows against 200; interval of about +-0.15 at')
    assert "no gap at all is found within 0.5 with chance 0.8: that takes a limit of 0.248 or more" in lines


def test_plan_says_that_a_limit_is_closer_than_the_rows_can_show(tmp_path: Path) -> None:
    lines = planned(context_of(tmp_path, women=100, maximum=0.1))
    assert any(line.startswith("no gap at all cannot be found within 0.1 with chance 0.8") for line in lines)


def test_plan_says_beforehand_that_a_cell_is_too_small_to_measure(tmp_path: Path) -> None:
    lines = planned(context_of(tmp_path, women=12))
    assert 'label "1", woman: 6 rows and 200 of the reference: too few, so this limit would not be measured' in lines


def test_what_is_not_planned_is_said_to_be(tmp_path: Path) -> None:
    lines = planned(context_of(tmp_path, women=100))
    at = next(at for at, line in enumerate(lines) if line.startswith("accuracy"))
    assert lines[at + 1].startswith("not planned: ")


def test_a_table_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    path = context_of(tmp_path, women=100)
    (tmp_path / "held_out.csv").unlink()
    with pytest.raises(DataError, match=r"held_out\.csv"):
        check_lines(read_context(path))
