"""What a verdict says: the finding, as plain lines of text fit for a failed test. No markup; nothing is computed here
but how to write it down, and about how much more data would decide an open question.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_biasaudit.context.declaration import DEFAULT_OF, Audit, Context, Limit, TabularAudit
from pytest_biasaudit.metrics.metric import Estimate, GroupSummary, Metric
from pytest_biasaudit.verdict import table_words
from pytest_biasaudit.verdict.beside import beside_lines
from pytest_biasaudit.verdict.enough import what_would_decide
from pytest_biasaudit.verdict.scale import is_change, on_log_scale, on_scale, side_of
from pytest_biasaudit.verdict.verdict import Verdict

WORDS = {
    Verdict.WITHIN: "within limit",
    Verdict.OVER: "over limit",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_MEASURED: "not measured",
}
SELECTIONS = frozenset({"choice", "yes-no"})


@dataclass(frozen=True, kw_only=True)
class Where:
    """What a finding is about, in words: enough to find the declaration and to run it again."""

    context: str
    audit: str
    model: str
    file: str
    """Name of the context file."""
    unit: str = ""
    """Unit of the outcome, "USD"."""
    seed: int = 0
    declared: bool = True
    """Whether the file declares the limits judged; False for a limit that an assertion made."""
    kind: str = ""
    """Of the audit: an audit of a labelled table speaks of rows."""
    data: str = ""
    """The table's name, where it is an audit of one."""

    @classmethod
    def of(cls, context: Context, audit: Audit, *, model: str, seed: int) -> Where:
        """The place of one audit of one model."""
        return cls(
            context=context.id,
            audit=audit.id,
            model=model,
            file=context.path.name,
            unit=audit.unit,
            seed=seed,
            kind=audit.kind,
            data=audit.data if isinstance(audit, TabularAudit) else "",
        )

    @property
    def of_table(self) -> bool:
        """Whether it is an audit of a labelled table."""
        return self.kind in table_words.KINDS


def finding(
    limit: Limit,
    verdict: Verdict,
    worst: Estimate | None,
    compared: Sequence[Estimate],
    *,
    metric: Metric | None,
    where: Where,
    reason: str = "",
    p: float | None = None,
    p_adjusted: float | None = None,
    family_size: int = 0,
) -> str:
    """The finding's text: headline, estimate, limit, groups, what was not used, next step.

    worst        the comparison that decides; None when there is none
    compared     all comparisons; the others are listed under it
    reason       why the verdict is what it is, where the numbers do not say
    family_size  number of comparisons Holm adjusted over, under `lower`
    """
    lines = [_headline(limit, verdict, where)]
    if worst is not None and metric is not None:
        told = replace(worst, reason="") if worst.reason == reason else worst  # said once, on the next line
        lines.append(_line("estimate", _estimate(told, limit, metric, where)))
    if reason:
        lines.append(_line("because", one_line(reason)))
    lines.append(_line("limit", _limit(limit, metric, where)))
    rule = _rule(limit, p, p_adjusted, family_size)
    if rule:
        lines.append(_line("rule", rule))
    if worst is not None and metric is not None:
        lines.append(_line("groups", "   ".join(_group(group, metric, where) for group in worst.by_group)))
        lines.extend(_also(worst, compared, limit, metric, where))
        beside = beside_lines(worst, compared, figure=figure, clean=one_line, outcome_unit=where.unit)
        lines.extend(_line(label, text) for label, text in beside)
    unused = _not_used(compared, where) if compared else ""
    if unused:
        lines.append(_line("not used", unused))
    lines.append(_line("next", _next(limit, verdict, worst, metric, where)))
    return "\n".join(lines)


