"""What stands beside a comparison with another model: its noise floor, and how the two were not asked alike.

The noise floor is the comparison of the other model with itself: the same figure, of a second asking at another batch size
against the first. Sees outcomes and records by their types; what is measured, the caller says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import Audit
from pytest_biasaudit.metrics.beside import NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.record import Rerun
from pytest_biasaudit.records.unlike import AskedAs, unlike

if TYPE_CHECKING:
    from pytest_biasaudit.outcomes.collect import Collected


@dataclass(frozen=True, kw_only=True)
class Other:
    """A model that limits compare with."""

    came: Collected
    asked_as: AskedAs
    again: Collected | None = None
    """What it answered the second time, where a noise floor was asked for."""
    again_batch_size: int = 0


Measure = Callable[[Audit, "Collected", Mapping[str, "Collected"]], Sequence[Estimate]]
"""measure(audit, collected, others): what the audit's limits need, of these answers against those."""


def another_batch_size(first: int) -> int:
    """Half as many at a time, or two in place of one."""
    return first // 2 if first > 1 else 2


def with_what_stands_beside(
    estimates: Sequence[Estimate], audit: Audit, asked_as: AskedAs, others: Mapping[str, Other], measure: Measure
) -> tuple[Estimate, ...]:
    """The estimates, those against another model with remarks, and with a noise floor where it was asked again.

    audit     its limits are those that apply to the model
    asked_as  how the model that is judged was asked
    others    by the name that limits give
    """
    floors = {name: noise_floors(audit, name, other, measure) for name, other in others.items() if other.again}
    remarks = {name: unlike(asked_as, other.asked_as) for name, other in others.items()}
    return tuple(
        one
        if one.versus is None or one.versus not in others
        else replace(one, remarks=remarks[one.versus], noise=floor_of(one, floors.get(one.versus, ())))
        for one in estimates
    )


def noise_floors(audit: Audit, versus: str, other: Other, measure: Measure) -> list[tuple[Estimate, NoiseFloor]]:
    """Each comparison of the audit's limits with that model, measured of its second asking against its first."""
    again = other.again
    assert again is not None
    limits = tuple(limit for limit in audit.limits if limit.versus == versus and limit.shows != "value")
    found = measure(replace(audit, limits=limits), again, {versus: other.came})
    pairs = list(zip((*again.outcomes, *again.controls), (*other.came.outcomes, *other.came.controls), strict=True))
    steps = [
        abs(now.reading.value - then.reading.value)
        for now, then in pairs
        if now.reading.value is not None and then.reading.value is not None
    ]

    def floor(one: Estimate) -> NoiseFloor:
        return NoiseFloor(
            value=one.value,
            low=one.interval.low if one.interval else None,
            high=one.interval.high if one.interval else None,
            level=one.interval.level if one.interval else None,
            batch_size=other.again_batch_size,
            first_batch_size=other.asked_as.batch_size,
            compared=len(pairs),
            changed=sum(now != then for now, then in pairs),
            largest=max(steps, default=None),
            reason=one.reason,
        )

    return [(one, floor(one)) for one in found]


def floor_of(estimate: Estimate, floors: Iterable[tuple[Estimate, NoiseFloor]]) -> NoiseFloor | None:
    """The noise floor of the same comparison at the same level; an estimate without an interval shows no level."""
    if estimate.shows == "value":
        return None
    same = [(one, floor) for one, floor in floors if _comparison(one) == _comparison(estimate)]
    level = estimate.interval.level if estimate.interval else None
    for one, floor in same:
        if one.interval is not None and one.interval.level == level:
            return floor
    return same[0][1] if same else None


def rerun_of(versus: str, other: Other) -> Rerun | None:
    """The second asking as the record keeps it: the answers that came out otherwise."""
    if other.again is None:
        return None
    return Rerun(
        versus=versus,
        model=other.asked_as.model.name,
        digest=other.asked_as.model.digest,
        batch_size=other.again_batch_size,
        changed=_changed(other.again.outcomes, other.came.outcomes),
        controls_changed=_changed(other.again.controls, other.came.controls),
    )


def _changed(again: Sequence[Outcome], first: Sequence[Outcome]) -> tuple[Outcome, ...]:
    return tuple(now for now, then in zip(again, first, strict=True) if now != then)


def _comparison(estimate: Estimate) -> tuple[object, ...]:
    return estimate.metric, estimate.attribute, estimate.groups, estimate.versus, estimate.shows
