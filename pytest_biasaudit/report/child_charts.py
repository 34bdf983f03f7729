"""Pictures of a child beside its parent: each figure's way from one to the other, and how a student learned. SVG text.

matplotlib is imported when a picture is drawn. Labels are foreign text; `canvas` cuts and matplotlib escapes them. The
same records give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import (
    INNER,
    MARGIN,
    MOST_ROWS,
    Picture,
    dress_axis,
    ends_of,
    head,
    ideal_line,
    new_figure,
    range_of,
    short,
    write,
)
from pytest_biasaudit.report.paired_changes import SideBySide
from pytest_biasaudit.report.parent_child import LossCurve
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 44
"""Points of a figure: its name, the parent's line, the child's line."""
PARENT, CHILD = 0.02, 0.3
"""Where the two lines lie within a row."""
CURVE_HEIGHT = 170
NAME_LENGTH = 24


def changes_pictures(figures: Sequence[SideBySide], *, audit: str, parent: str, child: str, ids: str) -> list[Picture]:
    """Each figure of the parent above the child's, with intervals, a panel a metric; two pictures where there are more.

    ids  what the ids inside the SVGs begin with; must be no other picture's on the page
    """
    panels: dict[str, list[SideBySide]] = {}
    for one in figures:
        panels.setdefault(one.child.metric, []).append(one)
    title = f"From parent to child: {short(audit)}, {short(parent)} to {short(child)}"
    halves = [half for half in _halves(list(panels)) if half]
    made = []
    for at, half in enumerate(halves, start=1):
        numbered = title if len(halves) == 1 else f"{title}, {at} of {len(halves)}"
        made.append(_picture({name: panels[name] for name in half}, numbered, parent, child, ids=f"{ids}{at}"))
    return made


def _halves(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Panels for the page's left and right, in their order."""
    middle = (len(names) + 1) // 2
    return names[:middle], names[middle:]


