"""Figures of labelled tables, recomputed from the counts in the evidence by plain formulas; imports nothing of the package.

Rates and ratios are sums over cells, areas under the curve are counted pair by pair, intervals of Clopper and Pearson come from
scipy. Of every figure the value is recomputed, and what each group's own rate is of.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy import stats

Found = dict[str, tuple[float | None, float | None]]


class Table:
    """A tally by cells: who, truth, prediction, score, how many."""

    def __init__(self, raw: Mapping[str, Any], *, earlier: bool = False) -> None:
        self.labels: list[str] = raw["labels"]
        self.positive: str | None = raw["positive"]
        self.count = np.array(raw["count"], dtype=float)
        self.truth = np.array(raw["truth"])
        said = raw["earlier"] if earlier else raw["prediction"]
        self.said: Any = None if said is None else np.array(said)
        score = raw["score"]
        self.score = None if score is None else np.array([math.nan if one is None else one for one in score])
        self.near, self.blank, self.incomplete = raw["near"], raw["blank"], raw["incomplete"]
        self.groups: dict[str, dict[str, Any]] = {}
        self.whole: dict[str, Any] = {}
        for attribute, column in zip(raw["attributes"], raw["members"], strict=True):
            held = [one if isinstance(one, list) else [one] for one in column]
            own = {
                group: np.array([at in places for places in held])
                for at, group in enumerate(attribute["groups"])
                if group not in attribute["left_out"]
            }
            self.groups[attribute["name"]] = own
            everyone = np.array([bool([at for at in places if at >= 0]) for places in held])
            self.whole[attribute["name"]] = np.ones(len(held), dtype=bool) if attribute["overlapping"] else everyone

    def inside(self, attribute: str) -> dict[str, Any]:
        """Cells of each group, the reference first; intersections where attributes cross."""
        names = attribute.split("*")
        made = {}
        for groups in itertools.product(*(self.groups[name] for name in names)):
            both = [self.groups[name][group] for name, group in zip(names, groups, strict=True)]
            made["*".join(groups)] = np.logical_and.reduce(both)
        return made

    def looked_at(self) -> list[str]:
        return self.labels if self.positive is None else [self.positive]

    def rate(self, hit: Any, of: Any) -> float:
        whole = self.count[of].sum()
        return float(self.count[of & hit].sum() / whole) if whole else math.nan

    def has(self, label: str) -> Any:
        return self.truth == self.labels.index(label)

    def gets(self, label: str) -> Any:
        assert self.said is not None
        return self.said == self.labels.index(label)

    @property
    def told(self) -> Any:
        assert self.said is not None
        return (self.truth >= 0) & (self.said >= 0)


def rate_of(table: Table, kind: str, who: Any, label: str) -> float:
    """One group's own rate."""
    if kind == "accuracy":
        return table.rate(table.truth == table.said, who & table.told)
    if kind == "selection":
        return table.rate(table.gets(label), who & (table.said >= 0))
    has = table.has(label) if kind in ("tpr", "fnr") else ~table.has(label)
    share = table.rate(table.gets(label), who & table.told & has)
    return 1.0 - share if kind == "fnr" else share


def rates_of(table: Table, kind: str, attribute: str, label: str) -> dict[str, float]:
    return {group: rate_of(table, kind, who, label) for group, who in table.inside(attribute).items()}


def gap(kind: str) -> Callable[..., float]:
    def value(table: Table, one: Mapping[str, Any]) -> float:
        rates = rates_of(table, kind, one["attribute"], one["label"])
        reference, group = one["groups"]
        return rates[group] - rates[reference]

    return value


def gaps_by_label(table: Table, one: Mapping[str, Any]) -> tuple[list[float], list[str]]:
    reference, group = one["groups"]
    labels = [label for label in table.looked_at() if table.count[table.has(label)].sum() > 0]
    found = [rates_of(table, "tpr", one["attribute"], label) for label in labels]
    return [rates[group] - rates[reference] for rates in found], labels


def rms(table: Table, one: Mapping[str, Any]) -> float:
    gaps, _ = gaps_by_label(table, one)
    return math.sqrt(sum(gap * gap for gap in gaps) / len(gaps))


