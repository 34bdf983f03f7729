"""The report's section on components that were removed against bias: what the template needs, with its pictures.

Evidence in, plain values and SVG out; `mitigation.html.jinja` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_biasaudit.mitigation.removed import removed_from
from pytest_biasaudit.records.evidence import Evidence
from pytest_biasaudit.records.record import AuditRecord
from pytest_biasaudit.report import wording
from pytest_biasaudit.report.grid import Grid, Shown
from pytest_biasaudit.report.mitigation_beside import AuditBeside, Spread
from pytest_biasaudit.report.mitigation_charts import groups_picture, where_picture
from pytest_biasaudit.report.mitigation_rows import Mitigated, RemovedSet, Spot, mitigated, share_text
from pytest_biasaudit.report.mitigation_words import TITLE, not_licensed
from pytest_biasaudit.report.transfer_charts import levels_picture, matrix_picture
from pytest_biasaudit.report.transfer_rows import Block, blocks, grid_of, matrices, matrix_grid, study_facts

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.result import Generalisation
    from pytest_biasaudit.report.canvas import Picture

HEADS = (
    "Heads of the model, a row a layer, a column a head. A filled square with a cross is a head that was removed; the number at "
    "the right counts them."
)
NEURONS = "Hidden units of the MLPs that pass nothing on any more, as a share of their layer."
WEIGHTS = (
    "Per cent of the weights of each linear layer that were set to zero, a row a layer of the model. A dot is none."
)
LEGENDS: Mapping[str, str] = {"heads": HEADS, "neurons": NEURONS, "weights": WEIGHTS}
GROUPS = (
    "Mean answers before (hollow square) and after (dot). A bar is one standard deviation of answers to each side: how far they "
    "lie apart, not how sure the mean is."
)
MATRIX = (
    "Found in the row's context, evaluated in the column's: the share of the bias that is gone. 1 is all, 0 none, below 0 more "
    "bias than before. In a dashed frame, components were found on the very prompts they are evaluated on, which is no evidence. "
    "Where sets of the context's other variations were tried as well, what they remove stands under it in brackets."
)
STEPS = (
    "The further down, the further the components were found from the prompts they are evaluated on. Bars are intervals. What as "
    "many components drawn at random, or of largest weights, remove stands beside: what they remove as well is no finding."
)
Drawn = list[tuple[dict[str, object], str]]


def mitigation_section(
    evidence: Evidence, records: Sequence[AuditRecord], anchors: Sequence[str]
) -> Mapping[str, Any] | None:
    """What the template needs; None where nothing was removed and nothing studied."""
    removed = {model.digest: sets for model in evidence.models if (sets := removed_from(model.achieved))}
    found = mitigated(evidence.models, removed, list(zip(records, anchors, strict=True)))
    studies = evidence.transfer
    if not found and not studies:
        return None
    titles = {context.id: context.title for context in evidence.contexts}
    return {
        "title": TITLE,
        "box": _box(found, studies, titles),
        "removed": [_removed(one, f"removed-{at}", f"m{at}") for at, one in enumerate(found, start=1)],
        "studies": [_study(one, f"transfer-{at}", f"t{at}") for at, one in enumerate(studies, start=1)],
    }


def _box(
    found: Sequence[Mitigated], studies: Sequence[Generalisation], titles: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    origins = [one.components.origin for each in found for one in each.sets]
    known = [one for one in origins if one is not None and one.contexts]
    rows = [row for study in studies for row in study.rows]

    def named(context: str) -> str:
        return titles.get(context, context)

    tested = [audit.context for each in found for audit in each.audits] + [named(row.evaluated_in) for row in rows]
    looked = [named(name) for one in known for name, _ in one.contexts]
    looked += [named(name) for row in rows for name in row.found_in if row.chosen == "scored"]
    groups = [f"{one.groups[1]} against {one.groups[0]} ({one.attribute})" for one in known]
    groups += [f"{row.groups[1]} against {row.groups[0]} ({row.attribute})" for row in rows]
    same = any(audit.same_prompts for each in found for audit in each.audits) or any(row.same_prompts for row in rows)
    models = [each.parent or each.child for each in found] + [study.model.name for study in studies]
    return not_licensed(
        tested=list(dict.fromkeys(tested)),
        found=list(dict.fromkeys(looked)),
        groups=list(dict.fromkeys(groups)),
        models=list(dict.fromkeys(models)),
        same_prompts=same,
    )


def _removed(one: Mitigated, anchor: str, ids: str) -> Mapping[str, Any]:
    return {
        "anchor": anchor,
        "child": one.child,
        "parent": one.parent,
        "missing": one.missing,
        "sets": [
            _set(each, one.child, f"{anchor}-set-{at}", f"{ids}s{at}") for at, each in enumerate(one.sets, start=1)
        ],
        "audits": [
            _audit(each, one, f"{anchor}-audit-{at}", f"{ids}a{at}") for at, each in enumerate(one.audits, start=1)
        ],
    }


def _set(one: RemovedSet, child: str, anchor: str, ids: str) -> Mapping[str, Any]:
    unit = one.components.unit
    return {
        "facts": one.facts,
        "pictures": _drawn((where_picture(one, child=child, ids=ids), LEGENDS[unit])),
        "grid": {"heads": _heads_grid, "neurons": _neurons_grid, "weights": _weights_grid}[unit](one, anchor),
    }


def _heads_grid(one: RemovedSet, anchor: str) -> Grid:
    hit = [spot for spot in one.spots if spot.count]
    return Grid(
        anchor=anchor,
        caption="Removed heads by layer; both are counted from 0",
        heads=("Layer", "Which", "Removed", "Of", "Share"),
        words=2,
        rows=tuple((Shown(text=f"{spot.layer}"), Shown(text=_numbers(spot)), *_counts(spot)) for spot in hit),
        notes=tuple(_untouched(one.spots)),
    )


def _numbers(spot: Spot) -> str:
    return ", ".join(str(number) for number in spot.numbers) or "not recorded"


def _neurons_grid(one: RemovedSet, anchor: str) -> Grid:
    return Grid(
        anchor=anchor,
        caption="Removed neurons by layer, counted from 0; which they are stands in the file of the set",
        heads=("Layer", "Removed", "Of", "Share"),
        words=1,
        rows=tuple((Shown(text=f"{spot.layer}"), *_counts(spot)) for spot in one.spots if spot.count),
        notes=tuple(_untouched(one.spots)),
    )


def _counts(spot: Spot) -> tuple[Shown, ...]:
    return Shown(text=f"{spot.count:,}"), Shown(text=f"{spot.size:,}"), Shown(text=share_text(spot.share))


def _untouched(spots: Sequence[Spot]) -> Iterator[str]:
    left = [spot.layer for spot in spots if not spot.count and spot.layer is not None]
    if left:
        yield f"Nothing was removed in layer{'s' * (len(left) > 1)} {ranges(left)}."


def ranges(numbers: Sequence[int]) -> str:
    """As in "0 to 3, 7"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _weights_grid(one: RemovedSet, anchor: str) -> Grid:
    """By kind of linear layer, over the model's layers: what no picture of thirty layers can be read for."""
    by_kind: dict[str, list[Spot]] = {}
    for spot in one.spots:
        by_kind.setdefault(spot.kind, []).append(spot)
    rows = []
    for kind, spots in by_kind.items():
        count, size = sum(spot.count for spot in spots), sum(spot.size for spot in spots)
        least, most = min(spot.share for spot in spots), max(spot.share for spot in spots)
        rows.append(
            (
                Shown(text=kind),
                Shown(text=str(len(spots))),
                Shown(text=f"{count:,}"),
                Shown(text=f"{size:,}"),
                Shown(
                    text=share_text(count / size if size else 0.0),
                    under=(f"{share_text(least)} to {share_text(most)}",),
                ),
            )
        )
    return Grid(
        anchor=anchor,
        caption="Removed weights by kind of linear layer; under the share, the smallest and the largest of a single layer",
        heads=("Linear layer", "Layers", "Removed", "Of", "Share"),
        words=1,
        rows=tuple(rows),
        notes=(),
    )


