"""How far sets of components carry, on a terminal: a table for each context evaluated, then the matrix of contexts.

rich is imported when drawing; no markup is read from any text. What the cells say is decided in `transfer_rows`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.mitigation_words import listed
from pytest_biasaudit.report.transfer_rows import (
    POOLED,
    SAME_SHORT,
    Block,
    Matrix,
    blocks,
    components_text,
    counted,
    decimals,
    found_on,
    interval_of,
    matrices,
    perplexity_text,
)
from pytest_biasaudit.report.visible import in_ascii, shortened, visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow

NARROWEST = 72
LONGEST_CELL = 120
HEADS = ("found on", "removed", "random", "magnitude", "bias", "inliers", "answered", "perplexity", "components")
NOT_LICENSED = (
    "What this does not license: a set that removes bias where it was found may remove none, or add some, elsewhere. Rows "
    'marked "same prompts" show that something was found, and nothing about other prompts. Audit every context of use.'
)


def render_transfer(
    results: Sequence[Generalisation], *, width: int = 100, colour: bool = False, unicode: bool | None = None
) -> list[str]:
    """The tables, line by line; no lines where nothing was studied.

    width    of the terminal, in columns
    unicode  False: lines and foreign letters are written in ASCII; left out, the encoding of standard output decides
    """
    if not results:
        return []
    if unicode is None:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=max(width, NARROWEST),
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    for result in results:
        for line in _about(result):
            console.print(_text(line, 400))
        for block in blocks(result.rows):
            console.print()
            console.print(_text(f"Evaluated in {block.title}; {block.about}", 400))
            console.print(_table(block, unicode=unicode))
            for note in _notes(block):
                console.print(_text(f"  {note}", 400))
        for matrix in matrices(result.rows):
            console.print()
            console.print(
                _text(f"Share of the bias removed by {matrix.title}: found in (down), evaluated in (across)", 400)
            )
            console.print(_matrix(matrix, unicode=unicode))
        console.print()
        console.print(_text(NOT_LICENSED, 400))
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    return lines if unicode else [in_ascii(line) for line in lines]


def _about(result: Generalisation) -> Iterator[str]:
    yield f"{result.study} [{result.model.name}]: how far removing components carries, seed {result.seed}"
    for one in result.contexts:
        used, declared = len(one.variations), one.declared_variations
        variations = f"{used} of {declared} variations" if used < declared else f"{used} variations"
        people, asked = len(one.people), one.declared_people
        names = f"{people} of {asked} people" if people < asked else f"{people} people"
        yield f"  {one.context}: {variations}, {names}, {one.repeats} answer{'s' * (one.repeats != 1)} each"


def _table(block: Block, *, unicode: bool) -> Table:
    table = _empty(unicode)
    for head in HEADS:
        table.add_column(_text(head), overflow="fold", justify="left" if head == HEADS[0] else "right")
    beside = {(row.level, row.found_in, row.rule, row.chosen): row for row in block.rows}
    for row in block.rows:
        if row.level == "none":
            cells = ["nothing removed", "", "", "", _figure(row.bias), *_shares(row), ""]
        elif row.chosen == "scored":
            random = beside.get((row.level, row.found_in, row.rule, "random"))
            magnitude = beside.get((row.level, row.found_in, row.rule, "magnitude"))
            cells = [
                _where(row, block),
                _figure(row.removed),
                "" if random is None else _figure(random.removed),
                "" if magnitude is None else _figure(magnitude.removed),
                _figure(row.bias),
                *_shares(row),
                components_text(row),
            ]
        else:
            continue
        table.add_row(*(_text(cell) for cell in cells))
    return table


def _where(row: TransferRow, block: Block) -> str:
    rule = "" if row.rule in ("", "own") else f", {row.rule}"
    marked = f"\n({SAME_SHORT})" if row.same_prompts else ""
    alike = {(one.variations, one.people) for one in block.rows if one.level != "none"}
    size = f"\n{counted(row.variations, row.people)}" if len(alike) > 1 else ""
    return f"{found_on(row)}{rule}{marked}{size}"


def _shares(row: TransferRow) -> tuple[str, str, str]:
    return (
        _figure(row.inlier_ratio, digits=3),
        _figure(row.answer_rate, digits=3),
        perplexity_text(row.perplexity),
    )


def _figure(figure: Figure, *, digits: int = 2) -> str:
    if figure.value is None:
        return wording.NONE
    return f"{decimals(figure.value, digits)}\n{interval_of(figure, digits=digits)}"


def _notes(block: Block) -> tuple[str, ...]:
    """Why a figure is missing, each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in block.rows:
        if row.level == "none" or row.chosen != "scored":
            continue
        for figure in (row.removed, row.bias):
            if figure.reason:
                reasons.setdefault(figure.reason, []).append(found_on(row))
    return tuple(f"{listed(where)}: {reason}" for reason, where in reasons.items())


def _matrix(matrix: Matrix, *, unicode: bool) -> Table:
    table = _empty(unicode)
    for head in ("found in", *matrix.evaluated_in):
        table.add_column(_text(head), overflow="fold", justify="left" if head == "found in" else "right")
    for source in matrix.found_in:
        cells = [source]
        for column in matrix.evaluated_in:
            cell = matrix.cells.get((source, column))
            if cell is None:
                cells.append("")
                continue
            lines = [_figure(cell.removed)]
            if cell.same_prompts:
                lines.append(f"({SAME_SHORT})")
            if cell.held_out is not None and cell.held_out.value is not None:
                lines.append(f"held out {decimals(cell.held_out.value)}")
            cells.append("\n".join(lines))
        table.add_row(*(_text(cell, 200) for cell in cells), end_section=source == POOLED)
    return table


def _empty(unicode: bool) -> Table:
    from rich import box
    from rich.table import Table

    return Table(
        box=box.SIMPLE_HEAD if unicode else box.ASCII2, pad_edge=False, show_edge=not unicode, collapse_padding=True
    )


def _text(text: str, longest: int = LONGEST_CELL) -> Text:
    from rich.text import Text

    return Text(visible(shortened(text, longest)))
