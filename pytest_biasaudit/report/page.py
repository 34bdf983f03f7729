"""The report: one HTML file that loads nothing and runs nothing, drawn from evidence. Imports jinja2 when drawing.

Every string that reaches the page passes `visible` and then HTML escaping, both by the template environment and not by
whoever writes the template. Only the style sheet and our own pictures are markup.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.context.declaration import BenchmarkAudit, TabularAudit
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import benchmark, facts, lineage, rows, wording
from pytest_biasaudit.report.caveats import interval_is, interval_means, made_from, not_said, page_shows
from pytest_biasaudit.report.child_section import child_pairs
from pytest_biasaudit.report.mitigation_section import mitigation_section
from pytest_biasaudit.report.study_levers import lever_studies
from pytest_biasaudit.report.table_section import table_section
from pytest_biasaudit.report.visible import visible
from pytest_biasaudit.verdict.verdict import Verdict

if TYPE_CHECKING:
    from jinja2 import Template

    from pytest_biasaudit.report.canvas import Picture
TEMPLATES = (
    "report.html.jinja",
    "macros.html.jinja",
    "benchmark.html.jinja",
    "tables.html.jinja",
    "study.html.jinja",
    "levers.html.jinja",
    "parent_child.html.jinja",
    "mitigation.html.jinja",
)
ESTIMATE_HEADS = (
    *("Metric", "Comparison", "Value", "Interval", "Level", "Method", "p", "p adjusted"),
    *("Answers used", "People", "Templates", "Not used", "Note"),
)
"""One a field of `EstimateRow`; the last is left out where no row has a note."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The run in one sentence, and the verdict whose colour it has."""

    text: str
    verdict: Verdict


