"""The shipped examples of labelled tables, as their owner would run them: with the plant the gates are red, without it green."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
GATES = {
    "cv_screening": (
        "screening",
        {"training-data[data]::gender-prevalence_gap", "screening[data]::gender-tpr_gap"},
    ),
    "comment_moderation": (
        "moderation",
        {"training-data[data]::identity-prevalence_gap", "moderation[data]::identity-fpr_gap"},
    ),
}


def run(project: Project, folder: str, context: str) -> pytest.RunResult:
    """Pytest on one context in a copy of the example's folder, where no model is declared."""
    shutil.copytree(EXAMPLES / folder, project.folder / folder)
    (project.folder / "biasaudit.toml").unlink()
    return project.run_apart(f"{folder}/{context}", "-rA")


@pytest.mark.parametrize("folder", GATES)
def test_with_the_plant_the_gates_for_data_and_classifier_fail(project: Project, folder: str) -> None:
    stem, gates = GATES[folder]
    result = run(project, folder, f"{stem}_planted.bias.toml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    failed = {line.partition("toml::")[2] for line in result.outlines if line.startswith("FAILED")}
    assert {name.partition(" ")[0] for name in failed} >= gates


@pytest.mark.parametrize("folder", GATES)
def test_after_re_balancing_every_gate_passes(project: Project, folder: str) -> None:
    stem, gates = GATES[folder]
    result = run(project, folder, f"{stem}_rebalanced.bias.toml")
    assert result.ret == pytest.ExitCode.OK, result.outlines[-40:]
    passed = {line.partition("toml::")[2] for line in result.outlines if line.startswith("PASSED")}
    assert passed >= gates


@pytest.mark.parametrize("folder", GATES)
def test_the_tables_are_those_that_their_script_writes(folder: str, tmp_path: Path) -> None:
    """All but the predictions: those need the encoder, and the real-model tests make them anew."""
    script = shutil.copy(EXAMPLES / folder / "make_tables.py", tmp_path)
    subprocess.run([sys.executable, str(script)], check=True)
    for name in ("train.csv", "train_rebalanced.csv"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / folder / name).read_bytes()
    written = rows(tmp_path / "held_out.csv")
    shipped = rows(EXAMPLES / folder / "held_out.csv")
    assert [{key: row[key] for key in written[0]} for row in shipped] == written


def test_the_plant_of_the_cvs_is_what_the_readme_says() -> None:
    counts = Counter((row["hired"], row["gender"]) for row in rows(EXAMPLES / "cv_screening" / "train.csv"))
    assert counts["1", "woman"] / (counts["1", "woman"] + counts["1", "man"]) == pytest.approx(0.2, abs=0.03)
    assert counts["0", "woman"] / (counts["0", "woman"] + counts["0", "man"]) == pytest.approx(0.8, abs=0.03)
    left = Counter((row["hired"], row["gender"]) for row in rows(EXAMPLES / "cv_screening" / "train_rebalanced.csv"))
    assert left["1", "woman"] == left["1", "man"] == counts["1", "woman"]
    assert left["0", "woman"] == left["0", "man"] == counts["0", "man"]


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV's rows."""
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))
