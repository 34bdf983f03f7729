"""One cell measured: what the classifier learnt from, and what it does on the held-out table. Asks no model.

Sees tables and their metrics; imports polars, numpy and stats when called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import ClassifierAudit
from pytest_biasaudit.errors import DataError
from pytest_biasaudit.mitigation.study.plan import ABILITY, StudyPlan
from pytest_biasaudit.mitigation.study.result import Figure, StudyCell, UnitFigures

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.metric import Compared, Measured
    from pytest_biasaudit.tables.answers import Answers
    from pytest_biasaudit.tables.table import Table
    from pytest_biasaudit.tables.tally import Tally

RMS = "rms_tpr_gap"
MOST_NAMED = 10


def groups_of(plan: StudyPlan, train: Table, test: Table) -> tuple[str, tuple[str, ...]]:
    """The reference and the groups compared with it: as declared, else the training table's, the largest first.

    Raises DataError for a declared group that either table lacks, and for fewer than two groups.
    """
    counts = train.groups(plan.attribute).drop_nulls().value_counts(sort=True)
    there = dict(counts.sort(["count", counts.columns[0]], descending=[True, False]).iter_rows())
    held_out = set(test.groups(plan.attribute).drop_nulls().to_list())
    wanted = plan.groups or tuple(there)
    faults = [
        f"{plan.attribute}: no row of {table} is of group {group!r}"
        for table, known in ((train.source, set(there)), (test.source, held_out))
        for group in wanted
        if group not in known
    ]
    if len(wanted) < 2:
        faults.append(
            f"{plan.attribute}: groups are compared, and {train.source} has {len(wanted)} ({', '.join(wanted)})"
        )
    if faults:
        raise DataError(train.source, faults[:MOST_NAMED])
    return wanted[0], wanted[1:]


def labels_of(plan: StudyPlan, train: Table, test: Table) -> tuple[str, ...]:
    """The labels that gaps are measured of: the positive one, else all of the held-out table, in order.

    Raises DataError for a label that nobody can learn, since no training row has it, and for a table of one label.
    """
    known = set(train.labels.drop_nulls().to_list())
    asked = sorted(set(test.labels.drop_nulls().to_list()))
    faults = [
        f"label {label!r} of {test.source} is in no row of {train.source}" for label in asked if label not in known
    ]
    positive = plan.columns.positive
    if positive is not None and positive not in known:
        faults.append(
            f"positive = {positive!r}: no row of {train.source} has it; there are {', '.join(sorted(known)[:20])}"
        )
    if len(known) < 2:
        faults.append(f"{train.source} has {len(known)} label: there is nothing to tell apart")
    if faults:
        raise DataError(train.source, faults[:MOST_NAMED])
    return tuple(asked) if positive is None else (positive,)


@dataclass(frozen=True, kw_only=True)
class Prevalence:
    """How often a group is met in a label's rows. Rows of no known label or group are in none of it; weights count."""

    share: float | None
    """None: the label has no such row."""
    overall: float | None
    """The same over all labels."""
    log_odds: float | None
    rows: int


def prevalences(table: Table, attribute: str, units: Sequence[tuple[str, str]]) -> tuple[Prevalence, ...]:
    """One a (label, group).

    The log odds have half a row added to either side: a share of 0 or 1 has some.
    """
    import polars as pl

    weights = table.weights
    rows = pl.DataFrame(
        {
            "label": table.labels,
            "group": table.groups(attribute),
            "weight": weights if weights is not None else pl.Series([1.0] * table.rows, dtype=pl.Float64),
        }
    ).drop_nulls(["label", "group"])
    cells = {
        (label, group): (float(weight), int(count))
        for label, group, weight, count in rows.group_by("label", "group")
        .agg(pl.col("weight").sum(), pl.len().alias("count"))
        .iter_rows()
    }
    return tuple(_prevalence(cells, label, group) for label, group in units)


def _prevalence(cells: Mapping[tuple[str, str], tuple[float, int]], label: str, group: str) -> Prevalence:
    def share(of: Sequence[tuple[str, str]]) -> float | None:
        total = math.fsum(cells[cell][0] for cell in sorted(of))
        hits = math.fsum(cells[cell][0] for cell in sorted(of) if cell[1] == group)
        return hits / total if total > 0 else None

    own = [cell for cell in cells if cell[0] == label]
    count = sum(cells[cell][1] for cell in own)
    found = share(own)
    odds = None if found is None else math.log((found * count + 0.5) / ((1 - found) * count + 0.5))
    return Prevalence(share=found, overall=share(list(cells)), log_odds=odds, rows=count)


