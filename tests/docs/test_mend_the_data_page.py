"""The how-to on mending data runs as it stands, block after block, on a small table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "mend-the-data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_runs_in_the_order_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # hired: 12 men, 4 women; not hired: 6 men, 9 women
    rows = [("men", 1)] * 12 + [("women", 1)] * 4 + [("men", 0)] * 6 + [("women", 0)] * 9
    lines = [
        f'"{"She" if who == "women" else "He"} wrote report {at}.",{hired},{who}'
        for at, (who, hired) in enumerate(rows)
    ]
    (tmp_path / "train.csv").write_text("\n".join(["cv,hired,gender", *lines]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(BLOCKS) >= 8
    for block in BLOCKS:
        exec(compile(block, "mend-the-data.md", "exec"), names)
    said = capsys.readouterr().out
    # hired 16: 4 of 10 are women after 6 men went; not hired 15: 4 of 10 are women after 5 women went
    assert "31 rows, 11 removed, 0 added: 20" in said
    assert "1 men 12 -> 6" in said
    assert "0 women 9 -> 4" in said
    assert (tmp_path / "train-mended.csv").read_text(encoding="utf-8").count("\n") == 21
