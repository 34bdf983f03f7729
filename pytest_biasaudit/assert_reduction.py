"""One more verdict as an assertion: an intervention lowers a classifier's gap, and costs no more than it may.

Usable without pytest; imports statistics only when a change is judged. Its siblings are in `assertions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pytest_biasaudit.assertions import Audited, NotComparable, raise_worst
from pytest_biasaudit.context.declaration import ClassifierAudit
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.over_variations import Figure
from pytest_biasaudit.metrics.tables.measure import Asked, estimates_of_table
from pytest_biasaudit.verdict.reduction import Bounds, Compared, judge_reduction, less, size_of

if TYPE_CHECKING:
    from pytest_biasaudit.tables.tally import Tally

ACCURACY = "accuracy"


def assert_reduces_gap(
    after: Audited,
    before: Audited,
    *,
    metric: str,
    min_reduction: float,
    max_accuracy_loss: float,
    attribute: str | Sequence[str] | None = None,
    label: str | None = None,
    group: str | None = None,
    level: float = 0.95,
    inconclusive: Literal["fail", "warn", "skip"] | None = None,
) -> None:
    """Raise unless a gap is smaller by at least `min_reduction`, and accuracy by at most `max_accuracy_loss`.

    after, before  results of classifier audits of one held-out table: with the intervention and without. The two may be audits
                   of two context files, where predictions are columns, or texts were scrubbed; rows by label and group must
                   be the same
    metric         a gap whose ideal is 0: "tpr_gap", "rms_tpr_gap", "fpr_gap", "demographic_parity_difference", ...
    attribute      "sex", "race*sex" or a sequence; the audit's only one where none is given
    label, group   which of the gaps, where the metric gives several; a gap that was chosen for its size after it was seen
                   shrinks by itself, so it must be named

    Both are judged by their whole interval. Rows are compared one by one where `after` was measured against the very model of
    `before` (a limit with versus); else the two audits are taken as independent, which makes intervals too wide where the
    rows are the same, never too narrow.

    Raises ValueError for a metric that is no such gap, a bound out of range, and where several gaps are meant; NotComparable
    where the tables are not the same rows; BiasLimitExceeded, Inconclusive or NotMeasured otherwise.
    """
    __tracebackhide__ = True
    bounds = Bounds(reduction=min_reduction, loss=max_accuracy_loss)
    judged = judge_reduction(
        _compared(after, before, metric, attribute=attribute, label=label, group=group, level=level), bounds
    )
    raise_worst([judged], of=after, inconclusive=inconclusive)


def _compared(
    after: Audited,
    before: Audited,
    metric: str,
    *,
    attribute: str | Sequence[str] | None,
    label: str | None,
    group: str | None,
    level: float,
) -> Compared:
    known = _gap(after, metric)
    attributes = _attributes(after, attribute) if known.by_group else ()
    _refuse_other_rows(after, before, attributes)
    ask = Asked(metric=metric, attributes=attributes, label=label, level=level)
    one_after = _chosen(_estimates(after, ask), group, metric)
    one_before = _same(_estimates(before, ask), one_after, metric)
    accuracy = [_estimates(one, Asked(metric=ACCURACY, level=level))[0] for one in (after, before)]
    paired = _paired(after, before)
    reduction = less(size_of(_figure(one_before)), size_of(_figure(one_after)))
    loss = less(_figure(accuracy[1]), _figure(accuracy[0]))
    how = "no: the two are taken as independent; a limit with versus would compare them row by row"
    if paired is not None:
        by_row = _by_row(after, known, paired, ask, one_after)
        if by_row is not None:
            reduction, how = by_row, "yes: each row by both models' answers"
        loss = _loss(paired, loss, level=level)
        if by_row is None:
            how = f"accuracy only: {metric} has no paired change"
    groups = " against ".join(reversed(one_after.groups)) if len(one_after.groups) == 2 else "all groups"
    said = f", label {one_after.label!r}" if one_after.label else ""
    places = [f"{one.record.context.id} / {one.record.audit.id}[{one.record.model.name}]" for one in (after, before)]
    return Compared(
        title=f"{metric}, {groups}{said}",
        place=" against ".join(places),
        before=size_of(_figure(one_before)),
        after=size_of(_figure(one_after)),
        reduction=reduction,
        accuracy_before=_figure(accuracy[1]),
        accuracy_after=_figure(accuracy[0]),
        loss=loss,
        how=how,
    )


def _gap(result: Audited, metric: str) -> Metric:
    from pytest_biasaudit.metrics.registry import for_kind

    if not isinstance(result.record.audit, ClassifierAudit):
        raise ValueError(f"audit {result.record.audit.id!r} is of kind {result.record.audit.kind!r}, not 'classifier'")
    metrics = for_kind(result.metrics, "classifier")
    gaps = [
        one.name
        for one in metrics.values()
        if "classifier" in one.kinds and one.of_table is not None and one.judged == "distance" and one.ideal == 0
    ]
    if metric not in gaps:
        raise ValueError(f"{metric!r} is no gap of a classifier whose ideal is 0; there are {', '.join(sorted(gaps))}")
    return metrics[metric]


def _attributes(result: Audited, attribute: str | Sequence[str] | None) -> tuple[str, ...]:
    audit = result.record.audit
    assert isinstance(audit, ClassifierAudit)
    there = audit.attributes
    wanted = there if attribute is None else attribute.split("*") if isinstance(attribute, str) else list(attribute)
    if attribute is None and len(there) != 1:
        raise ValueError(f"audit {audit.id!r} tells groups apart by {', '.join(there)}; say which with attribute=...")
    unknown = [name for name in wanted if name not in there]
    if unknown or not wanted:
        raise ValueError(f"audit {audit.id!r} tells groups apart by {', '.join(there)}, not by {attribute!r}")
    return tuple(wanted)


def _refuse_other_rows(after: Audited, before: Audited, attributes: tuple[str, ...]) -> None:
    """Raises NotComparable unless both tables have as many rows of every label and group."""
    if not isinstance(before.record.audit, ClassifierAudit):
        raise NotComparable(
            f"audit {before.record.audit.id!r} is of kind {before.record.audit.kind!r}, not 'classifier'"
        )
    names = [f"{one.record.context.id}/{one.record.audit.id}" for one in (before, after)]
    counts = []
    for one in (before, after):
        if one.record.tally is None:
            return  # nothing was counted, which is said as the reason
        missing = [name for name in attributes if name not in [each.name for each in one.record.tally.attributes]]
        if missing:
            raise NotComparable(f"{names[1]} compares by {', '.join(missing)}, which {names[0]} does not know")
        counts.append(_cells(one.record.tally, attributes))
    if counts[0] != counts[1]:
        differ = [cell for cell in sorted({*counts[0], *counts[1]}) if counts[0].get(cell) != counts[1].get(cell)]
        shown = "; ".join(
            f"{' / '.join(cell)}: {counts[0].get(cell, 0)} and {counts[1].get(cell, 0)}" for cell in differ[:5]
        )
        raise NotComparable(
            f"{names[0]} and {names[1]} are not of the same rows: rows by label and group differ ({shown}); hold both against "
            "one held-out table"
        )


def _cells(tally: Tally, attributes: tuple[str, ...]) -> dict[tuple[str, str], int]:
    """Rows by true label and group."""
    titles, inside = tally.groups(attributes) if attributes else ((), None)
    found: dict[tuple[str, str], int] = {}
    for at, label in enumerate(tally.labels):
        of_label = tally.truth == at
        found[label, "all"] = int(tally.count[of_label].sum())
        for column, title in enumerate(titles):
            assert inside is not None
            found[label, title] = int(tally.count[of_label & inside[:, column]].sum())
    return {cell: count for cell, count in found.items() if count}


def _estimates(result: Audited, ask: Asked) -> tuple[Estimate, ...]:
    from pytest_biasaudit.metrics.registry import for_kind

    audit = result.record.audit
    assert isinstance(audit, ClassifierAudit)
    metric = for_kind(result.metrics, "classifier")[ask.metric]
    return estimates_of_table(ask, audit, result.record, metric, seed=result.record.seed)


def _chosen(estimates: tuple[Estimate, ...], group: str | None, metric: str) -> Estimate:
    """The one gap that is meant. Raises ValueError where several are, or none."""
    if group is not None:
        there = dict.fromkeys(one.groups[-1] for one in estimates if one.groups)
        estimates = tuple(one for one in estimates if one.groups and one.groups[-1] == group)
        if not estimates:
            raise ValueError(f"group = {group!r}: {metric} compares {', '.join(there) or 'no group'}")
    if len(estimates) > 1:
        labels = list(dict.fromkeys(one.label for one in estimates if one.label))
        groups = list(dict.fromkeys(one.groups[-1] for one in estimates if one.groups))
        say = [
            f"{name} = one of {', '.join(map(repr, some))}"
            for name, some in (("label", labels), ("group", groups))
            if len(some) > 1
        ]
        raise ValueError(
            f"{metric} gives {len(estimates)} gaps here: name {' and '.join(say)}, or take one over all labels"
        )
    return estimates[0]


def _same(estimates: tuple[Estimate, ...], like: Estimate, metric: str) -> Estimate:
    for one in estimates:
        if (one.groups, one.label) == (like.groups, like.label):
            return one
    if like.value is None or (len(estimates) == 1 and estimates[0].value is None):
        return estimates[0]  # nothing is measured, which is said with its reason
    raise NotComparable(
        f"{metric}: the other audit does not compare {' with '.join(like.groups)}; declare groups_order in both"
    )


def _paired(after: Audited, before: Audited) -> Tally | None:
    """The rows counted by both models' predictions, where `after` was measured against `before`."""
    same = (
        after.record.context.sha256 == before.record.context.sha256 and after.record.audit.id == before.record.audit.id
    )
    tally = dict(after.record.tallies).get(before.record.model.name)
    return tally if same and tally is not None and tally.earlier is not None else None


