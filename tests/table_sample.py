"""A run over labelled tables for the tests of records and report: predictions of three labels, scored answers of yes and no,
a corpus with terms, words and an earlier version; labels by the dozen where a test asks for them.

Tallies are those of `tests/hand_tally.py`, or drawn by a seeded generator; figures and verdicts are what the package makes of
them. No test expects a figure from here.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pytest_biasaudit.context.declaration import Columns, Context, Limit, TabularAudit
from pytest_biasaudit.metrics.measure import estimates_of
from pytest_biasaudit.metrics.registry import METRICS, for_kind
from pytest_biasaudit.metrics.tables.measure import measure_table
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.records.codec import audit_to_plain
from pytest_biasaudit.records.evidence import Evidence, assemble, evidence_from_plain
from pytest_biasaudit.records.plain_values import Plain
from pytest_biasaudit.records.provenance import Environment, RunInfo
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.tables.itself import table_itself
from pytest_biasaudit.tables.tally import Attribute, Tally
from pytest_biasaudit.verdict.finding import Where
from pytest_biasaudit.verdict.judge import judge_limits
from tests.hand_tally import (
    binary_audit,
    binary_tally,
    classifier_audit,
    classifier_tally,
    corpus_audit,
    corpus_tally,
    table_context,
    table_limit,
)


@dataclass(frozen=True)
class Counted:
    """What came of another version of the data."""

    tally: Tally | None
    obstacle: str = ""


def record_of(
    context: Context,
    audit: TabularAudit,
    tally: Tally | None,
    *,
    others: dict[str, Tally] | None = None,
    model: ModelIdentity | None = None,
    obstacle: str = "",
) -> AuditRecord:
    """One audit, measured and judged as a run would."""
    own = model or table_itself(audit.data, "d" * 64).identity
    metrics = for_kind(METRICS, audit.kind)
    came = {name: Counted(other) for name, other in (others or {}).items()}
    estimates = measure_table(audit, Counted(tally, obstacle), metrics=metrics, seed=0, others=came)
    held = [(limit, estimates_of(limit, estimates)) for limit in audit.limits]
    where = Where.of(context, audit, model=own.name, seed=0)
    return AuditRecord(
        context=context,
        audit=audit,
        model=own,
        prompt_format="raw",
        seed=0,
        batch_size=1,
        outcomes=(),
        estimates=estimates,
        judgements=judge_limits(held, metrics=metrics, where=where),
        data=DataFacts(title=audit.data, source=audit.data, url="", licence="", sha256="d" * 64),
        obstacle=obstacle,
        tally=tally,
        tallies=tuple((others or {}).items()),
    )


def records() -> list[AuditRecord]:
    """Three audits of one context."""
    screening = classifier_audit(
        table_limit("tpr_gap", "sex", max=0.1, basis="policy", reason="Agreed with the people team."),
        table_limit("accuracy_gap", "sex", max=0.5),
    )
    hiring = binary_audit(
        table_limit("impact_ratio", "sex", min=0.8, basis="guideline", reason="Four fifths."),
        table_limit("fpr_gap", "sex", max=0.3, label="yes"),
    )
    data = corpus_audit(
        table_limit("prevalence_gap", "gender", max=0.05),
        table_limit("pmi", "gender", max=1.5),
        table_limit("missing_share", max=0.1),
        table_limit("prevalence_gap", "gender", versus="before", max_increase=0.1, id="no-worse-than-before"),
    )
    context = table_context(screening, hiring, data)
    old = corpus_tally()
    earlier = replace(old, count=np.array([50, 40, 10, 40, 40, 20, 5, 5, 40, 40, 20, 2]))
    return [
        record_of(context, screening, classifier_tally()),
        record_of(context, hiring, binary_tally()),
        record_of(context, data, old, others={"before": earlier}),
    ]


def many(labels: int = 28, groups: int = 2, *, rows: int = 15_000, seed: int = 0) -> Tally:
    """A classifier of many labels, wrong more often about some groups; drawn, and counted cell by cell."""
    draw = random.Random(seed)
    names = tuple(f"group {at}" for at in range(groups))
    cells: dict[tuple[int, int, int], int] = {}
    for _ in range(rows):
        group, truth = draw.randrange(groups), draw.randrange(labels)
        right = draw.random() < 0.75 - 0.04 * ((group * 7 + truth * 3) % 9)
        said = truth if right else draw.randrange(labels)
        cells[group, truth, said] = cells.get((group, truth, said), 0) + 1
    keys = sorted(cells)
    inside = np.zeros((len(keys), groups), dtype=bool)
    inside[range(len(keys)), [group for group, _, _ in keys]] = True
    return Tally(
        attributes=(Attribute(name="who", groups=names),),
        labels=tuple(f"occupation {at}" for at in range(labels)),
        positive=None,
        members=(inside,),
        truth=np.array([truth for _, truth, _ in keys]),
        prediction=np.array([said for *_, said in keys]),
        count=np.array([cells[key] for key in keys]),
    )


def terms(count: int = 50, *, rows: int = 2_000, seed: int = 0) -> Tally:
    """Comments with scores, told apart by fifty terms, some of which a classifier takes for toxic."""
    draw = random.Random(seed)
    members = np.zeros((rows, count), dtype=bool)
    truth, score = np.zeros(rows, dtype=np.int64), np.zeros(rows)
    for row in range(rows):
        for term in draw.sample(range(count), k=draw.choice((0, 1, 1, 2))):
            members[row, term] = True
        truth[row] = draw.random() < 0.4
        lean = 0.25 * members[row, :5].any()
        score[row] = round(min(1.0, max(0.0, draw.gauss(0.65 if truth[row] else 0.35, 0.15) + lean)), 3)
    return Tally(
        attributes=(Attribute(name="term", groups=tuple(f"term {at}" for at in range(count)), overlapping=True),),
        labels=("fine", "toxic"),
        positive="toxic",
        members=(members,),
        truth=truth,
        prediction=(score >= 0.5).astype(np.int64),
        count=np.ones(rows, dtype=np.int64),
        score=score,
    )


def large_records() -> list[AuditRecord]:
    """As many labels and as many terms as a page must bear."""
    occupations = classifier_audit(
        table_limit("tpr_gap", "who", max=0.1),
        id="occupations",
        columns=Columns(label="field", prediction="predicted", groups=(("who", "who"),)),
    )
    comments = classifier_audit(
        table_limit("subgroup_auc", "term", min=0.8),
        id="comments",
        columns=Columns(label="toxic", prediction="said", score="score", text="comment", positive="toxic"),
        terms=(("term", tuple((f"term {at}", (f"word{at}",)) for at in range(50))),),
    )
    context = replace(table_context(occupations, comments), id="large", sha256="9" * 64)
    return [record_of(context, occupations, many()), record_of(context, comments, terms())]


def renamed(made: Sequence[AuditRecord], text: str) -> list[AuditRecord]:
    """The same runs with every label, group and name of a list of words ending in a foreign text, measured again."""

    def tally_of(tally: Tally | None) -> Tally | None:
        if tally is None:
            return None
        return replace(
            tally,
            attributes=tuple(
                replace(
                    one,
                    groups=tuple(f"{group} {text}" for group in one.groups),
                    left_out=((f"{one.groups[-1]} {text}", text),) if len(one.groups) > 2 else (),
                )
                for one in tally.attributes
            ),
            labels=tuple(f"{label} {text}" for label in tally.labels),
            positive=None if tally.positive is None else f"{tally.positive} {text}",
            near=tuple(replace(one, group=f"{one.group} {text}", words=f"{one.words} {text}") for one in tally.near),
        )

    again: list[AuditRecord] = []
    for record in made:
        assert isinstance(record.audit, TabularAudit)
        limits: tuple[Limit, ...] = tuple(
            replace(limit, label=None if limit.label is None else f"{limit.label} {text}")
            for limit in record.audit.limits
        )
        audit = replace(record.audit, limits=limits, data=f"{text}.csv")
        others = {name: tally_of(other) for name, other in record.tallies}
        context = replace(
            record.context,
            audits=(audit,),
            sha256=hashlib.sha256(f"{len(again)} {text}".encode("utf-8", "backslashreplace")).hexdigest(),
        )
        again.append(
            record_of(context, audit, tally_of(record.tally), others={n: o for n, o in others.items() if o is not None})
        )
    return again


def run_info() -> RunInfo:
    """A run on a machine that does not exist."""
    return RunInfo(
        seed=0,
        command="pytest contexts --biasaudit-html report.html",
        created="2026-11-22T12:00:00Z",
        tool_version="0.1.0",
        environment=Environment(
            python="CPython 3.11.2",
            platform="Linux-6.1-x86_64",
            machine="x86_64",
            cpu_count=2,
            packages=(("numpy", "2.3.0"),),
        ),
        git=None,
    )


def plain(made: Sequence[AuditRecord] | None = None) -> Plain:
    """As evidence."""
    these = records() if made is None else made
    contexts: Any = list({(one.context.id, one.context.sha256): one.context for one in these}.values())
    models: Any = list({(one.model.name, one.model.digest): one.model for one in these}.values())
    return assemble([audit_to_plain(one) for one in these], contexts, models, run=run_info())


def evidence(made: Sequence[AuditRecord] | None = None) -> Evidence:
    """The same, read back in types."""
    return evidence_from_plain(plain(made))
