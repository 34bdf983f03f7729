"""What a labelled table is, and how it was counted, as pairs of a name and a text. Records in, no markup out."""

from __future__ import annotations

from pytest_biasaudit.context.declaration import ClassifierAudit, CorpusAudit, TabularAudit
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.visible import shortened
from pytest_biasaudit.tables.tally import Attribute, Tally

MOST_LABELS = 40
MOST_TERMS = 12
MOST_LINES = 8
"""Groups up to which each has a line of its own."""
LONGEST = 120
Facts = list[tuple[str, str]]


def table_facts(record: AuditRecord) -> Facts:
    """Which data, how many rows, who is in them, who is not compared and why, and how few rows are too few."""
    audit, tally = record.audit, record.tally
    assert isinstance(audit, TabularAudit)
    made: Facts = [("Data", _data(record))]
    if record.data is not None:
        made.append(("Data, sha256", record.data.sha256))
    if tally is not None:
        made.append(("Rows", _rows(tally, audit)))
        made.extend((f"Groups by {one.name}", _groups(tally, one)) for one in tally.attributes)
        made.append(("Labels", _labels(tally)))
    made.append(("Columns", _columns(audit)))
    made.extend((f"Terms for {name}", _terms(groups)) for name, groups in audit.terms)
    made.append(("Too few to compare", _minimum(audit)))
    if isinstance(audit, ClassifierAudit):
        made.append(("Predictions", _predictions(audit, tally)))
    if isinstance(audit, CorpusAudit) and audit.words:
        made.append((f"Words near terms, within {audit.window} words", _terms(audit.words)))
    if isinstance(audit, CorpusAudit) and audit.before is not None:
        made.append(("Compared with", f"{audit.before}, an earlier version of the data"))
    made += [(name, words) for name, words in record.facts]
    if record.obstacle:
        made.append(("Not counted", record.obstacle))
    if audit.asks_model:
        work = f"{record.asked:,} texts put to the model, {record.recalled:,} from the journal, {record.seconds:,.1f} s"
        made.append(("Work", work))
    return made


def of_nobody(tally: Tally, attribute: Attribute) -> int:
    """Rows whose group is not known, or that hold no group's term."""
    inside = tally.members[tally.attributes.index(attribute)]
    return int(tally.count[~inside.any(axis=1)].sum())


def rows_of(tally: Tally, attribute: Attribute) -> list[tuple[str, int, str]]:
    """Each group with its rows, and the owner's reason where it is left out."""
    inside = tally.members[tally.attributes.index(attribute)]
    out = dict(attribute.left_out)
    return [
        (group, int(tally.count[inside[:, at]].sum()), out.get(group, "")) for at, group in enumerate(attribute.groups)
    ]


def _data(record: AuditRecord) -> str:
    audit = record.audit
    assert isinstance(audit, TabularAudit)
    pinned = (
        "the declared digest" if audit.sha256 else "no digest is declared: another file of that name would be taken"
    )
    return f"{audit.data} ({pinned})"


def _rows(tally: Tally, audit: TabularAudit) -> str:
    text = f"{tally.rows:,}"
    if tally.prediction is not None:
        silent = int(tally.count[tally.prediction < 0].sum())
        text += f"; {silent:,} without a prediction" if silent else ""
    untold = int(tally.count[tally.truth < 0].sum())
    text += f"; {untold:,} without a label" if untold else ""
    if tally.prediction is None:
        text += f"; {tally.blank:,} without text or label" if tally.blank else "; none without text or label"
    if tally.cluster is not None:
        text += f"; in {len(set(tally.cluster.tolist())):,} clusters of column {audit.columns.cluster}"
    return text


def _groups(tally: Tally, attribute: Attribute) -> str:
    told, left = [], []
    for at, (group, rows, reason) in enumerate(rows_of(tally, attribute)):
        mark = " (reference)" if at == 0 else ""
        told.append(f"{shortened(group, LONGEST)}{mark}: {rows:,}")
        if reason:
            left.append(f"{shortened(group, LONGEST)} is compared with nobody: {shortened(reason, LONGEST)}")
    if len(told) > MOST_LINES:
        more = f", and {len(told) - MOST_LABELS} more groups" if len(told) > MOST_LABELS else ""
        lines = [f"{len(told)}: {', '.join(told[:MOST_LABELS])}{more}"]
    else:
        lines = told
    lines += left[:MOST_LABELS]
    nobody = of_nobody(tally, attribute)
    why = "hold no group's term" if attribute.overlapping else "are of no known group"
    lines.append(f"{nobody:,} rows {why}, and are in no comparison")
    if attribute.overlapping:
        lines.append("A row may be of several groups: the numbers need not add up.")
    return "\n".join(lines)


def _labels(tally: Tally) -> str:
    shown = [shortened(label, LONGEST) for label in tally.labels[:MOST_LABELS]]
    more = [f"and {len(tally.labels) - MOST_LABELS} more"] * (len(tally.labels) > MOST_LABELS)
    text = f"{len(tally.labels)}: {', '.join([*shown, *more])}"
    if tally.positive is None:
        return f"{text}\nEach label stands against all others."
    return f"{text}\nOf interest: {shortened(tally.positive, LONGEST)}"


def _columns(audit: TabularAudit) -> str:
    columns = audit.columns
    named = {
        "label": columns.label,
        "prediction": columns.prediction,
        "score": columns.score,
        "text": columns.text,
        "id": columns.id,
        "cluster": columns.cluster,
        **dict(columns.groups),
    }
    return "\n".join(f"{what}: {column}" for what, column in named.items() if column is not None)


def _terms(groups: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    lines = []
    for group, terms in groups[:MOST_LINES]:
        more = f", and {len(terms) - MOST_TERMS} more" if len(terms) > MOST_TERMS else ""
        lines.append(f"{shortened(group, LONGEST)}: {shortened(', '.join(terms[:MOST_TERMS]), 2 * LONGEST)}{more}")
    lines += [f"and {len(groups) - MOST_LINES} more groups"] * (len(groups) > MOST_LINES)
    return "\n".join(lines)


def _minimum(audit: TabularAudit) -> str:
    units = "clusters" if audit.columns.cluster else "rows"
    return f"a rate over fewer than {audit.minimum} {units} is not measured, and never a pass"


def _predictions(audit: ClassifierAudit, tally: Tally | None) -> str:
    if audit.asks_model:
        text = f"by the model, from column {audit.columns.text}"
    elif audit.columns.prediction is not None:
        text = f"read from column {audit.columns.prediction}"
    else:
        text = f"from column {audit.columns.score}"
    if audit.threshold is not None:
        where = _equal_errors(tally) if audit.threshold == "equal-error" else f"{audit.threshold:g}"
        text += f"; {audit.columns.positive or 'positive'} from {where} on"
    return text or wording.NONE


def _equal_errors(tally: Tally | None) -> str:
    """The threshold that was found, from the same rows as then."""
    text = (
        "the score at which as many rows are wrongly positive as wrongly negative, as nearly as one of 101 steps gets"
    )
    if tally is None or tally.score is None or tally.positive is None:
        return text
    from pytest_biasaudit.tables.threshold import at_equal_errors

    found = at_equal_errors(tally.score, tally.truth, tally.count, at=tally.labels.index(tally.positive))
    return f"{text} (none: it takes scored rows of both kinds)" if found is None else f"{found:.6g}, {text}"
