"""Every printed figure of a benchmark follows from the answers: recomputed from the evidence alone, by code that is not ours.

All eight kinds, put to models that answer by rule: a causal and a masked one with children that answer partly or wholly
alike, one at chance and one that often gives no number. Items without a value, ties, missing vectors and tables with holes
are among them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_biasaudit import Auditor, Settings
from pytest_biasaudit.context.benchmark import BENCHMARKS
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.records.codec import audit_to_plain
from pytest_biasaudit.records.evidence import assemble, write_evidence
from pytest_biasaudit.records.provenance import Environment, RunInfo
from tests.numeric.recompute_sample import write_data
from tests.numeric.ruled_models import models

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("recompute.py")
OF_BENCHMARKS = {name: metric for name, metric in METRICS.items() if metric.items is not None}
AUDITS = (
    ("crows", "crows-pairs", 'data = "crows.csv"\nminimum = 14'),
    ("crows-own", "crows-pairs", 'data = "crows.jsonl"'),
    ("crows-causal", "crows-pairs", 'data = "crows.jsonl"\nscore = "causal"\naxes = ["age", "kin"]\nminimum = 10'),
    ("crows-bench", "crows-pairs", 'data = "crows.csv"\nscore = "bias-bench"'),
    ("stereoset", "stereoset", 'data = "stereoset.json"\nminimum = 10'),
    ("stereoset-inter", "stereoset", 'data = "stereoset.json"\ntask = "intersentence"\nminimum = 10'),
    ("seat", "seat", 'data = "words.toml"\np = "two-sided"'),
    ("seat-control", "seat", 'data = "words.toml"\naxes = ["colour", "control"]\npooling = "cls"'),
    ("weat", "weat", 'data = "words.toml"\nddof = 0\npermutations = 999'),
    ("bbq", "bbq", 'data = "bbq"'),
    ("bbq-written", "bbq", 'data = "bbq"\nanswer = "generation"\nminimum = 20'),
    ("winobias", "winobias", 'data = "winobias"\nminimum = 10'),
    ("winogender", "winogender", 'data = "winogender"\nminimum = 6'),
    ("winogender-one", "winogender", 'data = "one-occupation.tsv"\nminimum = 2'),
    ("labels", "log-probability", 'data = "labels.toml"'),
)
HEAD = """
schema = 1
[context]
id = "recomputed"
title = "Figures to recompute"
process = "A model answers."
use = "In tests."
affected = ["nobody"]
harms = ["none"]
oversight = "Tests."
response = "They fail."
owner = "tests"
jurisdictions = ["EU"]
language = "en"
"""


def declared(id: str, kind: str, settings: str) -> str:
    """An audit with a limit on every figure and every change of it, at other levels than the usual one."""
    text = f'[[audit]]\nid = "{id}"\nkind = "{kind}"\n{settings}\n'
    for metric in METRICS.values():
        if kind not in metric.kinds:
            continue
        for split in metric.split_by:
            named = f'metric = "{metric.name}"\n' + (f'attribute = "{split}"\n' if split else "")
            bound = "max = 0.5" if metric.judged == "distance" else "min = 0.5"
            text += f"[[audit.limit]]\n{named}{bound}\nlevel = 0.8\n"
            if metric.change is not None:
                text += f'[[audit.limit]]\n{named}versus = "parent"\nmax_increase = 0.1\nlevel = 0.9\n'
            if metric.recovery is not None:
                text += f'[[audit.limit]]\nid = "{metric.name}-{split}-kept"\n{named}versus = "parent"\nmin_recovery = 0.8\n'
    return text


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evidence file of every audit by every model."""
    folder = tmp_path_factory.mktemp("recomputed")
    known = re.sub(r"[^\w. ]", " ", write_data(folder))
    file = folder / "recomputed.bias.toml"
    file.write_text(HEAD + "".join(declared(*one) for one in AUDITS), encoding="utf-8")
    audits, identities = [], []
    with Auditor(Settings(seed=5, noise_floor=True)) as auditor:
        context = auditor.read(file)
        for model in models(known):
            identities.append(model.identity)
            for audit in context.audits:
                audits.append(audit_to_plain(auditor.run(context, audit=audit.id, model=model).record))
    run = RunInfo(
        seed=5,
        command="pytest",
        created="2026-11-21T23:05:00Z",
        tool_version="0",
        environment=Environment(python="3", platform="p", machine="m", cpu_count=1, packages=()),
        git=None,
    )
    path = folder / "evidence.json"
    write_evidence(path, assemble(audits, [context], identities, run=run))
    return path


