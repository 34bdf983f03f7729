"""One component at a time: take out the top one, ask again, score again, take out the next. Asks a `Trial`.

Source: the pruning study's published loop over heads (50 steps, ranked by attention to the name of both groups together;
the number of heads chosen where the mean absolute gap on the training variations was least).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.cells import of_both
from pytest_biasaudit.mitigation.choosing.found import Floors, Found, Tried, best_of
from pytest_biasaudit.mitigation.choosing.places import difference_of_sizes, in_order
from pytest_biasaudit.mitigation.choosing.reading import NEVER, named, ranked_by
from pytest_biasaudit.mitigation.choosing.settings import DATA_FREE, Rule, Settings, is_whole
from pytest_biasaudit.mitigation.choosing.tuning import Tuning
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Origin
from pytest_biasaudit.mitigation.scores import Cell, ScoreTable
from pytest_biasaudit.mitigation.trial import Trial, Variation
from pytest_biasaudit.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from pytest_biasaudit.metrics.over_variations import GapMetric

Rescore = Callable[[ComponentSet | None, Mapping[str, tuple[Outcome, ...]]], ScoreTable]
"""Scores of a model without these components (None: as it is), from its own answers to the tuning variations, by name."""


def greedy(
    trial: Trial,
    tuning: Sequence[Variation],
    rescore: Rescore,
    *,
    reference: str,
    group: str,
    attribute: str,
    steps: int,
    min_inlier_ratio: float,
    min_answer_rate: float,
    rule: Rule | None = None,
    metric: GapMetric = "smd",
    mode: Mode = "ablate",
    cells: Sequence[Cell] | None = None,
    min_per_group: int | None = None,
    origin: Origin | None = None,
    progress: Callable[[int], None] | None = None,
) -> Found:
    """Takes out the top head or neuron, one a step, scoring anew after each; the best number of them is the choice.

    rescore   called once a step; gets the answers, so that nothing is asked twice. What it returns must be of the same unit
              and places each time; cells outside tuning are cut away
    steps     at most so many, 1 to the components there are
    rule      "sum" (default for scores by group: both groups together, as published) or "top" (the group alone); signed
              scores go by the group's minus the reference's in the direction of the gap before
    other settings as in `search`

    It ends early where no component is left that carries any of the gap. Each step's set holds those of the steps before;
    `tried` tells what each came to, and which one it added. A run that was stopped goes on by the trial's journal: the same
    answers are recalled and give the same path.

    Raises as `search`; RecipeError also for weights, which are too many to go one by one, and for a rule that ranks
    nothing here.
    """
    floors = Floors(inlier_ratio=min_inlier_ratio, answer_rate=min_answer_rate)
    if not is_whole(steps) or steps < 1:
        raise RecipeError(f"greedy: steps = {steps!r} is not a whole number from 1")
    seen = Tuning(
        trial,
        tuning,
        attribute=attribute,
        groups=(reference, group),
        metric=metric,
        min_per_group=min_per_group,
        cells=cells,
    )
    first = rescore(None, seen.answers)
    ranking = _rule_of(first, rule, steps)
    table, path, tried = first, list[tuple[str, int]](), list[Tried]()
    while len(path) < steps:
        # In the direction of the gap as it was: what is beyond nought is seen in the bias, not chased back.
        added = _top(seen, table, ranking, (reference, group), path)
        if added is None:
            break
        path.append(added)
        components = _set_of(path, first, mode)
        answers = seen.asked(components)
        standing = seen.standing_of(answers)
        tried.append(
            Tried(
                settings=Settings(k=len(path), rule=ranking, scope="global"),
                components=len(path),
                share=len(path) / components.total,
                standing=standing,
                refused=standing.below(floors),
                added=added,
            )
        )
        if progress is not None:
            progress(1)
        if len(path) < steps:
            table = rescore(components, answers)
            _refuse_other(table, first, len(path))
    chosen = best_of(tried)
    found = None if chosen is None else _set_of(path[: chosen.components], first, mode)
    if found is not None and origin is not None and chosen is not None:
        written = {**dict(chosen.settings.written), "greedy_steps": len(path)}
        settings = tuple(sorted(written.items()))
        found = replace(
            found, origin=replace(origin, groups=(reference, group), method=first.method, settings=settings)
        )
    return seen.found(found, chosen, tried, floors=floors)


def _rule_of(table: ScoreTable, rule: Rule | None, steps: int) -> Rule:
    total = sum(int(np.prod(size)) for size in table.sizes.values())
    faults = []
    if table.unit == "weights":
        faults.append("weights are too many to be taken out one by one; choose them by shares")
    if steps > total:
        faults.append(f"steps = {steps} are more than the {total} {table.unit} the model has")
    used: Rule = rule or ("difference" if table.signed else "top" if table.method in DATA_FREE else "sum")
    valid: tuple[Rule, ...] = (
        ("difference",) if table.signed else ("top",) if table.method in DATA_FREE else ("sum", "top")
    )
    if used not in valid:
        faults.append(f"rule {used!r}: valid for {named(table)} are {', '.join(map(repr, valid))}")
    if faults:
        raise RecipeError("greedy: " + "; ".join(faults))
    return used


def _refuse_other(table: ScoreTable, first: ScoreTable, step: int) -> None:
    faults = []
    if (table.unit, table.method, table.signed) != (first.unit, first.method, first.signed):
        faults.append(f"{named(table)} came, {named(first)} came first")
    elif unlike := difference_of_sizes(table.sizes, first.sizes):
        faults.append(unlike)
    if faults:
        raise DataError(f"greedy: scores after step {step}", faults)


def _top(
    seen: Tuning, table: ScoreTable, rule: Rule, groups: tuple[str, str], path: Sequence[tuple[str, int]]
) -> tuple[str, int] | None:
    """The highest that is not out yet, the first of equal ones; None where nothing is left that may be taken."""
    scores = seen.scores(table)
    reference, group = of_both(scores.cells, reference=groups[0], group=groups[1], what=named(table))
    ranked = ranked_by(scores, rule, reference, group, seen.gap if scores.signed else None)
    best: tuple[str, int] | None = None
    highest = NEVER
    for place in in_order(scores.sizes):
        figures = np.array(ranked(place))
        figures[[number for at, number in path if at == place]] = NEVER
        if figures.size and figures.max() > highest:
            highest, best = figures.max(), (place, int(figures.argmax()))
    return best


def _set_of(path: Sequence[tuple[str, int]], table: ScoreTable, mode: Mode) -> ComponentSet:
    by_place: dict[str, list[int]] = {}
    for place, number in path:
        by_place.setdefault(place, []).append(number)
    chosen = {place: np.array(sorted(by_place[place]), dtype=np.int64) for place in in_order(by_place)}
    return ComponentSet(unit=table.unit, mode=mode, chosen=chosen, sizes=dict(table.sizes))
