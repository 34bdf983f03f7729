"""Searching and the greedy loop, on a trial without a model in which it is known what each head does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.errors import DataError, RecipeError
from pytest_biasaudit.mitigation.choosing.cells import by_variation
from pytest_biasaudit.mitigation.choosing.choose import choose_by
from pytest_biasaudit.mitigation.choosing.combine import intersection
from pytest_biasaudit.mitigation.choosing.found import Found
from pytest_biasaudit.mitigation.choosing.greedy import greedy
from pytest_biasaudit.mitigation.choosing.search import counts, search, shares
from pytest_biasaudit.mitigation.choosing.settings import Settings
from pytest_biasaudit.mitigation.components import ComponentSet
from pytest_biasaudit.outcomes.outcome import Outcome
from pytest_biasaudit.prompts.prompt import Prompt
from tests.synthetic_trial import SyntheticTrial, cells_of, drawn, table_of, variation

TUNING = [variation(name) for name in ("bike", "car", "oven")]
NAMES = [one.name for one in TUNING]
SIZES = {"0": (4,), "1": (4,)}
CARRIES, BREAKS, ODD = ("1", 2), ("0", 0), ("0", 3)
"""The head that carries the gap; the one without which nothing is answered; the one without which answers are far off."""
GROUPS: Mapping[str, Any] = {"reference": "white", "group": "black", "attribute": "race"}
FLOORS: Mapping[str, Any] = {"min_inlier_ratio": 0.5, "min_answer_rate": 0.9}


def removed(components: ComponentSet | None) -> set[tuple[str, int]]:
    if components is None:
        return set()
    return {(place, int(number)) for place, numbers in components.chosen.items() for number in numbers}


def answer(prompt: Prompt, components: ComponentSet | None) -> float | None:
    """100 and what a person and an item add; two standard deviations more for white people, while the head is there."""
    gone = removed(components)
    if BREAKS in gone:
        return None
    value = 100.0 + drawn(prompt.id) + (1000.0 if ODD in gone else 0.0)
    gap = 0.0 if CARRIES in gone else 2.0
    return value + (gap if prompt.person.group("race") == "white" else 0.0)


# In order of the scores: (1,2) 9, (1,0) 7, (0,0) 5, (0,3) 4, then the rest; alike in every variation.
BLACK = {"0": [5, 1, 2, 4], "1": [7, 0, 9, 3]}


def table(names: list[str] = NAMES) -> Any:
    return table_of(cells_of(names), SIZES, lambda cell, place: BLACK[place] if cell.group == "black" else [0, 0, 0, 0])


def tried(found: Found) -> dict[int, bool]:
    return {one.components: not one.refused for one in found.tried}


def test_the_least_bias_that_meets_the_floors_is_taken() -> None:
    trial = SyntheticTrial(answer)
    found = search(trial, TUNING, table(), counts([1, 2, 3, 4], [0]), **GROUPS, **FLOORS)
    assert found.chosen is not None
    assert found.components is not None
    # One head and two take the same bias away: the fewer.
    assert removed(found.components) == {CARRIES}
    assert tried(found) == {1: True, 2: True, 3: False, 4: False}
    assert found.before.bias == pytest.approx(2.0, abs=0.5)
    assert found.chosen.standing is not None
    assert found.chosen.standing.bias is not None
    assert found.chosen.standing.bias < 0.5
    assert found.reason == ""
    assert found.tuning == tuple(NAMES)
    assert [dict(one.settings.written)["k"] for one in found.tried] == [1, 2, 3, 4]


def test_every_row_says_why_it_was_not_taken() -> None:
    found = search(SyntheticTrial(answer), TUNING, table(), counts([1, 3], [0]), **GROUPS, **FLOORS)
    assert found.tried[0].refused == ""
    assert found.tried[1].refused.startswith("bias is not defined")
    assert found.tried[1].standing is not None
    assert found.tried[1].standing.answer_rate == 0.0


def test_answers_far_from_those_before_fall_below_the_floor_of_inliers() -> None:
    scores = {"0": [0, 1, 2, 9], "1": [0, 0, 8, 0]}
    other = table_of(cells_of(NAMES), SIZES, lambda cell, place: scores[place])
    found = search(SyntheticTrial(answer), TUNING, other, [Settings(k=2, rule="top")], **GROUPS, **FLOORS)
    assert found.components is None
    assert found.chosen is None
    assert found.tried[0].refused == "inlier ratio 0 is below its floor 0.5"
    assert found.reason == "none of 1 met the floors: inlier ratio 0 is below its floor 0.5"


def test_a_choice_that_lowers_nothing_is_said_to_be_no_gain() -> None:
    scores = {"0": [0, 9, 0, 0], "1": [0, 0, 0, 0]}
    other = table_of(cells_of(NAMES), SIZES, lambda cell, place: scores[place])
    found = search(SyntheticTrial(answer), TUNING, other, [Settings(k=1, rule="top")], **GROUPS, **FLOORS)
    assert found.chosen is not None
    assert "no lower than before" in found.reason


def test_a_setting_that_chooses_nothing_is_a_row_and_is_not_asked() -> None:
    trial = SyntheticTrial(answer)
    same = table_of(cells_of(NAMES), SIZES, lambda cell, place: BLACK[place])
    found = search(trial, TUNING, same, counts([2], [2]), **GROUPS, **FLOORS)
    assert found.tried[0].refused == "no component was chosen"
    assert found.tried[0].standing is None
    assert trial.asked == [(name, 0) for name in NAMES]


def test_signed_scores_are_held_against_the_gap_measured_on_tuning() -> None:
    # Black people get less: what pushes them down is chosen, whatever pushes up scores higher.
    scores = {"0": [0, 9, 0, 0], "1": [0, 0, -3, 0]}
    signed = table_of(
        cells_of(NAMES),
        SIZES,
        lambda cell, place: scores[place] if cell.group == "black" else [0, 0, 0, 0],
        method="attribution",
        signed=True,
    )
    found = search(SyntheticTrial(answer), TUNING, signed, counts([1]), **GROUPS, **FLOORS)
    assert found.components is not None
    assert removed(found.components) == {CARRIES}


def test_a_chooser_of_ones_own_makes_the_sets() -> None:
    def in_every_variation(scores: Any, settings: Settings) -> ComponentSet:
        sets = [
            choose_by(scores, settings, reference="white", group="black", cells=own)
            for own in by_variation(scores.cells).values()
        ]
        return intersection(sets)

    found = search(
        SyntheticTrial(answer), TUNING, table(), counts([1], [0]), chooser=in_every_variation, **GROUPS, **FLOORS
    )
    assert found.components is not None
    assert removed(found.components) == {CARRIES}


def test_progress_counts_the_settings() -> None:
    steps: list[int] = []
    search(SyntheticTrial(answer), TUNING, table(), counts([1, 2], [0]), progress=steps.append, **GROUPS, **FLOORS)
    assert steps == [1, 1]


def test_a_grid_is_every_pair() -> None:
    assert [(one.p, one.q) for one in shares([0.1, 0.2], [0.0, 0.1])] == [
        (0.1, 0.0),
        (0.1, 0.1),
        (0.2, 0.0),
        (0.2, 0.1),
    ]
    assert [(one.k, one.q) for one in counts([3, 4])] == [(3, None), (4, None)]
    assert str(shares([0.1], [0.2], scope="global")[0]) == "p = 0.1, q = 0.2, scope = global"


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"grid": []}, RecipeError, "the grid has no setting"),
        ({"grid": counts([9], [0])}, RecipeError, "k = 9 is not in 1 to 8"),
        ({"min_inlier_ratio": 1.5}, RecipeError, "min_inlier_ratio = 1.5 is not a share"),
        ({"min_answer_rate": float("nan")}, RecipeError, "min_answer_rate = nan is not a share"),
        ({"tuning": []}, DataError, "no tuning variation came"),
        ({"tuning": [TUNING[0], TUNING[0]]}, DataError, "'shop/offers/bike' comes 2 times"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_asked(
    changed: dict[str, Any], error: type[Exception], said: str
) -> None:
    trial = SyntheticTrial(answer)
    settings = {**GROUPS, **FLOORS, "tuning": TUNING, "grid": counts([1], [0]), **changed}
    with pytest.raises(error, match=said):
        search(trial, settings.pop("tuning"), table(), settings.pop("grid"), **settings)
    assert trial.asked == []


def test_a_model_whose_bias_is_not_defined_before_cannot_be_searched() -> None:
    with pytest.raises(DataError, match="smd is not defined"):
        search(SyntheticTrial(lambda *_: None), TUNING, table(), counts([1], [0]), **GROUPS, **FLOORS)


# The greedy loop


def rescored(components: ComponentSet | None, answers: Mapping[str, tuple[Outcome, ...]]) -> Any:
    """After the first head is out another comes up: what scores anew finds, a ranking made once does not."""
    assert set(answers) == set(NAMES)
    gone = removed(components)

    def scores(cell: Any, place: str) -> Any:
        own = list(BLACK[place]) if cell.group == "black" else [0, 0, 0, 0]
        if gone and place == "1" and cell.group == "white":
            own[1] = 8  # above (1,0) in the sum of both groups, once (1,2) is out
        return own

    return table_of(cells_of(NAMES), SIZES, scores)


def test_the_greedy_loop_scores_anew_after_every_head() -> None:
    found = greedy(SyntheticTrial(answer), TUNING, rescored, steps=3, **GROUPS, **FLOORS)
    assert [one.added for one in found.tried] == [("1", 2), ("1", 1), ("1", 0)]
    assert [one.components for one in found.tried] == [1, 2, 3]
    assert found.chosen is not None
    assert found.chosen.components == 1
    assert found.components is not None
    assert removed(found.components) == {CARRIES}


def test_the_number_of_heads_is_where_bias_is_least_and_floors_are_met() -> None:
    def first_the_idle_one(components: ComponentSet | None, answers: Any) -> Any:
        scores = {"0": [7, 9, 0, 0], "1": [0, 0, 8, 0]}
        return table_of(cells_of(NAMES), SIZES, lambda cell, place: scores[place])

    found = greedy(SyntheticTrial(answer), TUNING, first_the_idle_one, steps=3, **GROUPS, **FLOORS)
    assert [one.added for one in found.tried] == [("0", 1), ("1", 2), BREAKS]
    assert found.chosen is not None
    assert found.chosen.components == 2
    assert found.components is not None
    assert found.components.chosen["0"].tolist() == [1]
    assert found.components.chosen["1"].tolist() == [2]


def test_a_loop_that_was_stopped_goes_on_with_the_same_answers_to_the_same_end() -> None:
    class Journal(SyntheticTrial):
        """Remembers answers as a model's trial does, and is killed once."""

        def __init__(self, kept: dict[Any, Any], limit: int) -> None:
            super().__init__(answer)
            self.kept, self.limit = kept, limit

        def outcomes(self, variation: Any, components: ComponentSet | None) -> Any:
            key = (variation.name, frozenset(removed(components)))
            if key not in self.kept:
                if len(self.asked) >= self.limit:
                    raise KeyboardInterrupt
                self.kept[key] = super().outcomes(variation, components)
            return self.kept[key]

    kept: dict[Any, Any] = {}
    with pytest.raises(KeyboardInterrupt):
        greedy(Journal(kept, 7), TUNING, rescored, steps=3, **GROUPS, **FLOORS)
    again = Journal(kept, 100)
    resumed = greedy(again, TUNING, rescored, steps=3, **GROUPS, **FLOORS)
    whole = greedy(SyntheticTrial(answer), TUNING, rescored, steps=3, **GROUPS, **FLOORS)
    assert len(again.asked) == 12 - 7
    assert resumed.tried == whole.tried
    assert removed(resumed.components) == removed(whole.components)


