"""Every command that the README and the docs show in a `console` block runs, page by page, in the page's own order.

A page says where its commands run in a comment at its top: "commands: run in a copy of examples/NAME". Without one they
run in an empty folder. Commands that need a network or a CI service stand in `text` blocks and are not run. All pages have one
cache, which is the whole test run's: a model is converted once, and what one page has asked the next one need not ask.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = (["python", "-m", "pytest_biasaudit"], ["python", "-m", "pytest"])
"""What a command may begin with. `python` is the one that runs the tests."""
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
WHERE = re.compile(r"<!-- commands: run in a copy of (\S+) -->")
MODEL_TABLE = ROOT / "examples" / "biasaudit.toml"


def pages() -> list[Path]:
    """Markdown pages that show commands, as paths from the root of the repository."""
    written = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page.relative_to(ROOT) for page in written if commands_of(page.read_text(encoding="utf-8"))]


def commands_of(text: str) -> list[list[str]]:
    """The commands of a page, split into words; a trailing backslash joins lines."""
    lines = "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where the page's commands run."""
    page: Path = request.getfixturevalue("page")
    named = WHERE.search((ROOT / page).read_text(encoding="utf-8"))
    if named is None:
        return tmp_path
    source = ROOT / named.group(1)
    assert source.is_dir(), f"{page} runs in a copy of {named.group(1)}, which is no folder"
    shutil.copytree(source, tmp_path / source.name)
    shutil.copy(MODEL_TABLE, tmp_path / source.name)
    return tmp_path / source.name


def run(command: list[str], *, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """One command, as a reader would run it, on this interpreter and without a network."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    settings = {"BIASAUDIT_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "COLUMNS": "140"}
    return subprocess.run(
        [sys.executable, *command[1:]],
        cwd=folder,
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.real_model
@pytest.mark.slow
@pytest.mark.parametrize("page", pages(), ids=str)
def test_the_commands_of_a_page_run_in_their_order(page: Path, folder: Path, model_cache: Path) -> None:
    for command in commands_of((ROOT / page).read_text(encoding="utf-8")):
        done = run(command, folder=folder, cache=model_cache)
        assert done.returncode == 0, f"{page}: {shlex.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        for written in re.findall(r"--biasaudit-(?:html|json)=(\S+)", shlex.join(command)):
            assert (folder / written).stat().st_size > 0, f"{page}: {shlex.join(command)} wrote no {written}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_a_page_shows_only_commands_that_a_test_may_run(page: Path) -> None:
    for command in commands_of((ROOT / page).read_text(encoding="utf-8")):
        assert any(command[: len(start)] == start for start in ALLOWED), f"{page}: {shlex.join(command)}"
        assert not set(command) & {"|", ">", "&&", ";", "&"}, (
            f"{page}: a shell would be needed for {shlex.join(command)}"
        )


def test_the_readme_and_the_tutorial_show_commands() -> None:
    assert {Path("README.md"), Path("docs/tutorial/first-audit.md")} <= set(pages())


def test_every_option_the_docs_name_exists() -> None:
    from pytest_biasaudit.plugin.options import OPTIONS

    known = {option.flag for option in OPTIONS}
    for page in [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.md")),
    ]:
        named = set(re.findall(r"--biasaudit-[a-z]+(?:-[a-z]+)*", page.read_text(encoding="utf-8")))
        assert named <= known, f"{page.relative_to(ROOT)} names {sorted(named - known)}"