def correlation(table: Table, one: Mapping[str, Any]) -> float:
    gaps, labels = gaps_by_label(table, one)
    who = table.inside(one["attribute"])[one["groups"][1]]
    return float(np.corrcoef(gaps, [table.rate(who, table.has(label)) for label in labels])[0, 1])


def spread(*kinds: str) -> Callable[..., float]:
    def value(table: Table, one: Mapping[str, Any]) -> float:
        ranges = [list(rates_of(table, kind, one["attribute"], one["label"]).values()) for kind in kinds]
        return max(max(rates) - min(rates) for rates in ranges)

    return value


def lowest_over_highest(table: Table, one: Mapping[str, Any]) -> float:
    rates = list(rates_of(table, "selection", one["attribute"], one["label"]).values())
    return min(rates) / max(rates)


def balanced(table: Table, _: Mapping[str, Any]) -> float:
    labels = [label for label in table.labels if table.count[table.has(label)].sum() > 0]
    every = np.ones(len(table.count), dtype=bool)
    return sum(rate_of(table, "tpr", every, label) for label in labels) / len(labels)


def worst(kind: str) -> Callable[..., float]:
    return lambda table, one: min(rates_of(table, kind, one["attribute"], one["label"]).values())


def overall(kind: str) -> Callable[..., float]:
    def value(table: Table, _: Mapping[str, Any]) -> float:
        every = np.ones(len(table.count), dtype=bool)
        return table.rate(table.said >= 0, every) if kind == "answered" else rate_of(table, kind, every, "")

    return value


def sum_of_gaps(kind: str) -> Callable[..., float]:
    def value(table: Table, one: Mapping[str, Any]) -> float:
        whole = rate_of(table, kind, np.ones(len(table.count), dtype=bool), one["label"])
        return sum(abs(whole - rate) for rate in rates_of(table, kind, one["attribute"], one["label"]).values())

    return value


def area(table: Table, high: Any, low: Any) -> float:
    """Share of pairs of a row of the one and a row of the other that are scored in that order, ties half."""
    assert table.score is not None
    heard = np.isfinite(table.score)
    above, below = high & heard, low & heard
    order = np.sign(table.score[above][:, None] - table.score[below][None, :]) / 2 + 0.5
    weight = table.count[above][:, None] * table.count[below][None, :]
    return float((order * weight).sum() / weight.sum())


def ranked(name: str) -> Callable[..., float]:
    def value(table: Table, one: Mapping[str, Any]) -> float:
        own = table.inside(one["attribute"])[one["groups"][-1]]
        yes = table.has(one["label"])
        no = (table.truth >= 0) & ~yes
        pairs = {
            "subgroup_auc": (own & yes, own & no),
            "bpsn_auc": (~own & yes, own & no),
            "bnsp_auc": (own & yes, ~own & no),
            "positive_aeg": (own & yes, ~own & yes),
            "negative_aeg": (own & no, ~own & no),
        }
        return area(table, *pairs[name]) - (0.5 if name.endswith("aeg") else 0.0)

    return value


def calibration(table: Table, one: Mapping[str, Any]) -> float:
    assert table.score is not None
    found = []
    for group in one["groups"]:
        here = table.inside(one["attribute"])[group] & np.isfinite(table.score) & (table.truth >= 0)
        off = table.score[here] - table.has(one["label"])[here]
        found.append(float((table.count[here] * off).sum() / table.count[here].sum()))
    return found[1] - found[0]


def scoring(table: Table, one: Mapping[str, Any]) -> float:
    assert table.score is not None
    heard = np.isfinite(table.score)
    middle = np.median(np.repeat(table.score[heard], table.count[heard].astype(int)))
    rates = [table.rate(table.score > middle, who & heard) for who in table.inside(one["attribute"]).values()]
    return min(rates) / max(rates)


# -- corpora --------------------------------------------------------------------------------------------------------------


def prevalences(table: Table, one: Mapping[str, Any]) -> tuple[float, float]:
    """(reference, group): P(label | group)."""
    inside = table.inside(one["attribute"])
    first, second = (table.rate(table.has(one["label"]), inside[group] & (table.truth >= 0)) for group in one["groups"])
    return first, second


