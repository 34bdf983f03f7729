"""The report's section on studies of levers: tables of `lever_rows` with their pictures, for the template. Evidence in."""

from __future__ import annotations

from typing import Any

from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.report import lever_rows

WAY = (
    "What each pair of levers changed about the gap, with its interval over seeds; left of the dotted line the gap shrank. "
    "Hollow: it cannot be told."
)
SWEPT = (
    "The gap of a label at each share of the group in its training rows, with its interval over seeds. A classifier that follows "
    "its data has the gap rise with the share; how far apart the series lie is what pre-training adds or takes."
)


def lever_studies(evidence: Evidence) -> list[dict[str, Any]]:
    """What the template needs of each study; nothing for a run without one."""
    if not evidence.study:
        return []
    from markupsafe import Markup

    from pytest_biasaudit.report.study_levers_charts import changes_picture, sweep_pictures

    made = []
    for at, result in enumerate(evidence.study, start=1):
        changes = changes_picture(result, ids=f"v{at}c")
        drawn = [] if changes is None else [(changes, WAY)]
        drawn += [(picture, SWEPT) for picture in sweep_pictures(result, ids=f"v{at}s")]
        made.append(
            {
                "anchor": f"levers-{at}",
                "title": result.study,
                "model": result.model.name,
                "facts": lever_rows.facts(result),
                "limits": lever_rows.NO_SIDE,
                # Our own drawing; `inline_svg` escaped the labels in it.
                "pictures": [({"svg": Markup(picture.svg)}, caption) for picture, caption in drawn],
                "grids": lever_rows.grids(result, anchor=f"levers-{at}"),
                "notes": result.notes,
            }
        )
    return made
