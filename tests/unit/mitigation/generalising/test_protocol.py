"""The table of generalisation in worlds where it is known what carries."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pytest_biasaudit.mitigation.generalising.plan import LEVELS, Plan
from pytest_biasaudit.mitigation.generalising.plan_file import read_plan
from pytest_biasaudit.mitigation.generalising.protocol import Found, Studied, generalise, questions_of
from pytest_biasaudit.mitigation.generalising.rows import TransferRow
from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_variations
from pytest_biasaudit.mitigation.halves import halves_of
from tests.carried_worlds import World, scores_of, write_study

JOBS = {"roofs": ["a tile", "a gutter", "a beam"], "gardens": ["a hedge", "a lawn"], "cars": ["a tyre", "a door"]}
OWN = {"roofs": {(0, 1): 12.0, (1, 2): 12.0}, "gardens": {(2, 3): 12.0, (3, 4): 12.0}}


def studied(plan: Plan, world: World) -> Studied:
    variations = studied_variations(plan, seed=7)
    halves = halves_of([one for some in variations.values() for one in some], attribute="race", seed=7)
    return Studied(
        plan=plan,
        variations=variations,
        halves=halves,
        trial=world,
        scores=lambda unit, method: scores_of(world, variations, halves, unit=unit, method=method),
        seed=7,
    )


def run(folder: Path, world: World, **settings: object) -> tuple[Plan, Found]:
    contexts = {name: JOBS[name] for name in world.carried}
    plan = read_plan(write_study(folder, contexts=contexts, **settings))  # type: ignore[arg-type]
    return plan, generalise(studied(plan, world))


def row_of(found: Found, **wanted: object) -> TransferRow:
    fit = [one for one in found.rows if all(getattr(one, name) == value for name, value in wanted.items())]
    assert len(fit) == 1, [(one.level, one.found_in, one.rule, one.chosen) for one in fit]
    return fit[0]


def test_heads_of_one_context_do_nothing_in_another_that_shares_none(tmp_path: Path) -> None:
    _, found = run(tmp_path, World(OWN))
    here = row_of(found, level="context", evaluated_in="roofs", chosen="scored", rule="frequency")
    there = row_of(found, level="cross-context", evaluated_in="gardens", chosen="scored", rule="frequency")
    assert here.removed.value is not None
    assert here.removed.value > 0.7
    assert here.found_in == ("roofs",)
    assert there.found_in == ("roofs",)
    assert there.removed.value == pytest.approx(0.0, abs=1e-12)
    assert there.bias.value == there.bias_before.value
    assert there.components == 2


def test_heads_that_contexts_share_carry_from_one_to_the_other(tmp_path: Path) -> None:
    shared = {(0, 1): 12.0, (1, 2): 12.0}
    _, found = run(tmp_path, World({"roofs": shared, "gardens": shared}))
    for level in ("leave-one-out", "cross-context", "pooled"):
        for rule in ("intersection", "frequency"):
            row = row_of(found, level=level, evaluated_in="gardens", chosen="scored", rule=rule)
            assert row.removed.value is not None
            assert row.removed.value > 0.7
            assert row.removed.interval is not None
            assert row.removed.interval.low > 0.3
            assert not row.same_prompts


def test_half_of_what_is_shared_removes_part_of_the_bias(tmp_path: Path) -> None:
    # Of 24 that gardens takes off, the head that roofs has too carries 12: what is left is 12 of 24 (before noise).
    world = World({"roofs": {(0, 1): 12.0, (1, 2): 12.0}, "gardens": {(0, 1): 12.0, (3, 4): 12.0}}, noise=2.0)
    _, found = run(tmp_path, world)
    row = row_of(found, level="cross-context", evaluated_in="gardens", chosen="scored", rule="frequency")
    # Both terms are divided by the same spread: the same people's noise, which no head touches.
    assert row.removed.value == pytest.approx(0.5, abs=0.05)


def test_the_names_level_evaluates_each_half_on_what_the_other_half_found(tmp_path: Path) -> None:
    world = World(OWN)
    _, found = run(tmp_path, world)
    row = row_of(found, level="names", evaluated_in="roofs", chosen="scored")
    assert row.variations == 3
    assert len(row.evaluations) == 6
    assert row.removed.value is not None
    assert row.removed.value > 0.5
    halves = [found.evaluations[at].halves for at in row.evaluations]
    assert Counter(halves) == {(0,): 3, (1,): 3}


def test_every_row_has_its_baselines_of_equal_size_beside_it(tmp_path: Path) -> None:
    _, found = run(tmp_path, World(OWN))
    scored = [one for one in found.rows if one.chosen == "scored"]
    for one in scored:
        for chosen in ("random", "magnitude"):
            beside = row_of(
                found,
                level=one.level,
                found_in=one.found_in,
                evaluated_in=one.evaluated_in,
                rule=one.rule,
                chosen=chosen,
            )
            assert (beside.components, beside.people, beside.variations) == (
                one.components,
                one.people,
                one.variations,
            )


def test_the_model_as_it_is_has_one_row_a_unit_however_many_scores_there_are(tmp_path: Path) -> None:
    second = '[[study.components]]\nunit = "heads"\nmethod = "attention"\nk = 2\nq = 0\n'
    path = write_study(tmp_path, contexts={"roofs": JOBS["roofs"]})
    path.write_text(path.read_text(encoding="utf-8") + second, encoding="utf-8")
    found = generalise(studied(read_plan(path), World({"roofs": OWN["roofs"]})))
    assert {one.method for one in found.rows} == {"", "attribution", "attention"}
    row_of(found, level="none", unit="heads", evaluated_in="roofs")


def test_no_question_is_asked_twice_without_the_same_heads(tmp_path: Path) -> None:
    world = World(OWN)
    run(tmp_path, world)
    assert len(world.asked) == len(set(world.asked))


def test_the_cost_told_before_bounds_what_is_asked(tmp_path: Path) -> None:
    world = World(OWN)
    plan, _ = run(tmp_path, world)
    setting = studied(plan, world)
    told = questions_of(plan, setting.variations, setting.halves)
    assert sum(len(people) for _, _, people in world.asked) <= told


def test_a_context_with_one_variation_has_none_to_leave_out_and_says_so(tmp_path: Path) -> None:
    _, found = run(tmp_path, World(OWN), more="max_variations = 1")
    row = row_of(found, level="leave-one-out", evaluated_in="roofs", chosen="scored", rule="frequency")
    assert row.removed.value is None
    assert "one variation" in row.removed.reason


def test_an_empty_intersection_removes_nothing_and_has_no_interval(tmp_path: Path) -> None:
    worlds = World({"roofs": {(0, 1): 12.0}, "gardens": {(2, 3): 12.0}, "cars": {(3, 5): 12.0}})
    _, found = run(tmp_path, worlds, k=1)
    row = row_of(found, level="pooled", evaluated_in="roofs", chosen="scored", rule="intersection")
    assert (row.components, row.removed.value, row.removed.interval) == (0.0, 0.0, None)
    assert "no component is in the sets of all variations" in row.removed.reason


def test_a_model_without_a_difference_gives_empty_sets_and_no_share_removed(tmp_path: Path) -> None:
    _, found = run(tmp_path, World({"roofs": {}, "gardens": {}}, noise=0.0))
    assert {one.components for one in found.rows} == {0.0}
    assert all(one.removed.interval is None for one in found.rows)


def test_rows_on_their_own_prompts_say_so_and_no_others(tmp_path: Path) -> None:
    _, found = run(tmp_path, World(OWN))
    assert {one.level for one in found.rows if one.same_prompts} == {"prompt", "context"}
    assert {one.level for one in found.rows} == {"none", *LEVELS}


def test_perplexity_is_asked_once_a_set(tmp_path: Path) -> None:
    world = World(OWN)
    contexts = {name: JOBS[name] for name in world.carried}
    path = write_study(tmp_path, contexts=contexts)
    path.write_text(
        path.read_text(encoding="utf-8").replace("perplexity = false", "perplexity = true"), encoding="utf-8"
    )
    found = generalise(studied(read_plan(path), world))
    different = {one.sha256 for one in found.sets}
    assert world.of_texts == len(different | {""})
    row = row_of(found, level="context", evaluated_in="roofs", chosen="scored", rule="frequency")
    assert (row.perplexity_before, row.perplexity) == (20.0, 22.0)
