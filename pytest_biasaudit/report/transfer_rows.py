"""How far a set of components carries, as text: the table of a generalisation protocol, its matrix, its levels.

Rows of the protocol in, rows of text and figures out; no markup. The page and the terminal draw these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_biasaudit.report import wording
from pytest_biasaudit.report.figure_text import cell, counted, decimals, interval_of, perplexity_text, with_interval
from pytest_biasaudit.report.grid import Grid, Shown
from pytest_biasaudit.report.mitigation_rows import share_text

if TYPE_CHECKING:
    from pytest_biasaudit.mitigation.generalising.result import Generalisation, StudiedContext
    from pytest_biasaudit.mitigation.generalising.rows import Figure, TransferRow

LEVELS: Mapping[str, str] = {
    "none": "nothing removed",
    "prompt": "the same variation",
    "names": "the other half of the names",
    "leave-one-out": "the context's other variations",
    "context": "the whole context, these too",
    "cross-context": "another context",
    "pooled": "all other contexts",
}
"""Where components were found, seen from the prompts they are evaluated on; nearest first."""
CHOSEN: Mapping[str, str] = {"none": "", "scored": "by score", "random": "at random", "magnitude": "by magnitude"}
SAME = "same prompts: no evidence that it carries"
SAME_SHORT = "same prompts"
HEADS = ("Found on", "Chosen", "Bias, {metric}", "Removed", "Inlier ratio", "Answered", "Perplexity", "Components")
POOLED = "all others"
MANY = 5.0
"""Times as high a perplexity from which a percentage says less than the number of times."""
MOST_REASONS = 8
"""Notes under one table."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The rows that may be read beside each other: one context evaluated, one unit, one way of scoring."""

    evaluated_in: str
    unit: str
    method: str
    metric: str
    attribute: str
    groups: tuple[str, str]
    rows: tuple[TransferRow, ...]
    """Nearest first; of one level and rule the scored set, then the baselines of its size."""

    @property
    def title(self) -> str:
        """As in "purchase: heads by attribution"."""
        return (
            f"{self.evaluated_in}: {self.unit} by {self.method}" if self.method else f"{self.evaluated_in}: {self.unit}"
        )

    @property
    def about(self) -> str:
        """As in "race, black against white"."""
        return f"{self.attribute}, {self.groups[1]} against {self.groups[0]}"


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """A set found in one context and evaluated in one."""

    removed: Figure
    random: Figure | None
    """Of a set of equal size, drawn at random; None where none was evaluated."""
    held_out: Figure | None
    """Of the diagonal: what sets of the context's other variations remove, by the same rule; what counts there."""
    same_prompts: bool


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Context by context, of one unit, method and rule."""

    unit: str
    method: str
    rule: str
    found_in: tuple[str, ...]
    """Rows: contexts, then `POOLED` where that was evaluated."""
    evaluated_in: tuple[str, ...]
    cells: Mapping[tuple[str, str], MatrixCell]
    """By (found in, evaluated in); pairs that were not evaluated are absent."""

    @property
    def title(self) -> str:
        """As in "heads by attribution, intersection"."""
        return ", ".join(one for one in (f"{self.unit} by {self.method}", self.rule) if one)


def study_facts(study: Generalisation) -> tuple[tuple[str, str], ...]:
    """What was studied, and how much of it: a part of a context is told from the whole."""
    return (
        ("Plan", f"{study.study}: {study.plan_file} (sha256 {study.plan_sha256[:16]})"),
        ("Between groups", f"{study.attribute}: {study.groups[1]} against {study.groups[0]}"),
        ("Bias", f"mean over variations of the size of {wording.title_of(study.metric)}"),
        ("Removed", "; ".join(_choice(one) for one in study.choices)),
        ("Asked", "\n".join(_asked(one) for one in study.contexts)),
        ("Intervals", f"{study.level * 100:g} %, seed {study.seed}"),
    )


def _choice(declared: Mapping[str, object]) -> str:
    """As in "heads by attribution, k 40, rule difference"."""
    rest = {key: value for key, value in declared.items() if key not in {"unit", "method"} and value is not None}
    told = ", ".join(f"{key} {value}" for key, value in rest.items())
    return f"{declared.get('unit')} by {declared.get('method')}" + (f", {told}" if told else "")


def _asked(one: StudiedContext) -> str:
    people, variations = len(one.people), len(one.variations)
    return (
        f"{one.context} / {one.audit}: {variations} of {one.declared_variations} variations, {people} of "
        f"{one.declared_people} people, {one.repeats} answer{'s' * (one.repeats != 1)} a prompt"
    )


def blocks(rows: Sequence[TransferRow]) -> tuple[Block, ...]:
    """All rows, in blocks: by evaluated context as they come, then by unit and method."""
    found: dict[tuple[object, ...], list[TransferRow]] = {}
    own = [row for row in rows if row.level != "none"]
    for row in own:
        found.setdefault(_block_key(row), []).append(row)
    contexts = {row.evaluated_in: at for at, row in reversed(list(enumerate(rows)))}
    made = []
    for key in sorted(found, key=lambda one: contexts[str(one[0])]):
        first = found[key][0]
        # The model as it is has no method: it stands at the head of every block of its context and unit.
        as_it_is = [row for row in rows if row.level == "none" and _setting_key(row) == _setting_key(first)]
        made.append(
            Block(
                evaluated_in=first.evaluated_in,
                unit=first.unit,
                method=first.method,
                metric=first.metric,
                attribute=first.attribute,
                groups=first.groups,
                rows=(*as_it_is[:1], *sorted(found[key], key=_reading_order)),
            )
        )
    return tuple(made)


def _block_key(row: TransferRow) -> tuple[object, ...]:
    return (*_setting_key(row), row.method)


def _setting_key(row: TransferRow) -> tuple[object, ...]:
    return (row.evaluated_in, row.unit, row.metric, row.attribute, row.groups)


def _reading_order(row: TransferRow) -> tuple[object, ...]:
    return (list(LEVELS).index(row.level), row.found_in, row.rule, list(CHOSEN).index(row.chosen))


def found_on(row: TransferRow) -> str:
    """As in "another context: finance"; in the terminal and on the page alike."""
    if row.level in {"cross-context", "pooled"}:
        return f"{LEVELS[row.level]}: {', '.join(row.found_in)}"
    return LEVELS[row.level]


def grid_of(block: Block, *, anchor: str) -> Grid:
    """The block as a table of text."""
    people = {(row.variations, row.people) for row in block.rows if row.level != "none"}
    alike = next(iter(people)) if len(people) == 1 else None
    size = f", {counted(*alike)}" if alike else ""
    metric = f"mean |{wording.title_of(block.metric)}|" if block.metric != "smd" else "mean |SMD|"
    notes = []
    if any(row.same_prompts for row in block.rows):
        notes.append(
            "“Same prompts”: the components were found on the very prompts that they are evaluated on. Such a row shows that "
            "something was found, and nothing about other prompts."
        )
    if any(map(chance_lines, block.rows)):
        notes.append(
            "“By chance”: what the bias would be on average if the groups did not differ at all; a mean of sizes is never nought."
        )
    notes += _reasons(block.rows)
    return Grid(
        anchor=anchor,
        caption=f"Evaluated in {block.title}; {block.about}{size}. Each figure with its interval",
        heads=tuple(head.format(metric=metric) for head in HEADS),
        words=2,
        rows=tuple(_cells(row, alike is None) for row in block.rows),
        notes=tuple(notes),
    )


def _reasons(rows: Sequence[TransferRow]) -> list[str]:
    """Why figures are missing, each once; of very many the first."""
    found = dict.fromkeys(
        f"{found_on(row)}, {CHOSEN[row.chosen] or 'as it is'}: {figure.reason}"
        for row in rows
        for figure in (row.bias, *(() if row.level == "none" else (row.removed,)), row.inlier_ratio, row.answer_rate)
        if figure.reason
    )
    told, more = list(found)[:MOST_REASONS], len(found) - MOST_REASONS
    return [
        *told,
        *([f"{more} more figures are missing for reasons of this kind; the evidence has them all"] if more > 0 else []),
    ]


def _cells(row: TransferRow, differ: bool) -> tuple[Shown, ...]:
    if row.level == "none":
        return (
            Shown(text=LEVELS["none"]),
            Shown(text="the model as it is"),
            _bias(row),
            Shown(text=wording.NONE),
            cell(row.inlier_ratio, digits=3),
            cell(row.answer_rate, digits=3),
            Shown(text=perplexity_text(row.perplexity)),
            Shown(text="0"),
        )
    return (
        Shown(text=found_on(row), under=tuple(_beside(row, differ))),
        Shown(text=CHOSEN[row.chosen]),
        _bias(row),
        cell(row.removed),
        cell(row.inlier_ratio, digits=3),
        cell(row.answer_rate, digits=3),
        Shown(text=perplexity_text(row.perplexity), under=tuple(_against(row))),
        Shown(text=components_text(row), under=(share_text(row.share),)),
    )


def _bias(row: TransferRow) -> Shown:
    """A mean of sizes is above nought by chance: what it would be without any difference stands under it."""
    shown = cell(row.bias)
    return replace(shown, under=(*shown.under, *chance_lines(row)))


def _beside(row: TransferRow, differ: bool) -> Iterator[str]:
    """What stands under the name of a row; a baseline's name is its scored set's, and needs the warning only."""
    if row.chosen == "scored":
        if row.rule not in {"", "own"}:
            yield row.rule
        if differ:
            yield counted(row.variations, row.people)
    if row.same_prompts:
        yield SAME if row.chosen == "scored" else SAME_SHORT


def chance_lines(row: TransferRow) -> tuple[str, ...]:
    """As in "by chance 0.30", where that is known; nothing under a figure that could not be had."""
    return () if row.chance is None or row.bias.value is None else (f"by chance {decimals(row.chance)}",)


def components_text(row: TransferRow) -> str:
    """How many; a mean of several sets may be broken."""
    return f"{row.components:,.0f}" if row.components >= 100 else f"{row.components:,.3g}"


def _against(row: TransferRow) -> Iterator[str]:
    """How the perplexity compares with the model's as it is."""
    now, before = row.perplexity, row.perplexity_before
    if now is None or before is None or not (math.isfinite(now) and math.isfinite(before) and before > 0):
        return
    ratio = now / before
    yield f"{ratio - 1:+.1%}".replace("%", " %") if ratio < MANY else f"{ratio:,.0f}-fold"


