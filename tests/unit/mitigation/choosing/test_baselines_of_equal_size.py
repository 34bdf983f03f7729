"""Baselines, and components spared for a user's own prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.baselines import magnitude_like, random_like
from pytest_biasaudit.mitigation.choosing.spare import spare
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.mitigation.scores import ArrayScores
from tests.synthetic_trial import cells_of, table_of

SIZES = {"a": (4, 5), "b": (10, 3), "c": (6, 6)}
FOUND = ComponentSet(unit="weights", chosen={"a": np.array([0, 7, 19]), "c": np.array([35])}, sizes=SIZES)
CELLS = cells_of(["own/prompts/one"], halves=[0])


def weights(scores: Any, **facts: Any) -> ArrayScores:
    return table_of(CELLS, SIZES, scores, **{"unit": "weights", "method": "magnitude", **facts})


def counted(found: ComponentSet) -> dict[str, int]:
    return {place: len(numbers) for place, numbers in found.chosen.items()}


def test_a_random_set_has_as_many_at_every_place_and_hangs_on_its_seed() -> None:
    one = random_like(FOUND, seed=1)
    assert counted(one) == {"a": 3, "c": 1}
    again, other = random_like(FOUND, seed=1), random_like(FOUND, seed=2)
    assert all(np.array_equal(one.chosen[place], again.chosen[place]) for place in one.chosen)
    assert any(not np.array_equal(one.chosen[place], other.chosen[place]) for place in one.chosen)
    for place, numbers in one.chosen.items():
        assert numbers.dtype == np.int64
        assert list(numbers) == sorted(set(numbers.tolist()))
        assert 0 <= numbers.min() <= numbers.max() < np.prod(SIZES[place])


def test_every_component_is_drawn_about_as_often_as_another() -> None:
    times = np.zeros(20)
    for seed in range(2_000):
        times[random_like(FOUND, seed=seed).chosen["a"]] += 1
    # 3 of 20 in each: 300 expected, standard deviation about 16
    assert abs(times - 300).max() < 5 * 16


def test_a_magnitude_set_takes_the_largest_or_the_smallest_at_every_place() -> None:
    table = weights(lambda _cell, place: np.arange(np.prod(SIZES[place])))
    largest = magnitude_like(FOUND, table)
    assert {place: numbers.tolist() for place, numbers in largest.chosen.items()} == {"a": [17, 18, 19], "c": [35]}
    smallest = magnitude_like(FOUND, table, end="smallest")
    assert {place: numbers.tolist() for place, numbers in smallest.chosen.items()} == {"a": [0, 1, 2], "c": [0]}


def test_magnitudes_of_another_kind_unit_or_model_are_refused() -> None:
    with pytest.raises(DataError, match="magnitude scores are needed, wanda scores of weights came"):
        magnitude_like(FOUND, weights(lambda _cell, place: np.ones(SIZES[place]), method="wanda"))
    heads = table_of(CELLS, {"0": (4,)}, lambda _cell, _place: np.ones(4), method="magnitude")
    with pytest.raises(DataError, match="the set holds weights, magnitudes are of heads"):
        magnitude_like(FOUND, heads)
    fewer = table_of(CELLS, {"a": (4, 5)}, lambda _cell, _place: np.ones(20), unit="weights", method="magnitude")
    with pytest.raises(DataError, match="no place 'b'; no place 'c'"):
        magnitude_like(FOUND, fewer)


def test_what_ranks_high_on_utility_prompts_is_spared_and_counted() -> None:
    # place a: 19 is highest, then 18 ...; the top tenth of 20 is 18 and 19; of c's 36 (3.6, so 3) 33 to 35
    table = weights(lambda _cell, place: np.arange(np.prod(SIZES[place])), method="wanda")
    left = spare(FOUND, table, share=0.1)
    assert {place: numbers.tolist() for place, numbers in left.components.chosen.items()} == {"a": [0, 7]}
    assert {place: numbers.tolist() for place, numbers in left.spared.items()} == {"a": [19], "c": [35]}
    assert left.count == 2


def test_sparing_over_the_whole_model_looks_at_all_places_together() -> None:
    table = weights(
        lambda _cell, place: np.arange(np.prod(SIZES[place])) + (100 if place == "c" else 0), method="wanda"
    )
    # 0.1 of 86 is 8: all of them in c
    left = spare(FOUND, table, share=0.1, scope="global")
    assert {place: numbers.tolist() for place, numbers in left.spared.items()} == {"c": [35]}


def test_nothing_is_spared_for_a_share_of_nought_and_everything_for_one() -> None:
    table = weights(lambda _cell, place: np.arange(np.prod(SIZES[place])), method="wanda")
    assert spare(FOUND, table, share=0.0).components.count == FOUND.count
    assert spare(FOUND, table, share=1.0).components.count == 0


def test_of_signed_utility_scores_the_absolute_value_counts() -> None:
    heads = ComponentSet(unit="heads", chosen={"0": np.array([0, 1])}, sizes={"0": (4,)})
    table = table_of(CELLS, {"0": (4,)}, lambda _cell, _place: [-9, 1, 2, 3], method="attribution", signed=True)
    assert spare(heads, table, share=0.25).spared["0"].tolist() == [0]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), True, "all"])
def test_a_share_to_spare_out_of_range_is_refused(share: Any) -> None:
    with pytest.raises(RecipeError, match="is not a share: valid is 0 to 1"):
        spare(FOUND, weights(lambda _cell, place: np.ones(SIZES[place])), share=share)


def test_utility_scores_that_are_none_or_of_nothing_are_refused() -> None:
    bad = weights(lambda _cell, place: np.full(SIZES[place], np.nan), method="wanda")
    with pytest.raises(DataError, match="20 of 20 are not finite"):
        spare(FOUND, bad, share=0.1)
    empty = ArrayScores(unit="weights", method="wanda", signed=False, sizes=SIZES, sums={}, counts={})
    with pytest.raises(DataError, match="no utility prompt was scored"):
        spare(FOUND, empty, share=0.1)
