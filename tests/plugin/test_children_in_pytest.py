"""A child in a pytest run: its notes are printed and kept, and the fixture saves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.declared_project import declared

ROOT = Path(__file__).parents[2]
BASE = """
from pathlib import Path
from pytest_biasaudit.compression.saving import save
from pytest_biasaudit.models.load import wrap_live
from tests.tiny_models import byte_tokenizer, tiny

folder = save(wrap_live("base", tiny(), byte_tokenizer()), "base")
(folder / "biasaudit-record.json").unlink()
"""
CONTEXT = declared(
    """
[[audit]]
id = "first"
kind = "counterfactual"
prompt = "Ask {person} about {thing}?"
[audit.slots]
thing = ["tea", "rain"]
[audit.people]
attribute = "gender"
source = "us-names"
groups = ["men", "women"]
per_group = 2
[audit.outcome]
kind = "yes-no"
[[audit.limit]]
id = "answered"
metric = "answer_rate"
min = 0.0
basis = "engineering"
reason = "A random model answers what it likes."
"""
)
MODELS = """
[models.base]
source = "base"
[models.int4]
parent = "base"
recipe = [{ quantize = "rtn", bits = 4 }]
"""
TEST = """
def test_saving(biasaudit, biasaudit_load):
    child = biasaudit_load("int4")
    assert biasaudit.save(child, "saved").name == "saved"
    assert biasaudit.save("int4", "again", date="2026-12-01").name == "again"
"""


def test_the_notes_of_a_child_are_printed_and_kept_and_the_fixture_saves_it(pytester: pytest.Pytester) -> None:
    # In a process of its own: pytester takes out of this one whatever is imported in a test, and torch bears that badly.
    subprocess.run(
        [sys.executable, "-c", BASE], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=pytester.path, check=True
    )
    for name, text in (("tiny.bias.toml", CONTEXT), ("biasaudit.toml", MODELS), ("test_saving.py", TEST)):
        (pytester.path / name).write_text(text, encoding="utf-8")
    done = pytester.runpytest_subprocess(
        "--biasaudit-observe", "--biasaudit-json=evidence.json", "-p", "no:cacheprovider"
    )
    done.assert_outcomes(passed=3)
    done.stdout.fnmatch_lines(["note: int4: quantize rtn: 4 bits a weight were asked for, 32 are stored (float32)*"])
    evidence = json.loads(Path(pytester.path / "evidence.json").read_text(encoding="utf-8"))
    achieved = {model["name"]: model["achieved"] for model in evidence["models"]}
    assert achieved["base"] == {}
    assert achieved["int4"]["notes"][0].startswith("quantize rtn: 4 bits")
    saved = json.loads((pytester.path / "saved" / "biasaudit-record.json").read_text(encoding="utf-8"))
    assert saved["achieved"] == achieved["int4"]
    assert "date" not in saved
    assert (pytester.path / "again" / "biasaudit-record.json").is_file()
