"""How big, by SEAT and WEAT: the facts about their figures, and when the vectors stand for nothing. No numpy here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from math import inf
from typing import cast

from pytest_biasaudit.context.declaration import BenchmarkAudit
from pytest_biasaudit.metrics.metric import Measured, Metric
from pytest_biasaudit.outcomes.collect import Collected

KINDS = ("seat", "weat")
CHANCE = 50.0
NEAR_CHANCE = 55.0
"""Percent: the lower end of coherence that vectors with meaning reach."""


def _figure(function: str) -> Callable[..., Measured]:
    """A callable that imports the arithmetic when it is first called."""

    def call(*args: object, **settings: object) -> Measured:
        module = import_module("pytest_biasaudit.metrics.benchmarks.association")
        return cast(Callable[..., Measured], getattr(module, function))(*args, **settings)

    call.__name__ = call.__qualname__ = function
    call.__doc__ = f"See `pytest_biasaudit.metrics.benchmarks.association.{function}`."
    return call


def obstacle(collected: Collected, audit: BenchmarkAudit) -> str:
    """Says so where the attribute sets do not hold together: words lie no nearer to their own set than to the other."""
    from pytest_biasaudit.metrics.benchmarks.association import coherence

    share = coherence(collected.controls, level=0.95)
    if share is None:
        return "no attribute word has a vector, so nothing tells whether the vectors hold any meaning"
    if 100.0 * share.low >= NEAR_CHANCE:
        return ""
    return (
        f"{100.0 * share.value:.0f} % of words lie nearer to their own set than to the other (95 % interval "
        f"{100.0 * share.low:.0f} to {100.0 * share.high:.0f} %; chance is {CHANCE:.0f}, and at least {NEAR_CHANCE:.0f} is "
        "needed): the vectors hold too little meaning for an association to stand for anything"
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        name="effect_size",
        title="Effect size",
        unit="sd",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=False,
        source="Caliskan, Bryson and Narayanan 2017; May et al. 2019 for sentences. Standard deviation over X and Y together, "
        "as the published code has it. Between -2 and 2 where X and Y are of one size, wider where they are not",
        items=_figure("size_of_effect"),
        change=_figure("increase_of_effect"),
        split_by=("test",),
    ),
    Metric(
        name="mean_abs_effect",
        title="Mean magnitude of effects",
        unit="sd",
        range=(0.0, inf),
        ideal=0.0,
        judged="value",
        direction="lower is fairer",
        kinds=KINDS,
        by_group=False,
        source="Mean of |d| over the tests of an axis, as in Meade, Poole-Dayan and Reddy 2022 (Bias Bench)",
        items=_figure("mean_of_effects"),
        change=_figure("increase_of_mean"),
        split_by=("", "axis"),
    ),
    Metric(
        name="coherence",
        title="Words nearer to their own set",
        unit="percent",
        range=(0.0, 100.0),
        ideal=100.0,
        judged="value",
        direction="higher is better",
        kinds=KINDS,
        by_group=False,
        source="Share of attribute words (and of the targets of control tests) whose mean cosine to the other words of their "
        "own set exceeds that to the opposite set; chance is 50",
        items=_figure("coherence_of"),
        recovery=_figure("coherence_recovery"),
        split_by=("",),
        utility=True,
    ),
)
