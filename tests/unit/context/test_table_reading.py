"""`[audit.table]`: prompts that a CSV beside the context file holds."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from pytest_biasaudit.collecting import Collector
from pytest_biasaudit.context.declaration import Context, CounterfactualAudit, TableSpec
from pytest_biasaudit.context.read import read_context
from pytest_biasaudit.context.schema import SCHEMA_FILE
from pytest_biasaudit.errors import ContextError, DataError
from pytest_biasaudit.planning.plan import plan_lines
from pytest_biasaudit.planning.preview import check_lines
from pytest_biasaudit.prompts.counterfactual import build_prompts, templates_of
from tests.audit_tables import NAMES, Row, as_csv, changed, rows

CONTEXT = """\
schema = 1

[context]
id = "table"
title = "A table"
process = "p"
use = "u"
affected = ["a"]
harms = ["h"]
oversight = "o"
response = "r"
owner = "w"
jurisdictions = ["EU"]
language = "en"

[[audit]]
id = "sales"
kind = "counterfactual"
system = "You advise."
prefill = "For {first}: $"

[audit.table]
file = "audit.csv"
scenario = "sale"

[audit.people]
attribute = ["race", "gender"]

[audit.outcome]
kind = "number"

[[audit.limit]]
attribute = "race"
metric = "smd"
max = 0.2
"""
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def written(folder: Path, *changes: tuple[str, str], table: str | None = None) -> Path:
    text = CONTEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / "audit.csv").write_text(as_csv(rows()) if table is None else table, encoding="utf-8")
    path = folder / "t.bias.toml"
    path.write_text(text, encoding="utf-8")
    return path


def the(context: Context) -> CounterfactualAudit:
    audit = context.audits[0]
    assert isinstance(audit, CounterfactualAudit)
    return audit


def faults(folder: Path, *changes: tuple[str, str], table: str | None = None) -> tuple[str, ...]:
    with pytest.raises(ContextError) as caught:
        read_context(written(folder, *changes, table=table))
    return caught.value.faults


def valid_for_editors(*changes: tuple[str, str]) -> bool:
    text = CONTEXT
    for old, new in changes:
        text = text.replace(old, new, 1)
    return not list(VALIDATOR.iter_errors(tomllib.loads(text)))


def test_the_prompts_are_those_of_the_table_with_the_contexts_prefill(tmp_path: Path) -> None:
    context = read_context(written(tmp_path))
    audit = the(context)
    prompts = build_prompts(context, audit, seed=0)
    assert len(prompts) == 4 * 12
    assert templates_of(audit) == tuple(dict.fromkeys(prompt.template for prompt in prompts))
    (one,) = (p for p in prompts if p.template == "sale/desk/numeric" and p.person.name == "D'Arcy Rowan")
    assert one.id == "sale/desk/numeric/black-men-darcy-rowan"
    assert one.text == "What should D'Arcy Rowan be paid for a desk? The usual figure is 40."
    assert (one.system, one.prefill) == ("You advise.", "For D'Arcy: $")
    assert dict(one.slots) == {"scenario": "sale", "variation": "desk", "context_level": "numeric"}


def test_the_declaration_holds_the_digest_and_the_templates(tmp_path: Path) -> None:
    audit = the(read_context(written(tmp_path, ('scenario = "sale"', 'level = ["low"]\nvariation = "lamp"'))))
    assert audit.table == TableSpec(
        file="audit.csv",
        sha256=hashlib.sha256((tmp_path / "audit.csv").read_bytes()).hexdigest(),
        templates=("sale/lamp/low",),
        variations=("lamp",),
        levels=("low",),
    )
    assert audit.wordings == ()
    assert audit.people.source == "audit.csv"
    assert audit.people.per_group == 3


def test_everybody_in_the_table_is_asked_about_unless_fewer_are_declared(tmp_path: Path) -> None:
    by_race = the(read_context(written(tmp_path, ('["race", "gender"]', '"race"'))))
    assert by_race.people.per_group == 6
    context = read_context(written(tmp_path, ('"gender"]', '"gender"]\nper_group = 2')))
    names = {prompt.person.name for prompt in build_prompts(context, the(context), seed=0)}
    assert len(names) == 8
    assert all(len(names & set(group)) == 2 for group in NAMES.values())


def test_a_further_group_is_known_when_it_is_declared(tmp_path: Path) -> None:
    table = changed(
        lambda table: [
            row.update(name_group=row["name_group"].replace("black", "asian"))
            for row in table
            if row["name_group"].startswith("black")
        ]
    )
    groups = 'attribute = "race"\ngroups = ["white", "asian"]'
    context = read_context(written(tmp_path, ('attribute = ["race", "gender"]', groups), table=table))
    assert {p.person.group("race") for p in build_prompts(context, the(context), seed=0)} == {"white", "asian"}
    assert "name_group 'asian_men' is unknown" in faults(tmp_path, table=table)[0]


def test_an_undeclared_group_of_the_table_is_left_out(tmp_path: Path) -> None:
    table = rows()
    extra: list[Row] = []
    for row in table:
        if row["name_group"].startswith("black"):
            name = row["name"].replace(" ", "a ")
            extra.append(
                {
                    **row,
                    "name": name,
                    "name_group": row["name_group"].replace("black", "asian"),
                    "prompt_text": row["prompt_text"].replace(row["name"], name),
                }
            )
    groups = 'groups = { race = ["white", "asian"], gender = ["men", "women"] }'
    context = read_context(written(tmp_path, ('"gender"]', f'"gender"]\n{groups}'), table=as_csv([*table, *extra])))
    prompts = build_prompts(context, the(context), seed=0)
    assert {p.person.group("race") for p in prompts} == {"white", "asian"}
    assert len({p.person_id for p in prompts}) == 12


def without(name: str) -> str:
    return as_csv([row for row in rows() if row["name"] != name])


def test_groups_of_unlike_size_are_a_fault_that_names_the_way_out(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, table=without("Kaya Rowan"))
    assert fault.endswith(
        "the groups of audit.csv are not of one size: 3 white men, 3 white women, 3 black men, 2 black women; add names, "
        "or write per_group = 2 to draw as many of each"
    )
    path = written(tmp_path, ('"gender"]', '"gender"]\nper_group = 2'), table=without("Kaya Rowan"))
    assert the(read_context(path)).people.per_group == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (('[audit.people]', '[audit.people]\nsource = "us-names"'), "the table names the people; remove source"),
        (("prefill", 'prompt = "Ask {first}"\nprefill'), "both given; the table holds the prompts: remove prompt"),
        (("prefill", 'prompts = ["Ask {first}"]\nprefill'), "prompts and table are both given"),
        (("[audit.table]", '[audit.slots]\nitem = ["a"]\n\n[audit.table]'), "slots and table are both given"),
        (('file = "audit.csv"', ""), "file is missing; it must be a text that is not empty"),
        (('file = "audit.csv"', 'file = "audits.csv"'), "there is no such file beside the context file (did you mean"),
        (('file = "audit.csv"', 'file = "audit.csv"\nsha256 = "x"'), "sha256 = 'x': must be a sha256: 64 hexadecimal digits"),
        (('file = "audit.csv"', f'file = "audit.csv"\nsha256 = "{"0" * 64}"'), "this is another table"),
        (('scenario = "sale"', 'scenarios = "sale"'), "unknown key 'scenarios'"),
        (('scenario = "sale"', 'scenario = "sail"'), "no row has the scenario 'sail' (did you mean 'sale'?)"),
        (('"race", "gender"', '"race", "age"'), "attribute 'age' is not in audit.csv"),
        (('"race", "gender"', '"race"'), ""),
        (("For {first}: $", "For {pronoun}: $"), "prefill uses {pronoun}, but audit.csv has no pronouns"),
        (("For {first}: $", "For {item}: $"), "unknown slot {item}"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_a_table_is_a_fault(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    if not fault:
        assert the(read_context(written(tmp_path, change))).people.per_group == 6
        return
    found = faults(tmp_path, change)
    assert any(fault in one for one in found), found


def test_faults_of_the_table_stand_under_its_key_with_those_of_the_rest(tmp_path: Path) -> None:
    broken = changed(lambda table: table[2].update(name="X"))
    found = faults(tmp_path, ("max = 0.2", "max = -1"), table=broken)
    assert any(
        "[audit.table]: file = 'audit.csv': line 4: the name 'X' is not in its prompt_text" in one for one in found
    )
    assert any("max = -1" in one for one in found)


def test_without_a_table_the_source_of_the_people_is_needed(tmp_path: Path) -> None:
    asked = ('[audit.table]\nfile = "audit.csv"\nscenario = "sale"', "")
    found = faults(tmp_path, asked, ("prefill", 'prompt = "Ask {first}"\nprefill'))
    assert any("[audit.people]: source is missing; it must be a text that is not empty" in one for one in found)


def test_the_schema_takes_a_table_and_refuses_what_does_not_go_with_it() -> None:
    assert valid_for_editors()
    assert not valid_for_editors(("[audit.people]", '[audit.people]\nsource = "us-names"'))
    assert not valid_for_editors(("prefill", 'prompt = "Ask {first}"\nprefill'))
    assert not valid_for_editors(("[audit.table]", '[audit.slots]\nitem = ["a"]\n\n[audit.table]'))
    assert not valid_for_editors(('file = "audit.csv"', ""))
    asked = ('[audit.table]\nfile = "audit.csv"\nscenario = "sale"\n', "")
    assert not valid_for_editors(asked, ("prefill", 'prompt = "Ask {first}"\nprefill'))
    assert valid_for_editors(
        asked, ("prefill", 'prompt = "Ask {first}"\nprefill'), ("[audit.people]", '[audit.people]\nsource = "us-names"')
    )


def test_a_table_that_changed_since_the_context_was_read_is_refused(tmp_path: Path) -> None:
    context = read_context(written(tmp_path))
    (tmp_path / "audit.csv").write_text(as_csv(rows(pronouns=True)), encoding="utf-8")
    with pytest.raises(DataError, match="this is another table"):
        build_prompts(context, the(context), seed=0)


def test_the_digest_of_the_table_decides_which_questions_these_are(tmp_path: Path) -> None:
    """The text of the context file is the same: what is remembered of the first table must not answer for the second."""
    questions = Collector.questions
    first = read_context(written(tmp_path))
    second = read_context(written(tmp_path, table=as_csv(rows(pronouns=True))))
    assert first.sha256 == second.sha256
    nobody = object.__new__(Collector)
    assert questions(nobody, first, the(first)) != questions(nobody, second, the(second))
    assert questions(nobody, first, the(first)) == questions(nobody, first, replace(the(first), limits=()))


def test_check_says_which_part_of_the_table_is_asked(tmp_path: Path) -> None:
    lines = check_lines(read_context(written(tmp_path)))
    assert "    templates  4: of the table audit.csv (scenario sale)" in lines
    assert (
        "    people     12 from audit.csv: 3 white men (reference), 3 white women, 3 black men, 3 black women" in lines
    )
    assert "    prompts    48" in lines


def test_plan_says_what_the_tables_design_can_show(tmp_path: Path) -> None:
    lines = plan_lines(read_context(written(tmp_path)), power=0.8, evidence=None)
    assert any("48 prompts a model: 4 templates" in line for line in lines)
    assert any("no gap at all: found within with chance" in line for line in lines)
