"""What the plugin costs a pytest run that does not use it, in milliseconds: `python tests/startup/measure_startup.py`.

Runs one plain test in fresh processes, with and without the plugin by turns. Two figures:

    own       time spent in importing the plugin's modules and in its hooks, on a clock inside the process
    whole     difference between the medians of whole runs; holds what pytest does because of us, and the machine's noise

A measurement, not a test: a loaded machine may not fail anybody's build. The target is 5 ms for `own`.
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
PROBE = """
import functools, inspect, json, sys, time
import pytest

with_plugin, spent = sys.argv[1] == "with", {}

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

arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:biasaudit", "test_plain.py"]
began = time.perf_counter()
if with_plugin:
    start = time.perf_counter()
    import pytest_biasaudit.plugin as plugin
    charge("import", start)
    for holder in (plugin, plugin.Gatherer):
        for name, hook in list(vars(holder).items()):
            if name.startswith("pytest_") and inspect.isfunction(hook):
                setattr(holder, name, timed(name, hook))
    arguments[:0] = ["-p", "pytest_biasaudit.plugin"]
code = pytest.main(arguments)
total = (time.perf_counter() - began) * 1000
assert code == 0, code
print("\\nMEASURED " + json.dumps({"total": total, **spent}))
"""


def measured(folder: Path, which: str) -> dict[str, float]:
    """One run in a fresh process: milliseconds by what they were spent on."""
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    run = subprocess.run(
        [sys.executable, "-c", PROBE, which], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("MEASURED "))
    found: dict[str, float] = json.loads(line.removeprefix("MEASURED "))
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What the plugin costs a pytest run that does not use it.")
    parser.add_argument("--runs", type=int, default=15, help="processes with and without the plugin, each")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
        measured(folder, "with")  # writes the byte code
        pairs = [(measured(folder, "without"), measured(folder, "with")) for _ in range(runs)]
    plain, ours = ([pair[side] for pair in pairs] for side in (0, 1))
    own = [sum(value for what, value in run.items() if what != "total") for run in ours]
    whole = statistics.median(run["total"] for run in ours) - statistics.median(run["total"] for run in plain)
    print(f"own    median {statistics.median(own):.2f} ms, least {min(own):.2f} ms, of {runs} runs")
    for what in sorted(set().union(*ours) - {"total"}):
        print(f"       {what:36} {statistics.median(run.get(what, 0.0) for run in ours):.3f} ms")
    print(f"whole  {whole:+.2f} ms beside {statistics.median(run['total'] for run in plain):.0f} ms without the plugin")


if __name__ == "__main__":
    main()
