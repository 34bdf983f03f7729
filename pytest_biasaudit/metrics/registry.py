"""Which metrics there are, and the facts about each: unit, range, ideal, direction, source.

Importing this needs no numpy: a metric's arithmetic is imported from its family when it is first called. Knows the
types of `metrics.metric` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from math import inf
from types import MappingProxyType
from typing import cast

from pytest_biasaudit.metrics.benchmarks import (
    bbq,
    crows_pairs,
    log_probability,
    seat,
    stereoset,
    weat,
    winobias,
    winogender,
)
from pytest_biasaudit.metrics.metric import Measured, Metric
from pytest_biasaudit.metrics.tables import corpus, ranking, rates

VALUE_KINDS = ("number", "rating", "text", "choice", "yes-no")
"""Outcome kinds whose answers are scored with a number (a probability for the likelihood kinds)."""
RATE_KINDS = ("choice", "yes-no")
"""Outcome kinds in which one option is selected."""
ALL_KINDS = VALUE_KINDS


def _family(family: str, function: str) -> Callable[..., Measured]:
    """A callable that imports `metrics.<family>` on its first call, so that reading metric facts stays light."""

    def call(*args: object, **settings: object) -> Measured:
        measure = cast(Callable[..., Measured], getattr(import_module(f"pytest_biasaudit.metrics.{family}"), function))
        return measure(*args, **settings)

    call.__name__ = call.__qualname__ = function
    call.__doc__ = f"See `pytest_biasaudit.metrics.{family}.{function}`."
    return call


_ALL = (
    Metric(
        name="smd",
        title="Standardised mean difference",
        unit="sd",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Mean of the group minus mean of the reference group, over sqrt((s_ref^2 + s_group^2) / 2), row "
        "standard deviations with ddof 1: the denominator of the pruning study's published code, its sign turned round",
        compare=_family("means", "smd"),
    ),
    Metric(
        name="smd_pooled",
        title="Standardised mean difference, pooled",
        unit="sd",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Mean of the group minus mean of the reference group, over the standard deviation pooled with weights "
        "n - 1 (Cohen 1988, section 2.5)",
        compare=_family("means", "smd_pooled"),
    ),
    Metric(
        name="mean_difference",
        title="Difference of means",
        unit="outcome",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Mean of the group minus mean of the reference group, template by template; interval for crossed people "
        "and templates after Westfall, Kenny and Judd 2014",
        compare=_family("means", "mean_difference"),
    ),
    Metric(
        name="mean_ratio",
        title="Ratio of means",
        unit="ratio",
        range=(0.0, inf),
        ideal=1.0,
        judged="ratio",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Mean of the group over mean of the reference group; both must be positive; interval on the log scale",
        compare=_family("means", "mean_ratio"),
    ),
    Metric(
        name="median_difference",
        title="Difference of medians",
        unit="outcome",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Median of the group minus median of the reference group, over all answers; interval by resampling people "
        "and templates (Owen 2007)",
        compare=_family("order", "median_difference"),
    ),
    Metric(
        name="mann_whitney",
        title="Probability of superiority",
        unit="probability",
        range=(0.0, 1.0),
        ideal=0.5,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="Chance that a person of the group gets a higher answer than a person of the reference group to the "
        "same template, ties counted as half (Mann and Whitney 1947; U over n_ref n_group), averaged over templates",
        compare=_family("order", "mann_whitney"),
    ),
    Metric(
        name="wasserstein",
        title="Earth mover's distance",
        unit="outcome",
        range=(0.0, inf),
        ideal=0.0,
        judged="distance",
        direction="lower is fairer",
        kinds=VALUE_KINDS,
        by_group=True,
        source="First Wasserstein distance between the two groups' answers; above zero by chance also where groups "
        "are equal",
        compare=_family("order", "wasserstein"),
    ),
    Metric(
        name="rate_difference",
        title="Difference of selection rates",
        unit="share",
        range=(-1.0, 1.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=RATE_KINDS,
        by_group=True,
        source="Selection rate of the group minus selection rate of the reference group (demographic parity "
        "difference, signed)",
        compare=_family("rates", "rate_difference"),
    ),
    Metric(
        name="impact_ratio",
        title="Impact ratio",
        unit="ratio",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=RATE_KINDS,
        by_group=True,
        source="The lower of the two selection rates over the higher (the ratio of 29 CFR 1607.4(D) and NYC Local Law 144, "
        "for a pair of groups)",
        compare=_family("rates", "impact_ratio"),
    ),
    Metric(
        name="odds_ratio",
        title="Odds ratio",
        unit="ratio",
        range=(0.0, inf),
        ideal=1.0,
        judged="ratio",
        direction="closer to the ideal is fairer",
        kinds=RATE_KINDS,
        by_group=True,
        source="Odds of selection in the group over odds of selection in the reference group; interval on the log "
        "scale",
        compare=_family("rates", "odds_ratio"),
    ),
    Metric(
        name="refusal_rate_difference",
        title="Difference of refusal rates",
        unit="share",
        range=(-1.0, 1.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=ALL_KINDS,
        by_group=True,
        source="Share of refused answers in the group minus that share in the reference group, of all "
        "answers asked for",
        compare=_family("utility", "refusal_rate_difference"),
    ),
    Metric(
        name="bias_removed",
        title="Share of the bias removed",
        unit="share",
        range=(-inf, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=ALL_KINDS,
        by_group=True,
        source="1 - |child| / |parent| of the metric named by `of` (`smd` where none is), the parent being the model named by "
        "`versus`: 1 is all of it, 0 nothing, below 0 more bias than before. Paired on the same people and templates; "
        "interval after Fieller (1954). Not judged where the parent's own bias cannot be told from 0",
        compare=_family("removed", "bias_removed"),
        against=True,
    ),
    Metric(
        name="answer_rate",
        title="Answer rate",
        unit="share",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is better",
        kinds=ALL_KINDS,
        by_group=False,
        source="Answers with a value over answers asked for, all groups together",
        overall=_family("utility", "answer_rate"),
        recovery=_family("utility", "answer_recovery"),
    ),
    Metric(
        name="inlier_ratio",
        title="Inlier ratio",
        unit="share",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is better",
        kinds=("number",),
        by_group=False,
        source="Numbers within the declared plausible range over all numbers read; after the pruning study's inlier ratio, "
        "with declared bounds in place of the unpruned model's quantiles",
        overall=_family("utility", "inlier_ratio"),
        recovery=_family("utility", "inlier_recovery"),
    ),
)

_BENCHMARKS = (crows_pairs, stereoset, seat, weat, bbq, winobias, winogender, log_probability)

_TABLES = (rates, ranking, corpus)
_NAMED = frozenset(metric.name for metric in (*_ALL, *(metric for kind in _BENCHMARKS for metric in kind.METRICS)))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (*_ALL, *(metric for kind in _BENCHMARKS for metric in kind.METRICS))}
    | {metric.name: metric for kind in _TABLES for metric in kind.METRICS if metric.name not in _NAMED}
)
"""Every built-in metric by its name, in the order the reference page lists them."""

ELSEWHERE: Mapping[str, tuple[Metric, ...]] = MappingProxyType(
    {
        name: tuple(metric for kind in _TABLES for metric in kind.METRICS if metric.name == name)
        for name in METRICS
        if name in _NAMED and any(metric.name == name for kind in _TABLES for metric in kind.METRICS)
    }
)
"""What a name means in audits of labelled tables, where it stands for another formula, unit or range than in `METRICS`."""


def for_kind(metrics: Mapping[str, Metric], kind: str | None) -> Mapping[str, Metric]:
    """The metrics as audits or outcomes of that kind understand them: a name may mean another formula elsewhere."""

    def meant(metric: Metric) -> Metric:
        return next((other for other in ELSEWHERE.get(metric.name, ()) if kind in other.kinds), metric)

    return {name: meant(metric) for name, metric in metrics.items()}
