"""A pytest run that does not use the plugin must not notice it. Run where no other plugin is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED = any(point.value == "pytest_biasaudit.plugin" for point in entry_points(group="pytest11"))
LOADING = [] if INSTALLED else ["-p", "pytest_biasaudit.plugin"]
PROBE = """
import atexit, sys

HEAVY = {"torch", "transformers", "numpy", "scipy", "jinja2", "rich", "matplotlib", "jsonschema", "gguf", "filelock", "sqlite3"}
atexit.register(lambda: print("LOADED", sorted(HEAVY & set(sys.modules))))
atexit.register(lambda: print("OURS", sorted(name for name in sys.modules if name.startswith("pytest_biasaudit"))))
import pytest

raise SystemExit(pytest.main(sys.argv[1:]))
"""
LIGHT = {
    "pytest_biasaudit",
    "pytest_biasaudit.plugin",
    "pytest_biasaudit.plugin.fixtures",
    "pytest_biasaudit.plugin.hookspecs",
    "pytest_biasaudit.plugin.options",
}
"""All that a run loads which does not use us."""


def run(folder: Path, *args: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
    """Pytest in a fresh process that tells, as it ends, what it has loaded."""
    paths = [] if INSTALLED else [str(ROOT)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    loading = LOADING if plugin else ["-p", "no:biasaudit"]
    command = [sys.executable, "-c", PROBE, *loading, "-p", "no:cacheprovider", *args]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A project that has nothing to do with us."""
    (tmp_path / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("args", [("-q",), ("-v",), ("--collect-only", "-q"), ("-p", "no:terminal")])
def test_a_session_that_does_not_use_us_pays_nothing(plain: Path, args: tuple[str, ...]) -> None:
    done = run(plain, *args, "test_plain.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOADED []" in done.stdout
    assert f"OURS {sorted(LIGHT)}" in done.stdout
    assert {path.name for path in plain.iterdir()} <= {"test_plain.py", "__pycache__"}


def test_an_empty_project_stays_empty(tmp_path: Path) -> None:
    done = run(tmp_path, "--collect-only")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "LOADED []" in done.stdout
    assert not list(tmp_path.iterdir())


def test_we_print_nothing(plain: Path) -> None:
    """The same lines with and without us, but for the name pytest itself gives a plugin, and the time."""

    def said(*, plugin: bool) -> list[str]:
        done = run(plain, "-v", "-ra", "test_plain.py", plugin=plugin)
        unequal = ("OURS", "plugins:", "=====")
        return [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(unequal)]

    assert said(plugin=True) == said(plugin=False)


def test_every_option_and_ini_key_we_add_carries_our_name(plain: Path) -> None:
    help_with, help_without = (run(plain, "--help", plugin=plugin).stdout for plugin in (True, False))
    ours = {word for word in help_with.split() if word.startswith("--")} - {
        word for word in help_without.split() if word.startswith("--")
    }
    assert ours
    assert all("biasaudit" in word for word in ours), ours


def test_a_project_that_uses_our_marker_word_elsewhere_is_not_disturbed(plain: Path) -> None:
    """Files and fixtures of similar names are not ours."""
    (plain / "bias.toml").write_text("not = 'ours'\n", encoding="utf-8")
    (plain / "biasaudit.toml").write_text("broken [\n", encoding="utf-8")
    done = run(plain, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOADED []" in done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, pytest_biasaudit; print(sorted(name for name in sys.modules if name.startswith('pytest')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "['pytest_biasaudit']"
