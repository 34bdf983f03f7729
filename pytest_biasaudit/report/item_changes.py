"""Which answers are other, question by question: two records of one audit in, frozen rows out, the largest change first.

Records are of two runs or of two models; questions are matched by context, audit, prompt, person and repeat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.rows import group_name

Kind = Literal["status", "choice", "value"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The gravest first."""


@dataclass(frozen=True, kw_only=True)
class ItemChange:
    """One question whose answer became other."""

    id: str
    group: str
    person: str
    repeat: int
    kind: Kind
    """The gravest that changed."""
    was: Outcome
    now: Outcome
    size: float
    """Of the values' difference, in the outcome's unit; infinite where one side has none."""


@dataclass(frozen=True, kw_only=True)
class ItemChanges:
    """One audit's questions, asked of two models or twice."""

    unit: str
    """Of the values; empty for none."""
    compared: int
    status: int
    choice: int
    value: int
    worded: int
    """The answer's words alone are other; what was read in it is the same."""
    reworded: int
    """The question itself was put in another text."""
    largest: float | None
    """Difference of two values."""
    only_before: int
    only_after: int
    changes: tuple[ItemChange, ...]
    """Status first, then choice, then value; the largest of each first."""

    @property
    def same(self) -> int:
        """Answered alike, to the letter."""
        return self.compared - self.status - self.choice - self.value - self.worded


def item_changes(was: AuditRecord, now: AuditRecord) -> ItemChanges:
    """Both records' outcomes, matched by question, person and repeat."""
    old, new = _by_question(was), _by_question(now)
    both = [key for key in old if key in new]
    changes: list[ItemChange] = []
    worded = 0
    for key in both:
        kind = _changed(was, old[key], new[key])
        if kind == "worded":
            worded += 1
        elif kind:
            changes.append(_item_change(was, kind, old[key], new[key]))
    changes.sort(key=lambda one: (KINDS.index(one.kind), -one.size))
    found = [one.kind for one in changes]
    finite = [one.size for one in changes if math.isfinite(one.size)]
    return ItemChanges(
        unit=was.audit.unit,
        compared=len(both),
        status=found.count("status"),
        choice=found.count("choice"),
        value=found.count("value"),
        worded=worded,
        reworded=sum(old[key].prompt_sha256 != new[key].prompt_sha256 for key in both),
        largest=max(finite, default=None),
        only_before=len(old) - len(both),
        only_after=len(new) - len(both),
        changes=tuple(changes),
    )


def items_sentence(items: ItemChanges) -> str:
    """How many answers of an audit became other, and in what."""
    counts = {
        "with another status": items.status,
        "with another choice": items.choice,
        "with another value": items.value,
        "worded otherwise": items.worded,
    }
    found = [f"{count} {what}" for what, count in counts.items() if count]
    text = f"{items.compared} answers on both sides, " + (", ".join(found) or "all alike")
    if found:
        text += f", {items.same} alike"
    if items.largest:
        text += f"; largest difference of two values {wording.number(items.largest, unit=items.unit)}"
    if items.only_before or items.only_after:
        text += f"; only before {items.only_before}, only after {items.only_after}"
    if items.reworded:
        text += f"; {items.reworded} were asked in another text"
    return text


def _by_question(record: AuditRecord) -> dict[tuple[str, str, int], Outcome]:
    return {(one.prompt.id, one.prompt.person_id, one.repeat): one for one in record.outcomes}


def _changed(record: AuditRecord, was: Outcome, now: Outcome) -> Kind | Literal["worded", ""]:
    if was.reading.status != now.reading.status:
        return "status"
    if was.reading.status == "ok" and _choice(record, was) != _choice(record, now):
        return "choice"
    if was.reading.value != now.reading.value:
        return "value"
    # Of a benchmark's items only those quoted keep their text, and the two sides need not quote the same ones.
    quoted = not isinstance(record.audit, BenchmarkAudit) or (was.text and now.text)
    return "worded" if quoted and was.text != now.text else ""


def _choice(record: AuditRecord, outcome: Outcome) -> object:
    """What was preferred, where an answer is a preference: an option, a word, or a side of 0 in a benchmark."""
    if outcome.options:
        return outcome.text
    if not isinstance(record.audit, BenchmarkAudit) or outcome.reading.value is None:
        return outcome.reading.selected
    value = outcome.reading.value
    return (value > 0) - (value < 0)


def _item_change(record: AuditRecord, kind: Kind, was: Outcome, now: Outcome) -> ItemChange:
    old, new = was.reading.value, now.reading.value
    return ItemChange(
        id=was.prompt.id,
        group=wording.crossed(group_name(record, was.prompt.person)) or _part(was),
        person=was.prompt.person.name,
        repeat=was.repeat,
        kind=kind,
        was=was,
        now=now,
        size=math.inf if old is None or new is None else abs(new - old),
    )


def _part(outcome: Outcome) -> str:
    """A benchmark's item: its axis, where it has one."""
    slots = dict(outcome.prompt.slots)
    return slots.get("axis", "")
