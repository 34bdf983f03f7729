"""A table that is written anew under its name is another table: what was counted of the old one is not told of the new."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_biasaudit.audit import Auditor
from pytest_biasaudit.settings import Settings
from pytest_biasaudit.verdict.verdict import Verdict
from tests.declared_project import declared

AUDIT = """
[[audit]]
id = "training"
kind = "corpus"
data = "train.csv"

[audit.columns]
label = "hired"
positive = "1"
groups = { gender = "gender" }

[[audit.limit]]
metric = "prevalence_gap"
max = 0.3
"""


def write(path: Path, hired_women: int, *, changed: int) -> None:
    """A hundred men of whom half are hired, and a hundred women."""
    rows = [("man", at < 50) for at in range(100)] + [("woman", at < hired_women) for at in range(100)]
    path.write_text("gender,hired\n" + "".join(f"{gender},{int(hired)}\n" for gender, hired in rows), encoding="utf-8")
    os.utime(path, ns=(changed, changed))


def test_a_table_that_is_mended_between_two_runs_is_counted_again(tmp_path: Path) -> None:
    context = tmp_path / "data.bias.toml"
    context.write_text(declared(AUDIT), encoding="utf-8")
    with Auditor(Settings(cache=None)) as auditor:
        write(tmp_path / "train.csv", 50, changed=1_000_000_000)
        before = auditor.run(context)
        write(tmp_path / "train.csv", 0, changed=2_000_000_000)  # as many rows, and as many bytes
        after = auditor.run(context)
    assert before.judgements[0].verdict is Verdict.WITHIN
    assert after.judgements[0].verdict is Verdict.OVER
    assert after.estimate("prevalence_gap").value == pytest.approx(-0.5)
    assert before.record.model.digest != after.record.model.digest
