"""What stands around two sets of answers and is not the same: files, digests, libraries, seeds, machines. Rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.achieved import achieved_rows
from pytest_biasaudit.report.lineage import setting_text, step_text


@dataclass(frozen=True, kw_only=True)
class FrameChange:
    """One fact that is not the same on both sides."""

    about: str
    """"run", "context second-hand-offers", "model base", "model base = int8", "offers [base]"."""
    name: str
    was: str
    now: str


def frame_changes(
    before: Evidence, after: Evidence, pairs: Sequence[tuple[AuditRecord, AuditRecord]]
) -> tuple[FrameChange, ...]:
    """What differs, in the order context, model, audit, run: from what decides answers to what seldom does."""
    found: dict[FrameChange, None] = {}
    for was, now in pairs:
        about = f"context {was.context.id}"
        found.update(dict.fromkeys(_differences(about, {"file": was.context.sha256}, {"file": now.context.sha256})))
    for was, now in pairs:
        about = f"model {_names(was, now)}"
        found.update(dict.fromkeys(_differences(about, model_facts(was.model), model_facts(now.model))))
    for was, now in pairs:
        about = f"{was.audit.id} [{_names(was, now)}]"
        found.update(dict.fromkeys(_differences(about, _audit_facts(was), _audit_facts(now))))
    found.update(dict.fromkeys(_differences("run", _run_facts(before), _run_facts(after))))
    return tuple(found)


def model_facts(model: ModelIdentity) -> dict[str, str]:
    """What tells one artefact from another, and what was measured of it."""
    facts = {
        "digest": model.digest,
        "source": model.source,
        "revision": model.revision or "",
        "weights": model.weights_sha256 or "",
        "tokenizer": model.tokenizer_sha256 or "",
        "chat template": model.chat_template_sha256 or "",
        "settings": model.config_sha256 or "",
        "number format": model.dtype,
        "architecture": model.architecture,
        "parameters": f"{model.parameters:,}",
        "parent": model.parent_digest or "",
        "recipe": "; ".join(step_text(step) for step in model.recipe),
    }
    facts.update((f"library {name}", version) for name, version in model.libraries)
    achieved: dict[str, list[str]] = {}
    for name, text in achieved_rows(model.achieved, text=setting_text):
        achieved.setdefault(f"achieved: {name}", []).append(text)
    facts.update((name, "; ".join(texts)) for name, texts in achieved.items())
    return facts


def _names(was: AuditRecord, now: AuditRecord) -> str:
    one, other = was.model.name, now.model.name
    return one if one == other else f"{one} = {other}"


def _audit_facts(record: AuditRecord) -> dict[str, str]:
    return {
        "seed": str(record.seed),
        "batch size": str(record.batch_size),
        "format": record.prompt_format,
        "data": record.data.sha256 if record.data else "",
        "could not be asked": record.obstacle,
        **dict(record.facts),
    }


def _run_facts(evidence: Evidence) -> dict[str, str]:
    run, machine = evidence.run, evidence.run.environment
    commit = "" if run.git is None else run.git.commit + (" with uncommitted changes" if run.git.dirty else "")
    return {
        "tool": f"{run.tool} {run.tool_version}",
        "seed": str(run.seed),
        "mode": "observe" if run.observe else "enforce",
        "inconclusive means": run.inconclusive,
        "commit": commit,
        "python": machine.python,
        "machine": f"{machine.platform}, {machine.machine}, {machine.cpu_count} cores",
        **{f"package {name}": version for name, version in machine.packages},
    }


def _differences(about: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[FrameChange]:
    for name in dict.fromkeys([*was, *now]):
        old, new = was.get(name, ""), now.get(name, "")
        if old != new:
            yield FrameChange(about=about, name=name, was=old or wording.NONE, now=new or wording.NONE)
