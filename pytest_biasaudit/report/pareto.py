"""Utility against bias over the points of a sweep: as data, and as SVG text for the page.

A point is on the frontier when no other has as much skill with as little bias and more of one or less of the other. That is of
the figures themselves; intervals that overlap say that the order is not known. matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.report.benchmark import score
from pytest_biasaudit.report.canvas import Picture, new_figure, short
from pytest_biasaudit.report.checkpoints import CheckpointTable, Series
from pytest_biasaudit.report.plane import (
    LEFT,
    RIGHT,
    Ends,
    draw_legend,
    draw_point,
    dress_plane,
    ends_of,
    legend_height,
    looks_of,
    span_of,
)
from pytest_biasaudit.report.study_columns import away, told_apart
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 210
"""Height of a panel of the Pareto picture, in points."""
MOST_NAMED = 8
"""Points of the frontier that are named in the picture; of more, those at its ends and evenly between."""
MOST_PANELS = 6
"""Biases drawn: the first of the table, and the one over all items where there is one."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model as skill and bias."""

    model: str
    series: str
    """Recipe, with the swept model before it where there are several."""
    name: str
    """Short, for the picture: its revision, else its model."""
    skill: float
    skill_ends: Ends
    distance: float
    """|bias - ideal|."""
    distance_ends: Ends
    """From 0 where the bias' interval holds the ideal."""
    on_frontier: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One bias against the skill."""

    title: str
    """Of the bias: the axis, or "all"."""
    bias: str
    """The metric's title."""
    skill: str
    ideal: float
    most_skill: float
    """The highest the skill can be."""
    points: tuple[Point, ...]
    left_out: tuple[str, ...]
    """Models without sound figures on both sides."""

    @property
    def frontier(self) -> tuple[Point, ...]:
        """The points that nothing beats, by rising skill."""
        return tuple(sorted((one for one in self.points if one.on_frontier), key=lambda one: (one.skill, one.model)))


def pareto_panels(table: CheckpointTable) -> tuple[Panel, ...]:
    """A panel for each bias of which at least two points have sound figures; none without a skill."""
    if table.skill is None:
        return ()
    panels = []
    for at in drawn_biases(table):
        points, left_out = [], []
        column = table.columns[at]
        for series in table.series:
            for checkpoint in series.checkpoints:
                able, bias = checkpoint.cells[table.skill], checkpoint.cells[at]
                if able.score is None or bias.score is None or not able.sound or not bias.sound:
                    left_out.append(checkpoint.model)
                    continue
                points.append(
                    Point(
                        model=checkpoint.model,
                        series=series_name(table, series),
                        name=checkpoint.revision or series.model,
                        skill=told_apart(able.score),
                        skill_ends=ends_of(able.interval),
                        distance=away(bias.score, column.ideal),
                        distance_ends=distance_ends(bias.interval, column.ideal),
                    )
                )
        if len(points) > 1:
            panels.append(
                Panel(
                    title=column.title,
                    bias=table.bias,
                    skill=table.columns[table.skill].title,
                    ideal=column.ideal,
                    most_skill=METRICS[table.columns[table.skill].metric].range[1],
                    points=with_frontier(points),
                    left_out=tuple(left_out),
                )
            )
    return tuple(panels)


