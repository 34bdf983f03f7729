"""The evidence file: put together from audits of one or many processes, checked against its schema, written, read back.

Imports jsonschema only where a file is checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pytest_biasaudit.context.declaration import Context
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.mitigation.generalising.result import Generalisation
from pytest_biasaudit.mitigation.study.result import StudyResult
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.records.codec import context_to_plain, model_to_plain
from pytest_biasaudit.records.decode import audit_from_plain, context_from_plain, model_from_plain
from pytest_biasaudit.records.older import completed
from pytest_biasaudit.records.plain_values import Plain
from pytest_biasaudit.records.provenance import Environment, Git, RunInfo
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.records.study import study_from_plain
from pytest_biasaudit.records.tally import shortened
from pytest_biasaudit.records.transfer import transfer_from_plain

SCHEMA = 1
STUDY = ("study", "model", "plan_sha256", "model_digest", "seed", "choices", "contexts")
"""What makes two reports of a study one. A plan's file may stay as it is while its contexts, or who is in them, change."""

LEVERS = (
    *("study", "model", "plan_sha256", "model_digest", "seeds", "upstream", "data", "train", "test", "training"),
    *("attribute", "reference", "groups", "gap", "level", "minimum"),
)
"""The same of a study of levers."""

SEVERITY = {"within": 0, "inconclusive": 1, "not_measured": 2, "over": 3}
"""Where two processes differ on one limit, the graver word stands."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One evidence file, read."""

    run: RunInfo
    contexts: tuple[Context, ...]
    models: tuple[ModelIdentity, ...]
    audits: tuple[AuditRecord, ...]
    sha256: str
    """Of the file's bytes."""
    transfer: tuple[Generalisation, ...] = ()
    """Studies of generalisation."""
    study: tuple[StudyResult, ...] = ()
    """Studies of levers on model and data."""
    schema: int = SCHEMA
    file: str = ""
    """The file's name; empty for evidence that was never written."""


def assemble(
    audits: Iterable[Mapping[str, object]],
    contexts: Iterable[Context | Mapping[str, object]],
    models: Iterable[ModelIdentity | Mapping[str, object]],
    *,
    run: RunInfo,
    transfer: Iterable[Mapping[str, object]] = (),
    study: Iterable[Mapping[str, object]] = (),
) -> Plain:
    """One run's evidence. Takes contexts and models typed or plain, each as often as processes report them.

    transfer  studies of generalisation
    study     studies of levers on model and data

    The order is that of context, audit, model and seed, whatever order they come in. An audit that several processes
    report stands once (see `_merged`), and so does a study of the same contexts, people and choices.
    """
    kept: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for audit in audits:
        kept.setdefault(_audit_key(audit), []).append(audit)
    all_contexts = [context_to_plain(one) if isinstance(one, Context) else dict(one) for one in contexts]
    all_models = [model_to_plain(one) if isinstance(one, ModelIdentity) else dict(one) for one in models]
    return {
        "schema": SCHEMA,
        "tool": {"name": run.tool, "version": run.tool_version},
        "created": run.created,
        "environment": {
            "python": run.environment.python,
            "platform": run.environment.platform,
            "machine": run.environment.machine,
            "cpu_count": run.environment.cpu_count,
            "packages": dict(run.environment.packages),
        },
        "run": {
            "seed": run.seed,
            "command": run.command.encode("utf-8", "backslashreplace").decode("utf-8"),
            "git": None if run.git is None else {"commit": run.git.commit, "dirty": run.git.dirty},
            "observe": run.observe,
            "inconclusive": run.inconclusive,
        },
        "contexts": _unique(all_contexts, keys=("id", "sha256")),
        "models": _unique(all_models, keys=("name", "digest")),
        "audits": [_merged(kept[key]) for key in sorted(kept)],
        "transfer": _unique(map(dict, transfer), keys=STUDY),
        "study": _unique(map(dict, study), keys=LEVERS),
    }


def write_evidence(path: Path, evidence: Mapping[str, object]) -> str:
    """Check, then write; returns the file's sha256. The old file stands until the new one is whole.

    Raises EvidenceError when the evidence does not fit its schema; nothing is written then.
    """
    check(evidence, name=str(path))
    data = encoded(evidence)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return hashlib.sha256(data).hexdigest()


