"""A study's plan in a file: read whole, refused with every fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_biasaudit.errors import PlanError
from pytest_biasaudit.mitigation.generalising.plan import LEVELS
from pytest_biasaudit.mitigation.generalising.plan_file import read_plan
from pytest_biasaudit.mitigation.generalising.studied_prompts import studied_contexts, studied_variations
from pytest_biasaudit.mitigation.halves import halves_of
from tests.carried_worlds import write_study

CONTEXTS = {"roofs": ["a tile", "a beam", "a slate"], "gardens": ["a hedge", "a lawn"]}


def faults_of(path: Path) -> str:
    with pytest.raises(PlanError) as raised:
        read_plan(path)
    return str(raised.value)


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_what_a_plan_leaves_out_is_filled_in(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, contexts=CONTEXTS))
    assert (plan.id, plan.attribute, plan.groups) == ("carrying", "race", ("white", "black"))
    assert plan.levels == LEVELS
    assert plan.combine == ("intersection", "frequency")
    assert [place.audit.id for place in plan.places] == ["quotes", "quotes"]
    assert plan.choices[0].name == "heads by attribution"


def test_one_context_leaves_the_levels_across_contexts_out(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, contexts={"roofs": CONTEXTS["roofs"]}))
    assert plan.levels == ("prompt", "names", "leave-one-out", "context")
    asked = write_study(tmp_path, contexts={"roofs": CONTEXTS["roofs"]}, more='levels = ["cross-context"]')
    assert "[study]: levels = 'cross-context': needs two contexts or more" in faults_of(asked)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = write_study(
        tmp_path, contexts=CONTEXTS, more='levels = ["leave-two-out"]\ncombine = ["union"]\ngroups = ["white", "green"]'
    )
    changed(path, "k = 2", "p = 1.5\nq = -0.1\ncolour = 3")
    changed(path, '"gardens.bias.toml"', '"garden.bias.toml"')
    text = faults_of(path)
    for fault in (
        "contexts = 'garden.bias.toml': garden.bias.toml: there is no such file",
        "levels = 'leave-two-out': valid are 'prompt'",
        "combine = 'union': valid are 'intersection', 'frequency', 'pooled scores'",
        "has no group 'green'; it has 'white', 'black'",
        "[[study.components]] 1: p = 1.5: a share is at most 1",
        "q = -0.1: must be a finite number of at least 0",
        "unknown key 'colour'",
    ):
        assert fault in text, text


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('method = "attribution"', 'method = "wanda"', "method = 'wanda': no score of heads; there are 'attention'"),
        ("k = 2", "k = 2\np = 0.1", "p = 0.1: k is given too"),
        ('unit = "heads"', 'unit = "weights"', "method = 'attribution': no score of weights"),
        ('unit = "heads"', 'unit = "head"', "unit = 'head': must be one of"),
        ("k = 2", 'k = 2\nmode = "uniform"\nq = 1.5', "q = 1.5: with k it is a count"),
        ("seed = 7", "seed = 7\nmax_people = 1", "max_people = 1: must be a whole number from 2"),
        ("seed = 7", 'seed = 7\nattribute = "age"', "attribute = 'age': roofs.bias.toml tells people apart by 'race'"),
        ("schema = 1", "schema = 2", "schema = 2: must be 1"),
        ("k = 2", 'k = 2\n[[study.components]]\nunit = "heads"\nmethod = "attribution"', "stands there twice"),
    ],
)
def test_a_fault_names_the_key_what_came_and_what_is_valid(tmp_path: Path, old: str, new: str, fault: str) -> None:
    path = changed(write_study(tmp_path, contexts=CONTEXTS), old, new)
    assert fault in faults_of(path)


def test_a_file_without_a_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("schema = 1\n", encoding="utf-8")
    assert "study is missing; it must be a table [study]" in faults_of(path)
    assert "there is no such file" in faults_of(tmp_path / "other.toml")


def test_a_context_with_several_audits_needs_the_one_named(tmp_path: Path) -> None:
    path = write_study(tmp_path, contexts=CONTEXTS)
    context = tmp_path / "roofs.bias.toml"
    text = context.read_text(encoding="utf-8")
    audit = text[text.index("[[audit]]") :].replace('id = "quotes"', 'id = "bids"')
    context.write_text(f"{text}\n{audit}", encoding="utf-8")
    assert "roofs.bias.toml has several audits: write roofs.bias.toml::AUDIT with one of 'quotes', 'bids'" in faults_of(
        path
    )
    changed(path, '"roofs.bias.toml"', '"roofs.bias.toml::bid"')
    assert "no audit 'bid' with people; it has 'quotes', 'bids'; did you mean 'bids'?" in faults_of(path)
    changed(path, "::bid", "::bids")
    assert read_plan(path).places[0].audit.id == "bids"


def test_a_context_without_people_has_no_groups_to_compare(tmp_path: Path) -> None:
    path = write_study(tmp_path, contexts=CONTEXTS)
    context = tmp_path / "roofs.bias.toml"
    text = context.read_text(encoding="utf-8")
    benchmark = '[[audit]]\nid = "pairs"\nkind = "our-pairs"\n'
    limit = '[[audit.limit]]\nmetric = "stereotype_score"\nmax = 0.6\n'
    context.write_text(text[: text.index("[[audit]]")] + benchmark + limit, encoding="utf-8")
    text = faults_of(path)
    assert "roofs.bias.toml" in text


def test_two_contexts_that_ask_the_same_are_refused(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, contexts={"roofs": ["a tile"], "gardens": ["a hedge", "a tile"]}))
    with pytest.raises(PlanError, match=r"gardens/quotes/w1/job=a-tile asks what roofs/quotes/w1/job=a-tile asks"):
        studied_variations(plan, seed=0)


def test_a_study_is_cut_down_to_its_first_variations_and_a_balanced_part_of_its_people(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path, contexts=CONTEXTS, more="max_variations = 2\nmax_people = 4"))
    variations = studied_variations(plan, seed=7)
    assert [one.template for one in variations["roofs"]] == ["w1/job=a-tile", "w1/job=a-beam"]
    halves = halves_of([one for some in variations.values() for one in some], attribute="race", seed=7)
    roofs, gardens = studied_contexts(plan, variations, halves)
    assert (len(roofs.variations), roofs.declared_variations) == (2, 3)
    assert (len(roofs.people), roofs.declared_people) == (8, 48)
    assert (len(gardens.variations), gardens.declared_variations) == (2, 2)
    assert sorted(person.group for person in roofs.people) == ["black"] * 4 + ["white"] * 4
    of_gender = [prompt.person.group("gender") for prompt in variations["roofs"][0].prompts]
    assert of_gender.count("women") == 4


def test_people_of_a_group_are_counted_over_its_intersections(tmp_path: Path) -> None:
    groups = 'groups = { race = ["white", "black"], gender = ["women", "men"] }'
    path = write_study(tmp_path, contexts=CONTEXTS, per_group=6, more='attribute = "race"\nmax_people = 5')
    for file in tmp_path.glob("*.bias.toml"):
        changed(file, 'attribute = "race"\nsource', 'attribute = ["race", "gender"]\nsource')
        changed(file, 'groups = ["white", "black"]', groups)
    plan = read_plan(path)
    variations = studied_variations(plan, seed=7)
    people = [prompt.person for prompt in variations["roofs"][0].prompts]
    assert sorted(one.group("race") for one in people) == ["black"] * 4 + ["white"] * 4  # two women and two men each
    with pytest.raises(
        PlanError, match="max_people = 1: a group of context 'roofs' is 2 intersections of race and gender"
    ):
        studied_variations(replace(plan, max_people=1), seed=7)


def test_a_table_of_prompts_gives_the_people_of_the_part_that_is_used(tmp_path: Path) -> None:
    """Another scenario of the same file may be about other people, and says nothing of this one."""
    path = write_study(tmp_path, contexts=CONTEXTS)
    named = {"white_men": ["Adam Alder", "Bert Birch"], "black_men": ["Gil Oak", "Hal Pine"]}
    lines = ["scenario,variation,name_group,name,context_level,prompt_text"]
    for group, names in named.items():
        lines += [f"sale,lamp,{group},{name},low,{name} sells a lamp." for name in names]
    lines.append("race,unique,white_women,Dora Elm,low,Dora Elm runs.")
    lines.append("race,other,white_women,Edna Elm,low,Edna Elm runs.")
    (tmp_path / "audit.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    context = tmp_path / "roofs.bias.toml"
    text = context.read_text(encoding="utf-8")
    kept, _, limits = text.partition("[[audit]]")
    _, _, limits = limits.partition("[audit.outcome]")
    context.write_text(
        f'{kept}[[audit]]\nid = "quotes"\nkind = "counterfactual"\n\n[audit.table]\nfile = "audit.csv"\nscenario = "sale"\n\n'
        f'[audit.people]\nattribute = "race"\n\n[audit.outcome]{limits}',
        encoding="utf-8",
    )
    plan = read_plan(path)
    assert plan.groups == ("white", "black")
    (asked,) = studied_variations(plan, seed=0)["roofs"]
    assert all(prompt.text.endswith("sells a lamp.") for prompt in asked.prompts)
