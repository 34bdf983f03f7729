"""The tables of the compression study as plain text, in blocks no wider than asked for. Rows in, lines out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pytest_biasaudit.report.study_columns import Cell, Column
from pytest_biasaudit.report.study_tables import SIGNIFICANT, Association, StudyTable
from pytest_biasaudit.report.visible import visible
from pytest_biasaudit.report.wording import p_text
from pytest_biasaudit.stats.interval import Interval

Grid = list[list[list[str]]]
"""Rows of cells of lines."""
GAP = "  "
LONGEST_HEAD = 24
NARROWEST = 40


def study_lines(tables: Sequence[StudyTable], *, width: int = 100, unicode: bool = True) -> list[str]:
    """All tables, line by line.

    width    a table that is wider goes on in a further block under it, the models named again; a single column may be wider
    unicode  False: arrows and marks in ASCII
    """
    lines: list[str] = []
    for table in tables:
        lines += [*([""] if lines else []), *_table(table, width)]
    return lines if unicode else [line.translate(ASCII) for line in lines]


ASCII = str.maketrans({"↑": "^", "↓": "v", "†": "+", "–": "-"})  # noqa: RUF001 (a dash is what a table shows for "none")


def _table(table: StudyTable, width: int) -> Iterator[str]:
    yield f"{table.title}, {table.context} / {table.audit}: {table.bias}"
    for name, text in table.settings:
        yield f"{name}: {visible(text)}"
    notes: list[str] = []
    names = [["model", ""], *([visible(row.model), f"vs {row.baseline}" if row.baseline else ""] for row in table.rows)]
    grid: Grid = [[head_of(column) for column in table.columns]]
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        grid.append([_cell_lines(cell, column, notes) for cell, column in cells])
    yield from blocks(names, grid, width)
    yield ""
    for note in _notes(table, notes):
        yield from textwrap.wrap(note, max(width, NARROWEST), subsequent_indent="    ", break_on_hyphens=False)


def head_of(column: Column) -> list[str]:
    """A column's title in two lines, the second mostly empty."""
    title = visible(column.title)
    if len(title) <= LONGEST_HEAD:
        return [title, ""]
    cut = max(title.rfind(" ", 0, LONGEST_HEAD), title.rfind("-", 0, LONGEST_HEAD)) + 1 or LONGEST_HEAD
    return [title[:cut].strip(), title[cut:].strip()]


def _cell_lines(cell: Cell, column: Column, notes: list[str]) -> list[str]:
    """The score with its change, and the change's interval under it; a mark where a note says why it counts for nothing."""
    mark = ""
    if not cell.sound and cell.reason:
        mark = "†" * (cell.score is not None) + note_mark(cell.reason, notes)
    if cell.score is None:
        return [f"–{mark}", ""]  # noqa: RUF001
    star = "*" if column.starred and cell.p is not None and cell.p < SIGNIFICANT else ""
    text = f"{cell.score:.{column.digits}f}{star}{mark}"
    if cell.change is None:
        return [text, ""]
    change = change_text(cell.change, column.digits) + note_mark(cell.change_reason, notes)
    return [f"{text} {change}", _interval(cell.change_interval, column.digits)]


def note_mark(reason: str, notes: list[str]) -> str:
    """The reason's number among the notes, put there if it is not yet; "" without one."""
    if not reason:
        return ""
    if reason not in notes:
        notes.append(reason)
    return f"[{notes.index(reason) + 1}]"


def change_text(change: float, digits: int) -> str:
    """A change with its arrow: "↓3.29"; "=" where there is none at this precision."""
    size = f"{abs(change):.{digits}f}"
    if float(size) == 0.0:
        return f"={size}"
    return f"{'↑' if change > 0 else '↓'}{size}"


def _interval(interval: Interval | None, digits: int) -> str:
    return "" if interval is None else f"({interval.low:+.{digits}f} to {interval.high:+.{digits}f})"


def blocks(names: list[list[str]], grid: Grid, width: int) -> Iterator[str]:
    """The columns side by side, as many as fit, then the rest under them; the first row and name are heads.

    names  two lines for each row; grid  two lines for each cell
    """
    first = max(len(line) for name in names for line in name)
    wide = [max(len(line) for row in grid for line in row[at]) for at in range(len(grid[0]))]
    at = 0
    while at < len(wide):
        end, used = at + 1, first + len(GAP) + wide[at]
        while end < len(wide) and used + len(GAP) + wide[end] <= width:
            used += len(GAP) + wide[end]
            end += 1
        yield ""
        for row, (name, cells) in enumerate(zip(names, grid, strict=True)):
            for line in range(2):
                parts = [name[line].ljust(first), *(cells[i][line].ljust(wide[i]) for i in range(at, end))]
                text = GAP.join(parts).rstrip()
                if text:
                    yield text
            if row == 0:
                yield "-" * used
        at = end


def _notes(table: StudyTable, notes: Sequence[str]) -> Iterator[str]:
    if any(row.baseline for row in table.rows):
        yield from _legend(table)
    if any(column.starred for column in table.columns):
        yield f"* p < {SIGNIFICANT:g} by permutation"
    absent: dict[str, list[str]] = {}
    for row in table.rows:
        absent.setdefault(row.absent_reason, []).append(visible(row.model))
    for reason, models in absent.items():
        if reason:
            yield f"{', '.join(models)}: no change, because {visible(reason)}"
    for at, note in enumerate(notes, start=1):
        yield f"[{at}] {visible(note)}"
    if any(cell.score is not None and not cell.sound for row in table.rows for cell in row.cells):
        yield "† a figure that no limit may be held against"
    for association in table.associations:
        yield association_text(association)
    if table.related and any(association.found.p is not None for association in table.associations):
        yield "the p takes models for independent, which children of one parent and checkpoints of one training are not"


def _legend(table: StudyTable) -> Iterator[str]:
    """What the arrows mean, once for biases and once for the skill."""
    distances = {column.ideal for column in table.columns if column.changes == "distance"}
    for ideal in sorted(distances):
        what = "the score's size" if ideal == 0 else f"|score - {ideal:g}|"
        yield f"↑↓ of a bias: change of {what} against the baseline; ↓ is toward no bias"
    for column in table.columns:
        if column.changes == "value":
            yield f"↑↓ of {column.title}: change of the score; ↓ is a loss"
    if any(cell.change_interval is not None for row in table.rows for cell in row.cells):
        yield "(in brackets: 95 % interval of the change, paired on the items of both models)"


def association_text(association: Association) -> str:
    """One line: tau, p, and how many models it rests on."""
    found = association.found
    of = f"Kendall's tau-c of {association.first} and {association.second}"
    left = f"; left out: {', '.join(association.left_out)}" if association.left_out else ""
    if found.tau is None:
        reason = found.reason.replace("pairs", "models").replace("pair", "model")
        return f"{of}: not defined ({reason}{left})"
    return f"{of}: {found.tau:+.3f}, one-sided p {p_text(found.p)} ({found.n} models{left})"
