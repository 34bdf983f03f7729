"""The part of the recomputation that is about stereotype benchmarks: which figure is computed how, and what stands in its way.

Reads JSON; imports nothing of ours. Formulas are in `recompute_sentences.py`, `recompute_bbq.py`, `recompute_association.py`
and `recompute_labels.py` beside it, intervals of clustered items in `recompute_clusters.py`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import recompute_association as association  # type: ignore[import-not-found]  # beside the script
import recompute_bbq as bbq  # type: ignore[import-not-found]  # beside the script
import recompute_labels as labels  # type: ignore[import-not-found]  # beside the script
import recompute_sentences as sentences  # type: ignore[import-not-found]  # beside the script
from recompute_clusters import NONE, Figure  # type: ignore[import-not-found]  # beside the script
from recompute_recovery import asked_again  # type: ignore[import-not-found]  # beside the script

Item = Mapping[str, Any]
Items = Sequence[Item]
Found = dict[str, tuple[float | None, float | None]]

CHANCE_PASSED = 55.0
WORD_ORDER_PASSED = 75.0
BBQ_CHANCE_PASSED = 100 / 3 + 5
MOST_ERRORS = 0.05
FEWEST_SCORED = 0.5
FEWEST_SHARED = 0.9


@dataclass(frozen=True, kw_only=True)
class How:
    """How one figure is computed."""

    of: Callable[..., Figure]
    rise: Callable[..., Figure] | None = None
    kept: Callable[..., Figure] | None = None
    splits: tuple[str, ...] = ("", "axis")
    able: bool = False
    """It tells how able the model is, from the controls where there are any; no doubt about the model touches it."""


CROWS = {
    "stereotype_score": How(of=sentences.stereotype_score, rise=sentences.stereotype_score_rise),
    "stereotype_score_stereo": How(of=sentences.of_direction("stereo")),
    "stereotype_score_antistereo": How(of=sentences.of_direction("antistereo")),
    "neutral_share": How(of=sentences.neutral_share),
    "controlled_score": How(of=sentences.controlled_score, rise=sentences.controlled_score_rise),
}
WORD_ORDER = {
    "word_order_score": How(of=sentences.word_order_score, kept=sentences.word_order_kept, splits=("",), able=True)
}
STEREOSET = {
    "ss": How(of=sentences.ss, rise=sentences.ss_rise),
    "lms": How(of=sentences.lms, rise=sentences.lms_rise, kept=sentences.terms_kept(macro=True), able=True),
    "icat": How(of=sentences.icat),
    "ss_micro": How(of=sentences.ss_micro),
    "lms_micro": How(of=sentences.lms_micro, kept=sentences.terms_kept(macro=False), able=True),
}
ASSOCIATION = {
    "effect_size": How(of=association.effect_size, rise=association.effect_rise, splits=("test",)),
    "mean_abs_effect": How(of=association.mean_abs_effect, rise=association.mean_rise),
    "coherence": How(of=association.coherence, kept=association.coherence_kept, splits=("",), able=True),
}
BBQ = {
    "bias_ambiguous": How(of=bbq.bias_ambiguous, rise=bbq.bias_ambiguous_rise),
    "bias_disambiguated": How(of=bbq.bias_disambiguated, rise=bbq.bias_disambiguated_rise),
    **{
        name: How(
            of=bbq.accuracy(condition),
            rise=bbq.accuracy_rise(condition),
            kept=bbq.accuracy_kept(condition),
            able=True,
        )
        for name, condition in (("accuracy_ambiguous", "ambig"), ("accuracy_disambiguated", "disambig"))
    },
    "refusal_share": How(of=bbq.refusal_share, able=True),
}
WINOBIAS = {
    "pronoun_preference": How(of=sentences.pronoun_preference, rise=sentences.pronoun_preference_rise),
    "accuracy_gap": How(of=sentences.accuracy_gap, rise=sentences.accuracy_gap_rise),
    **{
        f"accuracy_{side}": How(
            of=sentences.accuracy(side), rise=sentences.accuracy_rise(side), kept=sentences.accuracy_kept(side)
        )
        for side in ("pro", "anti")
    },
}
WINOGENDER = {
    "pronoun_gap": How(of=sentences.pronoun_gap, rise=sentences.pronoun_gap_rise),
    "occupation_correlation": How(
        of=sentences.occupation_correlation, rise=sentences.occupation_correlation_rise, splits=("",)
    ),
    "female_share": How(of=sentences.female_share, rise=sentences.female_share_rise),
}
LABELS = {
    "log_probability_bias": How(of=labels.log_probability_bias, rise=labels.bias_rise),
    "association_sd": How(of=labels.association_sd),
    "pronoun_ranking": How(of=labels.pronoun_ranking, rise=labels.ranking_rise),
}
KINDS: Mapping[str, Mapping[str, How]] = {
    "crows-pairs": {**CROWS, **WORD_ORDER},
    "stereoset": STEREOSET,
    "seat": ASSOCIATION,
    "weat": ASSOCIATION,
    "bbq": BBQ,
    "winobias": {**WINOBIAS, **WORD_ORDER},
    "winogender": {**WINOGENDER, **WORD_ORDER},
    "log-probability": {**LABELS, **WORD_ORDER},
}


def value_of(kind: str, one: Item, score: str) -> float:
    """What an item's own value is by its scores."""
    scores, slots = one["scores"], one["slots"]
    if "control" in slots:
        return float(scores["sentence"] - scores["shuffled"])
    if score == "causal":  # kept as geometric means of probabilities, compared as logarithms
        return math.log(scores["more"] / scores["less"])
    if kind == "crows-pairs":
        return float(scores["more"] - scores["less"])
    if kind == "stereoset":
        return math.log(scores["stereotype"] / scores["anti-stereotype"])
    if kind in ("seat", "weat"):
        return float(scores["own"] - scores["other"]) if "own" in scores else association.Test([one]).scores()[0]
    if kind == "bbq":
        return float(bbq.lean(one))
    if kind == "winobias":
        return float(scores["pro"] - scores["anti"])
    return float(sentences.she_over_he(one) if kind == "winogender" else labels.bias_of(one))


