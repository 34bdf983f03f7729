"""Which k, p and q: tried on the tuning variations, never looking at those the choice is evaluated on.

Asks a `Trial`; imports numpy through `choose`. The pruning study's own grid and rule are not known; this rule is ours: the
least mean absolute gap on the tuning variations, of what keeps the inlier ratio and the answer rate above floors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from pytest_biasaudit.errors import RecipeError
from pytest_biasaudit.mitigation.choosing.choose import choose_by
from pytest_biasaudit.mitigation.choosing.found import Floors, Found, Tried, best_of
from pytest_biasaudit.mitigation.choosing.only import TuningScores
from pytest_biasaudit.mitigation.choosing.settings import Rule, Scope, Settings, complete
from pytest_biasaudit.mitigation.choosing.tuning import Tuning
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Origin
from pytest_biasaudit.mitigation.scores import Cell, ScoreTable
from pytest_biasaudit.mitigation.trial import Trial, Variation

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.over_variations import GapMetric

Chooser = Callable[[TuningScores, Settings], ComponentSet]
"""How a setting makes a set, where it is not `choose` over all tuning cells: one set a variation and what is in all of them,
or one that spares what utility prompts need."""


def search(
    trial: Trial,
    tuning: Sequence[Variation],
    table: ScoreTable,
    grid: Iterable[Settings],
    *,
    reference: str,
    group: str,
    attribute: str,
    min_inlier_ratio: float,
    min_answer_rate: float,
    metric: GapMetric = "smd",
    mode: Mode = "ablate",
    cells: Sequence[Cell] | None = None,
    chooser: Chooser | None = None,
    min_per_group: int | None = None,
    origin: Origin | None = None,
    progress: Callable[[int], None] | None = None,
) -> Found:
    """Tries every setting on the tuning variations and takes the one with the least bias that meets the floors.

    tuning    the only variations that are asked, with the only people; the trial is wrapped so that any other question
              raises LeakError, and the scores of all other cells are cut away before anything is chosen
    table     scores of the model as it is; may hold more cells
    grid      settings in the order they are tried; a set that another setting gave too is recalled by the trial
    min_inlier_ratio, min_answer_rate  floors, 0 to 1, held against estimates, not against intervals
    cells     of the tuning variations, where not all of them may be read (one half of the names); see `Tuning`
    chooser   makes the set of a setting from the scores of tuning; None: `choose`. The direction of the gap that signed
              scores need is measured on the tuning variations
    origin    where the scores come from, kept in the set with how many settings were tried
    progress  called with 1 after each setting

    A setting that chooses nothing is kept as a row and not asked. Ties: fewer components, then the earlier one.

    Raises LeakError as said, also where the chooser caught it and went on; RecipeError for an empty grid, floors or
    settings out of range, before anything is asked; DataError for tuning that cannot be measured.
    """
    floors = Floors(inlier_ratio=min_inlier_ratio, answer_rate=min_answer_rate)
    settings = tuple(grid)
    if not settings:
        raise RecipeError("search: the grid has no setting; at least 1 is needed")
    if chooser is None:
        # Filled in, so that the rows say what was done; a chooser of one's own may read them otherwise.
        settings = tuple(
            complete(one, unit=table.unit, method=table.method, signed=table.signed, sizes=table.sizes)
            for one in settings
        )
    seen = Tuning(
        trial,
        tuning,
        attribute=attribute,
        groups=(reference, group),
        metric=metric,
        min_per_group=min_per_group,
        cells=cells,
    )
    scores = seen.scores(table)

    def chosen_by(one: Settings) -> ComponentSet:
        if chooser is not None:
            return chooser(scores, one)
        gap = seen.gap if scores.signed else None
        return choose_by(scores, one, reference=reference, group=group, mode=mode, gap=gap, origin=origin)

    tried: list[Tried] = []
    best: tuple[Tried, ComponentSet] | None = None
    for one in settings:
        components = chosen_by(one)
        seen.refuse_leaks()
        row = _tried(seen, one, components, floors)
        tried.append(row)
        # One set is kept, not one a setting: sets of weights are large.
        if best_of([row] if best is None else [best[0], row]) is row:
            best = (row, components)
        if progress is not None:
            progress(1)
    chosen = None if best is None else best[0]
    return seen.found(None if best is None else _searched(best[1], len(tried)), chosen, tried, floors=floors)


def shares(
    p: Sequence[float], q: Sequence[float], *, rule: Rule | None = None, scope: Scope | None = None
) -> tuple[Settings, ...]:
    """Every pair of shares, for neurons and weights."""
    return tuple(Settings(p=one, q=other, rule=rule, scope=scope) for one, other in product(p, q))


def counts(
    k: Sequence[int], q: Sequence[int] = (), *, rule: Rule | None = None, scope: Scope | None = None
) -> tuple[Settings, ...]:
    """Every pair of counts, for heads; without q every k alone: for signed scores, and for rules that take nothing off."""
    others: Sequence[int | None] = q or (None,)
    return tuple(Settings(k=one, q=other, rule=rule, scope=scope) for one, other in product(k, others))


def _tried(seen: Tuning, settings: Settings, components: ComponentSet, floors: Floors) -> Tried:
    count = components.count
    standing = seen.standing(components) if count else None
    return Tried(
        settings=settings,
        components=count,
        share=count / components.total,
        standing=standing,
        refused="no component was chosen" if standing is None else standing.below(floors),
    )


def _searched(components: ComponentSet, tried: int) -> ComponentSet:
    if components.origin is None:
        return components
    written = {**dict(components.origin.settings), "searched": tried}
    return replace(components, origin=replace(components.origin, settings=tuple(sorted(written.items()))))
