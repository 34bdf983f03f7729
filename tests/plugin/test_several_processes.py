"""Several processes: workers of xdist, two runs at once, and a run that was killed. No prompt is put to a model twice."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

PROMPTS = 2 * 8 * 6
COUNTING = """
import os, random, time
from pathlib import Path
from pytest_biasaudit import ScriptedModel

HERE = Path(__file__).parent


def backend(spec):
    gap = {"fair": 0, "biased": 90}[spec.source.partition(":")[2]]

    def answer(question):
        if (HERE / "stop_at").exists():
            asked = (HERE / "asked.txt").read_text().count("\\n") if (HERE / "asked.txt").exists() else 0
            if asked == int((HERE / "stop_at").read_text()):
                (HERE / "waiting").touch()
                time.sleep(600)
        line = f"{spec.name}: {question.text}\\n".encode()
        file = os.open(HERE / "asked.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.close(file)
        time.sleep(0.005)
        return f"{1000 + random.Random(question.text).gauss(0, 30) + gap * ('South' in question.text):.1f}"

    return ScriptedModel(answer, name=spec.name, digest=spec.source)


def pytest_biasaudit_models():
    return {"scripted": backend}
"""
needs_xdist = pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")


@pytest.fixture
def counting(project: Project) -> Project:
    """Two models whose back end writes down every prompt it is asked."""
    project.write("conftest.py", COUNTING)
    project.models(fair="scripted:fair", biased="scripted:biased")
    return project


def timeless(evidence: dict[str, Any]) -> dict[str, Any]:
    """Evidence without what two equal runs may differ in: when, by which command, how long, and who asked."""
    run = {key: value for key, value in evidence["run"].items() if key != "command"}
    passing = {"seconds", "asked", "recalled"}
    audits = [{key: value for key, value in audit.items() if key not in passing} for audit in evidence["audits"]]
    return {key: value for key, value in evidence.items() if key != "created"} | {"run": run, "audits": audits}


def until(there: Callable[[], bool], process: subprocess.Popen[bytes], *, seconds: float = 200) -> None:
    """Waits; fails where the process ends first or the time is up."""
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


@needs_xdist
def test_two_workers_give_the_evidence_of_one_and_ask_nothing_twice(counting: Project) -> None:
    counting.run_apart("--biasaudit-json=one.json", "--biasaudit-no-cache").assert_outcomes(passed=3, failed=1)
    (counting.folder / "asked.txt").unlink()
    result = counting.run_apart("-n", "2", "--biasaudit-json=two.json", "--junitxml=junit.xml")
    result.assert_outcomes(passed=3, failed=1)
    assert timeless(counting.evidence("two.json")) == timeless(counting.evidence("one.json"))
    asked = Counter(counting.lines("asked.txt"))
    assert len(asked) == 2 * PROMPTS
    assert set(asked.values()) == {1}
    result.stdout.fnmatch_lines(["FAILED repairs.bias.toml::quotes[[]biased]::gap - *"])
    names = (counting.folder / "junit.xml").read_text(encoding="utf-8")
    assert 'name="quotes[biased]::gap"' in names
    assert 'name="biasaudit_verdict" value="over"' in names


@needs_xdist
def test_workers_judge_models_that_cannot_be_kept(counting: Project) -> None:
    """Without a digest nothing is in the journal: each worker asks for itself, and the records are still one."""
    code = (counting.folder / "conftest.py").read_text(encoding="utf-8")
    counting.write("conftest.py", code.replace(", digest=spec.source", ""))
    counting.run_apart("-n", "2", "--biasaudit-json=two.json").assert_outcomes(passed=3, failed=1)
    assert counting.verdicts(counting.evidence("two.json")) == {
        "fair::gap": "within",
        "fair::answers": "within",
        "biased::gap": "over",
        "biased::answers": "within",
    }


@needs_xdist
def test_an_unknown_model_stops_a_run_of_workers_too(counting: Project) -> None:
    result = counting.run_apart("-n", "2", "--biasaudit-model=fare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--biasaudit-model=fare*there are fair, biased; did you mean 'fair'?"])


def test_a_killed_run_is_taken_up_and_asks_nothing_twice(counting: Project) -> None:
    """Killed while the question after the 60th is being thought about: 60 answers are in the journal."""
    counting.write("stop_at", "60")
    killed = counting.start("-k", "fair", "--biasaudit-batch-size=1")
    until((counting.folder / "waiting").exists, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    (counting.folder / "stop_at").unlink()
    assert len(counting.lines("asked.txt")) == 60

    counting.run("-k", "fair", "--biasaudit-json=resumed.json").assert_outcomes(passed=2, deselected=2)
    asked = Counter(counting.lines("asked.txt"))
    assert len(asked) == PROMPTS
    assert set(asked.values()) == {1}
    (audit,) = counting.evidence("resumed.json")["audits"]
    assert (audit["asked"], audit["recalled"]) == (PROMPTS - 60, 60)

    counting.run("-k", "fair", "--biasaudit-json=unbroken.json", "--biasaudit-no-cache")
    assert timeless(counting.evidence("resumed.json")) == timeless(counting.evidence("unbroken.json"))


def test_an_interrupted_run_keeps_its_answers(counting: Project) -> None:
    code = (counting.folder / "conftest.py").read_text(encoding="utf-8")
    counting.write("conftest.py", code.replace("time.sleep(600)", "raise KeyboardInterrupt"))
    counting.write("stop_at", str(PROMPTS + 20))  # the first model is done, the second is not
    result = counting.run_apart("--biasaudit-batch-size=1", "--biasaudit-json=evidence.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [audit["model"] for audit in counting.evidence()["audits"]] == ["fair"]
    (counting.folder / "stop_at").unlink()
    counting.run().assert_outcomes(passed=3, failed=1)
    assert set(Counter(counting.lines("asked.txt")).values()) == {1}


def test_a_second_run_recalls_everything(project: Project, counting: Project) -> None:
    first, second = counting.audited(), counting.audited()
    assert timeless(first) == timeless(second)
    assert [audit["asked"] for audit in second["audits"]] == [0, 0]
    assert len(counting.lines("asked.txt")) == 2 * PROMPTS


def test_two_runs_at_once_share_one_journal(counting: Project) -> None:
    runs = [counting.start(f"--biasaudit-json=run{number}.json", "-p", "no:cacheprovider") for number in (1, 2)]
    for run in runs:
        output = run.communicate(timeout=240)[0].decode()
        assert run.returncode == pytest.ExitCode.TESTS_FAILED, output
    asked = Counter(counting.lines("asked.txt"))
    assert len(asked) == 2 * PROMPTS
    assert set(asked.values()) == {1}
    assert timeless(counting.evidence("run1.json")) == timeless(counting.evidence("run2.json"))
