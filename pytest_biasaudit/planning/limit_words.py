"""A limit as one line, for `check` and `plan`."""

from __future__ import annotations

from pytest_biasaudit.context.declaration import Audit, Limit


def limit_in_words(limit: Limit, audit: Audit) -> str:
    """One limit: "smd by race at most 0.2 sd either way; rule upper, level 95 %, policy"."""
    from pytest_biasaudit.report.wording import bound_text, unit_of

    about = f', label "{limit.label}"' if limit.label is not None else ""
    by = f" by {' and '.join(limit.attributes)}" if limit.attributes else ""
    text = f"{limit.metric}{by}{about}: {bound_text(limit, unit_of(limit.metric, audit.unit, audit.kind), audit.kind)}"
    return f"{text}; rule {limit.rule}, level {limit.level:.4g}" + (f", {limit.basis}" if limit.basis else "")
