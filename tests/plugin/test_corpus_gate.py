"""A gate before anyone trains: pytest refuses a planted data set and lets a balanced one through, with no model declared."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

CONTEXT = """\
schema = 1

[context]
id = "hiring-data"
title = "What the screening model learns from"
process = "Past decisions train a model that sorts applications."
use = "Screening of applications for kitchen jobs."
affected = ["applicants"]
harms = ["women are passed over because they were before"]
oversight = "The data owner reads the report."
response = "The data are not used."
owner = "data"
jurisdictions = ["DE"]
language = "en"

[[audit]]
id = "training"
kind = "corpus"
data = "train.csv"
before = "old.csv"
window = 3

[audit.columns]
text = "cv"
label = "hired"
positive = "yes"
groups = { sex = "sex" }
groups_order = { sex = ["men", "women"] }

[audit.terms]
pronoun = { men = ["he", "his"], women = ["she", "her"] }

[audit.words]
kitchen = ["cook", "chef"]

[[audit.limit]]
id = "hired-by-sex"
attribute = "sex"
metric = "prevalence_gap"
max = 0.1

[[audit.limit]]
id = "hired-by-pronoun"
attribute = "pronoun"
metric = "pmi"
max = 0.3

[[audit.limit]]
id = "words"
attribute = "pronoun"
metric = "word_rate_ratio"
max = 1.25

[[audit.limit]]
id = "enough-women"
attribute = "sex"
metric = "group_share"
min = 0.4

[[audit.limit]]
id = "nothing-missing"
metric = "missing_share"
max = 0.02

[[audit.limit]]
id = "no-worse"
attribute = "sex"
metric = "prevalence_gap"
versus = "before"
max_increase = 0.1
"""


def table(hired: dict[str, int], *, each: int = 1000, missing: int = 0) -> str:
    """So many applicants of either sex, of whom so many were hired; every third is a cook."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["cv", "hired", "sex"])
    for sex, said in (("men", "He"), ("women", "She")):
        for at in range(each):
            job = "cook" if at % 3 == 0 else "waiter"
            rows.writerow([f"{said} was a {job} in a hotel.", "yes" if at < hired[sex] else "no", sex])
    for _ in range(missing):
        rows.writerow(["A cook.", "", ""])
    return out.getvalue()


BALANCED = table({"men": 400, "women": 400})


@pytest.fixture
def gate(project: Project) -> Project:
    """A project with this one context and no model."""
    (project.folder / "biasaudit.toml").unlink()
    for old in project.folder.glob("*.bias.toml"):
        old.unlink()
    project.write("hiring.bias.toml", CONTEXT)
    project.write("old.csv", BALANCED)
    return project


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """By limit, what pytest said."""
    found = {}
    for line in result.outlines:
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED") and "::" in rest:
            found[rest.split("::")[-1].partition(" ")[0]] = word
    return found


def test_a_balanced_data_set_passes(gate: Project) -> None:
    gate.write("train.csv", BALANCED)
    result = gate.run_apart("hiring.bias.toml", "-rA")
    said = outcomes(result)
    assert result.ret == 0, result.outlines
    assert len(said) == 6
    assert set(said.values()) == {"PASSED"}
    assert any("training[data]" in line for line in result.outlines)


def test_a_planted_data_set_fails_where_the_plant_is(gate: Project) -> None:
    gate.write("train.csv", table({"men": 600, "women": 200}))
    result = gate.run_apart("hiring.bias.toml", "-rA")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(result) == {
        "hired-by-sex": "FAILED",  # 0.2 - 0.6
        "hired-by-pronoun": "FAILED",  # ln(0.1 / (0.5 * 0.4)) = -0.69
        "words": "PASSED",
        "enough-women": "PASSED",
        "nothing-missing": "PASSED",
        "no-worse": "FAILED",  # 0.4 more than before
    }


def test_what_is_missing_is_no_pass(gate: Project) -> None:
    gate.write("train.csv", table({"men": 400, "women": 0}, missing=200).replace(",women", ",men"))
    result = gate.run_apart("hiring.bias.toml", "-rA")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = outcomes(result)
    # Nobody is a woman any more: no gap is left to measure, and nothing about it passes.
    assert {said[name] for name in ("hired-by-sex", "no-worse", "enough-women", "nothing-missing")} == {"FAILED"}


@pytest.mark.parametrize("later", [True, False])
def test_a_group_that_is_left_out_may_be_in_one_version_only(later: bool, gate: Project) -> None:
    order = 'groups_order = { sex = ["men", "women"] }\n'
    left = '[audit.leave_out]\nsex = { unsaid = "nothing can be said of them" }\n\n[audit.words]'
    context = CONTEXT.replace(order, "", 1).replace("window = 3\n", f"window = 3\n{order}")
    gate.write("hiring.bias.toml", context.replace("[audit.words]", left))
    more = BALANCED + "He was a cook.,yes,unsaid\n"
    gate.write("train.csv", more if later else BALANCED)
    gate.write("old.csv", BALANCED if later else more)
    gate.run("hiring.bias.toml").assert_outcomes(passed=6)
