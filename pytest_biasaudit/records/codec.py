r"""Typed records as plain, JSON-ready values. Imports the types of earlier stages and nothing heavy.

What leaves here holds only str, int, float, bool, None, list and dict, so it survives JSON and xdist's channel. The way
back is in `decode`. Two rules for what JSON cannot say:

- No NaN and no infinity. An outcome whose value is not finite becomes an `error`; an estimate's becomes null with the
  reason; an interval's end becomes null, which reads "open on that side" as long as the interval has a method.
- No lone surrogates (models that emit bytes make them): each is written out as a visible escape such as "\udc80".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, time
from pathlib import Path

from pytest_biasaudit.context.declaration import (
    Audit,
    BenchmarkAudit,
    Context,
    CounterfactualAudit,
    Limit,
    OutcomeSpec,
    People,
    Setting,
    TableSpec,
    TabularAudit,
)
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.metric import Estimate
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.records.declared_table import table_audit_to_plain
from pytest_biasaudit.records.estimates import estimate_to_plain
from pytest_biasaudit.records.plain_values import Plain, finite, floats, text, text_or_none
from pytest_biasaudit.records.quotes import quoted
from pytest_biasaudit.records.record import AuditRecord, Rerun
from pytest_biasaudit.records.tally import tally_to_plain
from pytest_biasaudit.verdict.verdict import Judgement, Verdict


def audit_to_plain(record: AuditRecord) -> Plain:
    """One audit of one model, as the evidence holds it.

    Prompts stand once each in `prompts`, by the digest their outcomes name; of a benchmark only those
    that are quoted. Estimates that only a judgement holds are
    added to `estimates`; verdicts name theirs by position.

    Raises EvidenceError when a verdict is `within` without a finite estimate: that would be a pass by accident.
    """
    estimates = list(record.estimates)
    known = {id(estimate): at for at, estimate in reversed(list(enumerate(estimates)))}
    verdicts = [_verdict_to_plain(judgement, estimates, known) for judgement in record.judgements]
    prompts: dict[str, object] = {}
    shown = quoted(record)
    for outcome in record.outcomes:
        asked = outcome.prompt
        if asked.id not in shown:
            continue
        prompts.setdefault(
            outcome.prompt_sha256,
            {"system": text_or_none(asked.system), "text": text(asked.text), "prefill": text(asked.prefill)},
        )
    return {
        "context": text(record.context.id),
        "context_sha256": record.context.sha256,
        "audit": text(record.audit.id),
        "model": text(record.model.name),
        "model_digest": record.model.digest,
        "kind": str(record.audit.kind),
        "prompt_format": text(record.prompt_format),
        "seed": int(record.seed),
        "batch_size": int(record.batch_size),
        "seconds": finite(record.seconds) or 0.0,
        "asked": int(record.asked),
        "recalled": int(record.recalled),
        "prompts": prompts,
        "outcomes": [_outcome_to_plain(outcome, shown) for outcome in record.outcomes],
        "controls": [_outcome_to_plain(outcome, frozenset()) for outcome in record.controls],
        "facts": {text(name): text(words) for name, words in record.facts},
        "data": None if record.data is None else {name: text(value) for name, value in asdict(record.data).items()},
        "obstacle": text(record.obstacle),
        "tally": None if record.tally is None else tally_to_plain(record.tally),
        "tallies": {text(versus): tally_to_plain(tally) for versus, tally in record.tallies},
        "reruns": [_rerun_to_plain(rerun) for rerun in record.reruns],
        "estimates": [estimate_to_plain(estimate) for estimate in estimates],
        "verdicts": verdicts,
    }


def context_to_plain(context: Context) -> Plain:
    """A context: its elements, its audits as understood (`audits`), what was written (`declared`), a digest."""
    return {
        "id": text(context.id),
        "title": text(context.title),
        "process": text(context.process),
        "use": text(context.use),
        "affected": [text(one) for one in context.affected],
        "harms": [text(one) for one in context.harms],
        "oversight": text(context.oversight),
        "response": text(context.response),
        "owner": text(context.owner),
        "jurisdictions": [text(one) for one in context.jurisdictions],
        "language": text(context.language),
        "file": text(_shown(context.path)),
        "sha256": context.sha256,
        "audits": [_declared_audit_to_plain(audit) for audit in context.audits],
        "declared": plain(context.declared, where=f"context {context.id!r}"),
    }


def model_to_plain(model: ModelIdentity) -> Plain:
    """A model's identity, with the digest over all that decides its answers."""
    where = f"model {model.name!r}"
    achieved = {key: value for key, value in model.achieved.items() if key != "components"}
    components = plain(model.achieved.get("components", []), where=f"{where}, components")
    return {
        "name": text(model.name),
        "source": text(model.source),
        "revision": text_or_none(model.revision),
        "weights_sha256": model.weights_sha256,
        "tokenizer_sha256": model.tokenizer_sha256,
        "chat_template_sha256": model.chat_template_sha256,
        "config_sha256": model.config_sha256,
        "dtype": text(model.dtype),
        "architecture": text(model.architecture),
        "parameters": int(model.parameters),
        "parent": text_or_none(model.parent),
        "parent_digest": model.parent_digest,
        "recipe": [plain(step, where=f"{where}, recipe") for step in model.recipe],
        "recipe_sha256": model.recipe_sha256,
        "achieved": plain(achieved, where=f"{where}, achieved"),
        "components": components,
        "libraries": {text(name): text(version) for name, version in model.libraries},
        "lacks": text(model.lacks),
        "cacheable": bool(model.cacheable),
        "point": None if model.point is None else _point_to_plain(model.point),
        "digest": model.digest,
    }