def matrices(rows: Sequence[TransferRow]) -> tuple[Matrix, ...]:
    """Context by context, one for each unit, method and rule of which anything was evaluated across contexts."""
    wide = [row for row in rows if row.level in {"context", "cross-context", "pooled"}]
    scored = [row for row in wide if row.chosen == "scored"]
    keys = dict.fromkeys(_matrix_key(row) for row in scored if row.level == "cross-context")
    made = []
    for key in keys:
        own = [row for row in scored if _matrix_key(row) == key]
        random = {_from_to(row): row.removed for row in wide if row.chosen == "random" and _matrix_key(row) == key}
        held_out = {
            _from_to(row): row.removed
            for row in rows
            if row.level == "leave-one-out" and row.chosen == "scored" and _matrix_key(row) == key
        }
        cells = {
            _from_to(row): MatrixCell(
                removed=row.removed,
                random=random.get(_from_to(row)),
                held_out=held_out.get(_from_to(row)),
                same_prompts=row.same_prompts,
            )
            for row in reversed(own)
        }
        columns = tuple(dict.fromkeys(row.evaluated_in for row in rows if row.evaluated_in in {to for _, to in cells}))
        sources = {source for source, _ in cells}
        ordered = dict.fromkeys(
            [*(one for one in columns if one in sources), *(row.found_in[0] for row in own if len(row.found_in) == 1)]
        )
        found_in = (*ordered, *((POOLED,) if POOLED in sources else ()))
        made.append(
            Matrix(
                unit=own[0].unit,
                method=own[0].method,
                rule=own[0].rule,
                found_in=found_in,
                evaluated_in=columns,
                cells=cells,
            )
        )
    return tuple(made)


