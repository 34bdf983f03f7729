"""The tables of checkpoints, and the study's printed numbers beside ours, as plain text. Rows in, lines out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pytest_biasaudit.report.checkpoints import UNCOMPRESSED, CheckpointTable, Chosen, Trend
from pytest_biasaudit.report.published import BesideTable
from pytest_biasaudit.report.study_columns import Cell, Column
from pytest_biasaudit.report.study_text import ASCII, NARROWEST, blocks, change_text, head_of, note_mark
from pytest_biasaudit.report.visible import visible
from pytest_biasaudit.report.wording import NONE, p_text
from pytest_biasaudit.stats.interval import Interval


def checkpoint_lines(tables: Sequence[CheckpointTable], *, width: int = 100, unicode: bool = True) -> list[str]:
    """All tables of checkpoints, line by line; nothing of a sweep without revisions. As `study_lines`."""
    lines: list[str] = []
    for table in tables:
        if table.has_steps:
            lines += [*([""] if lines else []), *_table(table, width), *_trends(table, width)]
    return lines if unicode else [line.translate(ASCII) for line in lines]


def published_lines(tables: Sequence[BesideTable], *, width: int = 100, unicode: bool = True) -> list[str]:
    """What the study printed, beside what was measured here; nothing where no model is one of its own."""
    lines: list[str] = []
    for table in tables:
        lines += [*([""] if lines else []), *_beside(table, width)]
    return lines if unicode else [line.translate(ASCII) for line in lines]


def _table(table: CheckpointTable, width: int) -> Iterator[str]:
    yield f"{table.title}, {table.context} / {table.audit}: {table.bias} over checkpoints"
    if table.skill is None:
        yield "no best step: the benchmark has no figure of how able the model is"
        return
    notes: list[str] = []
    names = [["model", "at step"], *([visible(f"{row.model} {row.recipe}"), _place(row)] for row in table.rows)]
    grid = [[head_of(column) for column in table.columns]]
    for row in table.rows:
        cells = [_cell(cell, column, notes) for cell, column in zip(row.cells, table.columns, strict=False)]
        if not row.cells:
            cells = [[f"{NONE}{note_mark(row.absent, notes)}", ""], *([["", ""]] * (len(table.columns) - 1))]
        grid.append(cells)
    yield from blocks(names, grid, width)
    yield ""
    for note in _notes(table, notes):
        yield from textwrap.wrap(note, max(width, NARROWEST), subsequent_indent="    ", break_on_hyphens=False)


def _place(row: Chosen) -> str:
    """Which step, and which it is."""
    return visible(f"{row.at}: {row.revision}" if row.revision else row.at)


def _cell(cell: Cell, column: Column, notes: list[str]) -> list[str]:
    """The score with its change against the parent of the same step; the score's own interval under it."""
    if cell.score is None:
        return [f"{NONE}{note_mark(cell.reason, notes)}", ""]
    mark = "" if cell.sound else "†" + note_mark(cell.reason, notes)
    change = ""
    if cell.change is not None:
        change = f" {change_text(cell.change, column.digits)}{note_mark(cell.change_reason, notes)}"
    return [f"{cell.score:.{column.digits}f}{mark}{change}", interval_text(cell.interval, column.digits)]


def interval_text(interval: Interval | None, digits: int) -> str:
    """An interval in brackets; "" for none."""
    return "" if interval is None else f"({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _notes(table: CheckpointTable, notes: Sequence[str]) -> Iterator[str]:
    assert table.skill is not None
    skill = table.columns[table.skill].title
    yield f"best: the step with the highest {skill}, of equals the first; steps close to it are not told apart by that"
    yield "(in brackets: 95 % interval of the score)"
    if any(cell.change is not None for row in table.rows for cell in row.cells):
        ideals = sorted({column.ideal for column in table.columns if column.changes == "distance"})
        away = ", ".join("the score's size" if ideal == 0 else f"|score - {ideal:g}|" for ideal in ideals)
        yield (
            f"↑↓ change against {UNCOMPRESSED} at the same step: of a bias the change of {away}, of {skill} that of the score"
        )
    for at, note in enumerate(notes, start=1):
        yield f"[{at}] {visible(note)}"
    for note in (*dict.fromkeys(unchanged_notes(table)), *table.notes):
        yield visible(note)
    if any(cell.score is not None and not cell.sound for row in table.rows for cell in row.cells):
        yield "† a figure that no limit may be held against"


def unchanged_notes(table: CheckpointTable) -> Iterator[str]:
    """Which rows have no change against their parent, and why."""
    for row in table.rows:
        if row.unchanged:
            yield f"{row.model} {row.recipe}, {row.revision}: no change, because {row.unchanged}"


def _trends(table: CheckpointTable, width: int) -> Iterator[str]:
    if not table.trends or table.skill is None:
        return
    yield ""
    yield f"Kendall's tau-c of {table.columns[table.skill].title} and bias over checkpoints, with its one-sided p"
    titles = list(dict.fromkeys((one.column, one.of) for one in table.trends))
    series = list(dict.fromkeys((one.model, one.recipe) for one in table.trends))
    found = {(one.model, one.recipe, one.column, one.of): one for one in table.trends}
    notes: list[str] = []
    names = [["series", ""], *([visible(f"{model} {recipe}"), ""] for model, recipe in series)]
    grid = [[[visible(column), of] for column, of in titles]]
    grid += [[trend_lines(found[(*one, *title)], notes) for title in titles] for one in series]
    yield from blocks(names, grid, width)
    yield ""
    said = [f"[{at}] {visible(note)}" for at, note in enumerate(notes, start=1)]
    said.append("the p takes checkpoints for independent, which those of one training run are not")
    for note in said:
        yield from textwrap.wrap(note, max(width, NARROWEST), subsequent_indent="    ", break_on_hyphens=False)


def trend_lines(trend: Trend, notes: list[str]) -> list[str]:
    """Tau with the number of checkpoints, and its p under it."""
    found = trend.found
    left = f"left out: {', '.join(trend.left_out)}" if trend.left_out else ""
    if found.tau is None:
        reason = found.reason.replace("pairs", "checkpoints").replace("pair", "checkpoint")
        return [f"{NONE}{note_mark('; '.join(filter(None, [reason, left])), notes)}", ""]
    return [f"{found.tau:+.3f} (n {found.n}){note_mark(left, notes)}", f"p {p_text(found.p)}"]


def _beside(table: BesideTable, width: int) -> Iterator[str]:
    yield f"{table.title}, {table.context} / {table.audit}: beside what {table.study} printed"
    notes: list[str] = []
    names = [["model", "figure"], *([visible(row.model), visible(row.figure)] for row in table.rows)]
    grid = [[["here", ""], ["published", ""], ["in", ""]]]
    for row in table.rows:
        mark = "" if row.sound else "†"
        grid.append(
            [
                [f"{row.score:.{table.digits}f}{mark}", interval_text(row.interval, table.digits)],
                [f"{row.published:.{table.digits}f}{note_mark(row.caution, notes)}", ""],
                [row.where, ""],
            ]
        )
    yield from blocks(names, grid, width)
    yield ""
    numbered = [f"[{at}] {note}" for at, note in enumerate(notes, start=1)]
    for note in [*numbered, *table.notes]:
        yield from textwrap.wrap(visible(note), max(width, NARROWEST), subsequent_indent="    ", break_on_hyphens=False)
