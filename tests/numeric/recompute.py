"""Recomputes every estimate of an evidence file from its outcomes, without the software that wrote it.

    python tests/numeric/recompute.py evidence.json

Reads JSON; needs numpy and scipy; imports nothing of the package (the formulas are in `recompute_formulas.py` and
`recompute_rates.py` beside it, those of stereotype benchmarks are found from `recompute_benchmarks.py`, those of labelled
tables stand in `recompute_tables.py`). Prints how many figures it recomputed and the largest deviation, relative to the figure
where that is above 1; exits with 1 when a figure deviates by more than 1e-9, or is there on one side only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recompute_benchmarks import RecomputedBenchmark  # type: ignore[import-not-found]  # beside the script
from recompute_changes import increase  # type: ignore[import-not-found]  # beside the script
from recompute_formulas import (  # type: ignore[import-not-found]  # beside the script
    Answer,
    Table,
    mann_whitney,
    mean_difference,
    mean_ratio,
    median_difference,
    smd,
    smd_pooled,
    trimmed,
    wasserstein,
)
from recompute_rates import impact_ratio, odds_ratio, overall_share, share_difference  # type: ignore[import-not-found]  # beside the script
from recompute_recovery import (  # type: ignore[import-not-found]  # beside the script
    asked_again,
    crossed_recovery,
    group_change,
)
from recompute_removed import removed  # type: ignore[import-not-found]  # beside the script
from recompute_tables import RecomputedTable  # type: ignore[import-not-found]  # beside the script

CLOSE = 1e-9
REMOVED = "bias_removed"

BY_GROUP: Mapping[str, tuple[str, Callable[..., Answer]]] = {
    "smd": ("values", smd),
    "smd_pooled": ("values", smd_pooled),
    "mean_difference": ("values", mean_difference),
    "mean_ratio": ("values", mean_ratio),
    "median_difference": ("values", median_difference),
    "mann_whitney": ("values", mann_whitney),
    "wasserstein": ("values", wasserstein),
    "rate_difference": ("selected", share_difference),
    "impact_ratio": ("selected", impact_ratio),
    "odds_ratio": ("selected", odds_ratio),
    "refusal_rate_difference": ("refused_share", share_difference),
}
ANSWERED = {"answer_rate": "answered_share", "inlier_ratio": "inlier_share"}
"""Metrics over all answers, by the share of a cell that they count."""
RESAMPLED = ("median_difference", "wasserstein")


class Cells:
    """One group's answers as people by templates, repeats averaged, both sorted by id."""

    def __init__(self, outcomes: Sequence[Mapping[str, Any]], templates: Sequence[str]) -> None:
        self.people = sorted({one["person_id"] for one in outcomes})
        self.templates = list(templates)
        shape = (len(self.people), len(self.templates))
        cells: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        for one in sorted(outcomes, key=lambda one: one["repeat"]):
            place = self.people.index(one["person_id"]), self.templates.index(one["template"])
            cells.setdefault(place, []).append(one)
        names = ("values", "selected", "asked", "answered", "refused", "implausible")
        self.tables = {name: np.zeros(shape) for name in names}
        self.tables["values"][:] = self.tables["selected"][:] = np.nan
        for place, given in cells.items():
            good = [one for one in given if one["status"] == "ok"]
            chosen = [one["selected"] for one in good if one["selected"] is not None]
            self.tables["asked"][place] = len(given)
            self.tables["answered"][place] = len(good)
            self.tables["refused"][place] = sum(one["status"] == "refused" for one in given)
            self.tables["implausible"][place] = sum(
                one["status"] == "unparseable" and one["reason"].startswith("implausible") for one in given
            )
            if good:
                self.tables["values"][place] = sum(one["value"] for one in good) / len(good)
            if chosen:
                self.tables["selected"][place] = sum(chosen) / len(chosen)
        with np.errstate(invalid="ignore"):
            asked = np.where(self.tables["asked"] > 0, self.tables["asked"], np.nan)
            self.tables["refused_share"] = self.tables["refused"] / asked
            self.tables["answered_share"] = self.tables["answered"] / asked
            read = self.tables["answered"] + self.tables["implausible"]
            self.tables["inlier_share"] = self.tables["answered"] / np.where(read > 0, read, np.nan)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]


