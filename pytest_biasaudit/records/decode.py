"""Back to types: plain evidence, already fitted to its schema, as the records it was made of. The mirror of `codec`.

Raises EvidenceError where values fit the schema one by one but not one another (an estimate that is not there).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
)
from pytest_biasaudit.errors import EvidenceError
from pytest_biasaudit.metrics.beside import Moved, NoiseFloor
from pytest_biasaudit.metrics.metric import Estimate, GroupSummary
from pytest_biasaudit.models.point import SweepPoint
from pytest_biasaudit.models.protocol import ModelIdentity
from pytest_biasaudit.outcomes.outcome import Outcome, Reading
from pytest_biasaudit.prompts.benchmarks.data import DataFacts
from pytest_biasaudit.prompts.prompt import Person, Prompt
from pytest_biasaudit.records.declared_table import TABULAR, table_audit_from_plain
from pytest_biasaudit.records.record import AuditRecord, Rerun
from pytest_biasaudit.records.tally import tally_from_plain
from pytest_biasaudit.stats.interval import Interval
from pytest_biasaudit.verdict.verdict import Judgement, Verdict

# The schema has spoken before these are called, so the values' types are known to it and not to mypy.
Fitted = Mapping[str, Any]


def audit_from_plain(raw: Fitted, *, context: Context, model: ModelIdentity, pointer: str = "") -> AuditRecord:
    """One audit record. `pointer`: where it stands in the file, for messages.

    A person comes back with the full name in `first`, since evidence keeps names whole.
    """
    try:
        audit = context.audit(raw["audit"])
    except KeyError as unknown:
        raise EvidenceError(f"{pointer}/audit: {unknown.args[0]}") from None
    estimates = tuple(_estimate(one) for one in raw["estimates"])
    sparing = isinstance(audit, BenchmarkAudit)
    return AuditRecord(
        context=context,
        audit=audit,
        model=model,
        prompt_format=raw["prompt_format"],
        seed=raw["seed"],
        batch_size=raw["batch_size"],
        outcomes=tuple(
            _outcome(one, raw["prompts"], pointer=f"{pointer}/outcomes/{at}", sparing=sparing)
            for at, one in enumerate(raw["outcomes"])
        ),
        estimates=estimates,
        judgements=tuple(
            _judgement(one, estimates, pointer=f"{pointer}/verdicts/{at}") for at, one in enumerate(raw["verdicts"])
        ),
        seconds=raw["seconds"],
        asked=raw["asked"],
        recalled=raw["recalled"],
        controls=tuple(
            _outcome(one, {}, pointer=f"{pointer}/controls/{at}", sparing=True)
            for at, one in enumerate(raw["controls"])
        ),
        facts=tuple(raw["facts"].items()),
        data=None if raw["data"] is None else DataFacts(**raw["data"]),
        obstacle=raw["obstacle"],
        tally=None if raw["tally"] is None else tally_from_plain(raw["tally"], pointer=f"{pointer}/tally"),
        tallies=tuple(
            (versus, tally_from_plain(tally, pointer=f"{pointer}/tallies/{versus}"))
            for versus, tally in raw["tallies"].items()
        ),
        reruns=tuple(_rerun(one, pointer=f"{pointer}/reruns/{at}") for at, one in enumerate(raw["reruns"])),
    )


def context_from_plain(raw: Fitted) -> Context:
    """A context as its audits were understood when they ran; `path` is the file as the evidence names it."""
    return Context(
        id=raw["id"],
        title=raw["title"],
        process=raw["process"],
        use=raw["use"],
        affected=tuple(raw["affected"]),
        harms=tuple(raw["harms"]),
        oversight=raw["oversight"],
        response=raw["response"],
        owner=raw["owner"],
        jurisdictions=tuple(raw["jurisdictions"]),
        language=raw["language"],
        audits=tuple(_declared_audit(one) for one in raw["audits"]),
        path=Path(raw["file"]),
        sha256=raw["sha256"],
        declared=dict(raw["declared"]),
    )


def model_from_plain(raw: Fitted, *, pointer: str = "") -> ModelIdentity:
    """A model's identity.

    Raises EvidenceError when its digest is not the digest of its own fields, and for removed components that do not add up.
    """
    for at, one in enumerate(raw["components"]):
        if fault := _miscount(one):
            raise EvidenceError(f"{pointer}/components/{at}: {fault}")
    model = ModelIdentity(
        name=raw["name"],
        source=raw["source"],
        revision=raw["revision"],
        weights_sha256=raw["weights_sha256"],
        tokenizer_sha256=raw["tokenizer_sha256"],
        chat_template_sha256=raw["chat_template_sha256"],
        config_sha256=raw["config_sha256"],
        dtype=raw["dtype"],
        architecture=raw["architecture"],
        parameters=raw["parameters"],
        parent=raw["parent"],
        parent_digest=raw["parent_digest"],
        recipe=tuple(dict(step) for step in raw["recipe"]),
        achieved={**raw["achieved"], **({"components": raw["components"]} if raw["components"] else {})},
        libraries=tuple(raw["libraries"].items()),
        lacks=raw["lacks"],
        cacheable=raw["cacheable"],
        point=None if raw["point"] is None else SweepPoint(**raw["point"]),
    )
    if model.digest != raw["digest"]:
        raise EvidenceError(
            f"{pointer}/digest: says {raw['digest']}, but the model's fields give {model.digest}; "
            "the file was changed after it was written, or by another version"
        )
    return model


def _miscount(removed: Fitted) -> str:
    """What of a removed set cannot be, in words; "" where it adds up. A picture is drawn of these numbers."""
    unit, dimensions = removed["unit"], 2 if removed["unit"] == "weights" else 1
    for one in removed["places"]:
        place, size, numbers = one["place"], one["size"], one["numbers"]
        where = f"place {place!r}"
        if unit != "weights" and not (place.isascii() and place.isdigit()):
            return f"{where}: {unit} are told by the number of their layer"
        if len(size) != dimensions:
            return f"{where}: size {size} has {len(size)} numbers, and {unit} need {dimensions}"
        if one["count"] > math.prod(size):
            return f"{where}: {one['count']} of {math.prod(size)} were removed"
        if unit == "heads" and (len(set(numbers)) != one["count"] or max(numbers, default=0) >= size[0]):
            return f"{where}: the heads {numbers} are not {one['count']} of {size[0]}"
    for key, counted in (
        ("count", sum(one["count"] for one in removed["places"])),
        ("total", sum(math.prod(one["size"]) for one in removed["places"])),
    ):
        if removed[key] != counted:
            return f"{key} is {removed[key]}, and its places come to {counted}"
    return ""


def _declared_audit(raw: Fitted) -> Audit:
    limits = tuple(_limit(one, limit_id=one["id"]) for one in raw["limits"])
    if raw["kind"] in TABULAR:
        return table_audit_from_plain(raw, limits)
    if raw["kind"] != "counterfactual":
        return BenchmarkAudit(
            id=raw["id"],
            kind=raw["kind"],
            limits=limits,
            data=raw["data"],
            sha256=raw["sha256"],
            settings=tuple((name, _setting(value)) for name, value in raw["settings"].items()),
        )
    people, spec, table = raw["people"], raw["outcome"], raw["table"]
    return CounterfactualAudit(
        id=raw["id"],
        kind=raw["kind"],
        wordings=tuple(raw["prompts"]),
        system=raw["system"],
        prefill=raw["prefill"],
        slots=tuple((slot, tuple(fillings)) for slot, fillings in raw["slots"].items()),
        people=People(
            attributes=tuple(people["attributes"]),
            source=people["source"],
            groups=tuple(tuple(groups) for groups in people["groups"]),
            per_group=people["per_group"],
        ),
        table=None
        if table is None
        else TableSpec(
            file=table["file"],
            sha256=table["sha256"],
            templates=tuple(table["templates"]),
            scenarios=tuple(table["scenarios"]),
            variations=tuple(table["variations"]),
            levels=tuple(table["levels"]),
        ),
        outcome=OutcomeSpec(
            kind=spec["kind"],
            unit=spec["unit"],
            favourable=spec["favourable"],
            plausible=None if spec["plausible"] is None else tuple(spec["plausible"]),
            repeats=spec["repeats"],
            temperature=spec["temperature"],
            max_new_tokens=spec["max_new_tokens"],
            options=tuple(spec["options"]),
            favourable_option=spec["favourable_option"],
            scale=tuple(spec["scale"]),
            scorer=spec["scorer"],
        ),
        limits=limits,
    )


def _setting(value: Any) -> Setting:
    if isinstance(value, dict):
        return tuple((name, tuple(texts)) for name, texts in value.items())
    return tuple(value) if isinstance(value, list) else value


def _limit(raw: Fitted, *, limit_id: str) -> Limit:
    return Limit(
        id=limit_id,
        metric=raw["metric"],
        attributes=tuple(raw["attribute"].split("*")) if raw["attribute"] else (),
        max=raw["max"],
        min=raw["min"],
        versus=raw["versus"],
        of=raw["of"],
        max_increase=raw["max_increase"],
        min_recovery=raw["min_recovery"],
        rule=raw["rule"],
        level=raw["level"],
        basis=raw["basis"],
        reason=raw["reason"],
        accept_one_template=raw["accept_one_template"],
        label=raw["label"],
    )


def _outcome(raw: Fitted, prompts: Fitted, *, pointer: str, sparing: bool) -> Outcome:
    """`sparing`: prompts that are not quoted have no text."""
    unquoted = {"text": "", "system": None, "prefill": ""}
    asked = prompts.get(raw["prompt_sha256"], unquoted if sparing else None)
    if asked is None:
        raise EvidenceError(f"{pointer}/prompt_sha256: no prompt of that digest stands in the audit's `prompts`")
    return Outcome(
        prompt=Prompt(
            id=raw["id"],
            template=raw["template"],
            slots=tuple(raw["slots"].items()),
            person=Person(first=raw["person"], last="", groups=tuple(raw["groups"].items())),
            person_id=raw["person_id"],
            text=asked["text"],
            system=asked["system"],
            prefill=asked["prefill"],
        ),
        repeat=raw["repeat"],
        prompt_sha256=raw["prompt_sha256"],
        text=raw["text"],
        reading=Reading(status=raw["status"], value=raw["value"], selected=raw["selected"], reason=raw["reason"]),
        options=tuple((option, share) for option, share in raw["options"]),
        option_mass=raw["option_mass"],
        scores=tuple(raw["scores"].items()),
    )


def _rerun(raw: Fitted, *, pointer: str) -> Rerun:
    def outcomes(key: str) -> tuple[Outcome, ...]:
        return tuple(
            _outcome(one, {}, pointer=f"{pointer}/{key}/{at}", sparing=True) for at, one in enumerate(raw[key])
        )

    return Rerun(
        versus=raw["versus"],
        model=raw["model"],
        digest=raw["digest"],
        batch_size=raw["batch_size"],
        changed=outcomes("changed"),
        controls_changed=outcomes("controls_changed"),
    )


def _estimate(raw: Fitted) -> Estimate:
    interval = None
    if raw["method"] is not None:
        low = float("-inf") if raw["low"] is None else raw["low"]
        high = float("inf") if raw["high"] is None else raw["high"]
        interval = Interval(low=low, high=high, level=raw["level"], method=raw["method"])
    return Estimate(
        metric=raw["metric"],
        attribute=raw["attribute"],
        groups=tuple(raw["groups"]),
        value=raw["value"],
        interval=interval,
        p=raw["p"],
        p_adjusted=raw["p_adjusted"],
        n=raw["n"],
        people=raw["people"],
        templates=raw["templates"],
        missing=raw["missing"],
        by_group=tuple(GroupSummary(group=group, **summary) for group, summary in raw["by_group"].items()),
        reason=raw["reason"],
        versus=raw["versus"],
        shows=raw["shows"],
        of=raw["of"],
        noise=None if raw["noise"] is None else NoiseFloor(**raw["noise"]),
        moved=tuple(Moved(**one) for one in raw["moved"]),
        remarks=tuple(raw["remarks"]),
        standard_error=raw["standard_error"],
        df=raw["df"],
        usable=raw["usable"],
        sampled=raw["sampled"],
        label=raw["label"],
    )


def _judgement(raw: Fitted, estimates: Sequence[Estimate], *, pointer: str) -> Judgement:
    def at(position: int, key: str) -> Estimate:
        if position >= len(estimates):
            raise EvidenceError(f"{pointer}/{key}: estimate {position} is not there; the audit has {len(estimates)}")
        return estimates[position]

    return Judgement(
        limit=_limit(raw, limit_id=raw["limit"]),
        verdict=Verdict(raw["verdict"]),
        message=raw["message"],
        estimate=None if raw["estimate"] is None else at(raw["estimate"], "estimate"),
        compared=tuple(at(position, "compared") for position in raw["compared"]),
        p=raw["p"],
        p_adjusted=raw["p_adjusted"],
    )
