"""What changed between two evidence files, or two models of one, as frozen rows: verdicts, estimates, items, the frame.

Evidence in, rows out; `diff_text` writes them down. Nothing is measured again: whether one model is fairer than another on
the same questions is what a limit with `versus` judges, paired and with an interval. Here stands what became other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_biasaudit.context.declaration import Limit, TabularAudit
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.records.evidence import SEVERITY, Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.frame import FrameChange, frame_changes
from pytest_biasaudit.report.item_changes import ItemChanges, item_changes
from pytest_biasaudit.report.lineage import in_reading_order
from pytest_biasaudit.verdict.table_words import FOUND
from pytest_biasaudit.verdict.verdict import Judgement

Toward = Literal["further from the ideal", "closer to the ideal", ""]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which audit of which model a row is about."""

    context: str
    audit: str
    before: str
    """The model's name before; empty where the audit is only after."""
    after: str
    kind: str = ""
    """Of the audit: a metric's name may mean another formula in audits of tables."""


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """One limit, before and after."""

    place: Place
    limit: str
    was: Judgement | None
    """None: not judged before."""
    now: Judgement | None
    unit: str
    """Of the outcome."""

    @property
    def worse(self) -> bool:
        """A graver verdict, or none any more: a limit that nobody judges is no longer kept."""
        if self.was is None or self.now is None:
            return self.was is not None
        return SEVERITY[self.now.verdict] > SEVERITY[self.was.verdict]

    @property
    def verdict_changed(self) -> bool:
        """Judged on both sides, to another verdict."""
        return self.was is not None and self.now is not None and self.was.verdict is not self.now.verdict

    @property
    def terms_changed(self) -> bool:
        """Judged on both sides, and not by the same terms: another bound, rule or level."""
        if self.was is None or self.now is None:
            return False
        return _terms(self.was.limit, self.place.kind) != _terms(self.now.limit, self.place.kind)


@dataclass(frozen=True, kw_only=True)
class EstimateChange:
    """One figure that moved further than its intervals reach, or is there on one side only."""

    place: Place
    was: Estimate
    now: Estimate
    unit: str
    size: float
    """The change over the longer half of the two intervals; infinite where a side has no sound value."""
    toward: Toward