def read_evidence(path: Path) -> Evidence:
    """An evidence file, checked and typed; one of before a key was known has nothing of what the key tells (`older`).

    Raises EvidenceError naming the file and the JSON pointer of the fault.
    """
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise EvidenceError(f"{path}: cannot be read: {fault.strerror}") from fault
    try:
        raw = json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twice)
    except (ValueError, RecursionError) as fault:
        raise EvidenceError(f"{path}: not an evidence file: {fault}") from fault
    completed(raw)
    check(raw, name=str(path))
    return replace(_typed(raw, name=str(path)), sha256=hashlib.sha256(data).hexdigest(), file=path.name)


def evidence_from_plain(evidence: Mapping[str, object]) -> Evidence:
    """Evidence straight from `assemble`, typed for the report; its digest is that of the file it would make."""
    check(evidence, name="evidence")
    return replace(_typed(evidence, name="evidence"), sha256=hashlib.sha256(encoded(evidence)).hexdigest())


def encoded(evidence: Mapping[str, object]) -> bytes:
    """The file's bytes: UTF-8, one outcome, estimate or verdict a line, so that two runs can be compared by diff.

    Raises EvidenceError for what JSON cannot say.
    """
    try:
        return "".join([*_lines(evidence, depth=0), "\n"]).encode("utf-8")
    except (ValueError, TypeError) as fault:
        raise EvidenceError(f"evidence cannot be written as JSON: {fault}") from fault


def check(evidence: object, *, name: str) -> None:
    """Raise EvidenceError unless the evidence fits the schema; all faults up to ten, each with its JSON pointer."""
    validator = _validator()
    if isinstance(evidence, Mapping) and evidence.get("schema", SCHEMA) != SCHEMA:
        raise EvidenceError(
            f"{name}: /schema: this version reads schema {SCHEMA}, the file says {evidence['schema']!r}"
        )
    faults = []
    for error in validator.iter_errors(_to_look_at(evidence)):
        pointer = "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
        message = error.message if len(error.message) <= 200 else error.message[:160] + " ... " + error.message[-35:]
        faults.append(f"{pointer}: {message}")
        if len(faults) == 10:
            break
    if faults:
        raise EvidenceError(f"{name}: does not fit evidence schema {SCHEMA}:\n  " + "\n  ".join(faults))


