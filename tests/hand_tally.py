"""Tables counted by hand, for the tests of records, words and report: two groups and three labels, small enough to check by
eye. No figure here comes from the software.

    classifier: a b c are the labels, rows of men and women, one woman of unknown truth, one row without a prediction
    binary:     yes and no with a score
    corpus:     labels a b c; groups told by terms may overlap
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_biasaudit.context.declaration import ClassifierAudit, Columns, Context, CorpusAudit, Limit
from pytest_biasaudit.tables.tally import Attribute, NearWords, Tally

SEX = Attribute(name="sex", groups=("men", "women"))
TERMS = Attribute(name="gender", groups=("men", "women"), overlapping=True)
LABELS = ("a", "b", "c")

CELLS = (
    # sex, truth, prediction, rows
    ("men", "a", "a", 40), ("men", "a", "b", 10), ("men", "b", "b", 30), ("men", "b", "c", 10),
    ("men", "c", "c", 18), ("men", "c", "a", 2), ("women", "a", "a", 20), ("women", "a", "b", 20),
    ("women", "b", "b", 45), ("women", "b", "a", 5), ("women", "c", "c", 12), ("women", "c", "b", 6),
    ("women", None, "a", 1), ("women", "c", None, 2), (None, "a", "a", 3),
)  # fmt: skip
"""Men: 50 a, 40 b, 20 c; tpr of a 40/50, of b 30/40, of c 18/20. Women: 40 a, 50 b, 20 c, of which 2 without prediction;
tpr of a 20/40, of b 45/50, of c 12/18."""

MEMBER = {"men": (True, False), "women": (False, True), "both": (True, True), None: (False, False)}


def tally_of_cells(
    cells: Sequence[tuple[str | None, str | None, str | None, int]],
    *,
    attribute: Attribute = SEX,
    labels: Sequence[str] = LABELS,
    **more: Any,
) -> Tally:
    """A tally of (group, truth, prediction, rows)."""
    return Tally(
        attributes=(attribute,),
        labels=tuple(labels),
        positive=more.pop("positive", None),
        members=(np.array([MEMBER[who] for who, *_ in cells], dtype=bool).reshape(len(cells), 2),),
        truth=np.array([-1 if truth is None else labels.index(truth) for _, truth, _, _ in cells], dtype=np.int64),
        prediction=np.array([-1 if said is None else labels.index(said) for _, _, said, _ in cells], dtype=np.int64),
        count=np.array([count for *_, count in cells], dtype=np.int64),
        **more,
    )


def classifier_tally() -> Tally:
    """Three labels, each against the rest."""
    return tally_of_cells(CELLS)


def binary_tally() -> Tally:
    """Yes and no with a score; every row a cell of its own, as scores make them."""
    rows = [
        *[("men", "yes", 0.9), ("men", "yes", 0.8), ("men", "yes", 0.7), ("men", "yes", 0.4), ("men", "yes", 0.6)] * 4,
        *[("men", "no", 0.1), ("men", "no", 0.3), ("men", "no", 0.2), ("men", "no", 0.55), ("men", "no", 0.35)] * 4,
        *[("women", "yes", 0.8), ("women", "yes", 0.45), ("women", "yes", 0.3), ("women", "yes", 0.65)] * 5,
        *[("women", "no", 0.15), ("women", "no", 0.25), ("women", "no", 0.7), ("women", "no", 0.5)] * 5,
    ]
    cells = [(who, truth, "yes" if score >= 0.5 else "no", 1) for who, truth, score in rows]
    return tally_of_cells(
        cells,
        labels=("no", "yes"),
        positive="yes",
        score=np.array([score for *_, score in rows]),
    )


def corpus_tally() -> Tally:
    """What a classifier would learn from: terms of both groups in some texts, of neither in others."""
    cells: list[tuple[str | None, str | None, int]] = [
        ("men", "a", 60), ("men", "b", 30), ("men", "c", 10), ("women", "a", 20), ("women", "b", 60), ("women", "c", 20),
        ("both", "a", 5), ("both", "b", 5), (None, "a", 40), (None, "b", 40), (None, "c", 20), ("women", None, 2),
    ]  # fmt: skip
    counted = tally_of_cells([(who, truth, None, count) for who, truth, count in cells], attribute=TERMS)
    near = (
        NearWords(attribute="gender", group="men", words="praise", near=30, occurrences=150, rows=110, near_rows=25),
        NearWords(attribute="gender", group="women", words="praise", near=12, occurrences=140, rows=112, near_rows=10),
    )
    return Tally(
        attributes=counted.attributes,
        labels=counted.labels,
        positive=None,
        members=counted.members,
        truth=counted.truth,
        prediction=None,
        count=counted.count,
        near=near,
        blank=2,
    )


def classifier_audit(*limits: Limit, **more: Any) -> ClassifierAudit:
    """Predictions in a column."""
    settings: dict[str, Any] = {
        "id": "screening",
        "kind": "classifier",
        "limits": limits,
        "data": "held_out.csv",
        "sha256": None,
        "columns": Columns(label="field", prediction="predicted", groups=(("sex", "sex"),)),
        **more,
    }
    return ClassifierAudit(**settings)


def binary_audit(*limits: Limit, **more: Any) -> ClassifierAudit:
    """Predictions and a score."""
    columns = Columns(label="hired", prediction="predicted", score="score", positive="yes", groups=(("sex", "sex"),))
    return classifier_audit(*limits, **{"id": "hiring", "columns": columns, **more})


def corpus_audit(*limits: Limit, **more: Any) -> CorpusAudit:
    """Groups told by terms."""
    settings: dict[str, Any] = {
        "id": "training-data",
        "kind": "corpus",
        "limits": limits,
        "data": "train.csv",
        "sha256": "ab" * 32,
        "columns": Columns(text="cv", label="field"),
        "terms": (("gender", (("men", ("he", "him")), ("women", ("she", "her")))),),
        "leave_out": (),
        "words": (("praise", ("brilliant", "excellent")),),
        "window": 5,
        "before": "old.csv",
        **more,
    }
    return CorpusAudit(**settings)


def table_limit(metric: str, attribute: str = "", **settings: Any) -> Limit:
    """A limit named after its metric."""
    attributes = tuple(attribute.split("*")) if attribute else ()
    return Limit(**{"id": f"{attribute or 'all'}-{metric}", "metric": metric, "attributes": attributes, **settings})


def table_context(*audits: Any) -> Context:
    """A context of those audits."""
    return Context(
        id="cv-screening",
        title="Screening of applications",
        process="A classifier proposes a field of work.",
        use="Every application.",
        affected=("applicants",),
        harms=("women are put forward less",),
        oversight="A recruiter decides.",
        response="Switched off.",
        owner="people-team",
        jurisdictions=("EU",),
        language="en",
        audits=tuple(audits),
        path=Path("contexts/screening.bias.toml"),
        sha256="c" * 64,
        declared={"schema": 1},
    )
