"""Where a result comes from: the tool, the machine, the commit, the command. Standard library only; imports no package
it reports on, since asking for a version must not load torch.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TOOL = "pytest-biasaudit"

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "gguf",
    "numpy",
    "scipy",
    "pytest",
    "pytest-xdist",
    "matplotlib",
    "jinja2",
)
"""Packages whose version may change a result or its picture. Those not installed are left out."""


@dataclass(frozen=True, kw_only=True)
class Git:
    """The commit the command ran in."""

    commit: str
    dirty: bool
    """Whether tracked files differed from the commit."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine and the software on it."""

    python: str
    platform: str
    machine: str
    cpu_count: int
    """Cores this process may use."""
    packages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One run: what was asked of the tool, when, with what. Made by `run_info`."""

    seed: int
    command: str
    """As it can be typed again."""
    created: str
    """UTC, ISO 8601, ending in Z."""
    tool_version: str
    environment: Environment
    git: Git | None = None
    """None outside a git work tree, or without git."""
    observe: bool = False
    """Verdicts were recorded and failed nothing."""
    inconclusive: str = "fail"
    """What an inconclusive verdict did to the run: "fail", "warn" or "skip"."""
    tool: str = field(default=TOOL)


def run_info(
    *,
    seed: int,
    argv: Sequence[str] | None = None,
    directory: Path | None = None,
    observe: bool = False,
    inconclusive: str = "fail",
    created: datetime | None = None,
) -> RunInfo:
    """Everything about this run that the evidence keeps.

    argv       the command line; that of this process when left out
    directory  where to look for git; the working directory when left out
    created    now when left out; any aware time
    """
    moment = (created or datetime.now(UTC)).astimezone(UTC)
    return RunInfo(
        seed=seed,
        command=command_line(sys.argv if argv is None else argv),
        created=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool_version=installed(TOOL) or "0+unknown",
        environment=environment(),
        git=git_state(directory or Path.cwd()),
        observe=observe,
        inconclusive=inconclusive,
    )


def environment() -> Environment:
    """The machine as this process sees it."""
    found = ((name, installed(name)) for name in PACKAGES)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        cores = os.cpu_count() or 1
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=platform.platform(),
        machine=platform.machine(),
        cpu_count=cores,
        packages=tuple((name, number) for name, number in found if number),
    )


def installed(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def command_line(argv: Sequence[str]) -> str:
    """The command as a person would type it: no interpreter path, no path of an entry script."""
    if not argv:
        return "pytest"
    first = Path(argv[0])
    if first.name == "__main__.py":
        program = ["python", "-m", first.parent.name]
    elif first.name in {"-c", "-m"}:
        program = ["python", first.name]
    else:
        program = [first.name]
    return shlex.join([*program, *argv[1:]])


def git_state(directory: Path) -> Git | None:
    """Commit and dirty flag of the work tree around `directory`; None where there is none to be had."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git(directory, "status", "--porcelain", "--untracked-files=no")
    # A status that cannot be read is no proof of a clean tree.
    return Git(commit=commit, dirty=changed is None or changed != "")


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        # No optional locks: several test processes may ask at once, and none may disturb the user's own git.
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