def groups_of(people: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], attributes: Sequence[str]) -> list[str]:
    """All groups, the reference first: declared, or as the outcomes first show them; crossed in that order."""
    found = []
    for attribute in attributes:
        place = people["attributes"].index(attribute)
        declared = people["groups"][place] if place < len(people["groups"]) else []
        seen = (one["groups"].get(attribute) for one in outcomes)
        found.append(declared or list(dict.fromkeys(group for group in seen if group is not None)))
    return ["*".join(names) for names in itertools.product(*found)]


def tables_of(
    outcomes: Sequence[Mapping[str, Any]], groups: Sequence[str], attributes: Sequence[str]
) -> dict[str, Cells]:
    members: dict[str, list[Mapping[str, Any]]] = {group: [] for group in groups}
    for one in outcomes:
        name = "*".join(str(one["groups"].get(attribute)) for attribute in attributes)
        if name in members:
            members[name].append(one)
    templates = sorted({one["template"] for given in members.values() for one in given})
    return {group: Cells(given, templates) for group, given in members.items()}


def summary_of(outcomes: Sequence[Mapping[str, Any]], cells: Cells) -> dict[str, float | None]:
    """What stands beside an estimate, for one group."""
    values, chosen = (cells[name][~np.isnan(cells[name])] for name in ("values", "selected"))
    status = [one["status"] for one in outcomes]
    return {
        "n": status.count("ok"),
        "asked": len(status),
        "refused": status.count("refused"),
        "unparseable": status.count("unparseable"),
        "errors": status.count("error"),
        "people": len(cells.people),
        "mean": float(np.mean(values)) if len(values) else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "median": float(np.median(values)) if len(values) else None,
        "rate": float(np.mean(chosen)) if len(chosen) else None,
    }