def measured_cell(
    plan: StudyPlan,
    tally: Tally,
    train: Table,
    test: Table,
    *,
    reference: str,
    groups: tuple[str, ...],
    labels: tuple[str, ...],
    upstream: str,
    data: str,
    seed: int,
    pretrained: bool,
    scores: Mapping[tuple[str, str], float | None],
) -> StudyCell:
    """The figures of one classifier.

    tally   the held-out table with what the classifier said of it
    train   as it was learnt from
    test    as it was read
    scores  upstream bias by (label, group)
    """
    from pytest_biasaudit.metrics.registry import METRICS, for_kind

    metrics = for_kind(METRICS, "classifier")

    def of_table(name: str, attributes: tuple[str, ...]) -> tuple[Compared, ...]:
        compute = metrics[name].of_table
        assert compute is not None
        found: tuple[Compared, ...] = compute(
            tally, attributes=attributes, label=None, level=plan.level, seed=seed, minimum=plan.minimum
        )
        return found

    gaps = {
        (one.label or labels[0], one.groups[-1]): figure_of(one.measured)
        for one in of_table(plan.gap, (plan.attribute,))
        if len(one.groups) == 2 and one.groups[0] == reference
    }
    missing = Figure(value=None, interval=None, reason="the held-out table does not give it")
    pairs = [(label, group) for label in labels for group in groups]
    units = [
        UnitFigures(
            label=label,
            group=group,
            upstream=scores.get((label, group)),
            prevalence=found.share,
            overall=found.overall,
            log_odds=found.log_odds,
            rows=found.rows,
            gap=gaps.get((label, group), missing),
        )
        for (label, group), found in zip(pairs, prevalences(train, plan.attribute, pairs), strict=True)
    ]
    rms = root_mean_square(tuple(units))
    if plan.gap == "tpr_gap" and len(groups) == 1 and rms.value is not None:
        for one in of_table(RMS, (plan.attribute,)):
            theirs = figure_of(one.measured)
            if theirs.value is not None and abs(theirs.value - rms.value) < 1e-9:
                rms = theirs
    ability = of_table(ABILITY, ())
    return StudyCell(
        upstream=upstream,
        data=data,
        seed=seed,
        pretrained=pretrained,
        train_rows=train.rows,
        train_sha256=train.digest,
        test_sha256=test.digest,
        units=tuple(units),
        rms=rms,
        accuracy=figure_of(ability[0].measured) if ability else missing,
    )


def root_mean_square(units: tuple[UnitFigures, ...]) -> Figure:
    """Over the units that have a gap; which have none is said. No interval of its own."""
    there = [unit.gap.value for unit in units if unit.gap.value is not None]
    lacking = [f"{unit.label}, {unit.group}" for unit in units if unit.gap.value is None]
    if not there:
        return Figure(value=None, interval=None, reason="no label has a gap: " + (units[0].gap.reason if units else ""))
    said = f"; without {'; '.join(lacking[:MOST_NAMED])}" if lacking else ""
    return Figure(
        value=math.sqrt(math.fsum(value * value for value in there) / len(there)),
        interval=None,
        reason=f"no interval for one run is known of it; the table has that over seeds{said}",
    )


def figure_of(measured: Measured) -> Figure:
    """The value with its interval; nothing where it stands for nothing."""
    from pytest_biasaudit.metrics.obstacles import sound

    measured = sound(measured)
    if not measured.usable:
        return Figure(value=None, interval=None, reason=measured.reason)
    return Figure(value=measured.value, interval=measured.interval, reason=measured.reason)


def tally_of_answers(
    plan: StudyPlan, test: Table, answers: Answers, *, reference: str, groups: tuple[str, ...]
) -> Tally:
    """The held-out table counted with what a classifier said of it.

    Groups that are not compared are counted and left out. Rows without a prediction stay in: a refusal is no luck.
    """
    import polars as pl

    from pytest_biasaudit.tables.counting import tally_of

    there = test.groups(plan.attribute)
    others = sorted(set(there.drop_nulls().to_list()) - {reference, *groups})
    columns: dict[str, pl.Series] = {
        "label": test.labels,
        "prediction": pl.Series(
            [answers.labels[at] if at >= 0 else None for at in answers.prediction.tolist()], dtype=pl.String
        ),
        plan.attribute: there,
    }
    if plan.columns.cluster is not None:
        columns["cluster"] = test.frame[plan.columns.cluster]
    audit = ClassifierAudit(
        id=plan.id,
        kind="classifier",
        limits=(),
        data=plan.test.source,
        sha256=plan.test.sha256,
        columns=replace(plan.columns, groups=((plan.attribute, dict(plan.columns.groups)[plan.attribute]),)),
        groups_order=((plan.attribute, (reference, *groups)),),
        leave_out=((plan.attribute, tuple((one, "the plan compares others") for one in others)),) if others else (),
        minimum=plan.minimum,
    )
    return tally_of(pl.DataFrame(columns), audit, known=answers.labels)
