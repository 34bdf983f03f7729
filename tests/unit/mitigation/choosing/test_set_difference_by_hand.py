"""Choosing, on scores small enough to choose by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.choose import choose
from pytest_biasaudit.mitigation.components import ComponentSet, Origin
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell
from tests.synthetic_trial import cells_of, table_of

CELLS = cells_of(["shop/offers/bike"], halves=[0])
TWO = {"0": (4,), "1": (4,)}
#       white: 9 1 8 2 | 3 7 0 6      black: 9 8 1 2 | 5 7 6 0
BY_GROUP = {
    ("white", "0"): [9, 1, 8, 2],
    ("white", "1"): [3, 7, 0, 6],
    ("black", "0"): [9, 8, 1, 2],
    ("black", "1"): [5, 7, 6, 0],
}


def heads(scores: Mapping[tuple[str, str], Any] = BY_GROUP, **facts: Any) -> ArrayScores:
    return table_of(CELLS, TWO, lambda cell, place: scores[cell.group, place], **facts)


def chosen(table: Any, **settings: Any) -> dict[str, list[int]]:
    return by_place(choose(table, **{"reference": "white", "group": "black", **settings}))


def by_place(found: ComponentSet) -> dict[str, list[int]]:
    return {place: numbers.tolist() for place, numbers in found.chosen.items()}


def test_heads_are_the_top_k_of_the_group_without_the_top_q_of_the_reference() -> None:
    # black's top 4: 9 (0,0), 8 (0,1), 7 (1,1), 6 (1,2); white's top 2: 9 (0,0), 8 (0,2)
    assert chosen(heads(), k=4, q=2) == {"0": [1], "1": [1, 2]}


def test_roles_turned_round_give_the_other_version() -> None:
    # white's top 4: 9 (0,0), 8 (0,2), 7 (1,1), 6 (1,3); black's top 2: (0,0), (0,1)
    assert chosen(heads(), reference="black", group="white", k=4, q=2) == {"0": [2], "1": [1, 3]}


def test_q_of_nought_takes_nothing_off() -> None:
    assert chosen(heads(), k=4, q=0) == chosen(heads(), k=4, rule="top")


def test_the_sum_is_attention_to_the_name_whatever_the_group() -> None:
    # sums: 18 9 9 4 | 8 14 6 6
    assert chosen(heads(), k=2, rule="sum") == {"0": [0], "1": [1]}
    assert chosen(heads(), k=3, rule="sum") == {"0": [0, 1], "1": [1]}  # of two nines the first


def test_layer_scope_looks_at_every_layer_by_itself() -> None:
    # black's top 2: 0, 1 | 1, 2; white's top 1: 0 | 1
    assert chosen(heads(), k=2, q=1, scope="layer") == {"0": [1], "1": [2]}


def test_shares_are_of_each_place_for_neurons_and_of_the_model_where_that_is_said() -> None:
    table = heads(unit="neurons", method="wanda")
    # half of 4 is 2, a quarter is 1: as above
    assert chosen(table, p=0.5, q=0.25) == {"0": [1], "1": [2]}
    # half of 8 is 4, a quarter is 2: as over the whole model
    assert chosen(table, p=0.5, q=0.25, scope="global") == {"0": [1], "1": [1, 2]}


def test_weights_are_counted_row_by_row() -> None:
    sizes = {"layers.0.q": (2, 3)}
    scores = {"white": [[9, 1, 1], [1, 1, 1]], "black": [[9, 1, 8], [7, 1, 1]]}
    table = table_of(CELLS, sizes, lambda cell, place: scores[cell.group], unit="weights", method="wanda")
    # top 3 of 6: 9, 8, 7 at 0, 2, 3; white's top 1: 0
    assert chosen(table, p=0.5, q=0.17) == {"layers.0.q": [2, 3]}


def test_without_settings_heads_are_forty_less_five_and_weights_fifteen_percent_less_fifteen() -> None:
    generator = np.random.default_rng(1)
    many = {str(layer): (9,) for layer in range(6)}
    table = table_of(CELLS, many, lambda cell, place: generator.random(9))
    assert by_place(choose(table, reference="white", group="black")) == chosen(table, k=40, q=5)
    wide = {str(layer): (100,) for layer in range(3)}
    units = table_of(CELLS, wide, lambda cell, place: generator.random(100), unit="neurons", method="wanda")
    assert by_place(choose(units, reference="white", group="black")) == chosen(units, p=0.15, q=0.15, scope="layer")


def test_a_share_is_rounded_down_and_read_as_it_is_written() -> None:
    sizes = {"a": (100,), "b": (7,)}
    table = table_of(CELLS, sizes, lambda cell, place: range(sizes[place][0]), unit="neurons", method="wanda")
    # 0.29 x 100 is 28.999999999999996 in binary fractions; 0.29 x 7 is 2.03
    assert 0.29 * 100 < 29
    found = choose(table, reference="white", group="black", p=0.29, rule="top")
    assert {place: len(numbers) for place, numbers in found.chosen.items()} == {"a": 29, "b": 2}


def test_layer_two_comes_before_layer_ten_when_scores_are_equal() -> None:
    sizes = {str(layer): (2,) for layer in (10, 2, 0)}
    table = table_of(CELLS, sizes, lambda cell, place: [1, 1])
    assert chosen(table, k=3, rule="top") == {"0": [0, 1], "2": [0]}


def test_what_scores_high_for_both_leaves_an_empty_set_and_not_an_error() -> None:
    same = table_of(CELLS, TWO, lambda cell, place: [4, 3, 2, 1])
    found = choose(same, reference="white", group="black", k=3, q=3)
    assert found.count == 0
    assert found.chosen == {}
    assert found.sizes == TWO


SIGNED = {
    ("white", "0"): [0.0, 1.0, 2.0, 0.0],
    ("white", "1"): [0.0, 0.0, 0.0, 0.0],
    ("black", "0"): [3.0, 0.0, 1.5, 0.0],
    ("black", "1"): [-4.0, 0.0, 1.0, 0.0],
}
# black less white: 3 -1 -0.5 0 | -4 0 1 0


def test_signed_scores_choose_what_carries_the_gap_in_its_direction() -> None:
    table = heads(SIGNED, method="attribution", signed=True)
    assert chosen(table, k=1, gap=0.4) == {"0": [0]}
    assert chosen(table, k=2, gap=0.4) == {"0": [0], "1": [2]}
    assert chosen(table, k=1, gap=-0.4) == {"1": [0]}
    assert chosen(table, k=2, gap=-0.4) == {"0": [1], "1": [0]}


def test_signed_scores_never_choose_what_carries_nothing_or_works_against_the_gap() -> None:
    table = heads(SIGNED, method="attribution", signed=True)
    assert chosen(table, k=8, gap=1.0) == {"0": [0], "1": [2]}
    assert chosen(table, k=4, gap=1.0, scope="layer") == {"0": [0], "1": [2]}
    assert chosen(table, p=1.0, gap=-1.0) == {"0": [1, 2], "1": [0]}


@pytest.mark.parametrize("gap", [None, 0.0, math.nan, math.inf])
def test_signed_scores_without_a_direction_are_refused(gap: float | None) -> None:
    with pytest.raises(RecipeError, match=r"gap = .*group minus reference"):
        choose(heads(SIGNED, method="attribution", signed=True), reference="white", group="black", k=1, gap=gap)


def test_heads_that_exact_ablation_did_not_try_are_not_chosen() -> None:
    tried = {**SIGNED, ("white", "0"): [math.nan] * 4, ("black", "0"): [math.nan] * 4}
    table = heads(tried, method="ablation", signed=True)
    assert chosen(table, k=3, gap=1.0) == {"1": [2]}
    with pytest.raises(DataError, match="must be a finite number"):
        chosen(heads(tried, method="attribution", signed=True), k=3, gap=1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_refused_with_their_place(bad: float) -> None:
    scores = {**BY_GROUP, ("black", "1"): [1, 2, bad, bad]}
    with pytest.raises(DataError, match=r"place '1': 2 of 4 are not finite, the first is number 2"):
        chosen(heads(scores), k=2, q=1)


def test_the_reference_groups_scores_must_be_finite_too() -> None:
    scores = {**BY_GROUP, ("white", "0"): [math.nan, 2, 3, 4]}
    with pytest.raises(DataError, match=r"place '0': 1 of 4 are not finite"):
        chosen(heads(scores), k=2, q=1)


def test_magnitude_knows_no_group_so_its_highest_are_taken() -> None:
    table = table_of(CELLS, TWO, lambda cell, place: [4, 3, 2, 1], method="magnitude")
    assert chosen(table, k=3) == {"0": [0, 1], "1": [0]}
    with pytest.raises(RecipeError, match="magnitude scores know none: use 'top'"):
        chosen(table, k=3, q=1, rule="difference")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"k": 0}, r"k = 0 is not in 1 to 8 \(the model has 8\)"),
        ({"k": 9}, r"k = 9 is not in 1 to 8"),
        ({"k": -1, "q": 99}, r"k = -1 is not in 1 to 8 .*; q = 99 is not in 0 to 8"),
        ({"k": 5, "scope": "layer"}, r"k = 5 is not in 1 to 4 \(the smallest place has 4\)"),
        ({"k": 2.0}, r"k = 2.0 is not a whole number"),
        ({"k": True}, r"k = True is not a whole number"),
        ({"k": 2, "q": 0.5}, r"q = 0.5 is not a whole number"),
        ({"k": 2, "p": 0.5}, r"k = 2 and p = 0.5 were both given"),
        ({"p": 0.0}, r"p = 0.0 is not a share: valid is above 0 and at most 1"),
        ({"p": 1.2}, r"p = 1.2 is not a share"),
        ({"p": math.nan}, r"p = nan is not a share"),
        ({"p": "0.5"}, r"p = '0.5' is not a share"),
        ({"p": 0.5, "q": -0.1}, r"q = -0.1 is not a share: valid is 0 to 1"),
        ({"p": 0.1}, r"p = 0.1 is less than one component of the model"),
        ({"p": 0.2, "scope": "layer"}, r"p = 0.2 is less than one component at every place"),
        ({"rule": "sum", "q": 2}, r"q = 2 has no meaning here: rule 'sum' takes nothing off"),
        ({"rule": "best"}, r"rule 'best': valid are 'difference', 'sum' and 'top'"),
        ({"scope": "model"}, r"scope 'model': valid are 'layer' and 'global'"),
        ({"mode": "mean"}, r"mode 'mean': valid is 'ablate' and 'uniform'"),
        ({}, r"k = 40, the default, is not in 1 to 8"),
    ],
)
def test_settings_out_of_range_are_refused_with_what_is_valid(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        chosen(heads(), **settings)


def test_neurons_by_count_must_say_what_is_taken_off() -> None:
    with pytest.raises(RecipeError, match="q is missing: with k = 3"):
        chosen(heads(unit="neurons", method="wanda"), k=3)


def test_only_heads_can_be_made_uniform() -> None:
    assert choose(heads(), reference="white", group="black", k=2, q=1, mode="uniform").mode == "uniform"
    with pytest.raises(RecipeError, match="'ablate' alone, for neurons have no attention"):
        chosen(heads(unit="neurons", method="wanda"), k=3, q=1, mode="uniform")


def test_signed_scores_take_no_q_and_no_other_rule() -> None:
    table = heads(SIGNED, method="attribution", signed=True)
    with pytest.raises(RecipeError, match="q = 2 has no meaning here: signed scores are subtracted"):
        chosen(table, k=2, q=2, gap=1.0)
    with pytest.raises(RecipeError, match="only rule 'difference'"):
        chosen(table, k=2, rule="top", gap=1.0)


def test_a_group_without_cells_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(DataError, match=r"no cell of group 'asian': the scores have 'black', 'white'"):
        chosen(heads(), k=2, q=1, group="asian")
    with pytest.raises(DataError, match="reference and group are both 'white'"):
        chosen(heads(), k=2, q=1, group="white")
    with pytest.raises(DataError, match="no cell of group 'black'"):
        chosen(heads(), k=2, q=1, cells=[cell for cell in CELLS if cell.group == "white"])
    with pytest.raises(DataError, match="was not scored"):
        chosen(heads(), k=2, q=1, cells=[*CELLS, Cell(variation="x", group="black", half=1)])


def test_only_the_cells_that_are_named_decide() -> None:
    two = cells_of(["a", "b"], halves=[0])
    scores = {("a", "black"): [4, 3, 2, 1], ("b", "black"): [1, 2, 3, 4]}
    table = table_of(two, {"0": (4,)}, lambda cell, place: scores.get((cell.variation, cell.group), [0, 0, 0, 0]))
    assert chosen(table, k=1, rule="top", cells=[c for c in two if c.variation == "a"]) == {"0": [0]}
    assert chosen(table, k=1, rule="top", cells=[c for c in two if c.variation == "b"]) == {"0": [3]}


def test_a_place_whose_scores_have_another_shape_is_refused() -> None:
    table = heads()
    wrong = ArrayScores(unit="heads", method="attention", signed=False, sizes=TWO, sums=table.sums, counts=table.counts)
    wrong.sums[CELLS[0]]["0"] = np.ones(1, dtype=np.float32)  # type: ignore[index]  # broadcasts to the right shape
    assert by_place(choose(wrong, reference="white", group="black", k=2, q=1))

    class Flat(ArrayScores):
        def scores(self, place: str, cells: Any) -> Any:
            return super().scores(place, cells)[:3]

    flat = Flat(unit="heads", method="attention", signed=False, sizes=TWO, sums=table.sums, counts=table.counts)
    with pytest.raises(DataError, match=r"shape \(4,\) is declared, \(3,\) came"):
        choose(flat, reference="white", group="black", k=2, q=1)


def test_the_set_says_where_it_was_found_and_how() -> None:
    origin = Origin(
        model="m",
        model_digest="d",
        weights_sha256="w",
        contexts=(("shop", "s"),),
        templates=("shop/offers/bike",),
        attribute="race",
        groups=("?", "?"),
        prompts_sha256="p",
        method="random",
        settings=(),
    )
    found = choose(heads(), reference="white", group="black", k=4, q=2, origin=origin).origin
    assert found is not None
    assert found.groups == ("white", "black")
    assert found.method == "attention"
    assert found.settings == (("k", 4), ("q", 2), ("rule", "difference"), ("scope", "global"))
    signed = heads(SIGNED, method="attribution", signed=True)
    found = choose(signed, reference="white", group="black", k=4, gap=-0.3, origin=origin).origin
    assert found is not None
    assert found.settings == (("gap", -1), ("k", 4), ("rule", "difference"), ("scope", "global"))
