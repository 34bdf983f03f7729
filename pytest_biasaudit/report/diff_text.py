"""What changed between two evidence files, as plain text: changed verdicts first, the frame last. Rows in, lines out.

Every foreign text is one harmless line; nothing is cut without saying how much there was.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.diff import Diff, EstimateChange, Place, VerdictChange
from pytest_biasaudit.report.frame import FrameChange
from pytest_biasaudit.report.item_changes import ItemChange, items_sentence
from pytest_biasaudit.report.visible import in_ascii, visible
from pytest_biasaudit.verdict.finding import one_line
from pytest_biasaudit.verdict.verdict import Judgement

NARROWEST = 40
LISTED = 20
"""Estimates, and items of one audit, that are listed unless all are asked for."""
ANSWER_LENGTH = 90
NAME_LENGTH = 60
FACT_LENGTH = 200
SHORT_DIGEST = 16


def diff_lines(diff: Diff, *, width: int = 100, everything: bool = False, unicode: bool = True) -> list[str]:
    """The difference, line by line.

    width       no line is longer, unless under 40 columns are asked for
    everything  list every estimate and item, and not only the first 20 of each audit
    unicode     False: in ASCII
    """
    width = max(width, NARROWEST)
    lines = [
        *_head(diff, width),
        *_verdicts(diff, width),
        *_estimates(diff, width, None if everything else LISTED),
        *_items(diff, width, None if everything else LISTED),
        *_frame(diff.frame, width),
    ]
    return lines if unicode else [in_ascii(line) for line in lines]


def _head(diff: Diff, width: int) -> Iterator[str]:
    for name, side in (("before", diff.before), ("after", diff.after)):
        yield from _line(f"{name:<7} ", _file(side), width)
    judged = [one for one in diff.verdicts if one.was is not None and one.now is not None]
    worse = sum(one.worse for one in judged)
    better = sum(one.verdict_changed for one in judged) - worse
    counts = [f"{worse} worse", f"{better} better", f"{len(judged) - worse - better} as before"]
    other = sum(one.terms_changed for one in judged)
    gone = sum(one.now is None for one in diff.verdicts)
    new = sum(one.was is None for one in diff.verdicts)
    counts += [f"{gone} no longer judged"] * bool(gone) + [f"{new} judged only after"] * bool(new)
    counts += [f"{other} held to other terms"] * bool(other)
    yield from _line("verdicts ", f"{_many(len(judged), 'limit')} on both sides: {', '.join(counts)}", width)


def plain_line(text: str, *, longest: int = 300) -> str:
    """Foreign text as one line that does nothing to a terminal."""
    return visible(one_line(text, longest=longest))


def _file(side: Evidence) -> str:
    return (
        f"{plain_line(side.file) or 'evidence'}, made {side.run.created} with {side.run.tool} {side.run.tool_version}, "
        f"sha256 {side.sha256[:SHORT_DIGEST]}"
    )


def _verdicts(diff: Diff, width: int) -> Iterator[str]:
    changed = [one for one in diff.verdicts if one.verdict_changed or (one.terms_changed and one.was and one.now)]
    yield from _title("Changed verdicts", width)
    if not changed:
        yield "none"
    for one in changed:
        yield from _verdict(one, width)
    for title, side in (("No longer judged", "was"), ("Judged only after", "now")):
        alone = [one for one in diff.verdicts if (one.now if side == "was" else one.was) is None]
        if alone:
            yield from _title(title, width)
        for one in alone:
            judgement = one.was if side == "was" else one.now
            if judgement is not None:
                yield from _line("", f"{_place(one.place)} / {plain_line(one.limit)}", width)
                yield from _line(
                    f"  {side if side == 'was' else 'is':<6} ", _judged(judgement, one.unit, one.place.kind), width
                )


def _verdict(change: VerdictChange, width: int) -> Iterator[str]:
    assert change.was is not None
    assert change.now is not None
    word = "worse" if change.worse else "better" if change.verdict_changed else "terms"
    yield from _line(f"{word:<7} ", f"{_place(change.place)} / {plain_line(change.limit)}", width)
    yield from _line("  was    ", _judged(change.was, change.unit, change.place.kind), width)
    yield from _line("  is     ", _judged(change.now, change.unit, change.place.kind), width)
    old, new = (_terms(one, change.unit, change.place.kind) for one in (change.was, change.now))
    yield from _line("  limit  ", old if old == new else f"was {old}; is {new}", width)


def _judged(judgement: Judgement, unit: str, kind: str) -> str:
    """The verdict, and the estimate that decided it."""
    word = f"{wording.SYMBOLS[judgement.verdict]} {wording.WORDS[judgement.verdict].lower()}"
    estimate = judgement.estimate
    if estimate is None:
        return f"{word}; nothing was estimated"
    beside = wording.beside_of(judgement.limit, estimate, kind)
    return f"{word}, {_value(estimate, unit, kind, beside=beside)}, {plain_line(wording.comparison(estimate))}"


def _terms(judgement: Judgement, unit: str, kind: str) -> str:
    limit = judgement.limit
    about = f", {wording.crossed(limit.attribute)}" if limit.attribute else ""
    about += f', label "{limit.label}"' if limit.label is not None else ""
    bound = wording.bound_text(limit, wording.unit_of(limit.metric, unit, kind), kind)
    return plain_line(f"{limit.metric}{about} {bound}, rule {limit.rule}, level {limit.level * 100:g} %")


def _value(estimate: Estimate, unit: str, kind: str, *, beside: float | None = None) -> str:
    if estimate.value is None:
        return f"no value ({plain_line(estimate.reason, longest=FACT_LENGTH) or 'no reason given'})"
    text = wording.number(estimate.value, beside=beside, unit=plain_line(wording.unit_of(estimate.metric, unit, kind)))
    if estimate.interval is None:
        text += " (no interval"
    else:
        level = f"{estimate.interval.level * 100:g} % interval"
        text += f" ({level} {wording.interval_text(estimate.interval, beside=beside)}"
    return text + f", n {estimate.n})" + ("" if estimate.usable else " not usable")


def _estimates(diff: Diff, width: int, most: int | None) -> Iterator[str]:
    yield from _title("Estimates that moved beyond their intervals", width)
    shown = diff.estimates[:most]
    for one in shown:
        yield from _estimate(one, width)
    counts = diff.estimate_counts
    if len(shown) < len(diff.estimates):
        yield from _line("", f"and {len(diff.estimates) - len(shown)} more; --all lists them", width)
    if not shown:
        yield "none"
    rest = {
        "moved within an interval": counts.within,
        "changed, with no interval to tell how far": counts.unsure,
        "as before": counts.same,
        "on one side only": counts.one_side,
    }
    told = [f"{count} {what}" for what, count in rest.items() if count]
    if told:
        yield from _line("", f"Of the other estimates: {', '.join(told)}.", width)
    yield from _line(
        "",
        "These intervals are each run's own. Whether a change on the same questions is real is judged by a limit with "
        "`versus`, which pairs them.",
        width,
    )


def _estimate(change: EstimateChange, width: int) -> Iterator[str]:
    toward = f": {change.toward}" if change.toward else ""
    title = wording.title_of(change.was.metric, change.place.kind)
    about = f"{_place(change.place)}: {plain_line(title)}, {plain_line(wording.comparison(change.was))}{toward}"
    yield from _line("", about, width)
    yield from _line("  was    ", _value(change.was, change.unit, change.place.kind), width)
    yield from _line("  is     ", _value(change.now, change.unit, change.place.kind), width)


def _items(diff: Diff, width: int, most: int | None) -> Iterator[str]:
    if not diff.items:
        return
    yield from _title("Answers that changed", width)
    for place, items in diff.items:
        yield from _line("", f"{_place(place)}: {plain_line(items_sentence(items))}", width)
        for one in items.changes[:most]:
            yield from _item(one, items.unit, width)
        if most is not None and len(items.changes) > most:
            yield f"  and {len(items.changes) - most} more; --all lists them"


def _item(change: ItemChange, unit: str, width: int) -> Iterator[str]:
    who = [one for one in (change.group, change.person) if one]
    again = f", repeat {change.repeat}" if change.repeat else ""
    text = f"{plain_line(change.id, longest=NAME_LENGTH)}{again}" + (f" ({plain_line(', '.join(who))})" if who else "")
    yield from _line("  ", text, width)
    yield from _line("    was  ", answer_text(change.was, unit), width)
    yield from _line("    is   ", answer_text(change.now, unit), width)


def answer_text(outcome: Outcome, unit: str) -> str:
    """One answer on one line: what was read in it, and its words."""
    reading = outcome.reading
    if reading.status != "ok":
        read = (
            f"{reading.status}: {plain_line(reading.reason, longest=ANSWER_LENGTH)}"
            if reading.reason
            else reading.status
        )
    else:
        read = wording.number(reading.value, unit="" if outcome.options else plain_line(unit))
    words = plain_line(outcome.text, longest=ANSWER_LENGTH)
    return f'{read}, "{words}"' if words else str(read)


def _frame(frame: Sequence[FrameChange], width: int) -> Iterator[str]:
    yield from _title("What else is not the same", width)
    if not frame:
        yield "nothing: the same contexts, models, data, seeds, batch sizes and libraries"
    about = ""
    for one in frame:
        if one.about != about:
            about = one.about
            yield from _line("", plain_line(about), width)
        yield from _line(f"  {plain_line(one.name)}: ", f"{_fact(one.was)} -> {_fact(one.now)}", width)


def _fact(text: str) -> str:
    """A digest by its beginning; any other fact cut where it is very long."""
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return text[:SHORT_DIGEST]
    return plain_line(text, longest=FACT_LENGTH)


def _place(place: Place) -> str:
    names = [plain_line(name, longest=NAME_LENGTH) for name in (place.before, place.after) if name]
    model = " = ".join(dict.fromkeys(names))
    return f"{plain_line(place.context)} / {plain_line(place.audit)} [{model}]"


def _title(text: str, width: int) -> Iterator[str]:
    yield ""
    yield text.upper()[:width]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _line(label: str, text: str, width: int) -> Iterator[str]:
    """Label and text, wrapped under the text's own beginning."""
    indent = min(len(label), width // 3) if label else 2
    wrapped = textwrap.wrap(
        f"{label}{text}", width, subsequent_indent=" " * indent, break_on_hyphens=False, drop_whitespace=True
    )
    yield from wrapped or [label.rstrip()]
