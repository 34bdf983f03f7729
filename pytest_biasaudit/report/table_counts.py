"""What a classifier said of a table's rows, counted: by label and group, and in the form of Local Law 144.

From the tally alone: nothing here is an estimate, and nothing is judged. Records in, grids out, no markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_biasaudit.metrics.tables.categories import SMALL_SHARE, Categories, Category, all_categories
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.grid import Grid, Shown
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.tables.tally import Attribute, Tally

MOST_ROWS = 24
"""Rows of one table; of more, those of the labels and groups that differ most."""
MOST_CATEGORIES = 40
SQUARE = 6
"""Labels, and groups, up to which every pair of label and prediction is shown."""
FEW = 30
"""Rows below which a rate is marked: its interval spans a third of the scale or more."""
LONGEST = 60
AREAS = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
"""Metrics of how well scores order a group's rows, shown beside its counts where they were measured."""
FORM = (
    "These tables have the form that Local Law 144 of New York City asks of a bias audit (6 RCNY 5-300, 5-301): a rate for every "
    "category and intersection, and its ratio to the highest rate. They are not that audit, which only an independent auditor "
    "can make, of records of use. The law sets no number to pass."
)
FOUR_FIFTHS = (
    "Kept apart from it: the four-fifths guideline of the US EEOC (29 CFR 1607.4(D)), which looks at ratios below 0.8, and asks "
    "that small numbers be read with care."
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One group's rows with one label, or with any other, by what was predicted."""

    label: str
    group: str
    reference: bool
    left_out: str
    hits: int
    """With the label, predicted to have it."""
    misses: int
    false: int
    """With another label, predicted to have this one."""
    rest: int

    @property
    def tpr(self) -> float | None:
        """Of the rows with the label, those predicted to have it."""
        return _share(self.hits, self.hits + self.misses)

    @property
    def fpr(self) -> float | None:
        """Of the rows without the label, those predicted to have it."""
        return _share(self.false, self.false + self.rest)

    @property
    def selected(self) -> float | None:
        """Of all rows, those predicted to have it."""
        return _share(self.hits + self.false, self.hits + self.misses + self.false + self.rest)


def cells_of(tally: Tally, attribute: Attribute) -> list[Cell]:
    """Every label that is looked at and every group, left-out ones too; rows that say both truth and prediction."""
    assert tally.prediction is not None
    told = (tally.truth >= 0) & (tally.prediction >= 0)
    inside = tally.members[tally.attributes.index(attribute)]
    out = dict(attribute.left_out)
    made = []
    for label in tally.looked_at():
        place = tally.labels.index(label)
        true, said = tally.truth == place, tally.prediction == place
        for at, group in enumerate(attribute.groups):
            here = told & inside[:, at]
            counts = [
                int(tally.count[here & which].sum())
                for which in (true & said, true & ~said, ~true & said, ~true & ~said)
            ]
            made.append(
                Cell(
                    label=label,
                    group=group,
                    reference=at == 0,
                    left_out=out.get(group, ""),
                    hits=counts[0],
                    misses=counts[1],
                    false=counts[2],
                    rest=counts[3],
                )
            )
    return made


def counts_grid(record: AuditRecord, attribute: Attribute, *, anchor: str) -> Grid | None:
    """Counts and rates by label and group; None of a corpus."""
    tally = record.tally
    if tally is None or tally.prediction is None:
        return None
    cells = cells_of(tally, attribute)
    shown = _worst(cells)
    several = len(tally.looked_at()) > 1
    heads = ["Label and group" if several else "Group", "Rows", "With the label", "Found", "Missed", "Wrongly said"]
    heads += ["True positive rate", "False positive rate", "Share predicted"]
    rows = tuple(
        (
            _name(cell, several=several),
            *_numbers(cell),
            _rate(cell.tpr, cell.hits + cell.misses),
            _rate(cell.fpr, cell.false + cell.rest),
            _rate(cell.selected, cell.hits + cell.misses + cell.false + cell.rest),
        )
        for cell in shown
    )
    notes = [
        f"A rate over fewer than {FEW} rows has the number beside it: it may be far from what more rows would show."
    ]
    if len(shown) < len(cells):
        left = len(cells) - len(shown)
        notes.insert(0, f"The labels whose groups differ most come first; {left:,} more rows are in the evidence.")
    about = "" if several or tally.positive is None else f" of the label {shortened(tally.positive, LONGEST)}"
    return Grid(
        anchor=anchor,
        caption=f"Predictions{about} by {shortened(attribute.name, LONGEST)}: rows whose truth and prediction are known",
        heads=tuple(heads),
        words=1,
        rows=rows,
        notes=tuple(notes),
    )


def scores_grid(record: AuditRecord, attribute: Attribute, *, anchor: str) -> Grid | None:
    """Error rates and areas under the curve, group by group or term by term, the worst first; None without scores."""
    tally = record.tally
    if tally is None or tally.prediction is None or tally.score is None or tally.positive is None:
        return None
    areas = _areas(record, attribute.name)
    cells = cells_of(tally, attribute)
    lowest = {
        cell.group: min((areas[name, cell.group][1] for name in AREAS if (name, cell.group) in areas), default=2.0)
        for cell in cells
    }
    ordered = sorted(cells, key=lambda cell: lowest[cell.group])
    rows = tuple(
        (
            _name(cell, several=False),
            Shown(text=f"{cell.hits + cell.misses + cell.false + cell.rest:,}"),
            _rate(cell.fpr, cell.false + cell.rest),
            _rate(None if cell.tpr is None else 1 - cell.tpr, cell.hits + cell.misses),
            *(
                areas[name, cell.group][0] if (name, cell.group) in areas else Shown(text=wording.NONE)
                for name in AREAS
            ),
        )
        for cell in ordered[:MOST_ROWS]
    )
    notes = ["The group with the lowest area comes first."] if areas else []
    if len(cells) > MOST_ROWS:
        notes.append(f"And {len(cells) - MOST_ROWS:,} more groups; the evidence has all of them.")
    notes.append(
        "Subgroup AUC: rows of the group alone. BPSN: its rows without the label against all others with it; low where "
        "harmless rows of the group get high scores. BNSP: the other way round."
    )
    return Grid(
        anchor=anchor,
        caption=f"Scores of the label {shortened(tally.positive, LONGEST)} by {shortened(attribute.name, LONGEST)}",
        heads=(
            "Group",
            "Rows",
            "False positive rate",
            "False negative rate",
            *(wording.title_of(name, record.audit.kind) for name in AREAS),
        ),
        words=1,
        rows=rows,
        notes=tuple(notes),
    )


def confusion_grids(tally: Tally | None, attribute: Attribute, *, anchor: str) -> tuple[Grid, ...]:
    """Of each group, how many rows of each true label got which prediction; nothing where labels or groups are many."""
    if (
        tally is None
        or tally.prediction is None
        or not 2 < len(tally.labels) <= SQUARE
        or len(attribute.groups) > SQUARE
    ):
        return ()
    inside = tally.members[tally.attributes.index(attribute)]
    made = []
    for at, group in enumerate(attribute.groups):
        rows = []
        for true in range(len(tally.labels)):
            here = inside[:, at] & (tally.truth == true) & (tally.prediction >= 0)
            counts = [int(tally.count[here & (tally.prediction == said)].sum()) for said in range(len(tally.labels))]
            cells = [_of(count, sum(counts)) for count in counts]
            rows.append((Shown(text=shortened(tally.labels[true], LONGEST)), *cells, Shown(text=f"{sum(counts):,}")))
        made.append(
            Grid(
                anchor=f"{anchor}-{at}",
                caption=f"{shortened(group, LONGEST)}: a row a true label, a column a prediction",
                heads=("True label", *(shortened(label, LONGEST) for label in tally.labels), "Rows"),
                words=1,
                rows=tuple(rows),
                notes=(),
            )
        )
    return tuple(made)


def category_grids(tally: Tally | None, *, anchor: str) -> tuple[Grid, ...]:
    """Selection rates, or scoring rates, and impact ratios by category and intersection; nothing without a positive label."""
    if tally is None or tally.prediction is None:
        return ()
    return tuple(_form(form, tally, anchor=f"{anchor}-{at}") for at, form in enumerate(all_categories(tally)))


def _form(form: Categories, tally: Tally, *, anchor: str) -> Grid:
    scoring = form.of == "scoring"
    by = " × ".join(shortened(name, LONGEST) for name in form.attributes)  # noqa: RUF001 (the sign of an intersection)
    heads = (
        "Category",
        "Rows",
        "Above the median" if scoring else "Selected",
        "Scoring rate" if scoring else "Selection rate",
        "Impact ratio",
        "Remarks",
    )
    shown = form.rows[:MOST_CATEGORIES]
    notes = []
    if len(shown) < len(form.rows):
        notes.append(f"And {len(form.rows) - len(shown):,} more categories; the evidence has all of them.")
    if scoring and form.median is not None:
        notes.append(f"Median score of all rows: {wording.number(form.median)}.")
    if form.lowest is not None:
        notes.append(f"Lowest impact ratio: {wording.number(form.lowest)}.")
    notes.append(f"Rows of unknown category: {form.unknown:,} of {form.total:,}. They are in none of the rates.")
    if form.overlapping:
        notes.append("A row may be of several categories, so the numbers need not add up.")
    if any(row.small for row in shown):
        notes.append(f"Small: under {SMALL_SHARE:.0%} of all rows. Such a rate says little, whichever way it points.")
    what = "above the median score" if scoring else f"predicted {shortened(form.label, LONGEST)}"
    return Grid(
        anchor=anchor,
        caption=f"{'Scoring' if scoring else 'Selection'} rates and impact ratios by {by}: {what}",
        heads=heads,
        words=1,
        rows=tuple(_category(row) for row in shown),
        notes=tuple(notes),
    )


def _category(row: Category) -> tuple[Shown, ...]:
    remarks = [f"{row.unanswered:,} without a {'prediction or score'}"] * bool(row.unanswered)
    remarks += ["small"] * row.small
    remarks += [f"left out of the ratios: {shortened(row.left_out, 2 * LONGEST)}"] * bool(row.left_out)
    remarks += [row.reason] * bool(row.reason)
    return (
        Shown(text=wording.crossed(shortened(row.name, LONGEST))),
        Shown(text=f"{row.number:,}"),
        Shown(text=f"{row.chosen:,}"),
        Shown(text=wording.number(row.rate)),
        Shown(text=wording.number(row.impact_ratio)),
        Shown(text="; ".join(remarks)),
    )


def _areas(record: AuditRecord, attribute: str) -> dict[tuple[str, str], tuple[Shown, float]]:
    """By metric and group: how it is shown, and the number."""
    made: dict[tuple[str, str], tuple[Shown, float]] = {}
    for one in record.estimates:
        if one.metric in AREAS and one.attribute == attribute and one.versus is None and one.groups:
            if one.value is None:
                continue
            ends = (wording.interval_text(one.interval),) if one.interval is not None else ()
            made.setdefault(
                (one.metric, one.groups[-1]), (Shown(text=wording.number(one.value), under=ends), one.value)
            )
    return made


def _worst(cells: Sequence[Cell]) -> list[Cell]:
    """All, or whole labels by how far their groups' rates are apart; of one label with many groups, those furthest out."""
    if len(cells) <= MOST_ROWS:
        return list(cells)
    labels: dict[str, list[Cell]] = {}
    for cell in cells:
        labels.setdefault(cell.label, []).append(cell)
    ordered = sorted(labels.values(), key=lambda own: -_apart(own))
    kept: list[Cell] = []
    for own in ordered:
        if len(kept) + len(own) <= MOST_ROWS:
            kept += own
        elif not kept:
            return _furthest(own)
    return kept


def _furthest(cells: Sequence[Cell]) -> list[Cell]:
    """Of one label's groups the reference, and those whose rates lie furthest from its."""
    first = cells[0]

    def far(cell: Cell) -> float:
        pairs = ((cell.tpr, first.tpr), (cell.fpr, first.fpr))
        return max((abs(one - other) for one, other in pairs if one is not None and other is not None), default=-1.0)

    return [first, *sorted(cells[1:], key=lambda cell: -far(cell))[: MOST_ROWS - 1]]


def _apart(cells: Sequence[Cell]) -> float:
    found = [
        [rate for rate in rates if rate is not None] for rates in zip(*((c.tpr, c.fpr) for c in cells), strict=True)
    ]
    return max((max(rates) - min(rates) for rates in found if rates), default=0.0)


def _name(cell: Cell, *, several: bool) -> Shown:
    group = shortened(cell.group, LONGEST) + (" (reference)" if cell.reference else "")
    left = (f"compared with nobody: {shortened(cell.left_out, LONGEST)}",) if cell.left_out else ()
    return Shown(text=f"{shortened(cell.label, LONGEST)}: {group}" if several else group, under=left)


def _numbers(cell: Cell) -> Iterator[Shown]:
    for number in (
        cell.hits + cell.misses + cell.false + cell.rest,
        cell.hits + cell.misses,
        cell.hits,
        cell.misses,
        cell.false,
    ):
        yield Shown(text=f"{number:,}")


def _rate(rate: float | None, rows: int) -> Shown:
    return Shown(text=wording.number(rate), under=(f"of {rows:,}",) if 0 < rows < FEW else ())


def _of(count: int, total: int) -> Shown:
    return Shown(text=f"{count:,}", under=(f"{count / total:.0%}",) if total and count else ())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
