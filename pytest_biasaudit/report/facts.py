"""What was declared, how it was asked and where it ran, as pairs of a name and a text. Records in, no markup out."""

from __future__ import annotations

from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, TableSpec
from pytest_biasaudit.records.provenance import RunInfo
from pytest_biasaudit.records.record import AuditRecord

Facts = list[tuple[str, str]]


def elements(context: Context) -> Facts:
    """The six elements of a fundamental-rights impact assessment, as declared."""
    return [
        ("Process", context.process),
        ("Period and frequency of use", context.use),
        ("Persons affected", "\n".join(context.affected)),
        ("Risks of harm", "\n".join(context.harms)),
        ("Human oversight", context.oversight),
        ("If the risks come true", context.response),
    ]


def audit_facts(record: AuditRecord) -> Facts:
    """How an audit asked and read its answers."""
    audit = record.audit
    assert isinstance(audit, CounterfactualAudit)
    spec = audit.outcome
    wordings = [f"{at}. {text}" for at, text in enumerate(audit.wordings, start=1)]
    slots = [f"{slot}: {', '.join(fillings)}" for slot, fillings in audit.slots]
    read = {
        "number": "a number read from the written answer",
        "choice": "the probability of the favourable option among the options",
        "yes-no": "the probability of the favourable option among the options",
        "rating": "the mean of the scale under the probabilities of its points",
        "text": f"the written answer, scored by {spec.scorer}",
    }[spec.kind]
    outcome = [f"{spec.kind}: {read}"]
    if spec.unit:
        outcome.append(f"unit {spec.unit}")
    if spec.options:
        outcome.append(f"options {', '.join(spec.options)}; favourable {spec.favourable_option or 'not declared'}")
    if spec.scale:
        outcome.append(f"scale {', '.join(f'{point:g}' for point in spec.scale)}")
    if spec.plausible:
        outcome.append(f"plausible from {spec.plausible[0]:,g} to {spec.plausible[1]:,g}; other numbers are not used")
    outcome.append(f"{spec.favourable} is favourable to the person")
    return [
        ("Wordings", "\n".join(wordings) or "of a table, see Prompts"),
        *(_table_facts(audit.table) if audit.table is not None else ()),
        ("System prompt", audit.system if audit.system is not None else "none"),
        ("Beginning of the answer", audit.prefill or "none"),
        ("Slots", "\n".join(slots) or "none"),
        ("People", f"{audit.people.per_group} a group from {audit.people.source}, by {', '.join(audit.people.attributes)}"),
        ("Read from an answer", "\n".join(outcome)),
        (
            "Elicitation",
            f"{'chat template of the model' if record.prompt_format == 'chat' else 'raw text, without a chat template'}; "
            f"temperature {spec.temperature:g}, {spec.repeats} answer{'s' * (spec.repeats != 1)} a prompt, at most "
            f"{spec.max_new_tokens} new tokens",
        ),
        ("Seed and batch size", f"{record.seed} and {record.batch_size}"),
        ("Work", f"{record.asked:,} asked, {record.recalled:,} from the journal, {record.seconds:,.1f} s"),
    ]  # fmt: skip


def _table_facts(table: TableSpec) -> Facts:
    count = len(table.templates)
    templates = f"{count} template{'s' * (count != 1)}"
    return [("Prompts", f"{templates} of {table.file} ({table.part or 'all of it'}), sha256 {table.sha256}")]


def run_facts(run: RunInfo) -> Facts:
    """When, with what and on what machine it ran."""
    machine = run.environment
    if run.git is None:
        git = "not in a git work tree, or git not found"
    else:
        git = run.git.commit + (" with uncommitted changes" if run.git.dirty else ", no uncommitted changes")
    shape = "observe: verdicts are recorded and fail nothing" if run.observe else "enforce: verdicts decide the run"
    return [
        ("Made", run.created),
        ("Tool", f"{run.tool} {run.tool_version}"),
        ("Mode", f"{shape}; an inconclusive verdict means {run.inconclusive}"),
        ("Seed", str(run.seed)),
        ("Commit", git),
        ("Python", machine.python),
        ("Machine", f"{machine.platform}, {machine.machine}, {machine.cpu_count} cores"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in machine.packages) or "none recorded"),
    ]
