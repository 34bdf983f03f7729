"""How big, of a table of predictions: rates by group and label, their gaps, spreads and worst group. Facts need no numpy.

The arithmetic is in `confusion` (the counts), `gaps`, `spread`, `over_labels` and `overall`, each imported when first called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pytest_biasaudit.metrics.metric import Compared, Metric

if TYPE_CHECKING:
    from pytest_biasaudit.tables.tally import Tally

KINDS = ("classifier",)
DE_ARTEAGA = "De-Arteaga et al. 2019, section 4"


def _table(family: str, function: str, **settings: Any) -> Callable[..., Any]:
    """A callable that imports `metrics.tables.<family>` on its first call, so that reading metric facts stays light.

    It measures rows that a rate tells apart, and no others: a table of scores has nearly as many cells as rows.
    """

    def call(tally: Tally, *, attributes: Sequence[str] = (), **given: object) -> tuple[Compared, ...]:
        from pytest_biasaudit.metrics.tables.alike import alike

        module = import_module(f"pytest_biasaudit.metrics.tables.{family}")
        measure = cast(Callable[..., tuple[Compared, ...]], getattr(module, function))
        return measure(alike(tally, attributes), attributes=attributes, **settings, **given)

    call.__name__ = call.__qualname__ = function
    call.__doc__ = f"See `pytest_biasaudit.metrics.tables.{family}.{function}`."
    return call


_gap = partial(
    Metric,
    unit="share",
    range=(-1.0, 1.0),
    ideal=0.0,
    judged="distance",
    direction="closer to the ideal is fairer",
    kinds=KINDS,
    by_group=True,
)
_spread = partial(
    Metric,
    unit="share",
    range=(0.0, 1.0),
    ideal=0.0,
    judged="distance",
    direction="lower is fairer",
    kinds=KINDS,
    by_group=True,
)
_ability = partial(
    Metric,
    unit="share",
    range=(0.0, 1.0),
    ideal=1.0,
    judged="value",
    direction="higher is better",
    kinds=KINDS,
)

METRICS: tuple[Metric, ...] = (
    _gap(
        name="tpr_gap",
        title="Gap in true positive rates",
        source="Share of the group's rows of a label that are predicted so, minus that share in the reference group, each "
        f"label against the rest ({DE_ARTEAGA}; equal opportunity of Hardt et al. 2016)",
        of_table=_table("gaps", "gap", rate="tpr"),
    ),
    _gap(
        name="fpr_gap",
        title="Gap in false positive rates",
        source="Share of the group's rows of any other label that are predicted to have the label, minus that share in the "
        "reference group (Hardt et al. 2016; the figures of Angwin et al. 2016)",
        of_table=_table("gaps", "gap", rate="fpr"),
    ),
    _gap(
        name="fnr_gap",
        title="Gap in false negative rates",
        source="Share of the group's rows of a label that are not predicted so, minus that share in the reference group: "
        "tpr_gap with its sign turned round",
        of_table=_table("gaps", "gap", rate="fnr"),
    ),
    _gap(
        name="accuracy_gap",
        title="Gap in accuracy",
        source="Share of the group's rows that are predicted as they are, minus that share in the reference group",
        of_table=_table("gaps", "gap", rate="accuracy"),
    ),
    _spread(
        name="rms_tpr_gap",
        title="Root mean square of the gaps in true positive rates",
        source=f"sqrt of the mean over labels of tpr_gap squared ({DE_ARTEAGA}, and Romanov et al. 2019); above the true one "
        "by chance, and its interval is for the true one",
        of_table=_table("over_labels", "rms_gap"),
    ),
    _gap(
        name="tpr_gap_prevalence_correlation",
        unit="correlation",
        title="Correlation of gaps with prevalence",
        source="Pearson's r over labels of tpr_gap with the group's share among all rows of the label "
        f"({DE_ARTEAGA}: gaps that go with an imbalance compound it)",
        of_table=_table("over_labels", "prevalence_correlation"),
    ),
    _spread(
        name="demographic_parity_difference",
        title="Demographic parity difference",
        source="Highest minus lowest share of rows with the label predicted, over all groups (fairlearn's "
        "demographic_parity_difference, method between_groups)",
        of_table=_table("spread", "largest_difference", rates=("selection",)),
    ),
    _spread(
        name="equalized_odds_difference",
        title="Equalized odds difference",
        source="The larger of the differences between highest and lowest true positive rate, and highest and lowest false "
        "positive rate, over all groups (Hardt et al. 2016; fairlearn's equalized_odds_difference, worst_case)",
        of_table=_table("spread", "largest_difference", rates=("tpr", "fpr")),
    ),
    Metric(
        name="impact_ratio",
        title="Impact ratio",
        unit="ratio",
        range=(0.0, 1.0),
        ideal=1.0,
        judged="value",
        direction="higher is fairer",
        kinds=KINDS,
        by_group=True,
        source="The lowest selection rate of any group over the highest (29 CFR 1607.4(D); the form of NYC Local Law 144, "
        "6 RCNY 5-301)",
        of_table=_table("spread", "smallest_ratio"),
    ),
    _ability(
        name="accuracy",
        title="Accuracy",
        by_group=False,
        source="Rows predicted as they are over rows with a true label and a prediction",
        of_table=_table("overall", "share", rate="accuracy"),
        recovery=_table("paired_rates", "recovered"),
    ),
    _ability(
        name="balanced_accuracy",
        title="Balanced accuracy",
        by_group=False,
        source="Mean over labels of the true positive rate (scikit-learn's balanced_accuracy_score)",
        of_table=_table("overall", "balanced_accuracy"),
    ),
    _ability(
        name="worst_group_accuracy",
        title="Accuracy of the worst group",
        by_group=True,
        source="Lowest accuracy of any group (Sagawa et al. 2020)",
        of_table=_table("overall", "worst_group", rate="accuracy"),
    ),
    _ability(
        name="worst_group_tpr",
        title="True positive rate of the worst group",
        by_group=True,
        source="Lowest true positive rate of any group, label by label",
        of_table=_table("overall", "worst_group", rate="tpr"),
    ),
    _ability(
        name="answer_rate",
        title="Answer rate",
        by_group=False,
        source="Rows with a prediction over all rows",
        of_table=_table("overall", "share", rate="answered"),
    ),
)