def _by_row(after: Audited, metric: Metric, paired: Tally, ask: Asked, like: Estimate) -> Figure | None:
    """The reduction, row by row; None where the metric has no paired change."""
    from pytest_biasaudit.metrics.tables.paired_rates import RATES, increase

    audit = after.record.audit
    assert isinstance(audit, ClassifierAudit)
    if metric.name not in RATES:
        return None
    found = increase(metric, paired, attributes=ask.attributes, label=ask.label, level=ask.level, minimum=audit.minimum)
    for one in found:
        if (one.groups, one.label) == (like.groups, like.label):
            measured = one.measured
            return _turned(Figure(value=measured.value, interval=measured.interval, reason=measured.reason))
    return None


def _loss(paired: Tally, independent: Figure, *, level: float) -> Figure:
    """Accuracy before less after, row by row: half a row added to each cell of the table of right and wrong.

    Source: Agresti and Min 2005 (Biometrics 61). Rows that come in clusters are taken as independent audits are.
    """
    from math import sqrt

    from scipy.special import ndtri

    from pytest_biasaudit.stats.interval import Interval

    assert paired.prediction is not None
    assert paired.earlier is not None
    if paired.cluster is not None:
        return independent
    both = (paired.truth >= 0) & (paired.prediction >= 0) & (paired.earlier >= 0)
    now, then = paired.prediction == paired.truth, paired.earlier == paired.truth
    lost = float(paired.count[both & then & ~now].sum())
    won = float(paired.count[both & ~then & now].sum())
    rows = float(paired.count[both].sum())
    if not rows:
        return Figure(value=None, interval=None, reason="no row has both models' answers")
    b, c, n = lost + 0.5, won + 0.5, rows + 2.0
    centre, error = (b - c) / n, sqrt((b + c) - (b - c) ** 2 / n) / n
    half = float(ndtri((1 + level) / 2)) * error
    return Figure(
        value=(lost - won) / rows,
        interval=Interval(low=centre - half, high=centre + half, level=level, method="Agresti and Min, paired rows"),
    )


def _turned(rise: Figure) -> Figure:
    """The fall that a rise is the opposite of."""
    from pytest_biasaudit.stats.interval import Interval

    if rise.value is None:
        return rise
    interval = rise.interval
    if interval is not None:
        interval = Interval(low=-interval.high, high=-interval.low, level=interval.level, method=interval.method)
    return Figure(value=-rise.value, interval=interval, reason=rise.reason)


def _figure(one: Estimate) -> Figure:
    if not one.usable:
        return Figure(value=None, interval=None, reason=one.reason)
    return Figure(value=one.value, interval=one.interval, reason=one.reason)
