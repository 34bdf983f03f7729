"""Two pictures an audit: its groups' answers, and its comparisons against their limits, as SVG text for the page.

matplotlib is imported when a picture is drawn. Every label goes through matplotlib's own XML escaping and is cut short;
no text is read as mathematics. Colours are names of the page's CSS variables, so pictures follow its light and dark
schemes. The same record gives the same bytes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.context.declaration import CounterfactualAudit, OutcomeSpec, TabularAudit
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import (
    INNER,
    MARGIN,
    MOST_ROWS,
    Picture,
    draw_interval,
    dress_axis,
    ends_of,
    furthest,
    head,
    ideal_line,
    new_figure,
    range_of,
    short,
    write,
)
from pytest_biasaudit.report.rows import group_name
from pytest_biasaudit.report.svg import COLOURS, drawing, inline_svg
from pytest_biasaudit.verdict.verdict import Judgement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS = 60
"""People drawn for a group at most; of more, an even choice over their order."""
BRIEF = 32
"""Letters of what a table's comparison is about: label and group, beside its figures."""
SPREAD_FOR_LOG = 20.0
"""A positive number's 90th over its 10th percentile from which the axis is logarithmic."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    name: str
    values: tuple[float, ...]
    """Every value, in order of size; empty for a group none of whose answers was used."""
    people: tuple[float, ...]
    """Every person's mean, in order of size."""


def groups_picture(record: AuditRecord, *, ids: str) -> Picture | None:
    """How each group's answers are spread, a row a group; None without any value.

    ids  what the ids inside the SVG begin with; must be the page's only picture of that name
    """
    audit = record.audit
    if not isinstance(audit, CounterfactualAudit):
        return None
    groups = _groups(record)
    every = sorted(value for group in groups for value in group.values)
    if not every:
        return None
    low, high = _quantile(every, 0.1), _quantile(every, 0.9)
    logarithmic = audit.outcome.kind == "number" and every[0] > 0 and high / low > SPREAD_FOR_LOG
    height = 34 + 46 * len(groups)
    title = f"Answers by group: {short(record.audit.id)}, {short(record.model.name)}"
    description = "; ".join(_group_sentence(group, record.audit.unit) for group in groups)
    description += (
        ". Each dot is one person's mean answer; the thick bar spans the middle half of all answers, "
        "the thin line the middle eight tenths, the mark is the median."
    )
    if any(len(group.people) > DOTS for group in groups):
        description += f" Of each group, at most {DOTS} people are drawn."
    with drawing():
        figure = new_figure(height)
        axes = figure.add_axes((MARGIN, 30 / height, INNER, (height - 34) / height))
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xlim(*range_of(every, logarithmic=logarithmic))
        axes.set_ylim(len(groups) - 0.42, -0.62)
        for row, group in enumerate(groups):
            _spread(axes, row, group)
        dress_axis(axes, _axis_label(audit.outcome, logarithmic=logarithmic), logarithmic=logarithmic)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def limits_picture(record: AuditRecord, *, ids: str) -> Picture | None:
    """Every comparison with its interval, beside what its limit allows, a panel a limit; None when none has a value."""
    drawn = [(one, [e for e in one.compared if e.value is not None]) for one in record.judgements]
    every = [(judgement, estimates) for judgement, estimates in drawn if estimates]
    panels = [(judgement, furthest(estimates, _ideal(judgement, record.audit.kind))) for judgement, estimates in every]
    if not panels:
        return None
    heights = [70 + 32 * len(estimates) for _, estimates in panels]
    total = sum(heights)
    sentences = [
        _limit_sentence(record, judgement, estimate) for judgement, estimates in panels for estimate in estimates
    ]
    left_out = len(record.judgements) - len(panels)
    title = f"Estimates against their limits: {short(record.audit.id)}, {short(record.model.name)}"
    description = " ".join(sentences) + " The shaded band is what the limit allows; the dotted line is the ideal."
    if panels != every:
        description += f" Of each limit, the {MOST_ROWS} estimates furthest from the ideal are drawn."
    if left_out:
        description += f" Not drawn, for want of an estimate: {left_out} of {len(record.judgements)} limits."
    with drawing():
        figure = new_figure(total)
        top = total
        for (judgement, estimates), height in zip(panels, heights, strict=True):
            top -= height
            axes = figure.add_axes((MARGIN, (top + 28) / total, INNER, (height - 62) / total))
            _panel(axes, record, judgement, estimates)
        svg = inline_svg(figure, ids=ids, title=title, description=description)
    return Picture(svg=svg, title=title, description=description)


