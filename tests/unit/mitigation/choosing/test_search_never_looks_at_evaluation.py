"""Leaks are planted: a choice that looks at what it will be evaluated on is caught, or has nothing there to see."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, LeakError
from pytest_biasaudit.metrics.over_variations import OverVariations, over_variations
from pytest_biasaudit.mitigation.choosing.cells import of_half, of_variations
from pytest_biasaudit.mitigation.choosing.choose import choose, choose_by
from pytest_biasaudit.mitigation.choosing.found import Found
from pytest_biasaudit.mitigation.choosing.greedy import greedy
from pytest_biasaudit.mitigation.choosing.only import only, restricted
from pytest_biasaudit.mitigation.choosing.search import counts, search
from pytest_biasaudit.mitigation.choosing.settings import Settings
from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats
from pytest_biasaudit.mitigation.trial import Trial
from pytest_biasaudit.prompts.prompt import Prompt
from tests.synthetic_trial import SyntheticTrial, cells_of, drawn, table_of, told, variation

TUNING = [variation(name) for name in ("bike", "car", "oven")]
HELD_OUT = [variation(name) for name in ("piano", "boat", "grill", "lamp")]
NAMES = [one.name for one in TUNING]
OTHERS = [one.name for one in HELD_OUT]
SIZES = {"0": (6,), "1": (6,)}
GROUPS: Mapping[str, Any] = {"reference": "white", "group": "black", "attribute": "race"}
FLOORS: Mapping[str, Any] = {"min_inlier_ratio": 0.0, "min_answer_rate": 0.5}
GRID = counts([1, 2, 4], [0, 1])


def noise(seed: int = 0) -> Callable[[Prompt, ComponentSet | None], float]:
    """A gap that is there, and components whose removal only stirs the answers, anew for every set."""

    def answer(prompt: Prompt, components: ComponentSet | None) -> float:
        gap = 2.0 if prompt.person.group("race") == "white" else 0.0
        return 100.0 + gap + drawn(seed, prompt.person_id) + drawn(seed, prompt.id, told(components))

    return answer


def scored(seed: int = 0, names: Sequence[str] = (*NAMES, *OTHERS)) -> ArrayScores:
    def scores(cell: Cell, place: str) -> list[float]:
        return [drawn(seed, "score", cell, place, number) for number in range(6)]

    return table_of(cells_of(names), SIZES, scores)


def test_asking_another_variation_raises_and_reaches_no_model() -> None:
    trial = SyntheticTrial(noise())
    guarded = only(trial, TUNING)
    with pytest.raises(LeakError, match="'shop/offers/piano' was asked, and is not one of the tuning variations"):
        guarded.outcomes(HELD_OUT[0], None)
    assert trial.asked == []
    assert len(guarded.outcomes(TUNING[0], None)) == 32


def test_asking_a_tuning_variation_about_other_people_raises() -> None:
    half = replace(TUNING[0], prompts=TUNING[0].prompts[:8])
    trial = SyntheticTrial(noise())
    guarded = only(trial, [half])
    assert len(guarded.outcomes(half, None)) == 8
    with pytest.raises(
        LeakError, match="24 prompts of variation 'shop/offers/bike' were asked that tuning does not have"
    ):
        guarded.outcomes(TUNING[0], None)
    assert len(trial.asked) == 1


def test_another_file_under_the_same_name_is_another_variation() -> None:
    same_name = replace(TUNING[0], context=replace(TUNING[0].context, sha256="f" * 64))
    with pytest.raises(LeakError, match="is not one of the tuning variations"):
        only(SyntheticTrial(noise()), TUNING).outcomes(same_name, None)


def test_perplexity_may_be_asked() -> None:
    assert only(SyntheticTrial(noise()), TUNING).perplexity(None) == 10.0


def test_scores_of_an_evaluation_cell_raise() -> None:
    table = restricted(scored(), cells_of(NAMES))
    assert table.cells == cells_of(NAMES)
    with pytest.raises(LeakError, match=r"scores of 4 cells outside tuning were asked for.*boat"):
        table.scores("0", cells_of(["shop/offers/boat"]))


def test_a_planted_chooser_that_reads_evaluation_scores_is_caught() -> None:
    def peeking(table: Any, settings: Settings) -> ComponentSet:
        return choose_by(table, settings, reference="white", group="black", cells=cells_of(OTHERS))

    def reading(table: Any, settings: Settings) -> ComponentSet:
        table.scores("0", cells_of(OTHERS))
        raise AssertionError("it was given")

    with pytest.raises(DataError, match="was not scored"):
        search(SyntheticTrial(noise()), TUNING, scored(), GRID, chooser=peeking, **GROUPS, **FLOORS)
    with pytest.raises(LeakError, match="outside tuning"):
        search(SyntheticTrial(noise()), TUNING, scored(), GRID, chooser=reading, **GROUPS, **FLOORS)


def test_a_planted_chooser_that_swallows_the_refusal_is_caught_all_the_same() -> None:
    def furtive(table: Any, settings: Settings) -> ComponentSet:
        with contextlib.suppress(LeakError):
            table.scores("0", cells_of(OTHERS))
        return choose_by(table, settings, reference="white", group="black")

    with pytest.raises(LeakError, match="outside tuning"):
        search(SyntheticTrial(noise()), TUNING, scored(), GRID, chooser=furtive, **GROUPS, **FLOORS)


class Peeking(ArrayScores):
    """Planted: whatever cells it is asked for, it answers with all it has."""

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        same = [cell for cell in self.cells if cell.group == cells[0].group]
        return super().scores(place, same)


def test_a_planted_table_that_reads_all_its_cells_finds_only_those_of_tuning() -> None:
    honest = scored()
    facts = {"unit": "heads", "method": "attention", "signed": False, "sizes": SIZES}
    peeking = Peeking(**facts, sums=honest.sums, counts=honest.counts)  # type: ignore[arg-type]
    settings: dict[str, Any] = {"reference": "white", "group": "black", "k": 4, "q": 2, "cells": cells_of(NAMES)}
    uncut, cut = choose(peeking, **settings), choose(restricted(peeking, cells_of(NAMES)), **settings)
    alone = choose(scored(names=NAMES), **settings)
    assert told(uncut) != told(alone), "the leak that was planted must show where nothing is cut"
    assert told(cut) == told(alone)


@dataclass
class Opaque:
    """A table of somebody's own, which cannot be cut."""

    table: ArrayScores

    unit: Unit = "heads"
    method: ScoreMethod = "attention"
    signed: bool = False

    @property
    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        return self.table.sizes

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.table.cells

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        return self.table.scores(place, self.table.cells)


