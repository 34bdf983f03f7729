"""Bias and skill of a swept model over its training checkpoints, a line a recipe, as SVG text for the page.

matplotlib is imported when a picture is drawn. Labels are foreign text; `canvas` cuts and matplotlib escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.report.benchmark import score
from pytest_biasaudit.report.canvas import WIDTH, Picture, new_figure, short
from pytest_biasaudit.report.checkpoints import CheckpointTable, Series
from pytest_biasaudit.report.pareto import drawn_biases
from pytest_biasaudit.report.plane import (
    LEFT,
    RIGHT,
    Look,
    draw_legend,
    draw_point,
    dress_plane,
    ends_of,
    legend_height,
    looks_of,
    span_of,
)
from pytest_biasaudit.report.study_columns import Cell
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRIP = 92
"""Height of a panel, in points."""


def steps_picture(table: CheckpointTable, model: str, *, ids: str) -> Picture | None:
    """Each bias and the skill of one swept model over its checkpoints, a line a recipe.

    A figure that could be judged of no checkpoint is told in words and not drawn. None with fewer than two checkpoints, or
    where nothing is left to draw.
    """
    own = [series for series in table.series if series.model == model]
    if max(len(series.checkpoints) for series in own) < 2:
        return None
    recipes = [series.recipe for series in own]
    looks = looks_of(list(dict.fromkeys(series.recipe for series in table.series)))
    looks = {recipe: looks[recipe] for recipe in recipes}
    told = [*drawn_biases(table), *([table.skill] if table.skill is not None else [])]
    shown = [at for at in told if any(_drawn(one.cells[at]) for series in own for one in series.checkpoints)]
    if not shown:
        return None
    places, ticks = _places(own)
    above, below, between = legend_height(recipes) + 16, 30, 32
    total = above + below + len(shown) * STRIP + (len(shown) - 1) * between
    title = f"{short(table.bias)} over checkpoints: {short(model)}"
    sentences = [_line_sentence(table, series, at) for at in told for series in own]
    with drawing():
        figure = new_figure(total)
        for row, at in enumerate(shown):
            bottom = below + (len(shown) - 1 - row) * (STRIP + between)
            axes = figure.add_axes((LEFT, bottom / total, RIGHT - LEFT, STRIP / total))
            _strip(axes, table, own, at, places, looks)
            last = row == len(shown) - 1
            dress_plane(axes, across="checkpoint" if last else "", up="")
            axes.set_xticks([place for place, _ in ticks], [name for _, name in ticks])
            head = axes.annotate(
                _strip_title(table, at), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                annotation_clip=False, color=COLOURS["ink"], weight="bold",
            )  # fmt: skip
            head.set_in_layout(False)
            if row == 0:
                draw_legend(axes, looks, lift=14)
        svg = inline_svg(figure, ids=ids, title=title, description=" ".join(sentences))
    return Picture(svg=svg, title=title, description=" ".join(sentences))


def _strip(
    axes: Axes,
    table: CheckpointTable,
    own: Sequence[Series],
    at: int,
    places: dict[str, float],
    looks: dict[str, Look],
) -> None:
    """One figure of all series over steps, its ideal dotted where it lies within sight."""
    found = {
        series.recipe: [(places[one.revision], one.cells[at]) for one in series.checkpoints if _drawn(one.cells[at])]
        for series in own
    }
    cells = [cell for points in found.values() for _, cell in points]
    ideal = None if at == table.skill else table.columns[at].ideal
    low, high = span_of(
        [*(cell.score or 0.0 for cell in cells), *([] if ideal is None else [ideal])],
        [ends_of(cell.interval) for cell in cells],
        most=METRICS[table.columns[at].metric].range[1],
    )
    left, right = min(places.values()), max(places.values())
    room = (right - left) * 0.04 or 0.5
    axes.set_xlim(left - room, right + room)
    axes.set_ylim(low, high)
    if ideal is not None:
        axes.plot(axes.get_xlim(), [ideal, ideal], color=COLOURS["muted"], linewidth=0.9, linestyle=(0, (1, 2)))
    # Side by side, so that the bars of one step can be told apart.
    aside = (right - left) * 0.008 or 0.02
    for number, (recipe, points) in enumerate(found.items()):
        look, shift = looks[recipe], aside * (number - (len(found) - 1) / 2)
        xs = [x + shift for x, _ in points]
        axes.plot(xs, [cell.score or 0.0 for _, cell in points], color=look.colour, linewidth=1.1)
        for x, (_, cell) in zip(xs, points, strict=True):
            draw_point(axes, x, cell.score or 0.0, look, up=ends_of(cell.interval), size=5.0)


def _drawn(cell: Cell) -> bool:
    return cell.score is not None and cell.sound


def _places(own: Sequence[Series]) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """Where each revision lies on the axis, and a few to be named: at its step where all have one, else in a row."""
    checkpoints = {one.revision: one.step for series in own for one in series.checkpoints}
    steps = list(checkpoints.values())
    if None not in steps and len(set(steps)) == len(steps):
        places = {revision: float(step or 0) for revision, step in checkpoints.items()}
        names = {revision: f"{step:,}" for revision, step in checkpoints.items()}
    else:
        places = {revision: float(at) for at, revision in enumerate(checkpoints)}
        names = {revision: short(revision, 12) for revision in checkpoints}
    ordered = sorted(places, key=places.__getitem__)
    longest = max(map(len, names.values()))
    room = (places[ordered[-1]] - places[ordered[0]]) * (5 * longest + 8) / (WIDTH * (RIGHT - LEFT))
    ticks: list[tuple[float, str]] = []
    for revision in [ordered[-1], *ordered[:-1]]:  # the last is always named
        if all(abs(places[revision] - place) >= room for place, _ in ticks):
            ticks.append((places[revision], names[revision]))
    return places, ticks


def _strip_title(table: CheckpointTable, at: int) -> str:
    column = table.columns[at]
    if at == table.skill:
        return short(column.title)
    return short(f"{table.bias}, {column.title} (ideal {column.ideal:g}, dotted)", 60)


def _line_sentence(table: CheckpointTable, series: Series, at: int) -> str:
    def said(cell: Cell) -> str:
        return score(cell.score) if cell.sound else "not judged"

    points = ", ".join(f"{short(one.revision, 20)} {said(one.cells[at])}" for one in series.checkpoints)
    return f"{_strip_title(table, at)}, {short(series.recipe)}: {points}."
