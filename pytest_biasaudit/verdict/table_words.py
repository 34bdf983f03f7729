"""What a finding says of a labelled table: which label and groups, how many rows, and what to look at next.

Plain text, from estimates; nothing is computed here but counts. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_biasaudit.metrics.metric import Estimate, GroupSummary

KINDS = frozenset({"classifier", "corpus"})
SPREADS = frozenset(
    {
        *("impact_ratio", "scoring_rate_ratio", "demographic_parity_difference", "equalized_odds_difference"),
        *("fped", "fned", "fprd"),
    }
)
"""Metrics over all groups at once, whose groups are the lowest and the highest, not the reference and another."""
SUMS = frozenset({"fped", "fned", "fprd"})
"""Those that add up over all groups: the lowest and the highest are part of them, and do not make them up."""
FOUND = SPREADS | {"worst_group_accuracy", "worst_group_tpr"}
"""Metrics whose groups are part of what is found, and not of what is asked."""
SHARES_OF_LABEL = frozenset({"pmi", "share_gap"})
"""Metrics of a group's share of the rows with a label."""
OF_THE_REST = frozenset({"fpr_gap", "fped", "fprd", "bpsn_auc", "negative_aeg"})
"""Metrics of the rows that do not have the label, and are given it or scored as if they had it."""
OF_THE_PREDICTED = frozenset({"impact_ratio", "demographic_parity_difference"})
"""Metrics of who is given a label, whatever is true."""
OF_ALL_LABELS = frozenset({"equalized_odds_difference", "subgroup_auc", "calibration_gap", "scoring_rate_ratio"})
"""Metrics of rows with the label and of rows without it."""
MOST_OTHERS = 6
"""Other comparisons told in a finding, those furthest toward the limit; a table of 28 labels and 50 terms has 1,400."""
MOST_GROUPS = 5

Clean = Callable[[str], str]


def of_table(estimate: Estimate) -> bool:
    """Whether an estimate is of a labelled table, as far as it tells by itself: benchmarks compare no two groups."""
    return bool(estimate.label or (estimate.sampled and len(estimate.groups) == 2) or estimate.sampled in _COUNTED)


_COUNTED = ("rows", "clusters")


def who(estimate: Estimate, clean: Clean = str) -> str:
    """As in: label "nurse", women against men. Of a spread over all groups: lowest women, highest men; of a sum, of how many."""
    names = [clean(name) for name in estimate.groups]
    if estimate.metric in SUMS and estimate.by_group:
        groups = f"sum over {len(estimate.by_group):,} groups"
    elif len(names) == 2 and estimate.metric in SPREADS:
        groups = f"lowest {names[0]}, highest {names[1]}"
    elif len(names) == 2:
        groups = f"{names[1]} against {names[0]}"
    elif names:
        groups = f"{clean(estimate.attribute)} {names[0]}".strip()
    else:
        groups = f"all groups of {clean(estimate.attribute)}" if estimate.attribute else "all rows"
    return f'{_about(estimate)} "{clean(estimate.label)}", {groups}' if estimate.label else groups


def _about(estimate: Estimate) -> str:
    """What a comparison's label names: a label, or a list of words that are looked for near terms."""
    return "words" if estimate.metric.startswith("word_") else "label"


def counts(estimate: Estimate) -> str:
    """What the figure rests on: "220 rows", "220 rows in 31 clusters"."""
    rows = f"{estimate.n:,} row{'s' * (estimate.n != 1)}"
    if estimate.sampled in ("", "rows"):
        return rows
    joined = "in" if estimate.sampled == "clusters" else "over"
    return f"{rows} {joined} {estimate.templates:,} {estimate.sampled}"


def group_text(group: GroupSummary, *, metric: str, figure: Callable[[float], str], clean: Clean) -> str:
    """One group's rate and how many rows it is a rate of: "women 0.66 (n 50 of 110 rows)".

    metric  name of the figure it is part of: some are a group's share of a label's rows, which are not the group's own
    """
    shown = group.rate if group.rate is not None else group.mean
    rate = "" if shown is None else f" {figure(shown)}"
    name = clean(group.group) or "all rows"
    if metric in SHARES_OF_LABEL:
        return f"{name}{rate} (n {group.n:,} rows with the label)"
    of_all = "" if group.n >= group.asked else f" of {group.asked:,}"
    return f"{name}{rate} (n {group.n:,}{of_all} rows)"


def without_prediction(compared: Sequence[Estimate], *, clean: Clean, corpus: bool) -> str:
    """Rows that no rate counts because nothing was predicted for them, group by group; "" for a corpus with none."""
    groups = {group.group: group for estimate in compared for group in estimate.by_group}.values()
    lacking = [group for group in groups if group.unparseable]
    if not lacking:
        return "" if corpus or not groups else "0: every row of these groups has a prediction"
    named = [
        f"{group.unparseable:,} of {group.asked:,} rows of {clean(group.group)}" for group in lacking[:MOST_GROUPS]
    ]
    more = [f"and of {len(lacking) - MOST_GROUPS} more groups"] * (len(lacking) > MOST_GROUPS)
    what = "without a label" if corpus else "without a prediction"
    return f"{', '.join([*named, *more])}, {what}"


def look_at(estimate: Estimate | None, *, data: str, clean: Clean) -> str:
    """What to read where a limit is over: the rows it is about."""
    place = f" in {clean(data)}" if data else ""
    if estimate is None:
        return f"look at the rows{place}"
    of_label = f' {_which(estimate)} "{clean(estimate.label)}"' if estimate.label and _which(estimate) else ""
    of_group = f" of {clean(estimate.groups[-1])}" if estimate.groups else ""
    if len(estimate.groups) == 2 and estimate.metric in SPREADS:
        of_group = f" of {clean(estimate.groups[0])} and of {clean(estimate.groups[1])}"
    return f"look at the rows{of_group}{of_label}{place}"


def _which(estimate: Estimate) -> str:
    """Which rows a figure of a label is of, before the label's name; "" where it is of all."""
    if estimate.metric in OF_THE_REST:
        return "without label"
    if estimate.metric in OF_THE_PREDICTED:
        return "by whether they are given"
    return "" if estimate.metric in OF_ALL_LABELS else f"with {_about(estimate)}"