class Recomputed:
    """One audit of one model, its estimates recomputed; `found` maps what a figure is to (written, recomputed)."""

    def __init__(self, evidence: Mapping[str, Any], audit: Mapping[str, Any]) -> None:
        self.evidence, self.audit = evidence, audit
        self.outcomes: list[Mapping[str, Any]] = audit["outcomes"]
        self.place = f"{audit['context']} / {audit['audit']}[{audit['model']}]"
        self.unmeasured = 0
        context = next(one for one in evidence["contexts"] if one["sha256"] == audit["context_sha256"])
        self.people = next(one for one in context["audits"] if one["id"] == audit["audit"])["people"]
        self.found: dict[str, tuple[float | None, float | None]] = {}

    def run(self) -> None:
        for number, estimate in enumerate(self.audit["estimates"]):
            name = f"{self.place} #{number} {estimate['metric']} {'/'.join(estimate['groups'])}"
            if estimate["metric"] in BY_GROUP or estimate["metric"] in ("answer_rate", "inlier_ratio", REMOVED):
                self._estimate(name, estimate)
            else:
                raise SystemExit(f"{name}: this script knows no such metric")
        self._adjusted()

    def _estimate(self, name: str, estimate: Mapping[str, Any]) -> None:
        by_group = estimate["metric"] in BY_GROUP or estimate["metric"] == REMOVED
        attributes = estimate["attribute"].split("*") if by_group else self.people["attributes"]
        groups = groups_of(self.people, self.outcomes, attributes)
        tables = tables_of(self.outcomes, groups, attributes)
        for group, written in estimate["by_group"].items():
            own = [one for one in self.outcomes if "*".join(str(one["groups"].get(a)) for a in attributes) == group]
            for key, figure in summary_of(own, tables[group]).items():
                self.found[f"{name}, {group} {key}"] = (written[key], figure)
        if estimate["value"] is None:
            if not estimate["reason"]:
                raise SystemExit(f"{name}: neither a value nor a reason")
            self.unmeasured += 1
            return
        level = estimate["level"] if estimate["level"] is not None else 0.95
        value, ends = self._answer(estimate, tables, groups, attributes, level)
        if estimate["method"] is None:
            if not estimate["reason"]:
                raise SystemExit(f"{name}: neither an interval nor a reason")
            ends = None
        low, high = ends if ends is not None else (None, None)
        self.found[f"{name} value"] = (estimate["value"], value)
        self.found[f"{name} low"] = (estimate["low"], low if low is None or math.isfinite(low) else None)
        self.found[f"{name} high"] = (estimate["high"], high if high is None or math.isfinite(high) else None)
        if estimate["metric"] == REMOVED:
            self._moved(name, estimate, attributes, groups, level)
        if estimate["shows"] != "value":
            self._moved(name, estimate, attributes, groups, level)
            self._noise(name, estimate, groups, attributes, level)

    def _moved(
        self, name: str, estimate: Mapping[str, Any], attributes: Sequence[str], groups: Sequence[str], level: float
    ) -> None:
        """How far each compared group's answers moved."""
        tables = [tables_of(side, groups, attributes) for side in (self.outcomes, self._other(estimate["versus"]))]
        told = estimate["groups"] or groups
        if [one["group"] for one in estimate["moved"]] != list(told):
            raise SystemExit(f"{name}: not every group is said to have moved or not")
        kind = ANSWERED.get(estimate["metric"]) or BY_GROUP[estimate["of"] or estimate["metric"]][0]
        for one in estimate["moved"]:
            now, then = (cells[one["group"]][kind] for cells in tables)
            value, ends = group_change(now, then, level=one["level"] or level, shares=kind != "values")
            low, high = ends if ends is not None else (None, None)
            pairs = int((~np.isnan(now - then)).sum())
            for key, again in (("value", value), ("low", low), ("high", high), ("n", pairs)):
                self.found[f"{name} moved {one['group']} {key}"] = (one[key], again)

    def _noise(
        self, name: str, estimate: Mapping[str, Any], groups: Sequence[str], attributes: Sequence[str], level: float
    ) -> None:
        """The same figure of the other model's second asking against its first."""
        noise = estimate["noise"]
        level = (noise and noise["level"]) or level
        rerun = next((one for one in self.audit["reruns"] if one["versus"] == estimate["versus"]), None)
        if (noise is None) != (rerun is None):
            raise SystemExit(f"{name}: a noise floor without a second asking, or the other way round")
        if noise is None or rerun is None:
            return
        first = self._other(estimate["versus"])
        second = asked_again(first, rerun["changed"])
        tables = tables_of(second, groups, attributes)
        value, ends = self._answer(estimate, tables, groups, attributes, level)
        low, high = ends if ends is not None and noise["low"] is not None else (None, None)
        steps = [
            abs(one["value"] - other["value"])
            for one, other in zip(second, first, strict=True)
            if one["value"] is not None and other["value"] is not None
        ]
        again = {
            "value": value if noise["value"] is not None or not noise["reason"] else None,
            "low": low,
            "high": high,
            "compared": len(first),
            "changed": len(rerun["changed"]),
            "largest": max(steps, default=None),
        }
        for key, figure in again.items():
            self.found[f"{name} noise {key}"] = (noise[key], figure)

    def _answer(
        self,
        estimate: Mapping[str, Any],
        tables: Mapping[str, Cells],
        groups: Sequence[str],
        attributes: Sequence[str],
        level: float,
    ) -> Answer:
        metric, versus = estimate["metric"], estimate["versus"]
        # A bootstrap's method names its draws; nothing else needs them.
        named = re.search(r"\((\d+) resamples, seed (\d+)\)", estimate["method"] or "")
        resamples, seed = (int(named[1]), int(named[2])) if named else (0, 0)
        other = tables_of(self._other(versus), groups, attributes) if versus is not None else {}
        if estimate["shows"] == "recovery":
            kind = ANSWERED[metric]
            return crossed_recovery([tables[g][kind] for g in groups], [other[g][kind] for g in groups], level=level)
        if metric == "answer_rate":
            cells = [tables[group] for group in groups]
            return overall_share([one["answered"] for one in cells], [one["asked"] for one in cells], level=level)
        if metric == "inlier_ratio":
            return self._inliers([tables[g] for g in groups], [other[g] for g in groups if other], level)
        kind, formula = BY_GROUP[estimate["of"] or metric]
        reference, group = (tables[name] for name in estimate["groups"])
        if versus is not None:
            before = [other[name][kind] for name in estimate["groups"]]
            if metric == REMOVED:
                return self._removed(estimate, (reference[kind], group[kind]), before, level)
            return increase(metric, (reference[kind], group[kind]), before, level=level, seed=seed, resamples=resamples)
        draws = {"seed": seed, "resamples": resamples} if metric in RESAMPLED else {}
        return formula(*trimmed(reference[kind], group[kind]), level=level, **draws)

    def _removed(
        self, estimate: Mapping[str, Any], after: Sequence[Table], before: Sequence[Table], level: float
    ) -> Answer:
        value, (_, ends), p = removed(estimate["of"], after, before, level=level)
        self.found[f"{self.place} {estimate['of']} removed {'/'.join(estimate['groups'])} {level} p"] = (
            estimate["p"],
            p,
        )
        if estimate["usable"] != (ends is not None):
            raise SystemExit(
                f"{self.place}: a share removed of {estimate['of']} is usable without its ends, or not with them"
            )
        return value, ends

    @staticmethod
    def _inliers(tables: Sequence[Cells], before: Sequence[Cells], level: float) -> Answer:
        good = [one["answered"] for one in tables]
        odd = [one["implausible"] for one in tables]
        if before:
            pooled = np.concatenate([one["values"] for one in before])
            known = [t for t in range(pooled.shape[1]) if not np.isnan(pooled[:, t]).all()]
            ends = {t: np.nanpercentile(pooled[:, t], [5, 95]) for t in known}
            for place, one in enumerate(tables):
                outside = np.array(
                    [
                        [not ends[t][0] <= row[t] <= ends[t][1] and not math.isnan(row[t]) for t in known]
                        for row in one["values"]
                    ]
                )
                answered = one["answered"][:, known]
                good[place] = np.where(outside, 0.0, answered)
                odd[place] = one["implausible"][:, known] + np.where(outside, answered, 0.0)
        return overall_share(good, [one + other for one, other in zip(good, odd, strict=True)], level=level)

    def _other(self, versus: str) -> Sequence[Mapping[str, Any]]:
        """The outcomes of the model that a change is against."""
        name = versus
        if versus == "parent":
            name = next(one["parent"] for one in self.evidence["models"] if one["name"] == self.audit["model"])
        for audit in self.evidence["audits"]:
            if (audit["context"], audit["audit"], audit["model"]) == (self.audit["context"], self.audit["audit"], name):
                return audit["outcomes"]  # type: ignore[no-any-return]  # plain JSON
        raise SystemExit(f"{self.place}: the evidence has no answers of {name!r}")

    def _adjusted(self) -> None:
        """Holm's p over the groups of each metric: the k-th smallest of m times m - k + 1, never falling."""
        families: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for one in self.audit["estimates"]:
            if one["p"] is not None:
                key = (one["metric"], one["attribute"], one["versus"], one["shows"], one["level"], one["of"])
                families.setdefault(key, []).append(one)
        for key, family in families.items():
            running = 0.0
            for rank, one in enumerate(sorted(family, key=lambda one: one["p"])):
                running = max(running, min(1.0, (len(family) - rank) * one["p"]))
                name = f"{self.place} {key[0]} {key[1]} {one['of'] or ''} {'/'.join(one['groups'])} p_adjusted"
                self.found[name] = (one["p_adjusted"], running if one["groups"] else None)


