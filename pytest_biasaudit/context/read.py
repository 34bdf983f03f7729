"""What is allowed, read from a `*.bias.toml`: a Context, or one error with every fault of the file.

The only file here that sees the whole document. Each table's keys and rules stand in a file of their own; metric facts,
people lists and scorers are handed in, so that what a plugin adds can be declared too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.context.benchmark import (
    BENCHMARK_KEYS,
    BENCHMARKS,
    DATA,
    SHA,
    BenchmarkKind,
    read_settings,
    rule_of,
)
from pytest_biasaudit.context.declaration import Audit, BenchmarkAudit, Context, CounterfactualAudit, TabularAudit
from pytest_biasaudit.context.limits import LIMIT_KEYS, LIMIT_RULES, Measurable, read_limits
from pytest_biasaudit.context.outcome import OUTCOME_KEYS, OUTCOME_RULES, PLAUSIBLE, read_outcome
from pytest_biasaudit.context.people import PEOPLE_KEYS, SOURCE, PeopleLists, read_people
from pytest_biasaudit.context.shapes import Exactly, JsonSchema, OneOf, Slug, Text, Texts
from pytest_biasaudit.context.spelling import shown
from pytest_biasaudit.context.strict import Faults, Key, RawTable, Table, Tables, read_row
from pytest_biasaudit.context.table import TABLE_KEYS, read_table, refuse_wordings
from pytest_biasaudit.context.tabular import KEYS_OF, TABLE_KINDS, TABULAR_KEYS, rules_of
from pytest_biasaudit.context.tabular_audit import check_versus, read_declared, tabular_audit
from pytest_biasaudit.context.toml_file import read_toml
from pytest_biasaudit.context.wordings import PREFILL, PROMPT, PROMPTS, SLOTS, SYSTEM, check_slots, read_wordings
from pytest_biasaudit.errors import ContextError

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.metric import Metric
    from pytest_biasaudit.prompts.prompt import Person

CONTEXT_ID = Key("id", Slug(), "Name of the context in reports and evidence.", required=True)
TITLE = Key("title", Text(), "What the context is, in one line.", required=True)
PROCESS = Key("process", Text(), "The process in which the model is used, and how.", required=True)
USE = Key("use", Text(), "How often, and from when to when.", required=True)
AFFECTED = Key("affected", Texts(), "Who is affected.", required=True)
HARMS = Key("harms", Texts(), "What could harm them.", required=True)
OVERSIGHT = Key("oversight", Text(), "How people oversee the use.", required=True)
RESPONSE = Key("response", Text(), "What is done when harm occurs, and where complaints go.", required=True)
OWNER = Key("owner", Text(), "Who answers for this declaration.", required=True)
JURISDICTIONS = Key("jurisdictions", Texts(), "Where the model is used.", required=True)
LANGUAGE = Key("language", Text(), "Language of the prompts, as a tag such as en.", required=True)
CONTEXT_KEYS = (
    CONTEXT_ID, TITLE, PROCESS, USE, AFFECTED, HARMS, OVERSIGHT, RESPONSE, OWNER, JURISDICTIONS, LANGUAGE,
)  # fmt: skip

AUDIT_ID = Key("id", Slug(), "Name of the audit in test ids.", required=True)
COUNTERFACTUAL = "counterfactual"
AUDIT_KIND = Key("kind", OneOf((COUNTERFACTUAL, *BENCHMARKS, *TABLE_KINDS)), "How the audit asks.", required=True)
TABLE = Key(
    "table",
    Table("[audit.table]", TABLE_KEYS),
    "A table with the prompts written out, in place of `prompt` and `slots`.",
)
PEOPLE = Key("people", Table("[audit.people]", PEOPLE_KEYS), "Who is named in the prompts.", required=True)
OUTCOME = Key(
    "outcome", Table("[audit.outcome]", OUTCOME_KEYS, OUTCOME_RULES), "What is read from an answer.", required=True
)
LIMIT = Key("limit", Tables("[[audit.limit]]", LIMIT_KEYS, LIMIT_RULES), "What must hold.", required=True)
COUNTERFACTUAL_KEYS = (AUDIT_ID, AUDIT_KIND, PROMPT, PROMPTS, SYSTEM, PREFILL, SLOTS, TABLE, PEOPLE, OUTCOME, LIMIT)
BENCHMARK_AUDIT_KEYS = (AUDIT_ID, AUDIT_KIND, *BENCHMARK_KEYS, LIMIT)
TABULAR_AUDIT_KEYS = (AUDIT_ID, AUDIT_KIND, *TABULAR_KEYS, LIMIT)
_EVERY_KEY: tuple[Key[Any], ...] = tuple(
    dict.fromkeys((*COUNTERFACTUAL_KEYS, *BENCHMARK_AUDIT_KEYS, *TABULAR_AUDIT_KEYS))
)
AUDIT_KEYS = tuple(replace(key, required=key in (AUDIT_ID, AUDIT_KIND, LIMIT)) for key in _EVERY_KEY)


def _rule_of_kind(kind: str, own: tuple[Key[Any], ...], rules: JsonSchema) -> JsonSchema:
    """For editors: what an audit of one kind cannot do without, and does not take."""
    names = [key.name for key in own]
    then = {"properties": {key.name: False for key in AUDIT_KEYS if key.name not in names}, **rules}
    return {"if": {"properties": {AUDIT_KIND.name: {"const": kind}}, "required": [AUDIT_KIND.name]}, "then": then}


AUDIT_RULES: JsonSchema = {
    "allOf": [
        _rule_of_kind(
            COUNTERFACTUAL,
            COUNTERFACTUAL_KEYS,
            {
                "required": [PEOPLE.name, OUTCOME.name],
                "oneOf": [
                    {"required": [PROMPT.name], "properties": {PEOPLE.name: {"required": [SOURCE.name]}}},
                    {"required": [PROMPTS.name], "properties": {PEOPLE.name: {"required": [SOURCE.name]}}},
                    {
                        "required": [TABLE.name],
                        "properties": {
                            **{key.name: False for key in (PROMPT, PROMPTS, SLOTS)},
                            PEOPLE.name: {"properties": {SOURCE.name: False}},
                        },
                    },
                ],
            },
        ),
        *(
            _rule_of_kind(kind.name, (AUDIT_ID, AUDIT_KIND, *kind.keys, LIMIT), rule_of(kind))
            for kind in BENCHMARKS.values()
        ),
        *(_rule_of_kind(kind, (AUDIT_ID, AUDIT_KIND, *keys, LIMIT), rules_of(kind)) for kind, keys in KEYS_OF.items()),
    ]
}

SCHEMA = Key("schema", Exactly(1), "Version of this file's format.", required=True)
CONTEXT = Key("context", Table("[context]", CONTEXT_KEYS), "Who is answerable for what.", required=True)
AUDIT = Key(
    "audit",
    Tables("[[audit]]", AUDIT_KEYS, AUDIT_RULES),
    "A question put to the model about many people, a benchmark, or a labelled table.",
    required=True,
)
FILE_KEYS = (SCHEMA, CONTEXT, AUDIT)


def read_context(
    path: Path,
    *,
    metrics: Mapping[str, Metric] | None = None,
    people_lists: Mapping[str, Sequence[Person]] | None = None,
    scorers: Collection[str] = (),
) -> Context:
    """The deployment context declared in a file.

    metrics       the metrics a limit may name; default: the built-in ones
    people_lists  people lists beyond the bundled ones and the files beside the context, by name
    scorers       names of scorers for free text beyond the built-in ones

    Raises ContextError, with every fault found, when the file cannot be read or does not say what it must.
    """
    if metrics is None:
        from pytest_biasaudit.metrics.registry import METRICS

        metrics = METRICS
    file = read_toml(path)
    faults = Faults()
    top = read_row(file.table, FILE_KEYS, where="top level", faults=faults)
    raw_elements = top.get(CONTEXT)
    if raw_elements is not None:
        elements = read_row(raw_elements, CONTEXT_KEYS, where="[context]", faults=faults)
    lists = PeopleLists(beside=path.parent, extra=people_lists)
    audits = _read_audits(top.get(AUDIT, ()), metrics=metrics, lists=lists, scorers=scorers, faults=faults)
    if faults.found:
        raise ContextError(str(path), faults.found)
    return Context(
        id=elements[CONTEXT_ID],
        title=elements[TITLE],
        process=elements[PROCESS],
        use=elements[USE],
        affected=elements[AFFECTED],
        harms=elements[HARMS],
        oversight=elements[OVERSIGHT],
        response=elements[RESPONSE],
        owner=elements[OWNER],
        jurisdictions=elements[JURISDICTIONS],
        language=elements[LANGUAGE],
        audits=audits,
        path=path,
        sha256=file.sha256,
        declared=file.table,
    )


def _read_audits(
    raws: tuple[RawTable, ...],
    *,
    metrics: Mapping[str, Metric],
    lists: PeopleLists,
    scorers: Collection[str],
    faults: Faults,
) -> tuple[Audit, ...]:
    """Those audits that could be read, in order."""
    audits: list[Audit] = []
    by_id: dict[str, int] = {}
    for number, raw in enumerate(raws, start=1):
        where = f"[[audit]] {number}" + (f" {shown(raw['id'])}" if "id" in raw else "")
        audit_id = raw.get("id")
        if isinstance(audit_id, str):
            if audit_id in by_id:
                reason = f"[[audit]] {by_id[audit_id]} has the same id; give each audit its own"
                faults.misfit(where, "id", audit_id, reason)
            by_id.setdefault(audit_id, number)
        audit = _read_audit(raw, where=where, metrics=metrics, lists=lists, scorers=scorers, faults=faults)
        if audit is not None:
            audits.append(audit)
    return tuple(audits)


def _read_audit(
    raw: RawTable,
    *,
    where: str,
    metrics: Mapping[str, Metric],
    lists: PeopleLists,
    scorers: Collection[str],
    faults: Faults,
) -> Audit | None:
    """One audit; None when it has faults, all of which are kept."""
    kind = raw.get("kind")
    if isinstance(kind, str) and kind in BENCHMARKS:
        return _read_benchmark(raw, BENCHMARKS[kind], where=where, metrics=metrics, faults=faults)
    if isinstance(kind, str) and kind in TABLE_KINDS:
        return _read_table_audit(raw, kind, where=where, metrics=metrics, faults=faults)
    if kind != COUNTERFACTUAL and not any(key.name in raw for key in (PROMPT, PROMPTS, PEOPLE, OUTCOME)):
        # Nothing says which keys belong here: the kind is the fault, and what follows from another guess is not told.
        read_row(raw, AUDIT_KEYS, where=where, faults=faults)
        return None
    return _read_counterfactual(raw, where=where, metrics=metrics, lists=lists, scorers=scorers, faults=faults)


def _read_benchmark(
    raw: RawTable, kind: BenchmarkKind, *, where: str, metrics: Mapping[str, Metric], faults: Faults
) -> BenchmarkAudit | None:
    before = len(faults.found)
    row = read_row(raw, BENCHMARK_AUDIT_KEYS, where=where, faults=faults)
    settings = read_settings(row, kind, faults)
    measurable = Measurable(metrics=metrics, kind=kind.name, attributes=None, bounds_numbers=False, benchmark=True)
    limits = read_limits(row.get(LIMIT, ()), where=where, measurable=measurable, faults=faults)
    if len(faults.found) > before:
        return None
    return BenchmarkAudit(
        id=row[AUDIT_ID],
        kind=kind.name,
        limits=limits,
        data=row.get(DATA),
        sha256=row.get(SHA),
        settings=settings,
    )


def _meant(metrics: Mapping[str, Metric], kind: str) -> Mapping[str, Metric]:
    """The metrics as audits of that kind understand them."""
    from pytest_biasaudit.metrics.registry import for_kind

    return for_kind(metrics, kind)


def _read_table_audit(
    raw: RawTable, kind: str, *, where: str, metrics: Mapping[str, Metric], faults: Faults
) -> TabularAudit | None:
    before = len(faults.found)
    row = read_row(raw, (AUDIT_ID, AUDIT_KIND, *KEYS_OF[kind], LIMIT), where=where, faults=faults)
    declared = read_declared(row, kind, faults)
    measurable = Measurable(
        metrics=_meant(metrics, kind), kind=kind, attributes=declared.attributes, bounds_numbers=False, table=True
    )
    limits = read_limits(row.get(LIMIT, ()), where=where, measurable=measurable, faults=faults)
    check_versus(declared, kind, limits, faults)
    if len(faults.found) > before:
        return None
    return tabular_audit(declared, id=row[AUDIT_ID], kind=kind, limits=limits)


def _read_counterfactual(
    raw: RawTable,
    *,
    where: str,
    metrics: Mapping[str, Metric],
    lists: PeopleLists,
    scorers: Collection[str],
    faults: Faults,
) -> CounterfactualAudit | None:
    before = len(faults.found)
    row = read_row(raw, COUNTERFACTUAL_KEYS, where=where, faults=faults)
    table, named = None, None
    by_table = row.declares(TABLE)
    raw_people = row.get(PEOPLE)
    if by_table:
        wordings: tuple[tuple[str, str], ...] | None = ()
        refuse_wordings(row, (PROMPT, PROMPTS, SLOTS), faults)
        if (raw_table := row.get(TABLE)) is not None:
            table, named = read_table(
                raw_table, raw_people, where=f"{where} / [audit.table]", beside=lists.beside, faults=faults
            )
    else:
        wordings = read_wordings(row, faults)
    people, people_list, outcome = None, None, None
    if raw_people is not None:
        people, people_list = read_people(
            raw_people, where=f"{where} / [audit.people]", lists=lists, faults=faults, by_table=by_table, named=named
        )
    check_slots(row, wordings, people_list, faults)
    if (raw_outcome := row.get(OUTCOME)) is not None:
        outcome = read_outcome(raw_outcome, where=f"{where} / [audit.outcome]", scorers=scorers, faults=faults)
    measurable = Measurable(
        metrics=metrics,
        kind=outcome.kind if outcome else None,
        attributes=people.attributes if people else None,
        bounds_numbers=PLAUSIBLE.name in (raw_outcome or {}),
    )
    limits = read_limits(row.get(LIMIT, ()), where=where, measurable=measurable, faults=faults)
    if len(faults.found) > before or wordings is None or people is None or outcome is None:
        return None
    return CounterfactualAudit(
        id=row[AUDIT_ID],
        kind=COUNTERFACTUAL,
        wordings=tuple(text for _, text in wordings),
        system=row.get(SYSTEM),
        prefill=row.get(PREFILL, ""),
        slots=tuple(row.get(SLOTS, {}).items()),
        people=people,
        outcome=outcome,
        table=table,
        limits=limits,
    )
