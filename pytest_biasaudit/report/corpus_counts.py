"""What stands in a corpus, counted: labels by group, groups by label, words near terms, before and after.

From the tally, beside the estimates that were measured of it. Records in, grids out, no markup.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.grid import Grid, Shown
from pytest_biasaudit.report.table_counts import LONGEST, MOST_ROWS
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.tables.tally import Attribute, Tally

ASSOCIATIONS = ("pmi", "log_odds", "cooccurrence_rate_ratio")
NEAR = ("word_rate_ratio", "word_pmi")
OWN_TABLE = frozenset({*ASSOCIATIONS, *NEAR})
"""Metrics that stand in the tables made here, and not among the other figures."""
MOST_COLUMNS = 6
"""Groups up to which each has a column."""
MOST_PAIRS = 16


@dataclass(frozen=True, kw_only=True)
class Prevalence:
    """How often one label goes with one group."""

    label: str
    group: str
    n: int
    """Rows of the group that have a label."""
    hits: int
    """Of them, those with this label."""

    @property
    def rate(self) -> float | None:
        """P(label | group)."""
        return self.hits / self.n if self.n else None


def prevalences(tally: Tally, attribute: Attribute) -> list[list[Prevalence]]:
    """A list a label, the label whose groups differ most first; in each a group in the order of the groups."""
    inside = tally.members[tally.attributes.index(attribute)]
    labelled = tally.truth >= 0
    made = []
    for label in tally.looked_at():
        has = tally.truth == tally.labels.index(label)
        made.append(
            [
                Prevalence(
                    label=label,
                    group=group,
                    n=int(tally.count[labelled & inside[:, at]].sum()),
                    hits=int(tally.count[has & inside[:, at]].sum()),
                )
                for at, group in enumerate(attribute.groups)
            ]
        )
    return sorted(made, key=lambda own: -apart([one.rate for one in own]))


def apart(rates: list[float | None]) -> float:
    """How far the largest is from the smallest; 0 for fewer than two."""
    there = [rate for rate in rates if rate is not None]
    return max(there) - min(there) if len(there) > 1 else 0.0


def prevalence_grid(tally: Tally, attribute: Attribute, *, anchor: str) -> Grid:
    """P(label | group): a column a group where they are few, a row a label and group where they are many."""
    found = prevalences(tally, attribute)
    caption = f"How often each label goes with each group of {shortened(attribute.name, LONGEST)}: P(label | group)"
    few = len(attribute.groups) <= MOST_COLUMNS
    if few:
        heads = ["Label", *(shortened(group, LONGEST) for group in attribute.groups), "All rows"]
        rows = [
            (
                Shown(text=shortened(own[0].label, LONGEST)),
                *(_rate(one.hits, one.n) for one in own),
                _overall(tally, own[0].label),
            )
            for own in found
        ]
    else:
        heads = ["Label", "Group", "P(label | group)", "All rows"]
        flat = sorted(
            (one for own in found for one in own), key=lambda one: -abs((one.rate or 0.0) - _share(tally, one.label))
        )
        rows = [
            (
                Shown(text=shortened(one.label, LONGEST)),
                Shown(text=shortened(one.group, LONGEST)),
                _rate(one.hits, one.n),
                _overall(tally, one.label),
            )
            for one in flat
        ]
    notes = [_left(len(rows), "labels" if few else "pairs of label and group")] * (len(rows) > MOST_ROWS)
    if attribute.overlapping:
        notes.append("A row with terms of several groups counts for each of them.")
    return Grid(
        anchor=anchor,
        caption=caption,
        heads=tuple(heads),
        words=1 if few else 2,
        rows=tuple(rows[:MOST_ROWS]),
        notes=tuple(notes),
    )


def association_grid(record: AuditRecord, attribute: Attribute, *, anchor: str) -> Grid | None:
    """How labels and groups go together more or less than by chance; None where nothing of it was measured."""
    found: dict[tuple[str, str], dict[str, Estimate]] = {}
    for one in record.estimates:
        if one.metric in ASSOCIATIONS and one.attribute == attribute.name and one.versus is None and one.groups:
            found.setdefault((one.label, one.groups[-1]), {}).setdefault(one.metric, one)
    if not found:
        return None
    ordered = sorted(found.items(), key=lambda item: -_strength(item[1].get("pmi")))
    rows = tuple(
        (
            Shown(text=shortened(label, LONGEST)),
            Shown(text=shortened(group, LONGEST)),
            *(_figure(own.get(name)) for name in ASSOCIATIONS),
        )
        for (label, group), own in ordered[:MOST_PAIRS]
    )
    notes = [_left(len(ordered), "pairs of label and group", MOST_PAIRS)] * (len(ordered) > MOST_PAIRS)
    reasons = dict.fromkeys(
        one.reason for _, own in ordered[:MOST_PAIRS] for one in own.values() if one.value is None and one.reason
    )
    notes += [f"Not measured: {shortened(reason, 240)}." for reason in list(reasons)[:3]]
    notes.append(
        "PMI compares how often both come together with how often they would by chance, in nats: 0 is by chance. Log odds and "
        "the ratio of rates compare a group with the reference, so the reference has none."
    )
    return Grid(
        anchor=anchor,
        caption=f"Labels and groups of {shortened(attribute.name, LONGEST)} that go together, the strongest first",
        heads=("Label", "Group", *(wording.title_of(name, record.audit.kind) for name in ASSOCIATIONS)),
        words=2,
        rows=rows,
        notes=tuple(notes),
    )


def near_grid(record: AuditRecord, attribute: Attribute, *, window: int, anchor: str) -> Grid | None:
    """Attribute words within the window of a group's terms; None where none are declared."""
    tally = record.tally
    near = [one for one in (tally.near if tally is not None else ()) if one.attribute == attribute.name]
    if not near:
        return None
    figures = {
        (one.metric, one.label, one.groups[-1]): one
        for one in record.estimates
        if one.metric in NEAR and one.attribute == attribute.name and one.versus is None and one.groups
    }
    rows = [
        (
            Shown(text=shortened(one.words, LONGEST)),
            Shown(text=shortened(one.group, LONGEST)),
            _rate(one.near_rows, one.rows),
            Shown(text=f"{one.near:,}", under=(f"of {one.occurrences:,}",)),
            *(_figure(figures.get((name, one.words, one.group))) for name in NEAR),
        )
        for one in near
    ]
    ends = f"within {window} words on either side"
    return Grid(
        anchor=anchor,
        caption=f"Words near the terms of {shortened(attribute.name, LONGEST)}, {ends}",
        heads=(
            "Words",
            "Group",
            "Rows with one near",
            "Terms with one near",
            *(wording.title_of(name, record.audit.kind) for name in NEAR),
        ),
        words=2,
        rows=tuple(rows[:MOST_ROWS]),
        notes=tuple([_left(len(rows), "pairs")] * (len(rows) > MOST_ROWS)),
    )


