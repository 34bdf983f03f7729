"""The report's section on a sweep and on the study's printed numbers: tables as rows of text, pictures as SVG.

Evidence in, plain values out; `study.html.jinja` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.canvas import Picture
from pytest_biasaudit.report.checkpoint_text import interval_text, trend_lines, unchanged_notes
from pytest_biasaudit.report.checkpoints import UNCOMPRESSED, CheckpointTable, checkpoint_tables
from pytest_biasaudit.report.grid import Grid, Shown
from pytest_biasaudit.report.published import BesideTable, beside_published
from pytest_biasaudit.report.study_columns import Cell, Column
from pytest_biasaudit.report.study_text import change_text, note_mark

PARETO = (
    "Utility against bias: a mark is one model, thin bars are its intervals; further right it is more able, further down less "
    "biased. The pale line joins the frontier: models that no other here beats in one of the two without losing in the other. It "
    "is one of estimates; where bars overlap, the order of two models is not known."
)
STEPS = (
    "Over checkpoints, a line is a recipe, its intervals are thin bars; those of one checkpoint stand side by side. "
    "What could not be judged is left out."
)


@dataclass(frozen=True, kw_only=True)
class StudyPart:
    """One benchmark audit over its models."""

    anchor: str
    title: str
    audit: str
    pictures: tuple[tuple[Picture, str], ...]
    legends: tuple[str, ...]
    """How to read the pictures."""
    grids: tuple[Grid, ...]


def study_parts(evidence: Evidence) -> tuple[StudyPart, ...]:
    """What the section has of each benchmark audit; nothing where nothing was swept and no model is one of the study's."""
    parts = []
    beside = {(one.context, one.audit, one.title): one for one in beside_published(evidence)}
    tables = list(checkpoint_tables(evidence))
    for at, table in enumerate(tables, start=1):
        anchor = f"study-{at}"
        own = beside.pop((table.context, table.audit, table.title), None)
        grids = [*_checkpoint_grids(table, anchor), *_beside_grids(own, anchor)]
        plane, over = tuple(_planes(table, f"s{at}")), tuple(_over_steps(table, f"s{at}"))
        parts.append(
            StudyPart(
                anchor=anchor,
                title=table.title,
                audit=f"{table.context} / {table.audit}",
                pictures=(*plane, *over),
                legends=(*((PARETO,) if plane else ()), *((STEPS,) if over else ())),
                grids=tuple(grids),
            )
        )
    for at, left in enumerate(beside.values(), start=len(tables) + 1):
        anchor = f"study-{at}"
        parts.append(
            StudyPart(
                anchor=anchor,
                title=left.title,
                audit=f"{left.context} / {left.audit}",
                pictures=(),
                legends=(),
                grids=tuple(_beside_grids(left, anchor)),
            )
        )
    return tuple(parts)


def _planes(table: CheckpointTable, ids: str) -> Iterator[tuple[Picture, str]]:
    """Utility against each bias."""
    from pytest_biasaudit.report.pareto import pareto_panels, pareto_picture, series_name

    names = list(dict.fromkeys(series_name(table, series) for series in table.series))
    for at, panel in enumerate(pareto_panels(table)):
        left = f" Not drawn: {', '.join(panel.left_out)}." if panel.left_out else ""
        yield pareto_picture(panel, ids=f"{ids}p{at}", series=names), f"{_subject(panel.title)}.{left}"


def _over_steps(table: CheckpointTable, ids: str) -> Iterator[tuple[Picture, str]]:
    """Each model's figures over its checkpoints."""
    from pytest_biasaudit.report.step_charts import steps_picture

    for at, model in enumerate(dict.fromkeys(series.model for series in table.series)):
        picture = steps_picture(table, model, ids=f"{ids}c{at}")
        if picture is not None:
            yield picture, f"Over checkpoints: {model}."


def _subject(title: str) -> str:
    return "Utility against bias over all items" if title == "all" else f"Utility against bias: {title}"