def write_report(path: Path, evidence: Evidence, *, sections: Sequence[tuple[str, str]] = ()) -> None:
    """Draw the page and put it in place; the old file stands until the new one is whole.

    sections  (title, text) that hooks add before the explanations; shown as text, a blank line begins a paragraph
    """
    page = render_page(evidence, sections=sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def render_page(evidence: Evidence, *, sections: Sequence[tuple[str, str]] = ()) -> str:
    """The page as text. The same evidence gives the same page, byte for byte."""
    records = lineage.in_reading_order(evidence.audits, evidence.models)
    verdicts = rows.verdict_rows(records)
    anchors = rows.anchors(records)
    run = evidence.run
    date, clock = run.created[:10], run.created[11:16]
    return _template().render(
        evidence=evidence,
        run=run,
        date=date,
        clock=clock,
        title=_title(evidence),
        headline=headline(rows.verdict_counts(records)),
        counts=rows.verdict_counts(records),
        verdicts=_by_context(verdicts),
        contexts=_contexts(evidence, records, verdicts),
        study=_study(evidence),
        levers=lever_studies(evidence),
        pairs=child_pairs(evidence.models, records, anchors),
        mitigation=mitigation_section(evidence, records, anchors),
        # A table stands where a model would, and is described in the sections of its audits.
        models=lineage.model_rows([model for model in evidence.models if model.architecture != "table"]),
        rules=_rules(records),
        metrics=_metrics(records),
        run_facts=facts.run_facts(run),
        not_said=not_said(records),
        interval_means=interval_means(records),
        interval_is=interval_is(records),
        page_shows=page_shows(records, studied=bool(evidence.study)),
        made_from=made_from(records, studied=bool(evidence.study)),
        not_measured=Verdict.NOT_MEASURED,
        sections=tuple(sections),
        uses_ratio=any(one.limit.metric == "impact_ratio" for record in records for one in record.judgements),
        words=wording.WORDS,
        symbols=wording.SYMBOLS,
        meaning=wording.MEANING,
    )


def headline(counts: Mapping[Verdict, int]) -> Headline:
    """What the run found, gravest first; green only when there are limits and every one is within."""
    total = sum(counts.values())
    if not total:
        return Headline(text="No limit was judged.", verdict=Verdict.NOT_MEASURED)
    if counts[Verdict.WITHIN] == total:
        every = "The one limit is" if total == 1 else f"All {total} limits are"
        return Headline(text=f"{every} within.", verdict=Verdict.WITHIN)
    order = (Verdict.OVER, Verdict.NOT_MEASURED, Verdict.INCONCLUSIVE)
    found = [f"{counts[one]} {wording.WORDS[one].lower()}" for one in order if counts[one]]
    gravest = next(one for one in order if counts[one])
    return Headline(text=f"Of {total} limit{'s' * (total > 1)}: {', '.join(found)}.", verdict=gravest)


@cache
def _template() -> Template:
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    folder = files("pytest_biasaudit.report") / "templates"
    environment = Environment(
        loader=DictLoader({name: (folder / name).read_text(encoding="utf-8") for name in TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup((folder / "report.css").read_text(encoding="utf-8"))
    environment.globals["mitigation_css"] = Markup((folder / "mitigation.css").read_text(encoding="utf-8"))
    return environment.get_template(TEMPLATES[0])


def _title(evidence: Evidence) -> str:
    titles = [context.title for context in evidence.contexts]
    if not titles:
        studies = [result.study for result in evidence.study]
        return f"Which lever helps: {', '.join(studies)}" if studies else "No context"
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _by_context(verdicts: Sequence[rows.VerdictRow]) -> list[tuple[str, list[rows.VerdictRow]]]:
    grouped: dict[str, list[rows.VerdictRow]] = {}
    for row in verdicts:
        grouped.setdefault(row.context, []).append(row)
    return list(grouped.items())


def _contexts(
    evidence: Evidence, records: Sequence[AuditRecord], verdicts: Sequence[rows.VerdictRow]
) -> list[dict[str, Any]]:
    anchors = rows.anchors(records)
    drawn = []
    for at, context in enumerate(evidence.contexts, start=1):
        own = [
            (number, record, anchor)
            for number, (record, anchor) in enumerate(zip(records, anchors, strict=True))
            if (record.context.id, record.context.sha256) == (context.id, context.sha256)
        ]
        drawn.append(
            {
                "anchor": f"context-{at}",
                "title": context.title,
                "language": _language(context.language),
                "elements": facts.elements(context),
                "facts": (
                    ("Answerable", context.owner),
                    ("Jurisdictions", ", ".join(context.jurisdictions) or "none declared"),
                    ("Language", context.language),
                    ("Declared in", f"{context.path.as_posix()} (sha256 {context.sha256})"),
                ),
                "audits": [_audit(record, anchor, verdicts, number=number) for number, record, anchor in own],
            }
        )
    return drawn


def _study(evidence: Evidence) -> list[dict[str, Any]]:
    """The section on sweeps; its arithmetic is imported where there is a benchmark only."""
    if not any(isinstance(record.audit, BenchmarkAudit) for record in evidence.audits):
        return []
    from pytest_biasaudit.report.study_section import study_parts

    return [
        {
            "anchor": part.anchor,
            "title": part.title,
            "audit": part.audit,
            "pictures": _drawn(*part.pictures),
            "legends": part.legends,
            "grids": part.grids,
        }
        for part in study_parts(evidence)
    ]


def _audit(record: AuditRecord, anchor: str, verdicts: Sequence[rows.VerdictRow], *, number: int) -> dict[str, Any]:
    if isinstance(record.audit, BenchmarkAudit):
        own = _of_benchmark(record, number)
    elif isinstance(record.audit, TabularAudit):
        own = table_section(record, anchor=anchor, number=number)
    else:
        own = _of_people(record, number)
    return {
        "table": None,
        "anchor": anchor,
        "id": record.audit.id,
        "model": record.model.name,
        "verdicts": [row for row in verdicts if row.anchor == anchor],
        "limits": _limits(record),
        **own,
    }


def _of_people(record: AuditRecord, number: int) -> dict[str, Any]:
    measured, examples = rows.estimate_rows(record), rows.example_rows(record)
    heads = ESTIMATE_HEADS if any(row.reason for row in measured) else ESTIMATE_HEADS[:-1]
    columns = len({row.group for row in examples})
    return {
        "benchmark": None,
        "pictures": _people_pictures(record, number),
        "groups_caption": "Answers and figures of each group"
        + (f"; mean, SD and median in {record.audit.unit}" if record.audit.unit else ""),
        "groups": [_group_cells(row) for row in rows.group_rows(record)],
        "estimates": [_cells(row)[: len(heads)] for row in measured],
        "estimate_heads": heads,
        "unused": [_unused_cells(row) for row in rows.unused_rows(record)],
        "unused_examples": rows.unused_examples(record),
        "examples": examples,
        # Like beside like: as many columns as groups, where that many fit.
        "columns": columns if columns in {2, 4} else "any",
        "facts": facts.audit_facts(record),
    }


def _of_benchmark(record: AuditRecord, number: int) -> dict[str, Any]:
    most, least = benchmark.quoted_rows(record)
    return {
        "benchmark": {
            "bias": benchmark.figures(record, utility=False),
            "utility": benchmark.figures(record, utility=True),
            "obstacle": record.obstacle,
            "unused": [_unused_cells(row) for row in benchmark.unused_rows(record)],
            "reasons": benchmark.unused_reasons(record),
            "most": most,
            "least": least,
            "ends": benchmark.ends_of(record),
            "source": benchmark.source_line(record),
        },
        "pictures": _benchmark_pictures(record, number),
        "facts": benchmark.facts_of(record),
    }


def _people_pictures(record: AuditRecord, number: int) -> list[tuple[dict[str, object], str]]:
    from pytest_biasaudit.report.charts import groups_picture, limits_picture

    return _drawn(
        (
            groups_picture(record, ids=f"p{number}a"),
            "Answers by group. A dot is the mean of one person; the thick bar holds the middle half of all answers, the thin "
            "line the middle eight tenths, the mark is the median.",
        ),
        (
            limits_picture(record, ids=f"p{number}b"),
            "Estimates with their intervals against their limits. The shaded band is what the limit allows; the dotted "
            "line stands where groups do not differ, or every answer is used.",
        ),
    )


def _benchmark_pictures(record: AuditRecord, number: int) -> list[tuple[dict[str, object], str]]:
    from pytest_biasaudit.report.charts import limits_picture
    from pytest_biasaudit.report.score_charts import scores_picture

    return _drawn(
        (
            scores_picture(record, ids=f"p{number}a"),
            "How biased, by part. A dot is the figure, the bar its interval, n the items used; the dotted line is the ideal. "
            "Hollow marks are not judged.",
        ),
        (
            scores_picture(record, ids=f"p{number}c", utility=True),
            "How able the model is, drawn alike. A model that is no better than chance here shows nothing about bias.",
        ),
        (
            limits_picture(record, ids=f"p{number}b"),
            "Estimates with their intervals against their limits. The shaded band is what the limit allows; the dotted "
            "line is the ideal.",
        ),
    )


def _drawn(*pictures: tuple[Picture | None, str]) -> list[tuple[dict[str, object], str]]:
    from markupsafe import Markup

    # Our own drawing; `inline_svg` escaped the labels in it.
    return [({"svg": Markup(picture.svg)}, caption) for picture, caption in pictures if picture is not None]


def _group_cells(row: rows.GroupRow) -> tuple[object, ...]:
    name = f"{row.group} (reference)" if row.reference else row.group
    return (
        *(name, row.attribute, row.people, row.asked, row.answered, row.refused, row.unparseable, row.errors),
        *(row.mean, row.sd, row.median, row.rate),
    )


def _unused_cells(row: rows.UnusedRow) -> tuple[object, ...]:
    counts = row.counts
    share = f"{100 * counts.unused / counts.asked:.1f} %" if counts.asked else wording.NONE
    return (row.group, counts.asked, counts.answered, counts.refused, counts.unparseable, counts.errors, share)


def _cells(row: rows.EstimateRow) -> tuple[object, ...]:
    return tuple(getattr(row, field.name) for field in fields(row))


def _limits(record: AuditRecord) -> list[tuple[object, ...]]:
    made: list[tuple[object, ...]] = []
    for judgement in record.judgements:
        limit = judgement.limit
        kind = record.audit.kind
        unit = wording.unit_of(limit.metric, record.audit.unit, kind)
        about = f", {wording.crossed(limit.attribute)}" if limit.attribute else ""
        about += f', label "{limit.label}"' if limit.label is not None else ""
        accepted = " (one template accepted by the owner)" if limit.accept_one_template else ""
        made.append(
            (
                limit.id,
                f"{wording.title_of(limit.metric, kind)}{about}",
                wording.bound_text(limit, unit, kind),
                f"{limit.rule}{accepted}",
                f"{limit.level * 100:g} %",
                wording.BASES[limit.basis],
                limit.reason or "none declared",
                wording.p_text(judgement.p),
                wording.p_text(judgement.p_adjusted),
            )
        )
    return made


def _rules(records: Sequence[AuditRecord]) -> list[tuple[str, str]]:
    used = {
        (judgement.limit.rule, judgement.limit.level): judgement.limit
        for record in records
        for judgement in record.judgements
    }
    return [(f"{rule}, level {level * 100:g} %", wording.rule_text(used[rule, level])) for rule, level in sorted(used)]


def _metrics(records: Sequence[AuditRecord]) -> list[tuple[object, ...]]:
    used = [(estimate.metric, record.audit.kind) for record in records for estimate in record.estimates]
    used += [(judgement.limit.metric, record.audit.kind) for record in records for judgement in record.judgements]
    made: list[tuple[object, ...]] = []
    seen: list[object] = []
    for name, kind in dict.fromkeys(used):
        metric = wording.metric_of(name, kind)
        # A name may mean one formula of answers and another of tables: then both stand here.
        if (name if metric is None else metric) in seen:
            continue
        seen.append(name if metric is None else metric)
        if metric is None:
            made.append((name, wording.NONE, wording.NONE, "added by a plugin of the run; described there"))
        else:
            judged = {
                "distance": "its distance from there",
                "ratio": "the ratio or its inverse, whichever is further from 1",
                "value": "the value itself",
            }[metric.judged]
            made.append((f"{metric.title} ({name})", f"{metric.ideal:g}", judged, metric.source))
    return made


def _language(tag: str) -> str:
    """The context's language where it may stand in a `lang` attribute, else nothing."""
    parts = tag.split("-")
    sound = all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts) and parts[0].isalpha()
    return tag if sound and len(parts[0]) in {2, 3} else ""
