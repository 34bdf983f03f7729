"""Chosen components, worked out again from prompts' scores in plain Python: exactly the same sets.

Nothing of the package is used for the second answer, and no numpy: lists are sorted whole, sets are Python's, shares are
fractions. Scores are whole numbers over 8, so that every sum and mean is exact in 32 bits, and ties are many.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pytest_biasaudit.mitigation.choosing.choose import choose
from pytest_biasaudit.mitigation.components import ComponentSet, ScoreMethod, Unit
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell

Prompts = list[tuple[str, str, int, dict[str, list[Fraction]]]]
"""One a prompt: variation, group, half, and by place its scores row by row."""
LAYERS = (0, 1, 2, 10, 11)
"""Out of the alphabet's order."""
ALL_SEVEN = ("q", "k", "v", "o", "gate", "up", "down")


def sizes_of(unit: Unit, draw: random.Random) -> dict[str, tuple[int, ...]]:
    if unit != "weights":
        return {str(layer): (draw.randint(3, 30),) for layer in LAYERS}
    return {
        f"model.layers.{layer}.{name}": (draw.randint(1, 9), draw.randint(1, 9))
        for layer in LAYERS
        for name in ALL_SEVEN
    }


def prompts_of(sizes: dict[str, tuple[int, ...]], draw: random.Random, *, signed: bool) -> Prompts:
    """Four prompts a cell, so that a mean over cells is one over a power of two."""
    low = -16 if signed else 0
    found: Prompts = []
    for variation in ("shop/offers/bike", "shop/offers/car"):
        for group in ("white", "black"):
            for half in (0, 1):
                for _ in range(4):
                    scores = {
                        place: [Fraction(draw.randint(low, 16), 8) for _ in range(counted(size))]
                        for place, size in sizes.items()
                    }
                    found.append((variation, group, half, scores))
    return found


def counted(size: tuple[int, ...]) -> int:
    return size[0] * size[1] if len(size) == 2 else size[0]


def table_from(
    prompts: Prompts, sizes: dict[str, tuple[int, ...]], unit: Unit, method: ScoreMethod, *, signed: bool
) -> ArrayScores:
    sums: dict[Cell, dict[str, Any]] = {}
    counts: dict[Cell, int] = {}
    for variation, group, half, scores in prompts:
        cell = Cell(variation=variation, group=group, half=1 if half else 0)
        counts[cell] = counts.get(cell, 0) + 1
        own = sums.setdefault(cell, {place: np.zeros(size, dtype=np.float32) for place, size in sizes.items()})
        for place, figures in scores.items():
            own[place] += np.array([float(one) for one in figures], dtype=np.float32).reshape(sizes[place])
    return ArrayScores(unit=unit, method=method, signed=signed, sizes=sizes, sums=sums, counts=counts)


# The second answer.


def layer_of(place: str) -> tuple[int, str]:
    """Layers by their number, then the linear layers by name."""
    parts = place.split(".")
    return (int(place), "") if len(parts) == 1 else (int(parts[2]), parts[3])


def means(prompts: Prompts, group: str) -> dict[str, list[Fraction]]:
    own = [scores for _, name, _, scores in prompts if name == group]
    return {
        place: [sum((one[place][at] for one in own), Fraction(0)) / len(own) for at in range(len(own[0][place]))]
        for place in own[0]
    }


def top_of_place(figures: Sequence[Fraction], share: Fraction) -> set[int]:
    count = int(share * len(figures))
    return set(sorted(range(len(figures)), key=lambda at: (-figures[at], at))[:count])


def top_of_model(figures: dict[str, list[Fraction]], count: int) -> set[tuple[str, int]]:
    every = [(place, at) for place in figures for at in range(len(figures[place]))]
    every.sort(key=lambda one: (-figures[one[0]][one[1]], layer_of(one[0]), one[1]))
    return set(every[:count])


