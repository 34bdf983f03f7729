"""That the suite is whole: a test file that pytest does not find passes by accident."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_test_file_is_found_when_nothing_is_named() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    found = set(re.findall(r"^(tests/\S+?\.py)::", done.stdout, re.MULTILINE))
    there = {str(path.relative_to(TESTS.parent)) for path in TESTS.rglob("test_*.py")}
    assert found == there
