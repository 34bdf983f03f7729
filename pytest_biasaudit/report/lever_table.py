"""A study of levers on a terminal. rich is imported when drawing; no markup is read from any text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.report.lever_rows import NO_SIDE, facts, grids
from pytest_biasaudit.report.text_console import Lines
from pytest_biasaudit.report.visible import visible

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
    from rich.text import Text

    lines = Lines(max(width, NARROWEST), unicode=unicode)

    def say(line: str) -> None:
        lines.console.print(Text(visible(line)))

    for result in results:
        say(f"{result.study} [{result.model.name}]: which lever helps")
        for name, value in facts(result):
            say(f"  {name}: {value}")
        for grid in grids(result):
            say("")
            say(grid.caption)
            lines.console.print(_drawn(grid, unicode=lines.unicode))
            for note in grid.notes:
                say(f"  {note}")
        say("")
        for note in (*result.notes, NO_SIDE):
            say(note)
    return lines.drawn()


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
