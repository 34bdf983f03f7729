"""A model's weights are many: their scores are asked for place by place, and let go again."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.mitigation.choosing.baselines import magnitude_like
from pytest_biasaudit.mitigation.choosing.choose import choose
from pytest_biasaudit.mitigation.choosing.spare import spare
from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import Cell, Floats
from tests.synthetic_trial import cells_of

CELLS = cells_of(["v"], halves=[0])


class Counting:
    """Makes scores when asked, and knows how many of its arrays are still held."""

    def __init__(self, method: ScoreMethod = "wanda") -> None:
        self.unit: Unit = "weights"
        self.method = method
        self.signed = False
        self.sizes: Mapping[str, tuple[int, ...]] = {f"layers.{at}.q": (30, 40) for at in range(12)}
        self.cells: tuple[Cell, ...] = CELLS
        self.asked: list[tuple[str, str]] = []
        self.most = 0
        self._alive: list[weakref.ref[Any]] = []

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        self.asked.append((place, cells[0].group))
        seed = [int(place.split(".")[1]), cells[0].group == "black"]
        made = np.random.default_rng(seed).random((30, 40), dtype=np.float32)
        self._alive = [one for one in self._alive if one() is not None]
        self._alive.append(weakref.ref(made))
        self.most = max(self.most, len(self._alive))
        return made


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_no_more_than_two_places_scores_are_held_at_once(scope: Any) -> None:
    table = Counting()
    found = choose(table, reference="white", group="black", p=0.15, q=0.15, scope=scope)
    assert found.count > 0
    assert table.most <= 2
    magnitudes, utility = Counting("magnitude"), Counting()
    assert magnitude_like(found, magnitudes).count == found.count
    spare(found, utility, share=0.1, scope=scope)
    assert magnitudes.most <= 2
    assert utility.most <= 2


def test_layer_by_layer_every_score_is_asked_for_once() -> None:
    table = Counting()
    choose(table, reference="white", group="black")
    assert len(table.asked) == len(set(table.asked)) == 24


def test_layers_are_gone_through_as_the_model_runs_them() -> None:
    table = Counting()
    choose(table, reference="white", group="black", rule="top", p=0.1)
    assert [place for place, _ in table.asked] == [f"layers.{at}.q" for at in range(12)]


def test_a_set_of_weights_is_numbers_of_eight_bytes_and_no_mask() -> None:
    found: ComponentSet = choose(Counting(), reference="white", group="black")
    assert all(numbers.dtype == np.int64 and numbers.ndim == 1 for numbers in found.chosen.values())