def _audit(one: AuditBeside, of: Mitigated, anchor: str, ids: str) -> Mapping[str, Any]:
    return {
        "context": one.context,
        "audit": one.audit,
        "tested_on": one.tested_on,
        "same_prompts": one.same_prompts,
        "parent_anchor": one.parent_anchor,
        "child_anchor": one.child_anchor,
        "pictures": _drawn((groups_picture(one, child=of.child, parent=of.parent, ids=ids), GROUPS)),
        "groups": _groups_grid(one, of, f"{anchor}-groups") if one.groups else None,
        "bias": _bias_grid(one, of, f"{anchor}-bias") if one.bias else None,
    }


def _groups_grid(one: AuditBeside, of: Mitigated, anchor: str) -> Grid:
    unit = f", in {one.unit}" if one.unit else ""
    return Grid(
        anchor=anchor,
        caption=f"Answers by group before and after: mean{unit}, under it one standard deviation and the answers used",
        heads=("Group", f"Before: {of.parent}", f"After: {of.child}"),
        words=1,
        rows=tuple(
            (Shown(text=wording.crossed(row.group)), _spread(row.parent), _spread(row.child)) for row in one.groups
        ),
        notes=(),
    )


def _spread(side: Spread) -> Shown:
    used = f"{side.n:,} of {side.asked:,} answers"
    if side.mean is None:
        return Shown(text="no answer used", under=(used,))
    return Shown(text=wording.number(side.mean), under=(f"SD {wording.number(side.sd)}", used))