@dataclass(frozen=True, kw_only=True)
class EstimateCounts:
    """Figures of both sides, by what became of them."""

    beyond: int
    lost: int
    """With a sound value on one side only."""
    within: int
    """Other values, and one of them at least inside the other's interval."""
    unsure: int
    """Other values, and no interval to tell by."""
    same: int
    one_side: int
    """Measured on one side only."""


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Everything that changed."""

    before: Evidence
    after: Evidence
    verdicts: tuple[VerdictChange, ...]
    """Every limit of either side, the graver change first."""
    estimates: tuple[EstimateChange, ...]
    """The largest first."""
    estimate_counts: EstimateCounts
    items: tuple[tuple[Place, ItemChanges], ...]
    frame: tuple[FrameChange, ...]

    @property
    def worse(self) -> bool:
        """Whether any verdict got worse."""
        return any(one.worse for one in self.verdicts)


def diff_of(before: Evidence, after: Evidence, *, audits: Sequence[str] = (), models: Sequence[str] = ()) -> Diff:
    """What changed from one to the other.

    audits  ids to keep to: "offers", or "second-hand-offers/offers"; none: all
    models  "NAME", or "NAME=OTHER" to set one model of `before` against another of `after`; none: each against its namesake

    Audits are paired by context, audit and model; where one was run with several seeds or versions of the context file,
    like with like. Raises EvidenceError for an audit or a model that neither side has, and where nothing can be paired.
    """
    twins = _twins(before, after, models)
    mine, theirs = (in_reading_order(side.audits, side.models) for side in (before, after))
    _refuse_unknown(audits, (*mine, *theirs))
    wanted = [one for one in mine if _asked_for(one, audits) and (twins is None or one.model.name in twins)]
    others = [one for one in theirs if _asked_for(one, audits) and (twins is None or one.model.name in twins.values())]
    pairs, alone = _paired(wanted, others, twins)
    if not pairs:
        raise EvidenceError(_nothing_in_common(before, after, wanted, others))
    estimates, counts = _estimates(pairs)
    verdicts = [one for was, now in [*pairs, *alone] for one in _verdicts(was, now)]
    return Diff(
        before=before,
        after=after,
        verdicts=tuple(sorted(verdicts, key=_gravity)),
        estimates=estimates,
        estimate_counts=counts,
        items=tuple(
            (_place(was, now), item_changes(was, now))
            for was, now in pairs
            if not isinstance(was.audit, TabularAudit)  # no row of a table is in the evidence
        ),
        frame=frame_changes(before, after, pairs),
    )


def _twins(before: Evidence, after: Evidence, models: Sequence[str]) -> dict[str, str] | None:
    """Name before to name after; None where every model stands against its namesake."""
    if not models:
        return None
    old, new = ([model.name for model in side.models] for side in (before, after))
    found: dict[str, str] = {}
    for text in models:
        splits = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "="]
        choices = [(text, text), *splits]
        fitting = [(one, other) for one, other in choices if one in old and other in new]
        if not fitting:
            raise EvidenceError(
                f"--model {text!r}: there is no such pair; before has {_listed(old)}, after has {_listed(new)}"
            )
        found[fitting[0][0]] = fitting[0][1]
    return found


def _refuse_unknown(audits: Sequence[str], records: Sequence[AuditRecord]) -> None:
    for text in audits:
        if not any(_asked_for(one, [text]) for one in records):
            known = _listed(dict.fromkeys(f"{one.context.id}/{one.audit.id}" for one in records))
            raise EvidenceError(f"--audit {text!r}: neither side has it; there are {known}")


def _asked_for(record: AuditRecord, audits: Sequence[str]) -> bool:
    return not audits or record.audit.id in audits or f"{record.context.id}/{record.audit.id}" in audits


def _nothing_in_common(
    before: Evidence, after: Evidence, mine: Sequence[AuditRecord], theirs: Sequence[AuditRecord]
) -> str:
    sides = [
        f"  {name} ({side.file or 'evidence'}): "
        + _listed(dict.fromkeys(f"{one.context.id}/{one.audit.id}[{one.model.name}]" for one in records))
        for name, side, records in (("before", before, mine), ("after", after, theirs))
    ]
    return "\n".join(
        [
            "nothing can be compared: no audit of the same model stands on both sides; "
            "--model NAME=OTHER sets two models against one another",
            *sides,
        ]
    )


def _listed(names: Iterable[str]) -> str:
    kept = list(names)
    return (", ".join(kept[:10]) + (f" and {len(kept) - 10} more" if len(kept) > 10 else "")) or "none"


Pair = tuple[AuditRecord, AuditRecord]


def _paired(
    mine: Sequence[AuditRecord], theirs: Sequence[AuditRecord], twins: dict[str, str] | None
) -> tuple[list[Pair], list[tuple[AuditRecord | None, AuditRecord | None]]]:
    """Pairs in the order of `mine`; what has no partner, on its own side."""
    left = list(theirs)
    pairs: dict[int, Pair] = {}
    likeness: tuple[Callable[[AuditRecord], object], ...] = (
        lambda one: (one.seed, one.context.sha256),
        lambda one: one.seed,
        lambda one: None,
    )
    for alike in likeness:
        for at, record in enumerate(mine):
            if at in pairs:
                continue
            name = record.model.name if twins is None else twins[record.model.name]
            key = (record.context.id, record.audit.id, name, alike(record))
            for other in left:
                if (other.context.id, other.audit.id, other.model.name, alike(other)) == key:
                    pairs[at] = (record, other)
                    # By identity: two models of one file may be set against the same one.
                    left = [one for one in left if one is not other] if twins is None else left
                    break
    met = {id(other) for _, other in pairs.values()}
    alone: list[tuple[AuditRecord | None, AuditRecord | None]] = [
        (record, None) for at, record in enumerate(mine) if at not in pairs
    ]
    alone += [(None, other) for other in theirs if id(other) not in met]
    return [pairs[at] for at in sorted(pairs)], alone


def _place(was: AuditRecord | None, now: AuditRecord | None) -> Place:
    either = was or now
    assert either is not None
    return Place(
        context=either.context.id,
        audit=either.audit.id,
        before=was.model.name if was else "",
        after=now.model.name if now else "",
        kind=either.audit.kind,
    )


def _verdicts(was: AuditRecord | None, now: AuditRecord | None) -> Iterator[VerdictChange]:
    place = _place(was, now)
    either = was or now
    assert either is not None
    old, new = ({one.limit.id: one for one in side.judgements} if side else {} for side in (was, now))
    for limit in dict.fromkeys([*old, *new]):
        yield VerdictChange(place=place, limit=limit, was=old.get(limit), now=new.get(limit), unit=either.audit.unit)


def _gravity(change: VerdictChange) -> tuple[int, int]:
    """Worse verdicts first, the graver change before the lesser; then better ones, other terms, and the rest."""
    if change.was is None or change.now is None:
        return (3 if change.was is not None else 4, 0)
    step = SEVERITY[change.now.verdict] - SEVERITY[change.was.verdict]
    if step:
        return (0 if step > 0 else 1, -abs(step))
    return (2 if change.terms_changed else 5, 0)


def _terms(limit: Limit, kind: str) -> tuple[object, ...]:
    bound = wording.bound_text(limit, kind=kind)
    return (limit.metric, limit.attribute, limit.label, bound, limit.versus, limit.rule, limit.level)


def _estimates(pairs: Sequence[Pair]) -> tuple[tuple[EstimateChange, ...], EstimateCounts]:
    listed: list[EstimateChange] = []
    tally = dict.fromkeys(("beyond", "lost", "within", "unsure", "same", "one_side"), 0)
    for was, now in pairs:
        # By level only where a figure stands with several: one that lost its interval is still the same figure.
        levels = any(len(_by_key(one, levels=False)) < len(one.estimates) for one in (was, now))
        old, new = _by_key(was, levels=levels), _by_key(now, levels=levels)
        tally["one_side"] += len(old.keys() ^ new.keys())
        for key in [key for key in old if key in new]:
            kind = _kind(old[key], new[key])
            tally[kind] += 1
            if kind in ("beyond", "lost"):
                listed.append(_estimate_change(_place(was, now), old[key], new[key], was.audit.unit))
    return tuple(sorted(listed, key=lambda one: -one.size)), EstimateCounts(**tally)


def _by_key(record: AuditRecord, *, levels: bool) -> dict[tuple[object, ...], Estimate]:
    made: dict[tuple[object, ...], Estimate] = {}
    for one in record.estimates:
        level = one.interval.level if one.interval and levels else None
        # Which group is lowest, or worst, is part of the result and not of the question.
        found = isinstance(record.audit, TabularAudit) and one.metric in FOUND
        groups = () if found else one.groups
        made.setdefault((one.metric, one.attribute, groups, one.label, one.versus, one.shows, one.of, level), one)
    return made


def _sound(estimate: Estimate) -> float | None:
    return estimate.value if estimate.usable else None


def _kind(was: Estimate, now: Estimate) -> str:
    old, new = _sound(was), _sound(now)
    if old is None and new is None:
        return "same"
    if old is None or new is None:
        return "lost"
    if old == new:
        return "same"
    if was.interval is None or now.interval is None:
        return "unsure"
    inside = was.interval.low <= new <= was.interval.high or now.interval.low <= old <= now.interval.high
    return "within" if inside else "beyond"


def _estimate_change(place: Place, was: Estimate, now: Estimate, unit: str) -> EstimateChange:
    old, new = _sound(was), _sound(now)
    size: float = math.inf
    toward: Toward = ""
    if old is not None and new is not None and was.interval is not None and now.interval is not None:
        halves = [(one.high - one.low) / 2 for one in (was.interval, now.interval)]
        size = abs(new - old) / max(halves)
        toward = _toward(was, old, new, place.kind)
    return EstimateChange(place=place, was=was, now=now, unit=unit, size=size, toward=toward)


def _toward(estimate: Estimate, old: float, new: float, kind: str) -> Toward:
    metric = wording.metric_of(estimate.metric, kind)
    if metric is None or estimate.shows != "value":
        return ""
    if metric.judged == "ratio" and old > 0 and new > 0:
        away, was_away = abs(math.log(new)), abs(math.log(old))
    else:
        away, was_away = abs(new - metric.ideal), abs(old - metric.ideal)
    return "" if away == was_away else "further from the ideal" if away > was_away else "closer to the ideal"