def with_frontier(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points, each told whether nothing beats it: no other has skill >= and distance <= with one of the two strict."""

    def beaten(one: Point) -> bool:
        return any(
            other.skill >= one.skill
            and other.distance <= one.distance
            and (other.skill > one.skill or other.distance < one.distance)
            for other in points
        )

    return tuple(Point(**{**one.__dict__, "on_frontier": not beaten(one)}) for one in points)


def distance_ends(interval: Interval | None, ideal: float) -> Ends:
    """The interval of |bias - ideal| that an interval of the bias gives; None without one, or where it is open."""
    ends = ends_of(interval)
    if ends is None:
        return None
    low, high = (end - ideal for end in ends)
    return (0.0 if low <= 0.0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))


def series_name(table: CheckpointTable, series: Series) -> str:
    """The recipe, with the model before it where several are swept."""
    several = len({one.model for one in table.series}) > 1
    return f"{series.model} {series.recipe}" if several else series.recipe


def pareto_picture(panel: Panel, *, ids: str, series: Sequence[str]) -> Picture:
    """Every point with its intervals, the frontier as a line, one look a series. `series`: all names, in order."""
    looks = looks_of(series)
    title = f"{short(panel.skill)} against bias: {short(panel.title)}"
    above, below = legend_height(series) + 16, 34
    total = above + SIDE + below
    with drawing():
        figure = new_figure(total)
        axes = figure.add_axes((LEFT, below / total, RIGHT - LEFT, SIDE / total))
        skills, their_ends = [one.skill for one in panel.points], [one.skill_ends for one in panel.points]
        axes.set_xlim(*span_of(skills, their_ends, most=panel.most_skill))
        low, high = span_of([one.distance for one in panel.points], [one.distance_ends for one in panel.points])
        axes.set_ylim(max(low, -0.06 * high), high)
        _draw_frontier(axes, panel)
        for one in panel.points:
            draw_point(axes, one.skill, one.distance, looks[one.series], across=one.skill_ends, up=one.distance_ends)
        _name_frontier(axes, panel)
        dress_plane(axes, across=f"{panel.skill} (higher is better)", up=f"distance of bias from {panel.ideal:g}")
        draw_legend(axes, looks)
        svg = inline_svg(figure, ids=ids, title=title, description=_description(panel))
    return Picture(svg=svg, title=title, description=_description(panel))


def _draw_frontier(axes: Axes, panel: Panel) -> None:
    """Steps from point to point: right of and under the line lies what no point reaches."""
    points = panel.frontier
    axes.plot(
        [one.skill for one in points], [one.distance for one in points], color=COLOURS["soft"], linewidth=5,
        alpha=0.6, drawstyle="steps-pre", solid_capstyle="round", solid_joinstyle="round", marker="o", markersize=12,
        markeredgewidth=0, clip_on=False,
    )  # fmt: skip


def _name_frontier(axes: Axes, panel: Panel) -> None:
    """The names of some points of the frontier, above and to the left, where no other point of it lies."""
    points = list(panel.frontier)
    if len(points) > MOST_NAMED:
        step = (len(points) - 1) / (MOST_NAMED - 1)
        points = [points[round(step * at)] for at in range(MOST_NAMED)]
    middle = sum(axes.get_xlim()) / 2
    place: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False, "va": "bottom"}
    for one in points:
        right = one.skill > middle
        axes.annotate(
            short(one.name, 18), (one.skill, one.distance), (-6 if right else 6, 4), ha="right" if right else "left",
            color=COLOURS["ink"], **place,
        )  # fmt: skip


def drawn_biases(table: CheckpointTable) -> list[int]:
    """Places among a table's columns of the biases that are drawn: all, or the first and the one over all items."""
    biases = list(table.biases)
    if len(biases) <= MOST_PANELS:
        return biases
    whole = [at for at in biases if not table.columns[at].part]
    parts = [at for at in biases if at not in whole]
    return [*parts[: MOST_PANELS - len(whole[:1])], *whole[:1]]


def _plain(panel: Panel) -> str:
    return short(panel.bias if panel.title == "all" else f"{panel.bias}, {panel.title}", 36)


def _description(panel: Panel) -> str:
    """Every point in words: what a reader who cannot see the picture needs."""
    named = "; ".join(
        f"{short(one.model)}{' (frontier)' if one.on_frontier else ''}: {score(one.skill)}, {score(one.distance)}"
        for one in panel.points
    )
    left = f" Not drawn, for want of sound figures: {', '.join(map(short, panel.left_out))}." if panel.left_out else ""
    return f"{short(panel.skill)} and |{_plain(panel)} - {panel.ideal:g}| of each model: {named}.{left}"
