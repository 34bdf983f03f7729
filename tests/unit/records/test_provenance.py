"""Where a result comes from."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pytest_biasaudit.records import provenance
from pytest_biasaudit.records.provenance import Git, command_line, git_state, run_info

NO_GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "First")
    return tmp_path


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    assert git_state(repository) == Git(commit=git(repository, "rev-parse", "HEAD"), dirty=False)


def test_changed_tracked_files_make_it_dirty_and_new_files_do_not(repository: Path) -> None:
    (repository / "report.html").write_text("made by the run", encoding="utf-8")
    state = git_state(repository)
    assert state is not None
    assert not state.dirty
    (repository / "a.txt").write_text("two", encoding="utf-8")
    state = git_state(repository)
    assert state is not None
    assert state.dirty


def test_outside_a_work_tree_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None


def test_without_git_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_state(repository) is None


def test_a_missing_folder_is_no_work_tree(tmp_path: Path) -> None:
    assert git_state(tmp_path / "gone") is None


@pytest.mark.parametrize(
    ("argv", "typed"),
    [
        (["/opt/venv/bin/pytest", "-k", "offers and base"], "pytest -k 'offers and base'"),
        (["/opt/venv/lib/site-packages/pytest/__main__.py", "-q"], "python -m pytest -q"),
        (["-c"], "python -c"),
        ([], "pytest"),
    ],
)
def test_the_command_can_be_typed_again(argv: list[str], typed: str) -> None:
    assert command_line(argv) == typed


def test_a_run_is_dated_in_utc(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 22, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    run = run_info(seed=3, argv=["pytest"], directory=tmp_path, created=moment)
    assert run.created == "2026-11-21T23:05:00Z"
    assert run.seed == 3
    assert run.environment.cpu_count >= 1
    assert dict(run.environment.packages)["pytest"] == pytest.__version__


def test_versions_are_asked_for_without_importing() -> None:
    probe = (
        "import sys; from pytest_biasaudit.records.provenance import run_info; run_info(seed=0);"
        "print(sorted({'torch', 'numpy', 'transformers', 'matplotlib', 'jinja2', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_installed_is_left_out() -> None:
    assert provenance.installed("no-such-package-anywhere") is None
