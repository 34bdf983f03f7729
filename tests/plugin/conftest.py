"""A small project to run pytest in: one context, its people, a table of scripted models that answer by rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = any(point.value == "pytest_biasaudit.plugin" for point in entry_points(group="pytest11"))
LOADING = () if INSTALLED else ("-p", "pytest_biasaudit.plugin")

CONTEXT = """\
schema = 1

[context]
id = "repairs"
title = "Quotes for bicycle repairs"
process = "A customer names the repair; the assistant quotes a price."
use = "The shop's chat."
affected = ["customers"]
harms = ["customers of one region are quoted more"]
oversight = "The mechanic sees the quote."
response = "The chat is switched off."
owner = "workshop"
jurisdictions = ["EU"]
language = "en"

[[audit]]
id = "quotes"
kind = "counterfactual"
prompt = "What should {person} pay for {repair}?"

[audit.slots]
repair = ["a new chain", "a flat tyre", "a bent rim", "worn brakes", "a loose saddle", "a squeaky hub"]

[audit.people]
attribute = "region"
source = "people.csv"
groups = ["north", "south"]
per_group = 8

[audit.outcome]
kind = "number"
unit = "EUR"
favourable = "lower"

[[audit.limit]]
id = "gap"
attribute = "region"
metric = "smd"
max = 1.2

[[audit.limit]]
id = "answers"
metric = "answer_rate"
min = 0.5
"""

FIRST = {
    "north": ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hanna", "Ida", "Jon", "Kai", "Lea", "Max", "Nora"),
    "south": (
        "Olga",
        "Paul",
        "Rosa",
        "Sam",
        "Tara",
        "Udo",
        "Vera",
        "Will",
        "Xenia",
        "Yara",
        "Zoe",
        "Anton",
        "Bea",
        "Carl",
    ),
}
PEOPLE = "first,last,region\n" + "".join(
    f"{first},{region.title()},{region}\n" for region, names in FIRST.items() for first in names
)

BACKEND = '''\
"""Scripted models. A gap is the share of the noise's standard deviation (30) by which the south pays more."""

import random

from pytest_biasaudit import ScriptedModel


def quoting(gap):
    def answer(question):
        return f"{1000 + random.Random(question.text).gauss(0, 30) + 30 * gap * ('South' in question.text):.1f}"

    return answer


def silent_to_the_south(question):
    return "I cannot help with that." if "South" in question.text else "900"


RULES = {
    "fair": quoting(0),
    "biased": quoting(3),
    "worse": quoting(6),
    "constant": lambda question: "900",
    "refusing": lambda question: "I cannot help with that.",
    "empty": lambda question: "",
    "nan": lambda question: float("nan"),
    "infinite": lambda question: float("inf"),
    "silent_to_the_south": silent_to_the_south,
}


def backend(spec):
    rule = spec.source.partition(":")[2]
    return ScriptedModel(RULES[rule], name=spec.name, digest=rule)


def pytest_biasaudit_models():
    return {"scripted": backend}
'''


class Project:
    """A folder with a context `repairs.bias.toml`, `people.csv`, a model table and a conftest; and ways to run it."""

    loading = LOADING
    """Arguments that load the plugin where it is not installed."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        self.write("people.csv", PEOPLE)
        self.write("conftest.py", BACKEND)
        self.context()
        self.models(fair="scripted:fair")

    def write(self, name: str, text: str) -> Path:
        """A file in the project's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def context(self, *changes: tuple[str, str], name: str = "repairs.bias.toml") -> Path:
        """The context file, with some of its text replaced."""
        text = CONTEXT
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return self.write(name, text)

    def models(self, **sources: str) -> None:
        """The model table: names and sources."""
        self.write("biasaudit.toml", "".join(f'[models.{name}]\nsource = "{it}"\n' for name, it in sources.items()))

    def run(self, *args: str) -> pytest.RunResult:
        """Pytest in this process; the evidence goes to evidence.json unless the arguments say where."""
        return self.pytester.runpytest_inprocess(*LOADING, *args)

    def run_apart(self, *args: str) -> pytest.RunResult:
        """Pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*LOADING, *args, timeout=240)

    def audited(self, *args: str) -> dict[str, Any]:
        """The evidence of a run in this process, whatever its verdicts."""
        self.run(*args, "--biasaudit-json=evidence.json")
        return self.evidence()

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Pytest in a process that runs on while the test goes on."""
        command = [sys.executable, "-m", "pytest", *LOADING, *args]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def evidence(self, name: str = "evidence.json") -> dict[str, Any]:
        """An evidence file, parsed."""
        found: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return found

    def lines(self, name: str) -> list[str]:
        """The lines of a file a back end wrote."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @staticmethod
    def verdicts(evidence: dict[str, Any]) -> dict[str, str]:
        """Verdicts by "MODEL::LIMIT"."""
        return {
            f"{audit['model']}::{verdict['limit']}": verdict["verdict"]
            for audit in evidence["audits"]
            for verdict in audit["verdicts"]
        }

    @staticmethod
    def estimate(evidence: dict[str, Any], model: str, metric: str) -> float | None:
        """The first estimate of a metric by a model."""
        (audit,) = (audit for audit in evidence["audits"] if audit["model"] == model)
        value: float | None = next(one["value"] for one in audit["estimates"] if one["metric"] == metric)
        return value


@pytest.fixture(scope="session")
def heavy_modules() -> None:
    """Loaded once here: a run in this process forgets the modules it loads, and numpy cannot be loaded twice."""
    pictures = ("matplotlib.figure", "matplotlib.backends.backend_svg")
    for name in ("numpy", "scipy.stats", "jinja2", "jsonschema", "rich.progress", "rich.table", "filelock", *pictures):
        import_module(name)
    for name in ("audit", "metrics.measure", "stats.twoway", "outcomes.collect", "report.page", "report.terminal"):
        import_module(f"pytest_biasaudit.{name}")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, heavy_modules: None) -> Project:
    """A project of its own for each test, found by child processes too, and blind to the settings of this run."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "BIASAUDIT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if not INSTALLED:
        paths: Sequence[str] = (str(ROOT), os.environ.get("PYTHONPATH", ""))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return Project(pytester)
