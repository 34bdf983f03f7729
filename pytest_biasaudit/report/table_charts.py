"""Pictures of a labelled table: rates by label and group with their intervals, as SVG text for the page.

matplotlib is imported when a picture is drawn. Labels and groups are foreign text; `canvas` cuts and matplotlib escapes
them. The same record gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import INNER, MARGIN, Picture, dress_axis, new_figure, short, write
from pytest_biasaudit.report.corpus_counts import apart, prevalences
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg
from pytest_biasaudit.report.table_counts import Cell, cells_of
from pytest_biasaudit.tables.tally import Attribute

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 10
MOST_SERIES = 5
"""Groups that are told apart by mark and colour; of more, a picture shows one label."""
MOST_GROUPS = 14
MARKS = ("o", "s", "^", "D", "v")
SIGNS = ("●", "■", "▲", "◆", "▼")
LEVEL = 0.95
NAME = 22


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of rows."""

    group: str
    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """0 to 1; None for no rows."""
        return self.hits / self.n if self.n else None


Row = tuple[str, Sequence[Rate]]
"""What a row is about, and the rate of each series."""


def rates_picture(record: AuditRecord, attribute: Attribute, *, ids: str) -> tuple[Picture, str] | None:
    """Of a classifier the true positive rate (told apart by terms, the false), of a corpus the prevalence, by label and group,
    with the caption.

    ids  what the ids inside the SVG begin with; must be the page's only picture of that name

    None without a rate. Bars are Wilson's intervals, which take rows as independent.
    """
    tally = record.tally
    if tally is None:
        return None
    if tally.prediction is None:
        what, rate_of = "P(label | group)", "How often each label goes with each group"
        by_label = [[Rate(group=o.group, hits=o.hits, n=o.n) for o in own] for own in prevalences(tally, attribute)]
        labels = [own[0].label for own in prevalences(tally, attribute)]
    else:
        # Terms are looked at for what is wrongly held against a text that holds them.
        false = attribute.overlapping
        what = "false positive rate" if false else "true positive rate"
        rate_of = (
            "Of the rows without the label, how many get it"
            if false
            else "Of the rows that have the label, how many are found"
        )
        cells: dict[str, list[Cell]] = {}
        for cell in cells_of(tally, attribute):
            cells.setdefault(cell.label, []).append(cell)
        ordered = sorted(cells.values(), key=lambda own: -apart([one.fpr if false else one.tpr for one in own]))
        labels = [own[0].label for own in ordered]
        by_label = [[_rate(cell, false=false) for cell in own] for own in ordered]
    clustered = " Rows come in clusters, so the true intervals are wider." if tally.cluster is not None else ""
    bars = f"The bar is a {LEVEL:.0%} interval that takes rows as independent.{clustered}"
    if len(attribute.groups) <= MOST_SERIES:
        rows: list[Row] = list(zip(labels, by_label, strict=True))
        kept = [row for row in rows if any(rate.n for rate in row[1])][:MOST_LABELS]
        cut = f" The {len(kept)} of {len(rows)} labels whose groups differ most." if len(kept) < len(rows) else ""
        heading = f"{_first(what)} by label and {short(attribute.name, NAME)}"
        caption = f"{rate_of}, label by label.{cut} {bars}"
        return _drawn(kept, list(attribute.groups), heading, record, ids, caption)
    first = by_label[0] if by_label else []
    far = sorted(first[1:], key=lambda rate: -abs((rate.value or 0.0) - (first[0].value or 0.0)))
    some = [rate for rate in (*first[:1], *far[: MOST_GROUPS - 1]) if rate.n]
    heading = f"{_first(what)} of {short(labels[0], NAME)} by {short(attribute.name, NAME)}" if labels else ""
    cut = f" The reference, and the {len(some) - 1} of {len(first) - 1} groups furthest from it."
    return _drawn([(rate.group, [rate]) for rate in some], [], heading, record, ids, f"{rate_of}.{cut} {bars}")


def _rate(cell: Cell, *, false: bool) -> Rate:
    if false:
        return Rate(group=cell.group, hits=cell.false, n=cell.false + cell.rest)
    return Rate(group=cell.group, hits=cell.hits, n=cell.hits + cell.misses)


def _drawn(
    rows: Sequence[Row], series: Sequence[str], heading: str, record: AuditRecord, ids: str, caption: str
) -> tuple[Picture, str] | None:
    if not rows:
        return None
    title = f"{heading}: {short(record.audit.id)}, {short(record.model.name)}"
    legend = "   ".join(f"{sign} {short(name, NAME)}" for sign, name in zip(SIGNS, series, strict=False))
    lines = [legend[at : at + 66] for at in range(0, len(legend), 66)] if len(legend) <= 66 else _legend(series)
    step = 20 + 12 * max(len(rates) for _, rates in rows)
    top = 22 + 13 * len(lines)
    height = top + 30 + step * len(rows)
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((MARGIN, 28 / height, INNER, (height - top - 28) / height))
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(len(rows) * step, 0)
        for at, (name, rates) in enumerate(rows):
            _row(axes, at * step, name, rates, alone=not series)
        place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        axes.annotate(
            short(heading, 60), (0, 1), (0, 6 + 13 * len(lines)), color=COLOURS["ink"], weight="bold", **place
        )
        for at, line in enumerate(reversed(lines)):
            axes.annotate(line, (0, 1), (0, 5 + 13 * at), color=COLOURS["muted"], **place)
        dress_axis(axes, "")
        svg = inline_svg(figure, ids=ids, title=title, description=" ".join(_sentence(*row) for row in rows))
    return Picture(svg=svg, title=title, description=title), caption


def _legend(series: Sequence[str]) -> list[str]:
    """Two names a line."""
    named = [f"{sign} {short(name, NAME)}" for sign, name in zip(SIGNS, series, strict=False)]
    return ["   ".join(named[at : at + 2]) for at in range(0, len(named), 2)]


def _row(axes: Axes, top: float, name: str, rates: Sequence[Rate], *, alone: bool) -> None:
    from pytest_biasaudit.stats.proportion import wilson

    write(axes, 0.0, top + 8, short(name, 40))
    there = [rate.value for rate in rates if rate.value is not None]
    figures = " / ".join(wording.number(rate.value) for rate in rates)
    if alone and rates and rates[0].n:
        figures += f", n {rates[0].n:,}"
    write(axes, 1.0, top + 8, figures, align="right", colour="muted")
    line: dict[str, Any] = {"clip_on": False, "solid_capstyle": "butt"}
    if len(there) > 1:
        low, high = top + 20, top + 20 + 12 * (len(rates) - 1)
        axes.fill_between([min(there), max(there)], low - 4, high + 4, color=COLOURS["band"], linewidth=0, zorder=0)
    for at, rate in enumerate(rates):
        if rate.value is None:
            continue
        y = top + 20 + 12 * at
        colour = COLOURS["dots" if alone else f"series-{at + 1}"]
        low, high = wilson(rate.value, rate.n, level=LEVEL)
        axes.plot([low, high], [y, y], color=colour, linewidth=1.6, **line)
        axes.plot(
            [rate.value], [y], color=colour, marker=MARKS[at % len(MARKS)], markersize=6, linestyle="none", **line
        )


def _sentence(name: str, rates: Sequence[Rate]) -> str:
    parts = []
    for rate in rates:
        value = "no row" if rate.value is None else f"{wording.number(rate.value)}, {rate.hits:,} of {rate.n:,} rows"
        parts.append(value if rate.group == name else f"{short(rate.group)} {value}")
    return f"{short(name)}: {'; '.join(parts)}."


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
