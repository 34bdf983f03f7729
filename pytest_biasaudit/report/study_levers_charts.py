"""Pictures of a study of levers: what each changed about the gap, and the co-occurrence sweep, as SVG text for the page.

matplotlib is imported when a picture is drawn. Names are foreign text; `canvas` cuts and matplotlib escapes them. The same
result gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.mitigation.study.plan import NONE
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import (
    INNER,
    MARGIN,
    Picture,
    dress_axis,
    head,
    ideal_line,
    new_figure,
    range_of,
    short,
    write,
)
from pytest_biasaudit.report.plane import (
    LEFT,
    RIGHT,
    draw_legend,
    draw_point,
    dress_plane,
    ends_of,
    legend_height,
    looks_of,
    span_of,
)
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.result import Figure, LeverRow, StudyResult, SweepRow

MOST_LEVERS = 24
MOST_LABELS = 4
PANEL = 210
NAME = 34


def changes_picture(result: StudyResult, *, ids: str) -> Picture | None:
    """A row a pair of levers, with the change of the gap against neither; None where no change was measured.

    ids  what the ids inside the SVG begin with; must be the page's only picture of that name
    """
    rows = [row for row in result.levers if row.change.value is not None][:MOST_LEVERS]
    if not rows:
        return None
    height = 66 + 30 * len(rows)
    title = f"Change of the gap by lever: {short(result.study)}, {short(result.model.name)}"
    finite = [
        end for row in rows for end in (row.change.value, *(ends_of(row.change.interval) or ())) if end is not None
    ]
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((MARGIN, 28 / height, INNER, (height - 62) / height))
        low, high = range_of([*finite, 0.0])
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        for at, row in enumerate(rows):
            ideal_line(axes, 0.0, [at - 0.12, at + 0.46])
            _change(axes, at, row, low, high)
        head(
            axes, f"Change of the gap ({short(result.gap)}, root mean square)", "against neither lever, paired by seed"
        )
        dress_axis(axes, "")
        sentences = " ".join(f"{short(_pair(row), 100)}: {_told(row.change)}; {row.helped}." for row in rows)
        svg = inline_svg(figure, ids=ids, title=title, description=sentences)
    return Picture(svg=svg, title=title, description=sentences)


def sweep_pictures(result: StudyResult, *, ids: str) -> list[Picture]:
    """A picture a swept label, a series for each model it began as; of many labels the first ones."""
    labels = list(dict.fromkeys(row.label for row in result.sweep))[:MOST_LABELS]
    drawn = [_sweep(result, label, ids=f"{ids}{at}") for at, label in enumerate(labels)]
    return [picture for picture in drawn if picture is not None]


def _change(axes: Any, at: int, row: LeverRow, low: float, high: float) -> None:
    told = row.helped != "cannot tell"
    colour = COLOURS["dots" if told else "muted"]
    ends = ends_of(row.change.interval)
    line: dict[str, Any] = {"color": colour, "clip_on": False, "solid_capstyle": "butt"}
    if ends is not None:
        axes.plot([max(low, ends[0]), min(high, ends[1])], [at + 0.17] * 2, linewidth=2, **line)
    filling = colour if told else COLOURS["paper"]
    axes.plot([row.change.value], [at + 0.17], marker="o", markersize=6, markerfacecolor=filling, **line)
    write(axes, 0.0, at - 0.3, _middle_out(_pair(row)))
    write(axes, 1.0, at - 0.3, f"{wording.number(row.change.value)}, {row.helped}", align="right", colour="muted")


def _sweep(result: StudyResult, label: str, *, ids: str) -> Picture | None:
    rows = [row for row in result.sweep if row.label == label and row.gap.value is not None]
    if not rows:
        return None
    series = {_series(row): row for row in rows}
    looks = looks_of(list(series))
    legend = legend_height(list(series))
    height = PANEL + 36 + legend
    about = f"label {short(label)}" if label else "every label"
    title = f"The co-occurrence sweep, {about}: {short(result.study)}, {short(result.model.name)}"
    sentences = " ".join(f"{short(_series(row), 60)}, share {_share(row):.3g}: {_told(row.gap)}." for row in rows)
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((LEFT, 34 / height, RIGHT - LEFT, (PANEL - 34) / height))
        axes.set_xlim(*range_of([_share(row) for row in rows]))
        values = [row.gap.value for row in rows if row.gap.value is not None]
        axes.set_ylim(*span_of([*values, 0.0], [ends_of(row.gap.interval) for row in rows]))
        axes.axhline(0.0, color=COLOURS["muted"], linewidth=0.9, linestyle=(0, (1, 2)))
        for name, look in looks.items():
            own = sorted((row for row in rows if _series(row) == name), key=_share)
            axes.plot(
                [_share(row) for row in own],
                [row.gap.value or 0.0 for row in own],
                color=look.colour,
                linewidth=1.2,
                zorder=1,
            )
            for row in own:
                draw_point(axes, _share(row), row.gap.value or 0.0, look, up=ends_of(row.gap.interval))
        draw_legend(axes, looks)
        place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        axes.annotate(
            f"{short(result.gap)}, {about}", (0, 1), (0, 14 + legend), color=COLOURS["ink"], weight="bold", **place
        )
        dress_plane(axes, across="share of the group in the label's rows", up="")
        svg = inline_svg(figure, ids=ids, title=title, description=sentences)
    return Picture(svg=svg, title=title, description=sentences)


def _share(row: SweepRow) -> float:
    return row.rate if row.reached is None or not math.isfinite(row.reached) else row.reached


def _series(row: SweepRow) -> str:
    name = "as pre-trained" if row.upstream == NONE else row.upstream
    return name if row.pretrained else f"not pre-trained, {name}"


def _pair(row: LeverRow) -> str:
    names: Sequence[str] = [one for one in (row.upstream, row.data) if one != NONE]
    return " and ".join(names) or "neither lever"


def _middle_out(name: str) -> str:
    """Cut in the middle: levers of one kind differ at their end."""
    plain = short(name, 200)
    return plain if len(plain) <= NAME else f"{plain[: NAME // 2 - 1]}…{plain[-NAME // 2 :]}"


def _told(figure: Figure) -> str:
    ends = "" if figure.interval is None else f", interval {wording.interval_text(figure.interval)}"
    return f"{wording.number(figure.value)}{ends}"