def recomputed(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False)


def estimates_of(path: Path) -> list[dict[str, Any]]:
    return [one for audit in json.loads(path.read_text())["audits"] for one in audit["estimates"]]


def test_every_figure_of_a_benchmark_follows_from_its_items(evidence: Path) -> None:
    run = recomputed(evidence)
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(run.stdout.split()[0]) > 10_000
    assert "of drawn partitions within Monte Carlo error" in run.stdout


def test_the_evidence_has_every_figure_with_its_interval_and_every_change(evidence: Path) -> None:
    audits = json.loads(evidence.read_text())["audits"]
    assert {audit["kind"] for audit in audits} == set(BENCHMARKS)
    estimates = estimates_of(evidence)
    assert {one["metric"] for one in estimates if one["low"] is not None} == set(OF_BENCHMARKS)
    changed = {one["metric"] for one in estimates if one["versus"] and one["low"] is not None}
    assert changed == {
        name for name, metric in OF_BENCHMARKS.items() if metric.change is not None or metric.recovery is not None
    }
    kept = {one["metric"] for one in estimates if one["shows"] == "recovery" and one["low"] is not None}
    assert kept == {name for name, metric in OF_BENCHMARKS.items() if metric.recovery is not None}
    assert any(one["moved"] for one in estimates)
    assert any(one["noise"] is not None and one["noise"]["changed"] for one in estimates)


def test_the_evidence_has_what_is_not_measured_and_what_is_not_usable(evidence: Path) -> None:
    estimates = estimates_of(evidence)
    assert any(one["value"] is None for one in estimates)
    assert any(one["value"] is not None and one["low"] is None for one in estimates)
    assert any("minimum" in one["reason"] for one in estimates)
    assert any("chance" in one["reason"] for one in estimates)
    statuses = {one["status"] for audit in json.loads(evidence.read_text())["audits"] for one in audit["outcomes"]}
    assert statuses == {"ok", "refused", "unparseable", "error"}


@pytest.fixture(scope="module")
def little(evidence: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of one benchmark by a model and its child."""
    plain = json.loads(evidence.read_text())
    plain["audits"] = [
        audit for audit in plain["audits"] if audit["audit"] == "winobias" and audit["model"] in ("base", "child")
    ]
    path = tmp_path_factory.mktemp("little") / "evidence.json"
    path.write_text(json.dumps(plain))
    assert recomputed(path).returncode == 0
    return path


@pytest.mark.parametrize(
    "key", ["value", "low", "high", "p", "p_adjusted", "standard_error", "df", "n", "templates", "missing", "usable"]
)
def test_a_figure_of_a_benchmark_that_was_tampered_with_is_found(little: Path, tmp_path: Path, key: str) -> None:
    plain = json.loads(little.read_text())
    changes = [one for one in plain["audits"][1]["estimates"] if one["versus"] and one["groups"]]
    if key == "usable":  # what is said not to be usable, with the reason, is said to be so
        target = next(one for one in changes if not one["usable"])
        target["usable"] = True
    else:
        target = next(one for one in changes if one[key] is not None)
        target[key] += 1e-8 * max(1.0, abs(target[key])) if isinstance(target[key], float) else 1
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(plain))
    run = recomputed(path)
    assert run.returncode == 1
    assert f"{key}: written" in run.stdout


def test_a_score_that_was_tampered_with_is_found(little: Path, tmp_path: Path) -> None:
    plain = json.loads(little.read_text())
    one = next(one for one in plain["audits"][0]["outcomes"] if one["status"] == "ok")
    one["scores"]["pro"] += 1e-6
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(plain))
    run = recomputed(path)
    assert run.returncode == 1
    assert f"item {one['id']} value: written" in run.stdout


def test_an_estimate_that_was_taken_out_is_missed(little: Path, tmp_path: Path) -> None:
    plain = json.loads(little.read_text())
    audit = plain["audits"][0]
    audit["estimates"] = [one for one in audit["estimates"] if one["metric"] != "accuracy_anti"]
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(plain))
    run = recomputed(path)
    assert run.returncode == 1
    assert "no estimate of accuracy_anti" in run.stderr