def _bias_grid(one: AuditBeside, of: Mitigated, anchor: str) -> Grid:
    asked = any(row.removed.text != wording.NONE for row in one.bias)
    removed = "; the share of it that is gone, where a limit asked for that" if asked else ""
    return Grid(
        anchor=anchor,
        caption=f"Bias before and after, each figure with its interval{removed}",
        heads=(
            "Figure",
            "Compared",
            f"Before: {of.parent}",
            f"After: {of.child}",
            *(("Bias removed",) if asked else ()),
        ),
        words=2,
        rows=tuple(
            (
                Shown(text=row.metric),
                Shown(text=row.comparison),
                row.parent,
                row.child,
                *((row.removed,) if asked else ()),
            )
            for row in one.bias
        ),
        notes=(f"{one.more} more figures of bias stand in the sections of the two models.",) if one.more else (),
    )


def _study(one: Generalisation, anchor: str, ids: str) -> Mapping[str, Any]:
    own, wide = blocks(one.rows), matrices(one.rows)
    by_context: dict[str, list[Block]] = {}
    for block in own:
        by_context.setdefault(block.evaluated_in, []).append(block)
    return {
        "anchor": anchor,
        "model": one.model.name,
        "facts": study_facts(one),
        "pictures": _drawn(
            *((matrix_picture(matrix, ids=f"{ids}m{at}"), "") for at, matrix in enumerate(wide, start=1))
        ),
        "matrix_legend": MATRIX,
        "matrices": [matrix_grid(matrix, anchor=f"{anchor}-matrix-{at}") for at, matrix in enumerate(wide, start=1)],
        "steps_legend": STEPS,
        "levels": [
            {
                "context": context,
                "pictures": _drawn(
                    *(
                        (levels_picture(block, ids=f"{ids}l{at}n{number}"), "")
                        for number, block in enumerate(drawn, start=1)
                    )
                ),
                "grids": [
                    grid_of(block, anchor=f"{anchor}-table-{at}-{number}")
                    for number, block in enumerate(drawn, start=1)
                ],
            }
            for at, (context, drawn) in enumerate(by_context.items(), start=1)
        ],
    }


def _drawn(*pictures: tuple[Picture | None, str]) -> Drawn:
    from markupsafe import Markup

    # Our own drawing; `inline_svg` escaped the labels in it.
    return [({"svg": Markup(picture.svg)}, caption) for picture, caption in pictures if picture is not None]
