"""COMPAS through a context file and pytest: the error rates by race that Angwin et al. 2016 and Larson et al. 2016 published.

"How We Analyzed the COMPAS Recidivism Algorithm" (ProPublica, 23 May 2016): of defendants who did not re-offend within two
years 44.85 % of black and 23.45 % of white ones were labelled medium or high risk (score 5 or more); of those who did, 27.99 %
of black and 47.72 % of white ones were labelled low risk.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

PUBLISHED = {
    ("fpr_gap", "African-American"): 44.85,
    ("fpr_gap", "Caucasian"): 23.45,
    ("fnr_gap", "African-American"): 27.99,
    ("fnr_gap", "Caucasian"): 47.72,
}
TABLE = "compas_two_years_min.csv"
CONTEXT = """\
schema = 1

[context]
id = "bail"
title = "Scores before bail"
process = "A defendant gets a score; a judge sees it."
use = "Bail hearings."
affected = ["defendants"]
harms = ["people who would not re-offend are held"]
oversight = "The judge."
response = "The score is no longer shown."
owner = "court"
jurisdictions = ["US"]
language = "en"

[[audit]]
id = "scores"
kind = "classifier"
data = "compas_two_years_min.csv"
threshold = 5

[audit.columns]
label = "two_year_recid"
score = "decile_score"
positive = "1"
groups = { race = "race" }
groups_order = { race = ["Caucasian"] }

[audit.leave_out]
race = { Asian = "32 people", "Native American" = "18 people", Other = "several groups in one" }

[[audit.limit]]
id = "wrongly-high"
attribute = "race"
metric = "fpr_gap"
max = 0.05
rule = "lower"

[[audit.limit]]
id = "wrongly-low"
attribute = "race"
metric = "fnr_gap"
max = 0.05
rule = "lower"
"""


@pytest.fixture
def compas(project: Project, shared_data: Path) -> Project:
    table = shared_data / "compas" / TABLE
    if not table.is_file():
        pytest.skip(f"../shared/data/compas/{TABLE} is not there")
    for old in project.folder.glob("*.bias.toml"):
        old.unlink()
    shutil.copy(table, project.folder / TABLE)
    project.write("bail.bias.toml", CONTEXT)
    return project


def test_published_error_rates_by_race_come_back_and_fail_the_gate(compas: Project) -> None:
    evidence = compas.audited()
    (audit,) = evidence["audits"]
    found = {
        (estimate["metric"], name): group["rate"]
        for estimate in audit["estimates"]
        for name, group in estimate["by_group"].items()
        if estimate["metric"] in ("fpr_gap", "fnr_gap")
    }
    for key, percent in PUBLISHED.items():
        assert round(100 * found[key], 2) == percent
    gaps = {
        estimate["metric"]: estimate
        for estimate in audit["estimates"]
        if estimate["groups"] == ["Caucasian", "African-American"]
    }
    assert gaps["fpr_gap"]["value"] == pytest.approx(0.4485 - 0.2345, abs=1e-4)
    assert gaps["fnr_gap"]["value"] == pytest.approx(0.2799 - 0.4772, abs=1e-4)
    assert set(compas.verdicts(evidence).values()) == {"over"}
    # The same rows: 1,795 and 1,488 defendants who did not re-offend.
    assert {name: group["n"] for name, group in gaps["fpr_gap"]["by_group"].items()} == {
        "African-American": 1795,
        "Caucasian": 1488,
    }
