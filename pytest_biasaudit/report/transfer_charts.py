"""Pictures of how far components carry: a matrix of contexts, and what is removed level by level. SVG text.

matplotlib is imported when a picture is drawn. Every cell of the matrix holds its number; tints and frames only repeat
what the numbers and the table beside say. The same rows give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import (
    INNER,
    MARGIN,
    WIDTH,
    Picture,
    dress_axis,
    head,
    ideal_line,
    new_figure,
    short,
    write,
)
from pytest_biasaudit.report.figure_text import decimals, with_interval
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg
from pytest_biasaudit.report.transfer_rows import LEVELS, POOLED, Block, Matrix, found_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow

SOURCES = 84
"""Points at the left for the contexts of the rows."""
CELL_HEIGHT = 30
NAME_LENGTH = 15
DEEPEST = 0.42
"""Opacity of the tint of all bias removed; the ink on it stays readable."""
LONG_PREFIX = 6
"""Letters in common from which names are cut in pictures."""
MOST_STEPS = 20
"""Levels of one block in the picture; all are in its table."""
STEP_ROW = 22
LINE = 9.0
"""Points between the scored set's line and those of its baselines."""
LOOKS = {"scored": ("o", "dots", False), "random": ("s", "muted", True), "magnitude": ("D", "series-2", True)}
"""Mark, colour and whether hollow, by what chose; any of the first and last is enough to tell them apart."""
NAMES = {"scored": "● by score", "random": "□ at random", "magnitude": "◇ by magnitude"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One level of a block: the scored set and its baselines."""

    label: str
    same_prompts: bool
    removed: Mapping[str, Figure]
    """By what chose: "scored", "random", "magnitude"."""


def matrix_picture(matrix: Matrix, *, ids: str) -> Picture:
    """Share of the bias removed, found in the row's context and evaluated in the column's.

    ids  what the ids inside the SVG begin with; must be the page's only picture of that name
    """
    rows, columns = len(matrix.found_in), len(matrix.evaluated_in)
    height = 74 + CELL_HEIGHT * rows + 4
    title = f"Transfer matrix, {short(matrix.title, 100)}"
    description = " ".join(
        _cell_sentence(matrix, source, to) for source in matrix.found_in for to in matrix.evaluated_in
    )
    description += " 1 is all bias removed, 0 none, below 0 more bias than before."
    if any(one.same_prompts for one in matrix.cells.values()):
        description += (
            " A dashed frame marks sets that were found on the very prompts they are evaluated on; in brackets "
        )
        description += "under it stands what sets of the context's other variations remove."
    with drawing():
        figure = new_figure(height)
        across = WIDTH - SOURCES - 4
        axes = figure.add_axes((SOURCES / WIDTH, 4 / height, across / WIDTH, CELL_HEIGHT * rows / height))
        axes.set_xlim(0, columns)
        axes.set_ylim(rows, 0)
        axes.set_axis_off()
        names = told_apart([*matrix.found_in, *matrix.evaluated_in])
        for row, source in enumerate(matrix.found_in):
            _at(axes, (0, row + 0.5), (-6, 0), short(names[source], NAME_LENGTH), ha="right", va="center")
            for column, to in enumerate(matrix.evaluated_in):
                _cell(axes, matrix, row, column, source, to)
        longest = max(6, int(across / columns / 5.2))
        for column, to in enumerate(matrix.evaluated_in):
            _at(axes, (column + 0.5, 0), (0, 5), short(names[to], longest), ha="center", va="bottom")
        left = -SOURCES + 4
        _at(
            axes,
            (0, 0),
            (left, 42),
            f"Share of the bias removed, {short(matrix.title)}",
            ha="left",
            va="bottom",
            weight="bold",
        )
        _at(axes, (0, 0), (left, 28), "found in ↓, evaluated in →", ha="left", va="bottom", colour="muted")
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def _cell(axes: Axes, matrix: Matrix, row: int, column: int, source: str, to: str) -> None:
    from matplotlib.patches import Rectangle

    one = matrix.cells.get((source, to))
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    held_out = None if one is None or one.held_out is None else one.held_out.value
    if one is None or (one.removed.value is None and held_out is None):
        axes.text(column + 0.5, row + 0.5, wording.NONE, color=COLOURS["muted"], **middle)
        return
    value = one.removed.value
    place: dict[str, Any] = {"xy": (column + 0.03, row + 0.05), "width": 0.94, "height": 0.9, "clip_on": False}
    if value is not None:
        tint = COLOURS["dots" if value >= 0 else "limit"]
        axes.add_patch(Rectangle(**place, facecolor=tint, alpha=DEEPEST * min(1.0, abs(value)), linewidth=0))
    frame = {"linestyle": (0, (3, 2)), "linewidth": 1.2} if one.same_prompts else {"linewidth": 0.5}
    edge = COLOURS["ink" if one.same_prompts else "line"]
    axes.add_patch(Rectangle(**place, facecolor="none", edgecolor=edge, **frame))
    ink = COLOURS["ink"]
    if held_out is None:  # on the same prompts it is no evidence, and must not look like the cells that are
        weight = "normal" if one.same_prompts else "bold"
        axes.text(column + 0.5, row + 0.5, decimals(value), color=ink, weight=weight, **middle)
    else:  # the same prompts, and under it what counts as evidence
        axes.text(column + 0.5, row + 0.3, decimals(value), color=ink, **middle)
        axes.text(column + 0.5, row + 0.7, f"({decimals(held_out)})", color=ink, weight="bold", **middle)


def _cell_sentence(matrix: Matrix, source: str, to: str) -> str:
    one = matrix.cells.get((source, to))
    where = f"Found in {short(source)}, evaluated in {short(to)}"
    if one is None:
        return f"{where}: not evaluated."
    same = ", the same prompts" if one.same_prompts else ""
    text = f"{where}{same}: {with_interval(one.removed) if one.removed.value is not None else 'no figure'}"
    if one.held_out is not None and one.held_out.value is not None:
        text += f", held out {with_interval(one.held_out)}"
    return f"{text}."


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """The names without what all of them begin with, up to a hyphen: "pruning-study-finance" as "…finance"."""
    parts = [name.split("-") for name in dict.fromkeys(names) if name != POOLED]
    common = 0
    while len(parts) > 1 and all(len(one) > common + 1 and one[common] == parts[0][common] for one in parts):
        common += 1
    cut = sum(len(part) + 1 for part in parts[0][:common]) if parts else 0
    if cut < LONG_PREFIX:
        return {name: name for name in names}
    return {name: name if name == POOLED else f"…{name[cut:]}" for name in names}


def levels_picture(block: Block, *, ids: str) -> Picture | None:
    """What is removed in one context, level by level, beside what sets of equal size chosen otherwise remove.

    None where nothing has a value.
    """
    every = steps(block)
    found = every[:MOST_STEPS]
    if not found:
        return None
    height = 80 + sum(_tall(step) for step in found)
    title = f"What is removed, level by level: evaluated in {short(block.title, 100)}"
    description = " ".join(_step_sentence(step) for step in found)
    description += " The dotted lines stand at 0, nothing removed, and 1, all of the bias removed."
    if len(every) > MOST_STEPS:
        description += f" The first {MOST_STEPS} of {len(every)} levels are drawn."
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((MARGIN, 36 / height, INNER, (height - 74) / height))
        _panel(axes, block, found)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def steps(block: Block) -> tuple[Step, ...]:
    """The block's levels, nearest first, for the picture; those without any value are left out."""
    found: dict[tuple[str, tuple[str, ...], str], dict[str, TransferRow]] = {}
    for row in block.rows:
        if row.level != "none":
            found.setdefault((row.level, row.found_in, row.rule), {}).setdefault(row.chosen, row)
    several = len({rule for _, _, rule in found if rule != "own"}) > 1
    made = []
    for (_, _, rule), by_chosen in found.items():
        values = {chosen: row.removed for chosen, row in by_chosen.items() if row.removed.value is not None}
        if not values:
            continue
        first = next(iter(by_chosen.values()))
        place = LEVELS[first.level] if first.level == "pooled" else found_on(first)
        made.append(
            Step(
                label=f"{place}, {rule}" if several and rule not in {"", "own"} else place,
                same_prompts=any(row.same_prompts for row in by_chosen.values()),
                removed=values,
            )
        )
    return tuple(made)


def _tall(step: Step) -> float:
    return STEP_ROW + LINE * len(step.removed)


def _panel(axes: Axes, block: Block, found: Sequence[Step]) -> None:
    low, high = _reach([figure for step in found for figure in step.removed.values()])
    tall = sum(_tall(step) for step in found)
    axes.set_xlim(low, high)
    axes.set_ylim(tall, 0)
    at = 0.0
    for step in found:
        label = f"{step.label} †" if step.same_prompts else step.label
        write(axes, 0.0, at + 7, short(label, 48))
        scored = step.removed.get("scored")
        if scored is not None:
            weight = "normal" if step.same_prompts else "bold"
            write(axes, 1.0, at + 7, decimals(scored.value), align="right", weight=weight)
        first = at + 9 + LINE
        for ideal in (0.0, 1.0):
            ideal_line(axes, ideal, [first - 4, first + LINE * len(step.removed) - 4])
        for line, (chosen, figure) in enumerate(step.removed.items()):
            _mark(axes, first + LINE * line, figure, chosen, low, high)
        at += _tall(step)
    marks = "   ".join(name for one, name in NAMES.items() if any(one in step.removed for step in found))
    dagger = "   † same prompts" if any(step.same_prompts for step in found) else ""
    head(axes, f"{block.title}", marks + dagger)
    dress_axis(axes, "share of the bias removed")
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2.5, 5, 10]))


