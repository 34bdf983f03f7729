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


def _spread(name: str, title: str, source: str, function: str) -> Metric:
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
        of_table=_family("toxicity", function),
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
    _spread(
        "fped",
        "False positive equality difference",
        "Sum over groups of |FPR - FPR_t|, FPR over all rows, of groups or of none "
        f"({DIXON}); interval from the true signs for its upper end and simulated errors for its lower",
        "fped",
    ),
    _spread(
        "fned",
        "False negative equality difference",
        "Sum over groups of |FNR - FNR_t|, FNR over all rows, of groups or of none "
        f"({DIXON}); interval from the true signs for its upper end and simulated errors for its lower",
        "fned",
    ),
    _spread(
        "fprd",
        "False positive rate difference",
        "Sum over groups of |FPR_t - FPR overall|, as Jin, Barbieri, Kennedy, Mostafazadeh Davani, Neves and Ren 2021 write it: "
        f"the same sum as fped ({DIXON}), under the name by which later papers report it",
        "fped",
    ),
    Metric(
        name="calibration_gap",
        title="Calibration gap",
        unit="share",
        range=(-2.0, 2.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="(mean score - rate of the positive label) of the group, minus the same of the reference: calibration in the "
        "large (Van Calster et al. 2016), compared as Pleiss et al. 2017 ask. Scores must be probabilities",
        of_table=_family("calibration", "calibration_gap"),
    ),
    Metric(
        name="scoring_rate_ratio",
        title="Ratio of scoring rates",
        unit="ratio",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=KINDS,
        by_group=True,
        source="Share of a group that scores above the median of the whole sample; the lowest group's over the highest's (the "
        "form of 6 RCNY 5-301, NYC Local Law 144, for scores)",
        of_table=_family("scoring", "scoring_rate_ratio"),
    ),
)
