"""The words and number forms that the table and the page share. Knows verdicts, limits and metrics; no markup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from pytest_biasaudit.context.declaration import Limit
from pytest_biasaudit.metrics.metric import Estimate, Metric
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict import table_words
from pytest_biasaudit.verdict.finding import figure
from pytest_biasaudit.verdict.verdict import Verdict

NONE = "–"  # noqa: RUF001 (a dash is what a table shows for "none")

WORDS: Mapping[Verdict, str] = {
    Verdict.WITHIN: "Within limit",
    Verdict.OVER: "Over limit",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NOT_MEASURED: "Not measured",
}

SYMBOLS: Mapping[Verdict, str] = {
    Verdict.WITHIN: "✓",
    Verdict.OVER: "✕",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_MEASURED: "○",
}

PLAIN_SYMBOLS: Mapping[Verdict, str] = {
    Verdict.WITHIN: "+",
    Verdict.OVER: "x",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_MEASURED: "o",
}
"""For terminals without Unicode."""

MEANING: Mapping[Verdict, str] = {
    Verdict.WITHIN: "the limit holds by the rule it declares",
    Verdict.OVER: "the limit is exceeded by the rule it declares",
    Verdict.INCONCLUSIVE: "the answers do not decide it; this is never a pass",
    Verdict.NOT_MEASURED: "there was nothing sound to judge; this is never a pass",
}

RULES: Mapping[str, str] = {
    "upper": (
        "Asks for evidence that the limit holds: within only when the whole interval of every comparison keeps it. "
        "Where the true value lies beyond the limit, a wrong “within” comes at most once in {false} times for this "
        "limit, and requiring several limits only makes it rarer. So nothing is adjusted, and nothing needs to be."
    ),
    "lower": (
        "Fails only on evidence that the limit is broken: over only when a whole interval lies beyond it, and stays "
        "beyond after the Holm adjustment over all such comparisons of the context. Where every true value keeps its "
        "limit, a wrong “over” anywhere in the context comes at most once in {false} times. “Within” means here that "
        "no violation was shown. It does not mean that there is none."
    ),
    "point": (
        "The estimate alone decides. No error is controlled: the same model, asked about other names or in other "
        "words, may get another verdict."
    ),
}
"""What each rule controls, in words; `false` is 1 / (1 - level)."""

RULE_NOTES: Mapping[str, str] = {
    "upper": "",
    "lower": "rule “lower”: over only when shown to be",
    "point": "rule “point”: no error controlled",
}
"""The same in a few words, for beside a verdict."""

BASES: Mapping[str | None, str] = {
    "law": "law, as the owner of the context states it",
    "guideline": "guideline",
    "policy": "policy of the deployer",
    "engineering": "engineering judgement",
    None: "none declared",
}


def metric_of(name: str, kind: str | None = None) -> Metric | None:
    """The registered metric as audits of that kind understand it; None for one that a hook added in the run."""
    return _known(kind if kind in table_words.KINDS else None).get(name)


@cache
def _known(kind: str | None) -> Mapping[str, Metric]:
    return METRICS if kind is None else for_kind(METRICS, kind)


def title_of(name: str, kind: str | None = None) -> str:
    """A metric's title, or its bare name."""
    metric = metric_of(name, kind)
    return metric.title if metric else name


def unit_of(name: str, outcome_unit: str, kind: str | None = None) -> str:
    """What stands after a metric's number: the outcome's unit, "sd", "nats", or nothing for shares and ratios."""
    metric = metric_of(name, kind)
    if metric is None:
        return ""
    if metric.unit == "outcome":
        return outcome_unit
    return metric.unit if metric.unit in ("sd", "nats") else ""


def number(value: float | None, *, beside: float | None = None, unit: str = "") -> str:
    """A number to read, with thin grouping of thousands; a dash for none. Rounding never moves it across `beside`."""
    if value is None:
        return NONE
    text = f"{value:,.0f}" if abs(value) >= 1000 and beside is None else figure(value, beside=beside)
    return f"{text} {unit}" if unit else text


def interval_text(interval: Interval | None, *, beside: float | None = None) -> str:
    """Both ends, as in "0.1 to 0.3"; an open end says so."""
    if interval is None:
        return NONE
    low = "below any bound" if interval.low == float("-inf") else number(interval.low, beside=beside)
    high = "above any bound" if interval.high == float("inf") else number(interval.high, beside=beside)
    return f"{low} to {high}"