def one_line(text: str, *, longest: int = 300) -> str:
    """Text from a file or a model as one harmless line: control and direction marks become spaces, the rest is cut."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[: 4 * longest])
    words = " ".join(kept.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def figure(value: float, *, beside: float | None = None, digits: int = 3) -> str:
    """A number to read: so many significant digits, or as many as it takes to stay on its own side of `beside`."""
    shown = value
    for count in range(digits, 18):
        shown = float(f"{value:.{count}g}")
        if beside is None or ((shown < beside) == (value < beside) and (shown > beside) == (value > beside)):
            break
    return f"{shown:,}".removesuffix(".0") if 1e3 <= abs(shown) < 1e15 else f"{shown:.15g}"


def _headline(limit: Limit, verdict: Verdict, where: Where) -> str:
    place = f"{where.context} / {where.audit}[{where.model}] / {limit.id}"
    return f"{one_line(place)}: {WORDS[verdict]}"


def _line(label: str, text: str) -> str:
    return f"  {label:<10} {text}"


def _unit(metric: Metric, where: Where) -> str:
    unit = where.unit if metric.unit == "outcome" else metric.unit if metric.unit in ("sd", "nats") else ""
    return f" {one_line(unit, longest=24)}" if unit else ""


def _also(worst: Estimate, compared: Sequence[Estimate], limit: Limit, metric: Metric, where: Where) -> Iterator[str]:
    """A line for each other comparison; of a table, whose comparisons are many, those furthest toward the limit."""
    others = [other for other in compared if other is not worst]
    told = others
    if where.of_table and len(others) > table_words.MOST_OTHERS:
        scaled = [on_scale(other, limit, metric) for other in others]
        excess = [float("-inf") if one is None else one.excess for one in scaled]
        nearest = sorted(range(len(others)), key=lambda at: -excess[at])[: table_words.MOST_OTHERS]
        told = [others[at] for at in nearest]
    yield from (_line("also", _estimate(other, limit, metric, where)) for other in told)
    if len(told) < len(others):
        yield _line("also", f"{len(others) - len(told):,} more comparisons, in the evidence (--biasaudit-json FILE)")


def _estimate(estimate: Estimate, limit: Limit, metric: Metric, where: Where) -> str:
    who = table_words.who(estimate, one_line) if where.of_table else _who(estimate)
    if metric.against:
        who = f"of the {one_line(estimate.of or DEFAULT_OF)} of {who}"
    if estimate.versus is not None:
        who += f", against {one_line(estimate.versus)}"
    crossed = f"{estimate.people} people, {estimate.templates} templates"
    counts = f"n {estimate.n}, {f'{estimate.templates} {estimate.sampled}' if estimate.sampled else crossed}, seed {where.seed}"
    if where.of_table:
        counts = f"{table_words.counts(estimate)}, seed {where.seed}"
    if estimate.value is None:
        return f"none   {who} ({counts}){_because(estimate)}"
    beside = _beside(limit, metric, estimate)
    text = f"{figure(estimate.value, beside=beside)}{_unit(metric, where)}"
    interval = estimate.interval
    if interval is None:
        return f"{text}   no interval   {who} ({counts}){_because(estimate)}"
    return (
        f"{text}   {interval.level * 100:g} % interval {figure(interval.low, beside=beside)} to "
        f"{figure(interval.high, beside=beside)} ({one_line(interval.method)}; {counts})   {who}"
    )


def _who(estimate: Estimate) -> str:
    names = [one_line(name) for name in estimate.groups]
    if len(names) == 2:
        return f"{names[1]} against {names[0]}"
    if estimate.sampled:
        return f"{one_line(estimate.attribute)} {names[0]}" if names else "all items"
    return "all answers"


def _because(estimate: Estimate) -> str:
    return f": {one_line(estimate.reason)}" if estimate.reason else ""


def _beside(limit: Limit, metric: Metric, estimate: Estimate) -> float:
    """The bound on the estimate's own scale, on its own side, so that rounding never moves a number across it."""
    if is_change(limit) or metric.judged == "value" or estimate.value is None:
        return limit.bound
    if metric.judged == "distance":
        return metric.ideal + limit.bound if estimate.value >= metric.ideal else metric.ideal - limit.bound
    inverted = limit.bound != 0 and (limit.bound > 1) != (estimate.value > 1)
    return 1.0 / limit.bound if inverted else limit.bound