def deviation(written: float | None, again: float | None) -> float:
    """How far apart, relative to the figure where that is above 1; infinite when one side has none."""
    if written is None or again is None:
        return 0.0 if written is again else math.inf
    return abs(written - again) / max(1.0, abs(written))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was recomputed and how far off; 1 when anything is."""
    parser = argparse.ArgumentParser(description="Recompute every estimate of an evidence file.")
    parser.add_argument("evidence", type=Path)
    evidence = json.loads(parser.parse_args(arguments).evidence.read_text(encoding="utf-8"))
    figures: dict[str, tuple[float | None, float | None]] = {}
    estimates = unmeasured = drawn = 0
    for audit in evidence["audits"]:
        of_kind = {"counterfactual": Recomputed, "classifier": RecomputedTable, "corpus": RecomputedTable}
        one = of_kind.get(audit["kind"], RecomputedBenchmark)(evidence, audit)
        one.run()
        drawn += getattr(one, "drawn", 0)
        figures.update(one.found)
        estimates += len(audit["estimates"])
        unmeasured += one.unmeasured
    off = {name: pair for name, pair in figures.items() if deviation(*pair) > CLOSE}
    for name, (written, again) in off.items():
        print(f"DIFFERS {name}: written {written!r}, recomputed {again!r}")
    largest = max((deviation(*pair) for pair in figures.values()), default=0.0)
    print(
        f"{len(figures)} figures of {estimates} estimates recomputed ({unmeasured} estimates not measured, with a reason); "
        f"largest deviation {largest:.2g}; {len(off)} above {CLOSE:g}"
        + (f"; {drawn} p of drawn partitions within Monte Carlo error" if drawn else "")
    )
    return 1 if off or not figures else 0


if __name__ == "__main__":
    sys.exit(main())
