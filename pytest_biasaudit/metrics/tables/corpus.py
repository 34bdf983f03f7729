"""How big, of the data a classifier learns from: labels by group, groups by label, words near terms. Facts need no numpy."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from math import inf
from typing import cast

from pytest_biasaudit.metrics.metric import Compared, Metric

KINDS = ("corpus",)


def _family(family: str, function: str) -> Callable[..., tuple[Compared, ...]]:
    """A callable that imports its arithmetic on its first call, so that reading metric facts stays light."""

    def call(*args: object, **settings: object) -> tuple[Compared, ...]:
        module = import_module(f"pytest_biasaudit.metrics.tables.{family}")
        return cast(Callable[..., tuple[Compared, ...]], getattr(module, function))(*args, **settings)

    call.__name__ = call.__qualname__ = function
    call.__doc__ = f"See `pytest_biasaudit.metrics.tables.{family}.{function}`."
    return call


METRICS: tuple[Metric, ...] = (
    Metric(
        name="prevalence_gap",
        title="Gap of a label's prevalence",
        unit="share",
        range=(-1.0, 1.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="P(label | group) - P(label | reference), over rows that have a label, for every label (or the positive one) "
        "and every group; the statistical parity difference of the labels themselves (Kamiran and Calders 2012). For a term "
        "in the text, the rate of the label among the rows that hold it, as Dixon et al. 2018 compare it",
        of_table=_family("prevalence", "prevalence_gap"),
    ),
    Metric(
        name="cooccurrence_rate_ratio",
        title="Ratio of co-occurrence rates",
        unit="ratio",
        range=(0.0, inf),
        ideal=1.0,
        judged="ratio",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="P(label | group) over P(label | reference): how many times as often the label goes with the group, or with a "
        "term of it, as with the reference. Not defined where no row of the reference has the label",
        of_table=_family("prevalence", "cooccurrence_rate_ratio"),
    ),
    Metric(
        name="log_odds",
        title="Log odds with a prior",
        unit="nats",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="Log odds of the label in the group less those in the reference, with an informative Dirichlet prior (Monroe, "
        "Colaresi and Quinn 2008, eq. 16): one row, shared out over the labels as all rows are",
        of_table=_family("prevalence", "log_odds"),
    ),
    Metric(
        name="share_gap",
        title="Gap of a group's share",
        unit="share",
        range=(-1.0, 1.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="P(group | label) - P(group), over rows that have a label and a group: how far a group's share of one label, "
        "the gender prevalence of De-Arteaga et al. 2019, is from its share of all. Every group has one, the reference too",
        of_table=_family("association", "share_gap"),
    ),
    Metric(
        name="pmi",
        title="Pointwise mutual information",
        unit="nats",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="ln P(group, label) / (P(group) P(label)) (Church and Hanks 1990, natural logarithm), over rows that have a label "
        "and a group. Every group has one, the reference too. Where no row has both, half a row is added to each cell of "
        "the table of two by two",
        of_table=_family("association", "pmi"),
    ),
    Metric(
        name="group_share",
        title="Share of rows of a group",
        unit="share",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=KINDS,
        by_group=True,
        source="P(group), over rows whose group is known; for terms, the share of all rows that hold one of the group's. Limit "
        "it with min: the least that a group's share may be",
        of_table=_family("make_up", "group_share"),
    ),
    Metric(
        name="label_imbalance",
        title="Imbalance of labels",
        unit="share",
        range=(-1.0, 1.0),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=False,
        source="P(label) - 1/k for each of k labels (or the positive one), over rows that have a label",
        of_table=_family("make_up", "label_imbalance"),
    ),
    Metric(
        name="missing_share",
        title="Share of rows with something missing",
        unit="share",
        range=(0.0, 1.0),
        ideal=0.0,
        judged="value",
        direction="lower is fairer",
        kinds=KINDS,
        by_group=False,
        source="Rows without text, without label or without a group in one of the columns of groups, over all rows; of what "
        "the audit names",
        of_table=_family("make_up", "missing_share"),
    ),
    Metric(
        name="word_rate_ratio",
        title="Ratio of rates of words near terms",
        unit="ratio",
        range=(0.0, inf),
        ideal=1.0,
        judged="ratio",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="Share of the rows with a term of the group that have one of the words within the window of such a term, over "
        "the same share for the reference; for each list of words (windowed co-occurrence: Church and Hanks 1990)",
        of_table=_family("nearness", "word_rate_ratio"),
    ),
    Metric(
        name="word_pmi",
        title="Pointwise mutual information of words and terms",
        unit="nats",
        range=(-inf, inf),
        ideal=0.0,
        judged="distance",
        direction="closer to the ideal is fairer",
        kinds=KINDS,
        by_group=True,
        source="ln of that share of rows for one group over the share for all compared groups together, a row with terms of "
        "two groups counted for each (Church and Hanks 1990, over rows and with a window)",
        of_table=_family("nearness", "word_pmi"),
    ),
)
