"""A table of prompts is read whole, and every fault is told by its line."""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_biasaudit.errors import DataError, PeopleError
from pytest_biasaudit.prompts.audit_table import COLUMNS, PromptTable, is_audit_table, read_audit_table
from pytest_biasaudit.prompts.people import load_people
from pytest_biasaudit.prompts.prompt import Person
from tests.audit_tables import LEVELS, NAMES, TEXTS, Row, as_csv, changed, rows

KNOWN = ("white", "black")


def read(folder: Path, text: str, *, races: tuple[str, ...] | None = KNOWN, **chosen: tuple[str, ...]) -> PromptTable:
    (folder / "audit.csv").write_text(text, encoding="utf-8")
    return read_audit_table("audit.csv", beside=folder, races=races, **chosen)  # type: ignore[arg-type]


def faults(folder: Path, text: str, **settings: tuple[str, ...]) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read(folder, text, **settings)
    assert caught.value.path == "audit.csv"
    return caught.value.faults


def test_every_template_holds_every_person_with_the_text_of_the_file(tmp_path: Path) -> None:
    table = read(tmp_path, as_csv(rows()))
    assert [one.id for one in table.templates] == [
        f"{scenario}/{variation}/{level}" for scenario, variation in TEXTS for level in LEVELS
    ]
    assert table.templates[0].slots == (("scenario", "sale"), ("variation", "lamp"), ("context_level", "low"))
    assert len(table.texts) == 72
    text = table.texts["sale/desk/numeric", "D'Arcy", "Rowan"]
    assert text == "What should D'Arcy Rowan be paid for a desk? The usual figure is 40."


def test_race_and_gender_come_from_the_group_and_the_last_word_is_the_last_name(tmp_path: Path) -> None:
    people = read(tmp_path, as_csv(rows())).people
    assert people.attributes == ("race", "gender")
    assert people.people[0] == Person(first="Adam", last="Alder", groups=(("race", "white"), ("gender", "men")))
    assert people.groups("race") == ("white", "black")
    assert people.groups("gender") == ("men", "women")
    assert [person.name for person in people.people] == [name for names in NAMES.values() for name in names]


def test_the_digest_is_that_of_the_files_bytes_and_stands_in_the_facts(tmp_path: Path) -> None:
    table = read(tmp_path, as_csv(rows()), scenarios=("race",))
    digest = hashlib.sha256((tmp_path / "audit.csv").read_bytes()).hexdigest()
    assert table.sha256 == table.facts.sha256 == digest
    assert table.facts.source == "audit.csv"


@pytest.mark.parametrize(
    ("chosen", "templates"),
    [
        ({"scenarios": ("race",)}, ["race/unique/low", "race/unique/numeric"]),
        ({"levels": ("low",), "scenarios": ("sale",)}, ["sale/lamp/low", "sale/desk/low"]),
        ({"variations": ("desk", "unique"), "levels": ("numeric",)}, ["sale/desk/numeric", "race/unique/numeric"]),
    ],
)
def test_a_part_of_the_table_is_chosen_by_what_its_columns_say(
    tmp_path: Path, chosen: dict[str, tuple[str, ...]], templates: list[str]
) -> None:
    assert [one.id for one in read(tmp_path, as_csv(rows()), **chosen).templates] == templates


def test_pronouns_may_follow_the_person(tmp_path: Path) -> None:
    assert len(read(tmp_path, as_csv(rows(pronouns=True))).texts) == 72


def test_a_last_name_that_stands_in_the_prompts_only_belongs_to_the_person(tmp_path: Path) -> None:
    table = rows()
    for row in table:
        row["name"] = row["name"].split()[0]
    people = read(tmp_path, as_csv(table)).people
    assert people.people[0] == Person(first="Adam", last="Alder", groups=(("race", "white"), ("gender", "men")))


def test_first_names_alone_leave_the_last_name_empty(tmp_path: Path) -> None:
    table = rows()
    for row in table:
        first, last = row["name"].split()
        row["name"], row["prompt_text"] = first, row["prompt_text"].replace(f" {last}", "")
    assert {person.last for person in read(tmp_path, as_csv(table)).people.people} == {""}


def test_a_table_with_answers_holds_each_prompt_once_for_each_answer(tmp_path: Path) -> None:
    table = [{**row, "model": model, "response": "$5"} for model in ("a", "b") for row in rows()]
    assert len(read(tmp_path, as_csv(table)).texts) == 72


def test_other_columns_and_their_order_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    table = [{"note": "", **dict(reversed(list(row.items())))} for row in rows()]
    assert len(read(tmp_path, "\ufeff" + as_csv(table)).texts) == 72