def flat(found: ComponentSet) -> set[tuple[str, int]]:
    return {(place, int(number)) for place, numbers in found.chosen.items() for number in numbers}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("p", "q"), [("0.15", "0.15"), ("0.4", "0.35"), ("0.29", "0.07"), ("1", "0.5"), ("0.5", "0")])
@pytest.mark.parametrize("unit", ["neurons", "weights"])
def test_set_difference_at_every_place(unit: Unit, p: str, q: str, seed: int) -> None:
    draw = random.Random(f"{unit} {p} {q} {seed}")
    sizes = sizes_of(unit, draw)
    prompts = prompts_of(sizes, draw, signed=False)
    table = table_from(prompts, sizes, unit, "wanda", signed=False)
    found = choose(table, reference="white", group="black", p=float(p), q=float(q))
    black, white = means(prompts, "black"), means(prompts, "white")
    again = {
        (place, at)
        for place in sizes
        for at in top_of_place(black[place], Fraction(p)) - top_of_place(white[place], Fraction(q))
    }
    assert flat(found) == again
    turned = choose(table, reference="black", group="white", p=float(p), q=float(q))
    assert flat(turned) == {
        (place, at)
        for place in sizes
        for at in top_of_place(white[place], Fraction(p)) - top_of_place(black[place], Fraction(q))
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("k", "q"), [(40, 5), (1, 0), (10, 30), (12, 12)])
def test_set_difference_over_the_whole_model(k: int, q: int, seed: int) -> None:
    draw = random.Random(f"{k} {q} {seed}")
    sizes = sizes_of("neurons", draw) | {"12": (40,)}
    prompts = prompts_of(sizes, draw, signed=False)
    table = table_from(prompts, sizes, "heads", "attention", signed=False)
    found = choose(table, reference="white", group="black", k=k, q=q)
    black, white = means(prompts, "black"), means(prompts, "white")
    assert flat(found) == top_of_model(black, k) - top_of_model(white, q)


@pytest.mark.parametrize("seed", range(6))
def test_attention_to_the_name_of_both_groups(seed: int) -> None:
    draw = random.Random(seed)
    sizes = sizes_of("heads", draw)
    prompts = prompts_of(sizes, draw, signed=False)
    table = table_from(prompts, sizes, "heads", "attention", signed=False)
    black, white = means(prompts, "black"), means(prompts, "white")
    both = {place: [a + b for a, b in zip(black[place], white[place], strict=True)] for place in sizes}
    assert flat(choose(table, reference="white", group="black", k=12, rule="sum")) == top_of_model(both, 12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("gap", [0.7, -0.7])
def test_what_carries_the_gap_by_signed_scores(gap: float, seed: int) -> None:
    draw = random.Random(seed)
    sizes = sizes_of("heads", draw)
    prompts = prompts_of(sizes, draw, signed=True)
    table = table_from(prompts, sizes, "heads", "attribution", signed=True)
    black, white = means(prompts, "black"), means(prompts, "white")
    turn = 1 if gap > 0 else -1
    parts = {place: [turn * (a - b) for a, b in zip(black[place], white[place], strict=True)] for place in sizes}
    able = {(place, at) for place in sizes for at, part in enumerate(parts[place]) if part > 0}
    found = choose(table, reference="white", group="black", k=12, gap=gap)
    assert flat(found) == top_of_model(parts, 12) & able


@pytest.mark.parametrize("seed", range(3))
def test_a_variation_left_out_has_no_part(seed: int) -> None:
    draw = random.Random(seed)
    sizes = sizes_of("heads", draw)
    prompts = prompts_of(sizes, draw, signed=False)
    table = table_from(prompts, sizes, "heads", "attention", signed=False)
    kept = [one for one in prompts if one[0] == "shop/offers/car"]
    cells = [cell for cell in table.cells if cell.variation == "shop/offers/car"]
    black, white = means(kept, "black"), means(kept, "white")
    found = choose(table, reference="white", group="black", k=9, q=4, cells=cells)
    assert flat(found) == top_of_model(black, 9) - top_of_model(white, 4)
