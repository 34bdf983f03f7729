"""How far a long command has come, on standard error: a bar on a terminal, lines in a log. Imports rich when drawing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 15.0
"""Seconds between two lines in a log."""


@contextmanager
def watch(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with steps as they are done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, transient=True, console=Console(stderr=True)) as progress:
            task = progress.add_task(what, total=total)
            yield lambda count: progress.advance(task, count)
        return
    started = last = time.monotonic()
    done = 0

    def step(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= PATIENCE and done < total:
            last = now
            print(f"{what}: {done:,} of {total:,}, {now - started:.0f} s", file=sys.stderr, flush=True)

    yield step
    print(f"{what}: {done:,} of {total:,}, {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
