"""The plant of the example is found with a real encoder: the gap follows the planted shares, and levers on data shrink it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_biasaudit.mitigation.study.plan_file import read_study
from pytest_biasaudit.models.encoder import EncoderModel
from pytest_biasaudit.settings import Settings
from pytest_biasaudit.studying import study

EXAMPLE = Path(__file__).parents[2] / "examples" / "downstream-study"
PLANTED = {
    "surgeon": 0.1, "interior designer": 0.25, "photographer": 0.4, "painter": 0.6, "architect": 0.75, "nurse": 0.9,
}  # fmt: skip
PLAN = """\
[study]
id = "biographies"
train = "train.csv"
test = "test.csv"
groups = ["man", "woman"]
seeds = 3
seed = 0
[study.columns]
text = "biography"
label = "occupation"
groups = { gender = "gender" }
[study.training]
frozen = true
max_length = 96
[[study.data]]
method = "down-sample"
[[study.data]]
method = "scrub"
where = "both"
"""


@pytest.mark.slow
@pytest.mark.real_model
def test_the_gap_of_a_head_on_minilm_follows_the_planted_shares(minilm: EncoderModel, tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        shutil.copy(EXAMPLE / name, tmp_path)
    (tmp_path / "study.toml").write_text(PLAN, encoding="utf-8")
    result = study(read_study(tmp_path / "study.toml"), minilm, settings=Settings(root=tmp_path, cache=tmp_path / "c"))
    base = {row.label: row for row in result.units if (row.upstream, row.data) == ("none", "none")}
    assert {label: row.prevalence for label, row in base.items()} == pytest.approx(PLANTED)
    gaps = [base[label].gap for label in PLANTED]
    assert all(gap.value is not None for gap in gaps)
    values = [gap.value or 0.0 for gap in gaps]
    assert values[0] < -0.3 < 0.3 < values[-1]
    assert max(values[:2]) < min(values[2:4]) < max(values[2:4]) < min(values[4:])
    for lever in ("down-sample", "scrub where=both"):
        row = result.lever(data=lever)
        assert row.helped == "helped", row
        assert row.change.interval is not None
        assert row.change.interval.high < -0.1
