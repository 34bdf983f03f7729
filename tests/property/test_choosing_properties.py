"""Choosing against plain Python: the same sets as sorting whole lists and taking differences of sets gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytest_biasaudit.mitigation.choosing.baselines import random_like
from pytest_biasaudit.mitigation.choosing.choose import choose
from pytest_biasaudit.mitigation.choosing.combine import in_share, intersection, most_frequent, union
from pytest_biasaudit.mitigation.choosing.top import cut_over, highest, highest_at, keys_of, set_difference
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.mitigation.scores import ArrayScores
from tests.synthetic_trial import cells_of, table_of

CELLS = cells_of(["v"], halves=[0])
# Few different values, so that there are ties; signs and noughts of both kinds.
FIGURES = st.one_of(
    st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0]), st.floats(-(2.0**100), 2.0**100, width=32, allow_nan=False)
)


def figures(size: int) -> st.SearchStrategy[Any]:
    return arrays(np.float32, size, elements=FIGURES)


@st.composite
def tables(draw: st.DrawFn) -> ArrayScores:
    sizes = {str(place): (draw(st.integers(1, 9)),) for place in range(draw(st.integers(1, 12)))}
    scores = {(group, place): draw(figures(size[0])) for group in ("white", "black") for place, size in sizes.items()}
    return table_of(CELLS, sizes, lambda cell, place: scores[cell.group, place])


def flat(found: ComponentSet) -> set[tuple[str, int]]:
    return {(place, int(number)) for place, numbers in found.chosen.items() for number in numbers}


def first_of(scores: dict[tuple[int, int], float], count: int) -> set[tuple[str, int]]:
    """The highest by sorting: by score, then place, then number."""
    in_order = sorted(scores, key=lambda at: (-scores[at], at))
    return {(str(place), number) for place, number in in_order[:count]}


def scores_of(table: ArrayScores, group: str) -> dict[tuple[int, int], float]:
    cell = next(cell for cell in CELLS if cell.group == group)
    return {
        (int(place), number): float(score)
        for place, found in table.sums[cell].items()
        for number, score in enumerate(found)
    }


@given(st.integers(1, 40).flatmap(figures), st.data())
def test_the_highest_of_an_array_are_those_of_a_stable_sort(scores: Any, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(scores)))
    expected = np.sort(np.argsort(-scores, kind="stable")[:count])
    assert np.flatnonzero(highest(scores, count)).tolist() == expected.tolist()


@given(arrays(np.float32, 2, elements=st.floats(width=32, allow_nan=False)))
def test_keys_stand_in_the_order_of_their_scores(pair: Any) -> None:
    one, other = keys_of(pair)
    assert (one < other) == (pair[0] < pair[1])
    assert (one == other) == (pair[0] == pair[1])


@given(st.lists(st.integers(1, 9).flatmap(figures), min_size=1, max_size=8), st.data())
def test_the_highest_over_places_are_those_of_all_places_at_once(places: list[Any], data: st.DataObject) -> None:
    everything = np.concatenate(places)
    count = data.draw(st.integers(0, len(everything)))
    names = [str(number) for number in range(len(places))]
    cut = cut_over(names, lambda place: places[int(place)], count)
    found = [mask for _, mask in highest_at(names, lambda place: places[int(place)], cut)]
    assert np.array_equal(np.concatenate(found), highest(everything, count))


@given(st.integers(1, 30).flatmap(lambda size: st.tuples(figures(size), figures(size))), st.data())
def test_a_set_difference_is_pythons_difference_of_sorted_indices(both: tuple[Any, Any], data: st.DataObject) -> None:
    group, reference = both
    sizes = st.integers(0, len(group))
    n, m = data.draw(sizes), data.draw(sizes)

    def top(scores: Any, count: int) -> set[int]:
        return set(sorted(range(len(scores)), key=lambda at: (-scores[at], at))[:count])

    found = set_difference(group, reference, top_group=n, top_reference=m)
    assert found.tolist() == sorted(top(group, n) - top(reference, m))


@given(tables(), st.data())
def test_heads_are_pythons_difference_of_sorted_heads(table: ArrayScores, data: st.DataObject) -> None:
    total = sum(size for (size,) in table.sizes.values())
    k, q = data.draw(st.integers(1, total)), data.draw(st.integers(0, total))
    found = choose(table, reference="white", group="black", k=k, q=q)
    expected = first_of(scores_of(table, "black"), k) - first_of(scores_of(table, "white"), q)
    assert flat(found) == expected
    assert found.total == total
    assert all(list(numbers) == sorted(set(numbers.tolist())) for numbers in found.chosen.values())
    # Bounds that any difference of sets keeps.
    assert max(0, k - q) <= found.count <= k


@given(tables(), st.data())
def test_more_taken_off_leaves_a_part_and_more_taken_in_adds(table: ArrayScores, data: st.DataObject) -> None:
    total = sum(size for (size,) in table.sizes.values())
    k = data.draw(st.integers(1, total))
    q, more = sorted([data.draw(st.integers(0, total)), data.draw(st.integers(0, total))])
    one = choose(table, reference="white", group="black", k=k, q=q)
    other = choose(table, reference="white", group="black", k=k, q=more)
    wider = choose(table, reference="white", group="black", k=total, q=q)
    assert flat(other) <= flat(one) <= flat(wider)


@given(tables(), st.data())
def test_the_order_of_places_in_a_mapping_changes_nothing(table: ArrayScores, data: st.DataObject) -> None:
    turned = dict(data.draw(st.permutations(list(table.sizes.items()))))
    other = ArrayScores(
        unit="heads", method="attention", signed=False, sizes=turned, sums=table.sums, counts=table.counts
    )
    k = data.draw(st.integers(1, sum(size for (size,) in turned.values())))
    settings: dict[str, Any] = {"reference": "white", "group": "black", "k": k, "q": 0}
    one, two = choose(table, **settings), choose(other, **settings)
    assert flat(one) == flat(two)
    drawn, again = random_like(one, seed=4), random_like(two, seed=4)
    assert flat(drawn) == flat(again)
    assert {place: len(found) for place, found in drawn.chosen.items()} == {
        place: len(found) for place, found in one.chosen.items()
    }


@st.composite
def several(draw: st.DrawFn) -> list[ComponentSet]:
    sizes = {"0": (5,), "1": (3,), "10": (4,)}
    sets = []
    for _ in range(draw(st.integers(1, 6))):
        chosen = {
            place: np.array(sorted(draw(st.sets(st.integers(0, size - 1)))), dtype=np.int64)
            for place, (size,) in sizes.items()
        }
        kept = {place: found for place, found in chosen.items() if len(found)}
        sets.append(ComponentSet(unit="heads", chosen=kept, sizes=sizes))
    return sets


@given(several(), st.integers(1, 12), st.floats(0.01, 1.0))
def test_combined_sets_are_those_that_counting_gives(sets: list[ComponentSet], k: int, share: float) -> None:
    each = [flat(one) for one in sets]
    assert flat(intersection(sets)) == set.intersection(*each)
    assert flat(union(sets)) == set.union(*each)
    times = {at: sum(at in one for one in each) for at in set.union(*each)}
    ranked = sorted(times, key=lambda at: (-times[at], int(at[0]), at[1]))
    assert flat(most_frequent(sets, k)) == set(ranked[:k])
    assert flat(in_share(sets, share)) == {at for at, count in times.items() if count >= share * len(sets) - 1e-9}