def evidence_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the evidence file."""
    text = files("pytest_biasaudit.records").joinpath("evidence.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _to_look_at(evidence: object) -> object:
    """The evidence with the first cells of each tally only: a tally of a million cells is checked where it is read."""
    if not isinstance(evidence, Mapping) or not isinstance(evidence.get("audits"), list):
        return evidence
    audits = []
    for audit in evidence["audits"]:
        if isinstance(audit, Mapping):
            short = {**audit, **({"tally": shortened(audit["tally"])} if "tally" in audit else {})}
            if isinstance(audit.get("tallies"), Mapping):
                short["tallies"] = {versus: shortened(tally) for versus, tally in audit["tallies"].items()}
            audits.append(short)
        else:
            audits.append(audit)
    return {**evidence, "audits": audits}


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(evidence_schema())


def _typed(raw: Mapping[str, Any], *, name: str) -> Evidence:
    try:
        models = [model_from_plain(one, pointer=f"/models/{at}") for at, one in enumerate(raw["models"])]
        contexts = [context_from_plain(one) for one in raw["contexts"]]
        by_model = {(one.name, one.digest): one for one in models}
        by_context = {(one.id, one.sha256): one for one in contexts}
        audits = []
        for at, one in enumerate(raw["audits"]):
            context = by_context.get((one["context"], one["context_sha256"]))
            model = by_model.get((one["model"], one["model_digest"]))
            if context is None or model is None:
                key = "context" if context is None else "model"
                raise EvidenceError(f"/audits/{at}/{key}: {one[key]!r}, with that digest, is not in this file")
            audits.append(audit_from_plain(one, context=context, model=model, pointer=f"/audits/{at}"))
        transfer = []
        for at, one in enumerate(raw["transfer"]):
            model = by_model.get((one["model"], one["model_digest"]))
            if model is None:
                raise EvidenceError(f"/transfer/{at}/model: {one['model']!r}, with that digest, is not in this file")
            transfer.append(transfer_from_plain(one, model=model, pointer=f"/transfer/{at}"))
        study = []
        for at, one in enumerate(raw["study"]):
            model = by_model.get((one["model"], one["model_digest"]))
            if model is None:
                raise EvidenceError(f"/study/{at}/model: {one['model']!r}, with that digest, is not in this file")
            study.append(study_from_plain(one, model=model, pointer=f"/study/{at}"))
    except EvidenceError as fault:
        raise EvidenceError(f"{name}: {fault}") from None
    environment, run, git = raw["environment"], raw["run"], raw["run"]["git"]
    return Evidence(
        run=RunInfo(
            seed=run["seed"],
            command=run["command"],
            created=raw["created"],
            tool=raw["tool"]["name"],
            tool_version=raw["tool"]["version"],
            environment=Environment(
                python=environment["python"],
                platform=environment["platform"],
                machine=environment["machine"],
                cpu_count=environment["cpu_count"],
                packages=tuple(environment["packages"].items()),
            ),
            git=None if git is None else Git(commit=git["commit"], dirty=git["dirty"]),
            observe=run["observe"],
            inconclusive=run["inconclusive"],
        ),
        contexts=tuple(contexts),
        models=tuple(models),
        audits=tuple(audits),
        transfer=tuple(transfer),
        study=tuple(study),
        sha256="",
    )


def _audit_key(audit: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("context", "audit", "model", "context_sha256", "model_digest", "seed")
    return tuple(str(audit[name]) for name in names)


def _merged(reports: list[Mapping[str, Any]]) -> Plain:
    """One audit out of what several processes say of it.

    The report with the gravest verdicts stands, and among equals the one with most outcomes: no verdict may improve
    because two processes disagree. Limits that only another process judged are added. Work is added up.
    """

    def rank(report: Mapping[str, Any]) -> tuple[int, int, str]:
        gravity = sum(4 ** SEVERITY[str(one["verdict"])] for one in report["verdicts"])
        stable = {key: value for key, value in report.items() if key not in {"seconds", "asked", "recalled"}}
        return (-gravity, -len(report["outcomes"]), json.dumps(stable, sort_keys=True))

    if len(reports) == 1:
        return dict(reports[0])
    first, *others = sorted(reports, key=rank)
    merged: dict[str, Any] = dict(first)
    for other in others:
        known = {one["limit"] for one in merged["verdicts"]}
        for verdict in other["verdicts"]:
            if verdict["limit"] in known:
                continue
            shift = len(merged["estimates"])
            positions = [at for at in (verdict["estimate"], *verdict["compared"]) if at is not None]
            order = list(dict.fromkeys(positions))
            moved = {old: shift + new for new, old in enumerate(order)}
            merged["estimates"] = [*merged["estimates"], *(other["estimates"][old] for old in order)]
            moved_verdict = {
                **verdict,
                "estimate": None if verdict["estimate"] is None else moved[verdict["estimate"]],
                "compared": [moved[old] for old in verdict["compared"]],
            }
            merged["verdicts"] = [*merged["verdicts"], moved_verdict]
        merged["tallies"] = {**other["tallies"], **merged["tallies"]}
        for key in ("seconds", "asked", "recalled"):
            merged[key] += other[key]
    return merged


def _unique(entries: Iterable[Plain], *, keys: tuple[str, ...]) -> list[Plain]:
    by_key: dict[tuple[str, ...], Plain] = {}
    for entry in entries:
        by_key.setdefault(tuple(str(entry[key]) for key in keys), entry)
    return [by_key[key] for key in sorted(by_key)]


def _lines(value: object, *, depth: int) -> Iterable[str]:
    """JSON text with line breaks down to the elements of an audit's lists, and none below."""
    broken = depth < 4 and isinstance(value, (Mapping, list)) and bool(value)
    if not broken:
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)
        return
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, Mapping):
        for at, (key, one) in enumerate(value.items()):
            yield f"{'{' if at == 0 else ','}{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from _lines(one, depth=depth + 1)
        yield outer + "}"
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield f"{'[' if at == 0 else ','}{inner}"
            yield from _lines(one, depth=depth + 1)
        yield outer + "]"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _no_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return table
