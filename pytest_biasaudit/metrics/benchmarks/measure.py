"""How big, for a whole benchmark: outcomes in, one estimate a figure and part out. Knows metrics by their facts.

Every figure the kind has is estimated, over all items and by every part it may be split by, limit or not. What cannot
be measured, or measured and not judged, is an estimate with the reason.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol

from pytest_biasaudit.context.declaration import BenchmarkAudit, Limit
from pytest_biasaudit.errors import StatisticsError
from pytest_biasaudit.metrics import obstacles
from pytest_biasaudit.metrics.beside import Moved
from pytest_biasaudit.metrics.metric import Estimate, GroupSummary, Measured, Metric, Shows
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.benchmarks.data import DataFacts

FEWEST_SHARED = 0.9
"""Of the items scored for either model, the share that must be scored for both before a change is judged."""


class Gathered(Protocol):
    """What came of a benchmark: as collected, or as kept in a record."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One an item."""
        ...

    @property
    def controls(self) -> tuple[Outcome, ...]:
        """What the model's competence is read from."""
        ...

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What decided the scores."""
        ...

    @property
    def data(self) -> DataFacts | None:
        """Which data the items are from."""
        ...

    @property
    def obstacle(self) -> str:
        """Why the model could not be asked."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Items:
    """The outcomes of one part, without what tells of the whole."""

    outcomes: tuple[Outcome, ...]
    controls: tuple[Outcome, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    data: DataFacts | None = None
    obstacle: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is measured of a benchmark: a figure, over all items or split, against which other model, if any."""

    metric: str
    split: str = ""
    """Name of the slot that tells the parts apart; "" for all items together."""
    level: float = 0.95
    versus: str | None = None
    shows: Shows | None = None
    """What is wanted of `versus`, "increase" or "recovery"; None: the increase where `versus` names a model."""

    @classmethod
    def of(cls, limit: Limit) -> Part:
        """What a limit needs measured."""
        shows = limit.shows if limit.versus is not None else None
        return cls(metric=limit.metric, split=limit.attribute, level=limit.level, versus=limit.versus, shows=shows)

    @property
    def showing(self) -> Shows:
        """What the estimate's number will be."""
        return self.shows or ("value" if self.versus is None else "increase")


def measure_benchmark(
    audit: BenchmarkAudit,
    collected: Gathered,
    *,
    metrics: Mapping[str, Metric],
    seed: int,
    others: Mapping[str, Gathered] | None = None,
    always: bool = True,
) -> tuple[Estimate, ...]:
    """All estimates of one benchmark and one model: what its limits need, then every other figure of the kind.

    others  what came of other models in the same audit, by the name limits give in `versus`
    always  False leaves out what no limit needs
    """
    own = [metric for metric in metrics.values() if audit.kind in metric.kinds] if always else []
    figures = [Part(metric=metric.name, split=split) for metric in own for split in metric.split_by]
    estimates: list[Estimate] = []
    for part in dict.fromkeys([*(Part.of(limit) for limit in audit.limits), *figures]):
        if part.metric not in metrics:
            raise StatisticsError(f"no metric {part.metric!r} is registered; there are {', '.join(sorted(metrics))}")
        other = (others or {}).get(part.versus) if part.versus is not None else None
        new = estimates_of_part(part, audit, collected, metrics[part.metric], seed=seed, other=other)
        estimates.extend(estimate for estimate in new if estimate not in estimates)
    return tuple(estimates)


def estimates_of_part(
    part: Part,
    audit: BenchmarkAudit,
    collected: Gathered,
    metric: Metric,
    *,
    seed: int,
    other: Gathered | None = None,
) -> tuple[Estimate, ...]:
    """One estimate over all items, or one for each value of the slot that splits them, in the order of the items.

    Each has in `by_group` the figures of its own items. Where the model's competence is in doubt (`obstacle` of the
    kind's module), or there are fewer items than the audit's `minimum`, the estimate is not usable, and says why. So is a
    recovery of what the other model does no better than chance: all of it is kept by guessing.
    """
    outcomes = collected.controls if metric.utility and collected.controls else collected.outcomes
    reason = collected.obstacle or (obstacles.unheard(outcomes) if not metric.utility else "")
    if not reason and audit.kind not in metric.kinds:
        reason = f"{metric.name} is not defined for the benchmark {audit.kind!r}"
    if not reason and part.versus is not None:
        reason = _cannot_compare(metric, collected, other, part)
    judged = not reason and not metric.utility
    theirs: dict[str, Outcome] = {}
    if not reason and part.versus is not None and other is not None:
        same = other.controls if metric.utility and collected.controls else other.outcomes
        theirs = {one.prompt.id: one for one in same}
    whole = _doubt(audit, collected, other, part.versus) if judged else ""
    if not reason and metric.utility and other is not None:
        whole = _nothing_to_keep(audit, other, part)
    estimates = []
    for value, chosen in _parts(outcomes, part.split).items():
        earlier = [theirs[one.prompt.id] for one in chosen] if theirs else None
        measured = Measured(value=None, interval=None, reason=reason)
        doubt = whole
        if not reason:
            measured = _measured(audit, metric, chosen, earlier, part, seed=seed)
        if judged and measured.value is not None:
            doubt = doubt or _doubt_of_part(audit, collected, chosen, earlier, part)
            doubt = doubt or _short(audit, measured, chosen, earlier)
        elif earlier is not None and measured.value is not None:
            doubt = doubt or _nothing_to_keep_of_part(audit, collected, earlier, part)
            doubt = doubt or _unshared(chosen, earlier)
        moved = (
            _moved(audit, metric, chosen, earlier, part, seed=seed) if earlier is not None and not part.split else ()
        )
        estimates.append(replace(_estimate(part, value, chosen, measured, doubt, earlier), moved=moved))
    return _adjusted(estimates) if part.split else tuple(estimates)


def _parts(outcomes: Sequence[Outcome], split: str) -> dict[str, list[Outcome]]:
    """The outcomes by the value of the slot that splits them, in the order of the items; all under "" without a split."""
    if not split:
        return {"": list(outcomes)}
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        value = next((filling for slot, filling in outcome.prompt.slots if slot == split), "")
        found.setdefault(value, []).append(outcome)
    return found or {"": []}


def _adjusted(estimates: Sequence[Estimate]) -> tuple[Estimate, ...]:
    """With p adjusted by Holm over the parts."""
    from pytest_biasaudit.stats.multiplicity import holm

    adjusted = iter(holm([estimate.p for estimate in estimates if estimate.p is not None]))
    return tuple(
        estimate if estimate.p is None else replace(estimate, p_adjusted=next(adjusted)) for estimate in estimates
    )


def _measured(
    audit: BenchmarkAudit,
    metric: Metric,
    chosen: Sequence[Outcome],
    earlier: Sequence[Outcome] | None,
    part: Part,
    *,
    seed: int,
) -> Measured:
    """The figure of these items, or what became of it against the other model's outcomes for the same."""
    against = metric.recovery if part.showing == "recovery" else metric.change
    if earlier is not None and against is not None:
        return obstacles.sound(against(chosen, earlier, audit=audit, level=part.level, seed=seed))
    if metric.items is None:
        raise StatisticsError(f"metric {metric.name!r} is a benchmark's and was registered without `items`")
    return obstacles.sound(metric.items(chosen, audit=audit, level=part.level, seed=seed))


def _moved(
    audit: BenchmarkAudit,
    metric: Metric,
    chosen: Sequence[Outcome],
    earlier: Sequence[Outcome],
    part: Part,
    *,
    seed: int,
) -> tuple[Moved, ...]:
    """The change on each part that the figure may be taken apart by; none where it may not, or there is but one."""
    split = next(filter(None, metric.split_by), "")
    if not split or metric.change is None:
        return ()
    found = []
    then = dict(zip((id(one) for one in chosen), earlier, strict=True))
    for value, items in _parts(chosen, split).items():
        theirs = [then[id(one)] for one in items]
        change = obstacles.sound(metric.change(items, theirs, audit=audit, level=part.level, seed=seed))
        both = 0
        if change.used is None:
            pairs = zip(items, theirs, strict=True)
            both = len([1 for one, other in pairs if one.reading.status == other.reading.status == "ok"])
        found.append(
            Moved(
                group=value,
                value=change.value,
                low=change.interval.low if change.interval else None,
                high=change.interval.high if change.interval else None,
                level=change.interval.level if change.interval else None,
                n=change.used if change.used is not None else both,
                unit=metric.unit,
                reason=change.reason,
            )
        )
    return tuple(found) if len(found) > 1 else ()


def _cannot_compare(metric: Metric, collected: Gathered, other: Gathered | None, part: Part) -> str:
    """Why the figure cannot be held against the other model's; empty when it can."""
    versus = part.versus
    if part.showing == "recovery" and metric.recovery is None:
        return obstacles.not_recovered(metric)
    if part.showing == "increase" and metric.change is None:
        return f"{metric.name} has no change against another model"
    if other is None:
        return f"there are no answers of {versus!r} to compare with"
    reason = other.obstacle or obstacles.unheard(other.outcomes)
    if reason:
        return f"{versus}: {reason}"
    if _ids(other.outcomes) != _ids(collected.outcomes):
        return f"{versus!r} was not asked the same items"
    if metric.utility and _ids(other.controls) != _ids(collected.controls):
        return f"{versus!r} was not given the same controls, from which {metric.name} is read"
    if collected.data is not None and other.data is not None and collected.data.sha256 != other.data.sha256:
        return f"{versus!r} was asked items of other data (their sha256 differ)"
    if dict(collected.facts).get("score") != dict(other.facts).get("score"):
        return f"{versus!r} was scored in another way"
    return ""


def _ids(outcomes: Sequence[Outcome]) -> set[str]:
    return {outcome.prompt.id for outcome in outcomes}


def _kind(audit: BenchmarkAudit) -> Any:
    """The module of the benchmark's kind, which knows how competence shows."""
    return import_module(f"pytest_biasaudit.metrics.benchmarks.{audit.kind.replace('-', '_')}")


def _doubt(audit: BenchmarkAudit, gathered: Gathered, other: Gathered | None, versus: str | None) -> str:
    """Why what the model answers stands for nothing: it is no better than chance at the task itself."""
    kind = _kind(audit)
    reason = str(kind.obstacle(gathered, audit))
    if not reason and versus is not None and other is not None:
        theirs = str(kind.obstacle(other, audit))
        reason = f"{versus}: {theirs}" if theirs else ""
    return reason


def _nothing_to_keep(audit: BenchmarkAudit, other: Gathered, part: Part) -> str:
    """Why a recovery stands for nothing: the other model is no better than chance at the task, so guessing keeps all."""
    if part.showing != "recovery":
        return ""
    theirs = str(_kind(audit).obstacle(other, audit))
    return f"{part.versus}: {theirs}" if theirs else ""


def _nothing_to_keep_of_part(audit: BenchmarkAudit, collected: Gathered, earlier: Sequence[Outcome], part: Part) -> str:
    """The same for one part, where competence is read from its own items."""
    if not part.split or collected.controls:
        return ""
    return _nothing_to_keep(audit, _Items(outcomes=tuple(earlier)), part)


def _doubt_of_part(
    audit: BenchmarkAudit,
    collected: Gathered,
    chosen: Sequence[Outcome],
    earlier: Sequence[Outcome] | None,
    part: Part,
) -> str:
    """The same for one part, where competence is read from its own items: able elsewhere is not able here."""
    if not part.split or collected.controls:
        return ""
    mine = _Items(outcomes=tuple(chosen))
    theirs = None if earlier is None else _Items(outcomes=tuple(earlier))
    return _doubt(audit, mine, theirs, part.versus)


def _short(
    audit: BenchmarkAudit, measured: Measured, chosen: Sequence[Outcome], earlier: Sequence[Outcome] | None
) -> str:
    """Says so where too few of the items were scored, fewer than the audit asks for, or not the same for both models."""
    minimum = int(audit.setting("minimum"))
    scored = [one.reading.status == "ok" for one in chosen]
    if sum(scored) < obstacles.FEWEST_ANSWERED * len(scored):
        return (
            f"{sum(scored)} of {len(scored)} items could be scored; at least {obstacles.FEWEST_ANSWERED:.0%} are needed"
        )
    unshared = "" if earlier is None else _unshared(chosen, earlier)
    if unshared:
        return unshared
    used = measured.used if measured.used is not None else sum(scored)
    return "" if used >= minimum else f"{used} items; the audit's minimum is {minimum}"


def _unshared(chosen: Sequence[Outcome], earlier: Sequence[Outcome]) -> str:
    """Says so where too few items were scored for both models."""
    mine, theirs = ([one.reading.status == "ok" for one in side] for side in (chosen, earlier))
    both = sum([now and then for now, then in zip(mine, theirs, strict=True)])
    either = sum(mine) + sum(theirs) - both
    if both >= FEWEST_SHARED * either:
        return ""
    return (
        f"{both} of {either} items were scored for both models; with less than {FEWEST_SHARED:.0%} the "
        "change stands for others than the figures"
    )


def _estimate(
    part: Part,
    value: str,
    chosen: Sequence[Outcome],
    measured: Measured,
    doubt: str,
    earlier: Sequence[Outcome] | None,
) -> Estimate:
    summary = summary_of(value or "all items", chosen)
    lost = 0  # scored here, and not for the other model
    if earlier is not None:
        pairs = zip(chosen, earlier, strict=True)
        lost = len([1 for one, other in pairs if one.reading.status == "ok" and other.reading.status != "ok"])
    return Estimate(
        metric=part.metric,
        attribute=part.split,
        groups=(value,) if value else (),
        value=measured.value,
        interval=measured.interval,
        p=measured.p,
        p_adjusted=None,
        n=measured.used if measured.used is not None else summary.n,
        people=0,
        templates=measured.clusters,
        missing=len(chosen) - summary.n + lost,
        by_group=(summary,),
        reason="; ".join(filter(None, [measured.reason, doubt])),
        versus=part.versus,
        shows=part.showing,
        standard_error=measured.standard_error,
        df=measured.df,
        usable=measured.usable and not doubt,
        sampled=measured.sampled or "items",
    )


def summary_of(name: str, outcomes: Sequence[Outcome]) -> GroupSummary:
    """Items in figures: counts by status; mean, standard deviation and median of their values; share above zero."""
    values = [one.reading.value for one in outcomes if one.reading.status == "ok" and one.reading.value is not None]
    status = [outcome.reading.status for outcome in outcomes]
    mean = statistics.fmean(values) if values else math.nan
    return GroupSummary(
        group=name,
        n=status.count("ok"),
        asked=len(outcomes),
        refused=status.count("refused"),
        unparseable=status.count("unparseable"),
        errors=status.count("error"),
        people=0,
        mean=mean if values else None,
        # Not statistics.stdev, which reckons in exact fractions: and would take as long as the comparison itself.
        sd=math.sqrt(math.fsum([(one - mean) ** 2 for one in values]) / (len(values) - 1)) if len(values) > 1 else None,
        median=statistics.median(values) if values else None,
        rate=sum(value > 0 for value in values) / len(values) if values else None,
    )