def _matrix_key(row: TransferRow) -> tuple[object, ...]:
    return (row.unit, row.method, row.rule, row.metric, row.attribute, row.groups)


def _from_to(row: TransferRow) -> tuple[str, str]:
    return (POOLED if row.level == "pooled" else ", ".join(row.found_in), row.evaluated_in)


def matrix_grid(matrix: Matrix, *, anchor: str) -> Grid:
    """The matrix as a table: each share with its interval, and what a random set of equal size removes."""
    rows = []
    for source in matrix.found_in:
        found = [matrix.cells.get((source, column)) for column in matrix.evaluated_in]
        rows.append((Shown(text=source), *(_matrix_cell(one) for one in found)))
    return Grid(
        anchor=anchor,
        caption=f"Share of the bias removed, {matrix.title}: found in the row's context, evaluated in the column's; with "
        "intervals, and what as many components drawn at random remove. “Held out”: sets of the context's other variations",
        heads=("Found in", *matrix.evaluated_in),
        words=1,
        rows=tuple(rows),
        notes=("A dash is a figure that could not be had; the tables by context below say why.",)
        if any(one.removed.value is None for one in matrix.cells.values())
        else (),
    )


def _matrix_cell(one: MatrixCell | None) -> Shown:
    if one is None:
        return Shown(text="not evaluated")
    under = [interval_of(one.removed)] if one.removed.value is not None else []
    if one.same_prompts:
        under.append(SAME_SHORT)
    if one.held_out is not None:
        under.append(f"held out {with_interval(one.held_out)}")
    if one.random is not None:
        under.append(f"random {with_interval(one.random)}")
    return Shown(text=decimals(one.removed.value), under=tuple(under))