def p_text(p: float | None) -> str:
    """A p value: four decimals, never "0"."""
    if p is None:
        return NONE
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}".rstrip("0").rstrip(".")


def crossed(name: str) -> str:
    """An intersection as people write it: "black*women" with a multiplication sign."""
    return name.replace("*", " \u00d7 ")


def groups_text(estimate: Estimate) -> str:
    """Who is compared with whom: "black against white"; "all answers" for a metric over all.

    Of a benchmark, which of its items: "all items", "axis gender". Of a table, with the label: label "nurse", women against men.
    """
    if table_words.of_table(estimate):
        return table_words.who(estimate, crossed)
    if estimate.sampled:
        return part_text(estimate.attribute, estimate.groups[0] if estimate.groups else "")
    if len(estimate.groups) != 2:
        return "all answers"
    return f"{crossed(estimate.groups[1])} against {crossed(estimate.groups[0])}"


def brief_text(estimate: Estimate) -> str:
    """Who is compared, in few words for beside a mark: "nurse: women". The reference goes without saying."""
    if not table_words.of_table(estimate):
        return groups_text(estimate)
    if estimate.metric in table_words.SUMS:
        who = table_words.who(replace(estimate, label=""), crossed)
    else:
        groups = estimate.groups if estimate.metric in table_words.SPREADS else estimate.groups[-1:]
        who = ", ".join(crossed(group) for group in groups) or estimate.attribute or "all rows"
    return f"{estimate.label}: {who}" if estimate.label else who


def part_text(split: str, part: str) -> str:
    """A benchmark's part as people name it: "axis gender"; "all items" where nothing is split."""
    return f"{split} {part or 'not named'}" if split else "all items"


def comparison(estimate: Estimate) -> str:
    """`groups_text`, with the other model where the estimate is a change against one."""
    who = groups_text(estimate)
    if estimate.versus is None:
        return who
    if estimate.of is not None:
        return f"{who}, share of its {title_of(estimate.of).lower()} removed since {estimate.versus}"
    return f"{who}, {'recovery of' if estimate.shows == 'recovery' else 'change against'} {estimate.versus}"


def bound_text(limit: Limit, unit: str = "", kind: str | None = None) -> str:
    """What must hold, short: "at most 0.2 sd either way"."""
    metric = metric_of(limit.metric, kind)
    amount = f"{limit.bound:,g}" if abs(limit.bound) < 1e6 else f"{limit.bound:,.0f}"
    amount = f"{amount} {unit}" if unit else amount
    if limit.max_increase is not None:
        return f"rise of at most {amount} against {limit.versus}"
    if limit.min_recovery is not None:
        return f"recovery of at least {limit.min_recovery:g} against {limit.versus}"
    if limit.of is not None:
        return f"at least {amount} of the {title_of(limit.of).lower()} removed since {limit.versus}"
    side = "at least" if limit.min is not None else "at most"
    # What is never below its ideal, such as a sum of sizes, can be off on one side only.
    two_sided = metric is not None and metric.judged in {"distance", "ratio"} and metric.range[0] < metric.ideal
    away = f" from {metric.ideal:g}" if metric is not None and metric.judged == "distance" and metric.ideal else ""
    return f"{side} {amount}{away}{' either way' if two_sided else ''}"


def rule_text(limit: Limit) -> str:
    """What the rule of a limit controls, in words."""
    return RULES[limit.rule].format(false=f"{1 / (1 - limit.level):,.3g}")


def beside_of(limit: Limit, estimate: Estimate, kind: str | None = None) -> float:
    """The bound on the estimate's own scale and side, so that a rounded number stays on its side of it."""
    metric, value = metric_of(limit.metric, kind), estimate.value
    if metric is None or value is None or limit.shows != "value" or metric.judged == "value":
        return limit.bound
    if metric.judged == "distance":
        return metric.ideal + limit.bound if value >= metric.ideal else metric.ideal - limit.bound
    if limit.bound > 0 and (limit.bound > 1) != (value > 1):
        return 1 / limit.bound
    return limit.bound
