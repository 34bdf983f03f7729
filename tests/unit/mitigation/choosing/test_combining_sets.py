"""Sets of several variations made one, by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.combine import in_share, intersection, most_frequent, union
from pytest_biasaudit.mitigation.components import ComponentSet, Mode, Origin, Unit

SIZES = {"0": (5,), "1": (5,)}
ORIGIN = Origin(
    model="m",
    model_digest="d",
    weights_sha256="w",
    contexts=(("shop", "s"),),
    templates=("shop/offers/bike",),
    attribute="race",
    groups=("white", "black"),
    prompts_sha256="p1",
    method="attention",
    settings=(("k", 3), ("q", 1)),
)


def a_set(
    first: Sequence[int], second: Sequence[int] = (), *, unit: Unit = "heads", mode: Mode = "ablate"
) -> ComponentSet:
    chosen = {place: np.array(numbers, dtype=np.int64) for place, numbers in (("0", first), ("1", second)) if numbers}
    return ComponentSet(unit=unit, mode=mode, chosen=chosen, sizes=SIZES)


def by_place(found: ComponentSet) -> dict[str, list[int]]:
    return {place: numbers.tolist() for place, numbers in found.chosen.items()}


THREE = [a_set([0, 1, 2], [4]), a_set([1, 2, 3], [4]), a_set([2, 4], [0])]


def test_intersection_keeps_what_is_in_every_set() -> None:
    assert by_place(intersection(THREE)) == {"0": [2]}
    assert by_place(intersection(THREE[:2])) == {"0": [1, 2], "1": [4]}
    assert intersection([a_set([1]), a_set([2])]).count == 0


def test_union_keeps_what_is_in_any_set() -> None:
    assert by_place(union(THREE)) == {"0": [0, 1, 2, 3, 4], "1": [0, 4]}


def test_the_most_frequent_come_first_and_equal_ones_by_their_place() -> None:
    # times: (0,2) 3; (0,1) 2; (1,4) 2; (0,0) (0,3) (0,4) (1,0) once each
    assert by_place(most_frequent(THREE, 1)) == {"0": [2]}
    assert by_place(most_frequent(THREE, 2)) == {"0": [1, 2]}
    assert by_place(most_frequent(THREE, 3)) == {"0": [1, 2], "1": [4]}
    assert by_place(most_frequent(THREE, 5)) == {"0": [0, 1, 2, 3], "1": [4]}


def test_the_most_frequent_are_all_there_are_where_fewer_are_there() -> None:
    assert by_place(most_frequent(THREE, 10)) == by_place(union(THREE))


def test_without_a_number_as_many_are_kept_as_a_set_has_on_average() -> None:
    # 4, 4 and 3 components: 11 / 3
    assert most_frequent(THREE).count == 3


def test_a_share_of_the_sets_is_rounded_up_to_whole_sets() -> None:
    assert by_place(in_share(THREE, 1.0)) == by_place(intersection(THREE))
    assert by_place(in_share(THREE, 0.5)) == {"0": [1, 2], "1": [4]}  # 2 of 3
    assert by_place(in_share(THREE, 0.1)) == by_place(union(THREE))
    twelve = [a_set([0])] * 9 + [a_set([1])] * 3
    assert by_place(in_share(twelve, 0.75)) == {"0": [0]}


@pytest.mark.parametrize("k", [0, -1, 11, 2.0, True, "3"])
def test_a_number_of_most_frequent_that_cannot_be_is_refused(k: Any) -> None:
    with pytest.raises(RecipeError, match="whole number in 1 to 10"):
        most_frequent(THREE, k)


@pytest.mark.parametrize("share", [0, 1.01, -0.5, float("nan"), True])
def test_a_share_of_sets_that_cannot_be_is_refused(share: Any) -> None:
    with pytest.raises(RecipeError, match="not a share: valid is above 0 and at most 1"):
        in_share(THREE, share)


@pytest.mark.parametrize("combine", [intersection, union, most_frequent])
def test_sets_of_other_units_modes_or_models_do_not_combine(combine: Callable[..., ComponentSet]) -> None:
    other = replace(a_set([1]), sizes={"0": (5,), "1": (6,)})
    with pytest.raises(DataError, match=r"set 2 holds neurons, set 1 heads"):
        combine([a_set([1]), a_set([1], unit="neurons")])
    with pytest.raises(DataError, match="mode 'uniform'"):
        combine([a_set([1]), a_set([1], mode="uniform")])
    with pytest.raises(DataError, match=r"place '1' has shape \(6,\), not \(5,\)"):
        combine([a_set([1]), other])
    with pytest.raises(DataError, match="no place '1'"):
        combine([a_set([1]), replace(a_set([1]), sizes={"0": (5,)})])
    with pytest.raises(DataError, match="at least 1 set is needed"):
        combine([])


def test_a_combined_set_says_where_all_of_them_were_found() -> None:
    one = replace(a_set([1, 2]), origin=ORIGIN)
    other = replace(
        a_set([2]),
        origin=replace(
            ORIGIN,
            contexts=(("bank", "b"),),
            templates=("bank/loans/car",),
            prompts_sha256="p2",
            settings=(("k", 4), ("q", 1)),
        ),
    )
    found = intersection([one, other]).origin
    assert found is not None
    assert found.contexts == (("bank", "b"), ("shop", "s"))
    assert found.templates == ("bank/loans/car", "shop/offers/bike")
    assert found.settings == (("combined", "intersection"), ("q", 1), ("sets", 2))  # k differs between them
    assert found.prompts_sha256 not in ("p1", "p2")
    assert intersection([one, replace(other, origin=None)]).origin is None


def test_sets_of_another_model_or_of_other_groups_do_not_combine() -> None:
    one = replace(a_set([1]), origin=ORIGIN)
    with pytest.raises(DataError, match="found with model 'e', set 1 with 'd'"):
        union([one, replace(one, origin=replace(ORIGIN, model_digest="e"))])
    with pytest.raises(DataError, match="found with groups"):
        union([one, replace(one, origin=replace(ORIGIN, groups=("black", "white")))])