def _groups(record: AuditRecord) -> list[_Group]:
    by_group: dict[str, dict[str, list[float]]] = {}
    for outcome in record.outcomes:
        people = by_group.setdefault(group_name(record, outcome.prompt.person), {})
        value = outcome.reading.value
        if value is not None:
            people.setdefault(outcome.prompt.person_id, []).append(value)
    return [
        _Group(
            name=name,
            values=tuple(sorted(value for values in people.values() for value in values)),
            people=tuple(sorted(statistics.fmean(values) for values in people.values())),
        )
        for name, people in by_group.items()
    ]


def _spread(axes: Axes, row: int, group: _Group) -> None:
    write(axes, 0.0, row - 0.34, short(group.name), weight="bold")
    if not group.values:
        write(axes, 1.0, row - 0.34, "no answer used", align="right", colour="muted")
        return
    quantiles = [_quantile(group.values, share) for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
    line: dict[str, Any] = {"color": COLOURS["ink"], "solid_capstyle": "butt", "clip_on": False}
    axes.plot(quantiles[::4], [row + 0.22] * 2, linewidth=1, **line)
    axes.plot(quantiles[1:4:2], [row + 0.22] * 2, **{**line, "linewidth": 6, "color": COLOURS["soft"]})
    axes.plot([quantiles[2]] * 2, [row + 0.10, row + 0.34], linewidth=2, **line)
    step = max(1, math.ceil(len(group.people) / DOTS))
    dots = group.people[::step]
    # Neighbours in size lie at different heights, so that equal means stay countable.
    lift = [row + 0.01 - 0.05 * (at % 3) for at in range(len(dots))]
    dot: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.6, "markeredgewidth": 0}
    axes.plot(dots, lift, color=COLOURS["dots"], clip_on=False, **dot)
    median = wording.number(_quantile(group.values, 0.5))
    write(axes, 1.0, row - 0.34, f"median {median}, n {len(group.values)}", align="right", colour="muted")


def _panel(axes: Axes, record: AuditRecord, judgement: Judgement, estimates: Sequence[Estimate]) -> None:
    limit = judgement.limit
    ideal = _ideal(judgement, record.audit.kind)
    allowed_low, allowed_high = _allowed(judgement, record.audit.kind)
    ends = [end for estimate in estimates for end in ends_of(estimate)]
    ends += [end for end in (allowed_low, allowed_high, ideal) if end is not None and math.isfinite(end)]
    low, high = range_of(ends)
    axes.set_xlim(low, high)
    axes.set_ylim(len(estimates) - 0.5, -0.5)
    for row, estimate in enumerate(estimates):
        rows = [row - 0.12, row + 0.46]
        axes.fill_between(
            [max(low, allowed_low), min(high, allowed_high)],
            rows[0],
            rows[1],
            color=COLOURS["band"],
            linewidth=0,
            clip_on=False,
        )
        for edge in (allowed_low, allowed_high):
            if math.isfinite(edge):
                axes.plot([edge, edge], rows, color=COLOURS["limit"], linewidth=1.6, clip_on=False)
        if ideal is not None:
            ideal_line(axes, ideal, rows)
        draw_interval(axes, row + 0.17, estimate, low, high)
        beside = wording.beside_of(limit, estimate, record.audit.kind)
        figures = wording.number(estimate.value, beside=beside)
        if estimate.interval:
            figures += f" ({wording.interval_text(estimate.interval, beside=beside)})"
        brief = isinstance(record.audit, TabularAudit)
        who = short(wording.brief_text(estimate), BRIEF) if brief else short(wording.groups_text(estimate))
        write(axes, 0.0, row - 0.32, who)
        write(axes, 1.0, row - 0.32, figures, align="right", colour="muted")
    unit = wording.unit_of(limit.metric, record.audit.unit, record.audit.kind)
    attribute = f", {wording.crossed(limit.attribute)}" if limit.attribute else ""
    subject = f"{wording.title_of(limit.metric, record.audit.kind)}{attribute}"
    head(axes, subject, f"{_verdict(judgement)}. Limit: {wording.bound_text(limit, unit, record.audit.kind)}")
    dress_axis(axes, "")


