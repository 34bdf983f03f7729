"""What the plugin costs a pytest run that does not use it, in milliseconds: `python tests/startup/measure_startup.py`.

Runs one plain test in fresh processes, by turns with the plugin and with an empty plugin in its place. Two figures:

    whole     difference between the medians of whole runs: all that pytest does because of us
    own       time inside the plugin's own code, on a clock in the process: importing its modules, and its hooks

A measurement, not a test: a loaded machine may not fail anybody's build. The target is 5 ms for `whole`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = "pytest_biasaudit.plugin"
WHOLE = """
import sys, time
import pytest

began = time.perf_counter()
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", sys.argv[1], "test_plain.py"])
total = (time.perf_counter() - began) * 1000
assert code == 0, code
print('\\nMEASURED {"total": %f}' % total)
"""
OWN = """
import functools, inspect, json, sys, time
import pytest

spent = {}

def charge(name, start):
    spent[name] = spent.get(name, 0.0) + (time.perf_counter() - start) * 1000

def timed(name, hook):
    if inspect.isgeneratorfunction(hook):
        @functools.wraps(hook)
        def wrapper(*args, **kwargs):
            start = time.perf_counter()
            running = hook(*args, **kwargs)
            next(running)
            charge(name, start)
            result = yield
            start = time.perf_counter()
            try:
                running.send(result)
            except StopIteration as stop:
                result = stop.value
            charge(name, start)
            return result
    else:
        @functools.wraps(hook)
        def wrapper(*args, **kwargs):
            start = time.perf_counter()
            try:
                return hook(*args, **kwargs)
            finally:
                charge(name, start)
    return wrapper

start = time.perf_counter()
import pytest_biasaudit.plugin as plugin
charge("import", start)
for holder in (plugin, plugin.Gatherer):
    for name, hook in list(vars(holder).items()):
        if name.startswith("pytest_") and inspect.isfunction(hook):
            setattr(holder, name, timed(name, hook))
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", sys.argv[1], "test_plain.py"])
assert code == 0, code
print("\\nMEASURED " + json.dumps(spent))
"""


def measured(folder: Path, probe: str, plugin: str) -> dict[str, float]:
    """One run in a fresh process: milliseconds by what they were spent on."""
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pytest keeps the byte code of plugins, unless told not to
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), str(folder), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", probe, plugin], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("MEASURED "))
    found: dict[str, float] = json.loads(line.removeprefix("MEASURED "))
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What the plugin costs a pytest run that does not use it.")
    parser.add_argument("--runs", type=int, default=15, help="processes of each sort")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
        (folder / "empty_plugin.py").touch()
        sorts = {"ours": (WHOLE, OURS), "empty": (WHOLE, "empty_plugin"), "own": (OWN, OURS)}
        for sort in sorts.values():
            measured(folder, *sort)  # writes the byte code
        rounds = [{sort: measured(folder, *how) for sort, how in sorts.items()} for _ in range(runs)]
    whole = {sort: [each[sort]["total"] for each in rounds] for sort in ("ours", "empty")}
    own = [each["own"] for each in rounds]
    more = statistics.median(whole["ours"]) - statistics.median(whole["empty"])
    print(f"whole  {more:+.2f} ms beside {statistics.median(whole['empty']):.1f} ms (medians of {runs} runs)")
    print(f"own    {statistics.median(sum(each.values()) for each in own):.2f} ms")
    for what in sorted(set().union(*own)):
        print(f"       {what:36} {statistics.median(each.get(what, 0.0) for each in own):.3f} ms")


if __name__ == "__main__":
    main()
