"""The page on sweeps: its tables are read, and give the points, items and counts that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_biasaudit.models.declared import read_models
from pytest_biasaudit.models.sweep import MOST_POINTS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "sweep-checkpoints.md").read_text(encoding="utf-8")
FIRST, OWN = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def read(folder: Path, table: str) -> list[str]:
    """Names of the models of a table, beside the context file that it names."""
    (folder / "study.bias.toml").write_text("", encoding="utf-8")
    (folder / "biasaudit.toml").write_text(table, encoding="utf-8")
    return list(read_models(folder))


def test_the_first_sweep_makes_as_many_points_as_the_page_says(tmp_path: Path) -> None:
    points = [name for name in read(tmp_path, FIRST) if "@" in name]
    assert f"= {len(points)} models" in PAGE
    assert f"more than {MOST_POINTS:,} are refused" in PAGE


def test_every_point_that_the_page_names_is_one(tmp_path: Path) -> None:
    points = set(read(tmp_path, FIRST))
    named = set(re.findall(r"pythia-70m@[a-z0-9+]+", PAGE))
    assert len(named) == 2
    assert named <= points


def test_checkpoints_of_ones_own_are_folders(tmp_path: Path) -> None:
    assert read(tmp_path, OWN) == ["run@500", "run@1000", "run@2000"]


@pytest.mark.parametrize("table", [FIRST, OWN])
def test_the_tables_stand_in_pyproject_too_under_the_prefix_that_the_page_names(tmp_path: Path, table: str) -> None:
    (tmp_path / "study.bias.toml").write_text("", encoding="utf-8")
    prefixed = re.sub(r"^\[", "[tool.biasaudit.", table, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(prefixed, encoding="utf-8")
    assert any("@" in name for name in read_models(tmp_path))
    assert "`[tool.biasaudit.sweep]` and `[tool.biasaudit.sweep.recipes]`" in PAGE
