"""How far the asking has come: a live bar on a terminal, plain lines in a log, nothing when quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE = 15.0
"""Seconds between two lines in a log."""


@contextmanager
def watch(config: pytest.Config, what: str, total: int, *, unit: str = "answers") -> Iterator[Callable[[int], None]]:
    """Gives a function to call with each number of answers that came; shows them as the terminal allows.

    unit  what is counted, in words
    """
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or config.get_verbosity() < 0:
        yield lambda _count: None
        return
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        with _shown(reporter, what, total, unit) as step:
            yield step
    else:
        with capture.global_and_fixture_disabled(), _shown(reporter, what, total, unit) as step:
            yield step


@contextmanager
def _shown(reporter: Any, what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    if reporter.isatty:
        with _bar(what, total) as step:
            yield step
    else:
        with _lines(reporter, what, total, unit) as step:
            yield step


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _lines(reporter: Any, what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    started = last = time.monotonic()
    done = 0

    def step(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= PATIENCE and done < total:
            last = now
            reporter.ensure_newline()
            reporter.write_line(f"biasaudit: {what}: {done} of {total} {unit}, {now - started:.0f} s")

    yield step
    reporter.ensure_newline()
    reporter.write_line(f"biasaudit: {what}: {done} of {total} {unit}, {time.monotonic() - started:.1f} s")
