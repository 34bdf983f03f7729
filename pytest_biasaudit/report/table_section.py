"""The report's section on one audit of a labelled table: facts, pictures, figures and counts, for the template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_biasaudit.context.declaration import CorpusAudit
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import table_counts
from pytest_biasaudit.report.corpus_counts import (
    OWN_TABLE,
    association_grid,
    before_grid,
    near_grid,
    prevalence_grid,
)
from pytest_biasaudit.report.grid import Grid
from pytest_biasaudit.report.table_facts import table_facts
from pytest_biasaudit.report.table_figures import figure_blocks
from pytest_biasaudit.report.visible import shortened

MOST_PICTURES = 3
"""Attributes that have a picture of rates."""
LONGEST = 60
WORST = (
    "The comparison furthest from the ideal comes first. p is adjusted by Holm over all comparisons of its metric. Of many "
    "comparisons the first overstates its gap: read it with its label and group, not as “the” gap."
)
LIMITS = (
    "Estimates with their intervals against their limits. The shaded band is what the limit allows; the dotted line is the "
    "ideal."
)


def table_section(record: AuditRecord, *, anchor: str, number: int) -> dict[str, Any]:
    """What the template needs of one audit of a table.

    anchor  id of the audit's section
    number  of the audit on the page, for the pictures' ids
    """
    return {
        "benchmark": None,
        "table": {
            "obstacle": record.obstacle,
            "figures": list(_figures(record, anchor)),
            "worst": WORST,
            "blocks": list(_blocks(record, anchor)),
            "corpus": isinstance(record.audit, CorpusAudit),
        },
        "pictures": _pictures(record, number),
        "facts": table_facts(record),
    }


def _figures(record: AuditRecord, anchor: str) -> Iterator[dict[str, Any]]:
    """Measured figures by what tells groups apart: one attribute, several crossed, none."""
    ways = list(dict.fromkeys(one.attribute for one in record.estimates if one.attribute))
    for at, attribute in enumerate([*ways, ""]):
        blocks, silent = figure_blocks(record, attribute, without=OWN_TABLE)
        if blocks or silent:
            by = f"by {shortened(attribute.replace('*', ' and '), LONGEST)}" if attribute else "over all rows"
            yield {"anchor": f"{anchor}-figures-{at}", "caption": f"Figures {by}", "blocks": blocks, "silent": silent}


def _blocks(record: AuditRecord, anchor: str) -> Iterator[dict[str, Any]]:
    """Titled groups of tables of counts, in reading order; empty ones are left out."""
    for title, texts, grids in _all_blocks(record, anchor):
        there = [grid for grid in grids if grid is not None]
        if there:
            yield {"title": title, "texts": texts, "grids": there}


def _all_blocks(record: AuditRecord, anchor: str) -> Iterator[tuple[str, tuple[str, ...], list[Grid | None]]]:
    tally, audit = record.tally, record.audit
    if tally is None:
        return
    if isinstance(audit, CorpusAudit):
        named = list(enumerate(tally.attributes))
        before = dict(record.tallies).get("before")
        yield (
            "Labels by group",
            (),
            [prevalence_grid(tally, one, anchor=f"{anchor}-prevalence-{at}") for at, one in named]
            if tally.labels
            else [],
        )
        yield (
            "What goes together",
            (),
            [association_grid(record, one, anchor=f"{anchor}-association-{at}") for at, one in named],
        )
        near = [near_grid(record, one, window=audit.window, anchor=f"{anchor}-near-{at}") for at, one in named]
        yield "Words near group terms", (), near
        if before is not None:
            both = [before_grid(tally, before, one, anchor=f"{anchor}-before-{at}") for at, one in named]
            yield "Before and after", (), both
        return
    yield (
        "Predictions by label and group",
        (),
        [
            table_counts.counts_grid(record, one, anchor=f"{anchor}-counts-{at}")
            for at, one in enumerate(tally.attributes)
        ],
    )
    yield (
        "Scores by group",
        (),
        [
            table_counts.scores_grid(record, one, anchor=f"{anchor}-scores-{at}")
            for at, one in enumerate(tally.attributes)
        ],
    )
    yield (
        "Confusions by group",
        ("How many rows of each true label got which prediction; shares are of the true label.",),
        [
            grid
            for at, one in enumerate(tally.attributes)
            for grid in table_counts.confusion_grids(tally, one, anchor=f"{anchor}-confusion-{at}")
        ],
    )
    yield (
        "Rates by category",
        (table_counts.FORM, table_counts.FOUR_FIFTHS),
        list(table_counts.category_grids(tally, anchor=f"{anchor}-category")),
    )


def _pictures(record: AuditRecord, number: int) -> list[tuple[dict[str, object], str]]:
    from markupsafe import Markup

    from pytest_biasaudit.report.charts import limits_picture
    from pytest_biasaudit.report.table_charts import rates_picture

    drawn = []
    for at, attribute in enumerate(record.tally.attributes[:MOST_PICTURES] if record.tally is not None else ()):
        made = rates_picture(record, attribute, ids=f"p{number}t{at}")
        if made is not None:
            drawn.append(made)
    limits = limits_picture(record, ids=f"p{number}b")
    if limits is not None:
        drawn.append((limits, LIMITS))
    # Our own drawing; `inline_svg` escaped the labels in it.
    return [({"svg": Markup(picture.svg)}, caption) for picture, caption in drawn]
