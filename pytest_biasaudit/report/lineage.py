"""Models as rows: parents before children, what made each, and what that did. Records in, no markup out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.achieved import achieved_rows
from pytest_biasaudit.report.visible import shortened


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model with its descent."""

    name: str
    depth: int
    """0 for a model without a parent here."""
    parent: str | None
    facts: tuple[tuple[str, str], ...]
    recipe: tuple[str, ...]
    achieved: tuple[tuple[str, str], ...]
    digest: str


def model_rows(models: Sequence[ModelIdentity]) -> tuple[ModelRow, ...]:
    """Parents before their children, each child under its parent."""
    by_digest = {model.digest: model for model in models}
    children: dict[str | None, list[ModelIdentity]] = {}
    for model in models:
        known = model.parent_digest if model.parent_digest in by_digest else None
        children.setdefault(known, []).append(model)
    made: list[ModelRow] = []

    def add(model: ModelIdentity, depth: int) -> None:
        made.append(_model_row(model, depth))
        for child in children.get(model.digest, ()):
            add(child, depth + 1)

    for root in children.get(None, ()):
        add(root, 0)
    return tuple(made)


def in_reading_order(records: Sequence[AuditRecord], models: Sequence[ModelIdentity]) -> tuple[AuditRecord, ...]:
    """Context by context as they come, in each the audits as declared, for each audit parents before children."""
    contexts = {(record.context.id, record.context.sha256): None for record in records}
    place = {key: at for at, key in enumerate(contexts)}
    rank = {row.digest: at for at, row in enumerate(model_rows(models))}

    def key(record: AuditRecord) -> tuple[int, int, int]:
        declared = [audit.id for audit in record.context.audits]
        at = declared.index(record.audit.id) if record.audit.id in declared else len(declared)
        return (place[record.context.id, record.context.sha256], at, rank.get(record.model.digest, len(rank)))

    return tuple(sorted(records, key=key))


def setting_text(value: object) -> str:
    """A setting or a measurement as text: numbers grouped, lists and tables as JSON."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: wording.NONE}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return wording.number(value)
    return value if isinstance(value, str) else shortened(json.dumps(value, ensure_ascii=False), 400)


def step_text(step: Mapping[str, object]) -> str:
    """One step of a recipe: "quantize rtn, bits 8, group_size 32"."""
    return ", ".join(f"{key} {setting_text(value)}" for key, value in step.items())


def _model_row(model: ModelIdentity, depth: int) -> ModelRow:
    facts = [
        ("Source", model.source),
        ("Revision", model.revision or "none recorded"),
        ("Weights, sha256", model.weights_sha256 or "none recorded"),
        ("Tokenizer, sha256", model.tokenizer_sha256 or "none recorded"),
        ("Settings, sha256", model.config_sha256 or "none: a module of its own code"),
        ("Chat template, sha256", model.chat_template_sha256 or "no chat template"),
        ("Number format", model.dtype or "none recorded"),
        ("Architecture", model.architecture or "none recorded"),
        ("Parameters", f"{model.parameters:,}" if model.parameters else "none recorded"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in model.libraries) or "none recorded"),
    ]
    if model.parent is not None:
        facts.insert(0, ("Made from", f"{model.parent} (digest {(model.parent_digest or 'none recorded')[:16]})"))
    if not model.cacheable:
        facts.append(("Answers", "not pinned by any digest: this model is a function or a table, not an artefact"))
    return ModelRow(
        name=model.name,
        depth=depth,
        parent=model.parent,
        facts=tuple(facts),
        recipe=tuple(step_text(step) for step in model.recipe),
        achieved=achieved_rows(model.achieved, text=setting_text),
        digest=model.digest,
    )