def test_the_loop_ends_where_nothing_is_left_that_carries_the_gap() -> None:
    scores = {"0": [0, 9, 0, 0], "1": [0, 0, -3, 0]}

    def signed(components: ComponentSet | None, answers: Any) -> Any:
        return table_of(
            cells_of(NAMES),
            SIZES,
            lambda cell, place: scores[place] if cell.group == "black" else [0, 0, 0, 0],
            method="attribution",
            signed=True,
        )

    found = greedy(SyntheticTrial(answer), TUNING, signed, steps=5, **GROUPS, **FLOORS)
    assert [one.added for one in found.tried] == [CARRIES]


@pytest.mark.parametrize(
    ("steps", "facts", "said"),
    [
        (0, {}, "steps = 0 is not a whole number from 1"),
        (True, {}, "steps = True is not a whole number"),
        (9, {}, "steps = 9 are more than the 8 heads"),
        (1, {"unit": "weights", "method": "wanda"}, "weights are too many"),
        (1, {"rule": "difference"}, "rule 'difference': valid for attention scores of heads are 'sum', 'top'"),
    ],
)
def test_a_greedy_loop_that_cannot_be_is_refused(steps: Any, facts: dict[str, Any], said: str) -> None:
    rule = facts.pop("rule", None)
    made = table_of(cells_of(NAMES), SIZES, lambda cell, place: np.ones(4), **facts)
    with pytest.raises(RecipeError, match=said):
        greedy(SyntheticTrial(answer), TUNING, lambda *_: made, steps=steps, rule=rule, **GROUPS, **FLOORS)


def test_scores_of_other_places_after_a_step_are_refused() -> None:
    def shrinking(components: ComponentSet | None, answers: Any) -> Any:
        sizes = SIZES if components is None else {"0": (4,)}
        return table_of(cells_of(NAMES), sizes, lambda cell, place: [1, 2, 3, 4])

    with pytest.raises(DataError, match=r"scores after step 1.*\n.*no place '1'"):
        greedy(SyntheticTrial(answer), TUNING, shrinking, steps=2, **GROUPS, **FLOORS)


def test_a_model_that_answers_everyone_alike_is_never_chosen_although_it_has_no_gap() -> None:
    def dull(prompt: Prompt, components: ComponentSet | None) -> float | None:
        return 100.0 if len(removed(components)) > 1 else answer(prompt, components)

    for found in (
        search(SyntheticTrial(dull), TUNING, table(), counts([1, 2], [0]), **GROUPS, **FLOORS),
        greedy(SyntheticTrial(dull), TUNING, lambda _set, _answers: table(), steps=2, **GROUPS, **FLOORS),
    ):
        assert tried(found) == {1: True, 2: False}
        assert "answers everyone alike" in found.tried[1].refused
        assert removed(found.components) == {CARRIES}
