"""A study of levers that is killed in the middle goes on: the same evidence to the last byte, and no cell is made twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_biasaudit.mitigation.study.kept import Kept, key_of
from pytest_biasaudit.mitigation.study.plan import StudyPlan
from pytest_biasaudit.mitigation.study.result import StudyResult
from pytest_biasaudit.records.evidence import encoded
from pytest_biasaudit.records.study import study_to_plain
from pytest_biasaudit.report.lever_table import render_levers
from pytest_biasaudit.settings import Settings
from pytest_biasaudit.studying import study
from tests.word_workshop import Words, WordWorkshop, a_plan, write_tables

KILLED = """
    import os, signal, sys
    from pathlib import Path
    from pytest_biasaudit.settings import Settings
    from pytest_biasaudit.studying import study
    from tests.word_workshop import WordWorkshop, Words, a_plan

    left = int(sys.argv[2])

    def before():
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(sys.argv[1])
    settings = Settings(root=folder, cache=folder / "cache")
    study(a_plan(folder), Words(), settings=settings, workshop=WordWorkshop(before=before))
    print("NOT KILLED")
"""


def studied(folder: Path, workshop: WordWorkshop, plan: StudyPlan | None = None, *, cache: bool = True) -> StudyResult:
    settings = Settings(root=folder, cache=folder / "cache" if cache else None)
    return study(plan or a_plan(folder), Words(), settings=settings, workshop=workshop)


def bytes_of(result: StudyResult) -> bytes:
    return encoded(study_to_plain(result)) + "\n".join(render_levers([result], width=140, unicode=True)).encode()


@pytest.mark.parametrize("cells", [0, 5])
def test_a_killed_study_comes_to_the_same_evidence(tmp_path: Path, cells: int) -> None:
    write_tables(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(cells)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[4],
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stdout + ran.stderr
    workshop = WordWorkshop()
    resumed = studied(tmp_path, workshop)
    plan = a_plan(tmp_path)
    assert len(workshop.trained) == plan.cells - cells
    assert bytes_of(resumed) == bytes_of(studied(tmp_path, WordWorkshop(), cache=False))


def test_what_is_known_is_not_made_again_and_what_decides_a_cell_is_not_passed_over(tmp_path: Path) -> None:
    write_tables(tmp_path)
    plan = a_plan(tmp_path)
    first = studied(tmp_path, WordWorkshop())
    again = WordWorkshop()
    assert bytes_of(studied(tmp_path, again)) == bytes_of(first)
    assert again.trained == []
    other_code = WordWorkshop(revision="2")
    studied(tmp_path, other_code)
    assert len(other_code.trained) == plan.cells
    more_seeds = WordWorkshop()
    studied(tmp_path, more_seeds, replace(plan, seeds=4))
    assert len(more_seeds.trained) == len(plan.upstream) * len(plan.data)
    assert {seed for _, seed in more_seeds.trained} == {3}
    another_level = WordWorkshop()
    studied(tmp_path, another_level, replace(plan, level=0.9))
    assert len(another_level.trained) == plan.cells
    write_tables(tmp_path, seed=2)
    other_rows = WordWorkshop()
    studied(tmp_path, other_rows)
    assert len(other_rows.trained) == plan.cells


def test_a_damaged_cell_is_made_again(tmp_path: Path) -> None:
    write_tables(tmp_path)
    first = studied(tmp_path, WordWorkshop())
    files = sorted((tmp_path / "cache" / "studies").rglob("*.json"))
    half, changed = files[0], files[-1]
    half.write_bytes(half.read_bytes()[:40])
    changed.write_text(changed.read_text().replace("0", "1"), encoding="utf-8")
    workshop = WordWorkshop()
    assert bytes_of(studied(tmp_path, workshop)) == bytes_of(first)
    assert len(workshop.trained) <= 2


def test_kept_values_are_whole_or_not_there(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    key = key_of({"a": 1})
    assert kept.get(key) is None
    kept.put(key, {"value": 0.1 + 0.2})
    assert Kept(tmp_path / "kept").get(key) == {"value": 0.1 + 0.2}
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [f"{key}.json"]
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key