def _point_to_plain(point: SweepPoint) -> Plain:
    return {
        "model": text(point.model),
        "revision": text_or_none(point.revision),
        "recipe": text(point.recipe),
        "place": int(point.place),
    }


def plain(value: object, *, where: str) -> object:
    """Any value of settings or measurements as JSON has it: tuples become lists, dates ISO text, NaN and infinity null.

    Numpy scalars and zero-dimensional tensors are taken by their `item()`. Raises EvidenceError for anything else,
    naming `where`: an evidence file must not hold the repr of an object.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {text(str(key)): plain(one, where=f"{where}/{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, where=f"{where}/{at}") for at, one in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(one, where=where) for one in value), key=repr)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Path):
        return text(_shown(value))
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return plain(item(), where=where)
    raise EvidenceError(
        f"{where}: a {type(value).__name__} cannot be kept as evidence; "
        "give text, numbers, true or false, lists and tables only"
    )


def _outcome_to_plain(outcome: Outcome, shown: frozenset[str]) -> Plain:
    """`shown`: ids of the prompts that are quoted. Of others an answer is kept where it is a word: a role, a group."""
    prompt, reading = outcome.prompt, outcome.reading
    status, value, reason = str(reading.status), reading.value, reading.reason
    if status == "ok" and (value is None or not math.isfinite(value)):
        status, reason = "error", f"the value was {value}, which is no number to count with"
    return {
        "id": text(prompt.id),
        "template": text(prompt.template),
        "slots": {text(name): text(filling) for name, filling in prompt.slots},
        "person": text(prompt.person.name),
        "person_id": text(prompt.person_id),
        "groups": {text(attribute): text(group) for attribute, group in prompt.person.groups},
        "repeat": int(outcome.repeat),
        "prompt_sha256": outcome.prompt_sha256,
        "text": text(outcome.text) if prompt.id in shown or len(outcome.text.split()) < 2 else "",
        "value": finite(value) if status == "ok" else None,
        "status": status,
        "selected": None if reading.selected is None or status != "ok" else bool(reading.selected),
        "reason": text(reason),
        "options": [[text(option), finite(share)] for option, share in outcome.options],
        "option_mass": finite(outcome.option_mass),
        "scores": {text(role): float(score) for role, score in outcome.scores if math.isfinite(score)},
    }


def _rerun_to_plain(rerun: Rerun) -> Plain:
    """Its prompts are not quoted: they are those of the first asking."""
    return {
        "versus": text(rerun.versus),
        "model": text(rerun.model),
        "digest": rerun.digest,
        "batch_size": int(rerun.batch_size),
        "changed": [_outcome_to_plain(outcome, frozenset()) for outcome in rerun.changed],
        "controls_changed": [_outcome_to_plain(outcome, frozenset()) for outcome in rerun.controls_changed],
    }


def _verdict_to_plain(judgement: Judgement, estimates: list[Estimate], known: dict[int, int]) -> Plain:
    """One verdict; appends to `estimates` those it was held against that are not there yet.

    known  positions by identity: a table with many labels and groups has estimates by the thousand, and to compare each
           verdict's with all of them takes minutes
    """

    def position(estimate: Estimate) -> int:
        if id(estimate) in known:
            return known[id(estimate)]
        at = next((at for at, one in enumerate(estimates) if one == estimate), len(estimates))
        if at == len(estimates):
            estimates.append(estimate)
        if estimates[at] is estimate:
            known[id(estimate)] = at
        return at

    limit = judgement.limit
    if judgement.verdict is Verdict.WITHIN:
        _refuse_empty_pass(judgement)
    return {
        "limit": text(limit.id),
        "verdict": str(judgement.verdict.value),
        "message": text(judgement.message),
        **{key: value for key, value in limit_to_plain(limit).items() if key != "id"},
        "estimate": None if judgement.estimate is None else position(judgement.estimate),
        "compared": [position(estimate) for estimate in judgement.compared],
        "p": finite(judgement.p),
        "p_adjusted": finite(judgement.p_adjusted),
    }


def _refuse_empty_pass(judgement: Judgement) -> None:
    held = judgement.compared or ((judgement.estimate,) if judgement.estimate else ())
    sound = [one for one in held if finite(one.value) is not None and (one.interval or judgement.limit.rule == "point")]
    if judgement.estimate is None or len(sound) < len(held):
        raise EvidenceError(
            f"limit {judgement.limit.id!r} was judged `within` without a finite estimate and interval for each of its "
            "comparisons; that is never a pass (this is a fault in the judging code, not in the context)"
        )


def limit_to_plain(limit: Limit) -> Plain:
    """A limit with every key, null where not set."""
    return {
        "id": text(limit.id),
        "metric": text(limit.metric),
        "attribute": text(limit.attribute),
        "max": finite(limit.max),
        "min": finite(limit.min),
        "versus": text_or_none(limit.versus),
        "of": text_or_none(limit.of),
        "max_increase": finite(limit.max_increase),
        "min_recovery": finite(limit.min_recovery),
        "rule": str(limit.rule),
        "level": float(limit.level),
        "basis": None if limit.basis is None else str(limit.basis),
        "reason": text(limit.reason),
        "accept_one_template": bool(limit.accept_one_template),
        "label": text_or_none(limit.label),
    }


def _declared_audit_to_plain(audit: Audit) -> Plain:
    if isinstance(audit, BenchmarkAudit):
        return {
            "id": text(audit.id),
            "kind": audit.kind,
            "data": text_or_none(audit.data),
            "sha256": audit.sha256,
            "settings": {name: _setting_to_plain(value) for name, value in audit.settings},
            "limits": [limit_to_plain(limit) for limit in audit.limits],
        }
    if isinstance(audit, TabularAudit):
        return {**table_audit_to_plain(audit), "limits": [limit_to_plain(limit) for limit in audit.limits]}
    assert isinstance(audit, CounterfactualAudit)
    return {
        "id": text(audit.id),
        "kind": str(audit.kind),
        "prompts": [text(wording) for wording in audit.wordings],
        "system": text_or_none(audit.system),
        "prefill": text(audit.prefill),
        "slots": {text(slot): [text(filling) for filling in fillings] for slot, fillings in audit.slots},
        "table": None if audit.table is None else _table_to_plain(audit.table),
        "people": _people_to_plain(audit.people),
        "outcome": _spec_to_plain(audit.outcome),
        "limits": [limit_to_plain(limit) for limit in audit.limits],
    }


def _setting_to_plain(value: Setting) -> object:
    """A list of texts as a list, named lists as a table, everything else as it is."""
    if not isinstance(value, tuple):
        return text(value) if isinstance(value, str) else value
    if value and isinstance(value[0], tuple):
        return {text(str(name)): [text(one) for one in texts] for name, texts in value}
    return [text(str(one)) for one in value]


def _table_to_plain(table: TableSpec) -> Plain:
    return {
        "file": text(table.file),
        "sha256": table.sha256,
        "templates": [text(one) for one in table.templates],
        "scenarios": [text(one) for one in table.scenarios],
        "variations": [text(one) for one in table.variations],
        "levels": [text(one) for one in table.levels],
    }


def _people_to_plain(people: People) -> Plain:
    return {
        "attributes": [text(attribute) for attribute in people.attributes],
        "source": text(people.source),
        "groups": [[text(group) for group in groups] for groups in people.groups],
        "per_group": int(people.per_group),
    }


def _spec_to_plain(spec: OutcomeSpec) -> Plain:
    return {
        "kind": str(spec.kind),
        "unit": text(spec.unit),
        "favourable": str(spec.favourable),
        "plausible": floats(spec.plausible),
        "repeats": int(spec.repeats),
        "temperature": float(spec.temperature),
        "max_new_tokens": int(spec.max_new_tokens),
        "options": [text(option) for option in spec.options],
        "favourable_option": text_or_none(spec.favourable_option),
        "scale": floats(spec.scale),
        "scorer": text_or_none(spec.scorer),
    }


def _shown(path: Path) -> str:
    """A path as others may read it: below the working directory, else its last part; never somebody's home."""
    if not path.is_absolute():
        return path.as_posix()
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return path.name