def before_grid(tally: Tally, before: Tally, attribute: Attribute, *, anchor: str) -> Grid | None:
    """P(label | group) in the earlier data and in these, the largest change first; None where nothing stands in both."""
    theirs = next((one for one in before.attributes if one.name == attribute.name), None)
    if theirs is None:
        return None
    old = {(one.label, one.group): one for own in prevalences(before, theirs) for one in own}
    new = [one for own in prevalences(tally, attribute) for one in own]
    pairs = [(old[one.label, one.group], one) for one in new if (one.label, one.group) in old]
    pairs.sort(key=lambda pair: -abs((pair[1].rate or 0.0) - (pair[0].rate or 0.0)))
    if not pairs:
        return None
    rows = []
    for was, now in pairs[:MOST_ROWS]:
        change = None if was.rate is None or now.rate is None else now.rate - was.rate
        shown = wording.number(change)
        rows.append(
            (
                Shown(text=shortened(now.label, LONGEST)),
                Shown(text=shortened(now.group, LONGEST)),
                _rate(was.hits, was.n),
                _rate(now.hits, now.n),
                Shown(text=f"+{shown}" if change is not None and change > 0 else shown),
            )
        )
    notes = [f"Rows before {before.rows:,}, now {tally.rows:,}."]
    notes += [_left(len(pairs), "pairs of label and group")] * (len(pairs) > MOST_ROWS)
    only = len(new) - len(pairs)
    notes += [f"{only:,} pairs of label and group are not in the earlier data."] * bool(only)
    notes.append("Counts side by side. Whether a gap has grown is what a limit with versus = “before” judges.")
    return Grid(
        anchor=anchor,
        caption=f"Before and after: P(label | group) by {shortened(attribute.name, LONGEST)}, the largest change first",
        heads=("Label", "Group", "Before", "Now", "Change"),
        words=2,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _left(rows: int, what: str, most: int = MOST_ROWS) -> str:
    return f"And {rows - most:,} more {what}; the evidence has all of them."


def _rate(hits: int, n: int) -> Shown:
    return Shown(text=wording.number(hits / n if n else None), under=(f"{hits:,} of {n:,}",))


def _share(tally: Tally, label: str) -> float:
    labelled = int(tally.count[tally.truth >= 0].sum())
    return int(tally.count[tally.truth == tally.labels.index(label)].sum()) / labelled if labelled else 0.0


def _overall(tally: Tally, label: str) -> Shown:
    hits = int(tally.count[tally.truth == tally.labels.index(label)].sum())
    return _rate(hits, int(tally.count[tally.truth >= 0].sum()))


def _figure(estimate: Estimate | None) -> Shown:
    if estimate is None:
        return Shown(text=wording.NONE)
    if estimate.value is None:
        return Shown(text="not measured")
    ends = "no interval" if estimate.interval is None else wording.interval_text(estimate.interval)
    return Shown(text=wording.number(estimate.value), under=(ends,), judged=estimate.usable)


def _strength(estimate: Estimate | None) -> float:
    return -1.0 if estimate is None or estimate.value is None else abs(estimate.value)
