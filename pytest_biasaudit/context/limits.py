"""What is allowed: the keys and rules of `[[audit.limit]]`. A limit that says nothing, or asks for bias, is refused.

Knows declarations and the strict reader; is handed the facts about metrics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from pytest_biasaudit.context.declaration import DEFAULT_OF, Basis, Limit, Rule
from pytest_biasaudit.context.shapes import Flag, JsonSchema, Number, OneOf, Slug, Text, TextOrTexts
from pytest_biasaudit.context.spelling import did_you_mean, listed, shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Row, read_row

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.metric import Metric

ID = Key("id", Slug(), "Name of the limit in test ids; made of attribute and metric when absent.")
METRIC = Key("metric", Text(), "The metric that is limited.", required=True)
ATTRIBUTE = Key("attribute", TextOrTexts(), "What tells the compared groups apart; the audit's attributes when absent.")
MAX = Key("max", Number(), "Highest value allowed, on the absolute value where the metric is signed.")
MIN = Key("min", Number(), "Lowest value allowed.")
VERSUS = Key("versus", Slug(), 'The model to compare with: "parent", or the name of a declared model.')
MAX_INCREASE = Key("max_increase", Number(), "Highest rise allowed over the model named in `versus`.")
MIN_RECOVERY = Key(
    "min_recovery", Number(), "Lowest share kept of what the model named in `versus` can do; metrics of ability only."
)
OF = Key("of", Text(), 'Of `bias_removed`: the metric whose share must be removed; "smd" when absent.')
RULE = Key("rule", OneOf(get_args(Rule)), "What decides: the whole interval within (upper), beyond (lower), the point.")
LEVEL = Key("level", Number(above=0.5, below=1), "Intended coverage of the interval.")
BASIS = Key("basis", OneOf(get_args(Basis)), "What the limit rests on.")
REASON = Key("reason", Text(), "Why this number.")
LABEL = Key("label", Text(), "Of a labelled table: the one label the limit is about; every label when absent.")
ACCEPT_ONE_TEMPLATE = Key(
    "accept_one_template", Flag(), "Accept an interval that sees names only, where there is one wording and no other."
)
LIMIT_KEYS = (
    ID, METRIC, ATTRIBUTE, OF, MAX, MIN, VERSUS, MAX_INCREASE, MIN_RECOVERY, RULE, LEVEL, BASIS, REASON, ACCEPT_ONE_TEMPLATE,
    LABEL,
)  # fmt: skip
REMOVED = "bias_removed"
_AGAINST = (MAX_INCREASE, MIN_RECOVERY)
_BOUNDS = (MAX, MIN, *_AGAINST)
LIMIT_RULES: JsonSchema = {
    "oneOf": [{"required": [key.name]} for key in _BOUNDS],
    "dependentRequired": {key.name: [VERSUS.name] for key in _AGAINST},
    "if": {"properties": {METRIC.name: {"const": REMOVED}}, "required": [METRIC.name]},
    "then": {"required": [VERSUS.name, MIN.name]},
    "else": {"properties": {OF.name: False}},
}

OF_ANOTHER = ("smd", "smd_pooled", "mean_difference", "rate_difference", "refusal_rate_difference")
"""Metrics of which a share can be removed: signed, 0 where groups are alike, and sums of what single answers contribute, so
that child and parent can be paired answer by answer (`stats.versus.LINEAR`)."""

BOUNDED_BY_PARENT = "inlier_ratio"
"""The metric whose own bounds may come from the parent's answers, and so may have `versus` with `max` or `min`."""


@dataclass(frozen=True, kw_only=True)
class Measurable:
    """What the audit can give its limits."""

    metrics: Mapping[str, Metric]
    kind: str | None
    """The outcome's kind, or the benchmark's; None where the file does not say it readably."""
    attributes: tuple[str, ...] | None
    """The people's; None where the file does not say them readably."""
    bounds_numbers: bool
    """Whether the outcome declares what is plausible."""
    benchmark: bool = False
    """Figures are split by what the data tell apart (axes, tests), not by attributes of people."""
    table: bool = False
    """Groups are those of a labelled table: an attribute that is not named is no crossing of all."""


