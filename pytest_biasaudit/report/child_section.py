"""The report's section on children beside their parents: rows of `parent_child` with their pictures, for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report.canvas import Picture
from pytest_biasaudit.report.child_charts import changes_pictures, loss_picture
from pytest_biasaudit.report.paired_changes import AuditChange
from pytest_biasaudit.report.parent_child import ParentChild, parents_and_children

WAY = (
    "Each figure of the parent (hollow square, above) and of the child (dot, below), with its interval; the dotted line is the "
    "ideal. Both intervals are each model's own: whether the change is real is what the change's own interval says."
)
LOSS = "The loss while the student learned, step by step. It says how well it imitates its teacher on the training text, no more."

DRAWN = 12
"""Children that have pictures; a sweep makes many, and its own section draws them together."""

UNDRAWN = f"No pictures here: they are drawn for the first {DRAWN} children of a run."

Drawn = list[tuple[dict[str, object], str]]


def child_pairs(
    models: Sequence[ModelIdentity], records: Sequence[AuditRecord], anchors: Sequence[str]
) -> list[Mapping[str, Any]]:
    """What the template needs of each child whose parent is there too; nothing for a run without one."""
    pairs = parents_and_children(models, records, anchors)
    return [_pair(pair, number) for number, pair in enumerate(pairs, start=1)]


def _pair(pair: ParentChild, number: int) -> Mapping[str, Any]:
    drawn = number <= DRAWN
    losses = [
        (loss_picture(curve, child=pair.child.name, ids=f"c{number}l{at}"), LOSS)
        for at, curve in enumerate(pair.curves if drawn else ())
    ]
    plain = {one.name: getattr(pair, one.name) for one in fields(pair)}
    audits = [_audit(pair, audit, f"c{number}a{at}", drawn=drawn) for at, audit in enumerate(pair.audits)]
    return {**plain, "pictures": _drawn(losses), "audits": audits, "undrawn": "" if drawn else UNDRAWN}


def _audit(pair: ParentChild, audit: AuditChange, ids: str, *, drawn: bool) -> Mapping[str, Any]:
    pictures = changes_pictures(
        audit.figures if drawn else (), audit=audit.audit, parent=pair.parent.name, child=pair.child.name, ids=ids
    )
    plain = {one.name: getattr(audit, one.name) for one in fields(audit)}
    cells = [(one.group, one.figure, one.change, one.interval, f"{one.n:,}", one.note) for one in audit.moved]
    # What holds for both halves is said under the last.
    captions = ["" for _ in pictures[:-1]] + [WAY for _ in pictures[-1:]]
    return {**plain, "moved_cells": cells, "pictures": _drawn(list(zip(pictures, captions, strict=True)))}


def _drawn(pictures: Sequence[tuple[Picture, str]]) -> Drawn:
    from markupsafe import Markup

    # Our own drawing; `inline_svg` escaped the labels in it.
    return [({"svg": Markup(picture.svg)}, caption) for picture, caption in pictures]
