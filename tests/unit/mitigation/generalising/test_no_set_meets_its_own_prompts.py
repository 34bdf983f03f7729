"""The leak: at no level but two is a set held to prompts that had a say in it, whatever the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_biasaudit.errors import LeakError
from pytest_biasaudit.mitigation.choosing.settings import Settings
from pytest_biasaudit.mitigation.generalising.plan import COMBINE, LEVELS, Choice, Plan
from pytest_biasaudit.mitigation.generalising.plan_file import UNITS, read_plan
from pytest_biasaudit.mitigation.generalising.protocol import Studied, generalise
from pytest_biasaudit.mitigation.generalising.schedule import Asked, Part, refuse_leak, schedule, sources_of
from pytest_biasaudit.mitigation.generalising.sets import Sets
from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_variations
from pytest_biasaudit.mitigation.halves import halves_of
from pytest_biasaudit.mitigation.scores import ArrayScores, Cell, Floats, ScoreTable
from pytest_biasaudit.mitigation.units import ScoreMethod, Unit
from tests.carried_worlds import World, scores_of, write_study


def plan_of(**given: object) -> Plan:
    plain = Plan(
        id="study",
        path=Path("study.toml"),
        sha256="0" * 64,
        places=(),
        attribute="race",
        groups=("white", "black"),
        choices=(Choice(unit="heads", method="attribution", settings=Settings(k=2)),),
        levels=LEVELS,
        combine=COMBINE,
    )
    return replace(plain, **given)  # type: ignore[arg-type]


@st.composite
def studies(draw: st.DrawFn) -> tuple[Plan, dict[str, tuple[str, ...]]]:
    contexts = draw(st.integers(1, 5))
    variations = {
        f"c{at}": tuple(f"c{at}/ask/w1/item={one}" for one in range(draw(st.integers(1, 5)))) for at in range(contexts)
    }
    levels = draw(st.lists(st.sampled_from(LEVELS), unique=True, min_size=1))
    combine = draw(st.lists(st.sampled_from(COMBINE), unique=True, min_size=1))
    choices = tuple(
        Choice(unit=unit, method="magnitude", settings=Settings(k=1))
        for unit in draw(st.lists(st.sampled_from(UNITS), unique=True, min_size=1))
    )
    return plan_of(levels=tuple(levels), combine=tuple(combine), choices=choices), variations


@given(studies())
@settings(max_examples=150, deadline=None)
def test_no_row_is_scheduled_on_prompts_that_its_sets_were_found_on(
    study: tuple[Plan, dict[str, tuple[str, ...]]],
) -> None:
    plan, variations = study
    for row in schedule(plan, variations):
        for part in row.parts:
            assert part.variation in variations[row.evaluated_in]
            if row.level in ("prompt", "context", "none") or part.source is None:
                continue
            found_on = {(name, half) for name in part.source.variations for half in part.source.halves}
            asked = {(part.variation, half) for half in part.halves}
            assert not found_on & asked, row
            if row.level in ("cross-context", "pooled"):
                assert not set(part.source.variations) & set(variations[row.evaluated_in])


@given(studies())
@settings(max_examples=50, deadline=None)
def test_every_prompt_of_a_context_is_evaluated_once_in_every_row(
    study: tuple[Plan, dict[str, tuple[str, ...]]],
) -> None:
    plan, variations = study
    for row in schedule(plan, variations):
        asked = [(part.variation, half) for part in row.parts for half in part.halves]
        assert len(asked) == len(set(asked))
        if not row.reason:
            assert set(asked) == {(name, half) for name in variations[row.evaluated_in] for half in (0, 1)}


def test_a_planted_leak_is_caught() -> None:
    rows = schedule(plan_of(), {"a": ("a/ask/1", "a/ask/2"), "b": ("b/ask/1",)})
    row = next(one for one in rows if one.level == "cross-context" and one.evaluated_in == "a")
    leaking = replace(row, parts=(*row.parts, Part(source=row.parts[0].source, variation="b/ask/1")))
    with pytest.raises(LeakError, match=r"'cross-context'.*b/ask/1, half 0"):
        refuse_leak(leaking)
    half = next(one for one in rows if one.level == "names" and one.evaluated_in == "a")
    whole = replace(half, parts=tuple(replace(part, halves=(0, 1)) for part in half.parts))
    with pytest.raises(LeakError, match="'names'"):
        refuse_leak(whole)


class Recorded:
    """Scores that keep which cells were looked at."""

    def __init__(self, table: ArrayScores) -> None:
        self._table = table
        self.seen: set[Cell] = set()

    unit: Unit = property(lambda self: self._table.unit)  # type: ignore[assignment]
    method: ScoreMethod = property(lambda self: self._table.method)  # type: ignore[assignment]
    signed: bool = property(lambda self: self._table.signed)  # type: ignore[assignment]
    sizes: Mapping[str, tuple[int, ...]] = property(lambda self: self._table.sizes)  # type: ignore[assignment]
    cells: tuple[Cell, ...] = property(lambda self: self._table.cells)  # type: ignore[assignment]

    def scores(self, place: str, cells: Sequence[Cell]) -> Floats:
        self.seen |= set(cells)
        return self._table.scores(place, cells)


def test_a_set_is_made_from_the_scores_and_answers_of_its_own_prompts_alone(tmp_path: Path) -> None:
    world = World({"roofs": {(0, 1): 9.0}, "gardens": {(2, 3): 9.0}})
    plan = read_plan(
        write_study(
            tmp_path,
            contexts={"roofs": ["a tile", "a beam"], "gardens": ["a hedge", "a lawn"]},
            more='combine = ["intersection", "frequency", "pooled scores"]',
        )
    )
    variations = studied_variations(plan, seed=7)
    halves = halves_of([one for some in variations.values() for one in some], attribute="race", seed=7)
    answered: list[Asked] = []

    def gap(on: frozenset[Asked]) -> float:
        answered.extend(on)
        return -1.0

    rows = schedule(plan, {context: [one.name for one in some] for context, some in variations.items()})
    for source in sources_of(rows):
        answered.clear()
        table = Recorded(scores_of(world, variations, halves))
        magnitudes = scores_of(world, variations, halves, method="magnitude")
        kept: ScoreTable = table
        sets = Sets(
            plan.choices[0],
            kept,
            reference="white",
            group="black",
            gaps=gap,
            magnitudes=lambda scores=magnitudes: scores,  # type: ignore[misc]
            origin=None,
            seed=7,
        )
        sets.of(source)
        assert {(cell.variation, cell.half) for cell in table.seen} == source.found_on
        assert set(answered) == source.found_on


def test_what_is_asked_of_a_set_was_not_seen_when_it_was_found(tmp_path: Path) -> None:
    """End to end, by the people and variations that the model was asked about."""
    world = World({"roofs": {(0, 1): 9.0}, "gardens": {(2, 3): 9.0}})
    plan = read_plan(
        write_study(tmp_path, contexts={"roofs": ["a tile", "a beam", "a slate"], "gardens": ["a hedge", "a lawn"]})
    )
    variations = studied_variations(plan, seed=7)
    halves = halves_of([one for some in variations.values() for one in some], attribute="race", seed=7)
    found = generalise(
        Studied(
            plan=plan,
            variations=variations,
            halves=halves,
            trial=world,
            scores=lambda unit, method: scores_of(world, variations, halves, unit=unit, method=method),
            seed=7,
        )
    )
    by_digest: dict[str, list[tuple[set[str], set[int]]]] = {}
    for one in found.sets:
        by_digest.setdefault(one.sha256, []).append((set(one.found_in), set(one.halves)))
    for row in found.rows:
        if row.level in ("none", "prompt", "context") or row.chosen != "scored":
            continue
        for at in row.evaluations:
            evaluation = found.evaluations[at]
            if not evaluation.components:
                continue  # an empty set: what was asked before stands for it
            # Equal sets are evaluated once: one of the sources of that set must be clear of the prompts.
            sources = by_digest[evaluation.components]
            assert any(
                evaluation.variation not in names or not (set(evaluation.halves) & of) for names, of in sources
            ), row