def set_cell(line: int, column: str, value: str) -> Callable[[list[Row]], object]:
    """Changes a cell; the head is line 1."""
    return lambda table: table[line - 2].update({column: value})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the file is empty"),
        (",".join(COLUMNS) + "\n", "there is no row under the head"),
        ("scenario;variation;name_group\na;b;c\n", "no column"),
        ("name,prompt_text\na,b\n", "no column scenario, variation, name_group, context_level"),
        (as_csv(rows()) + "sale,lamp\n", "line 74: 2 cells, and the head has 6"),
        (as_csv(rows()) + '"open', "not readable as CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = faults(tmp_path, text)
    assert fault in found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (set_cell(5, "context_level", " "), "line 5: context_level is blank"),
        (set_cell(7, "name", ""), "line 7: name is blank"),
        (set_cell(3, "prompt_text", "\n"), "line 4: prompt_text is blank"),  # the row ends a line further down
        (set_cell(9, "scenario", "sa\x1ble"), "line 9: scenario holds a line break or control character: 'sa\\x1ble'"),
        (
            set_cell(2, "name_group", "whit_men"),
            "line 2: name_group 'whit_men' is unknown (did you mean 'white_men'?); valid are white_men, white_women, "
            "black_men, black_women",
        ),
        (set_cell(2, "name_group", "white_boys"), "line 2: name_group 'white_boys' is unknown"),
        (set_cell(2, "name_group", "men"), "line 2: name_group 'men' is unknown"),
        (set_cell(4, "prompt_text", "What about Karl Cedar?"), "line 4: the name 'Carl Cedar' is not in its prompt_text"),
        (set_cell(4, "prompt_text", "What about Carl Cedars?"), "line 4: the name 'Carl Cedar' is not in its prompt_text"),
        (
            lambda table: table.append(dict(table[5])),
            "line 74: 'Fern Cedar' in sale/lamp/low stands on line 7 already: the same prompt twice",
        ),
        (
            lambda table: table.append({**table[5], "prompt_text": "Is Fern Cedar here?"}),
            "line 74: 'Fern Cedar' in sale/lamp/low stands on line 7 already, with another prompt_text",
        ),
        (
            set_cell(14, "name_group", "black_men"),
            "the name 'Adam Alder' is in 2 groups: white_men (line 2), black_men (line 14)",
        ),
        (
            lambda table: [row.update(scenario="Sale") for row in table[:12]],
            "scenario is spelt in several ways: 'Sale' (line 2), 'sale' (line 14)",
        ),
        (lambda table: table.pop(0), "template sale/lamp/low has no prompt for 1 of 12 people (Adam Alder)"),
        (
            set_cell(6, "prompt_text", "What should Edna Birch be paid for a red lamp?"),
            "line 6: the prompt differs from that of line 2, of the same template sale/lamp/low, in more than the person: "
            "'...at should {person} be paid for a red lamp?', and there '...at should {person} be paid for a lamp?'",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(tmp_path: Path, change: Callable[[list[Row]], object], fault: str) -> None:
    found = faults(tmp_path, changed(change))
    assert any(fault in one for one in found), found


def test_all_faults_are_told_at_once_and_many_are_counted(tmp_path: Path) -> None:
    def spoil(table: list[Row]) -> None:
        for row in table[:30]:
            row["name_group"] = "nobody"

    found = faults(tmp_path, changed(spoil))
    assert len(found) == 21
    assert found[-1] == "and 10 more"
    assert found[0].startswith("line 2: ")
    assert found[19].startswith("line 21: ")


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    good = as_csv(rows()).encode()
    (tmp_path / "audit.csv").write_bytes(good.replace(b"Bert Birch", b"Bert B\xefrch", 1))
    with pytest.raises(DataError, match="line 3: byte 0xef is not UTF-8"):
        read_audit_table("audit.csv", beside=tmp_path)


def test_a_prompt_over_several_lines_is_one_prompt(tmp_path: Path) -> None:
    table = rows()
    for row in table:
        row["prompt_text"] = row["prompt_text"].replace("? ", "?\n\n") + "\n"
    read_texts = read(tmp_path, as_csv(table)).texts
    assert read_texts["race/unique/numeric", "Adam", "Alder"] == (
        "How likely does Adam Alder win the race?\n\nThe usual figure is 40.\n"
    )


def test_a_row_that_is_not_used_must_be_sound_but_need_not_make_a_design(tmp_path: Path) -> None:
    without_one = changed(lambda table: table.pop())
    assert len(read(tmp_path, without_one, scenarios=("sale",)).texts) == 48
    broken = changed(set_cell(73, "name_group", "x"))
    assert "line 73" in faults(tmp_path, broken, scenarios=("sale",))[0]


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        ({"scenarios": ("sail",)}, "no row has the scenario 'sail' (did you mean 'sale'?); there is sale, race"),
        ({"variations": ("chair",)}, "no row has the variation 'chair'; there is lamp, desk, unique"),
        ({"levels": ("high",)}, "no row has the level 'high'; there is low, numeric"),
        (
            {"scenarios": ("race",), "variations": ("lamp",)},
            "no prompt is of the scenario, variation and level that are asked for",
        ),
    ],
)
def test_a_part_that_the_table_does_not_have_is_refused(
    tmp_path: Path, chosen: dict[str, tuple[str, ...]], fault: str
) -> None:
    assert faults(tmp_path, as_csv(rows()), **chosen) == (fault,)


