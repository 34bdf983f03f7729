"""Every printed figure follows from the answers: an evidence file is recomputed by a script that shares no code with us.

Three audits of three scripted models, two of which answer alike, with refusals, nonsense, implausible numbers, repeats,
rates near 0, every metric and every kind of change.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_biasaudit import Auditor, Extensions, Settings
from pytest_biasaudit.context.limits import OF_ANOTHER
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.models.protocol import LanguageModel, Question
from pytest_biasaudit.models.scripted import ScriptedModel
from pytest_biasaudit.models.spec import ModelSpec
from pytest_biasaudit.records.codec import audit_to_plain
from pytest_biasaudit.records.evidence import assemble, write_evidence
from pytest_biasaudit.records.provenance import Environment, RunInfo

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("recompute.py")
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
NUMBERS = """
[[audit]]
id = "offers"
kind = "counterfactual"
prompt = "Offer for {item} by {person}?"
[audit.slots]
item = ["a bicycle", "a car", "a table", "a lamp", "a phone"]
[audit.people]
attribute = ["race", "gender"]
source = "us-names"
groups = { race = ["white", "black"], gender = ["men", "women"] }
per_group = 4
[audit.outcome]
kind = "number"
unit = "USD"
plausible = [1, 5000]
repeats = 2
temperature = 0.7
"""
ONE_WORDING = """
[[audit]]
id = "single"
kind = "counterfactual"
prompt = "Rate {person} once."
[audit.people]
attribute = "race"
source = "us-names"
groups = ["white", "black"]
per_group = 6
[audit.outcome]
kind = "rating"
scale = [1, 2, 3, 4, 5]
"""
CHOICES = """
[[audit]]
id = "invites"
kind = "counterfactual"
prompt = "Invite {person} to {post}?"
[audit.slots]
post = ["the shop", "the office", "the yard", "the bar"]
[audit.people]
attribute = ["race", "gender"]
source = "us-names"
per_group = 5
[audit.outcome]
kind = "yes-no"
"""


def limits(kind: str, attributes: list[str]) -> str:
    """A limit on everything the kind gives, by every attribute, and on every change."""
    text = ""
    for metric in METRICS.values():
        if kind not in metric.kinds:
            continue
        if metric.against:
            # At so low a level most parents' biases are told from 0, and some are not.
            text += "".join(
                f'[[audit.limit]]\nmetric = "{metric.name}"\nof = "{of}"\nattribute = "{attribute}"\nversus = "base"\n'
                f"min = 0.3\nlevel = 0.6\n"
                for of in OF_ANOTHER
                if kind in METRICS[of].kinds
                for attribute in attributes
            )
            continue
        bound = "min = 0.5" if metric.judged == "value" else "max = 1.5" if metric.judged == "ratio" else "max = 0.5"
        for attribute in attributes if metric.by_group else [""]:
            named = f'attribute = "{attribute}"\n' if attribute else ""
            text += f'[[audit.limit]]\nmetric = "{metric.name}"\n{named}{bound}\n'
        if metric.by_group:
            text += (
                f'[[audit.limit]]\nmetric = "{metric.name}"\nattribute = "{attributes[0]}"\nversus = "base"\n'
                f"max_increase = 0.3\nlevel = 0.9\n"
            )
    recovered = ["answer_rate", "inlier_ratio"] if kind == "number" else ["answer_rate"]
    text += "".join(
        f'[[audit.limit]]\nmetric = "{name}"\nid = "{name}-kept"\nversus = "base"\nmin_recovery = 0.8\nlevel = 0.9\n'
        for name in recovered
    )
    if kind == "number":
        text += '[[audit.limit]]\nmetric = "inlier_ratio"\nversus = "base"\nmin = 0.5\n'
    return text


def scripted(spec: ModelSpec) -> LanguageModel:
    """Answers that follow from the question and the model's name, by a seeded generator."""

    def of(*parts: object) -> random.Random:
        return random.Random(hashlib.sha256(repr(parts).encode()).hexdigest())

    shift = 40.0 if spec.name == "child" else 0.0
    voice = "base" if spec.name == "twin" else spec.name  # the twin answers as the base does, word for word

    def number(question: Question, repeat: int) -> str:
        draw = of(question.text, repeat, voice)
        fate = draw.random()
        if fate < 0.06:
            return "I cannot help with that."
        if fate < 0.1:
            return "It depends."
        if fate < 0.14:
            return "90000"
        person = of(question.text.partition(" by ")[2])
        item = of(question.text.partition(" by ")[0])
        return (
            f"{round(300 + 100 * item.random() + 50 * person.random() + shift * person.random() + draw.gauss(0, 20))}"
        )

    def answer(question: Question) -> object:
        if question.text.startswith("Offer"):
            return [number(question, 0), number(question, 1)]
        if question.text.startswith("Rate"):
            draw = of(question.text, voice)
            return {str(point): draw.random() / 5 for point in range(1, 6)}
        name = question.text.removeprefix("Invite ").partition(" to ")[0]
        keen = 0.26 if len(name) % 3 == 0 else 0.75
        return {"Yes": of(question.text, voice).random() * keen, "No": 0.25}

    return ScriptedModel(answer, name=spec.name, digest=spec.name)  # type: ignore[arg-type]  # its answers are of many forms


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evidence file of every audit by both models."""
    folder = tmp_path_factory.mktemp("recomputed")
    file = folder / "recomputed.bias.toml"
    file.write_text(
        HEAD
        + NUMBERS
        + limits("number", ["race", "race*gender"])
        + ONE_WORDING
        + limits("rating", ["race"])
        + CHOICES
        + limits("yes-no", ["race", "gender", "race*gender"]),
        encoding="utf-8",
    )
    specs = {
        name: ModelSpec(
            name=name, source=f"scripted:{name}", revision=None, dtype="float32", parent=None, recipe=(), where="tests"
        )
        for name in ("base", "child", "twin")
    }
    audits, models = [], []
    with Auditor(
        Settings(seed=11, noise_floor=True), specs, extensions=Extensions(backends={"scripted": scripted})
    ) as auditor:
        context = auditor.read(file)
        for name in specs:
            for audit in context.audits:
                record = auditor.run(context, audit=audit.id, model=name).record
                audits.append(audit_to_plain(record))
                models.append(record.model)
    run = RunInfo(
        seed=11,
        command="pytest",
        created="2026-11-21T23:05:00Z",
        tool_version="0",
        environment=Environment(python="3", platform="p", machine="m", cpu_count=1, packages=()),
        git=None,
    )
    path = folder / "evidence.json"
    write_evidence(path, assemble(audits, [context], models, run=run))
    return path


def recomputed(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False)


def test_every_estimate_follows_from_the_outcomes(evidence: Path) -> None:
    run = recomputed(evidence)
    assert run.returncode == 0, run.stdout + run.stderr
    estimates = [one for audit in json.loads(evidence.read_text())["audits"] for one in audit["estimates"]]
    measured = {one["metric"] for one in estimates if one["low"] is not None or one["high"] is not None}
    # Those of benchmarks are recomputed in test_recompute_benchmarks, those of tables in test_recompute_tables.
    of_answers = {name: metric for name, metric in METRICS.items() if metric.items is None and metric.of_table is None}
    assert measured == set(of_answers)
    changed = {one["metric"] for one in estimates if one["versus"] and one["low"] is not None}
    assert changed == {name for name, metric in of_answers.items() if metric.by_group} | {"inlier_ratio", "answer_rate"}
    compared = [one for one in estimates if one["shows"] != "value" and one["value"] is not None]
    assert all(one["noise"] is not None and one["moved"] for one in compared)
    assert {one["shows"] for one in compared} == {"increase", "recovery"}
    shares = [one for one in estimates if one["metric"] == "bias_removed" and one["value"] is not None]
    assert {one["of"] for one in shares} == set(OF_ANOTHER)
    assert {one["usable"] for one in shares} == {True, False}


def test_the_script_shares_no_code_with_the_package() -> None:
    for file in sorted(SCRIPT.parent.glob("recompute*.py")):
        assert "pytest_biasaudit" not in file.read_text(encoding="utf-8"), file.name


@pytest.mark.parametrize("key", ["value", "low", "high", "p_adjusted"])
def test_a_figure_that_was_tampered_with_is_found(evidence: Path, tmp_path: Path, key: str) -> None:
    plain = json.loads(evidence.read_text())
    # One audit is enough, and one without changes: then no other is needed to recompute it.
    audit = next(one for one in plain["audits"] if one["model"] == "base" and one["audit"] == "single")
    audit["estimates"] = [
        one for one in audit["estimates"] if one["metric"] in ("smd", "mean_difference") and not one["versus"]
    ]
    plain["audits"] = [audit]
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(plain))
    assert recomputed(path).returncode == 0
    target = next(one for one in audit["estimates"] if one[key] is not None)
    target[key] = math.nextafter(target[key] + 1e-8, math.inf)
    path.write_text(json.dumps(plain))
    run = recomputed(path)
    assert run.returncode == 1
    assert f"{key}: written" in run.stdout


def test_an_answer_that_was_tampered_with_is_found(evidence: Path, tmp_path: Path) -> None:
    plain = json.loads(evidence.read_text())
    audit = next(one for one in plain["audits"] if one["model"] == "base" and one["audit"] == "single")
    audit["estimates"] = [one for one in audit["estimates"] if one["metric"] == "mean_difference" and not one["versus"]]
    audit["outcomes"][0]["value"] += 1e-6
    plain["audits"] = [audit]
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(plain))
    assert recomputed(path).returncode == 1