def _limit(limit: Limit, metric: Metric | None, where: Where) -> str:
    name = one_line(limit.metric)
    if metric is not None and metric.judged == "distance":
        if metric.range[0] < metric.ideal:
            name = f"|{name}|" if metric.ideal == 0 else f"|{name} - {metric.ideal:g}|"
    elif metric is not None and metric.judged == "ratio":
        name += " or its inverse"
    if metric is not None and metric.against:
        name = f"share of {one_line(limit.of or DEFAULT_OF)} removed"
    if is_change(limit):
        name = f"recovery of {one_line(limit.metric)}" if limit.shows == "recovery" else f"increase of {name}"
    versus = f" against {one_line(limit.versus)}" if limit.versus is not None else ""
    side = "at least" if side_of(limit) == "min" else "at most"
    unit = _unit(metric, where) if metric is not None else ""
    basis = f" ({limit.basis})" if limit.basis else ""
    reason = f': "{one_line(limit.reason)}"' if limit.reason else ""
    place = (
        f"{one_line(where.file)}, [[audit.limit]] {one_line(limit.id)}" if where.declared else "asserted in the test"
    )
    return f"{name}{versus} {side} {limit.bound:g}{unit}   {place}{basis}{reason}"


def _rule(limit: Limit, p: float | None, p_adjusted: float | None, family_size: int) -> str:
    if limit.rule == "point":
        return "point: the estimate alone decides; no error is controlled"
    if limit.rule == "lower":
        text = "lower: over only when a whole interval lies beyond"
        if p is None or p_adjusted is None:
            return text
        return (
            f"{text} and p against the limit, after Holm over {family_size} comparisons, is at most {1 - limit.level:.3g}; "
            f"p {figure(p)}, adjusted {figure(p_adjusted)}"
        )
    return ""


def _group(group: GroupSummary, metric: Metric, where: Where) -> str:
    name = one_line(group.group, longest=60)
    if where.of_table:
        return table_words.group_text(
            group,
            metric=metric.name,
            figure=lambda value: figure(value, digits=4),
            clean=lambda text: one_line(text, longest=60),
        )
    counts = f"n {group.n} of {group.asked}"
    rates = set(metric.kinds) <= SELECTIONS
    shown = group.rate if rates else group.mean
    if metric.name == "refusal_rate_difference":
        return f"{name} refused {group.refused} of {group.asked}"
    if shown is None or not metric.by_group:
        return f"{name}: {counts}" if metric.items is not None else f"{name} {counts}"
    return f"{name} {figure(shown, digits=4)}{'' if rates else _outcome_unit(where)} ({counts})"


def _outcome_unit(where: Where) -> str:
    return f" {one_line(where.unit, longest=24)}" if where.unit else ""


def _not_used(compared: Sequence[Estimate], where: Where) -> str:
    if where.of_table:
        return table_words.without_prediction(compared, clean=one_line, corpus=where.kind == "corpus")
    groups = {group.group: group for estimate in compared for group in estimate.by_group}.values()
    asked = sum(group.asked for group in groups)
    counts = {
        "refused": sum(group.refused for group in groups),
        "unparseable": sum(group.unparseable for group in groups),
        "error": sum(group.errors for group in groups),
    }
    total = sum(counts.values())
    if not asked:
        return "nothing was asked"
    named = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"{total} of {asked}" + (f": {named}" if named else "")


def _next(limit: Limit, verdict: Verdict, worst: Estimate | None, metric: Metric | None, where: Where) -> str:
    selection = f'-k "{where.audit} and {where.model} and {limit.id}" --biasaudit-seed={where.seed}'
    again = f"rerun with {one_line(selection) if where.declared else f'--biasaudit-seed={where.seed}'}"
    if verdict is Verdict.WITHIN:
        return f"nothing to do; {again} to see it again"
    if verdict is Verdict.OVER and where.of_table:
        rows = table_words.look_at(worst, data=where.data, clean=one_line)
        return f"{rows}; the report (--biasaudit-html FILE) has labels and groups side by side; {again}"
    if verdict is Verdict.OVER:
        who = "the answers"
        if worst is not None and worst.groups:
            part = one_line(worst.groups[-1])
            who = f"the items of {part}" if worst.sampled else f"the answers about {part}"
        return f"read {who} in the report (--biasaudit-html FILE), or {again}"
    if verdict is Verdict.INCONCLUSIVE and worst is not None and metric is not None:
        scaled = on_scale(worst, limit, metric)
        if worst.templates < 2 and not worst.sampled:
            return (
                "declare several wordings (prompts = [...]) or slot fillings, "
                "or accept_one_template = true in this limit"
            )
        if scaled is not None:
            return what_would_decide(
                worst, scaled, logs=on_log_scale(limit, metric), rows_of=one_line if where.of_table else None
            )
    return f"mend what kept it from being measured, then {again}"
