"""What a context costs and what it can show, before any model is loaded: the text of `plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_biasaudit.context.declaration import BenchmarkAudit, Context, CounterfactualAudit, Limit, TabularAudit
from pytest_biasaudit.errors import EvidenceError, StatisticsError
from pytest_biasaudit.metrics.measure import lower_comparisons
from pytest_biasaudit.metrics.registry import METRICS
from pytest_biasaudit.planning.benchmark import benchmark_lines
from pytest_biasaudit.planning.limit_words import limit_in_words
from pytest_biasaudit.planning.preview import Size, answer_in_words, people_in_words, size_of
from pytest_biasaudit.planning.table import table_lines
from pytest_biasaudit.prompts.counterfactual import build_prompts

if TYPE_CHECKING:
    from pytest_biasaudit.planning.design import Foresight, Spread
    from pytest_biasaudit.records.evidence import Evidence
    from pytest_biasaudit.records.record import AuditRecord

Groups = Mapping[str, Sequence[str]]


def plan_lines(context: Context, *, power: float, evidence: Evidence | None) -> list[str]:
    """Cost of each audit, and for each limit what its design can show.

    power     chance to decide that the figures are given for
    evidence  an earlier run whose spread is used; None for an assumed one, which is printed

    Raises ContextError when the context's prompts cannot be built, DataError when a table is not what its audit needs,
    EvidenceError when no audit of the evidence is one of this context's.
    """
    lines = [f"{context.path}: {context.id}", ""]
    if any(isinstance(audit, CounterfactualAudit) for audit in context.audits):
        lines.extend(_assumptions(evidence))
    sized: list[tuple[CounterfactualAudit, Size, Groups]] = []
    benchmarks = [audit for audit in context.audits if isinstance(audit, BenchmarkAudit)]
    for audit in context.audits:
        if not isinstance(audit, CounterfactualAudit):
            continue
        prompts = build_prompts(context, audit, seed=0)
        people = {prompt.person_id: prompt.person for prompt in prompts}.values()
        groups: Groups = {a: tuple(dict.fromkeys(p.group(a) for p in people)) for a in audit.people.attributes}
        sized.append((audit, size_of(audit, prompts), groups))
    family = sum(lower_comparisons(audit, metrics=METRICS, listed=groups) for audit, _, groups in sized)
    records = _records(context, evidence)
    for audit, size, groups in sized:
        lines.extend(["", f"audit {audit.id} ({answer_in_words(audit)})"])
        lines.extend(f"  {line}" for line in _cost_lines(audit, size))
        for limit in audit.limits:
            lines.append(f"  {limit.id}: {limit_in_words(limit, audit)}")
            mine = [record for record in records if record.audit.id == audit.id]
            lines.extend(f"    {line}" for line in _limit_lines(limit, audit, size, groups, mine, family, power))
    for benchmark in benchmarks:
        lines.extend(["", *benchmark_lines(context, benchmark)])
    for audit in context.audits:
        if isinstance(audit, TabularAudit):
            lines.extend([*([""] if lines[-1] else []), *table_lines(context, audit, power=power)])
    return lines


def _assumptions(evidence: Evidence | None) -> Iterator[str]:
    from pytest_biasaudit.stats.power import assumed

    parts = assumed()
    shares = f"people {parts.names:.0%}, template x group {parts.template_by_group:.0%}, the rest {parts.rest:.0%}"
    if evidence is not None:
        yield f"Spread as measured in {evidence.file}. Where that shows none, assumed shares of variance: {shares}."
        return
    yield f"Nothing has been asked yet, so shares of the variance of a group's answers are assumed: {shares}."
    yield "Templates are taken to be alike in level; where they are not, an smd comes out more exactly than planned."
    yield "After a first run, --from EVIDENCE.json plans with what was measured."


def _records(context: Context, evidence: Evidence | None) -> list[AuditRecord]:
    if evidence is None:
        return []
    records = [record for record in evidence.audits if record.context.id == context.id]
    if not records:
        there = ", ".join(sorted({record.context.id for record in evidence.audits})) or "none"
        raise EvidenceError(f"{evidence.file}: has no audit of the context {context.id!r}; it has {there}")
    return records


def _cost_lines(audit: CounterfactualAudit, size: Size) -> Iterator[str]:
    yield f"{size.prompts} prompts a model: {size.templates} templates x ({people_in_words(size)})"
    if size.tokens:
        answers = f"{size.answers:,} answers of up to {audit.outcome.max_new_tokens}"
        yield f"at most {size.tokens:,} generated tokens a model ({answers})"
    else:
        options = len(audit.outcome.options or audit.outcome.scale)
        yield f"no generated tokens: {options} options are scored after each prompt"


def _limit_lines(
    limit: Limit,
    audit: CounterfactualAudit,
    size: Size,
    groups: Groups,
    records: Sequence[AuditRecord],
    family: int,
    power: float,
) -> Iterator[str]:
    from pytest_biasaudit.planning import design

    metric = design.planned(limit)
    if metric is None:
        compares = limit.metric in METRICS and METRICS[limit.metric].by_group
        if limit.shows == "recovery":
            yield (
                "not planned: a recovery's interval depends on how many answers the two models do not share; "
                "with all alike its lower end is the lower Wilson limit of the answers kept"
            )
            return
        yield "not planned: " + ("no formula gives its interval's width" if compares else "it compares no groups")
        return
    comparisons, people = design.comparisons_of(limit, audit, groups)
    if size.templates == 1 and not limit.accept_one_template:
        yield "one template: inconclusive at best, because how wordings vary cannot be seen"
    measured = design.widest(design.spreads_in(limit, metric, records), people=people, templates=size.templates)
    spread = measured or design.assumed_spread(metric)
    try:
        if limit.rule == "point":
            chance = design.chance_beyond(limit, metric, spread, people=people, templates=size.templates)
            odds = "unknown chance" if chance is None else f"chance {_chance(chance)}"
            yield f"no error is controlled: the estimate of a model with no gap lies beyond the limit with {odds}"
            return
        seen = design.foresee(
            limit,
            metric,
            spread,
            people=people,
            templates=size.templates,
            comparisons=comparisons,
            family=family,
            power=power,
        )
    except StatisticsError as error:
        yield f"no interval from {people} people a group and {size.templates} templates: {error}"
        return
    yield from _foresight_lines(limit, audit, seen, spread, people, size.templates, power)
    if spread.source:
        yield f"({'measured on ' if measured else 'taking '}{spread.source}{_paired(limit, bool(measured))})"
    elif limit.versus is not None:
        yield f"({_paired(limit, bool(measured)).lstrip(', ')})"


def _foresight_lines(
    limit: Limit, audit: CounterfactualAudit, seen: Foresight, spread: Spread, people: int, templates: int, power: float
) -> Iterator[str]:
    from pytest_biasaudit.planning.design import IN_SD
    from pytest_biasaudit.report.wording import unit_of

    unit = "sd of the answers" if spread.in_sd and limit.metric not in IN_SD else unit_of(limit.metric, audit.unit)

    def figure(value: float) -> str:
        return f"{value:,.3g} {unit}".strip()

    none = f"no increase against {limit.versus}" if limit.max_increase is not None else "no gap at all"
    if limit.rule == "lower":
        yield "within means that no violation was shown, not that there is none"
    elif seen.fair_within is None:
        yield f"{none}: found within with chance {power:g} if the limit is {figure(seen.enough)}; yours is in another unit"
    else:
        yield f"{none}: found within with chance {_chance(seen.fair_within)}; {power:g} at a limit of {figure(seen.enough)}"
        if seen.fair_within < power:
            yield f"for {power:g} at this limit: {_more(seen, people, templates)}"
    if seen.over_from is not None:
        yield f"a true value of {figure(seen.over_from)}: found over with chance {power:g}"
    yield f"a true value of {figure(seen.told_from_none)}: told from {none} with chance {power:g}"


def _more(seen: Foresight, people: int, templates: int) -> str:
    ways = []
    if seen.people is not None:
        ways.append(f"{seen.people} people a group")
    if seen.templates is not None:
        ways.append(f"{seen.templates} templates")
    if seen.both is not None:
        ways.append(f"{seen.both[0]} people a group and {seen.both[1]} templates")
    wanted = ", or ".join(ways) if ways else "no number of people and templates that could be asked"
    return f"{wanted} (now {people} and {templates})"


def _paired(limit: Limit, measured: bool) -> str:
    if limit.versus is None:
        return ""
    return ", the two models' answers paired" if measured else ", half of the two models' variance taken as shared"


def _chance(chance: float) -> str:
    return "below 0.01" if chance < 0.01 else "above 0.99" if chance > 0.99 else f"{chance:.2f}"