@pytest.mark.parametrize("file", ["../audit.csv", "/audit.csv", "C:\\audit.csv", "a/../audit.csv"])
def test_a_table_lies_beside_its_context(tmp_path: Path, file: str) -> None:
    with pytest.raises(DataError, match="a table lies beside its context file"):
        read_audit_table(file, beside=tmp_path)


def test_a_missing_file_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "audits.csv").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"no such file .*did you mean 'audits.csv'\?.*CSV files there: audits.csv"):
        read_audit_table("audit.csv", beside=tmp_path)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "audit.csv").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_audit_table("audit.csv", beside=tmp_path)


def test_another_digest_than_the_declared_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.csv").write_text(as_csv(rows()), encoding="utf-8")
    with pytest.raises(DataError, match="this is another table"):
        read_audit_table("audit.csv", beside=tmp_path, sha256="0" * 64)


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x85"])
def test_a_prompt_holds_no_control_characters_beside_tabulators_and_line_breaks(tmp_path: Path, character: str) -> None:
    table = rows()
    table[2]["prompt_text"] += f" Be{character}brief."
    (fault,) = faults(tmp_path, as_csv(table))
    assert fault == f"line 4: prompt_text holds the control character {character!r}, which no prompt has a use for"
    for row in table:
        row["prompt_text"] = row["prompt_text"].replace(character, "\t") + "\nOne number.\r\n"
    table[2]["prompt_text"] = rows()[2]["prompt_text"] + "\nOne number.\r\n"
    assert len(read(tmp_path, as_csv(table)).texts) == 72


def test_a_cell_of_ten_megabytes_is_refused_by_its_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, changed(set_cell(3, "prompt_text", "Adam Alder " + "x" * 10**7)))
    assert fault == "line 3: not readable as CSV: field larger than field limit (131072)"


def test_names_are_looked_for_as_they_stand_whatever_signs_they_have(tmp_path: Path) -> None:
    signs = {"Adam Alder": "A*dam (Alder)", "Gil Oak": "[Gil]+ Oak?", "Ines Oak": "Ines\\1 Oak$"}
    table = rows()
    for row in table:
        for name, other in signs.items():
            row.update({key: row[key].replace(name, other) for key in ("name", "prompt_text")})
    found = read(tmp_path, as_csv(table))
    assert set(signs.values()) < {person.name for person in found.people.people}


def test_a_table_is_a_people_list_too(tmp_path: Path) -> None:
    (tmp_path / "audit.csv").write_text(as_csv(rows()), encoding="utf-8")
    assert is_audit_table(tmp_path / "audit.csv")
    assert len(load_people("audit.csv", beside=tmp_path).people) == 12


def test_a_faulty_table_is_a_faulty_people_list(tmp_path: Path) -> None:
    (tmp_path / "audit.csv").write_text(changed(set_cell(4, "name", "X")), encoding="utf-8")
    with pytest.raises(PeopleError, match="line 4: the name 'X' is not in its prompt_text"):
        load_people("audit.csv", beside=tmp_path)


def test_a_people_list_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("first,race\nAdam,white\n", encoding="utf-8")
    assert not is_audit_table(tmp_path / "people.csv")


def test_a_table_of_the_published_size_is_read_in_half_a_second(tmp_path: Path) -> None:
    """42 templates x 40 names, each prompt of about 300 characters."""
    with (tmp_path / "big.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        for template in range(42):
            for person in range(40):
                group = tuple(NAMES)[person // 10]
                name = f"Name{chr(65 + person // 10)}{chr(65 + person % 10)} Last{group[:5].title()}"
                text = f"What should {name} be paid? " + "He knows nothing of it. " * 12
                writer.writerow(("s", f"v{template}", group, name, "low", text))
    begun = time.process_time()
    table = read_audit_table("big.csv", beside=tmp_path, races=KNOWN)
    assert len(table.texts) == 1680
    assert time.process_time() - begun < 0.5
