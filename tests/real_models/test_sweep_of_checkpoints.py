"""Five checkpoints of a training by three recipes and none, killed and resumed: nothing asked twice, tables and picture right.

The model learns words first and the planted association later, so skill and bias rise one after the other, and a child
of two bits a weight is able later than its parent. Expected figures are worked out here from the evidence's bare estimates.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest
from scipy.stats import kendalltau

from pytest_biasaudit.records.evidence import Evidence, read_evidence
from pytest_biasaudit.report.checkpoint_text import checkpoint_lines
from pytest_biasaudit.report.checkpoints import CheckpointTable, checkpoint_tables
from pytest_biasaudit.report.pareto import pareto_panels
from tests.planted_checkpoints import STEPS, checkpoints_in, stereoset_of_two_axes
from tests.planted_sets import HEAD

pytestmark = [pytest.mark.real_model, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
RECIPES = ("int8", "int2", "sparse")
POINTS = [f"tiny@{step}{recipe}" for step in STEPS for recipe in ("", *(f"+{name}" for name in RECIPES))]
KILLED_AFTER = 7
"""Items that have passed when the first run is killed: one model's child is then being asked."""

TABLE = f"""
[models.tiny]
source = "runs/step-{{revision}}"
kind = "masked"

[sweep]
models = ["tiny"]
revisions = {json.dumps([str(step) for step in STEPS])}
contexts = ["planted.bias.toml"]

[sweep.recipes]
int8 = [{{ quantize = "rtn", bits = 8 }}]
int2 = [{{ quantize = "rtn", bits = 2 }}]
sparse = [{{ prune = "magnitude", sparsity = 0.7 }}]
"""
CONTEXT = f"""{HEAD}
[[audit]]
id = "stereoset"
kind = "stereoset"
data = "stereoset.json"

[[audit.limit]]
metric = "ss"
max = 49
rule = "lower"
"""


@dataclass(frozen=True)
class Swept:
    """The folder after both runs."""

    folder: Path
    answered: int
    """Answers in the journal when the first run was killed."""
    kept: int
    """Answers in it after the second."""
    evidence: Evidence

    @property
    def table(self) -> CheckpointTable:
        """The one table of checkpoints."""
        (table,) = checkpoint_tables(self.evidence)
        return table

    def figure(self, model: str, metric: str, axis: str = "") -> float:
        """A bare estimate, from the file."""
        raw = json.loads((self.folder / "evidence.json").read_text(encoding="utf-8"))
        (audit,) = (one for one in raw["audits"] if one["model"] == model)
        groups = [axis] if axis else []
        value: float = next(
            one["value"]
            for one in audit["estimates"]
            if (one["metric"], one["groups"], one["versus"]) == (metric, groups, None)
        )
        return value


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """A module of Python's run in the folder, its output as lines."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {"BIASAUDIT_CACHE": str(folder / "cache"), "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", *command], cwd=folder, env={**inherited, **settings}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def answers_in(folder: Path) -> int:
    """How many answers the journal holds."""
    with closing(sqlite3.connect(folder / "cache" / "journal.sqlite")) as journal:
        count: int = journal.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
    return count


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Swept:
    """The sweep killed in its middle, then run again to its end."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "runs").symlink_to(checkpoints_in(model_cache), target_is_directory=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "biasaudit.toml").write_text(TABLE, encoding="utf-8")
    (folder / "planted.bias.toml").write_text(CONTEXT, encoding="utf-8")
    (folder / "stereoset.json").write_text(stereoset_of_two_axes(), encoding="utf-8")
    installed = any(point.value == "pytest_biasaudit.plugin" for point in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "pytest_biasaudit.plugin")
    command = ("pytest", *plugin, "-v", "--biasaudit-observe", "--biasaudit-json=evidence.json")
    first = start(folder, *command)
    assert first.stdout is not None
    said = ""
    for line in first.stdout:
        said += line
        if said.count(" PASSED") == KILLED_AFTER:
            break
    first.kill()
    first.communicate()
    assert said.count(" PASSED") == KILLED_AFTER, said[-3000:]
    assert not (folder / "evidence.json").exists()
    answered = answers_in(folder)
    second = start(folder, *command, "--biasaudit-html=report.html")
    said, _ = second.communicate(timeout=240)
    assert second.returncode == 0, said[-3000:]
    evidence = read_evidence(folder / "evidence.json")
    return Swept(folder=folder, answered=answered, kept=answers_in(folder), evidence=evidence)


def test_every_point_is_audited_and_knows_its_place(swept: Swept) -> None:
    placed = {one.name: one.point for one in swept.evidence.models}
    assert sorted(placed) == sorted(POINTS)
    assert [name for name, _ in sorted(placed.items(), key=lambda one: one[1].place if one[1] else -1)] == POINTS
    by_digest = {one.digest: one.name for one in swept.evidence.models}
    children = [one for one in swept.evidence.models if one.parent is not None]
    assert all(by_digest[one.parent_digest or ""] == one.parent == one.name.partition("+")[0] for one in children)
    assert len(children) == len(STEPS) * len(RECIPES)