def test_a_table_that_cannot_be_cut_is_refused_with_evaluation_cells_and_taken_without() -> None:
    with pytest.raises(LeakError, match=r"the scores hold 16 cells outside tuning and cannot be cut \(Opaque"):
        search(SyntheticTrial(noise()), TUNING, Opaque(scored()), GRID, **GROUPS, **FLOORS)
    alone = Opaque(scored(names=NAMES))
    assert len(search(SyntheticTrial(noise()), TUNING, alone, GRID, **GROUPS, **FLOORS).tried) == 6


def test_cells_of_another_variation_cannot_be_named_for_tuning() -> None:
    with pytest.raises(DataError, match="is not of a tuning variation"):
        search(SyntheticTrial(noise()), TUNING, scored(), GRID, cells=cells_of([*NAMES, OTHERS[0]]), **GROUPS, **FLOORS)


def test_one_half_of_the_names_is_all_that_is_read_where_that_is_said() -> None:
    half = of_half(of_variations(scored().cells, NAMES), 0)
    seen: list[Cell] = []

    def noting(table: Any, settings: Settings) -> ComponentSet:
        seen.extend(table.cells)
        return choose_by(table, settings, reference="white", group="black")

    search(SyntheticTrial(noise()), TUNING, scored(), GRID, cells=half, chooser=noting, **GROUPS, **FLOORS)
    assert {cell.half for cell in seen} == {0}


