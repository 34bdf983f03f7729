"""The tables that scoring a model gives are chosen from, cut and used as baselines like those made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_biasaudit.mitigation.choosing.baselines import magnitude_like, random_like
from pytest_biasaudit.mitigation.choosing.choose import choose
from pytest_biasaudit.mitigation.choosing.only import restricted
from pytest_biasaudit.mitigation.components import ComponentSet
from tests.synthetic_trial import cells_of

pytest.importorskip("torch")

NAMES = ["shop/offers/bike", "shop/offers/car"]


def test_wandas_table_is_cut_to_the_cells_of_tuning() -> None:
    from pytest_biasaudit.mitigation.scoring.wanda import WandaScores

    cells = cells_of(NAMES, halves=[0])
    table = WandaScores(
        sizes={"layers.0.q": (2, 3)},
        squares={cell: {"layers.0.q": np.ones(3, dtype=np.float32)} for cell in cells},
        inputs={"layers.0.q": "layers.0.q"},
        counts=dict.fromkeys(cells, 4),
        tokens="all",
        layers=None,
    )
    cut = restricted(table, cells_of(NAMES[:1], halves=[0]))
    assert {cell.variation for cell in cut.cells} == {NAMES[0]}
    inner = cut._TuningScores__table  # type: ignore[attr-defined]  # what is left behind the guard
    assert {cell.variation for cell in inner.squares} == {cell.variation for cell in inner.counts} == {NAMES[0]}


def test_magnitudes_serve_without_a_prompt_and_are_cut_like_any_other() -> None:
    from pytest_biasaudit.mitigation.scoring.magnitude import MagnitudeScores

    sizes = {"0": (4,), "1": (4,)}
    figures = {"0": [1.0, 4.0, 2.0, 3.0], "1": [9.0, 0.0, 8.0, 7.0]}

    def magnitudes(place: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.array(figures[place], dtype=np.float32)

    table = MagnitudeScores(unit="heads", sizes=sizes, cells=(), magnitudes=magnitudes)
    found = ComponentSet(unit="heads", chosen={"0": np.array([0, 3]), "1": np.array([1])}, sizes=sizes)
    largest = magnitude_like(found, table)
    assert {place: numbers.tolist() for place, numbers in largest.chosen.items()} == {"0": [1, 3], "1": [0]}
    top = choose(table, reference="white", group="black", k=3)
    assert top.pairs == ((1, 0), (1, 2), (1, 3))
    assert random_like(top, seed=1).count == 3
    asked = MagnitudeScores(unit="heads", sizes=sizes, cells=cells_of(NAMES), magnitudes=magnitudes)
    assert restricted(asked, cells_of(NAMES[:1])).cells == cells_of(NAMES[:1])