def test_what_was_answered_before_the_kill_is_recalled_and_nothing_is_asked_twice(swept: Swept) -> None:
    asked = sum(one.asked for one in swept.evidence.audits)
    recalled = sum(one.recalled for one in swept.evidence.audits)
    assert swept.answered > 0
    assert asked == swept.kept - swept.answered
    assert recalled == swept.answered
    whole = {one.asked + one.recalled for one in swept.evidence.audits}
    assert len(whole) == 1  # every point is asked the same
    done = set(POINTS[:KILLED_AFTER])
    assert all(one.asked == 0 for one in swept.evidence.audits if one.model.name in done)


def best(swept: Swept, recipe: str) -> int:
    """The first step with the highest LM score, from the bare estimates."""
    suffix = f"+{recipe}" if recipe else ""
    return max(STEPS, key=lambda step: swept.figure(f"tiny@{step}{suffix}", "lms"))


def test_the_table_names_the_best_step_of_each_recipe_and_what_bias_is_there(swept: Swept) -> None:
    assert best(swept, "") < best(
        swept, "int2"
    )  # two bits a weight: able later, as in the study's direction turned round
    rows = {(row.recipe, row.at.split(" (")[0]): row for row in swept.table.rows}
    for recipe in ("", *RECIPES):
        step, name = best(swept, recipe), recipe or "uncompressed"
        row = next(row for (known, at), row in rows.items() if known == name and at in ("its best", "best of both"))
        suffix = f"+{recipe}" if recipe else ""
        assert row.revision == str(step)
        titles = [column.title for column in swept.table.columns]
        assert titles == ["gender", "profession", "all", "LM score"]
        scores = {title: cell.score for title, cell in zip(titles, row.cells, strict=True)}
        model = f"tiny@{step}{suffix}"
        assert scores["LM score"] == swept.figure(model, "lms")
        assert scores["all"] == swept.figure(model, "ss")
        assert scores["gender"] == swept.figure(model, "ss", "gender")
        assert all(cell.interval is not None for cell in row.cells)
    crossed = rows["int2", "best of uncompressed"], rows["uncompressed", "best of int2"]
    assert [row.revision for row in crossed] == [str(best(swept, "")), str(best(swept, "int2"))]


def test_a_childs_change_has_a_paired_interval_around_it(swept: Swept) -> None:
    row = next(row for row in swept.table.rows if (row.recipe, row.at) == ("int2", "best of uncompressed"))
    cell = row.cells[-1]
    step = row.revision
    assert cell.change == pytest.approx(swept.figure(f"tiny@{step}+int2", "lms") - swept.figure(f"tiny@{step}", "lms"))
    assert cell.change_interval is not None
    assert cell.change is not None
    assert cell.change_interval.low < cell.change < cell.change_interval.high


def test_tau_c_of_each_series_is_scipys(swept: Swept) -> None:
    found = {(one.recipe, one.column, one.of): one for one in swept.table.trends}
    for recipe in ("", "int2"):
        suffix = f"+{recipe}" if recipe else ""
        skill, bias = ([swept.figure(f"tiny@{step}{suffix}", metric) for step in STEPS] for metric in ("lms", "ss"))
        trend = found[recipe or "uncompressed", "all", "score"]
        assert trend.left_out == ()
        expected = kendalltau(skill, bias, variant="c", alternative="greater")
        assert trend.found.tau == pytest.approx(expected.statistic)
        assert trend.found.p == pytest.approx(expected.pvalue)


def test_the_pareto_panel_holds_every_point_with_its_frontier(swept: Swept) -> None:
    panel = next(one for one in pareto_panels(swept.table) if one.title == "all")
    figures = {name: (swept.figure(name, "lms"), abs(swept.figure(name, "ss") - 50.0)) for name in POINTS}
    drawn = {one.model: (one.skill, one.distance) for one in panel.points}
    assert set(drawn) | set(panel.left_out) == set(POINTS)
    for name, pair in drawn.items():
        assert pair == pytest.approx(figures[name])
    unbeaten = {
        name
        for name, (able, away) in drawn.items()
        if not any(a >= able and b <= away and (a, b) != (able, away) for a, b in drawn.values())
    }
    assert {one.model for one in panel.frontier} == unbeaten
    assert all(one.distance_ends is not None and one.skill_ends is not None for one in panel.points)


def test_tables_and_pictures_are_in_the_report_and_on_the_command_line(swept: Swept) -> None:
    page = (swept.folder / "report.html").read_text(encoding="utf-8")
    section = re.split(r'<section id="(?!study)', page[page.index('<section id="study"') :])[0]
    pictures = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", section, re.DOTALL)]
    titles = [picture.findtext("{http://www.w3.org/2000/svg}title") or "" for picture in pictures]
    assert [title.partition(":")[0] for title in titles] == [
        *["LM score against bias"] * 3,
        "Stereotype score (StereoSet) over checkpoints",
    ]
    description = pictures[2].findtext("{http://www.w3.org/2000/svg}desc") or ""
    assert all(name in description for name in POINTS)
    for text in (
        "The best step of each series by LM score",
        "Kendall&#39;s tau-c of utility and bias over checkpoints",
    ):
        assert text in section
    shown = start(swept.folder, "pytest_biasaudit", "tables", "evidence.json").communicate(timeout=120)[0]
    for line in checkpoint_lines([swept.table])[:6]:
        assert line in shown
