"""A collection killed with SIGKILL in its middle, and two at once: what was answered is never asked again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

PROGRAM = """
import json, sys, time
from pathlib import Path
from pytest_biasaudit.context.declaration import OutcomeSpec
from pytest_biasaudit.models.scripted import ScriptedModel
from pytest_biasaudit.outcomes.collect import collect
from pytest_biasaudit.outcomes.journal import Journal
from pytest_biasaudit.prompts.prompt import Person, Prompt

folder, pause, name = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
log = (folder / f"asked-{name}.txt").open("a", buffering=1)

def answer(question):
    time.sleep(pause)
    log.write(question.text + "\\n")
    return str(100 + len(question.text) % 7 + int(question.text[1:]))

person = Person(first="Ann", last="", groups=())
prompts = [
    Prompt(id=f"t/{n}", template="t", slots=(), person=person, person_id=str(n), text=f"q{n}", system=None, prefill="")
    for n in range(120)
]
model = ScriptedModel(answer, digest="killed")
spec = OutcomeSpec(kind="number", temperature=1.0, repeats=2)
with Journal.open(folder / "journal.sqlite") as journal, journal.lock("killed"):
    found = collect(prompts, spec, model, journal=journal, seed=3, batch_size=16)
values = [[o.prompt.id, o.repeat, o.reading.value] for o in found.outcomes]
print(json.dumps({"asked": found.asked, "recalled": found.recalled, "values": values, "messages": journal.messages}))
"""


def start(folder: Path, pause: float, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(pause), name], stdout=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> dict[str, object]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    result: dict[str, object] = json.loads(out)
    return result


def asked(folder: Path, name: str) -> list[str]:
    file = folder / f"asked-{name}.txt"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_collection_resumes_and_asks_nothing_twice(tmp_path: Path) -> None:
    killed = start(tmp_path, 0.01, "first")
    deadline = time.monotonic() + 60
    while len(asked(tmp_path, "first")) < 70:
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL

    resumed = finished(start(tmp_path, 0.0, "second"))
    before, after = asked(tmp_path, "first"), asked(tmp_path, "second")
    # One question may have been on its way when the process died: asked, and its answer not yet handed over.
    assert resumed["recalled"] in (len(before), len(before) - 1)
    assert resumed["asked"] == len(after) == 240 - int(str(resumed["recalled"]))
    both = Counter(before[: int(str(resumed["recalled"]))]) + Counter(after)
    assert set(both.values()) == {2}, "each prompt once a repeat"
    assert len(both) == 120
    assert resumed["messages"] == []

    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    whole = finished(start(unbroken, 0.0, "only"))
    assert (whole["asked"], whole["recalled"]) == (240, 0)
    assert whole["values"] == resumed["values"]
    assert finished(start(tmp_path, 0.0, "third"))["asked"] == 0


def test_two_processes_that_want_the_same_audit_ask_it_once(tmp_path: Path) -> None:
    results = [finished(process) for process in [start(tmp_path, 0.002, name) for name in ("one", "two")]]
    assert sorted((result["asked"], result["recalled"]) for result in results) == [(0, 240), (240, 0)]
    assert results[0]["values"] == results[1]["values"]
    assert len(asked(tmp_path, "one")) + len(asked(tmp_path, "two")) == 240