def _picture(panels: dict[str, list[SideBySide]], title: str, parent: str, child: str, *, ids: str) -> Picture:
    drawn = {metric: _furthest(rows) for metric, rows in panels.items()}
    heights = [70 + ROW * len(rows) for rows in drawn.values()]
    total = sum(heights)
    description = " ".join(_sentence(one, parent, child) for rows in drawn.values() for one in rows)
    description += " The parent is the hollow square above, the child the dot below; the dotted line is the ideal."
    if drawn != panels:
        description += f" Of each metric the {MOST_ROWS} figures that changed most are drawn."
    with drawing():
        figure = new_figure(total)
        top = total
        for (metric, rows), height in zip(drawn.items(), heights, strict=True):
            top -= height
            axes = figure.add_axes((MARGIN, (top + 28) / total, INNER, (height - 62) / total))
            _panel(axes, metric, rows, parent, child)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def loss_picture(curve: LossCurve, *, child: str, ids: str) -> Picture:
    """The loss of a student over the steps of its training."""
    from matplotlib.ticker import MaxNLocator

    from pytest_biasaudit.report.plane import LEFT, RIGHT, dress_plane

    steps, losses = [step for step, _ in curve.points], [loss for _, loss in curve.points]
    title = f"Loss over training: {short(child)}, {short(curve.step)}"
    low = min(curve.points, key=lambda point: point[1])
    description = (
        f"The loss was {wording.number(losses[0])} at step {steps[0]:,g}, {wording.number(losses[-1])} at step "
        f"{steps[-1]:,g}, and lowest at step {low[0]:,g} with {wording.number(low[1])}."
    )
    with drawing():
        figure = new_figure(CURVE_HEIGHT)
        axes = figure.add_axes((LEFT, 30 / CURVE_HEIGHT, RIGHT - LEFT, (CURVE_HEIGHT - 50) / CURVE_HEIGHT))
        axes.set_xlim(*range_of(steps))
        axes.set_ylim(*range_of(losses))
        axes.plot(steps, losses, color=COLOURS["dots"], linewidth=1.4, clip_on=False)
        mark: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4, "markeredgewidth": 0}
        axes.plot([steps[0], steps[-1]], [losses[0], losses[-1]], color=COLOURS["dots"], clip_on=False, **mark)
        dress_plane(axes, across="training step", up="")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        axes.annotate("loss", (0, 1), (0, 6), color=COLOURS["ink"], weight="bold", **above)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def _furthest(rows: Sequence[SideBySide]) -> list[SideBySide]:
    """At most `MOST_ROWS`, in their order: those that changed most."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    moved = [-abs((one.child.value or 0.0) - (one.parent.value or 0.0)) for one in rows]
    kept = set(sorted(range(len(rows)), key=moved.__getitem__)[:MOST_ROWS])
    return [one for at, one in enumerate(rows) if at in kept]


def _panel(axes: Axes, metric: str, rows: Sequence[SideBySide], parent: str, child: str) -> None:
    ideal = _ideal(metric)
    ends = [end for one in rows for side in (one.parent, one.child) for end in ends_of(side)]
    low, high = range_of([*ends, *([] if ideal is None else [ideal])])
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for row, one in enumerate(rows):
        if ideal is not None:
            ideal_line(axes, ideal, [row - 0.12, row + 0.42])
        _way(axes, row, one)
        _side(axes, row + PARENT, one.parent, low, high, colour="muted", marker="s", hollow=True)
        _side(axes, row + CHILD, one.child, low, high, colour="dots", marker="o", hollow=not one.child.usable)
        write(axes, 0.0, row - 0.3, short(wording.groups_text(one.child)))
        write(axes, 1.0, row - 0.3, f"{_number(one.parent)} → {_number(one.child)}", align="right", colour="muted")
    names = f"□ above {short(parent, NAME_LENGTH)}, ● below {short(child, NAME_LENGTH)}"
    head(axes, wording.title_of(metric), names)
    dress_axis(axes, "")


def _way(axes: Axes, row: int, one: SideBySide) -> None:
    """A thin line from the parent's value down to the child's."""
    line: dict[str, Any] = {"color": COLOURS["soft"], "linewidth": 1.2, "clip_on": False, "solid_capstyle": "butt"}
    axes.plot([one.parent.value or 0.0, one.child.value or 0.0], [row + PARENT, row + CHILD], zorder=1, **line)


def _side(
    axes: Axes, y: float, estimate: Estimate, low: float, high: float, *, colour: str, marker: str, hollow: bool
) -> None:
    """One model's interval as a bar, with an arrow where it is open, and its value as a mark."""
    ink: dict[str, Any] = {"color": COLOURS[colour], "clip_on": False}
    interval = estimate.interval
    if interval is not None:
        reach = [max(low, interval.low), min(high, interval.high)]
        axes.plot(reach, [y, y], linewidth=1.8, solid_capstyle="butt", **ink)
        for end, edge, arrow in ((interval.low, low, "<"), (interval.high, high, ">")):
            if not math.isfinite(end):
                axes.plot([edge], [y], marker=arrow, markersize=5, linestyle="none", **ink)
    mark: dict[str, Any] = {"marker": marker, "markersize": 5.5, "linestyle": "none", "markeredgewidth": 1.2}
    if hollow:
        mark["markerfacecolor"] = COLOURS["paper"]
    axes.plot([estimate.value or 0.0], [y], zorder=3, **ink, **mark)


def _ideal(metric: str) -> float | None:
    known = wording.metric_of(metric)
    return known.ideal if known is not None and math.isfinite(known.ideal) else None


def _number(estimate: Estimate) -> str:
    return wording.number(estimate.value)


def _sentence(one: SideBySide, parent: str, child: str) -> str:
    sides = []
    for name, estimate in ((parent, one.parent), (child, one.child)):
        text = f"{short(name)} {_number(estimate)}"
        if estimate.interval is not None:
            text += f" (interval {wording.interval_text(estimate.interval)})"
        sides.append(text if estimate.usable else f"{text}, not judged")
    about = f"{short(wording.title_of(one.child.metric))}, {short(wording.groups_text(one.child), 100)}"
    return f"{about}: {', '.join(sides)}."