def read_limits(raws: tuple[RawTable, ...], *, where: str, measurable: Measurable, faults: Faults) -> tuple[Limit, ...]:
    """The limits that could be read, in order; ids are made where none is given."""
    limits: list[Limit] = []
    by_id: dict[str, int] = {}
    for number, raw in enumerate(raws, start=1):
        named = f" {shown(raw['id'])}" if "id" in raw else ""
        row = read_row(raw, LIMIT_KEYS, where=f"{where} / [[audit.limit]] {number}{named}", faults=faults)
        limit = _read_limit(row, measurable, faults)
        if limit is None:
            continue
        if limit.id in by_id:
            made = "" if row.declares(ID) else " (made of attribute and metric, since none is given)"
            reason = f"[[audit.limit]] {by_id[limit.id]} has the same id; give each limit its own"
            faults.add(row.where, f"id = {limit.id!r}{made}: {reason}")
        by_id.setdefault(limit.id, number)
        limits.append(limit)
    return tuple(limits)


def _read_limit(row: Row, measurable: Measurable, faults: Faults) -> Limit | None:
    """The limit; None when metric or attributes are unknown, which leaves it without an id."""
    metric = _read_metric(row, measurable, faults)
    _check_bounds_given(row, faults)
    if metric is None:
        return None
    attributes = _read_attributes(row, metric, measurable, faults)
    if row.declares(LABEL) and not measurable.table:
        faults.misfit(row.where, LABEL.name, row.raw[LABEL.name], "is of audits of labelled tables only; remove it")
    _check_versus(row, metric, measurable, faults)
    of = _read_of(row, metric, measurable, faults)
    for key in _BOUNDS:
        bound = row.get(key)
        for reason in () if bound is None else bound_faults(metric, key.name, bound):
            faults.misfit(row.where, key.name, bound, reason)
    if attributes is None or (row.declares(ID) and row.get(ID) is None):
        return None
    versus = row.get(VERSUS)
    return Limit(
        id=row.get(ID) or default_id(metric.name, attributes, versus, of, row.get(LABEL)),
        metric=metric.name,
        attributes=attributes,
        max=row.get(MAX),
        min=row.get(MIN),
        versus=versus,
        of=of,
        max_increase=row.get(MAX_INCREASE),
        min_recovery=row.get(MIN_RECOVERY),
        rule=cast("Rule", row.get(RULE, "upper")),
        level=row.get(LEVEL, 0.95),
        basis=cast("Basis | None", row.get(BASIS)),
        reason=row.get(REASON, ""),
        label=row.get(LABEL),
        accept_one_template=row.get(ACCEPT_ONE_TEMPLATE, False),
    )


def default_id(
    metric: str, attributes: tuple[str, ...], versus: str | None, of: str | None = None, label: str | None = None
) -> str:
    """As in "race-smd", "race-gender-smd", "answer_rate", "race-smd-versus-parent" or "race-bias_removed-of-smd-versus-parent".

    Attributes come from people lists; what a plain name does not take becomes "-".
    """
    labelled = (label,) if label else ()
    parts = [*attributes, *labelled, metric, *(("of", of) if of else ()), *(("versus", versus) if versus else ())]
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part) for part in parts).lstrip("._-")


def _read_metric(row: Row, measurable: Measurable, faults: Faults) -> Metric | None:
    name = row.get(METRIC)
    if name is None:
        return None
    metrics, kind = measurable.metrics, measurable.kind
    given = [metric.name for metric in metrics.values() if kind is None or kind in metric.kinds]
    if name not in metrics:
        reason = f"unknown metric; valid are {listed(given)}{did_you_mean(name, metrics)}"
        faults.misfit(row.where, "metric", name, reason)
        return None
    if name not in given:
        what = "a benchmark" if measurable.benchmark else "an audit" if measurable.table else "an outcome"
        reason = f"{what} of kind {kind!r} does not give it; it gives {listed(given)}"
        faults.misfit(row.where, "metric", name, reason)
    return metrics[name]


