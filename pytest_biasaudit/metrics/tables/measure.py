"""How big, for a labelled table: a tally in, one estimate a comparison out. Knows metrics by their facts.

Every figure the kind has is estimated for every attribute, limit or not. What cannot be measured is an estimate with the
reason: a group that is missing, or too small, never lets a limit pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_biasaudit.context.declaration import Limit, TabularAudit
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics import obstacles
from pytest_biasaudit.metrics.metric import Compared, Estimate, Metric, Shows, nothing
from pytest_biasaudit.metrics.tables.counted import Counted
from pytest_biasaudit.tables.tally import Tally


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is measured of a table."""

    metric: str
    attributes: tuple[str, ...] = ()
    label: str | None = None
    level: float = 0.95
    versus: str | None = None
    shows: Shows = "value"

    @classmethod
    def of(cls, limit: Limit) -> Asked:
        """What a limit needs measured."""
        return cls(
            metric=limit.metric,
            attributes=limit.attributes,
            label=limit.label,
            level=limit.level,
            versus=limit.versus,
            shows=limit.shows,
        )


def measure_table(
    audit: TabularAudit,
    counted: Counted,
    *,
    metrics: Mapping[str, Metric],
    seed: int,
    others: Mapping[str, Counted] | None = None,
    always: bool = True,
) -> tuple[Estimate, ...]:
    """All estimates of one table: what its limits need, then every other figure of the kind.

    others  what came of other models in the same audit (or of the data's earlier version), by the name limits give in
            `versus`; the tally of each holds this model's predictions beside its own (`Tally.earlier`), where rows are paired
    always  False leaves out what no limit needs
    """
    wanted = [Asked.of(limit) for limit in audit.limits]
    if always:
        for metric in metrics.values():
            if audit.kind in metric.kinds and metric.of_table is not None:
                ways: Sequence[tuple[str, ...]] = [(name,) for name in audit.attributes] if metric.by_group else [()]
                wanted.extend(Asked(metric=metric.name, attributes=way) for way in ways)
    estimates: dict[Estimate, None] = {}  # each once, in order: many limits ask for the same
    for ask in dict.fromkeys(wanted):
        if ask.metric not in metrics:
            raise StatisticsError(f"no metric {ask.metric!r} is registered; there are {', '.join(sorted(metrics))}")
        other = (others or {}).get(ask.versus) if ask.versus is not None else None
        new = estimates_of_table(ask, audit, counted, metrics[ask.metric], seed=seed, other=other)
        estimates.update(dict.fromkeys(new))
    return tuple(estimates)


def estimates_of_table(
    ask: Asked, audit: TabularAudit, counted: Counted, metric: Metric, *, seed: int, other: Counted | None = None
) -> tuple[Estimate, ...]:
    """One estimate a comparison, p adjusted by Holm over them; one with the reason where nothing can be compared."""
    reason = counted.obstacle
    if not reason and (audit.kind not in metric.kinds or metric.of_table is None):
        reason = f"{metric.name} is not defined for an audit of kind {audit.kind!r}"
    if not reason and counted.tally is None:
        reason = "nothing was counted"
    if not reason and counted.tally is not None and ask.label is not None and ask.label not in counted.tally.labels:
        reason = f"no row has the label {ask.label!r}; there are {', '.join(counted.tally.labels[:20])}"
    compared: tuple[Compared, ...] = ()
    if not reason and counted.tally is not None and metric.of_table is not None:
        settings: dict[str, Any] = {
            "attributes": ask.attributes,
            "label": ask.label,
            "level": ask.level,
            "seed": seed,
            "minimum": audit.minimum,
        }
        if ask.versus is None:
            compared = metric.of_table(counted.tally, **settings)
        else:
            from pytest_biasaudit.metrics.tables.change import change_of

            compared = change_of(metric, counted, other, ask.versus, shows=ask.shows, **settings)
        reason = "" if compared else "there is nothing to compare: no group beside the reference"
    if not compared:
        compared = (Compared(groups=(), measured=nothing(reason)),)
    return _adjusted([_estimate(ask, audit, counted.tally, one) for one in compared])


def _estimate(ask: Asked, audit: TabularAudit, tally: Tally | None, one: Compared) -> Estimate:
    measured = obstacles.sound(one.measured)
    groups = one.by_group
    units = sum(group.people for group in groups)
    return Estimate(
        metric=ask.metric,
        attribute="*".join(ask.attributes),
        groups=one.groups,
        value=measured.value,
        interval=measured.interval,
        p=measured.p,
        p_adjusted=None,
        n=sum(group.n for group in groups) if groups else (0 if tally is None else tally.rows),
        people=units,
        templates=measured.clusters or units,
        missing=sum(group.unparseable for group in groups),
        by_group=groups,
        reason=measured.reason,
        versus=ask.versus,
        shows=ask.shows,
        standard_error=measured.standard_error,
        df=measured.df,
        usable=measured.usable,
        sampled=measured.sampled or ("clusters" if audit.columns.cluster else "rows"),
        # A reason why nothing is compared is of the label that was asked for, or its limit would not find it.
        label=one.label or ("" if one.groups else ask.label or ""),
    )


def _adjusted(estimates: Sequence[Estimate]) -> tuple[Estimate, ...]:
    from pytest_biasaudit.stats.multiplicity import holm

    adjusted = iter(holm([estimate.p for estimate in estimates if estimate.p is not None]))
    return tuple(
        estimate if estimate.p is None else replace(estimate, p_adjusted=next(adjusted)) for estimate in estimates
    )