def _reach(figures: Sequence[Figure]) -> tuple[float, float]:
    """From nothing to all, and further where values lie there; intervals are cut one width away."""
    values = [one.value for one in figures if one.value is not None]
    low, high = min([0.0, *values]), max([1.0, *values])
    wide = high - low
    ends = [
        end for one in figures if one.interval for end in (one.interval.low, one.interval.high) if math.isfinite(end)
    ]
    bottom, top = max(low - wide, min([low, *ends])), min(high + wide, max([high, *ends]))
    return bottom - 0.03 * (top - bottom), top + 0.03 * (top - bottom)


def _mark(axes: Axes, y: float, figure: Figure, chosen: str, low: float, high: float) -> None:
    marker, colour, hollow = LOOKS[chosen]
    ink: dict[str, Any] = {"color": COLOURS[colour], "clip_on": False}
    interval = figure.interval
    if interval is not None:
        axes.plot(
            [max(low, interval.low), min(high, interval.high)], [y, y], linewidth=1.6, solid_capstyle="butt", **ink
        )
        for end, edge, arrow in ((interval.low, low, "<"), (interval.high, high, ">")):
            if (end < low) if arrow == "<" else (end > high):
                axes.plot([edge], [y], marker=arrow, markersize=4.5, linestyle="none", **ink)
    mark: dict[str, Any] = {"marker": marker, "markersize": 5, "linestyle": "none", "markeredgewidth": 1.2}
    if hollow:
        mark["markerfacecolor"] = COLOURS["paper"]
    axes.plot([figure.value or 0.0], [y], zorder=3, **ink, **mark)


def _step_sentence(step: Step) -> str:
    same = ", the same prompts" if step.same_prompts else ""
    sides = [f"{NAMES[chosen][2:]} {with_interval(figure)}" for chosen, figure in step.removed.items()]
    return f"Found on {short(step.label, 100)}{same}: {', '.join(sides)}."


def _at(
    axes: Axes,
    xy: tuple[float, float],
    away: tuple[float, float],
    text: str,
    *,
    ha: str,
    va: str,
    colour: str = "ink",
    weight: str = "normal",
) -> None:
    place: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    axes.annotate(text, xy, away, ha=ha, va=va, color=COLOURS[colour], weight=weight, **place)
