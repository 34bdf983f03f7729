"""Which figures there are of how a classifier ranks and errs, group by group: ranking, toxicity, calibration, scoring rates.

Facts need no numpy: the arithmetic is imported when a figure is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from math import inf

from pytest_biasaudit.metrics.metric import Compared, Metric

KINDS = ("classifier",)
BORKAN = "Borkan, Dixon, Sorensen, Thain and Vasserman 2019"
DIXON = "Dixon, Li, Sorensen, Thain and Vasserman 2018"


def _family(family: str, function: str) -> Callable[..., tuple[Compared, ...]]:
    """A callable that imports `metrics.tables.<family>` on its first call."""

    def call(*args: object, **settings: object) -> tuple[Compared, ...]:
        measure: Callable[..., tuple[Compared, ...]] = getattr(
            import_module(f"pytest_biasaudit.metrics.tables.{family}"), function
        )
        return measure(*args, **settings)

    call.__name__ = call.__qualname__ = function
    call.__doc__ = f"See `pytest_biasaudit.metrics.tables.{family}.{function}`."
    return call


def _area(name: str, title: str, source: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="probability",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=KINDS,
        by_group=True,
        source=source,
        of_table=_family("ranked", name),
    )


def _equality_gap(name: str, title: str, source: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="probability",
        range=(-0.5, 0.5),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source=source,
        of_table=_family("ranked", name),
    )


def _spread(name: str, title: str, source: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="share",
        range=(0.0, inf),
        ideal=0.0,
        judged="distance",
        direction="lower is fairer",
        kinds=KINDS,
        by_group=True,
        source=source,
        of_table=_family("toxicity", name),
    )


METRICS: tuple[Metric, ...] = (
    _area(
        "subgroup_auc",
        "Subgroup AUC",
        "Chance that a positive row of the group is scored above a negative row of the group, ties counted as half "
        f"({BORKAN})",
    ),
    _area(
        "bpsn_auc",
        "BPSN AUC",
        "Chance that a positive row of everyone else is scored above a negative row of the group, ties counted as half "
        f"(background positive, subgroup negative; {BORKAN}). Low where the group draws false positives",
    ),
    _area(
        "bnsp_auc",
        "BNSP AUC",
        "Chance that a positive row of the group is scored above a negative row of everyone else, ties counted as half "
        f"(background negative, subgroup positive; {BORKAN}). Low where the group draws false negatives",
    ),
    _equality_gap(
        "positive_aeg",
        "Positive average equality gap",
        "0.5 - U / (n1 n2), U of Mann and Whitney for everyone else's positive rows over the group's: above 0 where the "
        f"group's are scored higher ({BORKAN})",
    ),
    _equality_gap(
        "negative_aeg",
        "Negative average equality gap",
        "0.5 - U / (n1 n2), U of Mann and Whitney for everyone else's negative rows over the group's: above 0 where the "
        f"group's are scored higher ({BORKAN})",
    ),
)