def outcome_of(found: Found) -> Any:
    return [(one.settings, one.components, one.standing, one.refused) for one in found.tried], told(found.components)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_evaluation_data_are_the_same_is_found(seed: int) -> None:
    """Scores and answers of the held-out variations are drawn anew; nothing of the search may move."""

    def otherwise(prompt: Prompt, components: ComponentSet | None) -> float:
        if prompt.template in ("bike", "car", "oven"):
            return noise()(prompt, components)
        return 1e6 * drawn(seed, prompt.id, told(components))

    base, table = scored(), scored()
    generator = np.random.default_rng(seed)
    for cell in cells_of(OTHERS):
        for place in SIZES:
            table.sums[cell][place][:] = generator.normal(scale=1e3, size=6)
    one = search(SyntheticTrial(noise()), TUNING, base, GRID, **GROUPS, **FLOORS)
    other = search(SyntheticTrial(otherwise), TUNING, table, GRID, **GROUPS, **FLOORS)
    assert outcome_of(one) == outcome_of(other)


def test_only_tuning_variations_are_ever_asked() -> None:
    trial = SyntheticTrial(noise())
    search(trial, TUNING, scored(), GRID, **GROUPS, **FLOORS)
    greedy(trial, TUNING, lambda *_: scored(), steps=3, **GROUPS, **FLOORS)
    assert {name for name, _ in trial.asked} == set(NAMES)


def test_a_greedy_scorer_that_asks_the_held_out_variations_is_caught() -> None:
    """The scorer is handed answers, not the trial; one that wants more must go through the guarded one."""
    guarded = only(SyntheticTrial(noise()), TUNING)

    def asking(components: ComponentSet | None, answers: Any) -> Any:
        guarded.outcomes(HELD_OUT[0], components)
        return scored()

    with pytest.raises(LeakError, match="piano"):
        greedy(guarded, TUNING, asking, steps=1, **GROUPS, **FLOORS)


def evaluated(trial: Trial, found: Found, *, seed: int) -> OverVariations:
    now = {one.name: trial.outcomes(one, found.components) for one in HELD_OUT}
    before = {one.name: trial.outcomes(one, None) for one in HELD_OUT}
    return over_variations(now, before, attribute="race", groups=("white", "black"), seed=seed)


def test_tuning_on_noise_gives_an_interval_of_what_is_removed_that_contains_nought() -> None:
    """Twelve settings where no component does anything but stir: what tuning takes for the best is luck, and does not carry.

    About 1 in 20 intervals at a level of 0.95 may leave nought out. Of 30, more than 5 would come once in 300 times
    (binomial).
    """
    tuned, carried, without = [], [], 0
    for seed in range(30):
        trial = SyntheticTrial(noise(seed))
        found = search(trial, TUNING, scored(seed), counts(range(1, 7), [0, 1]), **GROUPS, **FLOORS)
        assert found.chosen is not None
        assert found.chosen.standing is not None
        assert found.chosen.standing.bias is not None
        assert found.before.bias is not None
        tuned.append(1 - found.chosen.standing.bias / found.before.bias)
        removed = evaluated(trial, found, seed=seed).removed
        assert removed.interval is not None, removed.reason
        assert removed.value is not None
        carried.append(removed.value)
        without += not removed.interval.low <= 0.0 <= removed.interval.high
    # On tuning itself luck looks like a gain, or this would show nothing; elsewhere there is none.
    assert np.mean(tuned) > 3 * np.std(tuned) / np.sqrt(len(tuned))
    assert abs(np.mean(carried)) < 3 * np.std(carried) / np.sqrt(len(carried))
    assert without <= 5


def test_components_without_any_effect_remove_exactly_nothing() -> None:
    trial = SyntheticTrial(lambda prompt, _components: noise()(prompt, None))
    found = search(trial, TUNING, scored(), GRID, **GROUPS, **FLOORS)
    assert "no lower than before" in found.reason
    removed = evaluated(trial, found, seed=1).removed
    assert removed.value == 0.0
    assert removed.interval is None or removed.interval.low <= 0.0 <= removed.interval.high