def log_odds(table: Table, one: Mapping[str, Any]) -> float:
    """Monroe et al. 2008 with one row of prior, shared out as all rows of known group are."""
    inside, has, labelled = table.inside(one["attribute"]), table.has(one["label"]), table.truth >= 0
    prior = table.rate(has, labelled & table.whole[one["attribute"]])
    odds = []
    for group in one["groups"]:
        n = table.count[inside[group] & labelled].sum()
        hits = table.count[inside[group] & has].sum()
        odds.append(math.log((hits + prior) / (n + 1.0 - hits - prior)))
    return odds[1] - odds[0]


def shares(table: Table, one: Mapping[str, Any]) -> tuple[float, float]:
    """(among rows of the label, among all): P(group)."""
    known = table.whole[one["attribute"]] & (table.truth >= 0)
    who = table.inside(one["attribute"])[one["groups"][-1]]
    return table.rate(who, known & table.has(one["label"])), table.rate(who, known)


def near_rates(table: Table, one: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    own = [n for n in table.near if n["attribute"] == one["attribute"] and n["words"] == one["label"]]
    return {n["group"]: (n["near_rows"], n["rows"]) for n in own}


def word_ratio(table: Table, one: Mapping[str, Any]) -> float:
    rates = near_rates(table, one)
    (hits, rows), (other_hits, other_rows) = rates[one["groups"][1]], rates[one["groups"][0]]
    return (hits / rows) / (other_hits / other_rows)


def word_pmi(table: Table, one: Mapping[str, Any]) -> float:
    rates = near_rates(table, one)
    hits, rows = rates[one["groups"][-1]]
    return math.log((hits / rows) / (sum(h for h, _ in rates.values()) / sum(n for _, n in rates.values())))


def missing(table: Table, _: Mapping[str, Any]) -> float:
    lacking = table.blank if table.incomplete is None else table.incomplete
    return float(lacking / table.count.sum())


VALUES: Mapping[str, Callable[[Table, Mapping[str, Any]], float]] = {
    **{f"{kind}_gap": gap(kind) for kind in ("tpr", "fpr", "fnr", "accuracy")},
    "rms_tpr_gap": rms,
    "tpr_gap_prevalence_correlation": correlation,
    "demographic_parity_difference": spread("selection"),
    "equalized_odds_difference": spread("tpr", "fpr"),
    "impact_ratio": lowest_over_highest,
    "accuracy": overall("accuracy"),
    "answer_rate": overall("answered"),
    "balanced_accuracy": balanced,
    "worst_group_accuracy": worst("accuracy"),
    "worst_group_tpr": worst("tpr"),
    "fped": sum_of_gaps("fpr"),
    "fned": sum_of_gaps("fnr"),
    "fprd": sum_of_gaps("fpr"),
    **{name: ranked(name) for name in ("subgroup_auc", "bpsn_auc", "bnsp_auc", "positive_aeg", "negative_aeg")},
    "calibration_gap": calibration,
    "scoring_rate_ratio": scoring,
    "prevalence_gap": lambda table, one: prevalences(table, one)[1] - prevalences(table, one)[0],
    "cooccurrence_rate_ratio": lambda table, one: prevalences(table, one)[1] / prevalences(table, one)[0],
    "log_odds": log_odds,
    "share_gap": lambda table, one: shares(table, one)[0] - shares(table, one)[1],
    "pmi": lambda table, one: math.log(shares(table, one)[0] / shares(table, one)[1]),
    "group_share": lambda table, one: table.rate(
        table.inside(one["attribute"])[one["groups"][0]], table.whole[one["attribute"]]
    ),
    "label_imbalance": lambda table, one: (
        table.rate(table.has(one["label"]), table.truth >= 0) - 1.0 / len(table.labels)
    ),
    "missing_share": missing,
    "word_rate_ratio": word_ratio,
    "word_pmi": word_pmi,
}
IDEALS = {
    "impact_ratio": 1.0, "scoring_rate_ratio": 1.0, "accuracy": 1.0, "answer_rate": 1.0, "balanced_accuracy": 1.0,
    "worst_group_accuracy": 1.0, "worst_group_tpr": 1.0, "subgroup_auc": 1.0, "bpsn_auc": 1.0, "bnsp_auc": 1.0,
    "group_share": 1.0,
}  # fmt: skip
RATIOS = ("cooccurrence_rate_ratio", "word_rate_ratio")
"""How far these are from 1 is told in logarithms."""
EXACT = ("accuracy", "answer_rate", "group_share", "missing_share")
"""Shares of independent rows with Clopper and Pearson's interval."""


class RecomputedTable:
    """One audit of a table, its estimates recomputed; `found` maps what a figure is to (written, recomputed)."""

    def __init__(self, _evidence: Mapping[str, Any], audit: Mapping[str, Any]) -> None:
        self.audit = audit
        self.place = f"{audit['context']} / {audit['audit']}[{audit['model']}]"
        self.unmeasured = 0
        self.found: Found = {}

    def run(self) -> None:
        """Every estimate with a value."""
        for number, one in enumerate(self.audit["estimates"]):
            name = f"{self.place} #{number} {one['metric']} {one['label']} {'/'.join(one['groups'])}"
            if one["value"] is None:
                if not one["reason"]:
                    raise SystemExit(f"{name}: neither a value nor a reason")
                self.unmeasured += 1
                continue
            if one["metric"] not in VALUES:
                raise SystemExit(f"{name}: this script knows no such metric")
            self.found[f"{name} value"] = (one["value"], self._value(one))
            self.found.update((f"{name} {what}", pair) for what, pair in self._interval(one))
        self._adjusted()

    def _value(self, one: Mapping[str, Any]) -> float:
        formula = VALUES[one["metric"]]
        table = Table(self.audit["tally"])
        if one["versus"] is None:
            return formula(table, one)
        raw = self.audit["tallies"][one["versus"]]
        other = Table(raw, earlier=raw["earlier"] is not None)
        now, then = formula(Table(raw) if raw["earlier"] is not None else table, one), formula(other, one)
        if one["shows"] == "recovery":
            return now / then
        return far(one["metric"], now) - far(one["metric"], then)

    def _interval(self, one: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
        """That no interval is without width or beside its value; of a share of independent rows, its ends."""
        if one["method"] is None:
            if not one["reason"]:
                raise SystemExit(f"{self.place}: {one['metric']} has neither an interval nor a reason")
            return
        low = -math.inf if one["low"] is None else one["low"]
        high = math.inf if one["high"] is None else one["high"]
        if not low < high or not low - 1e-9 <= one["value"] <= high + 1e-9:
            raise SystemExit(f"{self.place}: {one['metric']} {one['value']} has the interval {low} to {high}")
        if one["metric"] in EXACT and self.audit["tally"]["cluster"] is None and one["versus"] is None:
            (group,) = one["by_group"].values()
            n = group["n"] if one["metric"] != "answer_rate" else group["asked"]
            hits, tail = round(one["value"] * n), (1 - one["level"]) / 2
            yield "low", (one["low"], float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0)
            yield "high", (one["high"], float(stats.beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0)

    def _adjusted(self) -> None:
        """Holm's p over the labels and groups of each metric, where no limit looks at one label only."""
        alone = {one["metric"] for one in self.audit["verdicts"] if one["label"] is not None}
        families: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for one in self.audit["estimates"]:
            if one["p"] is not None and one["metric"] not in alone:
                key = (one["metric"], one["attribute"], one["versus"], one["shows"], one["level"])
                families.setdefault(key, []).append(one)
        for key, family in families.items():
            running = 0.0
            for rank, one in enumerate(sorted(family, key=lambda one: one["p"])):
                running = max(running, min(1.0, (len(family) - rank) * one["p"]))
                name = f"{self.place} {key} {one['label']} {'/'.join(one['groups'])} p_adjusted"
                self.found[name] = (one["p_adjusted"], running)


def far(metric: str, value: float) -> float:
    """How far from its ideal."""
    return abs(math.log(value)) if metric in RATIOS else abs(value - IDEALS.get(metric, 0.0))
