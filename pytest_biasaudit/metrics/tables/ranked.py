"""How well a classifier's scores rank the rows of a group, and whether they rank the group against everyone else.

Uses numpy and `stats.auc`; knows tallies. For a group, with everyone who is not of it as background:

    subgroup AUC   P(a positive of the group scores above a negative of the group)
    BPSN AUC       P(a background positive scores above a negative of the group)
    BNSP AUC       P(a positive of the group scores above a background negative)
    positive AEG   P(a positive of the group scores above a background positive) - 0.5
    negative AEG   P(a negative of the group scores above a background negative) - 0.5

Equal scores count as half. With U the Mann-Whitney statistic of the background over the group, an average equality gap is
0.5 - U / (n1 n2). Source: Borkan, Dixon, Sorensen, Thain and Vasserman 2019 (arXiv:1903.04561).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_biasaudit.metrics.metric import Compared
from pytest_biasaudit.metrics.tables.scored_rows import POSITIVE, ScoredRows, Side, figure, scored_rows, unmeasured
from pytest_biasaudit.stats.auc import Area, Ranked
from pytest_biasaudit.tables.tally import Tally

Sides = tuple[Side, Side]
"""Whose scores should be above, and whose below."""
OWN_POSITIVES, OWN_NEGATIVES = Side(whose="subgroup", positive=True), Side(whose="subgroup", positive=False)
OTHER_POSITIVES, OTHER_NEGATIVES = Side(whose="background", positive=True), Side(whose="background", positive=False)
METHOD = "Wilson with DeLong's variance"


def subgroup_auc(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Low where the group's own positives and negatives are scored alike. Nothing is drawn: `seed` is not used."""
    return _areas(tally, attributes, label, level, minimum, sides=(OWN_POSITIVES, OWN_NEGATIVES))


def bpsn_auc(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Low where the group's negatives are scored like others' positives: false positives."""
    return _areas(tally, attributes, label, level, minimum, sides=(OTHER_POSITIVES, OWN_NEGATIVES))


def bnsp_auc(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Low where the group's positives are scored like others' negatives: false negatives."""
    return _areas(tally, attributes, label, level, minimum, sides=(OWN_POSITIVES, OTHER_NEGATIVES))


def positive_aeg(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Above 0 where positives of the group are scored higher than everyone else's."""
    return _areas(tally, attributes, label, level, minimum, sides=(OWN_POSITIVES, OTHER_POSITIVES), gap=True)


def negative_aeg(
    tally: Tally, *, attributes: Sequence[str], label: str | None, level: float, seed: int, minimum: int
) -> tuple[Compared, ...]:
    """Above 0 where negatives of the group are scored higher than everyone else's."""
    return _areas(tally, attributes, label, level, minimum, sides=(OWN_NEGATIVES, OTHER_NEGATIVES), gap=True)


def _areas(
    tally: Tally,
    attributes: Sequence[str],
    label: str | None,
    level: float,
    minimum: int,
    *,
    sides: Sides,
    gap: bool = False,
) -> tuple[Compared, ...]:
    """One comparison a group. `gap`: what the area is above 0.5, with the p of the two sides being scored alike."""
    rows, reason = scored_rows(tally, attributes, label=label)
    if rows is None:
        return (unmeasured(reason, label=label or ""),)
    areas = _each_area(rows, sides, minimum)
    found = []
    for at, group in enumerate(rows.titles):
        area = areas[at]
        value = None if isinstance(area, str) else area.value
        by_group = [rows.summary(at, sides, None if gap else value)]
        if any(side.whose == "background" for side in sides):
            by_group.append(rows.summary(at, sides, None, whose="background"))
        if isinstance(area, str):
            found.append(unmeasured(area, label=rows.label, groups=(group,), by_group=tuple(by_group)))
            continue
        ideal = 0.5 if gap else 0.0
        low, high = area.interval(level)
        measured = figure(
            area.value - ideal,
            (low - ideal, high - ideal),
            level=level,
            method=METHOD,
            rows=rows,
            p=area.p(level) if gap else None,
        )
        found.append(Compared(groups=(group,), label=rows.label, measured=measured, by_group=tuple(by_group)))
    return tuple(found)


def _each_area(rows: ScoredRows, sides: Sides, minimum: int) -> list[Area | str]:
    """For every group its area, or why there is none."""
    used = np.flatnonzero(rows.heard)
    assert rows.tally.score is not None
    cluster = rows.tally.cluster
    ranked = Ranked(
        rows.tally.score[used],
        rows.status[used] == POSITIVE,
        rows.tally.count[used],
        None if cluster is None else cluster[used],
    )
    members = np.ascontiguousarray(rows.inside[used[ranked.order]].T)
    found: list[Area | str] = []
    for at, inside in enumerate(members):
        reason = rows.lacking(at, sides, minimum)
        if reason:
            found.append(reason)
            continue
        parts = []
        for side in sides:
            own = ranked.side(inside, positive=side.positive)
            parts.append(own if side.whose == "subgroup" else ranked.rest(own, positive=side.positive, inside=inside))
        found.append(ranked.area(*parts))
    return found