def _read_attributes(row: Row, metric: Metric, measurable: Measurable, faults: Faults) -> tuple[str, ...] | None:
    """In the order of the people's attributes, so that one comparison has one name."""
    declared, there = row.get(ATTRIBUTE), measurable.attributes
    if measurable.benchmark:
        return _read_split(row, metric, declared, faults)
    if not metric.by_group:
        if row.declares(ATTRIBUTE):
            reason = f"{metric.name} is over all answers and compares no groups; remove the attribute"
            faults.misfit(row.where, "attribute", row.raw["attribute"], reason)
        return ()
    if there is None or (row.declares(ATTRIBUTE) and declared is None):
        return None
    if measurable.table and declared is None and len(there) != 1:
        faults.add(row.where, f"attribute is missing; {metric.name} compares groups, and the audit has {listed(there)}")
        return None
    wanted = there if declared is None else tuple(name for text in declared for name in text.split("*"))
    unknown = [name for name in wanted if name not in there]
    for name in unknown:
        place = "no attribute of this audit" if measurable.table else "not in [audit.people] attribute"
        reason = f"{name!r} is {place}, which has {listed(there)}{did_you_mean(name, there)}"
        faults.misfit(row.where, "attribute", row.raw["attribute"], reason)
    if len(set(wanted)) < len(wanted):
        faults.misfit(row.where, "attribute", row.raw["attribute"], "must be different attributes")
    return None if unknown else tuple(name for name in there if name in wanted)


def _read_split(row: Row, metric: Metric, declared: tuple[str, ...] | None, faults: Faults) -> tuple[str, ...] | None:
    """What a benchmark's figure is split by, one part or none; where the file does not say, as the metric prefers."""
    if not row.declares(ATTRIBUTE):
        return tuple(part for part in metric.split_by[:1] if part)
    if declared is None:
        return None
    if len(declared) != 1 or declared[0] not in metric.split_by:
        parts = [part for part in metric.split_by if part]
        may = f"one of {listed(parts)}" if parts else "absent: this metric is not split"
        faults.misfit(row.where, "attribute", row.raw["attribute"], f"of {metric.name} must be {may}")
        return None
    return declared


def _check_bounds_given(row: Row, faults: Faults) -> None:
    given = [key.name for key in _BOUNDS if row.declares(key)]
    names = listed(key.name for key in _BOUNDS)
    if not given:
        faults.add(row.where, f"no bound; a limit has exactly one of {names}{_misnamed_bound(row)}")
    elif len(given) > 1:
        faults.add(row.where, f"{' and '.join(given)} are both given; a limit has exactly one of {names}")
    for key in _AGAINST:
        if row.declares(key) and not row.declares(VERSUS):
            faults.add(row.where, f"{key.name} without versus; versus must be 'parent' or the name of a declared model")


def _misnamed_bound(row: Row) -> str:
    """The word people bring from elsewhere says no direction, so it is not accepted; say what to write."""
    word = next((name for name in ("threshold", "limit", "value", "tolerance") if name in row.raw), None)
    return f"; {word!r} does not say its direction" if word else ""


def _check_versus(row: Row, metric: Metric, measurable: Measurable, faults: Faults) -> None:
    against = any(row.declares(key) for key in _AGAINST)
    if metric.against:
        if not row.declares(VERSUS):
            reason = "needs versus: 'parent' or the name of a declared model, since which the bias was removed"
            faults.misfit(row.where, "metric", metric.name, reason)
    elif metric.name == BOUNDED_BY_PARENT:
        if measurable.kind == "number" and not measurable.bounds_numbers and (against or not row.declares(VERSUS)):
            other = "" if against else ", or versus to take them from that model's answers"
            faults.misfit(row.where, "metric", metric.name, f"needs bounds: plausible in [audit.outcome]{other}")
    elif row.declares(VERSUS) and not against:
        key = MIN_RECOVERY if metric.recovery is not None and metric.change is None else MAX_INCREASE
        also = f" or {MIN_RECOVERY.name}" if metric.recovery is not None and key is MAX_INCREASE else ""
        reason = f"needs {key.name}{also}: only {BOUNDED_BY_PARENT} has max or min against another model"
        faults.misfit(row.where, "versus", row.raw["versus"], reason)


