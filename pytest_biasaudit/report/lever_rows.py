"""A study of levers as tables: which helped, what each label came to, the sweep, what explains the gap.

Rows in, grids out: the page, the terminal and the documentation draw the same. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_biasaudit.mitigation.study.plan import NONE
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.figure_text import cell, decimals
from pytest_biasaudit.report.grid import Grid, Shown

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.study.result import Figure, StudyResult

NO_SIDE = (
    "What this does not license: a lever that helped here may not help another model, task or group. Published studies "
    "disagree on whether small changes of co-occurrence in the data matter once a model is pre-trained; this table is what "
    "they do to this model on these tables."
)


def facts(result: StudyResult) -> tuple[tuple[str, str], ...]:
    """What the study was of, name by name."""
    training = ", ".join(f"{key} {_plain(value)}" for key, value in result.training)
    return (
        ("Model", f"{result.model.name} ({result.model.source})"),
        ("Learnt from", f"{result.train.source}, {result.train.rows:,} rows, sha256 {result.train.sha256[:12]}"),
        ("Held out", f"{result.test.source}, {result.test.rows:,} rows, sha256 {result.test.sha256[:12]}"),
        ("Compared", f"{' and '.join(result.groups)} with {result.reference} ({result.attribute}), by {result.gap}"),
        ("Fine-tuning", training),
        ("Seeds", ", ".join(map(str, result.seeds))),
        ("Upstream bias", result.upstream_score),
        ("Always naming the largest label", f"is right in {decimals(result.majority)} of the held-out rows"),
    )


def lever_grid(result: StudyResult, *, anchor: str) -> Grid:
    """Which lever helped: one row a pair of levers."""
    rows = []
    for row in result.levers:
        base = (row.upstream, row.data) == (NONE, NONE)
        word = "-" if base else row.helped
        rows.append(
            (
                Shown(text=row.upstream),
                Shown(text=row.data),
                cell(row.rms),
                Shown(text="-") if base else cell(row.change),
                cell(row.accuracy),
                Shown(text="-") if base else cell(row.accuracy_change),
                Shown(text=word, judged=not base),
            )
        )
    reasons: dict[str, list[str]] = {}
    for row in result.levers:
        if row.reason and row.helped == "cannot tell" and (row.upstream, row.data) != (NONE, NONE):
            reasons.setdefault(row.reason, []).append(_pair(row.upstream, row.data))
    return Grid(
        anchor=anchor,
        caption=(
            f"Which lever helped: root mean square of {result.gap} over labels, and accuracy; changes are against neither "
            f"lever, paired by seed ({len(result.seeds)} seeds, {_percent(result.level)} t intervals over seeds)"
        ),
        heads=("upstream", "data", "gap", "change of gap", "accuracy", "change of accuracy", "the gap was"),
        words=2,
        rows=tuple(rows),
        notes=tuple(f"cannot tell ({'; '.join(some)}): {reason}" for reason, some in reasons.items()),
    )


def unit_grid(result: StudyResult, *, anchor: str, upstream: str = NONE, data: str = NONE) -> Grid:
    """Label by label under one pair of levers, by prevalence."""
    chosen = [row for row in result.units if (row.upstream, row.data) == (upstream, data)]
    return Grid(
        anchor=anchor,
        caption=f"Label by label, {_pair(upstream, data)}: the group's share of the label's training rows, and the gap",
        heads=("label", "group", "share of the group", "upstream bias", result.gap),
        words=2,
        rows=tuple(
            (
                Shown(text=row.label),
                Shown(text=row.group),
                Shown(text=decimals(row.prevalence)),
                Shown(text=decimals(row.score, 3)),
                cell(row.gap),
            )
            for row in sorted(chosen, key=lambda row: (row.group, -1.0 if row.prevalence is None else row.prevalence))
        ),
        notes=tuple(_why((f"{row.label}, {row.group}", row.gap) for row in chosen)),
    )


def sweep_grid(result: StudyResult, *, anchor: str) -> Grid | None:
    """The co-occurrence sweep, rate by rate; None where nothing was swept."""
    if not result.sweep:
        return None
    whole = any(not row.label for row in result.sweep)
    return Grid(
        anchor=anchor,
        caption="The co-occurrence sweep: training rows of a label drawn so that the group has this share of them",
        heads=("upstream", "label", "share", "as it came out", result.gap, "all labels", "accuracy"),
        words=2,
        rows=tuple(
            (
                Shown(text=row.upstream),
                Shown(text=row.label or "every label"),
                Shown(text=decimals(row.rate)),
                Shown(text=decimals(row.reached)),
                cell(row.gap),
                cell(row.rms),
                cell(row.accuracy),
            )
            for row in result.sweep
        ),
        notes=(
            f"{result.gap} has a sign: the group's rate less the reference's, of that label. All labels: the root mean square, "
            "which has none, and which noise alone keeps above 0.",
            *(
                ["every label: where the group has the same share of all, it tells nothing of the label."]
                if whole
                else []
            ),
        ),
    )


def regression_grid(result: StudyResult, *, anchor: str) -> Grid:
    """What explains the gap: one row a term of each fit."""
    rows = []
    for fit in result.regressions:
        for term in fit.terms:
            rows.append(
                (
                    Shown(text=fit.name),
                    Shown(text=term.name),
                    cell(term.coefficient),
                    Shown(text=decimals(term.raw, 3)),
                    Shown(text=wording.NONE if term.df is None else f"{term.df:.1f}"),
                    Shown(text=decimals(fit.r_squared)),
                    Shown(text=f"{fit.observations:,} in {fit.clusters}"),
                )
            )
    return Grid(
        anchor=anchor,
        caption=(
            f"What explains the gap: least squares over label, group, levers and seed; standardised coefficients with "
            f"{_percent(result.level)} intervals clustered by label and group"
        ),
        heads=("fit", "term", "standardised", "raw", "df", "R squared", "rows in units"),
        words=2,
        rows=tuple(rows),
        notes=tuple(dict.fromkeys(f"{fit.name}: {fit.reason}" for fit in result.regressions if fit.reason)),
    )


def grids(result: StudyResult, *, anchor: str = "levers") -> tuple[Grid, ...]:
    """All tables of a study, in the order in which they are read."""
    found = [lever_grid(result, anchor=f"{anchor}-helped"), unit_grid(result, anchor=f"{anchor}-labels")]
    swept = sweep_grid(result, anchor=f"{anchor}-sweep")
    return (*found, *([] if swept is None else [swept]), regression_grid(result, anchor=f"{anchor}-explained"))


def _why(figures: Iterable[tuple[str, Figure]]) -> Iterator[str]:
    for name, figure in figures:
        if figure.reason:
            yield f"{name}: {figure.reason}"


def _pair(upstream: str, data: str) -> str:
    if (upstream, data) == (NONE, NONE):
        return "neither lever"
    return " and ".join(one for one in (upstream, data) if one != NONE)


def _percent(level: float) -> str:
    return f"{100 * level:g} %"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
