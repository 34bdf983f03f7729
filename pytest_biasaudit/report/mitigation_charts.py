"""Pictures of removed components: where in the model they sat, and what each group got before and after. SVG text.

matplotlib is imported when a picture is drawn. What is gone is told by shape and number too, never by colour alone. The
same rows give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import (
    INNER,
    MARGIN,
    WIDTH,
    Picture,
    dress_axis,
    head,
    new_figure,
    range_of,
    short,
    write,
)
from pytest_biasaudit.report.mitigation_beside import AuditBeside, GroupBeside, Spread
from pytest_biasaudit.report.mitigation_rows import RemovedSet, Spot, share_text, title_of
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, RIGHT = 34, 28
"""Points beside a grid: for the layer's number, and for how many of it are gone."""
TALLEST_CELL, LOWEST_CELL = 15.0, 5.0
LABEL_ROOM = 10.0
"""Points of height that a number needs."""
TABLE_ROW = 13.0
GROUP_ROW = 44
DEEPEST = 0.42
"""Opacity of the deepest tint; the ink on it stays readable."""
NAMED = 12
"""Heads named in a picture's description; the table beside names all."""
NAME_LENGTH = 24


def where_picture(one: RemovedSet, *, child: str, ids: str) -> Picture | None:
    """Where the removed components sat; None where the model's layers are not known by number.

    ids  what the ids inside the SVG begin with; must be the page's only picture of that name
    """
    layered = [spot for spot in one.spots if spot.layer is not None]
    if not layered:
        return None
    unit = one.components.unit
    title = f"Where the removed {unit} sat: {short(child)}"
    draw = {"heads": _heads, "neurons": _neurons, "weights": _weights}[unit]
    description = f"{title_of(one.components)} removed. {_sentence(unit, layered)}"
    with drawing():
        svg = draw(layered, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def _sentence(unit: str, spots: Sequence[Spot]) -> str:
    """What the picture shows, in words."""
    hit = [spot for spot in spots if spot.count]
    if not hit:
        return f"No {unit} were removed."
    if unit == "heads":
        named = [f"layer {spot.layer} head {number}" for spot in hit for number in spot.numbers]
        more = f" and {len(named) - NAMED} more, which the table names" if len(named) > NAMED else ""
        return f"Gone: {', '.join(named[:NAMED])}{more}."
    most = max(hit, key=lambda spot: spot.share)
    where = f"layer {most.layer}{f', {short(most.kind)}' if most.kind else ''}"
    return (
        f"{len(hit)} of {len(spots)} places lost some; the largest share is gone in {where}: {share_text(most.share)}."
    )


def _heads(spots: Sequence[Spot], *, ids: str, title: str, description: str) -> str:
    """A square a head, a row a layer; removed ones are filled and crossed."""
    most = max(spot.size for spot in spots)
    wide = WIDTH - LEFT - RIGHT
    tall = min(TALLEST_CELL, max(LOWEST_CELL, wide / most))
    across = min(wide / most, TALLEST_CELL * 1.6)
    height = 40 + tall * len(spots) + 12
    figure = new_figure(height)
    axes = figure.add_axes((LEFT / WIDTH, 12 / height, across * most / WIDTH, tall * len(spots) / height))
    _bare(axes, most, len(spots))
    from matplotlib.patches import Rectangle

    for row, spot in enumerate(spots):
        frame: dict[str, Any] = {"facecolor": "none", "edgecolor": COLOURS["line"], "linewidth": 0.5, "clip_on": False}
        axes.add_patch(Rectangle((0, row), spot.size, 1, **frame))
    for column in range(1, most):
        axes.plot([column, column], [0, len(spots)], color=COLOURS["line"], linewidth=0.5, clip_on=False)
    for row, spot in enumerate(spots):
        for number in spot.numbers:
            axes.add_patch(Rectangle((number, row), 1, 1, facecolor=COLOURS["dots"], linewidth=0, clip_on=False))
            cross: dict[str, Any] = {
                "color": COLOURS["paper"],
                "linewidth": 0.9,
                "clip_on": False,
                "solid_capstyle": "butt",
            }
            axes.plot([number + 0.25, number + 0.75], [row + 0.25, row + 0.75], **cross)
            axes.plot([number + 0.25, number + 0.75], [row + 0.75, row + 0.25], **cross)
    _layer_numbers(axes, [spot.layer for spot in spots], tall)
    for row, spot in enumerate(spots):
        if spot.count:
            _beside(axes, most, row, f"{spot.count}", align="left", colour="ink", weight="bold")
    every = max(1, math.ceil(12 / across))
    for number in range(0, most, every):
        _above(axes, number + 0.5, str(number))
    head(axes, "Heads, by layer", "")
    _corner(axes, "layer ↓  head →")
    return inline_svg(figure, ids=ids, title=title, description=description)


def _neurons(spots: Sequence[Spot], *, ids: str, title: str, description: str) -> str:
    """A bar a layer, and its number: the share of the layer's hidden units that is gone."""
    most = max(spot.share for spot in spots) or 1.0
    height = 34 + TABLE_ROW * len(spots) + 6
    figure = new_figure(height)
    axes = figure.add_axes((LEFT / WIDTH, 6 / height, 1 - (LEFT + 46) / WIDTH, TABLE_ROW * len(spots) / height))
    _bare(axes, most, len(spots))
    places = [row + 0.5 for row in range(len(spots))]
    axes.barh(places, [spot.share for spot in spots], height=0.72, color=COLOURS["dots"], linewidth=0)
    axes.plot([0, 0], [0, len(spots)], color=COLOURS["line"], linewidth=0.9, clip_on=False)
    _layer_numbers(axes, [spot.layer for spot in spots], TABLE_ROW)
    for row, spot in enumerate(spots):
        if spot.count:
            _beside(axes, spot.share, row, share_text(spot.share), align="left", colour="ink")
    head(axes, "Share of each layer's neurons that is gone", "")
    return inline_svg(figure, ids=ids, title=title, description=description)


def _weights(spots: Sequence[Spot], *, ids: str, title: str, description: str) -> str:
    """A cell a linear layer: its share that is gone, as a number and as a tint."""
    kinds = list(dict.fromkeys(spot.kind for spot in spots))
    layers = list(dict.fromkeys(spot.layer for spot in spots))
    by_place = {(spot.layer, spot.kind): spot for spot in spots}
    most = max(spot.share for spot in spots) or 1.0
    height = 46 + TABLE_ROW * len(layers) + 6
    figure = new_figure(height)
    room = WIDTH - LEFT - 6
    axes = figure.add_axes((LEFT / WIDTH, 6 / height, room / WIDTH, TABLE_ROW * len(layers) / height))
    _bare(axes, len(kinds), len(layers))
    from matplotlib.patches import Rectangle

    for row, layer in enumerate(layers):
        for column, kind in enumerate(kinds):
            spot = by_place.get((layer, kind))
            if spot is None:
                continue
            tint = DEEPEST * spot.share / most
            if spot.count:
                axes.add_patch(Rectangle((column, row), 0.96, 0.94, facecolor=COLOURS["dots"], alpha=tint, linewidth=0))
            text = share_text(spot.share).removesuffix(" %") if spot.count else "·"
            colour = COLOURS["ink" if spot.count else "muted"]
            axes.text(column + 0.48, row + 0.48, text, ha="center", va="center", color=colour)
    _layer_numbers(axes, layers, TABLE_ROW)
    names = short_kinds(kinds)
    for column, kind in enumerate(kinds):
        _above(axes, column + 0.48, short(names[kind], 9))
    head(axes, "Per cent of each linear layer's weights that is gone", "")
    return inline_svg(figure, ids=ids, title=title, description=description)


def short_kinds(kinds: Sequence[str]) -> dict[str, str]:
    """Without what all names share: "self_attn.q_proj" as "q"; whole where two would be called the same."""
    last = {kind: kind.rpartition(".")[2] for kind in kinds}
    if len(set(last.values())) < len(last):
        return {kind: kind for kind in kinds}
    if len(last) > 1 and all(name.endswith("_proj") for name in last.values()):
        return {kind: name.removesuffix("_proj") for kind, name in last.items()}
    return last


def groups_picture(audit: AuditBeside, *, child: str, parent: str, ids: str) -> Picture | None:
    """Each group's mean answer from both models, with the spread of its answers; None without any mean."""
    rows = [one for one in audit.groups if one.parent.mean is not None and one.child.mean is not None]
    if not rows:
        return None
    ends = [end for one in rows for side in (one.parent, one.child) for end in _ends(side)]
    low, high = range_of(ends)
    height = 70 + GROUP_ROW * len(rows)
    title = f"Before and after by group: {short(audit.audit)}, {short(parent)} to {short(child)}"
    description = " ".join(_group_sentence(one, parent, child, audit.unit) for one in rows)
    description += (
        " The parent is the hollow square above, the child the dot below; a bar is one SD of answers to each side."
    )
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((MARGIN, 28 / height, INNER, (height - 62) / height))
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        for row, one in enumerate(rows):
            _side(axes, row + 0.02, one.parent, colour="muted", marker="s", hollow=True)
            _side(axes, row + 0.3, one.child, colour="dots", marker="o", hollow=False)
            write(axes, 0.0, row - 0.3, short(one.group), weight="bold")
            way = f"{wording.number(one.parent.mean)} → {wording.number(one.child.mean)}"
            write(axes, 1.0, row - 0.3, way, align="right", colour="muted")
        names = f"□ above {short(parent, NAME_LENGTH)}, ● below {short(child, NAME_LENGTH)}"
        head(axes, "Mean answer and spread (one SD)", names)
        dress_axis(axes, audit.unit)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def _ends(side: Spread) -> list[float]:
    assert side.mean is not None
    return [side.mean - (side.sd or 0.0), side.mean + (side.sd or 0.0)]


def _side(axes: Axes, y: float, side: Spread, *, colour: str, marker: str, hollow: bool) -> None:
    ink: dict[str, Any] = {"color": COLOURS[colour], "clip_on": False}
    axes.plot(_ends(side), [y, y], linewidth=1.8, solid_capstyle="butt", **ink)
    mark: dict[str, Any] = {"marker": marker, "markersize": 5.5, "linestyle": "none", "markeredgewidth": 1.2}
    if hollow:
        mark["markerfacecolor"] = COLOURS["paper"]
    axes.plot([side.mean or 0.0], [y], zorder=3, **ink, **mark)


def _group_sentence(one: GroupBeside, parent: str, child: str, unit: str) -> str:
    beside = f" {short(unit)}" if unit else ""
    sides = [
        f"{short(name)} {wording.number(side.mean)} (SD {wording.number(side.sd)}, {side.n} answers)"
        for name, side in ((parent, one.parent), (child, one.child))
    ]
    return f"{short(one.group)}, mean{beside}: {', '.join(sides)}."


def _bare(axes: Axes, columns: float, rows: float) -> None:
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_axis_off()


def _layer_numbers(axes: Axes, layers: Sequence[int | None], tall: float) -> None:
    """The number of every layer, or of as many as there is height for."""
    every = max(1, math.ceil(LABEL_ROOM / tall))
    for row, layer in enumerate(layers):
        if row % every == 0:
            _beside(axes, 0, row, f"{layer}", align="right", colour="muted")


def _beside(axes: Axes, x: float, row: int, text: str, *, align: str, colour: str, weight: str = "normal") -> None:
    away = -4 if align == "right" else 4
    axes.annotate(
        text, (x, row + 0.5), (away, 0), textcoords="offset points", ha=align, va="center",
        color=COLOURS[colour], weight=weight, annotation_clip=False,
    )  # fmt: skip


def _above(axes: Axes, x: float, text: str) -> None:
    axes.annotate(
        text, (x, 0), (0, 3), textcoords="offset points", ha="center", va="bottom", color=COLOURS["muted"],
        annotation_clip=False,
    )  # fmt: skip


def _corner(axes: Axes, text: str) -> None:
    axes.annotate(
        text, (1, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="right", color=COLOURS["muted"],
        annotation_clip=False,
    )  # fmt: skip
