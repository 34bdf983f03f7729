"""What pictures with two axes are drawn with: an axis on each side, a look for each series, a legend, a point with intervals.

Knows the colours of `svg` and the canvas. matplotlib is imported by the caller's figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.report.canvas import range_of, short
from pytest_biasaudit.report.svg import COLOURS
from pytest_biasaudit.stats.interval import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = ("ink", "series-1", "series-2", "series-3", "series-4", "series-5")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
LEGEND_ROW = 13
"""Points of height of a line of the legend."""
LEFT, RIGHT = 0.11, 0.96
"""Shares of the width between which a panel lies: numbers stand to its left."""
IN_A_ROW = 2
"""Series named beside each other in the legend."""
Ends = tuple[float, float] | None
"""Where an interval begins and ends; None for none."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a series is drawn: colour and mark both differ, so that either is enough."""

    colour: str
    mark: str


def looks_of(series: Sequence[str]) -> dict[str, Look]:
    """A look for each series, by its place; 24 before one comes again."""
    return {
        name: Look(colour=COLOURS[SHADES[at % len(SHADES)]], mark=MARKS[at % len(MARKS)])
        for at, name in enumerate(series)
    }


def legend_height(series: Sequence[str]) -> float:
    """Points that the legend of so many series takes."""
    return LEGEND_ROW * math.ceil(len(series) / IN_A_ROW)


def draw_legend(axes: Axes, looks: dict[str, Look], *, lift: float = 0) -> None:
    """The series' marks and names, in rows that end just above the panel; `lift`: points further up."""
    rows = math.ceil(len(looks) / IN_A_ROW)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea

    for at, (name, look) in enumerate(looks.items()):
        down, across = divmod(at, IN_A_ROW)
        x, y = across / IN_A_ROW, 8 + lift + LEGEND_ROW * (rows - 1 - down)
        box = DrawingArea(10, 10, 0, 0)
        box.add_artist(Line2D([5], [5], **mark_of(look, 6.5)))
        axes.add_artist(
            AnnotationBbox(box, (x, 1), xybox=(5, y), xycoords="axes fraction", boxcoords="offset points", frameon=False,
                           pad=0, annotation_clip=False)
        )  # fmt: skip
        axes.annotate(short(name, 26), (x, 1), (13, y - 3), color=COLOURS["ink"], **place)


def dress_plane(axes: Axes, *, across: str, up: str) -> None:
    """Two bare lines with a few numbers each; the titles stand under and above them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(COLOURS["line"])
    axes.patch.set_visible(False)
    for one in (axes.xaxis, axes.yaxis):
        one.set_major_locator(MaxNLocator(5))
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.tick_params(length=3, color=COLOURS["line"], labelcolor=COLOURS["muted"], pad=2)
    if across:
        axes.set_xlabel(short(across), color=COLOURS["muted"], labelpad=1)
    if up:
        axes.set_ylabel(short(up), color=COLOURS["muted"], labelpad=2)


def draw_point(
    axes: Axes, x: float, y: float, look: Look, *, across: Ends = None, up: Ends = None, size: float = 6.5
) -> None:
    """A point of its series with its intervals as thin bars, cut at the panel's edges."""
    thin: dict[str, Any] = {"color": look.colour, "linewidth": 0.9, "alpha": 0.45, "solid_capstyle": "butt"}
    if across is not None:
        axes.plot(_within(across, axes.get_xlim()), [y, y], **thin)
    if up is not None:
        axes.plot([x, x], _within(up, axes.get_ylim()), **thin)
    axes.plot([x], [y], clip_on=False, **mark_of(look, size))


def mark_of(look: Look, size: float) -> dict[str, Any]:
    """A series' mark as matplotlib has it: the first is filled, the others are rings, so that marks on one another show."""
    filled = look.colour == COLOURS[SHADES[0]]
    return {
        "marker": look.mark,
        "color": look.colour,
        "markersize": size - 1.5 if filled else size,
        "markeredgewidth": 0 if filled else 1.2,
        "markerfacecolor": look.colour if filled else "none",
        "linestyle": "none",
    }


def _within(ends: tuple[float, float], edges: tuple[float, float]) -> list[float]:
    return [max(ends[0], edges[0]), min(ends[1], edges[1])]


def ends_of(interval: Interval | None) -> Ends:
    """Where a closed interval begins and ends; None for none, and for one that is open."""
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    return interval.low, interval.high


def span_of(values: Sequence[float], ends: Sequence[Ends], *, most: float = math.inf) -> tuple[float, float]:
    """What an axis takes in: all values, and their intervals as far as these do not make the values a dot.

    most  the highest value there can be: little room is left above it
    """
    low, high = range_of(values)
    reach = [end for pair in ends if pair is not None for end in pair]
    wide = high - low
    bottom, top = max([low - wide, min([low, *reach])]), min([high + wide, max([high, *reach])])
    return bottom, min(top, most + 0.04 * (most - bottom)) if math.isfinite(most) else top
