"""The sets of one choice, made from scores by hand: how many, where from, and how few are kept at once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pytest_biasaudit.mitigation.choosing.settings import Settings
from pytest_biasaudit.mitigation.components import Origin
from pytest_biasaudit.mitigation.generalising.plan import Choice
from pytest_biasaudit.mitigation.generalising.schedule import Asked, Part, RowPlan, Source, sources_of
from pytest_biasaudit.mitigation.generalising.sets import Sets
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell
from pytest_biasaudit.mitigation.units import ScoreMethod

LAYERS, HEADS = 2, 30
NAMES = ("a/ask/1", "a/ask/2", "a/ask/3")


def scores(order: Mapping[str, list[int]], *, signed: bool = True) -> ArrayScores:
    """By variation, the heads from the highest, counted through both layers; the others have nought."""
    sums = {}
    for name, heads in order.items():
        for half in (0, 1):
            high = np.zeros(LAYERS * HEADS, dtype=np.float32)
            high[heads] = np.arange(len(heads), 0, -1, dtype=np.float32)
            for group, figures in (("black", high), ("white", np.zeros_like(high))):
                places = {"0": figures[:HEADS], "1": figures[HEADS:]}
                sums[Cell(variation=name, group=group, half=1 if half else 0)] = places
    method: ScoreMethod = "attribution" if signed else "attention"
    sizes = {str(layer): (HEADS,) for layer in range(LAYERS)}
    return ArrayScores(
        unit="heads", method=method, signed=signed, sizes=sizes, sums=sums, counts=dict.fromkeys(sums, 1)
    )


def origin(on: frozenset[Asked]) -> Origin:
    return Origin(
        model="base",
        model_digest="1" * 64,
        weights_sha256="2" * 64,
        contexts=(("a", "3" * 64),),
        templates=tuple(sorted({name for name, _ in on})),
        attribute="race",
        groups=("white", "black"),
        prompts_sha256="4" * 64,
        method="attribution",
        settings=(),
    )


def sets_of(table: ArrayScores, settings: Settings, gaps: Mapping[str, float | None] | None = None) -> Sets:
    return Sets(
        Choice(unit="heads", method=table.method, settings=settings),
        table,
        reference="white",
        group="black",
        gaps=lambda on: (gaps or dict.fromkeys(NAMES, 1.0))[min(on)[0]] if len(on) == 2 else 1.0,
        magnitudes=lambda: table,
        origin=origin,
        seed=1,
    )


FREQUENT = Source(choice=0, chosen="scored", rule="frequency", variations=NAMES)


def test_the_default_count_is_the_count_that_is_written_out() -> None:
    # Heads by default: 40, less 5 that score high for the reference. Of each variation fewer than 40 are left.
    first, last = list(range(40)), list(range(20, 60))
    table = scores({NAMES[0]: first, NAMES[1]: first, NAMES[2]: last}, signed=False)
    for settings in (Settings(), Settings(k=40, q=5)):
        assert sets_of(table, settings).of(FREQUENT).count == 40


def test_a_count_by_layer_is_not_taken_for_one_of_the_whole_model() -> None:
    table = scores({name: [0, 1, 2] for name in NAMES}, signed=False)
    found = sets_of(table, Settings(k=3, q=0, scope="layer")).of(FREQUENT)
    assert found.chosen["0"].tolist() == [0, 1, 2]
    assert found.count == 6  # three at each of two layers, as each variation's own set has


def test_a_variation_without_a_difference_does_not_make_a_set_forget_its_model() -> None:
    table = scores({name: [0, 1] for name in NAMES})
    found = sets_of(table, Settings(k=2), gaps={NAMES[0]: 1.0, NAMES[1]: None, NAMES[2]: 1.0}).of(FREQUENT)
    assert found.chosen["0"].tolist() == [0, 1]
    assert found.origin is not None
    assert found.origin.model_digest == "1" * 64
    assert found.origin.templates == NAMES
    nothing = sets_of(table, Settings(k=2), gaps=dict.fromkeys(NAMES)).of(FREQUENT)
    assert nothing.count == 0


def test_a_baseline_comes_right_after_the_set_it_equals_in_size() -> None:
    own = [Source(choice=0, chosen="scored", rule="own", variations=(name,)) for name in NAMES]
    rows = [
        RowPlan(
            level="prompt",
            found_in=("a",),
            evaluated_in="a",
            choice=0,
            chosen=chosen,
            rule="own",
            parts=tuple(Part(source=replace(one, chosen=chosen), variation=one.variations[0]) for one in own),
        )
        for chosen in ("magnitude", "random", "scored")
    ]
    order = [(one.variations[0], one.chosen) for one in sources_of(rows)]
    assert order == [(name, chosen) for name in NAMES for chosen in ("scored", "random", "magnitude")]


def test_only_the_sets_that_others_are_made_of_are_kept() -> None:
    table = scores({name: [0, 1] for name in NAMES})
    made = sets_of(table, Settings(k=2))
    halves = [Source(choice=0, chosen="scored", rule="own", variations=(name,), halves=(0,)) for name in NAMES]
    # A frozen dataclass without slots can be watched.
    watched = [weakref.ref(made.of(source)) for source in (*halves, FREQUENT)]
    gc.collect()
    assert [one() is not None for one in watched] == [False, False, False, True]