def unheard(items: Items) -> bool:
    """Nothing was asked, or the model is broken."""
    return not items or sum(one["status"] == "error" for one in items) > MOST_ERRORS * len(items)


def near_chance(audit: Mapping[str, Any]) -> bool:
    """The model is not shown to be able to do what is asked, so that what it prefers stands for nothing."""
    kind, items, controls = audit["kind"], audit["outcomes"], audit["controls"]
    if kind == "stereoset":
        low = sentences.meaningful_low(items)
        return low is not None and low < CHANCE_PASSED
    if kind == "bbq":
        low = bbq.accuracy("disambig")(items, level=0.95).low
        return low is None or low < BBQ_CHANCE_PASSED
    read = association.coherence if kind in ("seat", "weat") else sentences.word_order_score
    low = read(controls, level=0.95).low
    return low is None or low < (CHANCE_PASSED if kind in ("seat", "weat") else WORD_ORDER_PASSED)


def enough_shared(sides: Sequence[Items]) -> bool:
    """Nine in ten of what was scored for any model were scored for all."""
    scored = [{one["id"] for one in side if one["status"] == "ok"} for side in sides]
    return len(set.intersection(*scored)) >= FEWEST_SHARED * len(set.union(*scored))


class RecomputedBenchmark:
    """One benchmark of one model, its estimates recomputed; `found` maps what a figure is to (written, recomputed)."""

    def __init__(self, evidence: Mapping[str, Any], audit: Mapping[str, Any]) -> None:
        self.evidence, self.audit = evidence, audit
        self.place = f"{audit['context']} / {audit['audit']}[{audit['model']}]"
        context = next(one for one in evidence["contexts"] if one["sha256"] == audit["context_sha256"])
        self.settings = next(one for one in context["audits"] if one["id"] == audit["audit"])["settings"]
        self.figures = KINDS[audit["kind"]]
        self.unmeasured = self.drawn = 0
        self.found: Found = {}

    def run(self) -> None:
        for one in (*self.audit["outcomes"], *self.audit["controls"]):
            if one["status"] == "ok":
                found = value_of(self.audit["kind"], one, self.audit["facts"].get("score", ""))
                self.found[f"{self.place} item {one['id']} value"] = (one["value"], found)
        for number, estimate in enumerate(self.audit["estimates"]):
            name = f"{self.place} #{number} {estimate['metric']} {estimate['attribute']} {'/'.join(estimate['groups'])}"
            if estimate["metric"] not in self.figures:
                raise SystemExit(f"{name}: this script knows no such metric of {self.audit['kind']!r}")
            self._estimate(name, estimate)
        self._complete()
        self._adjusted()

    def _items(self, how: How) -> Items:
        controls: Items = self.audit["controls"]
        outcomes: Items = self.audit["outcomes"]
        return controls if how.able and controls else outcomes

    def _estimate(self, name: str, estimate: Mapping[str, Any]) -> None:
        how, split = self.figures[estimate["metric"]], estimate["attribute"]
        if split not in how.splits:
            raise SystemExit(f"{name}: the figure is not split by {split!r}")
        items = self._items(how)
        if split:  # without a part, nothing was asked
            items = [one for one in items if [one["slots"][split]] == estimate["groups"]]
        level = 0.95 if estimate["level"] is None else estimate["level"]
        other = self._other(estimate)
        reason = self._stopped(how, other, estimate["shows"]) or (other is None and estimate["versus"] is not None)
        figure = NONE if reason else self._figure(estimate, how, items, other, level)
        read = sum(one["status"] == "ok" for one in items)
        used = read if figure.used is None else figure.used
        theirs = None if reason or other is None else self._same(how, other, items)
        usable = figure.usable and (reason or how.able or self._usable(items, theirs, other, used, split, figure))
        if how.able and theirs is not None and figure.value is not None:
            usable = figure.usable and enough_shared([items, theirs])
        if how.able and estimate["shows"] == "recovery" and other is not None and not reason:
            # Of what the other model does by chance, guessing keeps all: there, and in a part whose items tell of it.
            part = {"kind": self.audit["kind"], "outcomes": theirs, "controls": []}
            of_part = bool(split) and not self.audit["controls"] and figure.value is not None
            usable = usable and not near_chance(other) and not (of_part and near_chance(part))
        lost = 0  # what has a value here, and none in the other model's answers
        if theirs is not None:
            lost = sum(one["status"] == "ok" != two["status"] for one, two in zip(items, theirs, strict=True))
        if figure.low is None:  # without an interval, nothing that belongs to it
            figure = replace(figure, standard_error=None, df=None)
        if estimate["value"] is None:
            self.unmeasured += 1
        if (estimate["value"] is None or estimate["low"] is None or not estimate["usable"]) and not estimate["reason"]:
            raise SystemExit(f"{name}: nothing to judge, and no reason")
        p = self._drawn_p(name, estimate, items, figure)
        again = {
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "p": p,
            "standard_error": figure.standard_error,
            "df": figure.df,
            "n": used,
            "templates": figure.clusters,
            "missing": len(items) - read + lost,
            "people": 0,
            "usable": float(usable),
        }
        for key, one in again.items():
            self.found[f"{name} {key}"] = (estimate[key], one)
        self._summary(name, estimate, items)
        if estimate["shows"] == "value" or reason or other is None:
            if estimate["moved"] or (estimate["noise"] is None) != (
                not self.audit["reruns"] or estimate["shows"] == "value"
            ):
                raise SystemExit(f"{name}: something moved, or a noise floor, where nothing was compared")
            return
        self._moved(name, estimate, how, items, other, level)
        self._noise(name, estimate, how, items, other, level)

    def _moved(
        self,
        name: str,
        estimate: Mapping[str, Any],
        how: How,
        items: Items,
        other: Mapping[str, Any],
        level: float,
    ) -> None:
        """The change on every part of what is taken together."""
        split = next((one for one in how.splits if one), "")
        parts = list(dict.fromkeys(one["slots"][split] for one in items)) if split and not estimate["attribute"] else []
        if how.rise is None or len(parts) < 2:
            parts = []
        if [one["group"] for one in estimate["moved"]] != parts:
            raise SystemExit(f"{name}: not every part is said to have moved or not")
        settings = {"settings": self.settings} if estimate["metric"] in ("effect_size", "mean_abs_effect") else {}
        for one in estimate["moved"]:
            own = [item for item in items if item["slots"][split] == one["group"]]
            assert how.rise is not None
            again = how.rise(own, self._answers(how, other), level=one["level"] or level, **settings)
            for key in ("value", "low", "high"):
                self.found[f"{name} moved {one['group']} {key}"] = (one[key], getattr(again, key))

    def _noise(
        self,
        name: str,
        estimate: Mapping[str, Any],
        how: How,
        items: Items,
        other: Mapping[str, Any],
        level: float,
    ) -> None:
        """The same figure of the other model's second asking against its first."""
        noise = estimate["noise"]
        level = (noise and noise["level"]) or level
        rerun = next((one for one in self.audit["reruns"] if one["versus"] == estimate["versus"]), None)
        if (noise is None) != (rerun is None):
            raise SystemExit(f"{name}: a noise floor without a second asking, or the other way round")
        if noise is None or rerun is None:
            return
        first = self._same(how, other, items)
        second = asked_again(first, [*rerun["changed"], *rerun["controls_changed"]])
        again = self._figure(estimate, how, second, other, level)
        every = [*other["outcomes"], *other["controls"]]
        steps = [
            abs(one["value"] - two["value"])
            for one, two in zip(asked_again(every, [*rerun["changed"], *rerun["controls_changed"]]), every, strict=True)
            if one["value"] is not None and two["value"] is not None
        ]
        figures = {
            "value": again.value,
            "low": again.low,
            "high": again.high,
            "compared": len(every),
            "changed": len(rerun["changed"]) + len(rerun["controls_changed"]),
            "largest": max(steps, default=None),
        }
        for key, figure in figures.items():
            self.found[f"{name} noise {key}"] = (noise[key], figure)

    @staticmethod
    def _answers(how: How, other: Mapping[str, Any]) -> Items:
        answers: Items = other["controls"] if how.able and other["controls"] else other["outcomes"]
        return answers

    @staticmethod
    def _same(how: How, other: Mapping[str, Any], items: Items) -> Items:
        """What the other model answered to the same items."""
        by_id = {one["id"]: one for one in RecomputedBenchmark._answers(how, other)}
        return [by_id[one["id"]] for one in items]

    def _usable(
        self,
        items: Items,
        theirs: Items | None,
        other: Mapping[str, Any] | None,
        used: int,
        split: str,
        figure: Figure,
    ) -> bool:
        """Nothing speaks against holding a limit against a figure that was computed."""
        audits = [self.audit] if other is None else [self.audit, other]
        if any(map(near_chance, audits)):
            return False
        if figure.value is None:
            return True
        sides = [items] if theirs is None else [items, theirs]
        # A part's own items tell whether the model is able there, where they tell it at all.
        parts = [{"kind": self.audit["kind"], "outcomes": side, "controls": []} for side in sides]
        if split and not self.audit["controls"] and any(map(near_chance, parts)):
            return False
        read = sum(one["status"] == "ok" for one in items)
        return bool(read >= FEWEST_SCORED * len(items) and enough_shared(sides) and used >= self.settings["minimum"])

    def _figure(
        self,
        estimate: Mapping[str, Any],
        how: How,
        items: Items,
        other: Mapping[str, Any] | None,
        level: float,
    ) -> Figure:
        settings = {"settings": self.settings} if estimate["metric"] in ("effect_size", "mean_abs_effect") else {}
        if estimate["metric"] == "refusal_share" and self.settings["answer"] == "likelihood":
            return NONE
        if estimate["versus"] is None:
            return how.of(items, level=level, **settings)
        assert other is not None
        against = how.kept if estimate["shows"] == "recovery" else how.rise
        assert against is not None
        return against(items, self._answers(how, other), level=level, **settings)

    def _stopped(self, how: How, other: Mapping[str, Any] | None, shows: str) -> bool:
        """Something keeps the figure from being computed at all, whatever the answers."""
        if self.audit["obstacle"] or (not how.able and unheard(self.audit["outcomes"])):
            return True
        if other is None:
            return False
        ids = [{one["id"] for one in audit["outcomes"]} for audit in (self.audit, other)]
        ways = [(audit["facts"].get("score"), audit["data"]["sha256"]) for audit in (self.audit, other)]
        broken = other["obstacle"] or unheard(other["outcomes"])
        controls = [{one["id"] for one in audit["controls"]} for audit in (self.audit, other)]
        none = (how.kept if shows == "recovery" else how.rise) is None or (how.able and controls[0] != controls[1])
        return bool(none or broken or ids[0] != ids[1] or ways[0] != ways[1])

    def _other(self, estimate: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The same benchmark of the model that a change is against."""
        name = estimate["versus"]
        if name is None:
            return None
        if name == "parent":
            name = next(one["parent"] for one in self.evidence["models"] if one["name"] == self.audit["model"])
        for audit in self.evidence["audits"]:
            if (audit["context"], audit["audit"], audit["model"]) == (self.audit["context"], self.audit["audit"], name):
                return audit  # type: ignore[no-any-return]  # plain JSON
        if estimate["value"] is None:  # nor had the package
            return None
        raise SystemExit(f"{self.place}: the evidence has no answers of {name!r}")

    def _drawn_p(self, name: str, estimate: Mapping[str, Any], items: Items, figure: Figure) -> float | None:
        """The recomputed p; of a p from drawn partitions the written one, where it is no further off than draws may be."""
        again: float | None = figure.p
        if estimate["metric"] != "effect_size" or estimate["versus"] is not None or figure.low is None:
            return again
        enumerated = association.drawn_p(items, self.settings)
        if enumerated is None:
            return again
        again, allowed = enumerated
        written, cases = estimate["p"], self.settings["permutations"] + 1
        counted = written is not None and abs(written * cases - round(written * cases)) < 1e-6
        if counted and abs(written - again) <= allowed:
            self.drawn += 1
            again = float(written)
        return again

    def _summary(self, name: str, estimate: Mapping[str, Any], items: Items) -> None:
        """What stands beside an estimate about its items."""
        (group,) = estimate["by_group"]
        if group != (estimate["groups"] or ["all items"])[0]:
            raise SystemExit(f"{name}: the figures beside it are of {group!r}")
        status, values = [one["status"] for one in items], [one["value"] for one in items if one["status"] == "ok"]
        again = {
            "n": status.count("ok"),
            "asked": len(status),
            "refused": status.count("refused"),
            "unparseable": status.count("unparseable"),
            "errors": status.count("error"),
            "people": 0,
            "mean": math.fsum(values) / len(values) if values else None,
            "sd": statistics.stdev(values) if len(values) > 1 else None,
            "median": statistics.median(values) if values else None,
            "rate": sum(value > 0 for value in values) / len(values) if values else None,
        }
        for key, figure in again.items():
            self.found[f"{name}, {group} {key}"] = (estimate["by_group"][group][key], figure)

    def _complete(self) -> None:
        """Every figure of the kind is there, over all items and for every part."""
        there = {
            (one["metric"], one["attribute"], *one["groups"])
            for one in self.audit["estimates"]
            if one["versus"] is None
        }
        for metric, how in self.figures.items():
            for split in how.splits:
                parts: list[tuple[str, ...]] = [(metric, split)]
                if split:
                    values = dict.fromkeys(one["slots"][split] for one in self._items(how))
                    parts = [(metric, split, value) for value in values] or parts
                for part in parts:
                    if part not in there:
                        raise SystemExit(f"{self.place}: no estimate of {' '.join(part)}")

    def _adjusted(self) -> None:
        """Holm's p over the parts of a split, from the written ones: k-th smallest of m times m - k + 1, never falling."""
        families: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for one in self.audit["estimates"]:
            key = (one["metric"], one["attribute"], one["versus"], one["shows"], one["level"])
            if one["p"] is not None and one["attribute"]:
                families.setdefault(key, []).append(one)
            else:
                self.found[f"{self.place} {key} p_adjusted"] = (one["p_adjusted"], None)
        for key, family in families.items():
            running = 0.0
            for rank, one in enumerate(sorted(family, key=lambda one: one["p"])):
                running = max(running, min(1.0, (len(family) - rank) * one["p"]))
                self.found[f"{self.place} {key} {'/'.join(one['groups'])} p_adjusted"] = (one["p_adjusted"], running)