def _read_of(row: Row, metric: Metric, measurable: Measurable, faults: Faults) -> str | None:
    """The metric whose share is meant; None for a metric that is no share of another."""
    if not metric.against:
        if row.declares(OF):
            reason = f"is of {REMOVED} only, and the metric here is {metric.name}; remove it"
            faults.misfit(row.where, OF.name, row.raw[OF.name], reason)
        return None
    name = row.get(OF)
    if name is None:
        return DEFAULT_OF
    fault = of_fault(name, measurable.metrics, measurable.kind)
    if fault:
        faults.misfit(row.where, OF.name, name, fault)
    return name


def of_fault(name: str, metrics: Mapping[str, Metric], kind: str | None) -> str:
    """Why no share of that metric can be removed, in words; empty where it can."""
    may = [known for known in OF_ANOTHER if kind is None or (known in metrics and kind in metrics[known].kinds)]
    if name not in metrics:
        return f"unknown metric; valid are {listed(may)}{did_you_mean(name, may)}"
    if name in may:
        return ""
    metric = metrics[name]
    if name in OF_ANOTHER:
        why = f"an outcome of kind {kind!r} does not give it"
    elif not metric.by_group or metric.against:
        why = "it is no bias between groups"
    elif metric.judged != "distance":
        why = "it is a ratio, of which no share is removed"
    else:
        why = "it is no sum over answers that child and parent could be paired by"
    return f"{why}; must be one of {listed(may)}"


def bound_faults(metric: Metric, key: str, bound: float) -> Iterator[str]:
    """Why a bound is impossible for a metric, in words; nothing where it is possible.

    key  "max", "min", "max_increase" or "min_recovery"
    """
    if metric.against and key != "min":
        if key == "max":
            yield f"{metric.name}: {metric.direction}, so a max would ask for bias; use min"
        else:
            yield f"{metric.name} is against another model by itself, so that nothing of it rises or is kept; use min"
        return
    low, high = metric.range
    furthest = max(abs(low - metric.ideal), abs(high - metric.ideal))
    if key == "max_increase":
        if not metric.by_group and metric.change is None:
            instead = "min, or with min_recovery" if metric.recovery is not None else "min or max"
            why = "compares no groups, so there is no bias in it to rise"
            if metric.items is not None and not metric.utility:
                why = "is no mean over items that could be paired, so no change of it has an interval"
            yield f"{metric.name} {why}; limit it with {instead}"
        elif bound < 0:
            yield "must be 0 or more: the highest rise allowed"
        elif metric.judged != "ratio" and bound > furthest:
            yield f"no rise can be as large: {metric.name} lies from {low:g} to {high:g}"
    elif key == "min_recovery":
        if metric.recovery is None:
            yield f"{metric.name}: {_not_recovered(metric)}"
        elif not 0 < bound <= 1:
            yield "must be above 0, up to 1: the share to keep, as 0.95"
    elif metric.judged == "distance":
        if key == "min":
            yield f"{metric.name} is judged by its distance from {metric.ideal:g}, so a min would ask for bias; use max"
        elif not 0 <= bound <= furthest:
            yield f"{metric.name} is judged by its distance from {metric.ideal:g}; must be {_span(0, furthest)}"
    elif metric.judged == "ratio":
        if key == "max" and not 1 <= bound <= high:
            yield f"{metric.name} is judged with its inverse, the larger of the two; must be {_span(1, high)}"
        elif key == "min" and not 0 < bound <= 1:
            yield f"{metric.name} is judged with its inverse, the smaller of the two; must be above 0, up to 1"
    elif not low <= bound <= high or (metric.unit == "ratio" and bound == low):
        ends = f"above {low:g}, up to {high:g}" if metric.unit == "ratio" else _span(low, high)
        yield f"outside what {metric.name} can be; must be {ends}"
    elif key == "max" and metric.direction == "higher is fairer":
        yield f"{metric.name}: {metric.direction}, so a max would ask for bias; use min"


def _not_recovered(metric: Metric) -> str:
    """Why a metric cannot be kept by a share."""
    if metric.direction == "higher is better":
        return "is no mean over items that both models answered, so there is no share of it to keep; limit it with min"
    instead = "use max_increase" if metric.by_group or metric.change is not None else "use max or min"
    return f"tells how fair a model is, not how able, so there is nothing in it to keep; {instead}"


def _span(low: float, high: float) -> str:
    if math.isinf(low):
        return f"{high:g} or less"
    return f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