def _ideal(judgement: Judgement, kind: str) -> float | None:
    """Where the ideal is on the estimate's own scale; None where it is not known here."""
    metric = wording.metric_of(judgement.limit.metric, kind)
    against = {"increase": 0.0, "recovery": 1.0}.get(judgement.limit.shows)
    return against if against is not None else metric.ideal if metric else None


def _verdict(judgement: Judgement) -> str:
    """The verdict's word; under any rule but `upper` with the rule, or it would seem to contradict the picture."""
    word, rule = wording.WORDS[judgement.verdict], judgement.limit.rule
    return word if rule == "upper" else f"{word} by rule “{rule}”"


def _allowed(judgement: Judgement, kind: str) -> tuple[float, float]:
    """What the limit allows on the estimate's own scale; infinite where it is open."""
    limit, metric = judgement.limit, wording.metric_of(judgement.limit.metric, kind)
    if limit.shows == "value" and metric is not None and metric.judged == "distance" and limit.max is not None:
        one_sided = metric.range[0] >= metric.ideal
        return -math.inf if one_sided else metric.ideal - limit.max, metric.ideal + limit.max
    if limit.shows == "value" and metric is not None and metric.judged == "ratio" and limit.bound > 0:
        ends = sorted((limit.bound, 1 / limit.bound))
        return ends[0], ends[1]
    return (limit.bound, math.inf) if limit.min is not None or limit.shows == "recovery" else (-math.inf, limit.bound)


def _axis_label(spec: OutcomeSpec, *, logarithmic: bool) -> str:
    if spec.kind in {"choice", "yes-no"}:
        label = f"probability of {spec.favourable_option or 'the favourable option'}"
    elif spec.kind == "rating":
        label = "expected rating"
    else:
        label = spec.unit or "value"
    return f"{label}, logarithmic" if logarithmic else label


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours, as numpy's default."""
    at = (len(ordered) - 1) * share
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def _group_sentence(group: _Group, unit: str) -> str:
    if not group.values:
        return f"{short(group.name)}: no answer used"
    low, middle, high = (wording.number(_quantile(group.values, share)) for share in (0.25, 0.5, 0.75))
    beside = f" {short(unit)}" if unit else ""
    return f"{short(group.name)}: median {middle}, middle half {low} to {high}{beside}, {len(group.values)} answers"


def _limit_sentence(record: AuditRecord, judgement: Judgement, estimate: Estimate) -> str:
    limit = judgement.limit
    unit = short(wording.unit_of(limit.metric, record.audit.unit, record.audit.kind))
    beside = wording.beside_of(limit, estimate, record.audit.kind)
    value = wording.number(estimate.value, beside=beside)
    text = f"{short(wording.title_of(limit.metric, record.audit.kind))}, {short(wording.comparison(estimate), 100)}: {value}"
    if estimate.interval is not None:
        text += f", interval {wording.interval_text(estimate.interval, beside=beside)}"
    bound = short(wording.bound_text(limit, unit, record.audit.kind), 100)
    return f"{text}; must be {bound}; {_verdict(judgement).lower()}."