def _checkpoint_grids(table: CheckpointTable, anchor: str) -> Iterator[Grid]:
    if not table.has_steps:
        return
    if table.skill is not None:
        skill = table.columns[table.skill].title
        reasons: list[str] = []
        rows = [
            (
                *(Shown(text=text) for text in (row.model, row.recipe, row.at, row.revision or wording.NONE)),
                *_cells(row.cells, table.columns, row.absent, reasons),
            )
            for row in table.rows
        ]
        yield Grid(
            anchor=f"{anchor}-best",
            caption=f"The best step of each series by {skill}, and the bias there; each also at the other's best step",
            heads=("Model", "Recipe", "At", "Step", *(column.title for column in table.columns)),
            words=4,
            rows=tuple(rows),
            notes=(
                *(f"[{at}] {reason}" for at, reason in enumerate(reasons, start=1)),
                *_best_notes(table, skill),
                *(f"{note}." for note in (*dict.fromkeys(unchanged_notes(table)), *table.notes)),
            ),
        )
    if table.trends:
        titles = list(dict.fromkeys((one.column, one.of) for one in table.trends))
        found = {(one.model, one.recipe, one.column, one.of): one for one in table.trends}
        notes: list[str] = []
        rows = []
        for model, recipe in dict.fromkeys((one.model, one.recipe) for one in table.trends):
            cells = [trend_lines(found[model, recipe, *title], notes) for title in titles]
            shown = [Shown(text=first, under=(second,) if second else ()) for first, second in cells]
            rows.append((Shown(text=model), Shown(text=recipe), *shown))
        yield Grid(
            anchor=f"{anchor}-tau",
            caption="Kendall's tau-c of utility and bias over checkpoints, with its one-sided p",
            heads=("Model", "Recipe", *(f"{column}, {of}" for column, of in titles)),
            words=2,
            rows=tuple(rows),
            notes=(
                *(f"[{at}] {note}" for at, note in enumerate(notes, start=1)),
                "The p takes checkpoints for independent, which those of one training run are not.",
            ),
        )


def _cells(cells: Sequence[Cell], columns: Sequence[Column], absent: str, reasons: list[str]) -> Iterator[Shown]:
    """A row's figures; `reasons` gathers why some are not there, or stand for nothing."""
    if not cells:
        yield Shown(text=f"{wording.NONE}{note_mark(absent, reasons)}")
        yield from [Shown(text=wording.NONE)] * (len(columns) - 1)
    for cell, column in zip(cells, columns, strict=False):
        mark = "" if cell.sound else note_mark(cell.reason, reasons)
        if cell.score is None:
            yield Shown(text=f"{wording.NONE}{mark}")
            continue
        under = []
        if cell.interval is not None:
            under.append(interval_text(cell.interval, column.digits).strip("()"))
        if cell.change is not None:
            under.append(change_text(cell.change, column.digits) + note_mark(cell.change_reason, reasons))
        if not cell.sound:
            under.append(f"not judged{mark}")
        yield Shown(text=f"{cell.score:.{column.digits}f}", under=tuple(under), judged=cell.sound)


def _best_notes(table: CheckpointTable, skill: str) -> Iterator[str]:
    yield (
        f"Best is the step with the highest {skill}, of equals the first; steps close to it are not told apart by that. Under "
        "each score stands its 95 % interval."
    )
    if any(cell.change is not None for row in table.rows for cell in row.cells):
        yield (
            f"An arrow is the change against {UNCOMPRESSED} at the same step, paired on the items: of a bias the change of its "
            f"distance from the ideal (↓ is toward no bias), of {skill} that of the score (↓ is a loss)."
        )


def _beside_grids(table: BesideTable | None, anchor: str) -> Iterator[Grid]:
    if table is None:
        return
    rows = []
    for row in table.rows:
        ends = interval_text(row.interval, table.digits).strip("()")
        rows.append(
            (
                Shown(text=row.model),
                Shown(text=row.figure),
                Shown(text=row.where, under=(row.caution,) if row.caution else ()),
                Shown(text=f"{row.score:.{table.digits}f}", under=(ends,) if ends else (), judged=row.sound),
                Shown(text=f"{row.published:.{table.digits}f}"),
            )
        )
    yield Grid(
        anchor=f"{anchor}-published",
        caption=f"Beside what {table.study} printed for the same models",
        heads=("Model", "Figure", "Printed in", "Here", "Published"),
        words=3,
        rows=tuple(rows),
        notes=tuple(f"{note[:1].upper()}{note[1:]}." for note in table.notes),
    )
