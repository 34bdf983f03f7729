"""Declared audits of labelled tables as plain, JSON-ready values, and back. See `codec` for the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_biasaudit.context.declaration import (
    ClassifierAudit,
    Columns,
    CorpusAudit,
    Limit,
    TabularAudit,
    TermGroups,
)
from pytest_biasaudit.records.plain_values import Plain, text, text_or_none

Fitted = Mapping[str, Any]
COLUMN_NAMES = ("label", "prediction", "text", "score", "positive", "id", "cluster")
CORPUS = "corpus"
TABULAR = ("classifier", CORPUS)


def table_audit_to_plain(audit: TabularAudit) -> Plain:
    """The declaration without its limits: which data, what its columns hold, how groups are told apart. Null, or empty, is
    what the other kind has.
    """
    columns = audit.columns
    corpus = audit if isinstance(audit, CorpusAudit) else None
    return {
        "id": text(audit.id),
        "kind": text(audit.kind),
        "data": text(audit.data),
        "sha256": audit.sha256,
        "columns": {
            **{name: text_or_none(getattr(columns, name)) for name in COLUMN_NAMES},
            "groups": {text(attribute): text(column) for attribute, column in columns.groups},
        },
        "terms": {text(attribute): _terms_to_plain(groups) for attribute, groups in audit.terms},
        "groups_order": {
            text(attribute): [text(group) for group in groups] for attribute, groups in audit.groups_order
        },
        "leave_out": {
            text(attribute): {text(group): text(reason) for group, reason in groups}
            for attribute, groups in audit.leave_out
        },
        "minimum": int(audit.minimum),
        "threshold": audit.threshold if isinstance(audit, ClassifierAudit) else None,
        "words": {} if corpus is None else _terms_to_plain(corpus.words),
        "window": None if corpus is None else int(corpus.window),
        "before": None if corpus is None else text_or_none(corpus.before),
        "before_sha256": None if corpus is None else corpus.before_sha256,
    }


def table_audit_from_plain(raw: Fitted, limits: tuple[Limit, ...]) -> TabularAudit:
    """The declaration back in types."""
    columns = raw["columns"]
    common: dict[str, Any] = {
        "id": raw["id"],
        "kind": raw["kind"],
        "limits": limits,
        "data": raw["data"],
        "sha256": raw["sha256"],
        "columns": Columns(
            **{name: columns[name] for name in COLUMN_NAMES},
            groups=tuple(columns["groups"].items()),
        ),
        "terms": tuple((attribute, _terms(groups)) for attribute, groups in raw["terms"].items()),
        "groups_order": tuple((attribute, tuple(groups)) for attribute, groups in raw["groups_order"].items()),
        "leave_out": tuple((attribute, tuple(groups.items())) for attribute, groups in raw["leave_out"].items()),
        "minimum": raw["minimum"],
    }
    if raw["kind"] == CORPUS:
        return CorpusAudit(
            **common,
            words=_terms(raw["words"]),
            window=raw["window"],
            before=raw["before"],
            before_sha256=raw["before_sha256"],
        )
    return ClassifierAudit(**common, threshold=raw["threshold"])


def _terms_to_plain(groups: TermGroups) -> Plain:
    return {text(group): [text(term) for term in terms] for group, terms in groups}


def _terms(raw: Fitted) -> TermGroups:
    return tuple((group, tuple(terms)) for group, terms in raw.items())
