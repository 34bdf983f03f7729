"""How far sets of components carry, on a terminal: a table for each context evaluated, then the matrix of contexts.

rich is imported when drawing; no markup is read from any text. Levels have the short names that plans and tests use. What is
removed, by score and at random, keeps its interval on every terminal; the narrower it is, the less of the rest has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.figure_text import decimals, interval_of, perplexity_text
from pytest_biasaudit.report.mitigation_words import listed
from pytest_biasaudit.report.text_console import Lines
from pytest_biasaudit.report.transfer_rows import (
    SAME_SHORT,
    Block,
    Matrix,
    MatrixCell,
    blocks,
    chance_lines,
    components_text,
    found_on,
    matrices,
)
from pytest_biasaudit.report.visible import shortened, visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow

WIDE, NARROW, NARROWEST = 128, 88, 60
"""Columns from which every figure has its interval; below which all but what is removed stands in one column; fewest drawn."""
HEADS = {
    WIDE: ("found on", "removed", "random", "magnitude", "bias", "inliers", "answered", "perplexity", "components"),
    NARROW: ("found on", "removed", "random", "bias", "inliers", "answered", "ppl", "n"),
    NARROWEST: ("found on", "removed", "random", "beside"),
}
LONGEST_CELL = 120
LEFT_OUT = "Magnitude, and the intervals that are not here, stand in the report and on a wider terminal."
NOT_LICENSED = (
    "What this does not license: a set that removes bias where it was found may remove none, or add some, elsewhere. Rows "
    'marked "same prompts" show that something was found, and nothing about other prompts. Audit every context of use.'
)


def render_transfer(
    results: Sequence[Generalisation], *, width: int = 100, colour: bool = False, unicode: bool | None = None
) -> list[str]:
    """The tables, line by line; no lines where nothing was studied.

    width    of the terminal, in columns; no line is longer, unless the terminal is under 60 columns wide
    unicode  False: lines and foreign letters are written in ASCII; left out, the encoding of standard output decides
    """
    if not results:
        return []
    width = max(width, NARROWEST)
    layout = next(least for least in (WIDE, NARROW, NARROWEST) if width >= least)
    lines = Lines(width, colour=colour, unicode=unicode)
    console, unicode = lines.console, lines.unicode
    for result in results:
        for line in _about(result):
            console.print(_text(line, 400))
        for block in blocks(result.rows):
            console.print()
            console.print(_text(f"Evaluated in {block.title}; {block.about}", 400))
            console.print(_table(block, layout, unicode=unicode))
            for note in _notes(block):
                console.print(_text(f"  {note}", 400))
        for matrix in matrices(result.rows):
            console.print()
            console.print(
                _text(f"Share of the bias removed by {matrix.title}: found in (down), evaluated in (across)", 400)
            )
            console.print(_matrix(matrix, layout, unicode=unicode))
        console.print()
        if layout < WIDE:
            console.print(_text(LEFT_OUT, 400))
        console.print(_text(NOT_LICENSED, 400))
    return lines.drawn()


def _about(result: Generalisation) -> Iterator[str]:
    yield f"{result.study} [{result.model.name}]: how far removing components carries, seed {result.seed}"
    for one in result.contexts:
        used, declared = len(one.variations), one.declared_variations
        variations = f"{used} of {declared} variations" if used < declared else f"{used} variations"
        people, asked = len(one.people), one.declared_people
        names = f"{people} of {asked} people" if people < asked else f"{people} people"
        yield f"  {one.context}: {variations}, {names}, {one.repeats} answer{'s' * (one.repeats != 1)} each"


def _table(block: Block, layout: int, *, unicode: bool) -> Table:
    table = _empty(HEADS[layout], unicode=unicode)
    beside = {(row.level, row.found_in, row.rule, row.chosen): row for row in block.rows}
    several = len({row.rule for row in block.rows if row.rule not in {"", "own"}}) > 1
    sizes = {(row.variations, row.people) for row in block.rows if row.level != "none"}
    for row in block.rows:
        if row.level != "none" and row.chosen != "scored":
            continue  # a column of its scored set's row
        random, magnitude = (beside.get((row.level, row.found_in, row.rule, one)) for one in ("random", "magnitude"))
        gone = [_removed(row), _removed(random), _removed(magnitude)]
        place = _where(row, several=several, sized=len(sizes) > 1)
        inliers, answered = row.inlier_ratio, row.answer_rate
        count = "" if row.level == "none" else components_text(row)
        perplexity = perplexity_text(row.perplexity)
        if layout == WIDE:
            figures = [_bias(row), _figure(inliers, digits=3), _figure(answered, digits=3)]
            cells = [place, *gone, *figures, perplexity, count]
        elif layout == NARROW:
            figures = [_bias(row), _value(inliers, digits=3), _value(answered, digits=3)]
            cells = [place, *gone[:2], *figures, perplexity, count]
        else:
            bias = "\n".join([f"bias {_value(row.bias)}", *chance_lines(row)])
            lines = [bias, f"inliers {_value(inliers)}", f"answered {_value(answered)}", f"ppl {perplexity}"]
            cells = [place, *gone[:2], "\n".join([*lines, *([f"n {count}"] if count else [])])]
        table.add_row(*(_text(cell) for cell in cells))
    return table


def _where(row: TransferRow, *, several: bool, sized: bool) -> str:
    """The level, and in lines under it: from where, by which rule, whether the same prompts, how many."""
    lines: list[str] = [row.level]
    if row.level == "cross-context":
        lines.append(f" from {', '.join(row.found_in)}")
    if several and row.rule not in {"", "own"}:
        lines.append(f" {row.rule}")
    if row.same_prompts:
        lines.append(f" ({SAME_SHORT})")
    if sized and row.level != "none":
        lines.append(f" {row.variations} x {row.people} people")
    return "\n".join(lines)


def _removed(row: TransferRow | None) -> str:
    """Nothing for a set that was not evaluated, and for the model as it is."""
    return "" if row is None or row.level == "none" else _figure(row.removed)


def _bias(row: TransferRow) -> str:
    return "\n".join([_figure(row.bias), *chance_lines(row)])


def _value(figure: Figure, *, digits: int = 2) -> str:
    return decimals(figure.value, digits)


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


def _matrix(matrix: Matrix, layout: int, *, unicode: bool) -> Table:
    table = _empty(("found in", *(visible(shortened(one, 24)) for one in matrix.evaluated_in)), unicode=unicode)
    for source in matrix.found_in:
        found = [matrix.cells.get((source, column)) for column in matrix.evaluated_in]
        table.add_row(_text(source), *(_text(_matrix_cell(one, short=layout == NARROWEST)) for one in found))
    return table


def _matrix_cell(cell: MatrixCell | None, *, short: bool) -> str:
    if cell is None:
        return ""
    lines = [_figure(cell.removed)]
    if cell.same_prompts:
        lines.append(f"({SAME_SHORT.split()[0] if short else SAME_SHORT})")
    if cell.held_out is not None and cell.held_out.value is not None:
        lines.append(f"held out {_figure(cell.held_out)}")
    text = "\n".join(lines)
    return text.replace(" to ", " to\n") if short else text


def _empty(heads: Sequence[str], *, unicode: bool) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD if unicode else box.ASCII2, pad_edge=False, show_edge=not unicode, collapse_padding=True
    )
    for at, head in enumerate(heads):
        table.add_column(_text(head), overflow="fold", justify="right" if at else "left")
    return table


def _text(text: str, longest: int = LONGEST_CELL) -> Text:
    from rich.text import Text

    return Text(visible(shortened(text, longest)))
