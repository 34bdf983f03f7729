"""A study of levers on a terminal. rich is imported when drawing; no markup is read from any text."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.report.lever_rows import NO_SIDE, facts, grids
from pytest_biasaudit.report.visible import in_ascii, visible

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.result import StudyResult
    from pytest_biasaudit.report.grid import Grid, Shown

NARROWEST = 60


def render_levers(results: Sequence[StudyResult], *, width: int = 100, unicode: bool | None = None) -> list[str]:
    """The tables, line by line; no lines where nothing was studied.

    width    of the terminal, in columns; words are folded where a column is too narrow for them
    unicode  False: lines and foreign letters are written in ASCII; left out, the encoding of standard output decides
    """
    if not results:
        return []
    if unicode is None:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
    from rich.console import Console
    from rich.text import Text

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=max(width, NARROWEST),
        force_terminal=False,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )

    def say(line: str) -> None:
        console.print(Text(visible(line)))

    for result in results:
        say(f"{result.study} [{result.model.name}]: which lever helps")
        for name, value in facts(result):
            say(f"  {name}: {value}")
        for grid in grids(result):
            say("")
            say(grid.caption)
            console.print(_drawn(grid, unicode=unicode))
            for note in grid.notes:
                say(f"  {note}")
        say("")
        for note in (*result.notes, NO_SIDE):
            say(note)
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    return lines if unicode else [in_ascii(line) for line in lines]


def _drawn(grid: Grid, *, unicode: bool) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE if unicode else box.ASCII, show_edge=False, pad_edge=False)
    for at, head in enumerate(grid.heads):
        table.add_column(Text(visible(head)), justify="left" if at < grid.words else "right", overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(visible(line)) for line in _cells(row)))
    return table


def _cells(row: Sequence[Shown]) -> Iterator[str]:
    for shown in row:
        under = [one for one in shown.under if one]
        yield shown.text + (f"\n{'; '.join(under)}" if under else "")
